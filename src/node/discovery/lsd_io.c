/* See lsd_io.h. Who is heard is believed only about himself: the address is the datagram's source,
 * which must be on a network of ours, and the port is one that endpoint_allowed lets pass. */
#include "node/discovery/lsd_io.h"
#include "node/net/egress.h"
#include "node/net/network.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 8

struct lsd_io {
    struct kith_node *node;
    struct env_udp *sockets[2]; /* IPv4, IPv6 */
    struct lsd_pacer pacer;
    struct timer timer;
    char cookie[LSD_COOKIE_MAX + 1];
};

static void arm(struct lsd_io *l)
{
    struct kith_node *n = l->node;
    timer_set(&n->timers, &l->timer, lsd_pacer_deadline(&l->pacer));
    node_arm(n);
}

/* ---- speaking ------------------------------------------------------------------------------ */

static void say(struct lsd_io *l, enum addr_family family, const struct lsd_announce *a)
{
    uint8_t packet[LSD_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    struct env_udp *socket = l->sockets[family == ADDR_V6];
    lsd_put(&b, family, a);
    struct env_datagram d = {.peer = lsd_group(family), .data = packet, .size = b.size};
    if (socket && builder_ok(&b))
        env_udp_send(socket, &d, 1);
}

static void speak(struct lsd_io *l, usec now)
{
    struct lsd_announce a = {.port = l->node->port};
    memcpy(a.cookie, l->cookie, sizeof a.cookie);
    while ((a.count = lsd_pacer_next(&l->pacer, a.hashes, now)) > 0) {
        say(l, ADDR_V4, &a);
        say(l, ADDR_V6, &a);
    }
    arm(l);
}

static void fired(struct timer *timer, usec now)
{
    speak(container_of(timer, struct lsd_io, timer), now);
}

/* ---- listening ----------------------------------------------------------------------------- */

static void heard(struct lsd_io *l, const struct env_datagram *d, usec now)
{
    struct lsd_announce a;
    struct endpoint from = d->peer;
    if (!network_is_local(l->node, &from) || lsd_parse(bytes_of(d->data, d->size), &a) != 0 ||
        strcmp(a.cookie, l->cookie) == 0)
        return;
    from.port = a.port;
    if (a.port == l->node->port && network_is_ours(l->node, &from))
        return; /* ourselves, through somebody who dropped the cookie */
    for (unsigned i = 0; i < a.count; i++) {
        struct lsd_member *m = lsd_pacer_asked(&l->pacer, &a.hashes[i], now);
        struct kith_torrent *k = m ? container_of(m, struct kith_torrent, lsd) : NULL;
        /* One that is asleep has everything: the answer is enough, and nobody on this network gets
         * to wake thousands. */
        if (k && k->torrent)
            torrent_add_candidate(k->torrent, &from, ADDR_FROM_LAN);
    }
    /* Clients have the DHT at the same port. */
    dht_io_guess(l->node, &from, ADDR_FROM_LAN);
}

static void readable(void *user)
{
    struct lsd_io *l = user;
    uint8_t buffers[BATCH][LSD_RECEIVE_MAX];
    for (unsigned family = 0; family < 2; family++) {
        struct env_datagram d[BATCH];
        for (int i = 0; i < BATCH; i++)
            d[i] = (struct env_datagram){.data = buffers[i], .size = LSD_RECEIVE_MAX};
        int count = l->sockets[family] ? env_udp_receive(l->sockets[family], d, BATCH) : 0;
        usec now = env_now(l->node->env);
        for (int i = 0; i < count; i++)
            if (lsd_pacer_hears(&l->pacer, now))
                heard(l, &d[i], now);
    }
    speak(l, env_now(l->node->env));
}

/* ---- members ------------------------------------------------------------------------------- */

void lsd_join(struct kith_torrent *k)
{
    struct lsd_io *l = k->node->lsd;
    const uint8_t *hashes[ENTRY_NAMES_MAX]; /* v2's is its first 20 bytes on the network */
    unsigned count = 0;
    bool is_private = k->asleep ? k->outline.is_private : k->metainfo && k->metainfo->is_private;
    if (!l || (!k->torrent && !k->asleep) || k->paused || k->removing || k->node->stopping ||
        is_private)
        return;
    usec now = env_now(k->node->env);
    enum lsd_haste haste = k->asleep || torrent_is_complete(k->torrent) ? LSD_SERVES : LSD_SEEKS;
    if (k->has_v1)
        hashes[count++] = k->v1.b;
    if (k->has_v2)
        hashes[count++] = k->v2.b;
    lsd_pacer_join(&l->pacer, &k->lsd, hashes, count, haste, now);
    arm(l);
}

void lsd_leave(struct kith_torrent *k)
{
    if (k->node->lsd)
        lsd_pacer_leave(&k->node->lsd->pacer, &k->lsd);
}

/* ---- birth and death ----------------------------------------------------------------------- */

static void close_sockets(struct lsd_io *l)
{
    for (unsigned i = 0; i < 2; i++) {
        if (l->sockets[i])
            env_udp_close(l->sockets[i]);
        l->sockets[i] = NULL;
    }
}

/* Only where we listen for peers: nobody could come to us elsewhere. */
static void open_socket(struct lsd_io *l, enum addr_family family)
{
    struct kith_node *n = l->node;
    struct env_udp **socket = &l->sockets[family == ADDR_V6];
    struct endpoint group = lsd_group(family);
    const struct port *port = ports_of(n, family);
    if (n->port == 0 || !port || endpoint_class(&port->at) == ADDR_LOOPBACK)
        return;
    struct env_tcp_options options = {.bind_ip = endpoint_is_any(&port->at) ? NULL : &port->at};
    int err = egress_udp_open(n, &group, &options, readable, l, socket);
    if (err)
        *socket = NULL;
    log_debug(n->log_call ? &n->log : NULL, "lsd", "IPv%d: %s", (int)family,
        err ? err_text(err) : "listening");
}

static void open_sockets(struct lsd_io *l)
{
    open_socket(l, ADDR_V4);
    open_socket(l, ADDR_V6);
}

int lsd_start(struct kith_node *n)
{
    uint8_t seed[16];
    uint32_t cookie;
    struct lsd_io *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_NOMEM;
    env_random(n->env, seed, sizeof seed);
    env_random(n->env, &cookie, sizeof cookie);
    l->node = n;
    l->timer.fire = fired;
    /* libtorrent reads it as a number of 31 bits. */
    snprintf(l->cookie, sizeof l->cookie, "%x", (unsigned)cookie & 0x7fffffffu);
    int err = lsd_pacer_init(&l->pacer, seed, env_now(n->env));
    if (err) {
        free(l);
        return err;
    }
    n->lsd = l;
    open_sockets(l);
    return 0;
}

void lsd_stop(struct kith_node *n)
{
    struct lsd_io *l = n->lsd;
    if (!l)
        return;
    close_sockets(l);
    timer_cancel(&n->timers, &l->timer);
    lsd_pacer_free(&l->pacer);
    free(l);
    n->lsd = NULL;
}

void lsd_network_changed(struct kith_node *n)
{
    struct lsd_io *l = n->lsd;
    if (!l)
        return;
    close_sockets(l);
    open_sockets(l);
    lsd_pacer_restart(&l->pacer, env_now(n->env));
    arm(l);
}
