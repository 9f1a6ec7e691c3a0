/* A calendar queue for hundreds of thousands of events: a ring of slots of one millisecond,
 * seventeen minutes long; what lies further ahead stays in its slot for another turn of the ring.
 * Putting and removing cost a few instructions whatever the crowd; events of one slot come in the
 * order in which they were put. */
#ifndef KITH_SIM_DHT_WHEEL_H
#define KITH_SIM_DHT_WHEEL_H

#include "base/list.h"
#include "base/time.h"

#define WHEEL_TICK MSECS(1)
#define WHEEL_SLOTS ((size_t)1 << 20)

struct wheel_event {
    struct list_link link;
    usec at; /* a multiple of WHEEL_TICK */
    void (*fire)(struct wheel_event *);
};

struct wheel {
    usec now;
    struct list_link *slots;
};

void wheel_init(struct wheel *);
void wheel_free(struct wheel *);
static inline void wheel_event_init(struct wheel_event *e, void (*fire)(struct wheel_event *))
{
    list_init(&e->link);
    e->fire = fire;
}
/* Queues the event, or moves it. Not before the next tick. */
void wheel_put(struct wheel *, struct wheel_event *, usec at);
static inline void wheel_remove(struct wheel_event *e)
{
    list_remove(&e->link);
}
static inline bool wheel_holds(const struct wheel_event *e)
{
    return e->link.next != &e->link;
}
/* Fires all that comes until then. */
void wheel_run(struct wheel *, usec until);

#endif
