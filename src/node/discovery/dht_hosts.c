/* Where the DHT's first contacts come from: hosts that the user named, torrents' `nodes`, and
 * whoever else guesses. See dht_io.h. */
#include "node/discovery/dht_io_internal.h"
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void resolved(void *user, int err, const struct endpoint *at, size_t count)
{
    struct dht_host *h = user;
    struct dht_io *io = h->io;
    h->resolve = NULL;
    bool torrents = h >= io->torrent_hosts && h < io->torrent_hosts + DHT_IO_TORRENT_NODES_MAX;
    for (size_t i = 0; !err && i < count; i++) {
        struct dht *d = dht_io_node(io->node, (enum addr_family)at[i].family);
        enum addr_source source = torrents ? ADDR_FROM_STRANGER : ADDR_FROM_USER;
        if (d && endpoint_allowed(&at[i], source))
            dht_add_contact(d, &at[i], torrents ? DHT_CONTACT_NODE : DHT_CONTACT_ROUTER,
                env_now(io->node->env));
    }
    if (err)
        log_info(
            io->node->log_call ? &io->node->log : NULL, "dht", "%s: %s", h->name, err_text(err));
    dht_io_arm(io->node);
}

/* A numeric address is a node as others are; a name is a router: it does not stay in the table. */
static void ask_host(struct dht_io *io, struct dht_host *h)
{
    struct kith_node *n = io->node;
    struct endpoint e;
    if (h->resolve)
        return;
    if (endpoint_parse_ip(&e, bytes_of_str(h->name), h->port) == 0)
        dht_io_guess(n, &e, ADDR_FROM_USER);
    else if (egress_resolve(n, h->name, h->port, resolved, h, &h->resolve) != 0)
        h->resolve = NULL;
}

void dht_hosts_ask(struct dht_io *io, usec now)
{
    if (dht_io_known_nodes(io) == 0)
        for (size_t i = 0; i < io->host_count; i++)
            ask_host(io, &io->hosts[i]);
    else
        io->host_rounds = 0;
    io->hosts_at = now + (DHT_IO_HOST_RETRY << io->host_rounds);
    io->host_rounds += io->host_rounds < 4;
}

int dht_hosts_add(struct dht_io *io, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text || io->host_count == DHT_IO_HOSTS_MAX ||
        parse_u64(bytes_of_str(colon + 1), 65535, &port) != 0 || port == 0)
        return ERR_INVALID;
    struct dht_host *h = &io->hosts[io->host_count];
    bool brackets = text[0] == '[' && colon[-1] == ']';
    h->io = io;
    h->port = (uint16_t)port;
    h->name =
        bytes_dup_str(bytes_of(text + brackets, (size_t)(colon - text) - 2 * (size_t)brackets));
    if (!h->name)
        return ERR_NOMEM;
    io->host_count++;
    return 0;
}

void dht_io_guess(struct kith_node *n, const struct endpoint *e, enum addr_source source)
{
    struct dht *d = dht_io_node(n, (enum addr_family)e->family);
    if (!d || !endpoint_allowed(e, source))
        return;
    dht_add_contact(d, e, DHT_CONTACT_NODE, env_now(n->env));
    dht_io_arm(n);
}

static void tell_left_out(struct kith_torrent *k)
{
    char text[NODE_TEXT_MAX];
    size_t named = k->metainfo ? k->metainfo->node_count + k->metainfo->nodes_unread : 0;
    if (named <= DHT_IO_TORRENT_NODES_MAX || k->nodes_told)
        return;
    k->nodes_told = true;
    snprintf(text, sizeof text,
        "it names %zu DHT nodes: the first %u of them are asked; the others are not", named,
        DHT_IO_TORRENT_NODES_MAX);
    node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
}

/* BEP 5, `nodes`: of a stranger's torrent, so no local addresses. */
void dht_hosts_take_nodes(struct kith_torrent *k)
{
    struct dht_io *io = k->node->dht;
    const struct metainfo *m = k->metainfo;
    tell_left_out(k);
    for (size_t i = 0; m && i < m->node_count && i < DHT_IO_TORRENT_NODES_MAX; i++) {
        struct endpoint e;
        struct dht_host *h = &io->torrent_hosts[i];
        if (endpoint_parse_ip(&e, bytes_of_str(m->nodes[i].host), m->nodes[i].port) == 0) {
            dht_io_guess(k->node, &e, ADDR_FROM_STRANGER);
        } else if (!h->resolve && dht_io_known_nodes(io) == 0) {
            free(h->name);
            *h = (struct dht_host){
                .io = io, .name = strdup(m->nodes[i].host), .port = m->nodes[i].port};
            if (h->name)
                ask_host(io, h);
        }
    }
}

static void host_free(struct dht_host *h)
{
    if (h->resolve)
        env_resolve_cancel(h->resolve);
    free(h->name);
}

void dht_hosts_free(struct dht_io *io)
{
    for (size_t i = 0; i < io->host_count; i++)
        host_free(&io->hosts[i]);
    for (size_t i = 0; i < DHT_IO_TORRENT_NODES_MAX; i++)
        host_free(&io->torrent_hosts[i]);
}
