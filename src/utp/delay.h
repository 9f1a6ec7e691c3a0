/* One-way delays of one direction (RFC 6817, 3.4): how long packets queue, told from raw samples
 * whose zero nobody knows, because the two ends' clocks have nothing in common.
 *
 * The lowest sample of the last minutes is what the path costs when it is empty (the base); what is
 * above it is queue. Samples are differences of 32-bit clocks and wrap. */
#ifndef KITH_UTP_DELAY_H
#define KITH_UTP_DELAY_H

#include "base/time.h"
#include <stdbool.h>

#define DELAY_BASE_MINUTES 13u /* how long a base is believed: as libutp does */
#define DELAY_RECENT 3u        /* samples of which the lowest counts: one late packet is no queue */

struct delay_history {
    bool started;
    uint32_t base;                        /* the lowest of `minutes` */
    uint32_t minutes[DELAY_BASE_MINUTES]; /* the lowest sample of each */
    uint32_t recent[DELAY_RECENT];
    unsigned minute, at; /* where the next entries go */
    usec stepped;        /* when `minute` began */
};

/* Starts zeroed. */
void delay_history_add(struct delay_history *, uint32_t sample, usec now);
/* How long packets queue now, in microseconds; 0 before the first sample. */
usec delay_history_queue(const struct delay_history *);
/* The other end's clock is found to run away from ours by so much: the base moves along. */
void delay_history_shift(struct delay_history *, uint32_t by);
/* The sample that follows is of a larger packet than those before, which takes longer over an empty
 * path, too, but by no more than `most`: the base rises to it, as far as that. */
void delay_history_raise(struct delay_history *, uint32_t sample, uint32_t most);

#endif
