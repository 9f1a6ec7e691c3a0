/* See dht_io.h. Torrents stand in two queues, those that want data and those that have it; the
 * first of each that is due begins its searches, at a pace, so that 100,000 of them cost no more at
 * a time than one does. */
#include "node/dht_io.h"
#include "node/dht_items.h"
#include "node/egress.h"
#include "node/node_internal.h"
#include "node/outside.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host {
    struct dht_io *io;
    char *name;
    uint16_t port;
    struct env_resolve *resolve; /* under way */
};

struct family {
    struct dht_io *io;
    enum addr_family family;
    struct dht *dht; /* NULL: no port of that family */
};

struct dht_io {
    struct kith_node *node;
    struct family families[2];
    struct timer timer;
    struct list_link seekers, servers; /* struct dht_member, by `due` */
    usec begin_at;                     /* the next torrent, at the earliest */
    size_t nodes;                      /* that were known */
    usec grown_at;                     /* while we knew few: when one more was */
    usec save_at, hosts_at;
    unsigned host_rounds;
    struct host hosts[DHT_IO_HOSTS_MAX];
    size_t host_count;
    /* Names in torrents: each is looked up once. */
    struct host torrent_hosts[DHT_IO_TORRENT_NODES_MAX];
    bool read_only;
};

static struct dht_io *io_of(const struct kith_torrent *k)
{
    return k->node->dht;
}

/* ---- the nodes
 * ------------------------------------------------------------------------------------------- */

struct dht *dht_io_node(struct kith_node *n, enum addr_family family)
{
    return n->dht ? n->dht->families[family == ADDR_V6].dht : NULL;
}

static void send(void *user, const struct endpoint *to, struct bytes datagram)
{
    struct family *f = user;
    ports_send(f->io->node, to, datagram);
}

static void seen_at(void *user, const struct endpoint *by, const struct endpoint *said)
{
    struct family *f = user;
    outside_seen_at(f->io->node, by, said);
}

/* In a small network we may be the very node where a torrent of ours is announced. */
static void announced(void *user, const struct info_hash *hash, const struct endpoint *at)
{
    struct family *f = user;
    struct kith_torrent *k = entry_find_hash(f->io->node, hash);
    if (!k || !k->torrent || !k->dht.joined || !endpoint_allowed(at, dht_source_of(at)))
        return;
    torrent_add_candidate(k->torrent, at, dht_source_of(at));
    k->dht.found++;
}

static size_t known_nodes(const struct dht_io *io)
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

static void load(struct family *f)
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
        struct family *f = &io->families[i];
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

/* ---- hosts
 * -----------------------------------------------------------------------------------------------
 */

