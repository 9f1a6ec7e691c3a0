/* What a swarm does with its lines, second by second: who looks for what keeps it from its bound
 * sees whether it is the start, the middle or the end. */
#ifndef KITH_SIM_WATCH_H
#define KITH_SIM_WATCH_H

#include "swarm.h"

struct watch {
    usec next;
    uint64_t seed_sent, others_sent; /* until the last look */
};

/* Called as often as one likes; prints a line for each second that has passed. */
void watch_look(struct watch *, struct swarm *);

#endif
