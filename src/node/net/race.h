/* One connection attempt by two carriers: TCP and uTP start a little apart, the first that connects
 * is the stream, the other is closed (happy eyeballs, RFC 8305, for carriers). Which goes first:
 * what this peer was reached by before; else TCP on local networks, where nobody shares a thin
 * line, and uTP elsewhere, because it gives way. */
#ifndef KITH_NODE_RACE_H
#define KITH_NODE_RACE_H

#include "node/net/stream.h"

#define RACE_HEAD_START MSECS(250) /* RFC 8305, section 5 */
#define RACE_MEMORY 1024u          /* addresses whose carrier is remembered */

/* What a node has learnt about carriers: a small table by address that forgets. Starts zeroed. */
struct race_memory {
    struct {
        uint32_t tag; /* of the address */
        uint8_t carrier;
    } slots[RACE_MEMORY];
    uint8_t key[16];
};

/* As stream_connect, by both carriers. */
int race_connect(struct kith_node *, const struct endpoint *to, const struct env_tcp_events *,
    void *user, struct stream **out);

/* By what this address was reached last; CARRIER_NONE: not known. */
enum carrier race_remembered(struct kith_node *, const struct endpoint *);

#endif