static void resolved(void *user, int err, const struct endpoint *at, size_t count)
{
    struct host *h = user;
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
static void ask_host(struct dht_io *io, struct host *h)
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

static void ask_hosts(struct dht_io *io, usec now)
{
    if (known_nodes(io) == 0)
        for (size_t i = 0; i < io->host_count; i++)
            ask_host(io, &io->hosts[i]);
    else
        io->host_rounds = 0;
    io->hosts_at = now + (DHT_IO_HOST_RETRY << io->host_rounds);
    io->host_rounds += io->host_rounds < 4;
}

static int take_host(struct dht_io *io, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text || io->host_count == DHT_IO_HOSTS_MAX ||
        parse_u64(bytes_of_str(colon + 1), 65535, &port) != 0 || port == 0)
        return ERR_INVALID;
    struct host *h = &io->hosts[io->host_count];
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

/* BEP 5, `nodes`: of a stranger's torrent, so no local addresses. */
static void take_torrent_nodes(struct kith_torrent *k)
{
    struct dht_io *io = io_of(k);
    const struct metainfo *m = k->metainfo;
    for (size_t i = 0; m && i < m->node_count && i < DHT_IO_TORRENT_NODES_MAX; i++) {
        struct endpoint e;
        struct host *h = &io->torrent_hosts[i];
        if (endpoint_parse_ip(&e, bytes_of_str(m->nodes[i].host), m->nodes[i].port) == 0) {
            dht_io_guess(k->node, &e, ADDR_FROM_STRANGER);
        } else if (!h->resolve && known_nodes(io) == 0) {
            free(h->name);
            *h =
                (struct host){.io = io, .name = strdup(m->nodes[i].host), .port = m->nodes[i].port};
            if (h->name)
                ask_host(io, h);
        }
    }
}

/* ---- torrents: their searches
 * ----------------------------------------------------------------------------------- */

static void found(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t count)
{
    struct dht_member_search *s = user;
    struct kith_torrent *k = s->torrent;
    enum addr_source source = dht_source_of(from);
    for (size_t i = 0; k->torrent && i < count; i++)
        torrent_add_candidate(k->torrent, &peers[i], source);
    k->dht.found += (uint32_t)count;
}

static void requeue(struct kith_torrent *k, usec due);

static bool is_hungry(const struct kith_torrent *k)
{
    struct torrent_stats s;
    if (!k->torrent || torrent_is_complete(k->torrent))
        return false;
    torrent_stats(k->torrent, env_now(k->node->env), &s);
    return s.peers == 0;
}

static bool is_searching(const struct kith_torrent *k)
{
    for (unsigned i = 0; k->dht.searches && i < DHT_MEMBER_SEARCHES; i++)
        if (k->dht.searches[i].search)
            return true;
    return false;
}

/* Twice in a row, because one view of how densely ids lie may be old (crowding.h). */
static void note_crowd(struct kith_torrent *k, unsigned crowd)
{
    char text[NODE_TEXT_MAX];
    bool was = k->dht.crowd > 0;
    k->dht.crowd = crowd;
    k->dht.crowds_seen = crowd ? k->dht.crowds_seen + 1 : 0;
    if (!was || k->dht.crowds_seen != DHT_IO_CROWDS_TOLD)
        return;
    snprintf(text, sizeof text,
        "somebody has put %u nodes around it in the DHT, as one does who wants it not to be found",
        crowd);
    node_event(k->node, KITH_EVENT_DHT_CROWD, k, 0, text);
}

/* The last of its searches plans the next round. */
static void searched(void *user, const struct dht_result *result)
{
    struct dht_member_search *s = user;
    struct kith_torrent *k = s->torrent;
    usec now = env_now(k->node->env);
    s->search = NULL;
    k->dht.crowd_now = k->dht.crowd_now > result->crowd ? k->dht.crowd_now : result->crowd;
    if (is_searching(k))
        return;
    note_crowd(k, k->dht.crowd_now);
    k->dht.crowd_now = 0;
    free(k->dht.searches);
    k->dht.searches = NULL;
    bool hungry = is_hungry(k);
    usec pause = DHT_IO_ANNOUNCE_EVERY;
    if (result->answered == 0)
        pause = DHT_IO_RETRY << (k->dht.starved < 6 ? k->dht.starved : 6);
    else if (hungry)
        pause = DHT_IO_STARVING_EVERY << (k->dht.starved < 4 ? k->dht.starved : 4);
    if (pause > DHT_IO_ANNOUNCE_EVERY)
        pause = DHT_IO_ANNOUNCE_EVERY;
    k->dht.starved = hungry || result->answered == 0 ? k->dht.starved + 1 : 0;
    requeue(k, now + pause);
}

static void search_in(
    struct kith_torrent *k, struct dht *d, const struct info_hash *hash, unsigned slot)
{
    struct kith_node *n = k->node;
    struct dht_member_search *s = &k->dht.searches[slot];
    const struct port *port = ports_of(n, slot & 1 ? ADDR_V6 : ADDR_V4);
    bool complete = !k->torrent || torrent_is_complete(k->torrent); /* who sleeps has all */
    *s = (struct dht_member_search){.torrent = k, .dht = d};
    struct dht_request r = {.aim = DHT_GET_PEERS,
        .target = node_id_of_hash(hash),
        .user = s,
        .done = searched,
        .peers = found,
        .announce = outside_port(n) != 0, /* nobody could come to us otherwise */
        .port = outside_port(n),
        .seed = complete,
        .noseed = complete};
    /* Behind a NAT that nobody opened for us, the port that it gave our datagrams may be reached
     * by uTP. */
    r.implied_port = r.announce && n->utp && port && port->at.port == r.port;
    s->search = dht_search(d, &r, env_now(n->env));
}

static void cancel_searches(struct kith_torrent *k)
{
    for (unsigned i = 0; k->dht.searches && k->node->dht && i < DHT_MEMBER_SEARCHES; i++) {
        struct dht_member_search *s = &k->dht.searches[i];
        if (s->search)
            dht_search_cancel(s->dht, s->search);
    }
    free(k->dht.searches);
    k->dht.searches = NULL;
}

/* Each of its hashes, in each family. False: there was nobody to ask. */
static bool begin_searches(struct kith_torrent *k)
{
    struct dht_io *io = io_of(k);
    struct info_hash names[ENTRY_NAMES_MAX];
    unsigned count = entry_names(k, names);
    bool any = false;
    k->dht.searches = calloc(DHT_MEMBER_SEARCHES, sizeof *k->dht.searches);
    if (!k->dht.searches)
        return false;
    for (unsigned i = 0; i < count && i < 2; i++)
        for (unsigned f = 0; f < 2; f++)
            if (io->families[f].dht) {
                search_in(k, io->families[f].dht, &names[i], i * 2 + f);
                any |= k->dht.searches[i * 2 + f].search != NULL;
            }
    if (!any)
        cancel_searches(k);
    return any;
}

/* ---- torrents: their queues
 * ------------------------------------------------------------------------------------- */

static struct list_link *queue_of(struct kith_torrent *k)
{
    bool serves = !k->torrent || torrent_is_complete(k->torrent);
    return serves ? &io_of(k)->servers : &io_of(k)->seekers;
}

/* Most come to the end: they are all given the same pause. */
static void requeue(struct kith_torrent *k, usec due)
{
    struct list_link *queue = queue_of(k), *at = queue;
    k->dht.due = due;
    while (at->prev != queue && list_entry(at->prev, struct dht_member, link)->due > due)
        at = at->prev;
    list_remove(&k->dht.link);
    list_insert_before(at, &k->dht.link);
}

/* In a small network a newcomer may be the only one that is left, or looks for what we have: those
 * that were not announced since it came are due. */
static usec due_of(const struct dht_io *io, const struct list_link *queue)
{
    if (list_empty(queue))
        return NEVER;
    const struct dht_member *m = list_entry(queue->next, struct dht_member, link);
    return m->began < io->grown_at ? usec_min(m->due, io->grown_at) : m->due;
}

static void note_growth(struct dht_io *io, usec now)
{
    size_t nodes = known_nodes(io);
    if (nodes > io->nodes && nodes <= DHT_IO_FEW_NODES) {
        io->grown_at = now;
        keeper_hurry(io->node->keeper, now);
    }
    io->nodes = nodes;
}

static void begin_one(struct dht_io *io, struct list_link *queue, usec now)
{
    struct kith_torrent *k =
        container_of(list_entry(queue->next, struct dht_member, link), struct kith_torrent, dht);
    k->dht.began = now;
    if (begin_searches(k)) {
        list_remove(&k->dht.link); /* until they are over */
        io->begin_at = now + DHT_IO_PACE;
    } else {
        requeue(k, now + DHT_IO_ANNOUNCE_EVERY);
    }
}

/* When the next may begin: not before we know anybody. */
static usec begins_at(const struct dht_io *io)
{
    usec due = usec_min(due_of(io, &io->seekers), due_of(io, &io->servers));
    if (due == NEVER || known_nodes(io) == 0)
        return NEVER;
    return due > io->begin_at ? due : io->begin_at;
}

/* Those that want data first. */
static void begin_due(struct dht_io *io, usec now)
{
    if (now >= begins_at(io))
        begin_one(io, due_of(io, &io->seekers) <= now ? &io->seekers : &io->servers, now);
}

bool dht_io_may_tell(const struct kith_torrent *k)
{
    bool is_private = k->metainfo ? k->metainfo->is_private : k->asleep && k->outline.is_private;
    return k->node->dht && !is_private;
}

void dht_io_join(struct kith_torrent *k)
{
    if (!dht_io_may_tell(k) || k->paused || k->removing || k->node->stopping)
        return;
    usec now = env_now(k->node->env);
    if (!k->dht.joined) {
        k->dht = (struct dht_member){.joined = true};
        list_init(&k->dht.link);
        take_torrent_nodes(k);
    }
    if (is_searching(k))
        return; /* their end plans the next */
    requeue(k, now);
    dht_io_arm(k->node);
}

void dht_io_leave(struct kith_torrent *k)
{
    if (!k->dht.joined)
        return;
    cancel_searches(k);
    list_remove(&k->dht.link);
    k->dht.joined = false;
}

/* ---- time and datagrams
 * --------------------------------------------------------------------------------- */

void dht_io_arm(struct kith_node *n)
{
    struct dht_io *io = n->dht;
    if (!io)
        return;
    usec next = usec_min(begins_at(io), io->save_at);
    if (known_nodes(io) > 0)
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
    begin_due(io, now);
    if (known_nodes(io) > 0)
        keeper_tick(io->node->keeper, now);
    for (unsigned i = 0; i < 2; i++)
        if (io->families[i].dht && dht_deadline(io->families[i].dht) <= now)
            dht_tick(io->families[i].dht, now);
    if (io->host_count > 0 && now >= io->hosts_at)
        ask_hosts(io, now);
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
    if (!io_of(k))
        return;
    size_t nodes = known_nodes(io_of(k));
    builder_format(
        out, "DHT %zu node%s, %u found", nodes, nodes == 1 ? "" : "s", (unsigned)k->dht.found);
    if (k->dht.crowds_seen >= DHT_IO_CROWDS_TOLD)
        builder_format(out, ", %u put around it by somebody", k->dht.crowd);
}

/* ---- birth and death
 * ------------------------------------------------------------------------------------- */

static int open_family(struct dht_io *io, enum addr_family family, bool read_only)
{
    struct family *f = &io->families[family == ADDR_V6];
    struct dht_config config = {.family = family,
        .read_only = read_only,
        .send = send,
        .seen_at = seen_at,
        .announced = announced,
        .user = f};
    *f = (struct family){.io = io, .family = family};
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
    list_init(&io->seekers);
    list_init(&io->servers);
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
        err = take_host(io, o->dht_hosts[i]);
    if (!err)
        dht_io_arm(n);
    return err;
}

static void free_host(struct host *h)
{
    if (h->resolve)
        env_resolve_cancel(h->resolve);
    free(h->name);
}

void dht_io_stop(struct kith_node *n)
{
    struct dht_io *io = n->dht;
    if (!io)
        return;
    save(io);
    dht_api_free_all(n);
    dht_items_stop(n);
    n->dht = NULL;
    timer_cancel(&n->timers, &io->timer);
    list_for_each_safe(at, &io->seekers) list_remove(at);
    list_for_each_safe(at, &io->servers) list_remove(at);
    for (unsigned i = 0; i < 2; i++)
        dht_free(io->families[i].dht);
    for (size_t i = 0; i < io->host_count; i++)
        free_host(&io->hosts[i]);
    for (size_t i = 0; i < DHT_IO_TORRENT_NODES_MAX; i++)
        free_host(&io->torrent_hosts[i]);
    free(io);
}
