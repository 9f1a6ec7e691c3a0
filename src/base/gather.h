/* When a reader is told of bytes that come in a stream: at once, or when so many are there that
 * telling pays. A fast sender and a reader that is woken for each segment spend more on waking one
 * another than on copying.
 *
 * The reader names what is expected. While the stream is fast, the mark is what comes in
 * GATHER_SPAN, and never more than a quarter of what is expected, so that the sender always has
 * something to send meanwhile. What stays below the mark is told after GATHER_PATIENCE, and then
 * everything is, until the stream is fast again. Pure arithmetic: env/uv makes it the socket's low
 * water mark, env/sim its simulated counterpart. */
#ifndef KITH_BASE_GATHER_H
#define KITH_BASE_GATHER_H

#include "base/time.h"
#include <stddef.h>
#include <stdint.h>

#define GATHER_SPAN MSECS(2)
#define GATHER_PATIENCE MSECS(4)
#define GATHER_MARK_MIN ((size_t)64 << 10)  /* less is told at once: under 32 MB/s */
#define GATHER_MARK_MAX ((size_t)256 << 10) /* more would not stay in the cache */

/* Starts zeroed. */
struct gather {
    size_t expected;  /* bytes that are to come, those that wait to be read included */
    size_t fast_mark; /* by the rate alone; 0: the stream is not fast */
    usec span_began, read_at;
    size_t span_bytes;
};

void gather_expect(struct gather *, size_t bytes);
void gather_read(struct gather *, size_t bytes, usec now);
/* The reader is told when so many bytes are there: a power of two, or 1. */
size_t gather_mark(const struct gather *);
/* While the mark is above 1: until when there is patience with what is below it. */
usec gather_deadline(const struct gather *);
/* That time has passed. */
void gather_late(struct gather *);

#endif
