/* See crowd.h. */
#include "crowd.h"

#include "hostile.h"
#include <math.h>
#include <stdlib.h>

#define HOLE_LIFE SECONDS(60)
#define ALONE_AFTER SECONDS(30)

/* A NAT's memory of whom its member wrote to: overwritten where two fall together. */
struct hole {
    uint64_t to; /* address and port */
    usec until;
};

struct packet {
    struct wheel_event event;
    struct crowd *crowd;
    uint32_t to; /* index into `all` */
    struct endpoint from;
    uint32_t size;
    uint8_t data[];
};

static void *get(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (!p)
        abort();
    return p;
}

static uint64_t endpoint_number(const struct endpoint *e)
{
    return (uint64_t)load_u32(e->ip) << 16 | e->port;
}

/* ---- addresses ----------------------------------------------------------------------------- */

static uint32_t *slot_for(const struct crowd *c, uint32_t ip)
{
    uint32_t mask = c->by_address_size - 1;
    for (uint32_t i = (uint32_t)sim_mix(ip) & mask;; i = (i + 1) & mask) {
        uint32_t is = c->by_address[i];
        if (is == 0 || load_u32(c->all[is - 1]->at.ip) == ip)
            return &c->by_address[i];
    }
}

static void index_grow(struct crowd *c)
{
    free(c->by_address);
    c->by_address_size = c->by_address_size ? c->by_address_size * 2 : 1024;
    c->by_address = calloc(c->by_address_size, sizeof *c->by_address);
    if (!c->by_address)
        abort();
    for (uint32_t i = 0; i < c->all_count; i++)
        *slot_for(c, load_u32(c->all[i]->at.ip)) = i + 1;
}

struct member *crowd_at(const struct crowd *c, const struct endpoint *at)
{
    uint32_t is = *slot_for(c, load_u32(at->ip));
    return is == 0 || c->all[is - 1]->at.port != at->port ? NULL : c->all[is - 1];
}

static struct endpoint address_draw(struct crowd *c)
{
    for (;;) {
        struct endpoint e = endpoint_v4(
            (uint32_t)sim_rng_next(&c->rng), (uint16_t)(1024 + sim_rng_below(&c->rng, 60000)));
        if (endpoint_class(&e) == ADDR_GLOBAL && *slot_for(c, load_u32(e.ip)) == 0)
            return e;
    }
}

static struct member *member_new(struct crowd *c)
{
    if (c->all_count * 2 >= c->by_address_size)
        index_grow(c);
    if (c->all_count == c->all_capacity) {
        c->all_capacity = c->all_capacity ? c->all_capacity * 2 : 1024;
        c->all = get(c->all, c->all_capacity * sizeof *c->all);
    }
    struct member *m = get(NULL, sizeof *m);
    *m = (struct member){.crowd = c, .at = address_draw(c), .since = c->wheel.now};
    c->all[c->all_count++] = m;
    *slot_for(c, load_u32(m->at.ip)) = c->all_count;
    return m;
}

/* ---- datagrams ----------------------------------------------------------------------------- */

static bool hears(const struct member *m, const struct endpoint *from)
{
    if (!m->holes)
        return true;
    uint64_t number = endpoint_number(from);
    const struct hole *h = &m->holes[sim_mix(number) % CROWD_HOLES];
    return h->to == number && h->until > m->crowd->wheel.now;
}

static void arrives(struct wheel_event *event)
{
    struct packet *p = container_of(event, struct packet, event);
    struct crowd *c = p->crowd;
    struct member *m = c->all[p->to];
    if (!m->dht && !m->hostile) {
        c->to_nobody++;
    } else if (!hears(m, &p->from)) {
        c->shut_out++;
    } else if (m->hostile) {
        hostile_receive(m, &p->from, bytes_of(p->data, p->size));
    } else {
        dht_receive(m->dht, &p->from, bytes_of(p->data, p->size), c->wheel.now);
        crowd_rearm(m);
    }
    free(p);
}

