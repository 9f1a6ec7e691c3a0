/* The 68 bytes that begin a peer connection (BEP 3), with the reserved bits that are in use. */
#ifndef KITH_PROTO_HANDSHAKE_H
#define KITH_PROTO_HANDSHAKE_H

#include "base/bytes.h"
#include "base/ids.h"

#define HANDSHAKE_SIZE 68u
#define HANDSHAKE_HASH_END 48u /* where the info-hash ends: enough to answer */
#define HANDSHAKE_PROTOCOL_SIZE 20u

struct handshake {
    bool extensions; /* BEP 10: reserved[5] & 0x10 */
    bool dht;        /* BEP 5:  reserved[7] & 0x01 */
    bool fast;       /* BEP 6:  reserved[7] & 0x04 */
    bool v2;         /* BEP 52: reserved[7] & 0x10 */
    struct info_hash info_hash;
    struct peer_id peer_id;
};

void handshake_encode(const struct handshake *, uint8_t out[HANDSHAKE_SIZE]);
/* Reads what is there. Returns HANDSHAKE_SIZE when all of it is, HANDSHAKE_HASH_END when everything
 * but the peer id is, 0 when more is needed; ERR_PROTOCOL if it is not a BitTorrent handshake (seen
 * from the first wrong byte on). */
int handshake_decode(struct bytes in, struct handshake *out);
/* Can these bytes still become a plaintext handshake? False: it is MSE/PE, or noise. */
bool handshake_is_plain(struct bytes in);

#endif
