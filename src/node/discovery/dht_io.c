/* See dht_io.h. */
#include "node/discovery/dht_io_internal.h"
#include "node/discovery/dht_items.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdlib.h>

/* ---- the nodes ----------------------------------------------------------------------------- */

struct dht *dht_io_node(struct kith_node *n, enum addr_family family)
{
    return n->dht ? n->dht->families[family == ADDR_V6].dht : NULL;
}

static void send(void *user, const struct endpoint *to, struct bytes datagram)
{
    struct dht_family *f = user;
    ports_send(f->io->node, to, datagram);
}

static void seen_at(void *user, const struct endpoint *by, const struct endpoint *said)
{
    struct dht_family *f = user;
    outside_seen_at(f->io->node, by, said);
}

static void announced(void *user, const struct info_hash *hash, const struct endpoint *at)
{
    struct dht_family *f = user;
    dht_members_announced(f->io->node, hash, at);
}

size_t dht_io_known_nodes(const struct dht_io *io)
{
    struct dht_status s;
    size_t nodes = 0;
    for (unsigned i = 0; i < 2; i++)
        if (io->families[i].dht) {
            dht_status(io->families[i].dht, &s, env_now(io->node->env));
            nodes += s.nodes;
        }
    return nodes;
}

static const char *setting_of(enum addr_family family)
{
    return family == ADDR_V4 ? "dht.nodes4" : "dht.nodes6";
}

static void load(struct dht_family *f)
{
    struct kith_node *n = f->io->node;
    uint8_t *data;
    size_t size;
    if (!n->state || state_load_setting(n->state, setting_of(f->family), &data, &size) != 0)
        return;
    (void)dht_load(f->dht, bytes_of(data, size), env_now(n->env));
    free(data);
}

static void save(struct dht_io *io)
{
    struct kith_node *n = io->node;
    for (unsigned i = 0; i < 2 && n->state; i++) {
        struct dht_family *f = &io->families[i];
        struct dht_status s;
        struct builder b = builder_heap(DHT_SAVED_MAX);
        if (f->dht) {
            dht_status(f->dht, &s, env_now(n->env));
            dht_save(f->dht, &b, env_now(n->env));
        }
        /* What an earlier run knew is better than nothing. */
        if (f->dht && s.nodes > 0 && builder_ok(&b))
            (void)state_save_setting(
                n->state, setting_of(f->family), builder_bytes(&b), NULL, NULL);
        builder_free(&b);
    }
    memory_arm(n);
}

static void note_growth(struct dht_io *io, usec now)
{
    size_t nodes = dht_io_known_nodes(io);
    if (nodes > io->nodes && nodes <= DHT_IO_FEW_NODES) {
        io->queue.grown_at = now;
        keeper_hurry(io->node->keeper, now);
    }
    io->nodes = nodes;
}

/* ---- time and datagrams -------------------------------------------------------------------- */

void dht_io_arm(struct kith_node *n)
{
    struct dht_io *io = n->dht;
    if (!io)
        return;
    size_t known = dht_io_known_nodes(io);
    usec next = usec_min(known > 0 ? dht_queue_due(&io->queue) : NEVER, io->save_at);
    if (known > 0)
        next = usec_min(next, keeper_deadline(n->keeper));
    next = usec_min(next, io->host_count ? io->hosts_at : NEVER);
    for (unsigned i = 0; i < 2; i++)
        if (io->families[i].dht)
            next = usec_min(next, dht_deadline(io->families[i].dht));
    timer_set(&n->timers, &io->timer, next);
    node_arm(n);
}

static void fired(struct timer *timer, usec now)
{
    struct dht_io *io = container_of(timer, struct dht_io, timer);
    if (dht_io_known_nodes(io) > 0) { /* not before we know anybody */
        dht_members_begin(io, now);
        keeper_tick(io->node->keeper, now);
    }
    for (unsigned i = 0; i < 2; i++)
        if (io->families[i].dht && dht_deadline(io->families[i].dht) <= now)
            dht_tick(io->families[i].dht, now);
    if (io->host_count > 0 && now >= io->hosts_at)
        dht_hosts_ask(io, now);
    if (now >= io->save_at) {
        io->save_at = now + DHT_IO_SAVE_EVERY;
        save(io);
    }
    dht_io_arm(io->node);
}

