/* What waits to be pulled by kith_next_event, in order. While NODE_EVENTS_MAX wait, an event takes
 * the place of one that repeats it (the same type and torrent), and goes to the end: what was true
 * last is heard last. Others are never left out, so that each torrent's beginning and end is told:
 * beyond that many there is at most one of each torrent and type. */
#ifndef KITH_NODE_EVENT_QUEUE_H
#define KITH_NODE_EVENT_QUEUE_H

#include "base/list.h"
#include <stddef.h>
#include <stdint.h>

#define NODE_EVENTS_MAX 4096u

struct kith_torrent;
struct map;

struct kith_event {
    struct list_link link;
    int type, error;
    struct kith_torrent *torrent;
    char text[]; /* cut to NODE_TEXT_MAX */
};

struct event_queue {
    struct list_link events;
    size_t count;
    struct map *newest; /* by type and torrent; made when NODE_EVENTS_MAX wait, kept until
                           none does */
    uint8_t seed[16];
};

void event_queue_init(struct event_queue *, const uint8_t seed[16]);
void event_queue_free(struct event_queue *);
/* Without memory the event is lost. `text` may be NULL. */
void event_queue_push(
    struct event_queue *, int type, struct kith_torrent *, int error, const char *text);
/* The caller's, to be freed with free(). NULL: none waits. */
struct kith_event *event_queue_pull(struct event_queue *);

#endif
