/* Rates: a meter that smooths bytes per second, and a token bucket that limits them.
 * Neither allocates, and neither knows the clock. */
#ifndef KITH_BASE_RATE_H
#define KITH_BASE_RATE_H

#include "base/time.h"
#include <stdint.h>

/* Starts zeroed. Exponentially weighted over about five seconds; exact for a steady rate; honest at
 * start (it divides by the time that has passed, not by the window). */
struct rate_meter {
    usec started, updated, heard; /* the first byte, the last whole tick, the last byte */
    double level;                 /* bytes a second */
    uint64_t total;               /* bytes ever */
    uint64_t pending;
};
void rate_meter_add(struct rate_meter *m, uint64_t bytes, usec now);
/* Bytes a second as of now; decays to 0 when nothing arrives. */
uint64_t rate_meter_value(struct rate_meter *m, usec now);
/* The same for people to see: 0 once nothing has come for ten seconds. The average fades for a
 * minute more, and would promise an end that does not come. */
uint64_t rate_meter_shown(struct rate_meter *m, usec now);

/* Starts zeroed. Tokens are bytes. A rate of 0 means unlimited. The burst is a second's worth, at
 * least 17 KiB (a block and its headers); a bucket starts full. */
struct token_bucket {
    uint64_t rate; /* bytes a second; 0: no limit */
    int64_t tokens;
    usec updated;
    uint32_t fraction; /* millionths of a token, so that frequent refills lose nothing */
};
void token_bucket_set(struct token_bucket *b, uint64_t bytes_per_second, usec now);
/* How many bytes may pass now, at most `want`. */
uint64_t token_bucket_available(struct token_bucket *b, uint64_t want, usec now);
/* Takes them; may go below zero when the caller could not know the size before (it then waits). */
void token_bucket_take(struct token_bucket *b, uint64_t bytes, usec now);
/* When a byte may pass again; `now` if one may already. */
usec token_bucket_ready_at(const struct token_bucket *b, usec now);

#endif
