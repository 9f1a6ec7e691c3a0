/* The shape of the network: addresses, latencies, partitions. See net.h. */
#include "env/sim/net.h"
#include "env/sim/conn.h"
#include "env/sim/lan.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LOOPBACK_LATENCY ((usec)20)
#define LAN_LATENCY ((usec)300)
#define PORT_FIRST 32768

/* The same private address may live on many inner networks. */
struct route_key {
    uint8_t b[21];
};

/* Who answers at an address: a host, or a NAT for those behind it. */
struct owner {
    struct sim_host *host;
    struct sim_nat *nat;
};

static struct route_key route_key(const struct sim_nat *realm, const struct endpoint *e)
{
    struct route_key key = {{e->family}};
    memcpy(key.b + 1, e->ip, 16);
    store_u32(key.b + 17, realm == NULL ? 0 : realm->number);
    return key;
}

static struct owner *owner_find(
    const struct sim_world *w, const struct sim_nat *realm, const struct endpoint *ip)
{
    struct route_key key = route_key(realm, ip);
    return map_get(w->routes, &key);
}

static void owner_put(
    struct sim_world *w, const struct sim_nat *realm, const struct endpoint *ip, struct owner is)
{
    struct route_key key = route_key(realm, ip);
    struct owner *owner = sim_alloc(sizeof *owner);
    *owner = is;
    if (map_get(w->routes, &key) != NULL || map_put(w->routes, &key, owner) != 0)
        abort(); /* the scenario is wrong: two with one address */
}

/* The network on which the host's addresses of that family live. NATs are an affair of IPv4. */
static struct sim_nat *realm_of(const struct sim_host *host, uint8_t family)
{
    return family == ADDR_V4 ? host->config.nat : NULL;
}

/* The two hosts' numbers, the smaller first: a path is the same both ways. */
static uint64_t path_key(const struct sim_host *a, const struct sim_host *b)
{
    uint64_t low = a->number < b->number ? a->number : b->number;
    uint64_t high = a->number < b->number ? b->number : a->number;
    return low << 32 | high;
}

static struct sim_path *path_find(const struct sim_host *a, const struct sim_host *b)
{
    struct sim_world *w = a->world;
    uint64_t key = path_key(a, b);
    return map_count(w->paths) == 0 ? NULL : map_get(w->paths, &key);
}

static struct sim_path *path_make(struct sim_host *a, struct sim_host *b)
{
    struct sim_path *path = path_find(a, b);
    if (path != NULL)
        return path;
    path = sim_alloc(sizeof *path);
    uint64_t key = path_key(a, b);
    if (map_put(a->world->paths, &key, path) != 0)
        abort();
    return path;
}

static bool is_loopback(const struct endpoint *e)
{
    return endpoint_class(e) == ADDR_LOOPBACK;
}

/* ---- through the NATs ---------------------------------------------------------------------- */

bool sim_net_leave(struct sim_host *host, enum sim_protocol protocol, struct endpoint *from,
    const struct endpoint *to, struct sim_crossing *out)
{
    const struct sim_nat *left = NULL;
    struct sim_nat *realm = realm_of(host, to->family);
    *out = (struct sim_crossing){.realm = realm, .tcp_lifetime = NEVER};
    if (is_loopback(to)) {
        out->self = host;
        return true;
    }
    for (;;) {
        const struct owner *owner = owner_find(host->world, realm, to);
        out->realm = realm;
        if (owner != NULL)
            return owner->nat == NULL || owner->nat != left || left->config.hairpin;
        if (realm == NULL || !sim_nat_out(realm, protocol, from, to))
            return false;
        out->tcp_lifetime = usec_min(out->tcp_lifetime, realm->config.tcp_lifetime);
        left = realm;
        realm = realm->config.behind;
    }
}

