/* BEP 52's hash request, hashes and reject: the fields that all three begin with, which name a run
 * of hashes of one layer of a file's tree. */
#ifndef KITH_PROTO_HASH_MESSAGE_H
#define KITH_PROTO_HASH_MESSAGE_H

#include "base/bytes.h"
#include "base/ids.h"

#define HASH_REQUEST_SIZE 48u
#define HASH_MESSAGE_HEAD (4u + 1u + HASH_REQUEST_SIZE) /* length, id, fields */

struct hash_request {
    struct sha256_digest root; /* of the file */
    uint32_t base;             /* the layer: 0 for the blocks' own hashes */
    uint32_t index, length;    /* in hashes of that layer */
    uint32_t proof_layers;     /* layers above that are proved, the run's own included */
};

/* `payload`: at least HASH_REQUEST_SIZE bytes, which wire_check_length assures. */
struct hash_request hash_request_parse(struct bytes payload);
/* Appends the head of a message of this id, behind which `hashes` hashes follow. */
void hash_message_put(struct builder *, uint8_t id, const struct hash_request *, size_t hashes);
/* How many uncles follow the hashes: those that the run itself implies are counted and not sent. */
size_t hash_request_uncles(const struct hash_request *);

#endif
