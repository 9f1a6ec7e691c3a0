/* Reading magnet links. See magnet.h; writing is in magnet_write.c. */
#include "format/magnet.h"
#include "base/err.h"
#include "base/text.h"
#include <stdlib.h>

#define MAGNET_MEMORY_MAX ((size_t)1 << 20) /* of one parsed link, tables included */
#define BTIH_HEX 40u
#define BTIH_BASE32 32u
#define MULTIHASH_SHA256 "1220" /* SHA2-256, 32 bytes (BEP 9) */
#define MULTIHASH_SIZE 4u

struct magnet_parser {
    struct magnet *m;
    struct format_error *error;
    struct builder value; /* the parameter, percent-decoded */
    bool foreign_topic;   /* an xt that is not BitTorrent's */
    size_t parameters;
};

/* ---- cutting the text ---------------------------------------------------------------------- */

/* All up to `separator`, which is skipped; the rest if there is none. */
static struct bytes take_until(struct cursor *c, char separator)
{
    const uint8_t *at = c->left > 0 ? memchr(c->at, separator, c->left) : NULL;
    struct bytes part = cursor_take(c, at != NULL ? (size_t)(at - c->at) : c->left);
    if (at != NULL)
        cursor_skip(c, 1);
    return part;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool begins_with(struct bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    for (size_t i = 0; i < size; i++)
        if (i >= text.size || lower(text.data[i]) != (uint8_t)prefix[i])
            return false;
    return true;
}

static struct bytes after(struct bytes text, size_t size)
{
    struct cursor c = cursor_of(text);
    cursor_skip(&c, size);
    return cursor_rest(&c);
}

/* ---- xt: what it is ------------------------------------------------------------------------ */

static int set_v1(struct magnet_parser *p, struct bytes hash)
{
    struct sha1_digest d;
    int err = ERR_SYNTAX;
    if (hash.size == BTIH_HEX)
        err = hex_decode(hash, d.b, sizeof d.b);
    else if (hash.size == BTIH_BASE32)
        err = base32_decode(hash, d.b, sizeof d.b);
    if (err < 0)
        return format_fail(
            p->error, ERR_SYNTAX, "xt: btih is not 40 hex digits or 32 base32 digits");
    if (p->m->has_v1 && !sha1_equal(&d, &p->m->v1))
        return format_fail(p->error, ERR_MISMATCH, "xt: two different v1 info-hashes");
    p->m->v1 = d;
    p->m->has_v1 = true;
    return 0;
}

static int set_v2(struct magnet_parser *p, struct bytes hash)
{
    struct sha256_digest d;
    if (!begins_with(hash, MULTIHASH_SHA256) ||
        hex_decode(after(hash, MULTIHASH_SIZE), d.b, sizeof d.b) < 0)
        return format_fail(p->error, ERR_SYNTAX, "xt: btmh is not 1220 and 64 hex digits");
    if (p->m->has_v2 && !sha256_equal(&d, &p->m->v2))
        return format_fail(p->error, ERR_MISMATCH, "xt: two different v2 info-hashes");
    p->m->v2 = d;
    p->m->has_v2 = true;
    return 0;
}

static int parse_topic(struct magnet_parser *p, struct bytes value)
{
    static const char btih[] = "urn:btih:", btmh[] = "urn:btmh:";
    if (begins_with(value, btih))
        return set_v1(p, after(value, sizeof btih - 1));
    if (begins_with(value, btmh))
        return set_v2(p, after(value, sizeof btmh - 1));
    p->foreign_topic = true;
    return 0;
}

/* ---- dn, tr, ws ---------------------------------------------------------------------------- */

/* Repairs UTF-8 and drops NULs, because what comes out is a C string. */
static int parse_name(struct magnet_parser *p, struct bytes value)
{
    struct builder clean = builder_heap(MAGNET_NAME_MAX);
    struct cursor c = cursor_of(value);
    while (c.left > 0 && clean.size + 4 <= MAGNET_NAME_MAX) {
        uint32_t code_point;
        cursor_skip(&c, utf8_next(bytes_of(c.at, c.left), &code_point));
        if (code_point != 0)
            utf8_put(&clean, code_point);
    }
    if (p->m->name == NULL && clean.size > 0) {
        p->m->name = arena_dup(&p->m->arena, builder_bytes(&clean));
        if (p->m->name == NULL)
            clean.bad = true;
    }
    int err = builder_ok(&clean) ? 0 : ERR_NOMEM;
    builder_free(&clean);
    return err;
}

static bool is_url(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] <= ' ' || value.data[i] == 0x7f)
            return false;
    return value.size > 0;
}

