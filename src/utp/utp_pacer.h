/* When the next packets may leave, so that a window is spread over its round trip instead of
 * standing in the bottleneck's queue as a burst. A bucket of bytes that fills at a rate; what it
 * holds is sent, then it rests until there is enough for several packets again (one system call,
 * one wake-up). Knows neither windows nor packets' contents. */
#ifndef KITH_UTP_PACER_H
#define KITH_UTP_PACER_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

#define UTP_PACE_GAIN 1.1         /* of the window a round trip: the window, too, must hold */
#define UTP_PACE_GAIN_START 1.25  /* in slow start, which nearly doubles by that */
#define UTP_PACE_RTT_MIN MSECS(2) /* shorter paths are not paced: no timer is that fine */
#define UTP_PACE_SPAN MSECS(1)    /* at least so much leaves together, ... */
#define UTP_PACE_PACKETS 2u       /* ... and so many packets */
#define UTP_PACE_BURST MSECS(4)   /* at most so much after a pause, ... */
#define UTP_PACE_BURST_PACKETS 4u /* ... or so many packets: timers are late */

struct utp_pacer {
    double rate;    /* bytes a second; 0: no bound */
    double credit;  /* bytes that may leave; below 0: they have left already */
    size_t packet;  /* bytes of a full one */
    usec filled_at; /* when `credit` was right */
    usec again_at;  /* nothing may leave until then; NEVER: it may now */
};

void utp_pacer_init(struct utp_pacer *, size_t packet, usec now);
/* From now on at this rate, in packets of that size. */
void utp_pacer_set(struct utp_pacer *, double rate, size_t packet, usec now);
/* Bytes left. */
void utp_pacer_spend(struct utp_pacer *, size_t bytes, usec now);
/* Time has passed: it may be over with the rest. */
void utp_pacer_tick(struct utp_pacer *, usec now);
static inline bool utp_pacer_rests(const struct utp_pacer *p)
{
    return p->again_at != NEVER;
}

#endif
