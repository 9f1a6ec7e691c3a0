/* What others ask us. An answer is never longer than DHT_AMPLIFICATION_MAX times its question
 * (items of BEP 44 and filters of BEP 33 aside, which come whole or not at all), and goes out only
 * within the budgets of limiter.h. See dht_internal.h. */
#include "dht/dht_internal.h"

#define ANSWER_MAX 1024u      /* BEP 32: no datagram's payload is longer */
#define ITEM_ANSWER_MAX 1232u /* but for items, which BEP 44 lets be so long: the IPv6 minimum */
#define FRAME 120u            /* bytes of an answer without lists: ids, token, address, version */
#define ITEM_FRAME 130u       /* k, sig, seq and their keys, beyond that */
#define FILTERS (2 * KRPC_BLOOM_SIZE + 20u) /* BEP 33 */
#define LIST_FRAME 14u                      /* "6:nodes6", a length */
#define VALUE4 8u                           /* a peer in a list, "6:" and 6 bytes */
#define VALUE6 21u

/* One answer on its way: what is asked, what is said, how much may be said. */
struct answer {
    struct dht *d;
    const struct endpoint *to;
    const struct krpc_message *q;
    struct krpc_message *r;
    size_t room; /* bytes that may still be used */
    usec now;
    uint8_t token[TOKEN_SIZE];
    uint8_t nodes[TABLE_K * 26], nodes6[TABLE_K * 38];
};

/* The local network is no business of its. */
static bool is_stranger(const struct answer *a)
{
    return !node_address_is_local(a->to);
}

static void send_answer(struct answer *a)
{
    uint8_t packet[KRPC_SEND_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    a->r->transaction = a->q->transaction;
    a->r->version = bytes_of(dht_version, sizeof dht_version);
    a->r->id = *table_own_id(a->d->table);
    a->r->external = *a->to;
    krpc_write(a->r, &b);
    if (!limiter_spend(a->d->limiter, a->to, b.size, a->now)) {
        a->d->counters.refused++;
        return;
    }
    a->d->counters.answers++;
    dht_send(a->d, a->to, &b);
}

static void refuse(struct answer *a, int error)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {{KRPC_E_GENERIC, "error"}, {KRPC_E_SERVER, "no room"},
        {KRPC_E_PROTOCOL, "invalid arguments or token"}, {KRPC_E_METHOD, "unknown method"},
        {KRPC_E_VALUE_TOO_BIG, "v is too big"}, {KRPC_E_SIGNATURE, "invalid signature"},
        {KRPC_E_SALT_TOO_BIG, "salt is too big"}, {KRPC_E_CAS, "cas does not match"},
        {KRPC_E_OLD_SEQ, "seq is not newer"}};
    a->r->kind = KRPC_ERROR;
    a->r->error = error;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].error == error)
            a->r->error_text = bytes_of_str(texts[i].text);
    send_answer(a);
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* Good nodes nearest to the target; strangers are told of no local ones, nobody of itself. */
static struct bytes put_nodes(struct answer *a, const struct dht *from, uint8_t *out, size_t size)
{
    struct table_node nodes[2 * TABLE_K];
    struct builder b = builder_fixed(out, size);
    size_t entry = krpc_node_size(from->config.family);
    size_t count =
        table_closest(from->table, &a->q->target, TABLE_GOOD, nodes, 2 * TABLE_K, a->now);
    for (size_t i = 0; i < count && b.size + entry <= size; i++) {
        if (endpoint_equal(&nodes[i].at, a->to) || a->room < entry + LIST_FRAME ||
            (is_stranger(a) && node_address_is_local(&nodes[i].at)))
            continue;
        krpc_put_node(&b, &(struct krpc_node){nodes[i].id, nodes[i].at});
        a->room -= entry;
    }
    a->room -= a->room < LIST_FRAME ? a->room : LIST_FRAME;
    return builder_bytes(&b);
}

