/* See peer_list.h. A flat array: a thousand entries are walked once a second at most. */
#include "swarm/peer_list.h"

#include "proto/ut_pex.h"
#include <stdlib.h>
#include <string.h>

struct candidate {
    struct endpoint endpoint;
    enum addr_source source;
    uint32_t giver;
    uint8_t flags;
    usec due, punch_due;
    unsigned failures;
    bool in_use, banned, met;
    bool is_seed; /* seen by ourselves; what others say of it is in the flags */
    bool caller;  /* came by himself, and nobody has named him: never due (in_use) */
    usec seen;    /* of one that was met */
};

struct peer_list {
    struct candidate *items; /* most torrents know few */
    size_t count, room;
    bool seeding;
};

struct peer_list *peer_list_new(void)
{
    return calloc(1, sizeof(struct peer_list));
}

void peer_list_free(struct peer_list *l)
{
    if (l)
        free(l->items);
    free(l);
}

static struct candidate *find(const struct peer_list *l, const struct endpoint *e)
{
    for (size_t i = 0; i < l->count; i++)
        if (endpoint_equal(&l->items[i].endpoint, e))
            return (struct candidate *)&l->items[i];
    return NULL;
}

bool peer_list_same(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_class(a) == ADDR_LOOPBACK ? endpoint_equal(a, b) : endpoint_same_ip(a, b);
}

bool peer_list_banned(const struct peer_list *l, const struct endpoint *e)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].banned && peer_list_same(&l->items[i].endpoint, e))
            return true;
    return false;
}

/* Is one tried before another that is due, too? */
/* Who has everything itself calls those first of whom nobody says so. Anybody may say it of
 * anybody. */
static bool is_said_to_be_seed(const struct peer_list *l, const struct candidate *c)
{
    return l->seeding && (c->flags & UT_PEX_SEED);
}

static bool is_better(
    const struct peer_list *l, const struct candidate *a, const struct candidate *b)
{
    if (is_said_to_be_seed(l, a) != is_said_to_be_seed(l, b))
        return is_said_to_be_seed(l, b);
    if (a->source != b->source)
        return a->source < b->source;
    if (a->failures != b->failures)
        return a->failures < b->failures;
    return a->met && !b->met;
}

static bool is_users(enum addr_source source)
{
    return source != ADDR_FROM_STRANGER && source != ADDR_FROM_LAN;
}

static bool grow(struct peer_list *l)
{
    size_t room = l->room ? 2 * l->room : 8;
    room = room < PEER_LIST_MAX ? room : PEER_LIST_MAX;
    struct candidate *items = realloc(l->items, room * sizeof *items);
    if (!items)
        return false;
    l->items = items;
    l->room = room;
    return true;
}

/* The place of the least useful entry: one that failed most and that no user named. */
static struct candidate *make_room(struct peer_list *l)
{
    struct candidate *worst = NULL;
    if (l->count < PEER_LIST_MAX)
        return l->count < l->room || grow(l) ? &l->items[l->count++] : NULL;
    for (size_t i = 0; i < l->count; i++) {
        struct candidate *c = &l->items[i];
        if (c->in_use || c->banned || c->failures == 0 || is_users(c->source))
            continue;
        if (!worst || c->failures > worst->failures)
            worst = c;
    }
    return worst;
}

/* Nobody but the user fills the list by himself, or sends us about one machine's ports. */
static bool within_bounds(
    const struct peer_list *l, const struct endpoint *e, const struct peer_hint *hint)
{
    size_t given = 0, heard = 0, ports = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct candidate *c = &l->items[i];
        given += hint->giver != 0 && c->giver == hint->giver;
        heard += c->source == ADDR_FROM_LAN;
        ports += endpoint_same_ip(&c->endpoint, e);
    }
    return given < PEER_LIST_GIVER_MAX &&
           (hint->source != ADDR_FROM_LAN || heard < PEER_LIST_LAN_MAX) &&
           (hint->source != ADDR_FROM_STRANGER || ports < PEER_LIST_PORTS_MAX);
}

/* A caller is named: he may be tried as others are. */
static bool name_caller(struct candidate *c, const struct peer_hint *hint, usec now)
{
    if (!c->caller || !endpoint_allowed(&c->endpoint, hint->source))
        return false;
    c->caller = c->in_use = false;
    c->source = hint->source;
    c->due = now;
    return true;
}

bool peer_list_add(
    struct peer_list *l, const struct endpoint *e, const struct peer_hint *hint, usec now)
{
    struct candidate *known = find(l, e);
    if (known && hint->giver) { /* the newest giver is the likeliest to be there still */
        known->giver = hint->giver;
        known->flags = hint->flags;
    }
    if (known)
        return name_caller(known, hint, now);
    if (!endpoint_allowed(e, hint->source) || peer_list_banned(l, e) || !within_bounds(l, e, hint))
        return false;
    struct candidate *c = make_room(l);
    if (!c)
        return false;
    *c = (struct candidate){.endpoint = *e,
        .source = hint->source,
        .giver = hint->giver,
        .flags = hint->flags,
        .due = now};
    return true;
}

void peer_list_met(struct peer_list *l, const struct endpoint *e, usec now)
{
    struct candidate *c = find(l, e);
    if (!c || c->banned)
        return;
    c->met = true;
    c->seen = now;
}

/* The place of the next caller; NULL: no memory, or no room. */
static struct candidate *room_for_caller(struct peer_list *l)
{
    struct candidate *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct candidate *c = &l->items[i];
        if (!c->caller)
            continue;
        count++;
        if (!oldest || c->seen < oldest->seen)
            oldest = c;
    }
    return count < PEER_LIST_CALLERS_MAX ? make_room(l) : oldest;
}

