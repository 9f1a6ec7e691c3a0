/* The largest datagram that a path carries whole, found by bisection (RFC 8899 in the small): one
 * packet at a time is sent larger than known to pass and must not be fragmented; the others keep to
 * what has passed. Sizes are UDP payloads. A lost probe says nothing of congestion. */
#ifndef KITH_UTP_MTU_H
#define KITH_UTP_MTU_H

#include "base/addr.h"
#include "base/time.h"

#define UTP_MTU_FLOOR_V4 548u    /* RFC 791's 576, less IP and UDP */
#define UTP_MTU_FLOOR_V6 1232u   /* RFC 8200's 1280 */
#define UTP_MTU_CEILING_V4 1472u /* Ethernet's 1500; larger datagrams do not fit deployed peers */
#define UTP_MTU_CEILING_V6 1452u
#define UTP_MTU_NEAR 16u            /* a search that is so near its end ends */
#define UTP_MTU_TRIES 2u            /* a size that was lost so often is too large */
#define UTP_MTU_AGAIN SECONDS(1800) /* paths change: after that the ceiling is tried again */

struct utp_mtu {
    uint16_t least, most;    /* of this family */
    uint16_t floor, ceiling; /* the largest that passed; the largest that may pass */
    uint16_t probe;          /* size under way; 0: none */
    uint8_t tries;           /* of the size that is looked at */
    usec again_at;           /* the search is over until then; NEVER: it goes on */
};

void utp_mtu_init(struct utp_mtu *, enum addr_family);
/* What ordinary packets may measure. */
static inline size_t utp_mtu_size(const struct utp_mtu *m)
{
    return m->floor;
}
/* The size of the probe that should be sent now; 0: none. */
size_t utp_mtu_wanted(struct utp_mtu *, usec now);
/* A probe of that size was sent; it arrived; it was lost; this machine would not send it. */
void utp_mtu_sent(struct utp_mtu *, size_t size);
void utp_mtu_passed(struct utp_mtu *, usec now);
void utp_mtu_lost(struct utp_mtu *, usec now);
void utp_mtu_refused(struct utp_mtu *, usec now);
/* Nothing passes any more: begin at the floor. */
void utp_mtu_black_hole(struct utp_mtu *);

#endif