static const struct dht *node_of(const struct dht *d, enum addr_family family)
{
    return d->config.family == family ? d : d->sibling;
}

/* BEP 32: the lists that are wanted, else that of the network that the question came over. */
static void add_nodes(struct answer *a)
{
    unsigned want = a->q->want;
    if (!want)
        want = a->d->config.family == ADDR_V4 ? KRPC_WANT_NODES : KRPC_WANT_NODES6;
    const struct dht *four = node_of(a->d, ADDR_V4), *six = node_of(a->d, ADDR_V6);
    if (want & KRPC_WANT_NODES && four) {
        a->r->has_nodes = true;
        a->r->nodes = put_nodes(a, four, a->nodes, sizeof a->nodes);
    }
    if (want & KRPC_WANT_NODES6 && six) {
        a->r->has_nodes6 = true;
        a->r->nodes6 = put_nodes(a, six, a->nodes6, sizeof a->nodes6);
    }
}

static void add_token(struct answer *a)
{
    token_make(&a->d->tokens, &a->d->random, a->to, a->now, a->token);
    a->r->token = bytes_of(a->token, sizeof a->token);
}

static bool has_token(struct answer *a)
{
    return token_is_ours(&a->d->tokens, &a->d->random, a->to, a->q->token, a->now);
}

/* ---- peers --------------------------------------------------------------------------------- */

static void answer_get_peers(struct answer *a)
{
    struct dht *d = a->d;
    struct info_hash hash = node_id_to_hash(&a->q->target);
    uint8_t seeds[KRPC_BLOOM_SIZE], peers[KRPC_BLOOM_SIZE];
    unsigned which = is_stranger(a) ? PEER_STORE_GLOBAL : PEER_STORE_ALL;
    if (a->q->scrape && a->room > ANSWER_MAX - FRAME - FILTERS)
        a->room = ANSWER_MAX - FRAME - FILTERS;
    add_nodes(a);
    if (!d->peers || peer_store_has_room(d->peers, &hash))
        add_token(a);
    if (d->peers && a->q->scrape &&
        peer_store_scrape(d->peers, &hash, which, seeds, peers, a->now)) {
        a->r->bloom_seeds = bytes_of(seeds, sizeof seeds);
        a->r->bloom_peers = bytes_of(peers, sizeof peers);
        a->room = 0;
    }
    size_t each = d->config.family == ADDR_V4 ? VALUE4 : VALUE6;
    size_t max = a->room / each;
    if (max > DHT_PEERS_GIVEN_MAX)
        max = DHT_PEERS_GIVEN_MAX;
    which |= a->q->noseed ? PEER_STORE_NO_SEEDS : 0;
    if (d->peers && max > 0)
        a->r->value_count =
            (uint32_t)peer_store_get(d->peers, &hash, which, a->r->values, max, a->now);
    send_answer(a);
}

static void answer_announce(struct answer *a)
{
    struct dht *d = a->d;
    struct peer_store_announce p = {
        .hash = node_id_to_hash(&a->q->target), .at = *a->to, .seed = a->q->seed};
    if (!a->q->implied_port)
        p.at.port = a->q->port;
    p.at.scope = 0;
    if (!has_token(a) || p.at.port == 0) {
        refuse(a, KRPC_E_PROTOCOL);
        return;
    }
    if (!d->peers)
        d->peers = peer_store_new(&d->random);
    if (!d->peers || !peer_store_add(d->peers, &p, table_own_id(d->table), a->now)) {
        refuse(a, KRPC_E_SERVER);
        return;
    }
    send_answer(a);
    if (d->config.announced)
        d->config.announced(d->config.user, &p.hash, &p.at);
}

