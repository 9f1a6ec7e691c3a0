/* See network.h. The env says that something has changed; changes come in crowds (a cable, then an
 * address, then a route), so a second is waited, and only what differs counts: routers repeat
 * themselves all day. */
#include "node/net/network.h"
#include "node/discovery/lsd_io.h"
#include "node/net/outside.h"
#include "node/net/port_mapping.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#define SETTLE SECONDS(1)
#define BEAT SECONDS(10)
#define SLEPT SECONDS(5) /* the wall clock ran so much longer than ours */

struct network {
    struct kith_node *node;
    struct env_network_watch *watch; /* NULL: the beat looks */
    struct timer settle, beat;
    struct env_network networks[NETWORK_ADDRESSES_MAX];
    struct endpoint gateways[NETWORK_GATEWAYS_MAX];
    size_t network_count, gateway_count;
    usec beat_at;
    int64_t beat_unix;
};

/* ---- looking ------------------------------------------------------------------------------- */

static bool in_prefix(const struct env_network *net, const struct endpoint *e)
{
    unsigned bits = net->prefix_bits, whole = bits / 8, rest = bits % 8;
    const uint8_t *a = net->address.ip, *b = e->ip;
    if (net->address.family != e->family || memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool network_is_local(const struct kith_node *n, const struct endpoint *e)
{
    const struct network *net = n->network;
    if (e->family == ADDR_V6 && endpoint_class(e) == ADDR_LINK_LOCAL)
        return e->scope != 0;
    for (size_t i = 0; net && i < net->network_count; i++)
        if (in_prefix(&net->networks[i], e))
            return true;
    return false;
}

bool network_is_ours(const struct kith_node *n, const struct endpoint *e)
{
    const struct network *net = n->network;
    for (size_t i = 0; net && i < net->network_count; i++)
        if (endpoint_same_ip(&net->networks[i].address, e))
            return true;
    return false;
}

bool network_is_offline(const struct kith_node *n)
{
    const struct network *net = n->network;
    for (size_t i = 0; net && i < net->network_count; i++)
        if (endpoint_class(&net->networks[i].address) != ADDR_LOOPBACK)
            return false;
    return net != NULL;
}

/* IPv4: the one on its network. IPv6: routers are known by link-local addresses, and what is to be
 * opened is an address of ours that the world sees. */
bool network_ours_towards(
    const struct kith_node *n, const struct endpoint *router, struct endpoint *out)
{
    const struct network *net = n->network;
    bool v6 = router->family == ADDR_V6;
    for (size_t i = 0; net && i < net->network_count; i++) {
        const struct env_network *at = &net->networks[i];
        bool fits =
            v6 ? at->address.family == ADDR_V6 && endpoint_class(&at->address) == ADDR_GLOBAL
               : in_prefix(at, router);
        if (!fits)
            continue;
        *out = at->address;
        return true;
    }
    return false;
}

size_t network_gateways(const struct kith_node *n, struct endpoint *out, size_t max)
{
    const struct network *net = n->network;
    size_t count = 0;
    for (; net && count < net->gateway_count && count < max; count++)
        out[count] = net->gateways[count];
    return count;
}

/* True: it is not as it was. */
static bool look(struct network *net)
{
    struct env_network networks[NETWORK_ADDRESSES_MAX];
    struct endpoint gateways[NETWORK_GATEWAYS_MAX];
    memset(networks, 0, sizeof networks);
    memset(gateways, 0, sizeof gateways);
    size_t network_count = env_local_networks(net->node->env, networks, NETWORK_ADDRESSES_MAX);
    size_t gateway_count = env_gateways(net->node->env, gateways, NETWORK_GATEWAYS_MAX);
    bool same = network_count == net->network_count && gateway_count == net->gateway_count;
    for (size_t i = 0; same && i < network_count; i++)
        same = networks[i].prefix_bits == net->networks[i].prefix_bits &&
               endpoint_same_ip(&networks[i].address, &net->networks[i].address);
    for (size_t i = 0; same && i < gateway_count; i++)
        same = endpoint_same_ip(&gateways[i], &net->gateways[i]);
    memcpy(net->networks, networks, sizeof networks);
    memcpy(net->gateways, gateways, sizeof gateways);
    net->network_count = network_count;
    net->gateway_count = gateway_count;
    return !same;
}

/* ---- telling ------------------------------------------------------------------------------- */

static void tell(struct network *net, const char *what)
{
    struct kith_node *n = net->node;
    if (n->stopping)
        return;
    log_info(n->log_call ? &n->log : NULL, "network", "%s", what);
    outside_network_changed(n);
    port_mapping_network_changed(n);
    lsd_network_changed(n);
    trackers_network_changed(n);
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        if (k->torrent)
            torrent_network_changed(k->torrent);
    }
    dht_io_network_changed(n);
}

static void settled(struct timer *timer, usec now)
{
    struct network *net = container_of(timer, struct network, settle);
    (void)now;
    if (look(net))
        tell(net, "addresses or routes have changed");
}

static void changed(void *user)
{
    struct network *net = user;
    struct kith_node *n = net->node;
    if (timer_armed(&net->settle))
        return;
    timer_set(&n->timers, &net->settle, env_now(n->env) + SETTLE);
    node_arm(n);
}

static void beat(struct timer *timer, usec now)
{
    struct network *net = container_of(timer, struct network, beat);
    struct kith_node *n = net->node;
    int64_t now_unix = env_time_unix(n->env);
    usec slept = SECONDS(now_unix - net->beat_unix) - (now - net->beat_at);
    bool awoke = slept > SLEPT;
    net->beat_at = now;
    net->beat_unix = now_unix;
    timer_set(&n->timers, &net->beat, now + BEAT);
    if ((awoke || !net->watch) && (look(net) || awoke))
        tell(net, awoke ? "this machine has slept" : "addresses or routes have changed");
}

/* ---- birth and death ----------------------------------------------------------------------- */

int network_start(struct kith_node *n)
{
    struct network *net = calloc(1, sizeof *net);
    if (!net)
        return ERR_NOMEM;
    n->network = net;
    *net = (struct network){.node = n,
        .settle.fire = settled,
        .beat.fire = beat,
        .beat_at = env_now(n->env),
        .beat_unix = env_time_unix(n->env)};
    look(net);
    if (env_network_watch_start(n->env, changed, net, &net->watch) != 0)
        net->watch = NULL;
    return timer_set(&n->timers, &net->beat, net->beat_at + BEAT);
}

void network_stop(struct kith_node *n)
{
    struct network *net = n->network;
    if (!net)
        return;
    timer_cancel(&n->timers, &net->settle);
    timer_cancel(&n->timers, &net->beat);
    if (net->watch)
        env_network_watch_stop(net->watch);
    free(net);
    n->network = NULL;
}
