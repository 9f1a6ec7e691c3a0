/* Time as the state machines see it: they are handed `now`, and give back a deadline.
 *
 * Monotonic, in microseconds, from an origin that means nothing. Wall-clock time is only for people
 * and files, in Unix seconds, and always says `_unix` in its name. */
#ifndef KITH_BASE_TIME_H
#define KITH_BASE_TIME_H

#include <stdint.h>

typedef int64_t usec; /* a point on the monotonic clock, or a span of it */

#define USEC_PER_MSEC ((usec)1000)
#define USEC_PER_SEC ((usec)1000000)
#define SECONDS(n) ((usec)(n)*USEC_PER_SEC)
#define MSECS(n) ((usec)(n)*USEC_PER_MSEC)
#define NEVER INT64_MAX /* the deadline of a thing that waits for nothing */

static inline usec usec_min(usec a, usec b)
{
    return a < b ? a : b;
}

#endif
