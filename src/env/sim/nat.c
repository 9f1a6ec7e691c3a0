/* What a NAT box remembers and lets in. See nat.h. IPv4 only: IPv6 passes by. Only what goes out
 * refreshes a mapping (RFC 4787, REQ-6 asks no more), so a node that only listens is forgotten. */
#include "env/sim/nat.h"
#include "env/sim/conn.h"
#include "env/sim/net.h"
#include <stdlib.h>

#define UDP_LIFETIME SECONDS(120)  /* RFC 4787, REQ-5 */
#define TCP_LIFETIME SECONDS(7440) /* RFC 5382, REQ-5 */
#define PORT_LOWEST 1024
#define PORT_TRIES 65536
#define HEARD_SWEEP 8192 /* so many remotes are remembered before the old ones are swept out */

struct mapping {
    enum sim_protocol protocol;
    struct endpoint inner, remote; /* remote ADDR_NONE: whoever it is */
    uint16_t outer_port;
    bool forwarded; /* by the owner's hand: lets everybody in, never ends */
    usec until;
};

struct heard {
    usec until;
};

struct outward_key {
    uint8_t inner_ip[4], remote_ip[4];
    uint16_t inner_port, remote_port, protocol, unused;
};

struct heard_key {
    uint8_t remote_ip[4];
    uint16_t remote_port, outer_port, protocol, unused;
};

static struct outward_key outward_key(
    enum sim_protocol protocol, const struct endpoint *inner, const struct endpoint *remote)
{
    struct outward_key key = {.inner_port = inner->port, .protocol = (uint16_t)protocol};
    memcpy(key.inner_ip, inner->ip, 4);
    memcpy(key.remote_ip, remote->ip, 4);
    key.remote_port = remote->port;
    return key;
}

static uint32_t inward_key(enum sim_protocol protocol, uint16_t outer_port)
{
    return (uint32_t)protocol << 16 | outer_port;
}

/* Whose answers a packet to `remote` lets in: the endpoint's, or all of the address. */
static struct heard_key heard_key(
    const struct sim_nat *nat, const struct mapping *m, const struct endpoint *remote)
{
    struct heard_key key = {.outer_port = m->outer_port, .protocol = (uint16_t)m->protocol};
    memcpy(key.remote_ip, remote->ip, 4);
    if (nat->config.kind != SIM_NAT_ADDRESS_RESTRICTED)
        key.remote_port = remote->port;
    return key;
}

/* ---- mappings ------------------------------------------------------------------------------ */

static bool lives(const struct sim_nat *nat, const struct mapping *m)
{
    return m != NULL && m->until > nat->world->now;
}

static void put(struct map *map, const void *key, void *value)
{
    if (map_put(map, key, value) != 0)
        abort();
}

static void mapping_drop(struct sim_nat *nat, struct mapping *m)
{
    struct outward_key out = outward_key(m->protocol, &m->inner, &m->remote);
    uint32_t in = inward_key(m->protocol, m->outer_port);
    map_remove(nat->outward, &out);
    map_remove(nat->inward, &in);
    free(m);
}

static struct mapping *mapping_at(struct sim_nat *nat, enum sim_protocol protocol, uint16_t port)
{
    uint32_t key = inward_key(protocol, port);
    struct mapping *m = map_get(nat->inward, &key);
    if (m != NULL && !lives(nat, m)) {
        mapping_drop(nat, m);
        return NULL;
    }
    return m;
}

static struct mapping *mapping_find(struct sim_nat *nat, enum sim_protocol protocol,
    const struct endpoint *inner, const struct endpoint *remote)
{
    struct outward_key key = outward_key(protocol, inner, remote);
    struct mapping *m = map_get(nat->outward, &key);
    if (m != NULL && !lives(nat, m)) {
        mapping_drop(nat, m);
        return NULL;
    }
    return m;
}

static struct mapping *mapping_make(struct sim_nat *nat, enum sim_protocol protocol,
    const struct endpoint *inner, const struct endpoint *remote, uint16_t outer_port)
{
    struct mapping *m = sim_alloc(sizeof *m);
    *m = (struct mapping){protocol, *inner, *remote, outer_port, false, 0};
    struct outward_key out = outward_key(protocol, inner, remote);
    uint32_t in = inward_key(protocol, outer_port);
    put(nat->outward, &out, m);
    put(nat->inward, &in, m);
    return m;
}

/* The inner port, if the box keeps ports and it is free; else one by lot. 0: none is free. */
static uint16_t port_choose(
    struct sim_nat *nat, enum sim_protocol protocol, const struct endpoint *inner)
{
    bool keep = !nat->config.random_ports && nat->config.kind != SIM_NAT_SYMMETRIC;
    if (keep && mapping_at(nat, protocol, inner->port) == NULL)
        return inner->port;
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t port =
            (uint16_t)(PORT_LOWEST + sim_rng_below(&nat->rng, UINT16_MAX - PORT_LOWEST + 1));
        if (mapping_at(nat, protocol, port) == NULL)
            return port;
    }
    return 0;
}

static struct mapping *mapping_for(struct sim_nat *nat, enum sim_protocol protocol,
    const struct endpoint *inner, const struct endpoint *remote)
{
    static const struct endpoint whoever;
    struct mapping *m = mapping_find(nat, protocol, inner, &whoever);
    if (m != NULL)
        return m;
    if (nat->config.kind != SIM_NAT_SYMMETRIC)
        remote = &whoever;
    m = mapping_find(nat, protocol, inner, remote);
    if (m != NULL)
        return m;
    uint16_t port = port_choose(nat, protocol, inner);
    return port == 0 ? NULL : mapping_make(nat, protocol, inner, remote, port);
}

