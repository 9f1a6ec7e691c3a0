/* Questions under way: sending, matching answers, round trips, silence. See dht_internal.h. */
#include "dht/dht_internal.h"

#include <stdlib.h>

/* ---- patience ------------------------------------------------------------------------------ */

/* As RFC 6298 sets a retransmission timer: most answers that come at all come before this. */
static usec short_patience(const struct dht *d)
{
    usec patience = d->rtt ? d->rtt + 4 * d->rtt_variation : SECONDS(1);
    if (patience < DHT_SHORT_PATIENCE_MIN)
        return DHT_SHORT_PATIENCE_MIN;
    return patience > DHT_SHORT_PATIENCE_MAX ? DHT_SHORT_PATIENCE_MAX : patience;
}

static void note_round_trip(struct dht *d, usec sample)
{
    if (d->rtt == 0) {
        d->rtt = sample > 0 ? sample : 1;
        d->rtt_variation = sample / 2;
        return;
    }
    usec off = sample > d->rtt ? sample - d->rtt : d->rtt - sample;
    d->rtt_variation += (off - d->rtt_variation) / 4;
    d->rtt += (sample - d->rtt) / 8;
    if (d->rtt < 1)
        d->rtt = 1;
}

/* ---- sending ------------------------------------------------------------------------------- */

static struct query *find_transaction(struct dht *d, uint16_t transaction)
{
    for (unsigned i = 0; i < d->query_count; i++)
        if (d->queries[i].transaction == transaction)
            return &d->queries[i];
    return NULL;
}

static bool make_room(struct dht *d)
{
    if (d->query_count < d->query_capacity)
        return true;
    unsigned capacity = d->query_capacity ? d->query_capacity * 2 : 8;
    if (capacity > DHT_QUERIES_MAX)
        return false;
    struct query *grown = realloc(d->queries, capacity * sizeof *grown);
    if (!grown)
        return false;
    d->queries = grown;
    d->query_capacity = capacity;
    return true;
}

bool query_send(struct dht *d, struct krpc_message *m, const struct query *q, usec now)
{
    if (!make_room(d))
        return false;
    uint16_t transaction;
    do
        transaction = (uint16_t)dht_random_u64(&d->random);
    while (find_transaction(d, transaction));
    uint8_t t[2], packet[KRPC_SEND_MAX];
    store_u16(t, transaction);
    m->kind = KRPC_QUERY;
    m->transaction = bytes_of(t, sizeof t);
    m->version = bytes_of(dht_version, sizeof dht_version);
    m->id = *table_own_id(d->table);
    m->read_only = d->config.read_only;
    struct builder b = builder_fixed(packet, sizeof packet);
    krpc_write(m, &b);
    if (!builder_ok(&b))
        return false;
    struct query *new = &d->queries[d->query_count++];
    *new = *q;
    new->transaction = transaction;
    new->sent = now;
    new->late = false;
    if (q->has_id)
        table_tried(d->table, &q->id, &q->to, now);
    dht_send(d, &q->to, &b);
    return true;
}

static struct query take(struct dht *d, struct query *q)
{
    struct query taken = *q;
    *q = d->queries[--d->query_count];
    return taken;
}

void query_forget_search(struct dht *d, const struct dht_search *s)
{
    for (unsigned i = 0; i < d->query_count; i++)
        if (d->queries[i].search == s)
            d->queries[i].search = NULL;
}

/* ---- answers ------------------------------------------------------------------------------- */

enum bearer {
    BEARER_AS_NAMED, /* who answers is whom we asked */
    BEARER_OTHER,   /* it bears another id than it was named with: so others lied, or it has changed
                     */
    BEARER_IMPOSTOR /* it bears our own, or changes its id again and again: not spoken to for a
                       while */
};

static enum bearer bearer_of(
    struct dht *d, const struct query *q, const struct krpc_message *m, usec now)
{
    if (node_id_equal(&m->id, table_own_id(d->table)) || table_is_suspect(d->table, &q->to, now))
        return BEARER_IMPOSTOR;
    if (!q->has_id || node_id_equal(&m->id, &q->id))
        return BEARER_AS_NAMED;
    return table_note_change(d->table, &q->to, &m->id, now) ? BEARER_IMPOSTOR : BEARER_OTHER;
}

static void answered(struct dht *d, const struct query *q, const struct krpc_message *m, usec now)
{
    bool lookup = q->purpose == QUERY_LOOKUP || q->purpose == QUERY_STORE;
    if (q->purpose != QUERY_ROUTER)
        table_answered(d->table, &m->id, &q->to, now);
    maintain_vote(d, &q->to, &m->external, now);
    if (lookup)
        search_answered(d, q, m, now);
    else
        maintain_answered(d, q, m, now);
}

/* Whoever answers a search under another id is used for what it says, but not yet for the table. */
static void identified(struct dht *d, const struct query *q, const struct krpc_message *m, usec now)
{
    enum bearer bearer = bearer_of(d, q, m, now);
    if (bearer == BEARER_AS_NAMED) {
        answered(d, q, m, now);
        return;
    }
    if (q->has_id)
        table_failed(d->table, &q->id, &q->to, now);
    if (bearer == BEARER_OTHER && q->purpose == QUERY_LOOKUP)
        search_answered(d, q, m, now);
    else
        search_failed(d, q, now);
}

void query_receive(
    struct dht *d, const struct endpoint *from, const struct krpc_message *m, usec now)
{
    if (m->transaction.size != 2)
        return;
    struct query *found = find_transaction(d, load_u16(m->transaction.data));
    if (!found || !endpoint_equal(&found->to, from))
        return;
    struct query q = take(d, found);
    d->heard_at = now;
    note_round_trip(d, now - q.sent);
    if (m->kind == KRPC_ERROR && q.purpose == QUERY_STORE)
        search_answered(d, &q, m, now);
    else if (m->kind == KRPC_ERROR || !m->has_id)
        search_failed(d, &q, now);
    else
        identified(d, &q, m, now);
}

/* ---- silence ------------------------------------------------------------------------------- */

/* While nobody at all answers, the line is more likely to be at fault than the nodes. */
static void silent(struct dht *d, const struct query *q, usec now)
{
    if (q->has_id && d->heard_at >= q->sent)
        table_failed(d->table, &q->id, &q->to, now);
    search_failed(d, q, now);
}

void query_tick(struct dht *d, usec now)
{
    usec patience = short_patience(d);
    for (unsigned i = 0; i < d->query_count;) {
        struct query *q = &d->queries[i];
        if (now >= q->sent + DHT_QUERY_PATIENCE) {
            struct query gone = take(d, q);
            silent(d, &gone, now);
            continue;
        }
        if (!q->late && now >= q->sent + patience) {
            q->late = true;
            struct query copy = *q;
            if (copy.search)
                search_late(d, &copy, now);
            else
                maintain_late(d, &copy, now);
        }
        i++;
    }
}

usec query_deadline(const struct dht *d)
{
    usec first = NEVER, patience = short_patience(d);
    for (unsigned i = 0; i < d->query_count; i++) {
        const struct query *q = &d->queries[i];
        usec due = q->sent + (q->late ? DHT_QUERY_PATIENCE : patience);
        first = usec_min(first, due);
    }
    return first;
}