/* A pair's latency, from their addresses: no table of pairs. */
static usec latency(const struct crowd *c, const struct endpoint *a, const struct endpoint *b)
{
    uint64_t x = load_u32(a->ip), y = load_u32(b->ip);
    struct sim_rng pair = sim_rng_of(c->config.seed, x < y ? x : y, x < y ? y : x);
    return sim_rng_between(&pair, c->config.latency_min, c->config.latency_max);
}

void crowd_send(struct member *from, const struct endpoint *to, struct bytes datagram)
{
    struct crowd *c = from->crowd;
    c->datagrams++;
    if (from->holes) {
        uint64_t number = endpoint_number(to);
        from->holes[sim_mix(number) % CROWD_HOLES] =
            (struct hole){number, c->wheel.now + HOLE_LIFE};
    }
    uint32_t is = *slot_for(c, load_u32(to->ip));
    if (is == 0 || c->all[is - 1]->at.port != to->port) {
        c->to_nobody++;
        return;
    }
    if (sim_rng_chance(&c->net_rng, c->config.loss)) {
        c->lost++;
        return;
    }
    struct packet *p = get(NULL, sizeof *p + datagram.size);
    wheel_event_init(&p->event, arrives);
    p->crowd = c;
    p->to = is - 1;
    p->from = from->at;
    p->size = (uint32_t)datagram.size;
    memcpy(p->data, datagram.data, datagram.size);
    wheel_put(&c->wheel, &p->event,
        c->wheel.now + latency(c, &from->at, to) +
            sim_rng_between(&c->net_rng, 0, c->config.jitter));
}

static void send(void *user, const struct endpoint *to, struct bytes datagram)
{
    crowd_send(user, to, datagram);
}

/* ---- members ------------------------------------------------------------------------------- */

static void ticks(struct wheel_event *event)
{
    struct member *m = container_of(event, struct member, timer);
    dht_tick(m->dht, m->crowd->wheel.now);
    crowd_rearm(m);
}

void crowd_rearm(struct member *m)
{
    usec at = dht_deadline(m->dht);
    if (at == NEVER)
        wheel_remove(&m->timer);
    else if (!wheel_holds(&m->timer) || m->timer.at != at)
        wheel_put(&m->crowd->wheel, &m->timer, at);
}

static void leaves(struct wheel_event *event)
{
    struct member *m = container_of(event, struct member, leave);
    struct crowd *c = m->crowd;
    wheel_remove(&m->timer);
    wheel_remove(&m->alone);
    dht_free(m->dht);
    m->dht = NULL;
    free(m->holes);
    m->holes = NULL;
    struct member *last = c->live[--c->live_count];
    c->live[m->live_index] = last;
    last->live_index = m->live_index;
    crowd_join(c);
}

/* How long it stays: exponential, so that those who are there are of every age from the start. */
static usec session(struct crowd *c)
{
    double u = ((double)(sim_rng_next(&c->rng) >> 11) + 1) / 9007199254740993.0;
    return (usec)(-log2(u) * (double)c->config.session_median);
}

/* An address that is passed on is one that works, of one who itself is in the network: who knows
 * nobody and is known by newcomers only would found a second network, of which the first can never
 * hear. */
static bool is_use(const struct member *friend, const struct member *to)
{
    struct dht_status st;
    if (friend == to || friend->holes)
        return false;
    dht_status(friend->dht, &st, friend->crowd->wheel.now);
    return st.nodes > 0 || friend->crowd->live_count <= 2;
}

static void learn_an_address(struct member *m)
{
    struct crowd *c = m->crowd;
    struct member *friend = crowd_pick(c, 0);
    for (int i = 0; i < 64 && friend && !is_use(friend, m); i++)
        friend = crowd_pick(c, 0);
    if (!friend || friend == m)
        return;
    dht_add_contact(m->dht, &friend->at, DHT_CONTACT_NODE, c->wheel.now);
    wheel_put(&c->wheel, &m->alone, c->wheel.now + ALONE_AFTER);
}

