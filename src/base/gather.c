/* See gather.h. */
#include "base/gather.h"

/* The largest mark that is no more than this; 0: there is none. Few values, so that the mark does
 * not move with each block. */
static size_t mark_within(uint64_t bytes)
{
    size_t mark = GATHER_MARK_MAX;
    while (mark > bytes)
        mark /= 2;
    return mark < GATHER_MARK_MIN ? 0 : mark;
}

void gather_expect(struct gather *g, size_t bytes)
{
    g->expected = bytes;
}

void gather_read(struct gather *g, size_t bytes, usec now)
{
    g->expected -= bytes < g->expected ? bytes : g->expected;
    g->span_bytes += bytes;
    g->read_at = now;
    usec took = now - g->span_began;
    if (took < GATHER_SPAN)
        return;
    g->fast_mark = mark_within((uint64_t)g->span_bytes * GATHER_SPAN / (uint64_t)took);
    g->span_began = now;
    g->span_bytes = 0;
}

size_t gather_mark(const struct gather *g)
{
    size_t mark = g->fast_mark ? mark_within(g->expected / 4) : 0;
    if (mark > g->fast_mark)
        mark = g->fast_mark;
    return mark ? mark : 1;
}

usec gather_deadline(const struct gather *g)
{
    return g->read_at + GATHER_PATIENCE;
}

void gather_late(struct gather *g)
{
    g->fast_mark = 0;
    g->span_began = g->read_at;
    g->span_bytes = 0;
}
