/* See pipeline.h. */
#include "swarm/peer/pipeline.h"

#include <string.h>

#define BLOCK_SIZE 16384.0
#define GROWTH_THAT_COUNTS 1.1 /* a round this much faster than the last keeps slow start on */
#define QUEUE_ENOUGH MSECS(500)
#define FAR MSECS(75) /* for each so much that the first block takes there is one on the way */
/* Of the product, so that the peer never waits for us, nor while a loss is repaired. */
#define ROOM 2.0

void pipeline_init(struct pipeline *p, usec now)
{
    memset(p, 0, sizeof *p);
    p->depth = PIPELINE_DEPTH_START;
    p->depth_max = PIPELINE_DEPTH_MAX;
    p->slow_start = true;
    p->round_began = p->heard_at = now;
    p->block_time_least = NEVER;
}

void pipeline_set_max(struct pipeline *p, uint32_t reqq)
{
    if (reqq == 0)
        return;
    p->depth_max = reqq < PIPELINE_DEPTH_MAX ? reqq : PIPELINE_DEPTH_MAX;
    if (p->depth > p->depth_max)
        p->depth = p->depth_max;
}

static void start_round(struct pipeline *p, usec now)
{
    p->round_began = now;
    p->round_blocks = 0;
    p->round_bytes = 0;
}

void pipeline_unchoked(struct pipeline *p, usec now)
{
    start_round(p, now);
    p->heard_at = now;
}

static uint32_t clamp(const struct pipeline *p, double depth)
{
    if (depth < PIPELINE_DEPTH_MIN)
        depth = PIPELINE_DEPTH_MIN;
    if (depth > p->depth_max)
        depth = p->depth_max;
    return depth < 1 ? 1 : (uint32_t)depth;
}

/* Blocks wait at the peer rather than on the way: more of them asked for would only be held back
 * from others, each of whom asks the same slow peer for the same pieces. */
static bool peer_is_full(const struct pipeline *p)
{
    return p->block_time_least != NEVER && p->block_time > 2 * p->block_time_least + QUEUE_ENOUGH;
}

/* A round has passed, its last block took so long: what did its depth bring? Slow start leaves
 * TCP's own behind where nothing waits at the peer, so that it is TCP that finds out what the path
 * takes. */
static void end_round(struct pipeline *p, usec took_last, usec now)
{
    usec took = now - p->round_began;
    double rate = (double)p->round_bytes / (double)(took > 0 ? took : 1);
    bool full = peer_is_full(p);
    if (p->slow_start && !full && rate > p->last_rate * GROWTH_THAT_COUNTS) {
        p->depth = clamp(p, p->depth * (took_last < 2 * p->block_time_least ? 4.0 : 2.0));
    } else {
        p->slow_start = false;
        /* The product of the rate and the path's own delay, and a quarter of a second of data: a
         * turn of either side's loop, and TCP's least timeout on a short path, cost nothing. */
        usec delay = p->block_time_least == NEVER ? p->block_time : p->block_time_least;
        double product = rate * ((double)delay * ROOM + 250e3) / BLOCK_SIZE;
        /* A quarter of the way there; upwards at least one, or small depths would never grow. */
        double next = (p->depth * 3.0 + product) / 4;
        p->depth = clamp(p, full ? product : product > p->depth ? next + 1 : next);
    }
    p->last_rate = rate;
    start_round(p, now);
}

/* A path that takes long for a block is mostly a long one: what is on it cannot grow before we ask,
 * and each doubling of ours takes all that time. */
static void go_far(struct pipeline *p)
{
    usec blocks = p->block_time_least / FAR;
    if (blocks > p->depth && p->depth < PIPELINE_DEPTH_FAR)
        p->depth = clamp(p, blocks < PIPELINE_DEPTH_FAR ? (double)blocks : PIPELINE_DEPTH_FAR);
}

void pipeline_block(struct pipeline *p, uint32_t size, usec took, usec now)
{
    p->heard_at = now;
    p->snubbed = false;
    p->block_time = p->block_time ? (p->block_time * 7 + took) / 8 : took;
    if (took < p->block_time_least)
        p->block_time_least = took;
    p->round_bytes += size;
    if (p->slow_start && !peer_is_full(p))
        go_far(p);
    if (++p->round_blocks >= p->depth)
        end_round(p, took, now);
}

void pipeline_timed_out(struct pipeline *p, usec now)
{
    p->depth = clamp(p, 0);
    p->snubbed = true;
    p->slow_start = true;
    p->last_rate = 0;
    start_round(p, now);
}

uint32_t pipeline_depth(const struct pipeline *p)
{
    return p->snubbed ? 1 : p->depth;
}

usec pipeline_timeout(const struct pipeline *p)
{
    usec timeout = p->block_time * 4 + SECONDS(5);
    if (timeout < PIPELINE_TIMEOUT_MIN)
        return PIPELINE_TIMEOUT_MIN;
    return timeout < PIPELINE_TIMEOUT_MAX ? timeout : PIPELINE_TIMEOUT_MAX;
}