struct sim_host *sim_net_enter(struct sim_world *w, struct sim_crossing *crossing,
    enum sim_protocol protocol, const struct endpoint *from, struct endpoint *to)
{
    const struct sim_nat *realm = crossing->realm;
    if (crossing->self != NULL)
        return crossing->self;
    for (;;) {
        const struct owner *owner = owner_find(w, realm, to);
        if (owner == NULL || owner->host != NULL)
            return owner == NULL ? NULL : owner->host;
        if (!sim_nat_in(owner->nat, protocol, from, to))
            return NULL;
        realm = owner->nat;
        crossing->tcp_lifetime = usec_min(crossing->tcp_lifetime, realm->config.tcp_lifetime);
    }
}

struct sim_host *sim_net_aim(struct sim_world *w, const struct sim_crossing *crossing,
    enum sim_protocol protocol, const struct endpoint *to)
{
    const struct sim_nat *realm = crossing->realm;
    struct endpoint at = *to;
    if (crossing->self != NULL)
        return crossing->self;
    for (;;) {
        const struct owner *owner = owner_find(w, realm, &at);
        if (owner == NULL || owner->host != NULL)
            return owner == NULL ? NULL : owner->host;
        if (!sim_nat_aim(owner->nat, protocol, &at))
            return NULL;
        realm = owner->nat;
    }
}

bool sim_net_is_behind(
    const struct sim_host *host, const struct sim_nat *nat, const struct sim_nat *realm)
{
    for (const struct sim_nat *n = host->config.nat; n != NULL && n != realm; n = n->config.behind)
        if (n == nat)
            return true;
    return false;
}

/* ---- the paths between hosts --------------------------------------------------------------- */

/* One switch, no access line between them. */
static bool same_lan(const struct sim_host *from, const struct sim_host *to)
{
    return (from->config.nat != NULL && from->config.nat == to->config.nat) ||
           (from->config.lan != 0 && from->config.lan == to->config.lan);
}

/* Which way along their path. */
static unsigned way(const struct sim_host *from, const struct sim_host *to)
{
    return from->number > to->number;
}

bool sim_net_passes(const struct sim_host *from, const struct sim_host *to)
{
    if (!from->powered || !to->powered || sim_asleep(from) || sim_asleep(to) ||
        from->island != to->island)
        return false;
    const struct sim_path *path = path_find(from, to);
    return path == NULL || !path->cut;
}

usec sim_net_latency(const struct sim_host *from, const struct sim_host *to)
{
    if (from == to)
        return LOOPBACK_LATENCY;
    const struct sim_path *path = path_find(from, to);
    if (path != NULL && path->set)
        return path->latency[way(from, to)];
    if (same_lan(from, to))
        return LAN_LATENCY;
    /* Drawn from the pair's names, not from a stream: a table of all pairs is never needed. */
    const struct sim_config *c = &from->world->config;
    struct sim_rng rng = sim_rng_of(c->seed, SIM_STREAM_PAIR, path_key(from, to));
    return sim_rng_between(&rng, c->latency_min, c->latency_max);
}

usec sim_net_delay(const struct sim_host *from, const struct sim_host *to)
{
    usec latency = sim_net_latency(from, to);
    if (from == to || from->world->config.jitter_max == 0)
        return latency;
    return latency + sim_rng_between(&from->world->net_rng, 0, from->world->config.jitter_max);
}

double sim_net_loss(const struct sim_host *from, const struct sim_host *to)
{
    if (from == to)
        return 0;
    const struct sim_path *path = path_find(from, to);
    if (path != NULL && path->set)
        return path->loss[way(from, to)];
    return same_lan(from, to) ? 0 : from->world->config.packet_loss;
}

size_t sim_net_datagram_max(const struct sim_host *from, const struct sim_host *to, uint8_t family)
{
    const struct sim_path *path = path_find(from, to);
    unsigned mtu = from->config.mtu < to->config.mtu ? from->config.mtu : to->config.mtu;
    if (from == to)
        return SIZE_MAX; /* a loopback's is 64 KiB */
    if (path != NULL && path->mtu != 0 && path->mtu < mtu)
        mtu = path->mtu;
    return mtu - (family == ADDR_V4 ? 28 : 48); /* IP and UDP headers */
}

