/* Writing and comparing magnet links, and the link of a torrent. See magnet.h. */
#include "base/err.h"
#include "base/text.h"
#include "format/magnet.h"
#include "format/metainfo.h"

#define MAGNET_OF_METAINFO_MAX ((size_t)32 << 20)

/* ---- writing ------------------------------------------------------------------------------- */

/* Appends "&key=value", or "key=value" behind the '?'. */
static void put_key(struct builder *b, const char *key)
{
    bool first = b->size > 0 && b->data[b->size - 1] == '?';
    builder_str(b, first ? "" : "&");
    builder_str(b, key);
    builder_u8(b, '=');
}

static void put_topics(const struct magnet *m, struct builder *b)
{
    char hex[2 * sizeof(struct sha256_digest) + 1];
    if (m->has_v1) {
        hex_encode(m->v1.b, sizeof m->v1.b, hex);
        put_key(b, "xt");
        builder_format(b, "urn:btih:%s", hex);
    }
    if (m->has_v2) {
        hex_encode(m->v2.b, sizeof m->v2.b, hex);
        put_key(b, "xt");
        builder_format(b, "urn:btmh:1220%s", hex);
    }
}

static void put_texts(struct builder *b, const char *key, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_key(b, key);
        percent_encode(bytes_of_str(texts[i]), b);
    }
}

static void put_peer(struct builder *b, const struct magnet_peer *peer)
{
    char text[ENDPOINT_TEXT_MAX];
    struct endpoint endpoint = peer->endpoint;
    endpoint.scope = 0; /* an interface of this machine */
    put_key(b, "x.pe");
    if (peer->host != NULL)
        builder_format(b, "%s:%u", peer->host, peer->endpoint.port);
    else
        builder_str(b, endpoint_text(&endpoint, text));
}

static void put_selection(const struct magnet *m, struct builder *b)
{
    put_key(b, "so");
    for (size_t i = 0; i < m->selection_count; i++) {
        const struct magnet_range *r = &m->selection[i];
        builder_format(b, i == 0 ? "%u" : ",%u", r->first);
        if (r->last > r->first)
            builder_format(b, "-%u", r->last);
    }
}

int magnet_write(const struct magnet *m, struct builder *out)
{
    if (!m->has_v1 && !m->has_v2)
        return ERR_INVALID;
    builder_str(out, "magnet:?");
    put_topics(m, out);
    if (m->name != NULL)
        put_texts(out, "dn", &m->name, 1);
    put_texts(out, "tr", m->trackers, m->tracker_count);
    put_texts(out, "ws", m->web_seeds, m->web_seed_count);
    for (size_t i = 0; i < m->peer_count; i++)
        put_peer(out, &m->peers[i]);
    if (m->selection_count > 0)
        put_selection(m, out);
    return builder_ok(out) ? 0 : ERR_LIMIT;
}

/* ---- comparing ----------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (!same_text(a[i], b[i]))
            return false;
    return true;
}

static bool same_peers(const struct magnet *a, const struct magnet *b)
{
    if (a->peer_count != b->peer_count)
        return false;
    for (size_t i = 0; i < a->peer_count; i++)
        if (!endpoint_equal(&a->peers[i].endpoint, &b->peers[i].endpoint) ||
            !same_text(a->peers[i].host, b->peers[i].host))
            return false;
    return true;
}

static bool same_selection(const struct magnet *a, const struct magnet *b)
{
    if (a->has_selection != b->has_selection || a->selection_count != b->selection_count)
        return false;
    for (size_t i = 0; i < a->selection_count; i++)
        if (a->selection[i].first != b->selection[i].first ||
            a->selection[i].last != b->selection[i].last)
            return false;
    return true;
}

bool magnet_equal(const struct magnet *a, const struct magnet *b)
{
    return a->has_v1 == b->has_v1 && a->has_v2 == b->has_v2 &&
           (!a->has_v1 || sha1_equal(&a->v1, &b->v1)) &&
           (!a->has_v2 || sha256_equal(&a->v2, &b->v2)) && same_text(a->name, b->name) &&
           same_texts(a->trackers, a->tracker_count, b->trackers, b->tracker_count) &&
           same_texts(a->web_seeds, a->web_seed_count, b->web_seeds, b->web_seed_count) &&
           same_peers(a, b) && same_selection(a, b);
}

/* ---- of a torrent -------------------------------------------------------------------------- */

static const char *name_for_link(struct magnet *m, struct bytes name)
{
    uint8_t buffer[MAGNET_NAME_MAX];
    struct builder clean = builder_fixed(buffer, sizeof buffer);
    struct cursor c = cursor_of(name);
    while (c.left > 0 && clean.size + 4 <= sizeof buffer) {
        uint32_t code_point;
        cursor_skip(&c, utf8_next(bytes_of(c.at, c.left), &code_point));
        if (code_point != 0)
            utf8_put(&clean, code_point);
    }
    return arena_dup(&m->arena, builder_bytes(&clean));
}

/* A copy of at most `max` texts; *count is 0 when memory runs out, as it is when there are none. */
static const char **copy_texts(
    struct arena *arena, const char *const *texts, size_t *count, size_t max)
{
    if (*count > max)
        *count = max;
    const char **copies = *count == 0 ? NULL : arena_array(arena, *count, sizeof *copies);
    for (size_t i = 0; copies != NULL && i < *count; i++) {
        copies[i] = arena_dup(arena, bytes_of_str(texts[i]));
        if (copies[i] == NULL)
            return NULL;
    }
    return copies;
}

static int copy_trackers(struct magnet *out, const struct metainfo *m)
{
    const char *urls[MAGNET_TRACKERS_MAX];
    out->tracker_count = m->tracker_count;
    for (size_t i = 0; i < m->tracker_count && i < MAGNET_TRACKERS_MAX; i++)
        urls[i] = m->trackers[i].url;
    out->trackers = copy_texts(&out->arena, urls, &out->tracker_count, MAGNET_TRACKERS_MAX);
    return out->tracker_count > 0 && out->trackers == NULL ? ERR_NOMEM : 0;
}

int magnet_of_metainfo(struct magnet *out, const struct metainfo *m)
{
    *out = (struct magnet){.has_v1 = m->has_v1, .has_v2 = m->has_v2, .v1 = m->v1, .v2 = m->v2};
    arena_init(&out->arena, MAGNET_OF_METAINFO_MAX);
    int err = copy_trackers(out, m);
    out->web_seed_count = m->web_seed_count;
    out->web_seeds =
        copy_texts(&out->arena, m->web_seeds, &out->web_seed_count, MAGNET_WEB_SEEDS_MAX);
    if (out->web_seed_count > 0 && out->web_seeds == NULL)
        err = ERR_NOMEM;
    if (m->name.size > 0) {
        out->name = name_for_link(out, m->name);
        if (out->name == NULL)
            err = ERR_NOMEM;
    }
    if (err < 0)
        magnet_free(out);
    return err;
}