/* ---- who may answer ------------------------------------------------------------------------ */

static void heard_sweep(struct sim_nat *nat)
{
    size_t position = 0;
    const void *key;
    for (struct heard *h; (h = map_next(nat->heard, &position, &key)) != NULL;) {
        if (h->until <= nat->world->now) {
            map_remove(nat->heard, key);
            free(h);
        }
    }
}

static void hear(struct sim_nat *nat, const struct mapping *m, const struct endpoint *remote)
{
    struct heard_key key = heard_key(nat, m, remote);
    struct heard *h = map_get(nat->heard, &key);
    if (h == NULL) {
        if (map_count(nat->heard) % HEARD_SWEEP == HEARD_SWEEP - 1)
            heard_sweep(nat);
        h = sim_alloc(sizeof *h);
        put(nat->heard, &key, h);
    }
    h->until = m->until;
}

static bool lets_in(struct sim_nat *nat, const struct mapping *m, const struct endpoint *from)
{
    if (m->forwarded || nat->config.kind == SIM_NAT_FULL_CONE)
        return true;
    struct heard_key key = heard_key(nat, m, from);
    const struct heard *h = map_get(nat->heard, &key);
    return h != NULL && h->until > nat->world->now;
}

/* ---- packets ------------------------------------------------------------------------------- */

bool sim_nat_out(struct sim_nat *nat, enum sim_protocol protocol, struct endpoint *from,
    const struct endpoint *to)
{
    struct mapping *m = mapping_for(nat, protocol, from, to);
    if (m == NULL)
        return false;
    if (!m->forwarded)
        m->until = nat->world->now +
                   (protocol == SIM_UDP ? nat->config.udp_lifetime : nat->config.tcp_lifetime);
    hear(nat, m, to);
    *from = nat->outer;
    from->port = m->outer_port;
    return true;
}

bool sim_nat_aim(struct sim_nat *nat, enum sim_protocol protocol, struct endpoint *to)
{
    const struct mapping *m = mapping_at(nat, protocol, to->port);
    if (m != NULL)
        *to = m->inner;
    return m != NULL;
}

bool sim_nat_in(struct sim_nat *nat, enum sim_protocol protocol, const struct endpoint *from,
    struct endpoint *to)
{
    const struct mapping *m = mapping_at(nat, protocol, to->port);
    return m != NULL && lets_in(nat, m, from) && sim_nat_aim(nat, protocol, to);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void forget(struct sim_nat *nat, bool forwarded_too)
{
    size_t position = 0;
    const void *key;
    for (struct mapping *m; (m = map_next(nat->inward, &position, NULL)) != NULL;)
        if (forwarded_too || !m->forwarded)
            mapping_drop(nat, m);
    position = 0;
    for (struct heard *h; (h = map_next(nat->heard, &position, &key)) != NULL;) {
        map_remove(nat->heard, key);
        free(h);
    }
}

struct sim_nat *sim_nat_new(struct sim_world *w, const struct sim_nat_config *config)
{
    struct sim_nat *nat = sim_alloc(sizeof *nat);
    nat->world = w;
    nat->config = *config;
    nat->name = sim_dup(config->name == NULL ? "nat" : config->name);
    if (nat->config.udp_lifetime == 0)
        nat->config.udp_lifetime = UDP_LIFETIME;
    if (nat->config.tcp_lifetime == 0)
        nat->config.tcp_lifetime = TCP_LIFETIME;
    w->nats = sim_realloc(w->nats, (w->nat_count + 1) * sizeof *w->nats);
    w->nats[w->nat_count++] = nat;
    nat->number = w->nat_count;
    nat->rng = sim_rng_of(w->config.seed, SIM_STREAM_NAT, nat->number);
    struct sim_rng keys = nat->rng;
    uint64_t seed[2] = {sim_rng_next(&keys), sim_rng_next(&keys)};
    nat->outward = map_new(sizeof(struct outward_key), (const uint8_t *)seed);
    nat->inward = map_new(sizeof(uint32_t), (const uint8_t *)seed);
    nat->heard = map_new(sizeof(struct heard_key), (const uint8_t *)seed);
    if (nat->outward == NULL || nat->inward == NULL || nat->heard == NULL)
        abort();
    sim_net_attach_nat(nat, config->address);
    return nat;
}

void sim_nat_free(struct sim_nat *nat)
{
    forget(nat, true);
    map_free(nat->outward);
    map_free(nat->inward);
    map_free(nat->heard);
    free(nat->name);
    free(nat);
}

void sim_nat_forget(struct sim_nat *nat)
{
    sim_record(nat->world, NULL, "nat forgets", nat->number, 0);
    forget(nat, false);
    sim_conns_forgotten_by(nat);
}

static void forward(struct sim_nat *nat, enum sim_protocol protocol, uint16_t outer_port,
    const struct endpoint *inner)
{
    static const struct endpoint whoever;
    struct mapping *old = mapping_at(nat, protocol, outer_port);
    if (old != NULL)
        mapping_drop(nat, old);
    old = mapping_find(nat, protocol, inner, &whoever);
    if (old != NULL)
        mapping_drop(nat, old);
    struct mapping *m = mapping_make(nat, protocol, inner, &whoever, outer_port);
    m->forwarded = true;
    m->until = NEVER;
}

void sim_nat_forward(struct sim_nat *nat, uint16_t outer_port, const struct endpoint *inner)
{
    forward(nat, SIM_UDP, outer_port, inner);
    forward(nat, SIM_TCP, outer_port, inner);
}
