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

/* Those in one network, and those at one address. */
struct crowd {
    unsigned prefix, address;
};

static void count_neighbour(
    struct crowd *n, const struct lookup_candidate *c, const struct endpoint *at)
{
    n->prefix += node_address_same_prefix(&c->at, at);
    n->address += endpoint_same_ip(&c->at, at);
}

static bool is_crowd(const struct crowd *n)
{
    return n->prefix >= LOOKUP_PREFIX_MAX || n->address >= LOOKUP_ADDRESS_MAX;
}

/* Few of one network are taken, but only those count that are known to be there, and those that the
 * same node named: nobody keeps an honest node out by naming neighbours that it does not have. */
static bool crowded(const struct lookup *l, const struct endpoint *at, uint16_t named_by)
{
    struct crowd n = {0};
    if (node_address_is_local(at))
        return false;
    for (unsigned i = 0; i < l->count; i++) {
        const struct lookup_candidate *c = &l->candidates[i];
        bool counts = c->state == LOOKUP_ANSWERED || c->named_by == 0 || c->named_by == named_by;
        if (counts && c->state != LOOKUP_FAILED)
            count_neighbour(&n, c, at);
    }
    return is_crowd(&n);
}

/* Nor are more of one network asked than that: `asked` counts those whose answer may still come in
 * time, too. */
static bool crowded_out(const struct lookup *l, const struct lookup_candidate *c, bool asked)
{
    struct crowd n = {0};
    if (node_address_is_local(&c->at))
        return false;
    for (unsigned i = 0; i < l->count; i++) {
        const struct lookup_candidate *o = &l->candidates[i];
        if (o->state == LOOKUP_ANSWERED || (asked && o->state == LOOKUP_ASKED))
            count_neighbour(&n, o, &c->at);
    }
    return is_crowd(&n);
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

static unsigned place_of(const struct lookup *l, const struct node_id *id)
{
    unsigned place = l->count;
    while (place > 0 && node_id_compare(&l->target, id, &l->candidates[place - 1].id) < 0)
        place--;
    return place;
}

/* Whether somebody has answered under this id: then it is nobody else's. Equal ones stand together.
 */
static bool is_taken(const struct lookup *l, const struct node_id *id, unsigned place)
{
    for (; place > 0 && node_id_equal(id, &l->candidates[place - 1].id); place--)
        if (l->candidates[place - 1].state == LOOKUP_ANSWERED)
            return true;
    return false;
}

static struct lookup_candidate *put(
    struct lookup *l, unsigned place, const struct lookup_candidate *c)
{
    memmove(&l->candidates[place + 1], &l->candidates[place],
        (l->count - place) * sizeof *l->candidates);
    l->candidates[place] = *c;
    l->count++;
    return &l->candidates[place];
}

/* To where its other id belongs. */
static struct lookup_candidate *rename_candidate(
    struct lookup *l, struct lookup_candidate *c, const struct node_id *id)
{
    struct lookup_candidate renamed = *c;
    renamed.id = *id;
    renamed.fits = node_id_fits(id, &renamed.at);
    l->count--;
    memmove(c, c + 1, (size_t)(&l->candidates[l->count] - c) * sizeof *c);
    return put(l, place_of(l, id), &renamed);
}

/* An address that is there already: as long as it was not asked, the nearer of its ids counts, so
 * that nobody puts it far away from where it is looked for; but one that fits is not given up for
 * one that does not. */
static void name_again(struct lookup *l, struct lookup_candidate *c, const struct node_id *id)
{
    if (c->state == LOOKUP_FRESH && (!c->fits || node_id_fits(id, &c->at)) &&
        node_id_compare(&l->target, id, &c->id) < 0)
        rename_candidate(l, c, id);
}

static bool add(struct lookup *l, const struct node_id *id, const struct endpoint *at,
    const struct lookup_candidate *by, unsigned path)
{
    struct lookup_candidate *same = lookup_find(l, at);
    unsigned place = place_of(l, id);
    if (node_id_equal(id, &l->own) || at->port == 0 || is_taken(l, id, place))
        return false;
    if (same)
        name_again(l, same, id);
    if (same || crowded(l, at, by ? by->serial : 0) || !make_room(l, place))
        return false;
    put(l, place,
        &(struct lookup_candidate){.id = *id,
            .at = *at,
            .fits = node_id_fits(id, at),
            .serial = ++l->serials,
            .named_by = by ? by->serial : 0,
            .hops = by && by->hops < UINT8_MAX ? by->hops + 1 : 0,
            .path = (uint8_t)path});
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

/* It can be asked, now or when others of its network have been waited for. */
static bool is_open(const struct lookup *l, const struct lookup_candidate *c)
{
    return c->state == LOOKUP_FRESH && (c->fits || l->misfits_asked < LOOKUP_MISFITS_MAX) &&
           !crowded_out(l, c, false);
}

static bool may_ask(const struct lookup *l, const struct lookup_candidate *c)
{
    return is_open(l, c) && !crowded_out(l, c, true);
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
        if (may_go_on && is_open(l, c))
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

struct lookup_candidate *lookup_known_as(
    struct lookup *l, struct lookup_candidate *c, const struct node_id *id)
{
    if (is_taken(l, id, place_of(l, id))) {
        lookup_failed(l, c);
        return NULL;
    }
    bool fits = node_id_fits(id, &c->at);
    l->misfits_asked += c->fits && !fits;
    l->misfits_asked -= !c->fits && fits;
    return rename_candidate(l, c, id);
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
