/* See limiter.h. */
#include "dht/limiter.h"

#include "base/map.h"
#include "dht/node_id.h"
#include <stdlib.h>

#define WAYS 4u /* places where one key may be */

/* What is left, in millionths, so that frequent refills lose nothing. */
struct budget {
    uint64_t key; /* 0: unused */
    usec updated;
    int64_t packets, bytes;
};

struct rates {
    int64_t packets, bytes; /* a second */
};
static const struct rates of_address = {LIMITER_ADDRESS_PACKETS, LIMITER_ADDRESS_BYTES};
static const struct rates of_prefix = {LIMITER_PREFIX_PACKETS, LIMITER_PREFIX_BYTES};
static const struct rates of_all = {LIMITER_TOTAL_PACKETS, LIMITER_TOTAL_BYTES};

struct limiter {
    uint8_t key[16];
    struct budget all;
    struct budget *entries;
    uint32_t capacity; /* a power of two */
};

static int64_t full(int64_t rate)
{
    return rate * LIMITER_BURST_SECONDS * USEC_PER_SEC;
}

static void refill(struct budget *b, const struct rates *r, usec now)
{
    usec span = now - b->updated;
    if (span <= 0)
        return;
    if (span > (usec)LIMITER_BURST_SECONDS * 2 * USEC_PER_SEC)
        span = (usec)LIMITER_BURST_SECONDS * 2 * USEC_PER_SEC;
    b->updated = now;
    b->packets += span * r->packets;
    b->bytes += span * r->bytes;
    if (b->packets > full(r->packets))
        b->packets = full(r->packets);
    if (b->bytes > full(r->bytes))
        b->bytes = full(r->bytes);
}

static struct budget fresh(uint64_t key, const struct rates *r, usec now)
{
    return (struct budget){key, now, full(r->packets), full(r->bytes)};
}

struct limiter *limiter_new(const uint8_t key[16])
{
    struct limiter *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    memcpy(l->key, key, sizeof l->key);
    l->all = fresh(1, &of_all, 0);
    return l;
}

void limiter_free(struct limiter *l)
{
    if (l)
        free(l->entries);
    free(l);
}

/* ---- the table ----------------------------------------------------------------------------- */

/* Has it had the time to fill up? Then nothing is lost with it. */
static bool is_idle(const struct budget *b, usec now)
{
    return b->key == 0 || now - b->updated >= (usec)LIMITER_BURST_SECONDS * USEC_PER_SEC;
}

static struct budget *set_of(struct limiter *l, uint64_t key)
{
    return &l->entries[(key & (l->capacity / WAYS - 1)) * WAYS];
}

/* A place for the key: unused, idle, or (`force`) the one that rested longest. */
static struct budget *place_for(struct limiter *l, uint64_t key, usec now, bool force)
{
    struct budget *set = set_of(l, key), *oldest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (is_idle(&set[i], now))
            return &set[i];
        if (set[i].updated < oldest->updated)
            oldest = &set[i];
    }
    return force ? oldest : NULL;
}

static bool grow(struct limiter *l, usec now)
{
    uint32_t capacity = l->capacity ? l->capacity * 2 : LIMITER_ENTRIES_MIN;
    if (capacity > LIMITER_ENTRIES_MAX)
        return false;
    struct limiter bigger = *l;
    bigger.entries = calloc(capacity, sizeof *bigger.entries);
    bigger.capacity = capacity;
    if (!bigger.entries)
        return false;
    for (uint32_t i = 0; i < l->capacity; i++)
        if (!is_idle(&l->entries[i], now))
            *place_for(&bigger, l->entries[i].key, now, true) = l->entries[i];
    free(l->entries);
    *l = bigger;
    return true;
}

static struct budget *budget_of(struct limiter *l, uint64_t key, const struct rates *r, usec now)
{
    if (!l->entries && !grow(l, now))
        return NULL;
    struct budget *set = set_of(l, key);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].key == key) {
            refill(&set[i], r, now);
            return &set[i];
        }
    struct budget *b = place_for(l, key, now, false);
    while (!b && grow(l, now))
        b = place_for(l, key, now, false);
    if (!b)
        b = place_for(l, key, now, true);
    *b = fresh(key, r, now);
    return b;
}

/* ---- the budgets of one address ------------------------------------------------------------ */

static uint64_t key_of(const struct limiter *l, const struct endpoint *e, size_t bytes)
{
    struct endpoint part = {.family = e->family, .port = (uint16_t)bytes};
    memcpy(part.ip, e->ip, bytes);
    uint64_t key = endpoint_hash(&part, l->key);
    return key ? key : 1;
}

/* Copies: the table may move when the second is looked up. */
static bool take(
    struct limiter *l, const struct endpoint *e, int64_t packets, int64_t bytes, usec now)
{
    int64_t p = packets * USEC_PER_SEC, s = bytes * USEC_PER_SEC;
    bool v4 = e->family == ADDR_V4;
    refill(&l->all, &of_all, now);
    if (l->all.packets < p || l->all.bytes < s)
        return false;
    if (!node_address_is_local(e)) {
        uint64_t address = key_of(l, e, v4 ? 4 : 16), prefix = key_of(l, e, v4 ? 3 : 8);
        struct budget *b = budget_of(l, address, &of_address, now);
        if (!b || b->packets < p || b->bytes < s)
            return false;
        b = budget_of(l, prefix, &of_prefix, now);
        if (!b || b->packets < p || b->bytes < s)
            return false;
        b->packets -= p;
        b->bytes -= s;
        b = budget_of(l, address, &of_address, now);
        b->packets -= p;
        b->bytes -= s;
    }
    l->all.packets -= p;
    l->all.bytes -= s;
    return true;
}

bool limiter_heard(struct limiter *l, const struct endpoint *from, usec now)
{
    return take(l, from, 1, 0, now);
}

bool limiter_spend(struct limiter *l, const struct endpoint *to, size_t bytes, usec now)
{
    return take(l, to, 0, (int64_t)bytes, now);
}
