/* See event_queue.h. */
#include "node/event_queue.h"

#include "base/map.h"
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 255u

struct key { /* hashed as it stands: no padding */
    uint64_t torrent;
    uint64_t type;
};

static struct key key_of(const struct kith_event *e)
{
    return (struct key){(uintptr_t)e->torrent, (uint64_t)e->type};
}

void event_queue_init(struct event_queue *q, const uint8_t seed[16])
{
    *q = (struct event_queue){0};
    memcpy(q->seed, seed, sizeof q->seed);
    list_init(&q->events);
}

void event_queue_free(struct event_queue *q)
{
    list_for_each_safe(at, &q->events) free(list_entry(at, struct kith_event, link));
    map_free(q->newest);
}

static struct kith_event *event_new(
    int type, struct kith_torrent *torrent, int error, const char *text)
{
    size_t size = text ? strnlen(text, TEXT_MAX) : 0;
    struct kith_event *e = malloc(sizeof *e + size + 1);
    if (!e)
        return NULL;
    *e = (struct kith_event){.type = type, .error = error, .torrent = torrent};
    memcpy(e->text, text ? text : "", size);
    e->text[size] = 0;
    return e;
}

/* Without memory for it repeated events are not found, and all are kept. */
static void make_map(struct event_queue *q)
{
    q->newest = map_new(sizeof(struct key), q->seed);
    if (!q->newest)
        return;
    list_for_each(at, &q->events)
    {
        struct kith_event *e = list_entry(at, struct kith_event, link);
        struct key key = key_of(e);
        (void)map_put(q->newest, &key, e);
    }
}

static void forget(struct event_queue *q, struct kith_event *e)
{
    struct key key = key_of(e);
    list_remove(&e->link);
    q->count--;
    if (q->newest && map_get(q->newest, &key) == e)
        map_remove(q->newest, &key);
}

void event_queue_push(
    struct event_queue *q, int type, struct kith_torrent *torrent, int error, const char *text)
{
    struct kith_event *e = event_new(type, torrent, error, text), *repeated = NULL;
    if (!e)
        return;
    struct key key = key_of(e);
    bool full = q->count >= NODE_EVENTS_MAX;
    if (full && !q->newest)
        make_map(q);
    if (full && q->newest)
        repeated = map_get(q->newest, &key);
    if (repeated) {
        forget(q, repeated);
        free(repeated);
    }
    list_push_back(&q->events, &e->link);
    q->count++;
    if (q->newest)
        (void)map_put(q->newest, &key, e);
}

struct kith_event *event_queue_pull(struct event_queue *q)
{
    if (list_empty(&q->events))
        return NULL;
    struct kith_event *e = list_entry(q->events.next, struct kith_event, link);
    forget(q, e);
    if (q->count == 0) {
        map_free(q->newest);
        q->newest = NULL;
    }
    return e;
}
