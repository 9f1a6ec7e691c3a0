/* The event queue: what will happen, ordered by (time, sequence), so that events of one instant
 * come in the order in which they were scheduled. Intrusive: whoever owns a thing that can happen
 * embeds its event. Called by world.c only; all others use sim_schedule and sim_unschedule of
 * world.h. */
#ifndef KITH_ENV_SIM_QUEUE_H
#define KITH_ENV_SIM_QUEUE_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_host;

#define SIM_QUEUE_TOP 1u /* 0 is the slot of what is not queued */

struct sim_event {
    usec at;
    uint64_t sequence;
    size_t slot;           /* its place in the heap; 0: not queued */
    const char *what;      /* static text: for the trace and, by its bytes, for the digest */
    struct sim_host *host; /* whose event it is; NULL: the world's own */
    bool of_node;          /* ends in its callbacks or workers: waits while the host is suspended */
    void (*fire)(struct sim_event *);
};

/* The keys stand beside the pointer: to compare is not to touch the events, which lie all over the
 * memory of hundreds of nodes. */
struct sim_queue_slot {
    usec at;
    uint64_t sequence;
    struct sim_event *event;
};

struct sim_queue {
    struct sim_queue_slot *slots; /* from SIM_QUEUE_TOP on */
    size_t count, capacity;
    uint64_t sequence;
};

void sim_queue_free(struct sim_queue *);
/* Queues the event, or moves it; it goes behind all events of the same time. */
void sim_queue_put(struct sim_queue *, struct sim_event *, usec at);
/* Harmless if it is not queued. */
void sim_queue_remove(struct sim_queue *, struct sim_event *);
/* The next one, still queued; NULL if none is left. */
static inline struct sim_event *sim_queue_first(const struct sim_queue *q)
{
    return q->count == 0 ? NULL : q->slots[SIM_QUEUE_TOP].event;
}

#endif
