/* The timer heap: intrusive, keyed by deadline, O(log n) to set, O(1) to see the next. */
#ifndef KITH_BASE_HEAP_H
#define KITH_BASE_HEAP_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>

struct timer {
    usec deadline;
    size_t slot;                            /* its place in the heap; 0 when not armed */
    void (*fire)(struct timer *, usec now); /* called by timer_heap_run, already disarmed */
};

struct timer_heap {
    struct timer **slots; /* 1-based */
    size_t count, capacity;
    size_t held;  /* armed by a callback of the current run for a time already due */
    usec run_now; /* while running */
    bool running;
};

void timer_heap_init(struct timer_heap *h);
void timer_heap_free(struct timer_heap *h);
/* Makes room so that `count` timers can be armed without allocating. ERR_NOMEM. */
int timer_heap_reserve(struct timer_heap *h, size_t count);
/* Arms, or moves an armed timer; deadline NEVER disarms. ERR_NOMEM only if room was not reserved.
 */
int timer_set(struct timer_heap *h, struct timer *t, usec deadline);
void timer_cancel(struct timer_heap *h, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->slot != 0;
}
/* The earliest deadline, or NEVER. */
usec timer_heap_deadline(const struct timer_heap *h);
/* The timer that is due first, or NULL. */
struct timer *timer_heap_first(const struct timer_heap *h);
/* Fires all that are due at `now`, earliest first. Timers armed meanwhile for <= now wait for the
 * next call. A callback may arm, cancel or free any timer, its own included; it must not call
 * timer_heap_run or timer_heap_free. */
void timer_heap_run(struct timer_heap *h, usec now);

#endif
