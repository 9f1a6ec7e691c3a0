/* See tracker_udp.h. */
#include "proto/tracker_udp.h"

#include "base/err.h"

#define PROTOCOL_MAGIC 0x41727101980ull

enum action { ACTION_CONNECT, ACTION_ANNOUNCE, ACTION_SCRAPE, ACTION_ERROR };

/* ---- the exchange -------------------------------------------------------------------------- */

static uint32_t next_transaction(struct tracker_udp *t)
{
    t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(t->random >> 32);
}

static void enter(struct tracker_udp *t, enum tracker_udp_state state, usec now)
{
    t->state = state;
    t->transaction = next_transaction(t);
    t->to_send = state == TRACKER_UDP_CONNECTING || state == TRACKER_UDP_ASKING;
    t->deadline = now;
}

/* BEP 41: path and query, as they stand in the address. */
static void take_path(struct tracker_udp *t, const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    size_t size = path ? strcspn(path, "#") : 0;
    if (size > TRACKER_UDP_OPTIONS_MAX)
        size = TRACKER_UDP_OPTIONS_MAX;
    memcpy(t->path, path ? path : "", size);
    t->path[size] = 0;
}

void tracker_udp_begin(struct tracker_udp *t, const struct tracker_announce *announce,
    const char *url, enum addr_family family, uint64_t random, usec now)
{
    *t = (struct tracker_udp){.family = family, .announce = *announce, .random = random};
    take_path(t, url);
    enter(t, TRACKER_UDP_CONNECTING, now);
}

void tracker_udp_begin_scrape(struct tracker_udp *t, const struct info_hash *hashes, size_t count,
    struct tracker_counts *counts, enum addr_family family, uint64_t random, usec now)
{
    *t = (struct tracker_udp){.family = family,
        .scraped = hashes,
        .scraped_count = count,
        .counts = counts,
        .random = random};
    enter(t, TRACKER_UDP_CONNECTING, now);
}

void tracker_udp_lend(struct tracker_udp *t, uint64_t connection, usec connected_at, usec now)
{
    if (t->state != TRACKER_UDP_CONNECTING)
        return;
    t->connection = connection;
    t->connected_at = connected_at;
    t->lent = true;
    enter(t, TRACKER_UDP_ASKING, now);
}

void tracker_udp_tick(struct tracker_udp *t, usec now)
{
    if (t->state > TRACKER_UDP_ASKING || t->to_send || now < t->deadline)
        return;
    if (++t->tries >= TRACKER_UDP_RETRIES) {
        t->state = TRACKER_UDP_SILENT;
        return;
    }
    /* A connection id lives a minute: behind that, from the beginning. So from one that was lent:
     * a tracker that was started anew drops what it does not know. */
    bool fresh =
        t->state == TRACKER_UDP_ASKING && !t->lent && now - t->connected_at < TRACKER_UDP_ID_LIFE;
    enter(t, fresh ? TRACKER_UDP_ASKING : TRACKER_UDP_CONNECTING, now);
}

/* ---- out ----------------------------------------------------------------------------------- */

static void put_announce(const struct tracker_udp *t, struct builder *out)
{
    const struct tracker_announce *a = &t->announce;
    builder_bytes_put(out, a->info_hash.b, sizeof a->info_hash.b);
    builder_bytes_put(out, a->peer_id.b, sizeof a->peer_id.b);
    builder_u64(out, a->downloaded);
    builder_u64(out, a->left);
    builder_u64(out, a->uploaded);
    builder_u32(out, (uint32_t)a->event);
    builder_u32(out, 0); /* our address: as the tracker sees it */
    builder_u32(out, a->key);
    builder_u32(out, a->numwant);
    builder_u16(out, a->port);
    if (t->path[0]) {
        builder_u8(out, 2); /* URLData */
        builder_u8(out, (uint8_t)strlen(t->path));
        builder_str(out, t->path);
    }
}