static int add_url(struct magnet_parser *p, struct bytes value, const char ***urls, size_t *count,
    size_t max, const char *what)
{
    if (!is_url(value))
        return 0;
    if (*count == max)
        return format_fail(p->error, ERR_LIMIT, "%s: more than %zu of them", what, max);
    const char **array = arena_one_more(&p->m->arena, *urls, *count, sizeof *array);
    if (array == NULL)
        return ERR_NOMEM;
    *urls = array;
    array[*count] = arena_dup(&p->m->arena, value);
    if (array[*count] == NULL)
        return ERR_NOMEM;
    ++*count;
    return 0;
}

/* A hint that says nothing. */
static int leave_out(struct magnet_parser *p)
{
    p->m->hints_unread++;
    return 0;
}

/* ---- x.pe: who has it ---------------------------------------------------------------------- */

static int parse_peer(struct magnet_parser *p, struct bytes value)
{
    struct magnet_peer peer = {0};
    bool numeric = endpoint_parse(&peer.endpoint, value) == 0;
    peer.endpoint.scope = 0; /* an interface of somebody else's machine */
    if (!numeric) {
        struct bytes host;
        peer = (struct magnet_peer){0};
        if (host_port_parse(value, &host, &peer.endpoint.port) != 0)
            return leave_out(p);
        peer.host = arena_dup(&p->m->arena, host);
        if (peer.host == NULL)
            return ERR_NOMEM;
    }
    if (p->m->peer_count == MAGNET_PEERS_MAX)
        return format_fail(p->error, ERR_LIMIT, "x.pe: more than %u of them", MAGNET_PEERS_MAX);
    struct magnet_peer *peers =
        arena_one_more(&p->m->arena, p->m->peers, p->m->peer_count, sizeof *peers);
    if (peers == NULL)
        return ERR_NOMEM;
    p->m->peers = peers;
    peers[p->m->peer_count++] = peer;
    return 0;
}

/* ---- so: which files ----------------------------------------------------------------------- */

static int parse_range(struct magnet_parser *p, struct bytes text)
{
    struct cursor c = cursor_of(text);
    uint64_t first, last;
    struct bytes from = take_until(&c, '-');
    struct bytes to = from.size < text.size ? cursor_rest(&c) : from;
    if (parse_u64(from, UINT32_MAX - 1, &first) < 0 || parse_u64(to, UINT32_MAX - 1, &last) < 0 ||
        first > last)
        return leave_out(p);
    if (p->m->selection_count == MAGNET_RANGES_MAX)
        return format_fail(p->error, ERR_LIMIT, "so: more than %u ranges", MAGNET_RANGES_MAX);
    struct magnet_range *ranges =
        arena_one_more(&p->m->arena, p->m->selection, p->m->selection_count, sizeof *ranges);
    if (ranges == NULL)
        return ERR_NOMEM;
    p->m->selection = ranges;
    ranges[p->m->selection_count++] = (struct magnet_range){(uint32_t)first, (uint32_t)last};
    p->m->has_selection = true;
    return 0;
}

