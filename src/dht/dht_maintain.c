/* Keeping the table alive: contacts are asked, dubious nodes checked, quiet buckets refreshed, our
 * own neighbourhood explored, our address learnt (BEP 42). See dht_internal.h. */
#include "dht/dht_internal.h"

#include <stdlib.h>

#define MAINTAIN_SPACING SECONDS(1)  /* at least, between two checks */
#define EXPLORE_SOON MSECS(200)      /* after the first node: others come with it */
#define EXPLORE_AGAIN SECONDS(5)     /* while few are known; doubling */
#define EXPLORE_RARELY SECONDS(1800) /* our neighbours come and go */
#define FEW_NODES (2 * TABLE_K)

/* ---- contacts ------------------------------------------------------------------------------ */

static bool is_waiting(const struct dht *d, const struct endpoint *at)
{
    for (unsigned i = 0; i < d->contact_count; i++)
        if (endpoint_equal(&d->contacts[(d->contact_first + i) % DHT_CONTACTS_MAX].at, at))
            return true;
    for (unsigned i = 0; i < d->query_count; i++)
        if (endpoint_equal(&d->queries[i].to, at))
            return true;
    return false;
}

/* Where there is no room the last one gives way to a router: who hands one in knows nobody better.
 */
static void add_contact(struct dht *d, const struct contact *c, usec now)
{
    bool first = c->kind == DHT_CONTACT_ROUTER;
    if (d->contact_count == DHT_CONTACTS_MAX && !first)
        return;
    if (!d->contacts)
        d->contacts = malloc(DHT_CONTACTS_MAX * sizeof *d->contacts);
    if (!d->contacts)
        return;
    d->contact_count -= d->contact_count == DHT_CONTACTS_MAX;
    unsigned place = d->contact_first + (first ? DHT_CONTACTS_MAX - 1 : d->contact_count);
    if (first)
        d->contact_first = place % DHT_CONTACTS_MAX;
    d->contacts[place % DHT_CONTACTS_MAX] = *c;
    d->contact_count++;
    d->deadline = usec_min(d->deadline, now);
}

void dht_add_contact(struct dht *d, const struct endpoint *at, enum dht_contact kind, usec now)
{
    if (at->family == d->config.family && at->port != 0 && !is_waiting(d, at))
        add_contact(d, &(struct contact){*at, kind, 0}, now);
}

/* The first datagrams of a node's life get lost as others do. */
void maintain_late(struct dht *d, const struct query *q, usec now)
{
    bool router = q->purpose == QUERY_ROUTER;
    if (q->has_id || q->tries + 1u >= DHT_CONTACT_TRIES ||
        table_count(d->table, now).nodes >= FEW_NODES)
        return;
    struct contact c = {
        q->to, router ? DHT_CONTACT_ROUTER : DHT_CONTACT_NODE, (uint8_t)(q->tries + 1)};
    add_contact(d, &c, now);
}

/* While we know few, a contact is asked for its neighbours at once. */
static void ask_contact(struct dht *d, const struct contact *c, usec now)
{
    struct krpc_message m;
    krpc_reset(&m);
    bool begins = c->kind == DHT_CONTACT_ROUTER || table_count(d->table, now).nodes < FEW_NODES;
    struct query q = {.to = c->at,
        .tries = c->tries,
        .purpose = c->kind == DHT_CONTACT_ROUTER ? QUERY_ROUTER
                   : begins                      ? QUERY_CONTACT
                                                 : QUERY_PING};
    m.method = begins ? KRPC_FIND_NODE : KRPC_PING;
    m.has_target = begins;
    m.target = *table_own_id(d->table);
    if (begins && d->sibling)
        m.want = KRPC_WANT_NODES | KRPC_WANT_NODES6;
    query_send(d, &m, &q, now);
}

static unsigned contacts_under_way(const struct dht *d)
{
    unsigned count = 0;
    for (unsigned i = 0; i < d->query_count; i++) {
        const struct query *q = &d->queries[i];
        count += !q->late && q->purpose != QUERY_LOOKUP && q->purpose != QUERY_STORE;
    }
    return count;
}

bool maintain_hopes(const struct dht *d)
{
    if (d->contact_count > 0)
        return true;
    for (unsigned i = 0; i < d->query_count; i++)
        if (d->queries[i].purpose != QUERY_LOOKUP && d->queries[i].purpose != QUERY_STORE)
            return true;
    return false;
}

static void ask_contacts(struct dht *d, usec now)
{
    unsigned under_way = contacts_under_way(d);
    while (d->contact_count > 0 && under_way < DHT_CONTACTS_ASKED &&
           d->query_count < DHT_QUERIES_MAX) {
        struct contact c = d->contacts[d->contact_first];
        d->contact_first = (d->contact_first + 1) % DHT_CONTACTS_MAX;
        d->contact_count--;
        ask_contact(d, &c, now);
        under_way++;
    }
    if (d->contact_count == 0) {
        free(d->contacts);
        d->contacts = NULL;
        d->contact_first = 0;
    }
}

void maintain_note_nodes(struct dht *d, const struct endpoint *from, struct bytes nodes,
    enum addr_family family, usec now)
{
    struct cursor c = cursor_of(nodes);
    struct krpc_node n;
    if (family != d->config.family || table_count(d->table, now).nodes >= FEW_NODES)
        return;
    enum addr_source source = dht_source_of(from);
    for (unsigned i = 0; i < TABLE_K && krpc_next_node(&c, family, &n); i++)
        if (n.at.family == family && endpoint_allowed(&n.at, source) &&
            table_would_take(d->table, &n.id, &n.at, now))
            dht_add_contact(d, &n.at, DHT_CONTACT_NODE, now);
}

