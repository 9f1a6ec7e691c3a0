/* Searches: a lookup (lookup.h) carried out with find_node, get_peers or get, and then perhaps the
 * nearest asked to store something. At most DHT_SEARCHES_RUNNING at a time; the others wait in
 * their order. See dht.h and dht_internal.h. */
#include "dht/dht_internal.h"

#include "dht/bloom.h"
#include "dht/crowding.h"
#include <stdlib.h>

#define START_NODES 16u /* of our own table that a search begins with */

/* ---- birth and death ----------------------------------------------------------------------- */

struct dht_search *search_start(
    struct dht *d, const struct dht_request *request, bool own, usec now)
{
    if ((!own && d->search_count >= DHT_SEARCHES_MAX) || request->salt.size > KRPC_SALT_MAX)
        return NULL;
    struct dht_search *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->request = *request;
    s->own = own;
    s->started = now;
    s->born = d->depth > 0 ? d->turn : d->turn - 1;
    s->result.seeds = s->result.peers = -1;
    if (request->salt.size > 0)
        memcpy(s->salt, request->salt.data, request->salt.size);
    s->request.salt = bytes_of(s->salt, request->salt.size);
    if (own)
        list_push_front(&d->searches, &s->link);
    else
        list_push_back(&d->searches, &s->link);
    d->search_count++;
    return s;
}

static void free_search(struct dht_search *s)
{
    lookup_free(&s->lookup);
    free(s->best_value);
    free(s->store_value);
    free(s->bloom);
    free(s);
}

void search_bury(struct dht *d)
{
    list_for_each_safe(at, &d->over)
    {
        list_remove(at);
        free_search(list_entry(at, struct dht_search, link));
    }
}

void search_free_all(struct dht *d)
{
    search_bury(d);
    list_for_each_safe(at, &d->searches) free_search(list_entry(at, struct dht_search, link));
    list_init(&d->searches);
}

/* Out of the lists of the living; freed when the turn ends. */
static void retire(struct dht *d, struct dht_search *s)
{
    d->running -= s->state == SEARCH_LOOKS || s->state == SEARCH_STORES;
    d->search_count--;
    s->state = SEARCH_OVER;
    query_forget_search(d, s);
    list_remove(&s->link);
    list_push_back(&d->over, &s->link);
}

void dht_search_cancel(struct dht *d, struct dht_search *s)
{
    if (s->state == SEARCH_OVER)
        return;
    retire(d, s);
    if (d->depth == 0)
        search_bury(d);
}

/* ---- asking -------------------------------------------------------------------------------- */

static void ask(struct dht *d, struct dht_search *s, struct lookup_candidate *c, usec now)
{
    static const enum krpc_method methods[] = {[DHT_FIND_NODE] = KRPC_FIND_NODE,
        [DHT_GET_PEERS] = KRPC_GET_PEERS,
        [DHT_GET_ITEM] = KRPC_GET};
    struct krpc_message m;
    krpc_reset(&m);
    m.method = methods[s->request.aim];
    m.has_target = true;
    m.target = s->request.target;
    m.noseed = s->request.noseed;
    m.scrape = s->request.scrape;
    /* BEP 32: both families only while we begin. */
    if (s->own && d->sibling)
        m.want = KRPC_WANT_NODES | KRPC_WANT_NODES6;
    struct query q = {
        .purpose = QUERY_LOOKUP, .has_id = true, .to = c->at, .id = c->id, .search = s};
    if (query_send(d, &m, &q, now))
        lookup_asked(&s->lookup, c);
    else
        lookup_failed(&s->lookup, c);
}

/* The newest genuine item so far. */
static void keep_best(struct dht_search *s, const struct dht_item *item)
{
    if (s->best_value && item->seq <= s->best.seq)
        return;
    uint8_t *copy = malloc(item->value.size);
    if (!copy)
        return;
    memcpy(copy, item->value.data, item->value.size);
    free(s->best_value);
    s->best_value = copy;
    s->best = *item;
    s->best.value = bytes_of(copy, item->value.size);
    s->best.salt = s->request.salt;
    if (s->request.item)
        s->request.item(s->request.user, &s->best);
}

/* What others stored with us is found too: in a small network nobody else may have it. */
static void ask_ourselves(struct dht *d, struct dht_search *s, usec now)
{
    struct info_hash hash = node_id_to_hash(&s->request.target);
    struct endpoint peers[DHT_PEERS_GIVEN_MAX];
    struct dht_item item;
    if (s->request.aim == DHT_GET_ITEM && d->items &&
        item_store_get(d->items, &s->request.target, &item, now) &&
        item.is_mutable == s->request.is_mutable)
        keep_best(s, &item);
    if (s->request.aim != DHT_GET_PEERS || !d->peers || !s->request.peers)
        return;
    size_t count = peer_store_get(d->peers, &hash,
        s->request.noseed ? PEER_STORE_NO_SEEDS : PEER_STORE_ALL, peers, DHT_PEERS_GIVEN_MAX, now);
    for (size_t i = 0; i < count && s->state == SEARCH_LOOKS; i++)
        if (endpoint_allowed(&peers[i], dht_source_of(&peers[i]))) {
            s->result.values++;
            s->request.peers(s->request.user, &peers[i], &peers[i], 1); /* its own word */
        }
}

