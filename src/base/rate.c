/* The rate meter and the token bucket. Integer time, IEEE arithmetic only and no libm: a simulated
 * run gives the same numbers everywhere.
 *
 * The meter counts bytes in ticks of 100 ms and folds each tick into an exponential average. The
 * weights of the ticks so far sum to 1 - KEEP^n, which value() divides by: that is what makes the
 * average exact from the first tick on for a steady rate, and total over elapsed time at start. */
#include "base/rate.h"

#include <stdbool.h>

#define TICK MSECS(100)
#define TICKS_PER_SEC 10
#define TICK_KEEP 0.980198673306755 /* exp(-TICK / 5 s) */
#define SHOWN_AFTER_LAST SECONDS(10)
#define TICKS_MAX 10000 /* after so many, KEEP^n is nothing */

#define TOKEN_BURST_MIN ((int64_t)17 * 1024) /* a block of 16 KiB and its headers pass at once */
#define TOKEN_RATE_MAX ((uint64_t)1 << 40)   /* rate * 1 s in byte-microseconds stays in 64 bits */
#define TOKEN_DEBT_MAX ((int64_t)1 << 52)

/* KEEP^n by squaring. */
static double keep_for(uint64_t ticks)
{
    if (ticks > TICKS_MAX)
        return 0;
    double result = 1, square = TICK_KEEP;
    for (; ticks; ticks >>= 1, square *= square)
        if (ticks & 1)
            result *= square;
    return result;
}

/* Folds all ticks that have ended: the first of them holds the pending bytes, the rest nothing. */
static void meter_advance(struct rate_meter *m, usec now)
{
    if (now - m->updated < TICK)
        return;
    uint64_t ticks = (uint64_t)(now - m->updated) / TICK;
    m->level += (1 - TICK_KEEP) * ((double)m->pending * TICKS_PER_SEC - m->level);
    m->level *= keep_for(ticks - 1);
    m->pending = 0;
    m->updated += (usec)ticks * TICK;
}

void rate_meter_add(struct rate_meter *m, uint64_t bytes, usec now)
{
    if (bytes == 0)
        return;
    if (m->total == 0)
        m->started = m->updated = now; /* the clock starts with the first byte */
    meter_advance(m, now);
    m->pending += bytes;
    m->total += bytes;
    m->heard = now;
}

uint64_t rate_meter_value(struct rate_meter *m, usec now)
{
    if (m->total == 0)
        return 0;
    meter_advance(m, now);
    uint64_t ticks = (uint64_t)(m->updated - m->started) / TICK;
    if (ticks == 0) /* within the first tick: as if it were over */
        return m->pending * TICKS_PER_SEC;
    return (uint64_t)(m->level / (1 - keep_for(ticks)) + 0.5);
}

uint64_t rate_meter_shown(struct rate_meter *m, usec now)
{
    return now - m->heard < SHOWN_AFTER_LAST ? rate_meter_value(m, now) : 0;
}

static int64_t bucket_burst(const struct token_bucket *b)
{
    return (int64_t)b->rate > TOKEN_BURST_MIN ? (int64_t)b->rate : TOKEN_BURST_MIN;
}

/* Adds what has flowed in since `updated`, to the millionth of a byte. */
static void bucket_refill(struct token_bucket *b, usec now)
{
    if (now <= b->updated)
        return;
    uint64_t span = (uint64_t)(now - b->updated);
    uint64_t whole = span / USEC_PER_SEC, part = span % USEC_PER_SEC;
    uint64_t fine = part * b->rate + b->fraction;
    uint64_t gained;
    bool full = __builtin_mul_overflow(whole, b->rate, &gained) ||
                __builtin_add_overflow(gained, fine / USEC_PER_SEC, &gained) ||
                gained > (uint64_t)TOKEN_DEBT_MAX * 2 ||
                b->tokens + (int64_t)gained >= bucket_burst(b);
    b->updated = now;
    b->tokens = full ? bucket_burst(b) : b->tokens + (int64_t)gained;
    b->fraction = full ? 0 : (uint32_t)(fine % USEC_PER_SEC);
}

void token_bucket_set(struct token_bucket *b, uint64_t bytes_per_second, usec now)
{
    if (bytes_per_second > TOKEN_RATE_MAX)
        bytes_per_second = TOKEN_RATE_MAX;
    bool was_limited = b->rate != 0;
    if (was_limited)
        bucket_refill(b, now);
    b->rate = bytes_per_second;
    b->updated = now;
    if (!was_limited || b->tokens > bucket_burst(b)) {
        b->tokens = bucket_burst(b);
        b->fraction = 0;
    }
}

uint64_t token_bucket_available(struct token_bucket *b, uint64_t want, usec now)
{
    if (b->rate == 0)
        return want;
    bucket_refill(b, now);
    if (b->tokens <= 0)
        return 0;
    return want < (uint64_t)b->tokens ? want : (uint64_t)b->tokens;
}

void token_bucket_take(struct token_bucket *b, uint64_t bytes, usec now)
{
    if (b->rate == 0)
        return;
    bucket_refill(b, now);
    if (bytes > (uint64_t)TOKEN_DEBT_MAX)
        bytes = (uint64_t)TOKEN_DEBT_MAX;
    b->tokens -= (int64_t)bytes;
    if (b->tokens < -TOKEN_DEBT_MAX)
        b->tokens = -TOKEN_DEBT_MAX;
}

usec token_bucket_ready_at(const struct token_bucket *b, usec now)
{
    if (b->rate == 0 || b->tokens > 0)
        return now;
    /* Time until the first whole token, rounded up, counted from the last refill. The division by
     * the rate comes first so that a large debt does not overflow. */
    uint64_t missing = (uint64_t)(1 - b->tokens);
    uint64_t whole = missing / b->rate, rest = missing % b->rate;
    uint64_t fine = rest * USEC_PER_SEC;
    uint64_t part;
    if (fine >= b->fraction)
        part = (fine - b->fraction + b->rate - 1) / b->rate;
    else /* rest is 0: the fraction shortens the last whole second */
        part = (USEC_PER_SEC * b->rate - b->fraction + b->rate - 1) / b->rate, whole--;
    uint64_t wait;
    if (__builtin_mul_overflow(whole, (uint64_t)USEC_PER_SEC, &wait) ||
        __builtin_add_overflow(wait, part, &wait) || wait > (uint64_t)(NEVER - 1 - b->updated))
        return NEVER - 1;
    usec ready = b->updated + (usec)wait;
    return ready > now ? ready : now;
}
