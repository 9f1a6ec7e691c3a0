/* The timer heap: a binary heap of pointers to timers, each of which knows its slot.
 *
 * The loop of a node keeps one; every state machine's deadline is a timer in it. Slots 1 to
 * `count` are the heap. While timer_heap_run fires, timers that are armed for a time already due
 * are held in the `held` slots behind it, so that a timer that re-arms itself for now cannot keep
 * the loop from its sockets. */
#include "base/heap.h"

#include "base/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define TIMER_HEAP_CAPACITY_MIN 32

void timer_heap_init(struct timer_heap *h)
{
    *h = (struct timer_heap){0};
}

void timer_heap_free(struct timer_heap *h)
{
    for (size_t i = 1; i <= h->count + h->held; i++)
        h->slots[i]->slot = 0;
    free(h->slots);
    *h = (struct timer_heap){0};
}

int timer_heap_reserve(struct timer_heap *h, size_t count)
{
    if (count <= h->capacity)
        return 0;
    size_t capacity = h->capacity ? h->capacity : TIMER_HEAP_CAPACITY_MIN;
    while (capacity < count)
        if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
            return ERR_NOMEM;
    if (capacity >= SIZE_MAX / sizeof *h->slots)
        return ERR_NOMEM;
    struct timer **slots = realloc(h->slots, (capacity + 1) * sizeof *slots);
    if (!slots)
        return ERR_NOMEM;
    h->slots = slots;
    h->capacity = capacity;
    return 0;
}

static void put(struct timer_heap *h, size_t slot, struct timer *t)
{
    h->slots[slot] = t;
    t->slot = slot;
}

static void sift_up(struct timer_heap *h, struct timer *t)
{
    size_t slot = t->slot;
    while (slot > 1 && h->slots[slot / 2]->deadline > t->deadline) {
        put(h, slot, h->slots[slot / 2]);
        slot /= 2;
    }
    put(h, slot, t);
}

static void sift_down(struct timer_heap *h, struct timer *t)
{
    size_t slot = t->slot;
    while (slot * 2 <= h->count) {
        size_t child = slot * 2;
        if (child < h->count && h->slots[child + 1]->deadline < h->slots[child]->deadline)
            child++;
        if (h->slots[child]->deadline >= t->deadline)
            break;
        put(h, slot, h->slots[child]);
        slot = child;
    }
    put(h, slot, t);
}

/* Keeps the held timers adjacent to the heap: the first of them gives up its slot and goes last. */
static void insert(struct timer_heap *h, struct timer *t)
{
    if (h->held)
        put(h, h->count + h->held + 1, h->slots[h->count + 1]);
    put(h, ++h->count, t);
    sift_up(h, t);
}

static void hold(struct timer_heap *h, struct timer *t)
{
    h->held++;
    put(h, h->count + h->held, t);
}

static void remove_held(struct timer_heap *h, struct timer *t)
{
    struct timer *last = h->slots[h->count + h->held--];
    if (last != t)
        put(h, t->slot, last);
}

static void remove_from_heap(struct timer_heap *h, struct timer *t)
{
    struct timer *last = h->slots[h->count--];
    if (last != t) {
        put(h, t->slot, last);
        sift_up(h, last);
        sift_down(h, last);
    }
    if (h->held) /* the heap's last slot is free now: close the gap */
        put(h, h->count + 1, h->slots[h->count + 1 + h->held]);
}

void timer_cancel(struct timer_heap *h, struct timer *t)
{
    if (!timer_armed(t))
        return;
    assert(t->slot <= h->count + h->held && h->slots[t->slot] == t);
    if (t->slot > h->count)
        remove_held(h, t);
    else
        remove_from_heap(h, t);
    t->slot = 0;
}

int timer_set(struct timer_heap *h, struct timer *t, usec deadline)
{
    if (deadline == NEVER) {
        timer_cancel(h, t);
        t->deadline = NEVER;
        return 0;
    }
    if (!timer_armed(t)) {
        int err = timer_heap_reserve(h, h->count + h->held + 1);
        if (err)
            return err;
    }
    timer_cancel(h, t);
    t->deadline = deadline;
    if (h->running && deadline <= h->run_now)
        hold(h, t);
    else
        insert(h, t);
    return 0;
}

struct timer *timer_heap_first(const struct timer_heap *h)
{
    return h->count ? h->slots[1] : NULL;
}

usec timer_heap_deadline(const struct timer_heap *h)
{
    usec earliest = h->count ? h->slots[1]->deadline : NEVER;
    for (size_t i = h->count + 1; i <= h->count + h->held; i++)
        earliest = usec_min(earliest, h->slots[i]->deadline);
    return earliest;
}

void timer_heap_run(struct timer_heap *h, usec now)
{
    assert(!h->running);
    h->running = true;
    h->run_now = now;
    while (h->count && h->slots[1]->deadline <= now) {
        struct timer *due = h->slots[1];
        timer_cancel(h, due);
        due->fire(due, now); /* may arm, cancel or free any timer, itself included */
    }
    h->running = false;
    while (h->held) {
        h->held--;
        h->count++;
        sift_up(h, h->slots[h->count]);
    }
}
