/* See lookup.h. */
#include "dht/lookup.h"

#include <stdlib.h>

void lookup_init(struct lookup *l, const struct node_id *target, const struct node_id *own)
{
    *l = (struct lookup){.target = *target, .own = *own, .parallel = LOOKUP_PARALLEL, .paths = 1};
}

void lookup_free(struct lookup *l)
{
    free(l->candidates);
    l->candidates = NULL;
    l->count = l->capacity = 0;
}

/* ---- candidates ---------------------------------------------------------------------------- */

struct lookup_candidate *lookup_find(struct lookup *l, const struct endpoint *at)
{
    for (unsigned i = 0; i < l->count; i++)
        if (endpoint_equal(&l->candidates[i].at, at))
            return &l->candidates[i];
    return NULL;
}

/* Failed ones do not count: a liar cannot keep an honest node out by naming its neighbours. */
static bool crowded(const struct lookup *l, const struct endpoint *at)
{
    unsigned prefix = 0, address = 0;
    bool local = node_address_is_local(at);
    for (unsigned i = 0; i < l->count; i++) {
        const struct lookup_candidate *c = &l->candidates[i];
        if (endpoint_equal(&c->at, at))
            return true;
        if (local || c->state == LOOKUP_FAILED)
            continue;
        prefix += node_address_same_prefix(&c->at, at);
        address += endpoint_same_ip(&c->at, at);
    }
    return prefix >= LOOKUP_PREFIX_MAX || address >= LOOKUP_ADDRESS_MAX;
}

static bool make_room(struct lookup *l, unsigned place)
{
    if (l->count == LOOKUP_CANDIDATES_MAX) {
        unsigned victim = l->count;
        while (victim-- > place) /* the farthest that we wait for nothing from */
            if (l->candidates[victim].state == LOOKUP_FRESH ||
                l->candidates[victim].state == LOOKUP_FAILED)
                break;
        if (victim == UINT32_MAX || victim < place)
            return false;
        l->count--;
        memmove(&l->candidates[victim], &l->candidates[victim + 1],
            (l->count - victim) * sizeof *l->candidates);
    }
    if (l->count == l->capacity) {
        unsigned capacity = l->capacity ? l->capacity * 2 : 16;
        struct lookup_candidate *grown = realloc(l->candidates, capacity * sizeof *grown);
        if (!grown)
            return false;
        l->candidates = grown;
        l->capacity = capacity;
    }
    return true;
}

static bool add(struct lookup *l, const struct node_id *id, const struct endpoint *at,
    const struct lookup_candidate *by, unsigned path)
{
    if (node_id_equal(id, &l->own) || at->port == 0 || crowded(l, at))
        return false;
    uint16_t named_by = by ? by->serial : 0;
    uint8_t hops = by && by->hops < UINT8_MAX ? by->hops + 1 : 0;
    unsigned place = l->count;
    while (place > 0 && node_id_compare(&l->target, id, &l->candidates[place - 1].id) < 0)
        place--;
    if (place > 0 && node_id_equal(id, &l->candidates[place - 1].id))
        return false;
    if (!make_room(l, place))
        return false;
    memmove(&l->candidates[place + 1], &l->candidates[place],
        (l->count - place) * sizeof *l->candidates);
    l->candidates[place] = (struct lookup_candidate){.id = *id,
        .at = *at,
        .fits = node_id_fits(id, at),
        .serial = ++l->serials,
        .named_by = named_by,
        .hops = hops,
        .path = (uint8_t)path};
    l->count++;
    return true;
}

bool lookup_add(struct lookup *l, const struct node_id *id, const struct endpoint *at,
    const struct lookup_candidate *by)
{
    return add(l, id, at, by, by ? by->path : 0);
}

