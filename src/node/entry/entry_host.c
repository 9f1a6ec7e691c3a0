/* What the swarm asks of a torrent of the node, and tells it: the node as a torrent's host. */
#include "node/net/block_list.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "format/magnet.h"

static int host_connect(void *host, struct torrent *t, const struct endpoint *to)
{
    struct kith_torrent *k = host;
    (void)t;
    return link_open(k->node, k, to);
}

static void host_pump(void *host, struct peer *p, void *link)
{
    struct kith_torrent *k = host;
    (void)p;
    link_pump_later(k->node, link);
}

static void host_hang_up(void *host, struct peer *p, void *link)
{
    (void)p;
    link_hang_up(link);
    entry_look_soon(host); /* no tick may come any more */
}

static void host_reschedule(void *host, struct torrent *t)
{
    struct kith_torrent *k = host;
    timer_set(&k->node->timers, &k->awake->timer, torrent_deadline(t));
    node_arm(k->node);
}

static bool host_web_fetch(void *host, struct torrent *t, uint32_t seed, const char *url,
    uint64_t first, uint64_t range, uint64_t size)
{
    (void)t;
    return web_fetch_start(host, seed, url, first, range, size);
}

static usec host_now(void *host)
{
    return env_now(((struct kith_torrent *)host)->node->env);
}

static void host_random(void *host, void *out, size_t size)
{
    env_random(((struct kith_torrent *)host)->node->env, out, size);
}

static int host_punch(void *host, struct torrent *t, const struct endpoint *to)
{
    struct kith_torrent *k = host;
    (void)t;
    return link_punch(k->node, k, to);
}

static uint16_t host_dht_port(void *host, enum addr_family family)
{
    struct kith_torrent *k = host;
    return dht_io_may_tell(k) ? dht_io_port(k->node, family) : 0;
}

/* A peer's word about its own machine: as local as the peer is. */
static void host_dht_node(void *host, const struct endpoint *at)
{
    struct kith_torrent *k = host;
    if (dht_io_may_tell(k))
        dht_io_guess(k->node, at, dht_source_of(at));
}

static void host_seen_at(void *host, const struct endpoint *voter, const struct endpoint *ours)
{
    outside_seen_at(((struct kith_torrent *)host)->node, voter, ours);
}

static void host_event(void *host, struct torrent *t, enum torrent_event event, struct peer *p)
{
    struct kith_torrent *k = host;
    struct kith_node *n = k->node;
    char text[ENDPOINT_TEXT_MAX] = "";
    struct peer_info info;
    if (p) {
        peer_info(p, env_now(n->env), &info);
        endpoint_text(&info.address, text);
    }
    switch (event) {
    case TORRENT_METADATA_KNOWN:
        entry_metadata_known(k);
        break;
    case TORRENT_LAYERS_KNOWN:
        memory_save_metainfo(k);
        entry_open_data(k);
        break;
    case TORRENT_READY:
        if (!k->quiet)
            node_event(n, KITH_EVENT_READY, k, 0, k->name);
        break;
    case TORRENT_COMPLETE:
        entry_complete(k);
        break;
    case TORRENT_TROUBLE:
        entry_torrent_failed(k, torrent_error(t), torrent_error_text(t));
        break;
    case TORRENT_RECOVERED:
        entry_torrent_recovered(k);
        break;
    case TORRENT_PEER_JOINED:
        node_event(n, KITH_EVENT_PEER, k, 0, text);
        break;
    case TORRENT_PEER_COMPLETE:
        node_event(n, KITH_EVENT_COPY, k, 0, text);
        break;
    case TORRENT_STOPPED:
        entry_swarm_stopped(k);
        break;
    case TORRENT_PIECE_WRITTEN:
        entry_piece_written(k);
        break;
    }
}

static bool host_recall(void *host, struct torrent *t, const struct endpoint *to)
{
    struct kith_torrent *k = host;
    (void)t;
    return link_recall(k->node, k, to);
}

static bool host_refuses(void *host, const struct endpoint *e)
{
    struct kith_torrent *k = host;
    return block_list_has(k->node, e);
}

const struct swarm_host_ops entry_host_ops = {host_connect, host_pump, host_hang_up,
    host_reschedule, host_event, host_web_fetch, host_now, host_random, host_punch, host_seen_at,
    host_refuses, host_dht_port, host_dht_node, host_recall};

int entry_make_torrent(struct kith_torrent *k, const struct magnet *m)
{
    struct kith_node *n = k->node;
    struct torrent_config config = {
        .host = {&entry_host_ops, k, n->log_call ? &n->log : NULL},
        .metainfo = k->metainfo ? metainfo_ref(k->metainfo) : NULL,
        .peer_id = n->peer_id,
        .listen_port = outside_port(n),
        .punches = n->utp != NULL,
        .peers_max = n->torrent_connections_max,
        .node_limits = &n->limits,
        .sequential = k->sequential,
        .super_seeding = k->super_seeding,
    };
    if (m) {
        config.has_v1 = m->has_v1;
        config.has_v2 = m->has_v2;
        config.v1 = m->v1;
        config.v2 = m->v2;
    }
    env_random(n->env, &config.seed, sizeof config.seed);
    k->torrent = torrent_new(&config);
    if (!k->torrent)
        return ERR_NOMEM;
    n->awake++;
    token_bucket_set(&torrent_limits(k->torrent)->download, k->download_max, env_now(n->env));
    token_bucket_set(&torrent_limits(k->torrent)->upload, k->upload_max, env_now(n->env));
    return entry_learn_hashes(k);
}
