/* See ports.h. */
#include "node/ports.h"
#include "node/node_internal.h"
#include "node/utp_io.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

/* ---- what comes in
 * --------------------------------------------------------------------------------------- */

static void dispatch(struct port *p, const struct endpoint *from, struct bytes datagram)
{
    if (utp_io_is_utp(datagram))
        utp_io_datagram(p->node, from, datagram);
    else
        trackers_datagram(p->node, from, datagram);
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

/* ---- opening and closing
 * --------------------------------------------------------------------------------- */

static void close_port(struct port *p)
{
    if (p->tcp)
        env_listener_close(p->tcp);
    if (p->udp)
        env_udp_close(p->udp);
    p->tcp = NULL;
    p->udp = NULL;
}

static int open_once(struct port *p, struct endpoint at, bool accepts)
{
    struct env *env = p->node->env;
    int err = accepts && !p->node->no_tcp
                  ? env_tcp_listen(env, &at, NULL, link_accept, p->node, &p->tcp)
                  : 0;
    if (!err && p->tcp)
        env_listener_local(p->tcp, &at);
    if (!err)
        err = env_udp_open(env, &at, NULL, on_readable, p, &p->udp);
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

/* A port that is free for TCP may be taken for UDP: the system is asked for another then. */
static int open_at(struct kith_node *n, struct endpoint at, bool accepts)
{
    struct port *p = &n->ports[n->port_count];
    int err = ERR_EXISTS;
    p->node = n;
    for (int i = 0; i < PORTS_TRIES && err == ERR_EXISTS; i++) {
        err = open_once(p, at, accepts);
        if (at.port)
            break;
    }
    if (!err)
        n->port_count++;
    return err;
}

static struct endpoint any_address(enum addr_family family, uint16_t port)
{
    return (struct endpoint){.family = (uint8_t)family, .port = port};
}

/* A machine without IPv6 is fine, and so is one without IPv4. */
static int open_both(struct kith_node *n, uint16_t port, bool accepts)
{
    int err = open_at(n, any_address(ADDR_V4, port), accepts);
    if (err == ERR_EXISTS)
        return err;
    int err6 =
        open_at(n, any_address(ADDR_V6, n->port_count ? n->ports[0].at.port : port), accepts);
    if (err6 == ERR_EXISTS) {
        ports_close(n);
        return err6;
    }
    return n->port_count > 0 ? 0 : err;
}

/* Every IPv4 and every IPv6 address, on one port. */
static int open_everywhere(struct kith_node *n, uint16_t port, bool accepts)
{
    int err = ERR_EXISTS;
    for (int i = 0; i < PORTS_TRIES && err == ERR_EXISTS; i++) {
        err = open_both(n, port, accepts);
        if (port)
            break;
    }
    return err;
}

int ports_open(struct kith_node *n, const struct kith_options *o)
{
    uint16_t port = o->listen_port > 0 ? (uint16_t)o->listen_port : 0;
    bool accepts = o->listen_port >= 0;
    struct endpoint at;
    n->datagrams = malloc((size_t)PORTS_DATAGRAMS * ENV_UDP_BULK_ROOM);
    if (!n->datagrams)
        return ERR_NOMEM;
    int err = o->listen_address ? endpoint_parse_ip(&at, bytes_of_str(o->listen_address), port)
                                : open_everywhere(n, port, accepts);
    if (!err && o->listen_address)
        err = open_at(n, at, accepts);
    n->port = !err && accepts ? n->ports[0].at.port : 0;
    return err;
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

void ports_close(struct kith_node *n)
{
    while (n->port_count > 0)
        close_port(&n->ports[--n->port_count]);
}

/* ---- what goes out
 * --------------------------------------------------------------------------------------- */

struct port *ports_of(struct kith_node *n, enum addr_family family)
{
    for (unsigned i = 0; i < n->port_count; i++)
        if (n->ports[i].at.family == family)
            return &n->ports[i];
    return NULL;
}

bool ports_send(struct kith_node *n, const struct endpoint *to, struct bytes datagram)
{
    struct port *p = ports_of(n, (enum addr_family)to->family);
    struct env_datagram d = {
        .peer = *to, .data = (void *)(uintptr_t)datagram.data, .size = datagram.size};
    if (p)
        env_udp_send(p->udp, &d, 1);
    return p != NULL;
}
