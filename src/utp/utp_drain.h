/* When a sender lets the bottleneck's queue run empty, so that the delay of the empty path can be
 * seen again (as LEDBAT++ does). Its own queue stands for as long as it sends: after the minutes
 * that a base delay is believed it would be taken for the path, and another one be put on top of
 * it; and where the clocks drift apart, sooner. Nothing is done while the path is seen empty
 * anyway, which round trips tell, because they are of one clock. */
#ifndef KITH_UTP_DRAIN_H
#define KITH_UTP_DRAIN_H

#include "base/time.h"
#include <stdbool.h>

#define UTP_DRAIN_EVERY SECONDS(60)
#define UTP_DRAIN_EMPTY MSECS(12) /* above the shortest round trip: as good as empty */
#define UTP_DRAIN_MAX SECONDS(2)

struct utp_drain {
    usec empty_at; /* the path was seen empty, or it was tried */
    usec until;    /* it runs empty; NEVER: it does not */
};

void utp_drain_init(struct utp_drain *, usec now);
/* A round trip was measured; the shortest so far. */
void utp_drain_saw(struct utp_drain *, usec rtt, usec rtt_min, usec now);
/* Begins if it is time, for as long as what is under way and one packet more take. */
void utp_drain_look(struct utp_drain *, usec srtt, usec now);
/* Ends it if it is time. */
void utp_drain_tick(struct utp_drain *, usec now);
static inline bool utp_drain_runs(const struct utp_drain *d)
{
    return d->until != NEVER;
}

#endif
