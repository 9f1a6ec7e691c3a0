/* See port_mapping.h. */
#include "node/net/port_mapping.h"
#include "node/net/egress.h"
#include "node/net/network.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "proto/port_map.h"
#include <stdlib.h>
#include <string.h>

#define UPNP_LIFETIME 3600u
#define UPNP_REST SECONDS(1800)  /* after a router did not speak it, or refused */
#define DEVICE_ADDRESSES_MAX 32u /* of one interface, that are looked at */
#define BATCH 4

/* PCP and NAT-PMP with the router of one family. */
struct asking {
    struct port_mapping *of;
    struct env_udp *socket; /* NULL: no router, or none of our addresses is on its network */
    struct port_map map;
};

struct port_mapping {
    struct kith_node *node;
    struct asking asking[2]; /* IPv4, IPv6 */
    struct timer timer;
    bool releasing;

    /* UPnP, IPv4 alone */
    struct env_upnp *upnp;
    struct env_upnp_request request;
    struct env_upnp_result got; /* what is mapped by it; ports 0: nothing */
    usec upnp_due;
    uint16_t port_told; /* the outer port, as torrents know it */
};

static struct log *log_of(struct port_mapping *p)
{
    return p->node->log_call ? &p->node->log : NULL;
}

static void advance(struct port_mapping *p);

/* ---- what stands --------------------------------------------------------------------------- */

static bool upnp_holds(const struct port_mapping *p)
{
    return p->got.external_tcp || p->got.external_udp;
}

bool port_mapping_external(const struct kith_node *n, enum addr_family family, struct endpoint *out)
{
    const struct port_mapping *p = n->port_mapping;
    if (!p || p->releasing)
        return false;
    const struct asking *a = &p->asking[family == ADDR_V6];
    if (a->socket && port_map_external(&a->map, PORT_MAP_TCP, env_now(n->env), out))
        return true;
    if (family == ADDR_V6 || !p->got.external_tcp)
        return false;
    *out = p->got.external;
    out->port = p->got.external_tcp;
    return true;
}

const char *port_mapping_kind(const struct kith_node *n)
{
    const struct port_mapping *p = n->port_mapping;
    struct endpoint e;
    if (!p || !port_mapping_external(n, ADDR_V4, &e))
        return NULL;
    if (upnp_holds(p))
        return "UPnP";
    return p->asking[0].map.dialect == PORT_MAP_PCP ? "PCP" : "NAT-PMP";
}

bool port_mapping_is_asking(const struct kith_node *n)
{
    const struct port_mapping *p = n->port_mapping;
    struct endpoint e;
    if (!p || p->releasing || !p->asking[0].socket || port_mapping_external(n, ADDR_V4, &e))
        return false;
    const struct port_map *m = &p->asking[0].map;
    return p->upnp || !(m->silent || m->refused) ||
           (egress_is_open(n) && p->upnp_due <= env_now(n->env));
}

/* The outer port is nearly always ours; where it is not, torrents tell their peers the other one.
 */
static void told(struct port_mapping *p)
{
    struct kith_node *n = p->node;
    struct endpoint e;
    char text[ENDPOINT_TEXT_MAX];
    if (port_mapping_external(n, ADDR_V4, &e))
        log_info(
            log_of(p), "ports", "mapped by %s: %s", port_mapping_kind(n), endpoint_text(&e, text));
    uint16_t port = outside_port(n);
    if (port == p->port_told)
        return;
    p->port_told = port;
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        if (k->torrent)
            torrent_set_listen_port(k->torrent, port);
    }
}

/* ---- PCP and NAT-PMP ----------------------------------------------------------------------- */

static void readable(void *user)
{
    struct asking *a = user;
    uint8_t buffers[BATCH][PCP_DATAGRAM_MAX];
    struct env_datagram d[BATCH];
    usec now = env_now(a->of->node->env);
    bool changed = false;
    for (int i = 0; i < BATCH; i++)
        d[i] = (struct env_datagram){.data = buffers[i], .size = sizeof buffers[i]};
    int count = env_udp_receive(a->socket, d, BATCH);
    for (int i = 0; i < count; i++)
        changed |= port_map_receive(&a->map, &d[i].peer, bytes_of(d[i].data, d[i].size), now);
    if (changed)
        told(a->of);
    advance(a->of);
}

