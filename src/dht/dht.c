/* A node of the DHT: birth and death, datagrams in, time. See dht.h and dht_internal.h. */
#include "dht/dht_internal.h"

#include "format/bencode.h"
#include <stdlib.h>

#define EXPIRE_EVERY SECONDS(300)

/* ---- birth --------------------------------------------------------------------------------- */

const char dht_version[4] = {'k', 't', 0, 1};

struct dht *dht_new(const struct dht_config *config, usec now)
{
    struct dht *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->config = *config;
    d->config.id = NULL;
    memcpy(d->random.key, config->seed, sizeof d->random.key);
    list_init(&d->searches);
    list_init(&d->over);
    struct node_id id = config->id ? *config->id : dht_random_id(&d->random);
    uint8_t key[16];
    dht_random_fill(&d->random, key, sizeof key);
    token_keys_init(&d->tokens, &d->random, now);
    d->table = table_new(&id, config->family);
    d->limiter = limiter_new(key);
    d->expire_at = now + EXPIRE_EVERY;
    d->maintain_at = d->explore_at = NEVER;
    d->deadline = d->expire_at;
    if (!d->table || !d->limiter) {
        dht_free(d);
        return NULL;
    }
    return d;
}

void dht_free(struct dht *d)
{
    if (!d)
        return;
    if (d->sibling)
        d->sibling->sibling = NULL;
    search_free_all(d);
    table_free(d->table);
    limiter_free(d->limiter);
    peer_store_free(d->peers);
    item_store_free(d->items);
    free(d->queries);
    free(d->contacts);
    free(d);
}

void dht_introduce(struct dht *a, struct dht *b)
{
    a->sibling = b;
    b->sibling = a;
}

/* ---- turns: what is done at the end of every public call ----------------------------------- */

static void begin_turn(struct dht *d)
{
    d->depth++;
}

static void end_turn(struct dht *d, usec now)
{
    if (d->depth == 1) {
        bool again = search_run(d, now);
        search_bury(d);
        d->turn++;
        d->deadline = usec_min(query_deadline(d), maintain_deadline(d, now));
        d->deadline = usec_min(d->deadline, again ? now : d->expire_at);
    }
    d->depth--;
}

/* ---- datagrams ----------------------------------------------------------------------------- */

enum addr_source dht_source_of(const struct endpoint *from)
{
    switch (endpoint_class(from)) {
    case ADDR_LOOPBACK:
        return ADDR_FROM_LOCAL_TRACKER;
    case ADDR_PRIVATE:
    case ADDR_LINK_LOCAL:
        return ADDR_FROM_LAN;
    default:
        return ADDR_FROM_STRANGER;
    }
}

void dht_send(struct dht *d, const struct endpoint *to, const struct builder *b)
{
    if (!builder_ok(b))
        return;
    d->counters.sent_packets++;
    d->counters.sent_bytes += b->size;
    d->config.send(d->config.user, to, builder_bytes(b));
}

void dht_receive(struct dht *d, const struct endpoint *from, struct bytes datagram, usec now)
{
    struct krpc_message m;
    d->counters.received_packets++;
    d->counters.received_bytes += datagram.size;
    if (from->family != d->config.family || from->port == 0 || krpc_parse(&m, datagram) != 0)
        return;
    begin_turn(d);
    /* Our own questions that somebody throws back, or a node that poses as us. */
    bool our_id = m.has_id && node_id_equal(&m.id, table_own_id(d->table));
    if (m.kind == KRPC_QUERY && !our_id)
        answer_query(d, from, &m, datagram.size, now);
    else if (m.kind != KRPC_QUERY)
        query_receive(d, from, &m, now);
    end_turn(d, now);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void expire(struct dht *d, usec now)
{
    if (now < d->expire_at)
        return;
    d->expire_at = now + EXPIRE_EVERY;
    if (d->peers)
        peer_store_expire(d->peers, now);
    if (d->items)
        item_store_expire(d->items, now);
}

void dht_tick(struct dht *d, usec now)
{
    begin_turn(d);
    query_tick(d, now);
    maintain_tick(d, now);
    expire(d, now);
    end_turn(d, now);
}

usec dht_deadline(const struct dht *d)
{
    return d->deadline;
}

struct dht_search *dht_search(struct dht *d, const struct dht_request *request, usec now)
{
    /* It begins in the next turn: done() is not called before the caller has the handle. */
    d->deadline = usec_min(d->deadline, now);
    return search_start(d, request, false, now);
}

/* ---- kept on disk -------------------------------------------------------------------------- */

void dht_save(const struct dht *d, struct builder *b, usec now)
{
    uint8_t nodes[TABLE_SAVED_BYTES];
    struct builder list = builder_fixed(nodes, sizeof nodes);
    table_save(d->table, &list, now);
    bencode_begin_dict(b);
    bencode_put_key(b, "id");
    bencode_put_string(b, bytes_of(table_own_id(d->table)->b, 20));
    bencode_put_key(b, d->config.family == ADDR_V4 ? "nodes" : "nodes6");
    bencode_put_string(b, builder_bytes(&list));
    bencode_end(b);
}

int dht_load(struct dht *d, struct bytes saved, usec now)
{
    struct bencode_token tokens[16];
    struct bencode doc;
    struct bytes id, nodes;
    if (bencode_parse_into(&doc, saved, BENCODE_TOLERANT, tokens, 16) != 0)
        return ERR_SYNTAX;
    struct bencode_value root = bencode_root(&doc);
    const char *key = d->config.family == ADDR_V4 ? "nodes" : "nodes6";
    if (!bencode_get_string(root, "id", &id) || id.size != 20 ||
        !bencode_get_string(root, key, &nodes))
        return ERR_SYNTAX;
    struct node_id own;
    memcpy(own.b, id.data, sizeof own.b);
    int err = table_set_own_id(d->table, &own, now);
    if (err)
        return err;
    struct cursor c = cursor_of(nodes);
    struct krpc_node n;
    while (krpc_next_node(&c, d->config.family, &n))
        dht_add_contact(d, &n.at, DHT_CONTACT_NODE, now);
    return 0;
}

/* ---- looking at it ------------------------------------------------------------------------- */

void dht_status(const struct dht *d, struct dht_status *out, usec now)
{
    struct table_counts counts = table_count(d->table, now);
    *out = d->counters;
    out->id = *table_own_id(d->table);
    out->external = d->external;
    out->id_fits = d->external.family == ADDR_NONE || node_id_fits(&out->id, &d->external);
    out->nodes = counts.nodes;
    out->good = counts.good;
    out->spares = counts.spares;
    out->contacts = d->contact_count;
    out->searches = d->search_count;
    out->hashes = d->peers ? peer_store_hashes(d->peers) : 0;
    out->peers = d->peers ? peer_store_peers(d->peers) : 0;
    struct address_tally tally = address_vote_count(&d->votes, now);
    out->votes = tally.address.family == ADDR_NONE ? 0 : tally.votes;
    out->items = d->items ? item_store_count(d->items) : 0;
}

size_t dht_nearest(
    const struct dht *d, const struct node_id *target, struct krpc_node *out, size_t max, usec now)
{
    struct table_node nodes[TABLE_K];
    size_t count =
        table_closest(d->table, target, TABLE_GOOD, nodes, max < TABLE_K ? max : TABLE_K, now);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct krpc_node){nodes[i].id, nodes[i].at};
    return count;
}
