/* The extension handshake (BEP 10) and the ids under which we want to be told. */
#ifndef KITH_PROTO_EXTENSION_H
#define KITH_PROTO_EXTENSION_H

#include "base/addr.h"
#include "base/bytes.h"

/* Our side's ids: what a peer puts into its messages to us. */
enum extension_id {
    EXTENSION_HANDSHAKE = 0,
    EXTENSION_UT_PEX = 1,
    EXTENSION_UT_METADATA = 2,
    EXTENSION_UPLOAD_ONLY = 3,
    EXTENSION_UT_HOLEPUNCH = 4,
    EXTENSION_LT_DONTHAVE = 7
};

/* The other side's ids; 0: it does not want that extension, or switched it off. */
struct extension_ids {
    uint8_t ut_pex, ut_metadata, upload_only, lt_donthave, ut_holepunch;
};

#define EXTENSION_CLIENT_MAX 63u
#define EXTENSION_TOKENS_MAX 512u

/* Absent numbers are -1, absent text is empty. */
struct extension_handshake {
    struct extension_ids ids;
    char client[EXTENSION_CLIENT_MAX + 1]; /* v: escaped for people, valid UTF-8 */
    int64_t reqq;                          /* requests it lets wait */
    int64_t port;                          /* where it listens */
    int64_t metadata_size;                 /* BEP 9 */
    int64_t upload_only;                   /* BEP 21: 0 or 1 */
    int64_t complete_ago;                  /* seconds; -1 also means unknown on the wire */
    bool prefers_encryption;
    struct endpoint your_ip; /* family ADDR_NONE if absent; port 0 */
};

/* Appends the dictionary. Only what is >= 0 or set is written. */
void extension_handshake_put(struct builder *, const struct extension_handshake *);
/* Later handshakes update: `ids` keeps what the message does not name. Unknown keys and odd types
 * are passed over; ERR_SYNTAX if it is no dictionary. */
int extension_handshake_parse(struct bytes payload, struct extension_handshake *);

#endif