static void send_due(struct asking *a, usec now)
{
    uint8_t room[PORT_MAP_DATAGRAM_MAX];
    struct builder b = builder_fixed(room, sizeof room);
    while (a->socket && port_map_send(&a->map, &b, now)) {
        struct env_datagram d = {.peer = a->map.config.router, .data = room, .size = b.size};
        env_udp_send(a->socket, &d, 1);
        b = builder_fixed(room, sizeof room);
    }
}

/* Where everything leaves by one interface, a router elsewhere is none of ours. */
static bool may_leave_from(const struct kith_node *n, const struct endpoint *ours)
{
    struct endpoint all[DEVICE_ADDRESSES_MAX];
    const char *device = egress_device(n);
    if (!device)
        return true;
    size_t count = env_device_addresses(n->env, device, all, DEVICE_ADDRESSES_MAX);
    for (size_t i = 0; i < count; i++)
        if (endpoint_same_ip(&all[i], ours))
            return true;
    return false;
}

/* The first router of a family, and our address towards it. */
static bool find_router(
    struct kith_node *n, enum addr_family family, struct endpoint *router, struct endpoint *ours)
{
    struct endpoint all[NETWORK_GATEWAYS_MAX];
    size_t count = network_gateways(n, all, NETWORK_GATEWAYS_MAX);
    for (size_t i = 0; i < count; i++) {
        *router = all[i];
        if (all[i].family == family && network_ours_towards(n, router, ours) &&
            may_leave_from(n, ours))
            return true;
    }
    return false;
}

static void begin(struct asking *a, enum addr_family family)
{
    struct kith_node *n = a->of->node;
    struct port_map_config config = {.port = n->port};
    const struct port *port = ports_of(n, family);
    if (n->port == 0 || !port || endpoint_class(&port->at) == ADDR_LOOPBACK ||
        !find_router(n, family, &config.router, &config.client))
        return;
    config.router.port = NATPMP_PORT;
    env_random(n->env, config.nonces, sizeof config.nonces);
    if (egress_udp_open(n, &config.client, NULL, readable, a, &a->socket) != 0) {
        a->socket = NULL;
        return;
    }
    port_map_init(&a->map, &config, env_now(n->env));
}

static void end(struct asking *a)
{
    if (a->socket)
        env_udp_close(a->socket);
    a->socket = NULL;
}

/* ---- UPnP ---------------------------------------------------------------------------------- */

static void upnp_done(void *user, int err, const struct env_upnp_result *result)
{
    struct port_mapping *p = user;
    usec now = env_now(p->node->env);
    p->upnp = NULL;
    memset(&p->got, 0, sizeof p->got);
    p->upnp_due = now + UPNP_REST;
    if (p->releasing) {
        p->upnp_due = NEVER;
    } else if (!err) {
        p->got = *result;
        /* One that never ends is asked for again, too: a router that was started anew forgot it. */
        p->upnp_due = now + SECONDS(result->lifetime ? result->lifetime : UPNP_LIFETIME) / 2;
    } else {
        log_debug(log_of(p), "ports", "UPnP: %s", err_text(err));
    }
    told(p);
    advance(p);
}

static void upnp_ask(struct port_mapping *p, uint32_t lifetime)
{
    struct env_upnp_request *r = &p->request;
    struct asking *a = &p->asking[0];
    *r = (struct env_upnp_request){.router = a->map.config.router,
        .local = a->map.config.client,
        .port = p->node->port,
        .external_tcp = p->got.external_tcp ? p->got.external_tcp
                        : lifetime          ? p->node->port
                                            : 0,
        .external_udp = p->got.external_udp ? p->got.external_udp
                        : lifetime          ? p->node->port
                                            : 0,
        .lifetime = lifetime};
    r->router.port = r->local.port = 0;
    memcpy(r->description, p->got.description, sizeof r->description);
    p->upnp_due = NEVER;
    if (env_upnp_start(p->node->env, r, upnp_done, p, &p->upnp) != 0)
        p->upnp = NULL;
}