bool lookup_add_root(
    struct lookup *l, const struct node_id *id, const struct endpoint *at, unsigned path)
{
    if (path >= l->paths)
        l->paths = path + 1;
    return add(l, id, at, NULL, path);
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* Too many of those that the same node named were asked and have not answered. */
static bool unproven(const struct lookup *l, const struct lookup_candidate *c)
{
    unsigned silent = 0, proven = 0;
    if (c->named_by == 0)
        return false;
    for (unsigned i = 0; i < l->count; i++) {
        const struct lookup_candidate *o = &l->candidates[i];
        if (o->named_by != c->named_by || o->state == LOOKUP_FRESH)
            continue;
        if (o->state == LOOKUP_ANSWERED)
            proven++;
        else
            silent++;
    }
    return silent >= LOOKUP_UNPROVEN_MAX + proven;
}

static bool may_ask(const struct lookup *l, const struct lookup_candidate *c)
{
    return c->state == LOOKUP_FRESH && (c->fits || l->misfits_asked < LOOKUP_MISFITS_MAX);
}

enum walk {
    WALK_PROVEN, /* those that may be asked */
    WALK_FRESH,  /* and of those whose names nobody vouches for */
    WALK_AGAIN   /* those that are late, a second time */
};

/* Does it lie on the path? All lie on the first: its end is the end of the whole. */
static bool is_on(const struct lookup_candidate *c, unsigned path)
{
    return path == 0 || c->path == path;
}

static unsigned enough_on(unsigned path)
{
    return path == 0 ? LOOKUP_K : LOOKUP_PATH_K;
}

/* The nearest of a kind on one path before enough fitting ones have answered. */
static struct lookup_candidate *walk(const struct lookup *l, enum walk kind, unsigned path)
{
    unsigned answered = 0;
    for (unsigned i = 0; i < l->count && answered < enough_on(path); i++) {
        struct lookup_candidate *c = &l->candidates[i];
        if (!is_on(c, path))
            continue;
        answered += c->state == LOOKUP_ANSWERED && c->fits;
        if (kind == WALK_AGAIN ? c->state == LOOKUP_LATE && c->fits && c->tries < LOOKUP_TRIES
                               : may_ask(l, c) && (kind == WALK_FRESH || !unproven(l, c)))
            return c;
    }
    return NULL;
}

struct lookup_candidate *lookup_next(struct lookup *l)
{
    if (l->in_time >= l->parallel || l->asked >= LOOKUP_QUERIES_MAX)
        return NULL;
    struct lookup_candidate *c = NULL;
    for (unsigned i = 0; i < l->paths && !c; i++) /* in turns */
        c = walk(l, WALK_PROVEN, (l->asked + i) % l->paths);
    for (unsigned i = 0; i < l->paths && !c; i++)
        c = walk(l, WALK_FRESH, i);
    return c || l->in_time > 0 ? c : walk(l, WALK_AGAIN, 0);
}

/* Does the walk along a path wait for somebody? While nobody has answered at all, also for the
 * late. */
static bool is_over_on(const struct lookup *l, unsigned path)
{
    unsigned answered = 0;
    bool waits = false, waits_for_late = false, may_go_on = l->asked < LOOKUP_QUERIES_MAX;
    for (unsigned i = 0; i < l->count && answered < enough_on(path); i++) {
        const struct lookup_candidate *c = &l->candidates[i];
        if (!is_on(c, path))
            continue;
        answered += c->state == LOOKUP_ANSWERED && c->fits;
        waits |= c->state == LOOKUP_ASKED;
        waits_for_late |= c->state == LOOKUP_LATE;
        if (may_go_on && may_ask(l, c))
            return false;
    }
    if (path > 0)
        return !waits;
    if (may_go_on && walk(l, WALK_AGAIN, 0))
        return false;
    return !waits && (!waits_for_late || answered > 0);
}

bool lookup_is_over(const struct lookup *l)
{
    for (unsigned i = 0; i < l->paths; i++)
        if (!is_over_on(l, i))
            return false;
    return true;
}

/* ---- what became of a question ------------------------------------------------------------- */

static void leave_asked(struct lookup *l, const struct lookup_candidate *c)
{
    l->in_time -= c->state == LOOKUP_ASKED;
}

void lookup_asked(struct lookup *l, struct lookup_candidate *c)
{
    leave_asked(l, c);
    c->state = LOOKUP_ASKED;
    c->tries++;
    l->asked++;
    l->misfits_asked += !c->fits;
    l->in_time++;
}

void lookup_late(struct lookup *l, struct lookup_candidate *c)
{
    if (c->state != LOOKUP_ASKED)
        return;
    leave_asked(l, c);
    c->state = LOOKUP_LATE;
}

void lookup_answered(struct lookup *l, struct lookup_candidate *c)
{
    leave_asked(l, c);
    c->state = LOOKUP_ANSWERED;
    l->answered++;
}

void lookup_failed(struct lookup *l, struct lookup_candidate *c)
{
    leave_asked(l, c);
    c->state = LOOKUP_FAILED;
}

/* ---- the result ---------------------------------------------------------------------------- */

size_t lookup_storers(const struct lookup *l, struct lookup_candidate *out[2 * LOOKUP_K])
{
    size_t count = 0;
    unsigned fitting = 0;
    for (unsigned i = 0; i < l->count && fitting < LOOKUP_K && count < 2 * LOOKUP_K; i++) {
        struct lookup_candidate *c = &l->candidates[i];
        if (c->state != LOOKUP_ANSWERED || c->token_size == 0)
            continue;
        /* The places of those that fit are not taken by those that do not. */
        if (!c->fits && count - fitting >= LOOKUP_K)
            continue;
        fitting += c->fits;
        out[count++] = c;
    }
    return count;
}

unsigned lookup_hops(const struct lookup *l)
{
    unsigned hops = 0, answered = 0;
    for (unsigned i = 0; i < l->count && answered < LOOKUP_K; i++) {
        if (l->candidates[i].state != LOOKUP_ANSWERED)
            continue;
        answered++;
        if (l->candidates[i].hops + 1u > hops)
            hops = l->candidates[i].hops + 1u;
    }
    return hops;
}