/* Of all that we know, whatever their distance: who crowds around the target is few among them. */
static void add_paths(struct dht *d, struct dht_search *s, usec now)
{
    size_t known = table_count(d->table, now).nodes;
    for (unsigned path = 1; path < LOOKUP_PATHS; path++)
        for (unsigned i = 0; i < LOOKUP_PATH_ROOTS && known > START_NODES; i++) {
            const struct table_node *n =
                table_at(d->table, (size_t)dht_random_below(&d->random, known));
            if (n->fails == 0)
                lookup_add_root(&s->lookup, &n->id, &n->at, path);
        }
}

static void begin(struct dht *d, struct dht_search *s, usec now)
{
    struct table_node nodes[START_NODES];
    s->state = SEARCH_LOOKS;
    d->running++;
    lookup_init(&s->lookup, &s->request.target, table_own_id(d->table));
    size_t count =
        table_closest(d->table, &s->request.target, TABLE_TRUSTED, nodes, START_NODES, now);
    for (size_t i = 0; i < count; i++)
        lookup_add(&s->lookup, &nodes[i].id, &nodes[i].at, NULL);
    if (!s->own)
        add_paths(d, s, now);
    ask_ourselves(d, s, now);
}

/* ---- what answers bring -------------------------------------------------------------------- */

static void take_nodes(struct dht *d, struct dht_search *s, const struct lookup_candidate *by,
    const struct krpc_message *m, usec now)
{
    bool v4 = d->config.family == ADDR_V4;
    struct cursor c = cursor_of(v4 ? m->nodes : m->nodes6);
    enum addr_source source = dht_source_of(&by->at);
    struct krpc_node n;
    unsigned added = 0, seen = 0;
    while (added < LOOKUP_PER_ANSWER_MAX && seen++ < KRPC_NODES_MAX &&
           krpc_next_node(&c, d->config.family, &n))
        if (n.at.family == d->config.family && endpoint_allowed(&n.at, source) &&
            !table_is_suspect(d->table, &n.at, now))
            added += lookup_add(&s->lookup, &n.id, &n.at, by);
    if (d->sibling)
        maintain_note_nodes(
            d->sibling, &by->at, v4 ? m->nodes6 : m->nodes, v4 ? ADDR_V6 : ADDR_V4, now);
}

static void take_peers(
    struct dht_search *s, const struct endpoint *from, const struct krpc_message *m)
{
    struct endpoint peers[KRPC_VALUES_MAX];
    enum addr_source source = dht_source_of(from);
    size_t count = 0;
    for (uint32_t i = 0; i < m->value_count; i++)
        if (m->values[i].family == from->family && endpoint_allowed(&m->values[i], source))
            peers[count++] = m->values[i];
    s->result.values += (unsigned)count;
    if (count > 0 && s->request.peers)
        s->request.peers(s->request.user, from, peers, count);
}

static void take_blooms(struct dht_search *s, const struct krpc_message *m)
{
    if (!s->request.scrape || m->bloom_seeds.size == 0 || m->bloom_peers.size == 0)
        return;
    if (!s->bloom)
        s->bloom = calloc(2, BLOOM_SIZE);
    if (!s->bloom)
        return;
    bloom_join(s->bloom, m->bloom_seeds.data);
    bloom_join(s->bloom + BLOOM_SIZE, m->bloom_peers.data);
}

/* A genuine item of what was looked for, or nothing. */
static bool read_item(
    const struct dht_search *s, const struct krpc_message *m, struct dht_item *out)
{
    *out = (struct dht_item){.is_mutable = s->request.is_mutable,
        .value = m->value,
        .salt = s->request.salt,
        .seq = s->request.is_mutable ? m->seq : 0};
    if (m->value.size == 0 || m->value.size > KRPC_VALUE_MAX)
        return false;
    if (out->is_mutable) {
        if (m->key.size == 0 || m->signature.size == 0 || !m->has_seq || m->seq < 0)
            return false;
        memcpy(out->key.b, m->key.data, sizeof out->key.b);
        memcpy(out->signature.b, m->signature.data, sizeof out->signature.b);
    }
    struct node_id target = dht_item_target(out);
    return node_id_equal(&target, &s->request.target) && dht_item_is_genuine(out);
}

static void take_item(
    struct dht_search *s, struct lookup_candidate *c, const struct krpc_message *m)
{
    struct dht_item item;
    if (!read_item(s, m, &item))
        return;
    c->has_item = true;
    c->item_seq = item.seq;
    keep_best(s, &item);
}