void peer_list_called(
    struct peer_list *l, const struct endpoint *e, enum addr_source source, usec now)
{
    if (find(l, e) || !endpoint_allowed(e, source) || peer_list_banned(l, e))
        return;
    struct candidate *c = room_for_caller(l);
    if (c)
        *c = (struct candidate){.endpoint = *e,
            .source = source,
            .in_use = true,
            .caller = true,
            .met = true,
            .seen = now};
}

bool peer_list_meet_again(struct peer_list *l, const struct peer_met *met, usec now)
{
    struct peer_hint hint = {.source = met->source};
    if (!peer_list_add(l, &met->endpoint, &hint, now))
        return false;
    peer_list_met(l, &met->endpoint, met->seen);
    return true;
}

size_t peer_list_latest(const struct peer_list *l, struct peer_met *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct candidate *c = &l->items[i];
        size_t at = count;
        while (at > 0 && c->met && out[at - 1].seen < c->seen)
            at--;
        if (!c->met || at == max)
            continue;
        count += count < max;
        memmove(out + at + 1, out + at, (count - at - 1) * sizeof *out);
        out[at] = (struct peer_met){c->endpoint, c->source, c->seen};
    }
    return count;
}

bool peer_list_take(struct peer_list *l, const struct endpoint *e, enum addr_source source)
{
    struct candidate *c = find(l, e);
    if (!c || c->banned || !endpoint_allowed(e, source))
        return false;
    c->in_use = true;
    c->caller = false;
    return true;
}

bool peer_list_is_hidden(const struct peer_list *l, const struct endpoint *e)
{
    const struct candidate *c = find(l, e);
    return c && (c->flags & UT_PEX_HOLEPUNCH) && !(c->flags & UT_PEX_REACHABLE);
}

bool peer_list_may_punch(struct peer_list *l, const struct endpoint *e, usec now, uint32_t *giver)
{
    struct candidate *c = find(l, e);
    if (!c || !(c->flags & UT_PEX_HOLEPUNCH) || c->giver == 0 || now < c->punch_due)
        return false;
    c->punch_due = now + PEER_LIST_PUNCH_PAUSE;
    *giver = c->giver;
    return true;
}

static bool is_waiting(const struct peer_list *l, const struct candidate *c)
{
    bool passed_over = l->seeding && c->is_seed && c->source != ADDR_FROM_USER;
    return !c->in_use && !c->banned && !passed_over;
}

bool peer_list_next(struct peer_list *l, usec now, struct endpoint *out, enum addr_source *source)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < l->count; i++) {
        struct candidate *c = &l->items[i];
        if (!is_waiting(l, c) || c->due > now)
            continue;
        if (!best || is_better(l, c, best))
            best = c;
    }
    if (!best)
        return false;
    best->in_use = true;
    *out = best->endpoint;
    *source = best->source;
    return true;
}

static usec pause_min(const struct peer_list *l, const struct candidate *c)
{
    return l->seeding && c->source != ADDR_FROM_USER ? PEER_LIST_SEED_PAUSE : PEER_LIST_RETRY_MIN;
}

void peer_list_failed(struct peer_list *l, const struct endpoint *e, usec now)
{
    struct candidate *c = find(l, e);
    if (!c)
        return;
    c->in_use = false;
    c->failures++;
    if (c->failures >= PEER_LIST_FAILURES_MAX && !is_users(c->source) && !c->banned) {
        *c = l->items[--l->count];
        return;
    }
    usec pause = PEER_LIST_RETRY_MIN << (c->failures < 10 ? c->failures - 1 : 9);
    pause = pause < PEER_LIST_RETRY_MAX ? pause : PEER_LIST_RETRY_MAX;
    c->due = now + (pause > pause_min(l, c) ? pause : pause_min(l, c));
}

void peer_list_ended(struct peer_list *l, const struct endpoint *e, usec now)
{
    struct candidate *c = find(l, e);
    if (!c)
        return;
    c->in_use = false;
    c->failures = 0;
    c->due = now + pause_min(l, c);
}

void peer_list_put_back(struct peer_list *l, const struct endpoint *e, usec due)
{
    struct candidate *c = find(l, e);
    if (!c)
        return;
    c->in_use = false;
    c->due = due;
}

void peer_list_set_seeding(struct peer_list *l, bool seeding, usec now)
{
    bool hurries = l->seeding && !seeding;
    l->seeding = seeding;
    for (size_t i = 0; i < l->count && hurries; i++)
        l->items[i].due = usec_min(l->items[i].due, now + PEER_LIST_RETRY_MIN);
}

void peer_list_is_seed(struct peer_list *l, const struct endpoint *e)
{
    struct candidate *c = find(l, e);
    if (c)
        c->is_seed = true;
}

void peer_list_hurry(struct peer_list *l, usec now)
{
    for (size_t i = 0; i < l->count; i++) {
        struct candidate *c = &l->items[i];
        if (c->in_use || c->banned)
            continue;
        c->failures = 0;
        c->due = usec_min(c->due, now);
    }
}

void peer_list_ban(struct peer_list *l, const struct endpoint *e)
{
    struct candidate *c = find(l, e);
    if (!c)
        c = make_room(l);
    if (!c)
        return;
    *c = (struct candidate){.endpoint = *e, .banned = true};
}

size_t peer_list_count(const struct peer_list *l)
{
    return l->count;
}

size_t peer_list_waiting(const struct peer_list *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++)
        count += is_waiting(l, &l->items[i]);
    return count;
}

usec peer_list_due(const struct peer_list *l)
{
    usec due = NEVER;
    for (size_t i = 0; i < l->count; i++)
        if (is_waiting(l, &l->items[i]))
            due = usec_min(due, l->items[i].due);
    return due;
}
