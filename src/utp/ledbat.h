/* LEDBAT (RFC 6817): a congestion window that keeps the queue in the bottleneck near a target, so
 * that whoever else uses the line hardly feels it.
 *
 * Below the target the window grows by at most LEDBAT_GAIN a round trip, as libutp and libtorrent
 * have it; above, it shrinks in proportion (as LEDBAT++ does, draft-irtf-iccrg-ledbat-plus-plus,
 * because 3000 bytes a round trip drain a full queue too slowly). It never falls below
 * two packets: it yields, but does not starve. Bytes in, window out; knows no packets. */
#ifndef KITH_UTP_LEDBAT_H
#define KITH_UTP_LEDBAT_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

#define LEDBAT_TARGET MSECS(100)
#define LEDBAT_GAIN 3000.0 /* bytes a round trip */
#define LEDBAT_WINDOW_MAX (4u << 20)
#define LEDBAT_PACKETS_MIN 2u
#define LEDBAT_PACKETS_FIRST 10u    /* the first window (RFC 6928), and the one after a rest */
#define LEDBAT_CUT_PAUSE MSECS(100) /* losses within it, or a round trip, are one */

struct ledbat {
    double window;     /* bytes that may be in flight */
    double threshold;  /* where slow start ends at the latest */
    double before_cut; /* to go back to if the loss was none */
    size_t packet;     /* bytes of a full packet */
    bool slow_start;
    usec cut_at; /* the last loss that counted, or the end of slow start */
};

void ledbat_init(struct ledbat *, size_t packet);
/* The path carries packets of that size. */
void ledbat_set_packet(struct ledbat *, size_t packet);
/* `bytes` arrived; they queued for `queue` on their way. `limited`: the window, and not the want of
 * data, is what holds the sender back: only then may it grow. */
void ledbat_acked(struct ledbat *, size_t bytes, usec queue, bool limited, usec now);
/* A packet was lost. */
void ledbat_lost(struct ledbat *, usec rtt, usec now);
/* It was not lost, only late: the window is as it was. */
void ledbat_not_lost(struct ledbat *);
/* Nothing came back for a whole timeout. */
void ledbat_timeout(struct ledbat *, usec now);
/* Nothing was sent for a while: what the path bears now is not known. */
void ledbat_rested(struct ledbat *);

#endif
