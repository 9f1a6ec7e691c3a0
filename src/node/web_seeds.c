/* Fetching for web seeds over HTTP: what swarm/torrent/torrent_web.c asks for. See node_internal.h.
 */
#include "node/net/egress.h"
#include "node/node_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEB_PATIENCE SECONDS(30)

/* One exchange under way. */
struct web_fetch {
    struct list_link link; /* entry->web_fetches */
    struct kith_torrent *entry;
    uint32_t seed;
    struct env_http *http;
};

static bool body(void *user, int status, struct bytes chunk)
{
    struct web_fetch *f = user;
    return torrent_web_data(f->entry->torrent, f->seed, status, chunk);
}

static void done(void *user, int err, int status, const char *detail)
{
    struct web_fetch *f = user;
    struct kith_torrent *k = f->entry;
    uint32_t seed = f->seed;
    list_remove(&f->link);
    free(f);
    torrent_web_done(k->torrent, seed, err, status, detail);
}

static const struct env_http_events events = {body, done};

/* A torrent that a stranger made may name a server of this network, but not put questions to it: no
 * query of its own making (libtorrent's rule, too). BEP 17's query is ours. */
static enum addr_source source_of(const char *url)
{
    const char *query = strchr(url, '?');
    return !query || strncmp(query, "?info_hash=", 11) == 0 ? ADDR_FROM_LINK : ADDR_FROM_STRANGER;
}

bool web_fetch_start(struct kith_torrent *k, uint32_t seed, const char *url, uint64_t first,
    uint64_t range, uint64_t size)
{
    struct web_fetch *f = calloc(1, sizeof *f);
    struct env_http_request request = {.url = url,
        .user_agent = k->node->user_agent,
        .source = source_of(url),
        .range_first = first,
        .range_size = range,
        .body_max = size,
        .timeout = WEB_PATIENCE};
    if (!f)
        return false;
    f->entry = k;
    f->seed = seed;
    if (egress_http(k->node, &request, &events, f, &f->http) != 0) {
        free(f);
        return false;
    }
    list_push_back(&k->awake->web_fetches, &f->link);
    return true;
}

void web_seeds_cancel(struct kith_torrent *k)
{
    if (!k->awake)
        return;
    list_for_each_safe(at, &k->awake->web_fetches)
    {
        struct web_fetch *f = list_entry(at, struct web_fetch, link);
        env_http_cancel(f->http);
        list_remove(&f->link);
        free(f);
    }
}

void web_seeds_add(struct kith_torrent *k)
{
    const struct metainfo *m = k->metainfo;
    if (k->web_seeds_added || !m)
        return;
    k->web_seeds_added = true;
    size_t named = k->web_seeds.count + m->web_seed_count + m->http_seed_count;
    if (named > TORRENT_WEB_SEEDS_MAX) {
        char text[NODE_TEXT_MAX];
        snprintf(text, sizeof text,
            "it names %zu web seeds: the first %u of them are used; the others are not", named,
            TORRENT_WEB_SEEDS_MAX);
        node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
    }
    for (size_t i = 0; i < k->web_seeds.count; i++)
        torrent_add_web_seed(k->torrent, k->web_seeds.items[i], false);
    for (size_t i = 0; i < m->web_seed_count; i++)
        torrent_add_web_seed(k->torrent, m->web_seeds[i], false);
    for (size_t i = 0; i < m->http_seed_count; i++)
        torrent_add_web_seed(k->torrent, m->http_seeds[i], true);
}