static bool on_device(const struct sim_address *a, const char *device)
{
    return device == NULL || device[0] == 0 || strcmp(a->device, device) == 0;
}

static const struct sim_address *address_find(
    const struct sim_host *host, const struct endpoint *ip)
{
    for (size_t i = 0; i < host->address_count; i++)
        if (endpoint_same_ip(&host->addresses[i].ip, ip))
            return &host->addresses[i];
    return NULL;
}

bool sim_net_owns(const struct sim_host *host, const struct endpoint *ip)
{
    return is_loopback(ip) || address_find(host, ip) != NULL;
}

int sim_net_source(struct sim_host *host, const struct endpoint *to,
    const struct env_tcp_options *options, struct endpoint *out)
{
    const char *device = options == NULL ? NULL : options->bind_device;
    const struct endpoint *ip = options == NULL ? NULL : options->bind_ip;
    if (ip != NULL && endpoint_is_any(ip))
        ip = NULL;
    if (is_loopback(to) && device == NULL && (ip == NULL || is_loopback(ip))) {
        *out = *to;
        out->port = 0;
        return 0;
    }
    for (size_t i = 0; i < host->address_count; i++) {
        const struct sim_address *a = &host->addresses[i];
        if (a->ip.family == to->family && on_device(a, device) &&
            (ip == NULL || endpoint_same_ip(ip, &a->ip))) {
            *out = a->ip;
            return 0;
        }
    }
    return ERR_NETWORK;
}

int sim_net_bindable(struct sim_host *host, const struct endpoint *at,
    const struct env_tcp_options *options, struct endpoint *out)
{
    *out = *at;
    if (options != NULL && options->bind_ip != NULL && endpoint_is_any(at)) {
        *out = *options->bind_ip;
        out->port = at->port;
    }
    if (endpoint_is_any(out) || is_loopback(out))
        return 0;
    if (endpoint_class(out) == ADDR_MULTICAST)
        return sim_net_source(host, out, options, &(struct endpoint){0});
    const struct sim_address *a = address_find(host, out);
    return a == NULL ? err_from_errno(EADDRNOTAVAIL) : 0;
}

bool sim_net_hears(const struct sim_host *host, const struct endpoint *bound, const char *device,
    const struct endpoint *to)
{
    if (bound->family != to->family || bound->port != to->port)
        return false;
    if (!endpoint_is_any(bound) && !endpoint_same_ip(bound, to))
        return false;
    if (device[0] == 0)
        return true;
    const struct sim_address *a = address_find(host, to);
    return a != NULL && on_device(a, device);
}

bool sim_net_conflict(const struct endpoint *a, const struct endpoint *b)
{
    return a->family == b->family && a->port == b->port &&
           (endpoint_is_any(a) || endpoint_is_any(b) || endpoint_same_ip(a, b));
}

uint16_t sim_net_port(struct sim_host *host)
{
    if (host->next_port < PORT_FIRST)
        host->next_port = PORT_FIRST;
    return host->next_port++;
}

/* ---- the scenario's hands ------------------------------------------------------------------ */

static struct endpoint parse_ip(const char *ip)
{
    struct endpoint e;
    if (endpoint_parse_ip(&e, bytes_of_str(ip), 0) != 0)
        abort(); /* the scenario is wrong */
    return e;
}

void sim_host_add_address(struct sim_host *host, const char *ip, const char *device)
{
    assert(host->address_count < SIM_HOST_ADDRESSES_MAX);
    struct sim_address *a = &host->addresses[host->address_count++];
    a->ip = parse_ip(ip);
    strncpy(a->device, device, sizeof a->device - 1);
    owner_put(host->world, realm_of(host, a->ip.family), &a->ip, (struct owner){.host = host});
    sim_conns_replug(host);
    sim_lan_changed(host);
}