static int parse_selection(struct magnet_parser *p, struct bytes value)
{
    struct cursor c = cursor_of(value);
    int err = 0;
    while (err == 0 && c.left > 0)
        err = parse_range(p, take_until(&c, ','));
    return err;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct magnet_range *a = left, *b = right;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Ascending, and what overlaps or touches becomes one. */
static void merge_selection(struct magnet *m)
{
    if (m->selection_count == 0)
        return;
    qsort(m->selection, m->selection_count, sizeof *m->selection, compare_ranges);
    size_t kept = 0;
    for (size_t i = 1; i < m->selection_count; i++) {
        struct magnet_range *last = &m->selection[kept];
        if (m->selection[i].first > last->last + 1)
            m->selection[++kept] = m->selection[i];
        else if (m->selection[i].last > last->last)
            last->last = m->selection[i].last;
    }
    m->selection_count = kept + 1;
}

bool magnet_selects(const struct magnet *m, uint32_t file)
{
    for (size_t i = 0; i < m->selection_count; i++)
        if (file >= m->selection[i].first && file <= m->selection[i].last)
            return true;
    return !m->has_selection;
}

/* ---- the whole link ------------------------------------------------------------------------ */

/* "tr.1" is "tr" (but "x.pe" is itself). */
static bool is_key(struct bytes key, const char *name)
{
    if (!begins_with(key, name))
        return false;
    struct bytes suffix = after(key, strlen(name));
    if (suffix.size == 0)
        return true;
    uint64_t number;
    return suffix.data[0] == '.' && parse_u64(after(suffix, 1), UINT32_MAX, &number) == 0;
}

static int parse_parameter(struct magnet_parser *p, struct bytes key, struct bytes value)
{
    struct magnet *m = p->m;
    if (is_key(key, "xt"))
        return parse_topic(p, value);
    if (is_key(key, "dn"))
        return parse_name(p, value);
    if (is_key(key, "tr"))
        return add_url(p, value, &m->trackers, &m->tracker_count, MAGNET_TRACKERS_MAX, "tr");
    if (is_key(key, "ws"))
        return add_url(p, value, &m->web_seeds, &m->web_seed_count, MAGNET_WEB_SEEDS_MAX, "ws");
    if (is_key(key, "x.pe"))
        return parse_peer(p, value);
    if (is_key(key, "so"))
        return parse_selection(p, value);
    return 0;
}

/* '+' is a space in names, as forms encode it, and itself everywhere else. */
static int decode_parameter(struct magnet_parser *p, struct bytes parameter)
{
    struct cursor c = cursor_of(parameter);
    struct bytes key = take_until(&c, '=');
    p->value.size = 0;
    int err = percent_decode(cursor_rest(&c), &p->value, is_key(key, "dn"));
    if (!builder_ok(&p->value))
        return ERR_NOMEM;
    if (err < 0 && is_key(key, "xt"))
        return format_fail(p->error, ERR_SYNTAX, "%%: not followed by two hex digits");
    if (err < 0)
        return is_key(key, "x.pe") || is_key(key, "so") ? leave_out(p) : 0;
    return parse_parameter(p, key, builder_bytes(&p->value));
}

static int parse_query(struct magnet_parser *p, struct bytes query)
{
    struct cursor c = cursor_of(query);
    while (c.left > 0) {
        struct bytes parameter = take_until(&c, '&');
        if (begins_with(parameter, "amp;")) /* copied out of HTML */
            parameter = after(parameter, strlen("amp;"));
        if (p->parameters++ == MAGNET_PARAMETERS_MAX)
            return format_fail(
                p->error, ERR_LIMIT, "more than %u parameters", MAGNET_PARAMETERS_MAX);
        int err = decode_parameter(p, parameter);
        if (err < 0)
            return err;
    }
    if (p->m->has_v1 || p->m->has_v2)
        return 0;
    if (p->foreign_topic)
        return format_fail(p->error, ERR_UNSUPPORTED, "xt: not a BitTorrent info-hash");
    return format_fail(p->error, ERR_SYNTAX, "xt: there is no info-hash");
}

int magnet_parse(struct magnet *out, struct bytes text, struct format_error *error)
{
    static const char scheme[] = "magnet:?";
    *out = (struct magnet){0};
    format_fail(error, 0, "%s", "");
    if (text.size > MAGNET_LENGTH_MAX)
        return format_fail(error, ERR_LIMIT, "longer than %u bytes", MAGNET_LENGTH_MAX);
    text = text_trim(text);
    if (!begins_with(text, scheme))
        return format_fail(error, ERR_SYNTAX, "not a magnet link");
    arena_init(&out->arena, MAGNET_MEMORY_MAX);
    struct magnet_parser p = {.m = out, .error = error, .value = builder_heap(MAGNET_LENGTH_MAX)};
    int err = parse_query(&p, after(text, sizeof scheme - 1));
    builder_free(&p.value);
    if (err < 0)
        magnet_free(out);
    else
        merge_selection(out);
    return err;
}

void magnet_free(struct magnet *m)
{
    arena_free(&m->arena);
    *m = (struct magnet){0};
}
