/* The torrents in the DHT: their searches, and what a round of them found. When which begins its
 * round is dht_queue.h's. See dht_io.h. */
#include "node/discovery/dht_io_internal.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include <stdio.h>
#include <stdlib.h>

static struct dht_queue *queue_of(const struct kith_torrent *k)
{
    return &k->node->dht->queue;
}

/* In a small network we may be the very node where a torrent of ours is announced. */
void dht_members_announced(
    struct kith_node *n, const struct info_hash *hash, const struct endpoint *at)
{
    struct kith_torrent *k = entry_find_hash(n, hash);
    if (!k || !k->torrent || !k->dht.joined || !endpoint_allowed(at, dht_source_of(at)))
        return;
    torrent_add_candidate(k->torrent, at, dht_source_of(at));
    k->dht.found++;
}

/* ---- searches ------------------------------------------------------------------------------ */

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

/* Who sleeps has all. */
static bool serves(const struct kith_torrent *k)
{
    return !k->torrent || torrent_is_complete(k->torrent);
}

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
    k->dht.crowd = (uint16_t)crowd;
    k->dht.crowds_seen = crowd ? k->dht.crowds_seen + (k->dht.crowds_seen < UINT8_MAX) : 0;
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
    s->search = NULL;
    if (result->crowd > k->dht.crowd_now)
        k->dht.crowd_now = result->crowd < UINT16_MAX ? (uint16_t)result->crowd : UINT16_MAX;
    if (is_searching(k))
        return;
    note_crowd(k, k->dht.crowd_now);
    k->dht.crowd_now = 0;
    free(k->dht.searches);
    k->dht.searches = NULL;
    usec pause = dht_queue_pause(&k->dht, result->answered > 0, is_hungry(k));
    dht_queue_put(queue_of(k), &k->dht, serves(k), env_now(k->node->env) + pause);
}

static void search_in(
    struct kith_torrent *k, struct dht *d, const struct info_hash *hash, unsigned slot)
{
    struct kith_node *n = k->node;
    struct dht_member_search *s = &k->dht.searches[slot];
    const struct port *port = ports_of(n, slot & 1 ? ADDR_V6 : ADDR_V4);
    bool complete = serves(k);
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
    struct dht_io *io = k->node->dht;
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

/* ---- members ------------------------------------------------------------------------------- */

void dht_members_begin(struct dht_io *io, usec now)
{
    struct dht_member *m = dht_queue_next(&io->queue, now);
    if (!m)
        return;
    struct kith_torrent *k = container_of(m, struct kith_torrent, dht);
    if (begin_searches(k))
        dht_queue_began(&io->queue, m, now);
    else
        dht_queue_put(&io->queue, m, serves(k), now + DHT_IO_ANNOUNCE_EVERY);
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
        dht_hosts_take_nodes(k);
    }
    if (is_searching(k))
        return; /* their end plans the next */
    dht_queue_put(queue_of(k), &k->dht, serves(k), now);
    dht_io_arm(k->node);
}

void dht_io_leave(struct kith_torrent *k)
{
    if (!k->dht.joined)
        return;
    cancel_searches(k);
    dht_queue_remove(&k->dht);
    k->dht.joined = false;
}