bool tracker_udp_send(struct tracker_udp *t, struct builder *out, usec now)
{
    if (!t->to_send)
        return false;
    bool connecting = t->state == TRACKER_UDP_CONNECTING;
    enum action action = connecting ? ACTION_CONNECT : t->scraped ? ACTION_SCRAPE : ACTION_ANNOUNCE;
    builder_u64(out, connecting ? PROTOCOL_MAGIC : t->connection);
    builder_u32(out, action);
    builder_u32(out, t->transaction);
    if (action == ACTION_ANNOUNCE)
        put_announce(t, out);
    for (size_t i = 0; action == ACTION_SCRAPE && i < t->scraped_count; i++)
        builder_bytes_put(out, t->scraped[i].b, sizeof t->scraped[i].b);
    t->to_send = false;
    t->deadline = now + (TRACKER_UDP_PATIENCE << t->tries);
    return true;
}

/* ---- in ------------------------------------------------------------------------------------ */

static void read_announce(struct tracker_udp *t, struct cursor *c, struct tracker_reply *r)
{
    r->interval = cursor_u32(c);
    r->leechers = cursor_u32(c);
    r->seeders = cursor_u32(c);
    tracker_reply_compact(r, cursor_rest(c), t->family);
}

/* Torrents that the answer does not reach are not known. */
static void read_scrape(struct tracker_udp *t, struct cursor *c)
{
    for (size_t i = 0; i < t->scraped_count; i++) {
        t->counts[i] = (struct tracker_counts){-1, -1, -1};
        if (c->left < 12)
            continue;
        t->counts[i].seeders = cursor_u32(c);
        t->counts[i].completed = cursor_u32(c);
        t->counts[i].leechers = cursor_u32(c);
    }
}

static void read_error(struct cursor *c, struct tracker_reply *r)
{
    struct bytes text = cursor_rest(c);
    size_t size = text.size < TRACKER_TEXT_MAX ? text.size : TRACKER_TEXT_MAX;
    r->failed = true;
    memcpy(r->failure, text.data, size);
}

int tracker_udp_transaction(struct bytes datagram, uint32_t *out)
{
    struct cursor c = cursor_of(datagram);
    (void)cursor_u32(&c); /* the action */
    *out = cursor_u32(&c);
    return cursor_ok(&c) ? 0 : ERR_TRUNCATED;
}

/* No tracker has a number for "I do not know you". Once, and not soon after others were known by
 * it: what is refused itself asks twice, and no more. */
static bool may_mean_the_id(const struct tracker_udp *t, usec now)
{
    return t->state == TRACKER_UDP_ASKING && t->lent && !t->doubted &&
           now - t->connected_at >= TRACKER_UDP_ID_DOUBT;
}

bool tracker_udp_receive(
    struct tracker_udp *t, struct bytes datagram, struct tracker_reply *r, usec now)
{
    struct cursor c = cursor_of(datagram);
    uint32_t action = cursor_u32(&c);
    if (t->state > TRACKER_UDP_ASKING || t->to_send || cursor_u32(&c) != t->transaction ||
        !cursor_ok(&c))
        return false;
    tracker_reply_init(r);
    bool connecting = t->state == TRACKER_UDP_CONNECTING;
    if (action == ACTION_ERROR && may_mean_the_id(t, now)) {
        t->doubted = true;
        enter(t, TRACKER_UDP_CONNECTING, now);
        return true;
    }
    if (action == ACTION_ERROR) {
        read_error(&c, r);
        t->state = TRACKER_UDP_ANSWERED;
        return true;
    }
    if (connecting && action == ACTION_CONNECT && c.left >= 8) {
        t->connection = cursor_u64(&c);
        t->connected_at = now;
        t->lent = false;
        t->tries = 0;
        enter(t, TRACKER_UDP_ASKING, now);
        return true;
    }
    uint32_t wanted = t->scraped ? ACTION_SCRAPE : ACTION_ANNOUNCE;
    if (connecting || action != wanted || c.left < 12)
        return false;
    if (t->scraped)
        read_scrape(t, &c);
    else
        read_announce(t, &c, r);
    t->state = TRACKER_UDP_ANSWERED;
    return true;
}