void sim_host_remove_address(struct sim_host *host, const char *ip)
{
    struct endpoint e = parse_ip(ip);
    struct route_key key = route_key(realm_of(host, e.family), &e);
    free(map_remove(host->world->routes, &key));
    for (size_t i = 0; i < host->address_count; i++) {
        if (endpoint_same_ip(&host->addresses[i].ip, &e)) {
            memmove(&host->addresses[i], &host->addresses[i + 1],
                (host->address_count - i - 1) * sizeof host->addresses[0]);
            host->address_count--;
            break;
        }
    }
    sim_conns_replug(host);
    sim_lan_changed(host);
}

void sim_net_attach_nat(struct sim_nat *nat, const char *address)
{
    nat->outer = parse_ip(address);
    assert(nat->outer.family == ADDR_V4);
    owner_put(nat->world, nat->config.behind, &nat->outer, (struct owner){.nat = nat});
}

void sim_net_free(struct sim_world *w)
{
    size_t position = 0;
    for (struct owner *owner; (owner = map_next(w->routes, &position, NULL)) != NULL;)
        free(owner);
    map_free(w->routes);
    position = 0;
    for (struct sim_path *path; (path = map_next(w->paths, &position, NULL)) != NULL;)
        free(path);
    map_free(w->paths);
}

struct endpoint sim_host_endpoint(
    const struct sim_host *host, enum addr_family family, uint16_t port)
{
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->addresses[i].ip.family == family) {
            struct endpoint e = host->addresses[i].ip;
            e.port = port;
            return e;
        }
    }
    return (struct endpoint){0};
}

void sim_host_set_rates(struct sim_host *host, uint64_t up, uint64_t down)
{
    host->up.rate = up;
    host->down.rate = down;
    host->up.remainder = host->down.remainder = 0;
}

void sim_path_set(struct sim_host *a, struct sim_host *b, usec latency, double loss)
{
    sim_path_set_one_way(a, b, latency, loss);
    sim_path_set_one_way(b, a, latency, loss);
}

void sim_path_set_one_way(struct sim_host *from, struct sim_host *to, usec latency, double loss)
{
    struct sim_path *path = path_find(from, to);
    unsigned w = way(from, to);
    if (path == NULL || !path->set) {
        usec back = sim_net_latency(to, from);
        double back_loss = sim_net_loss(to, from);
        path = path_make(from, to);
        path->set = true;
        path->latency[1 - w] = back;
        path->loss[1 - w] = back_loss;
    }
    path->latency[w] = latency;
    path->loss[w] = loss;
}

void sim_path_set_mtu(struct sim_host *a, struct sim_host *b, unsigned mtu)
{
    path_make(a, b)->mtu = mtu;
}

void sim_path_cut(struct sim_host *a, struct sim_host *b)
{
    path_make(a, b)->cut = true;
}

void sim_path_heal(struct sim_host *a, struct sim_host *b)
{
    path_make(a, b)->cut = false;
}

void sim_host_set_island(struct sim_host *host, unsigned island)
{
    host->island = island;
}

void sim_world_heal(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->host_count; i++)
        w->hosts[i]->island = 0;
    size_t position = 0;
    for (struct sim_path *p; (p = map_next(w->paths, &position, NULL)) != NULL;)
        p->cut = false;
}

void sim_world_calm_down(struct sim_world *w)
{
    struct sim_config *c = &w->config;
    c->packet_loss = c->udp_duplicate = c->udp_reorder = 0;
    c->connect_refuse = c->connect_silence = c->tcp_reset = c->tcp_silence = 0;
    size_t position = 0;
    for (struct sim_path *p; (p = map_next(w->paths, &position, NULL)) != NULL;)
        p->loss[0] = p->loss[1] = 0;
}