static void answer_sample(struct answer *a)
{
    const struct info_hash *samples = NULL;
    size_t count = 0;
    add_nodes(a);
    if (a->d->peers)
        count = peer_store_sample(a->d->peers, &samples, &a->r->num, a->now);
    size_t max = a->room / sizeof *samples;
    a->r->has_samples = true;
    a->r->interval = KRPC_INTERVAL_MAX;
    a->r->samples = bytes_of(samples, (count < max ? count : max) * sizeof *samples);
    send_answer(a);
}

/* ---- items --------------------------------------------------------------------------------- */

/* The item comes whole; nodes as far as the datagram stays one. */
static size_t room_beside(const struct dht_item *item)
{
    size_t used = FRAME + ITEM_FRAME + item->value.size;
    return used < ITEM_ANSWER_MAX ? ITEM_ANSWER_MAX - used : 0;
}

static void answer_get(struct answer *a)
{
    struct dht_item item;
    bool there = a->d->items && item_store_get(a->d->items, &a->q->target, &item, a->now);
    bool newer = there && !(item.is_mutable && a->q->has_seq && item.seq <= a->q->seq);
    if (newer)
        a->room = room_beside(&item);
    add_nodes(a);
    add_token(a);
    if (there && item.is_mutable) {
        a->r->has_seq = true;
        a->r->seq = item.seq;
    }
    if (newer) {
        a->r->value = item.value;
        if (item.is_mutable) {
            a->r->key = bytes_of(item.key.b, sizeof item.key.b);
            a->r->signature = bytes_of(item.signature.b, sizeof item.signature.b);
        }
    }
    send_answer(a);
}

static void answer_put(struct answer *a)
{
    struct dht *d = a->d;
    if (!has_token(a)) {
        refuse(a, KRPC_E_PROTOCOL);
        return;
    }
    if (!d->items)
        d->items = item_store_new(&d->random);
    int error = d->items ? item_store_put(d->items, a->q, a->to, table_own_id(d->table), a->now)
                         : KRPC_E_SERVER;
    if (error)
        refuse(a, error);
    else
        send_answer(a);
}

/* ---- all ----------------------------------------------------------------------------------- */

static void answer_method(struct answer *a)
{
    const struct krpc_message *q = a->q;
    bool needs_target = q->method != KRPC_PING && q->method != KRPC_PUT;
    if (!q->has_id || (needs_target && !q->has_target)) {
        refuse(a, q->method == KRPC_UNKNOWN ? KRPC_E_METHOD : KRPC_E_PROTOCOL);
        return;
    }
    switch (q->method) {
    case KRPC_PING:
        send_answer(a);
        return;
    case KRPC_GET_PEERS:
        answer_get_peers(a);
        return;
    case KRPC_ANNOUNCE_PEER:
        answer_announce(a);
        return;
    case KRPC_GET:
        answer_get(a);
        return;
    case KRPC_PUT:
        answer_put(a);
        return;
    case KRPC_SAMPLE_INFOHASHES:
        answer_sample(a);
        return;
    case KRPC_FIND_NODE:
    case KRPC_UNKNOWN: /* what names a target is led on, whatever it wants (as libtorrent does) */
        add_nodes(a);
        send_answer(a);
        return;
    }
}

void answer_query(
    struct dht *d, const struct endpoint *from, const struct krpc_message *q, size_t size, usec now)
{
    struct krpc_message r;
    if (d->config.read_only)
        return;
    if (!limiter_heard(d->limiter, from, now)) {
        d->counters.refused++;
        return;
    }
    krpc_reset(&r);
    r.kind = KRPC_RESPONSE;
    size_t room = size * DHT_AMPLIFICATION_MAX;
    if (room > ANSWER_MAX)
        room = ANSWER_MAX;
    struct answer a = {.d = d, .to = from, .q = q, .r = &r, .now = now};
    a.room = room > FRAME + q->transaction.size ? room - FRAME - q->transaction.size : 0;
    answer_method(&a);
    if (q->has_id && !q->read_only && table_heard(d->table, &q->id, from, now))
        dht_add_contact(d, from, DHT_CONTACT_NODE, now);
}