void dht_io_datagram(struct port *p, const struct endpoint *from, struct bytes datagram)
{
    struct kith_node *n = p->node;
    struct dht *d = dht_io_node(n, (enum addr_family)from->family);
    /* An answer has to leave where its question came in (BEP 45). */
    if (!d || ports_of(n, (enum addr_family)from->family) != p)
        return;
    dht_receive(d, from, datagram, env_now(n->env));
    if (n->dht->nodes < DHT_IO_FEW_NODES)
        note_growth(n->dht, env_now(n->env));
    dht_io_arm(n);
}

void dht_io_network_changed(struct kith_node *n)
{
    struct dht_io *io = n->dht;
    if (!io)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (io->families[i].dht)
            dht_network_changed(io->families[i].dht, env_now(n->env));
    io->host_rounds = 0;
    io->hosts_at = env_now(n->env) + DHT_IO_RETRY;
    dht_io_arm(n);
}

bool dht_io_is_read_only(const struct kith_node *n)
{
    return n->dht && n->dht->read_only;
}

uint16_t dht_io_port(struct kith_node *n, enum addr_family family)
{
    const struct port *p = dht_io_node(n, family) ? ports_of(n, family) : NULL;
    return p && !n->dht->read_only ? p->at.port : 0;
}

void dht_io_words(const struct kith_torrent *k, struct builder *out)
{
    if (!k->node->dht)
        return;
    size_t nodes = dht_io_known_nodes(k->node->dht);
    builder_format(
        out, "DHT %zu node%s, %u found", nodes, nodes == 1 ? "" : "s", (unsigned)k->dht.found);
    if (k->dht.crowds_seen >= DHT_IO_CROWDS_TOLD)
        builder_format(out, ", %u put around it by somebody", k->dht.crowd);
}

/* ---- birth and death ----------------------------------------------------------------------- */

static int open_family(struct dht_io *io, enum addr_family family, bool read_only)
{
    struct dht_family *f = &io->families[family == ADDR_V6];
    struct dht_config config = {.family = family,
        .read_only = read_only,
        .send = send,
        .seen_at = seen_at,
        .announced = announced,
        .user = f};
    *f = (struct dht_family){.io = io, .family = family};
    if (!ports_of(io->node, family))
        return 0;
    env_random(io->node->env, config.seed, sizeof config.seed);
    f->dht = dht_new(&config, env_now(io->node->env));
    if (!f->dht)
        return ERR_NOMEM;
    load(f);
    return 0;
}

int dht_io_start(struct kith_node *n, const struct kith_options *o)
{
    if (o->dht == KITH_DHT_OFF)
        return 0;
    struct dht_io *io = calloc(1, sizeof *io);
    if (!io)
        return ERR_NOMEM;
    n->dht = io;
    io->node = n;
    io->timer.fire = fired;
    io->read_only = o->dht == KITH_DHT_READ_ONLY;
    dht_queue_init(&io->queue);
    io->hosts_at = env_now(n->env);
    io->save_at = env_now(n->env) + DHT_IO_SAVE_EVERY;
    int err = open_family(io, ADDR_V4, io->read_only);
    if (!err)
        err = open_family(io, ADDR_V6, io->read_only);
    if (!err && io->families[0].dht && io->families[1].dht)
        dht_introduce(io->families[0].dht, io->families[1].dht);
    if (!err)
        err = dht_items_start(n, (struct dht *[]){io->families[0].dht, io->families[1].dht});
    for (size_t i = 0; !err && i < o->dht_host_count; i++)
        err = dht_hosts_add(io, o->dht_hosts[i]);
    if (!err)
        dht_io_arm(n);
    return err;
}

void dht_io_stop(struct kith_node *n)
{
    if (n->dht)
        save(n->dht);
    dht_io_free(n);
}

void dht_io_free(struct kith_node *n)
{
    struct dht_io *io = n->dht;
    if (!io)
        return;
    dht_api_free_all(n);
    dht_items_stop(n);
    n->dht = NULL;
    timer_cancel(&n->timers, &io->timer);
    dht_queue_clear(&io->queue);
    for (unsigned i = 0; i < 2; i++)
        dht_free(io->families[i].dht);
    dht_hosts_free(io);
    free(io);
}
