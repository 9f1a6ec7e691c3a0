/* See ports.h. */
#include "node/net/ports.h"
#include "node/discovery/tracker_call.h"
#include "node/net/block_list.h"
#include "node/net/egress.h"
#include "node/net/proxy_udp.h"
#include "node/net/utp_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

/* ---- what comes in ------------------------------------------------------------------------- */

static void dispatch(struct port *p, const struct endpoint *from, struct bytes datagram)
{
    if (block_list_has(p->node, from))
        return;
    if (utp_io_is_utp(datagram))
        utp_io_datagram(p->node, from, datagram);
    else if (datagram.size > 0 && datagram.data[0] == 'd')
        dht_io_datagram(p, from, datagram);
    else
        tracker_call_datagram(p->node, from, datagram);
}

/* The system may have put several together. */
static void take(struct port *p, const struct env_datagram *d)
{
    size_t size = d->segment ? d->segment : d->size;
    for (size_t at = 0; at < d->size; at += size) {
        size_t left = d->size - at;
        dispatch(p, &d->peer, bytes_of((uint8_t *)d->data + at, left < size ? left : size));
    }
}

static void on_readable(void *user)
{
    struct port *p = user;
    struct kith_node *n = p->node;
    struct env_datagram d[PORTS_DATAGRAMS];
    int count = PORTS_DATAGRAMS;
    for (int round = 0; round < PORTS_ROUNDS && count == PORTS_DATAGRAMS; round++) {
        for (size_t i = 0; i < PORTS_DATAGRAMS; i++)
            d[i] = (struct env_datagram){
                .data = n->datagrams + i * ENV_UDP_BULK_ROOM, .size = ENV_UDP_BULK_ROOM};
        count = env_udp_receive(p->udp, d, PORTS_DATAGRAMS);
        for (int i = 0; i < count; i++)
            take(p, &d[i]);
        if (count > 0)
            utp_io_turn(n);
    }
    links_pump(n);
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void close_port(struct port *p)
{
    if (p->tcp)
        env_listener_close(p->tcp);
    if (p->udp)
        env_udp_close(p->udp);
    p->tcp = NULL;
    p->udp = NULL;
}

static int open_once(struct port *p, struct endpoint at, bool closer)
{
    struct kith_node *n = p->node;
    struct endpoint only = at;
    struct env_tcp_options options = {
        .bind_device = p->device[0] ? p->device : NULL, .bind_ip = closer ? &only : NULL};
    int err = n->wish.accepts && !n->no_tcp
                  ? egress_listen(n, &at, &options, link_accept, n, &p->tcp)
                  : 0;
    if (!err && p->tcp)
        env_listener_local(p->tcp, &at);
    if (!err)
        err = egress_udp_open(n, &at, &options, on_readable, p, &p->udp);
    if (err) {
        close_port(p);
        return err;
    }
    if (!p->tcp)
        env_udp_local(p->udp, &at);
    env_udp_bulk(p->udp);
    p->at = at;
    return 0;
}

static bool has_device(const struct kith_node *n)
{
    for (unsigned i = 0; i < n->wish.count; i++)
        if (n->wish.places[i].device[0])
            return true;
    return egress_device(n) != NULL;
}

static const char *device_of(const struct kith_node *n, const struct ports_place *place)
{
    return place->device[0] ? place->device : egress_device(n);
}

/* A port that is free for TCP may be taken for UDP: the system is asked for another then. */
static int open_at(struct kith_node *n, const struct ports_place *place, uint16_t port)
{
    struct port *p = &n->ports[n->port_count];
    struct endpoint at = place->at;
    const char *device = device_of(n, place);
    /* An address beside an interface, on one port: the system takes them for the same unless the
     * address is bound to its own interface. */
    bool closer = place->chosen && has_device(n);
    int err = ERR_EXISTS;
    at.port = port;
    *p = (struct port){.node = n};
    memcpy(p->device, place->device, sizeof p->device);
    p->device_index = device ? env_device_index(n->env, device) : 0;
    for (int i = 0; i < PORTS_TRIES && err == ERR_EXISTS; i++) {
        err = open_once(p, at, closer);
        if (at.port)
            break;
    }
    if (!err)
        n->port_count++;
    return err;
}

/* A machine without IPv6 is fine, and so is one without IPv4; an address of the user's is not there
 * for nothing. */
static int open_each(struct kith_node *n)
{
    int first_err = 0;
    for (unsigned i = 0; i < n->wish.count; i++) {
        const struct ports_place *place = &n->wish.places[i];
        int err = open_at(n, place, n->port_count ? n->ports[0].at.port : n->wish.port);
        if (err && (err == ERR_EXISTS || place->chosen)) {
            ports_close(n);
            return err;
        }
        first_err = first_err ? first_err : err;
    }
    return n->port_count > 0 ? 0 : first_err;
}

static int open_all(struct kith_node *n)
{
    int err = ERR_EXISTS;
    for (int i = 0; i < PORTS_TRIES && err == ERR_EXISTS; i++) {
        err = open_each(n);
        if (n->wish.port)
            break;
    }
    if (!err && n->wish.accepts)
        n->port = n->ports[0].at.port;
    return err;
}

/* Through a proxy datagrams of both families go one way, and nobody can come to us. */
static int open_proxied(struct kith_node *n)
{
    struct port *p = &n->ports[0];
    if (!egress_carries_datagrams(n))
        return 0;
    *p = (struct port){.node = n, .at = {.family = ADDR_V4}};
    int err = proxy_udp_open(n, on_readable, p, &p->udp);
    n->port_count = err ? 0 : 1;
    return err;
}

/* An interface that went and came back has another number, and sockets that were bound to it are
 * dead, silently. So is a node that was started before its interface was there. */
static bool is_stale(struct kith_node *n)
{
    for (unsigned i = 0; i < n->port_count; i++) {
        const char *device = n->ports[i].device[0] ? n->ports[i].device : egress_device(n);
        unsigned index = device ? env_device_index(n->env, device) : 0;
        if (index && index != n->ports[i].device_index)
            return true;
    }
    return n->port_count == 0;
}

static void look(struct timer *timer, usec now)
{
    struct kith_node *n = container_of(timer, struct kith_node, wish.timer);
    if (!n->stopping && is_stale(n)) {
        n->wish.port = n->wish.port ? n->wish.port : n->port;
        ports_close(n);
        int err = open_all(n);
        log_info(n->log_call ? &n->log : NULL, "ports", "the interface is another: %s",
            err ? err_text(err) : "opened anew");
        if (!err) /* a link may be older than the ports, and as dead as the interface it was made on
                   */
            links_hang_up_all(n);
    }
    timer_set(&n->timers, timer, now + PORTS_LOOK);
}

/* ---- what is asked for --------------------------------------------------------------------- */

static int add_place(struct ports_wish *w, struct endpoint at, const char *device, bool chosen)
{
    if (w->count == PORTS_MAX)
        return ERR_LIMIT;
    struct ports_place *place = &w->places[w->count++];
    *place = (struct ports_place){.at = at, .chosen = chosen};
    memcpy(place->device, device, strlen(device) + 1);
    return 0;
}

static int add_both(struct ports_wish *w, const char *device)
{
    struct endpoint v4 = {.family = ADDR_V4}, v6 = {.family = ADDR_V6};
    int err = add_place(w, v4, device, false);
    return err ? err : add_place(w, v6, device, false);
}

static int add_named(struct kith_node *n, const char *text)
{
    struct endpoint at;
    if (endpoint_parse_ip(&at, bytes_of_str(text), 0) == 0)
        return add_place(&n->wish, at, "", true);
    if (!*text || strlen(text) >= sizeof n->wish.places[0].device ||
        env_device_index(n->env, text) == 0)
        return ERR_INVALID;
    return add_both(&n->wish, text);
}

static int take_wish(struct kith_node *n, const struct kith_options *o)
{
    struct ports_wish *w = &n->wish;
    int err = 0;
    *w = (struct ports_wish){.port = o->listen_port > 0 ? (uint16_t)o->listen_port : 0,
        .accepts = o->listen_port >= 0,
        .timer.fire = look};
    if (o->listen_address)
        err = add_named(n, o->listen_address);
    for (size_t i = 0; i < o->listen_address_count && !err; i++)
        err = add_named(n, o->listen_addresses[i]);
    return err || w->count > 0 ? err : add_both(w, "");
}

int ports_open(struct kith_node *n, const struct kith_options *o)
{
    n->datagrams = malloc((size_t)PORTS_DATAGRAMS * ENV_UDP_BULK_ROOM);
    if (!n->datagrams)
        return ERR_NOMEM;
    if (egress_is_proxied(n))
        return open_proxied(n);
    int err = take_wish(n, o);
    if (err)
        return err;
    err = open_all(n);
    bool away = err == ERR_BLOCKED || err == ERR_NETWORK;
    if (err && !(away && !egress_is_open(n)))
        return err;
    if (err || has_device(n))
        timer_set(&n->timers, &n->wish.timer, env_now(n->env) + PORTS_LOOK);
    return 0;
}

void ports_stop_accepting(struct kith_node *n)
{
    for (unsigned i = 0; i < n->port_count; i++) {
        if (n->ports[i].tcp)
            env_listener_close(n->ports[i].tcp);
        n->ports[i].tcp = NULL;
    }
    utp_io_stop_accepting(n);
}

/* The wish stays: see look. */
void ports_close(struct kith_node *n)
{
    while (n->port_count > 0)
        close_port(&n->ports[--n->port_count]);
}

/* ---- what goes out ------------------------------------------------------------------------- */

struct port *ports_of(struct kith_node *n, enum addr_family family)
{
    bool both = egress_is_proxied(n);
    for (unsigned i = 0; i < n->port_count; i++)
        if (both || n->ports[i].at.family == family)
            return &n->ports[i];
    return NULL;
}

bool ports_send(struct kith_node *n, const struct endpoint *to, struct bytes datagram)
{
    struct port *p = ports_of(n, (enum addr_family)to->family);
    struct env_datagram d = {
        .peer = *to, .data = (void *)(uintptr_t)datagram.data, .size = datagram.size};
    if (p && !block_list_has(n, to))
        env_udp_send(p->udp, &d, 1);
    return p != NULL;
}

bool ports_send_named(struct kith_node *n, const struct proxy_target *to, struct bytes datagram)
{
    if (!egress_is_proxied(n) || n->port_count == 0)
        return false;
    proxy_udp_send_named(n->ports[0].udp, to, datagram);
    return true;
}
