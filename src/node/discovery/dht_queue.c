/* See dht_queue.h. */
#include "node/discovery/dht_queue.h"

#define RETRY_SHIFT_MAX 6u
#define STARVING_SHIFT_MAX 4u

void dht_queue_init(struct dht_queue *q)
{
    *q = (struct dht_queue){0};
    list_init(&q->seekers);
    list_init(&q->servers);
}

void dht_queue_clear(struct dht_queue *q)
{
    list_for_each_safe(at, &q->seekers) list_remove(at);
    list_for_each_safe(at, &q->servers) list_remove(at);
}

/* Most come to the end: they are all given the same pause. */
void dht_queue_put(struct dht_queue *q, struct dht_member *m, bool serves, usec due)
{
    struct list_link *queue = serves ? &q->servers : &q->seekers, *at = queue;
    list_remove(&m->link);
    m->due = due;
    while (at->prev != queue && list_entry(at->prev, struct dht_member, link)->due > due)
        at = at->prev;
    list_insert_before(at, &m->link);
}

void dht_queue_remove(struct dht_member *m)
{
    list_remove(&m->link);
}

/* In a small network a newcomer may be the only one that is left, or looks for what we have: those
 * that were not announced since it came are due. */
static usec due_of(const struct dht_queue *q, const struct list_link *queue)
{
    if (list_empty(queue))
        return NEVER;
    const struct dht_member *m = list_entry(queue->next, struct dht_member, link);
    return m->began < q->grown_at ? usec_min(m->due, q->grown_at) : m->due;
}

usec dht_queue_due(const struct dht_queue *q)
{
    usec due = usec_min(due_of(q, &q->seekers), due_of(q, &q->servers));
    return due == NEVER || due > q->begin_at ? due : q->begin_at;
}

struct dht_member *dht_queue_next(struct dht_queue *q, usec now)
{
    if (now < dht_queue_due(q))
        return NULL;
    struct list_link *queue = due_of(q, &q->seekers) <= now ? &q->seekers : &q->servers;
    struct dht_member *m = list_entry(queue->next, struct dht_member, link);
    m->began = now;
    return m;
}

void dht_queue_began(struct dht_queue *q, struct dht_member *m, usec now)
{
    list_remove(&m->link);
    q->begin_at = now + DHT_IO_PACE;
}

static usec doubled(usec pause, unsigned times, unsigned most)
{
    pause <<= times < most ? times : most;
    return pause < DHT_IO_ANNOUNCE_EVERY ? pause : DHT_IO_ANNOUNCE_EVERY;
}

usec dht_queue_pause(struct dht_member *m, bool answered, bool hungry)
{
    usec pause = DHT_IO_ANNOUNCE_EVERY;
    if (!answered)
        pause = doubled(DHT_IO_RETRY, m->starved, RETRY_SHIFT_MAX);
    else if (hungry)
        pause = doubled(DHT_IO_STARVING_EVERY, m->starved, STARVING_SHIFT_MAX);
    m->starved = hungry || !answered ? m->starved + (m->starved < UINT8_MAX) : 0;
    return pause;
}
