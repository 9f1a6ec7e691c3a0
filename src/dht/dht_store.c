/* What a search stores at the nearest that it found: an announce (BEP 5) or an item (BEP 44). See
 * dht_internal.h. */
#include "dht/dht_internal.h"

#include <stdlib.h>

/* The message that asks `c` to store what this search is about. */
static void store_message(
    const struct dht_search *s, const struct lookup_candidate *c, struct krpc_message *m)
{
    const struct dht_item *item = &s->to_store;
    krpc_reset(m);
    m->token = bytes_of(c->token, c->token_size);
    if (s->request.aim == DHT_GET_PEERS) {
        m->method = KRPC_ANNOUNCE_PEER;
        m->has_target = true;
        m->target = s->request.target;
        m->port = s->request.port;
        m->implied_port = s->request.implied_port;
        m->seed = s->request.seed;
        return;
    }
    m->method = KRPC_PUT;
    m->value = item->value;
    if (!item->is_mutable)
        return;
    m->key = bytes_of(item->key.b, sizeof item->key.b);
    m->signature = bytes_of(item->signature.b, sizeof item->signature.b);
    m->salt = item->salt;
    m->has_seq = true;
    m->seq = item->seq;
    /* BEP 44: no cas to those that had nothing. */
    m->has_cas = s->request.compare_and_swap && c->has_item;
    m->cas = s->best.seq;
}

bool store_at(
    struct dht *d, struct dht_search *s, const struct lookup_candidate *c, uint8_t tries, usec now)
{
    struct krpc_message m;
    struct query q = {.purpose = QUERY_STORE,
        .has_id = true,
        .tries = tries,
        .to = c->at,
        .id = c->id,
        .search = s};
    store_message(s, c, &m);
    if (!query_send(d, &m, &q, now))
        return false;
    s->storing++;
    return true;
}

/* What put() wants to be stored; its spans become ours. */
static bool take_to_store(struct dht_search *s)
{
    struct dht_item item = {0};
    if (!s->request.put(s->request.user, s->best_value ? &s->best : NULL, &item) ||
        s->state != SEARCH_STORES || item.value.size == 0 || item.value.size > KRPC_VALUE_MAX)
        return false;
    s->store_value = malloc(item.value.size);
    if (!s->store_value)
        return false;
    memcpy(s->store_value, item.value.data, item.value.size);
    s->to_store = item;
    s->to_store.value = bytes_of(s->store_value, item.value.size);
    s->to_store.salt = s->request.salt;
    return true;
}

static bool is_same_item(const struct dht_item *a, const struct dht_item *b)
{
    return a->seq == b->seq && bytes_equal(a->value, b->value);
}

bool store_holds_newest(const struct dht_search *s, const struct lookup_candidate *c)
{
    return c->has_item && s->best_value && c->item_seq == s->best.seq;
}

/* More than K have what is to be stored, all those among them that would be asked to. */
static bool is_well_kept(const struct dht_search *s, struct lookup_candidate **storers, size_t n)
{
    unsigned holders = 0;
    if (!s->best_value || !is_same_item(&s->best, &s->to_store))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!store_holds_newest(s, storers[i]))
            return false;
    for (unsigned i = 0; i < s->lookup.count; i++)
        holders += store_holds_newest(s, &s->lookup.candidates[i]);
    return holders > LOOKUP_K;
}

/* Where few are nearer to the item than we are, others will look for it here. */
static void store_with_ourselves(
    struct dht *d, struct dht_search *s, struct lookup_candidate **storers, size_t n, usec now)
{
    const struct node_id *own = table_own_id(d->table);
    if (d->config.read_only || s->request.aim != DHT_GET_ITEM ||
        (n >= LOOKUP_K && node_id_compare(&s->request.target, &storers[n - 1]->id, own) < 0))
        return;
    if (!d->items)
        d->items = item_store_new(&d->random);
    if (d->items)
        item_store_put_own(d->items, &s->to_store, own, now);
}

void store_begin(struct dht *d, struct dht_search *s, usec now)
{
    struct lookup_candidate *storers[2 * LOOKUP_K];
    s->state = SEARCH_STORES;
    if (s->request.aim == DHT_GET_PEERS ? !s->request.announce
                                        : !s->request.put || !take_to_store(s))
        return;
    size_t count = lookup_storers(&s->lookup, storers);
    s->result.spared = s->request.spare_writes && is_well_kept(s, storers, count);
    if (s->result.spared)
        return;
    store_with_ourselves(d, s, storers, count, now);
    for (size_t i = 0; i < count; i++)
        s->result.storers += store_at(d, s, storers[i], 0, now);
}

void store_answered(struct dht_search *s, const struct query *q, const struct krpc_message *m)
{
    struct lookup_candidate *c = lookup_find(&s->lookup, &q->to);
    s->storing--;
    if (m->kind == KRPC_ERROR)
        s->result.refusal = m->error;
    else if (c && !c->stored) {
        c->stored = true;
        s->result.stored++;
    }
}