/* ---- answers to them ----------------------------------------------------------------------- */

static void explore_at(struct dht *d, usec when)
{
    if (!d->exploring)
        d->explore_at = usec_min(d->explore_at, when);
}

void maintain_answered(struct dht *d, const struct query *q, const struct krpc_message *m, usec now)
{
    bool v4 = d->config.family == ADDR_V4;
    if (d->maintain_at == NEVER)
        d->maintain_at = now + MAINTAIN_SPACING;
    if (d->explore_at == NEVER && !d->exploring)
        explore_at(d, now + EXPLORE_SOON);
    if (q->purpose == QUERY_PING)
        return;
    maintain_note_nodes(d, &q->to, v4 ? m->nodes : m->nodes6, d->config.family, now);
    if (d->sibling)
        maintain_note_nodes(
            d->sibling, &q->to, v4 ? m->nodes6 : m->nodes, v4 ? ADDR_V6 : ADDR_V4, now);
}

/* ---- exploring: BEP 5, "find the closest nodes in the DHT to itself" ----------------------- */

static void explored(void *user, const struct dht_result *result)
{
    struct dht *d = user;
    d->exploring = false;
    bool few = result->answered < TABLE_K;
    usec pause = few ? EXPLORE_AGAIN << (d->explored < 8 ? d->explored : 8) : EXPLORE_RARELY;
    if (pause > EXPLORE_RARELY)
        pause = EXPLORE_RARELY;
    d->explored = few ? d->explored + 1 : 0;
    /* Spread by a quarter, so that nodes that began together do not stay together. */
    pause += (usec)dht_random_below(&d->random, (uint64_t)pause / 4);
    d->explore_at = d->exploration_began + pause;
}

static void explore(struct dht *d, usec now)
{
    struct dht_request r = {
        .aim = DHT_FIND_NODE, .target = *table_own_id(d->table), .user = d, .done = explored};
    if (search_start(d, &r, true, now) == NULL) {
        d->explore_at = now + EXPLORE_AGAIN;
        return;
    }
    d->exploring = true;
    d->exploration_began = now;
    d->explore_at = NEVER;
}

/* ---- checks and refreshes ------------------------------------------------------------------ */

static void refreshed(void *user, const struct dht_result *result)
{
    (void)result;
    ((struct dht *)user)->refreshing = false;
}

static void refresh(struct dht *d, usec now)
{
    struct node_id random, target;
    if (d->refreshing)
        return;
    random = dht_random_id(&d->random);
    if (!table_next_refresh(d->table, &random, &target, now))
        return;
    struct dht_request r = {.aim = DHT_FIND_NODE, .target = target, .user = d, .done = refreshed};
    d->refreshing = search_start(d, &r, true, now) != NULL;
}

static void check(struct dht *d, usec now)
{
    struct table_node n;
    usec due;
    if (table_next_check(d->table, &n, &due, now)) {
        struct krpc_message m;
        krpc_reset(&m);
        m.method = KRPC_PING;
        struct query q = {.purpose = QUERY_PING, .has_id = true, .to = n.at, .id = n.id};
        query_send(d, &m, &q, now);
        table_next_check(d->table, &n, &due, now);
    }
    usec soonest = now + MAINTAIN_SPACING, latest = now + SECONDS(60);
    d->maintain_at = due < soonest ? soonest : due > latest ? latest : due;
}

void maintain_tick(struct dht *d, usec now)
{
    ask_contacts(d, now);
    if (now >= d->explore_at && !d->exploring)
        explore(d, now);
    if (now >= d->maintain_at) {
        refresh(d, now);
        check(d, now);
    }
}

usec maintain_deadline(const struct dht *d, usec now)
{
    usec first = usec_min(d->maintain_at, d->exploring ? NEVER : d->explore_at);
    if (d->contact_count > 0 && d->query_count < DHT_QUERIES_MAX &&
        contacts_under_way(d) < DHT_CONTACTS_ASKED)
        first = usec_min(first, now);
    return first;
}

void dht_network_changed(struct dht *d, usec now)
{
    memset(&d->votes, 0, sizeof d->votes);
    d->explored = 0;
    d->rtt = 0;
    table_doubt(d->table, now);
    if (table_count(d->table, now).nodes > 0) {
        d->maintain_at = now;
        explore_at(d, now);
        d->deadline = usec_min(d->deadline, now);
    }
}

/* ---- our address --------------------------------------------------------------------------- */

void maintain_vote(struct dht *d, const struct endpoint *by, const struct endpoint *said, usec now)
{
    if (said->family != d->config.family || endpoint_class(said) != ADDR_GLOBAL ||
        node_address_is_local(by))
        return;
    if (d->config.seen_at)
        d->config.seen_at(d->config.user, by, said);
    address_vote_cast(&d->votes, by, said, now);
    if (endpoint_same_ip(&d->external, said))
        return;
    struct address_tally t = address_vote_count(&d->votes, now);
    if (!endpoint_same_ip(&t.address, said) || !address_tally_is_firm(&t, DHT_VOTES_NEEDED))
        return;
    d->external = t.address;
    if (!node_id_fits(table_own_id(d->table), said)) {
        struct node_id random = dht_random_id(&d->random);
        struct node_id id = node_id_for_address(said, &random);
        if (table_set_own_id(d->table, &id, now) == 0) {
            d->explored = 0;
            explore_at(d, now + EXPLORE_SOON);
        }
    }
}
