/* What a .torrent carries around its info dictionary: trackers (BEP 12), web seeds (17, 19), nodes
 * (5), comment, origin, date. No hash covers it, so malformed parts are left out and never make the
 * torrent unusable. The only error is ERR_NOMEM. */
#include "base/text.h"
#include "format/metainfo_parts.h"

struct url_list {
    const char **urls;
    size_t count;
};

/* The text of a URL: something without white space or control characters. Which schemes are good is
 * for those to say who open it. */
static bool url_of(struct bencode_value v, struct bytes *url)
{
    if (!bencode_string(v, url))
        return false;
    *url = text_trim(*url);
    for (size_t i = 0; i < url->size; i++)
        if (url->data[i] <= ' ' || url->data[i] == 0x7f)
            return false;
    return url->size > 0 && url->size <= METAINFO_URL_MAX;
}

/* ---- trackers ------------------------------------------------------------------------------ */

static int add_tracker(
    struct metainfo *m, struct metainfo_tracker *trackers, struct bencode_value v, uint32_t tier)
{
    struct bytes url;
    if (!url_of(v, &url))
        return 0;
    if (m->tracker_count == METAINFO_TRACKERS_MAX) {
        m->trackers_unread++;
        return 0;
    }
    const char *copy = arena_dup(&m->memory->arena, url);
    if (copy == NULL)
        return ERR_NOMEM;
    trackers[m->tracker_count++] = (struct metainfo_tracker){copy, tier};
    return 0;
}

static int add_tier(struct metainfo *m, struct metainfo_tracker *trackers,
    struct bencode_value tier_list, uint32_t tier)
{
    int err = 0;
    if (bencode_type(tier_list) == BENCODE_STRING)
        return add_tracker(m, trackers, tier_list, tier);
    if (bencode_type(tier_list) != BENCODE_LIST)
        return 0;
    for (struct bencode_iterator i = bencode_iterate(tier_list); err == 0 && bencode_next(&i);)
        err = add_tracker(m, trackers, i.value, tier);
    return err;
}

/* Tiers are numbered without gaps: one without a usable tracker does not count. Some files have
 * strings where the tiers should be; each is a tier of its own then. */
static int add_tiers(
    struct metainfo *m, struct metainfo_tracker *trackers, struct bencode_value list)
{
    uint32_t tier = 0;
    int err = 0;
    for (struct bencode_iterator i = bencode_iterate(list); err == 0 && bencode_next(&i);) {
        size_t before = m->tracker_count;
        err = add_tier(m, trackers, i.value, tier);
        tier += m->tracker_count > before;
    }
    return err;
}

static int parse_trackers(struct metainfo *m, struct bencode_value torrent)
{
    struct bencode_value tiers = bencode_get_typed(torrent, "announce-list", BENCODE_LIST);
    struct bencode_value announce = bencode_get(torrent, "announce");
    if (!bencode_present(tiers) && !bencode_present(announce))
        return 0;
    size_t count = 1;
    for (struct bencode_iterator i = bencode_iterate(tiers); bencode_next(&i);)
        count += 1 + bencode_count(i.value);
    if (count > METAINFO_TRACKERS_MAX)
        count = METAINFO_TRACKERS_MAX;
    struct metainfo_tracker *trackers = arena_array(&m->memory->arena, count, sizeof *trackers);
    if (trackers == NULL)
        return ERR_NOMEM;
    m->trackers = trackers;
    int err = add_tiers(m, trackers, tiers);
    /* BEP 12: announce counts only where there is no list. */
    if (err == 0 && m->tracker_count == 0)
        err = add_tracker(m, trackers, announce, 0);
    return err;
}

/* ---- web seeds ----------------------------------------------------------------------------- */

static int add_url(struct metainfo *m, struct url_list *list, struct bencode_value v)
{
    struct bytes url;
    if (!url_of(v, &url))
        return 0;
    if (list->count == METAINFO_WEB_SEEDS_MAX) {
        m->web_seeds_unread++;
        return 0;
    }
    const char **urls = arena_one_more(&m->memory->arena, list->urls, list->count, sizeof *urls);
    if (urls == NULL)
        return ERR_NOMEM;
    list->urls = urls;
    const char *copy = arena_dup(&m->memory->arena, url);
    if (copy == NULL)
        return ERR_NOMEM;
    list->urls[list->count++] = copy;
    return 0;
}