/* Only where the router was silent to the others, or said no; and where a library may open sockets
 * of its own. */
static void upnp_advance(struct port_mapping *p, usec now)
{
    const struct asking *a = &p->asking[0];
    bool wanted =
        egress_is_open(p->node) && a->socket && (a->map.silent || a->map.refused || upnp_holds(p));
    if (wanted && !p->upnp && !p->releasing && now >= p->upnp_due)
        upnp_ask(p, UPNP_LIFETIME);
}

/* ---- the clock ----------------------------------------------------------------------------- */

static void advance(struct port_mapping *p)
{
    struct kith_node *n = p->node;
    usec now = env_now(n->env), next = NEVER;
    for (unsigned i = 0; i < 2; i++) {
        struct asking *a = &p->asking[i];
        send_due(a, now);
        if (a->socket)
            next = usec_min(next, port_map_deadline(&a->map));
    }
    upnp_advance(p, now);
    if (!p->upnp && !p->releasing && p->asking[0].socket && p->upnp_due > now)
        next = usec_min(next, p->upnp_due);
    timer_set(&n->timers, &p->timer, next);
    node_arm(n);
    if (p->releasing && port_mapping_is_quiet(n))
        node_maybe_stopped(n);
}

static void fired(struct timer *timer, usec now)
{
    (void)now;
    advance(container_of(timer, struct port_mapping, timer));
}

/* ---- birth and death ----------------------------------------------------------------------- */

static void begin_all(struct port_mapping *p)
{
    begin(&p->asking[0], ADDR_V4);
    begin(&p->asking[1], ADDR_V6);
    advance(p);
}

int port_mapping_start(struct kith_node *n)
{
    struct port_mapping *p = calloc(1, sizeof *p);
    if (!p)
        return ERR_NOMEM;
    p->node = n;
    p->timer.fire = fired;
    p->port_told = n->port;
    p->asking[0].of = p->asking[1].of = p;
    n->port_mapping = p;
    begin_all(p);
    return 0;
}

static void forget(struct port_mapping *p)
{
    end(&p->asking[0]);
    end(&p->asking[1]);
    if (p->upnp)
        env_upnp_cancel(p->upnp);
    p->upnp = NULL;
    memset(&p->got, 0, sizeof p->got);
    p->upnp_due = 0;
}

void port_mapping_release(struct kith_node *n)
{
    struct port_mapping *p = n->port_mapping;
    usec now = env_now(n->env);
    if (!p || p->releasing)
        return;
    p->releasing = true;
    for (unsigned i = 0; i < 2; i++)
        if (p->asking[i].socket)
            port_map_remove(&p->asking[i].map, now);
    if (p->upnp)
        env_upnp_cancel(p->upnp);
    p->upnp = NULL;
    if (upnp_holds(p))
        upnp_ask(p, 0);
    advance(p);
}

bool port_mapping_is_quiet(const struct kith_node *n)
{
    const struct port_mapping *p = n->port_mapping;
    if (!p)
        return true;
    for (unsigned i = 0; i < 2; i++)
        if (p->asking[i].socket && !port_map_is_idle(&p->asking[i].map))
            return false;
    return !p->upnp;
}

void port_mapping_free(struct kith_node *n)
{
    struct port_mapping *p = n->port_mapping;
    if (!p)
        return;
    forget(p);
    timer_cancel(&n->timers, &p->timer);
    free(p);
    n->port_mapping = NULL;
}

/* Another router, or another address of ours: what was mapped is of no use, and runs out there. */
void port_mapping_network_changed(struct kith_node *n)
{
    struct port_mapping *p = n->port_mapping;
    if (!p || p->releasing)
        return;
    forget(p);
    told(p);
    begin_all(p);
}
