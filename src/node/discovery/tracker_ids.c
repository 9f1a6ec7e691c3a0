/* See tracker_ids.h. */
#include "node/discovery/tracker_ids.h"

#include "proto/tracker_udp.h"

void tracker_ids_init(struct tracker_ids *ids)
{
    for (unsigned i = 0; i < TRACKER_IDS; i++) {
        ids->places[i] = (struct tracker_id){0};
        list_init(&ids->places[i].waiting);
    }
}

static struct tracker_id *find(struct tracker_ids *ids, uint64_t key)
{
    struct tracker_id *t = &ids->places[key % TRACKER_IDS];
    return t->key == key ? t : NULL;
}

/* Its place, or that of somebody who needs none. */
static struct tracker_id *make(struct tracker_ids *ids, uint64_t key)
{
    struct tracker_id *t = &ids->places[key % TRACKER_IDS];
    if (t->key != key && !t->asks && list_empty(&t->waiting)) {
        *t = (struct tracker_id){.key = key};
        list_init(&t->waiting);
    }
    return t->key == key ? t : NULL;
}

static bool has_next(const struct tracker_id *t)
{
    return !t->asks && !list_empty(&t->waiting);
}

/* ---- what a call does ---------------------------------------------------------------------- */

static enum tracker_ids_step wait(struct tracker_id *t, struct list_link *turn)
{
    list_push_back(&t->waiting, turn);
    return TRACKER_IDS_WAIT;
}

enum tracker_ids_step tracker_ids_step_next(struct tracker_ids *ids, uint64_t key,
    struct tracker_call *call, struct list_link *turn, usec now, uint64_t *id, usec *given)
{
    struct tracker_id *t = make(ids, key);
    if (!t || t->asks == call)
        return TRACKER_IDS_ASK; /* without a place it asks for itself */
    if (t->asks)
        return wait(t, turn);
    if (t->is_silent) {
        t->is_silent = !list_empty(&t->waiting); /* until the last of them has heard of it */
        return TRACKER_IDS_FAIL;
    }
    if (t->is_known && now - t->given < TRACKER_UDP_ID_LIFE) {
        *id = t->id;
        *given = t->given;
        return TRACKER_IDS_USE;
    }
    t->asks = call;
    return TRACKER_IDS_ASK;
}

enum tracker_ids_step tracker_ids_step(struct tracker_ids *ids, uint64_t key,
    struct tracker_call *call, struct list_link *turn, usec now, uint64_t *id, usec *given)
{
    struct tracker_id *t = find(ids, key);
    if (t && t->asks != call && !list_empty(&t->waiting))
        return wait(t, turn);
    if (t)
        t->is_silent = false; /* those that waited have gone */
    return tracker_ids_step_next(ids, key, call, turn, now, id, given);
}

/* ---- what came of it ----------------------------------------------------------------------- */

bool tracker_ids_given(
    struct tracker_ids *ids, uint64_t key, struct tracker_call *call, uint64_t id, usec now)
{
    struct tracker_id *t = find(ids, key);
    if (!t)
        return false;
    t->id = id;
    t->given = now;
    t->is_known = true;
    t->is_silent = false;
    if (t->asks == call)
        t->asks = NULL;
    return has_next(t);
}

bool tracker_ids_silent(struct tracker_ids *ids, uint64_t key, struct tracker_call *call)
{
    struct tracker_id *t = find(ids, key);
    if (!t || t->asks != call)
        return false;
    t->asks = NULL;
    t->is_known = false;
    t->is_silent = !list_empty(&t->waiting);
    return t->is_silent;
}

void tracker_ids_doubt(struct tracker_ids *ids, uint64_t key, uint64_t id)
{
    struct tracker_id *t = find(ids, key);
    if (t && t->id == id)
        t->is_known = false;
}

bool tracker_ids_leave(struct tracker_ids *ids, uint64_t key, struct tracker_call *call)
{
    struct tracker_id *t = find(ids, key);
    if (!t || t->asks != call)
        return false;
    t->asks = NULL;
    return has_next(t);
}

void tracker_ids_forget_all(struct tracker_ids *ids)
{
    for (unsigned i = 0; i < TRACKER_IDS; i++)
        ids->places[i].is_known = false;
}

/* ---- whose turn it is ---------------------------------------------------------------------- */

bool tracker_ids_have_next(const struct tracker_ids *ids)
{
    for (unsigned i = 0; i < TRACKER_IDS; i++)
        if (has_next(&ids->places[i]))
            return true;
    return false;
}

struct list_link *tracker_ids_next(struct tracker_ids *ids, unsigned *place)
{
    for (unsigned i = 0; i < TRACKER_IDS; i++) {
        struct tracker_id *t = &ids->places[(*place + i) % TRACKER_IDS];
        if (!has_next(t))
            continue;
        *place = (*place + i + 1) % TRACKER_IDS;
        return list_pop_front(&t->waiting);
    }
    return NULL;
}