static void is_alone(struct wheel_event *event)
{
    struct member *m = container_of(event, struct member, alone);
    struct dht_status st;
    dht_status(m->dht, &st, m->crowd->wheel.now);
    if (st.nodes > 0)
        return;
    m->crowd->alone++;
    learn_an_address(m);
    crowd_rearm(m);
}

struct member *crowd_join(struct crowd *c)
{
    struct member *m = member_new(c);
    struct dht_config config = {.family = ADDR_V4, .send = send, .user = m};
    store_u64(config.seed, sim_rng_next(&c->rng));
    store_u64(config.seed + 8, sim_rng_next(&c->rng));
    m->dht = dht_new(&config, c->wheel.now);
    if (!m->dht)
        abort();
    if (sim_rng_chance(&c->rng, c->config.natted) && c->live_count > 8) {
        m->holes = get(NULL, CROWD_HOLES * sizeof *m->holes);
        memset(m->holes, 0, CROWD_HOLES * sizeof *m->holes);
    }
    wheel_event_init(&m->timer, ticks);
    wheel_event_init(&m->leave, leaves);
    wheel_event_init(&m->alone, is_alone);
    learn_an_address(m);
    m->live_index = c->live_count;
    c->live[c->live_count++] = m;
    if (c->config.session_median != NEVER)
        wheel_put(&c->wheel, &m->leave, c->wheel.now + session(c));
    crowd_rearm(m);
    return m;
}

void crowd_stay(struct member *m)
{
    wheel_remove(&m->leave);
}

struct member *crowd_add_stranger(struct crowd *c, struct hostile *h)
{
    struct member *m = member_new(c);
    m->hostile = h;
    return m;
}

struct member *crowd_pick(struct crowd *c, usec since_at_least)
{
    for (int tries = 0; tries < 256 && c->live_count > 0; tries++) {
        struct member *m = c->live[sim_rng_below(&c->rng, c->live_count)];
        if (c->wheel.now - m->since >= since_at_least)
            return m;
    }
    return NULL;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void grows(struct wheel_event *event)
{
    struct crowd *c = container_of(event, struct crowd, grow);
    crowd_join(c);
    if (--c->to_come > 0)
        wheel_put(&c->wheel, event,
            c->config.grow * (usec)(c->config.nodes - c->to_come) / (usec)c->config.nodes);
}

struct crowd_config crowd_config_default(uint64_t seed, unsigned nodes)
{
    return (struct crowd_config){.seed = seed,
        .nodes = nodes,
        .session_median = SECONDS(3600),
        .grow = SECONDS(900),
        .loss = 0.01,
        .latency_min = MSECS(10),
        .latency_max = MSECS(150),
        .jitter = MSECS(20)};
}

void crowd_init(struct crowd *c, const struct crowd_config *config)
{
    *c = (struct crowd){.config = *config};
    wheel_init(&c->wheel);
    c->rng = sim_rng_of(config->seed, 1, 0);
    c->net_rng = sim_rng_of(config->seed, 2, 0);
    c->live = get(NULL, (config->nodes + 1) * sizeof *c->live);
    index_grow(c);
    c->to_come = config->nodes;
    wheel_event_init(&c->grow, grows);
    wheel_put(&c->wheel, &c->grow, 0);
}

void crowd_run(struct crowd *c, usec until)
{
    wheel_run(&c->wheel, until);
}

static void packet_free(struct wheel_event *e)
{
    if (e->fire == arrives)
        free(container_of(e, struct packet, event));
}

void crowd_free(struct crowd *c)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        while (!list_empty(&c->wheel.slots[i]))
            packet_free(list_entry(list_pop_front(&c->wheel.slots[i]), struct wheel_event, link));
    for (uint32_t i = 0; i < c->all_count; i++) {
        dht_free(c->all[i]->dht);
        free(c->all[i]->holes);
        free(c->all[i]);
    }
    free(c->all);
    free(c->live);
    free(c->by_address);
    wheel_free(&c->wheel);
}
