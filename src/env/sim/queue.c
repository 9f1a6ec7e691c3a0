/* The event queue: a heap by (time, sequence). See queue.h. */
#include "env/sim/queue.h"
#include "env/sim/world.h"
#include <stdlib.h>

/* Half as deep as a binary heap, and the children of one slot stand side by side. */
#define CHILDREN 4u

static bool before(const struct sim_queue_slot *a, const struct sim_queue_slot *b)
{
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static size_t parent_of(size_t slot)
{
    return (slot - SIM_QUEUE_TOP - 1) / CHILDREN + SIM_QUEUE_TOP;
}

static size_t first_child_of(size_t slot)
{
    return (slot - SIM_QUEUE_TOP) * CHILDREN + 1 + SIM_QUEUE_TOP;
}

static void place(struct sim_queue *q, struct sim_queue_slot entry, size_t slot)
{
    q->slots[slot] = entry;
    entry.event->slot = slot;
}

static void sift_up(struct sim_queue *q, struct sim_queue_slot entry, size_t slot)
{
    for (; slot > SIM_QUEUE_TOP && before(&entry, &q->slots[parent_of(slot)]);
         slot = parent_of(slot))
        place(q, q->slots[parent_of(slot)], slot);
    place(q, entry, slot);
}

static void sift_down(struct sim_queue *q, struct sim_queue_slot entry, size_t slot)
{
    size_t end = SIM_QUEUE_TOP + q->count;
    for (;;) {
        size_t child = first_child_of(slot), least = child;
        if (child >= end)
            break;
        for (size_t i = child + 1; i < child + CHILDREN && i < end; i++)
            if (before(&q->slots[i], &q->slots[least]))
                least = i;
        if (!before(&q->slots[least], &entry))
            break;
        place(q, q->slots[least], slot);
        slot = least;
    }
    place(q, entry, slot);
}

void sim_queue_free(struct sim_queue *q)
{
    free(q->slots);
    *q = (struct sim_queue){0};
}

void sim_queue_put(struct sim_queue *q, struct sim_event *event, usec at)
{
    sim_queue_remove(q, event);
    if (SIM_QUEUE_TOP + q->count >= q->capacity) {
        q->capacity = q->capacity == 0 ? 256 : q->capacity * 2;
        q->slots = sim_realloc(q->slots, q->capacity * sizeof *q->slots);
    }
    event->at = at;
    event->sequence = ++q->sequence;
    q->count++;
    sift_up(q, (struct sim_queue_slot){at, event->sequence, event}, SIM_QUEUE_TOP + q->count - 1);
}

void sim_queue_remove(struct sim_queue *q, struct sim_event *event)
{
    size_t slot = event->slot;
    if (slot == 0)
        return;
    event->slot = 0;
    struct sim_queue_slot last = q->slots[SIM_QUEUE_TOP + --q->count];
    if (last.event == event)
        return;
    if (slot > SIM_QUEUE_TOP && before(&last, &q->slots[parent_of(slot)]))
        sift_up(q, last, slot);
    else
        sift_down(q, last, slot);
}
