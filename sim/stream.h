/* One plain TCP stream from a host to another: what a transfer takes that knows nothing of
 * requests, choking and pieces. */
#ifndef KITH_SIM_STREAM_H
#define KITH_SIM_STREAM_H

#include "env/sim/sim.h"

struct stream_config {
    const struct sim_config *world;
    uint64_t up, down; /* bytes a second: the sender's line, the receiver's */
    uint64_t size;     /* bytes to be sent */
};

/* Virtual seconds until the last byte is read. */
double stream_seconds(const struct stream_config *);

#endif
