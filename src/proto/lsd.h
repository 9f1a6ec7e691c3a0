/* Local service discovery (BEP 14): the one datagram that it has. */
#ifndef KITH_PROTO_LSD_H
#define KITH_PROTO_LSD_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/ids.h"

#define LSD_PORT 6771
#define LSD_PACKET_MAX 1400u /* sent; BEP 14 */
#define LSD_SEND_MAX 25u     /* info-hashes that fit into it */
#define LSD_RECEIVE_MAX 1500u
#define LSD_HASHES_MAX 29u /* that fit into what is received */
#define LSD_COOKIE_MAX 31u

struct lsd_announce {
    uint16_t port; /* where the sender listens */
    struct info_hash hashes[LSD_HASHES_MAX];
    unsigned count;
    char cookie[LSD_COOKIE_MAX + 1]; /* ours is known by it; "" if there is none */
};

/* 239.192.152.143 or ff15::efc0:988f, with LSD_PORT. */
struct endpoint lsd_group(enum addr_family);
/* At most LSD_SEND_MAX hashes. */
void lsd_put(struct builder *, enum addr_family, const struct lsd_announce *);
/* Unknown lines and malformed hashes are passed over, what goes beyond the bounds is left out.
 * ERR_SYNTAX: it is no announce, or lacks a port or a hash. */
int lsd_parse(struct bytes datagram, struct lsd_announce *);

#endif
