/* How many blocks to keep asked for at one peer: its bandwidth-delay product, measured.
 *
 * The depth doubles while the rate grows (slow start), then follows rate times the time that a
 * block takes to come, with room to spare so that the peer never runs dry. Pure arithmetic. */
#ifndef KITH_SWARM_PIPELINE_H
#define KITH_SWARM_PIPELINE_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define PIPELINE_DEPTH_MIN 4u
#define PIPELINE_DEPTH_START 4u /* more would wait at a slow peer while others could give it */
#define PIPELINE_DEPTH_FAR 16u  /* at once, where the first block says that the way is long */
#define PIPELINE_DEPTH_MAX 512u /* 8 MiB of 16 KiB blocks at one peer */
#define PIPELINE_TIMEOUT_MIN SECONDS(6)
#define PIPELINE_TIMEOUT_MAX SECONDS(60)

struct pipeline {
    uint32_t depth, depth_max;
    bool slow_start;
    usec round_began; /* a round is a depth's worth of blocks */
    uint32_t round_blocks;
    uint64_t round_bytes;
    double last_rate;      /* bytes a microsecond in the round before */
    usec block_time;       /* smoothed time from request to block */
    usec block_time_least; /* the shortest seen: the path's own delay */
    usec heard_at;         /* the last block */
    bool snubbed;
};

void pipeline_init(struct pipeline *, usec now);
/* The peer's own bound (reqq, BEP 10); 0: unknown. */
void pipeline_set_max(struct pipeline *, uint32_t reqq);
void pipeline_unchoked(struct pipeline *, usec now);
void pipeline_block(struct pipeline *, uint32_t size, usec took, usec now);
/* A block did not come in time: back to the smallest depth, and snubbed until one comes. */
void pipeline_timed_out(struct pipeline *, usec now);
uint32_t pipeline_depth(const struct pipeline *);
/* How long to wait for a block before it is given to others. */
usec pipeline_timeout(const struct pipeline *);

#endif