/* A list of strings, or one string alone (BEP 19). */
static int parse_urls(struct metainfo *m, struct bencode_value v, struct url_list *list)
{
    int err = 0;
    if (bencode_type(v) == BENCODE_STRING)
        return add_url(m, list, v);
    if (bencode_type(v) != BENCODE_LIST)
        return 0;
    for (struct bencode_iterator i = bencode_iterate(v); err == 0 && bencode_next(&i);)
        err = add_url(m, list, i.value);
    return err;
}

static int parse_web_seeds(struct metainfo *m, struct bencode_value torrent)
{
    struct url_list web = {0}, http = {0};
    int err = parse_urls(m, bencode_get(torrent, "url-list"), &web);
    if (err == 0)
        err = parse_urls(m, bencode_get(torrent, "httpseeds"), &http);
    m->web_seeds = web.urls;
    m->web_seed_count = web.count;
    m->http_seeds = http.urls;
    m->http_seed_count = http.count;
    return err;
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* A [host, port] pair, well-formed or not. */
static bool node_of(struct bencode_value pair, struct bytes *host, uint16_t *port)
{
    int64_t number;
    struct bencode_iterator i = bencode_iterate(pair);
    if (bencode_type(pair) != BENCODE_LIST || !bencode_next(&i) || !url_of(i.value, host) ||
        !bencode_next(&i) || !bencode_integer(i.value, &number))
        return false;
    *port = (uint16_t)number;
    return number > 0 && number <= 0xffff;
}

static int parse_nodes(struct metainfo *m, struct bencode_value torrent)
{
    struct bencode_value list = bencode_get_typed(torrent, "nodes", BENCODE_LIST);
    size_t count = bencode_count(list);
    if (count > METAINFO_NODES_MAX)
        count = METAINFO_NODES_MAX;
    struct metainfo_node *nodes =
        count == 0 ? NULL : arena_array(&m->memory->arena, count, sizeof *nodes);
    if (count > 0 && nodes == NULL)
        return ERR_NOMEM;
    m->nodes = nodes;
    struct bencode_iterator i = bencode_iterate(list);
    while (m->node_count < count && bencode_next(&i)) {
        struct bytes host;
        uint16_t port;
        if (!node_of(i.value, &host, &port))
            continue;
        const char *copy = arena_dup(&m->memory->arena, host);
        if (copy == NULL)
            return ERR_NOMEM;
        nodes[m->node_count++] = (struct metainfo_node){copy, port};
    }
    m->nodes_unread = bencode_count(list) - m->node_count;
    return 0;
}

/* ---- texts --------------------------------------------------------------------------------- */

static int keep_text(struct metainfo *m, struct bencode_value dict, const char *utf8_key,
    const char *key, struct bytes *out)
{
    struct bytes text;
    if (!bencode_get_string(dict, utf8_key, &text) && !bencode_get_string(dict, key, &text))
        return 0;
    const char *copy = arena_dup(&m->memory->arena, text);
    *out = bytes_of(copy, copy == NULL ? 0 : text.size);
    return copy == NULL ? ERR_NOMEM : 0;
}

int metainfo_parse_outer(struct metainfo *m, struct bencode_value torrent)
{
    int err = parse_trackers(m, torrent);
    if (err == 0)
        err = parse_web_seeds(m, torrent);
    if (err == 0)
        err = parse_nodes(m, torrent);
    if (err == 0)
        err = keep_text(m, torrent, "comment.utf-8", "comment", &m->comment);
    if (err == 0)
        err = keep_text(m, torrent, "created by.utf-8", "created by", &m->created_by);
    if (!bencode_get_integer(torrent, "creation date", &m->created_unix) || m->created_unix < 0)
        m->created_unix = 0;
    return err;
}
