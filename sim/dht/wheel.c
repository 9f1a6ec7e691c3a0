/* See wheel.h. */
#include "wheel.h"

#include <stdlib.h>

static struct list_link *slot_of(struct wheel *w, usec at)
{
    return &w->slots[(size_t)(at / WHEEL_TICK) & (WHEEL_SLOTS - 1)];
}

void wheel_init(struct wheel *w)
{
    w->now = 0;
    w->slots = malloc(WHEEL_SLOTS * sizeof *w->slots);
    if (!w->slots)
        abort();
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
}

void wheel_free(struct wheel *w)
{
    free(w->slots);
}

void wheel_put(struct wheel *w, struct wheel_event *e, usec at)
{
    at = (at + WHEEL_TICK - 1) / WHEEL_TICK * WHEEL_TICK;
    if (at <= w->now)
        at = w->now + WHEEL_TICK;
    list_remove(&e->link);
    e->at = at;
    list_push_back(slot_of(w, at), &e->link);
}

/* The slot is emptied first: what fires may put and remove others, of this slot too. */
static void turn(struct wheel *w)
{
    struct list_link *slot = slot_of(w, w->now), due;
    if (list_empty(slot))
        return;
    list_init(&due);
    while (!list_empty(slot)) {
        struct list_link *link = list_pop_front(slot);
        list_push_back(&due, link);
    }
    while (!list_empty(&due)) {
        struct wheel_event *e = list_entry(list_pop_front(&due), struct wheel_event, link);
        if (e->at > w->now)
            list_push_back(slot, &e->link);
        else
            e->fire(e);
    }
}

void wheel_run(struct wheel *w, usec until)
{
    while (w->now + WHEEL_TICK <= until) {
        w->now += WHEEL_TICK;
        turn(w);
    }
}
