/* The event queue: a binary heap by (time, sequence). See queue.h. */
#include "env/sim/queue.h"
#include "env/sim/world.h"
#include <stdlib.h>

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static void place(struct sim_queue *q, struct sim_event *event, size_t slot)
{
    q->slots[slot] = event;
    event->slot = slot;
}

static void sift_up(struct sim_queue *q, struct sim_event *event, size_t slot)
{
    for (; slot > 1 && before(event, q->slots[slot / 2]); slot /= 2)
        place(q, q->slots[slot / 2], slot);
    place(q, event, slot);
}

static void sift_down(struct sim_queue *q, struct sim_event *event, size_t slot)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > q->count)
            break;
        if (child < q->count && before(q->slots[child + 1], q->slots[child]))
            child++;
        if (!before(q->slots[child], event))
            break;
        place(q, q->slots[child], slot);
        slot = child;
    }
    place(q, event, slot);
}

void sim_queue_free(struct sim_queue *q)
{
    free(q->slots);
    *q = (struct sim_queue){0};
}

void sim_queue_put(struct sim_queue *q, struct sim_event *event, usec at)
{
    sim_queue_remove(q, event);
    if (q->count + 1 >= q->capacity) {
        q->capacity = q->capacity == 0 ? 256 : q->capacity * 2;
        q->slots = sim_realloc(q->slots, q->capacity * sizeof *q->slots);
    }
    event->at = at;
    event->sequence = ++q->sequence;
    q->count++;
    sift_up(q, event, q->count);
}

void sim_queue_remove(struct sim_queue *q, struct sim_event *event)
{
    size_t slot = event->slot;
    if (slot == 0)
        return;
    event->slot = 0;
    struct sim_event *last = q->slots[q->count--];
    if (last == event)
        return;
    if (slot > 1 && before(last, q->slots[slot / 2]))
        sift_up(q, last, slot);
    else
        sift_down(q, last, slot);
}