static void lookup_step(struct dht *d, struct dht_search *s, const struct query *q,
    const struct krpc_message *m, usec now)
{
    struct lookup_candidate *c = lookup_find(&s->lookup, &q->to);
    if (c && !node_id_equal(&c->id, &m->id))
        c = lookup_known_as(&s->lookup, c, &m->id);
    if (!c)
        return;
    lookup_answered(&s->lookup, c);
    if (m->token.size > 0 && m->token.size <= KRPC_TOKEN_MAX) {
        c->token_size = (uint8_t)m->token.size;
        memcpy(c->token, m->token.data, m->token.size);
    }
    if (s->request.aim == DHT_GET_ITEM)
        take_item(s, c, m);
    struct lookup_candidate by = *c; /* adding moves the candidates */
    take_nodes(d, s, &by, m, now);
    if (s->request.aim == DHT_GET_PEERS) {
        take_blooms(s, m);
        take_peers(s, &by.at, m);
    }
}

/* ---- what became of a question ------------------------------------------------------------- */

void search_answered(struct dht *d, const struct query *q, const struct krpc_message *m, usec now)
{
    struct dht_search *s = q->search;
    if (!s)
        return;
    if (q->purpose == QUERY_STORE)
        store_answered(s, q, m);
    else if (s->state == SEARCH_LOOKS)
        lookup_step(d, s, q, m, now);
}

/* A store that is late is repeated once: the first one, or its answer, may have been lost. */
void search_late(struct dht *d, const struct query *q, usec now)
{
    struct dht_search *s = q->search;
    struct lookup_candidate *c = lookup_find(&s->lookup, &q->to);
    if (c && q->purpose == QUERY_LOOKUP)
        lookup_late(&s->lookup, c);
    else if (c && q->tries == 0 && s->state == SEARCH_STORES)
        store_at(d, s, c, 1, now);
}

void search_failed(struct dht *d, const struct query *q, usec now)
{
    (void)d;
    (void)now;
    struct dht_search *s = q->search;
    if (!s)
        return;
    if (q->purpose == QUERY_STORE) {
        s->storing--;
        return;
    }
    struct lookup_candidate *c = lookup_find(&s->lookup, &q->to);
    if (c && (c->state == LOOKUP_ASKED || c->state == LOOKUP_LATE))
        lookup_failed(&s->lookup, c);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void sum_up(const struct dht *d, struct dht_search *s, usec now)
{
    struct dht_result *r = &s->result;
    r->asked = s->lookup.asked;
    r->answered = s->lookup.answered;
    r->hops = lookup_hops(&s->lookup);
    r->crowd = crowding_count(d->table, &s->lookup, now);
    r->took = now - s->started;
    if (s->bloom) {
        r->seeds = bloom_estimate(s->bloom);
        r->peers = bloom_estimate(s->bloom + BLOOM_SIZE);
    }
    for (unsigned i = s->lookup.count; i-- > 0;) {
        const struct lookup_candidate *c = &s->lookup.candidates[i];
        if (c->state == LOOKUP_ANSWERED)
            r->nearest = (struct krpc_node){c->id, c->at};
        r->holders += store_holds_newest(s, c);
    }
}

/* Others are under way, or we know nobody yet and may soon. */
static bool must_wait(const struct dht *d, const struct dht_search *s)
{
    if (!s->own && d->running >= DHT_SEARCHES_RUNNING)
        return true;
    return !table_at(d->table, 0) && maintain_hopes(d);
}

/* Moves one search as far as it can go now. True: it ended, and lists may have changed. */
static bool move(struct dht *d, struct dht_search *s, usec now)
{
    if (s->state == SEARCH_WAITS)
        begin(d, s, now);
    if (s->state == SEARCH_LOOKS) {
        struct lookup_candidate *c;
        while (d->query_count < DHT_QUERIES_MAX && (c = lookup_next(&s->lookup)) != NULL)
            ask(d, s, c, now);
        if (!lookup_is_over(&s->lookup))
            return false;
        store_begin(d, s, now);
    }
    if (s->state != SEARCH_STORES || s->storing > 0)
        return s->state == SEARCH_OVER; /* put() cancelled it */
    sum_up(d, s, now);
    d->counters.searches_done++;
    d->counters.crowds += s->result.crowd > 0;
    retire(d, s);
    if (s->request.done)
        s->request.done(s->request.user, &s->result);
    return true;
}

/* One that has begun is moved at any time; one that waits begins when its turn has come. */
static bool may_move(const struct dht *d, const struct dht_search *s)
{
    return s->state != SEARCH_WAITS || (s->born != d->turn && !must_wait(d, s));
}

bool search_run(struct dht *d, usec now)
{
    bool again = true, young = false;
    while (again) {
        again = young = false;
        list_for_each_safe(at, &d->searches)
        {
            struct dht_search *s = list_entry(at, struct dht_search, link);
            young |= s->state == SEARCH_WAITS && s->born == d->turn && !must_wait(d, s);
            again = may_move(d, s) && move(d, s, now);
            if (again)
                break;
        }
    }
    return young;
}
