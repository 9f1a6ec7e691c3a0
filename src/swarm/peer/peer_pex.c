/* Peer exchange with one peer (BEP 11): what we believe of what it says, and what we tell it. */
#include "base/err.h"
#include "proto/extension.h"
#include "proto/ut_pex.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdlib.h>

#define PEX_EVERY SECONDS(60) /* BEP 11; libtorrent disconnects for more than six a minute */
#define PEX_FIRST_AFTER SECONDS(2)
#define PEX_HEARD_EVERY SECONDS(45) /* a minute, and the peer's clock may be fast */
#define PEX_TOO_SOON_MAX 6u         /* more before that end the connection, as libtorrent has it */

/* ---- hearing ------------------------------------------------------------------------------- */

enum addr_source peer_word(const struct peer *p)
{
    enum addr_class where = endpoint_class(&p->address);
    return where == ADDR_GLOBAL     ? ADDR_FROM_STRANGER
           : where == ADDR_LOOPBACK ? ADDR_FROM_LINK
                                    : ADDR_FROM_LAN;
}

/* One message a minute counts. */
static int count_message(struct peer *p, usec now, bool *counts)
{
    *counts = p->pex.heard_at == 0 || now - p->pex.heard_at >= PEX_HEARD_EVERY;
    if (*counts) {
        p->pex.heard_at = now;
        p->pex.too_soon = 0;
        return 0;
    }
    return ++p->pex.too_soon >= PEX_TOO_SOON_MAX ? ERR_PROTOCOL : 0;
}

int peer_hear_pex(struct peer *p, struct bytes payload)
{
    struct torrent *t = p->torrent;
    struct ut_pex m;
    bool counts;
    if (torrent_is_private(t))
        return 0;
    int err = count_message(p, t->now, &counts);
    if (err || !counts)
        return err;
    if (ut_pex_parse(payload, &m) != 0)
        return peer_offend(p, "sends malformed peer exchange");
    struct peer_hint hint = {.source = peer_word(p), .giver = p->id};
    for (size_t i = 0; i < m.added_count; i++) {
        hint.flags = m.added[i].flags;
        if (m.added[i].endpoint.port >= 1024) /* no client listens there; servers do */
            torrent_add_hinted(t, &m.added[i].endpoint, &hint);
    }
    return 0;
}

/* ---- telling ------------------------------------------------------------------------------- */

/* An incoming peer's port is its own only with uTP, where all connections share it: that is where a
 * hole can be punched. Over TCP it tells where it listens. */
bool peer_reachable_at(const struct peer *p, struct endpoint *out)
{
    *out = p->address;
    if (p->incoming && !p->utp)
        out->port = p->listen_port;
    return out->port != 0;
}

static uint8_t flags_of(const struct peer *p)
{
    bool seed = p->have.bits && bitfield_full(&p->have);
    return (uint8_t)((p->encrypted || p->prefers_encryption ? UT_PEX_ENCRYPTION : 0) |
                     (seed || p->upload_only ? UT_PEX_SEED : 0) | (p->utp ? UT_PEX_UTP : 0) |
                     (p->theirs.ut_holepunch ? UT_PEX_HOLEPUNCH : 0) |
                     (p->incoming ? 0 : UT_PEX_REACHABLE));
}

void peer_pex_joined(struct peer *p)
{
    struct torrent *t = p->torrent;
    struct endpoint at;
    if (!t->pex)
        t->pex = calloc(1, sizeof *t->pex);
    if (!t->pex || p->pex.known_at.family != ADDR_NONE || !peer_reachable_at(p, &at))
        return;
    p->pex.known_at = at;
    pex_log_joined(t->pex, &at, flags_of(p));
}

void peer_pex_left(struct peer *p)
{
    if (p->pex.known_at.family != ADDR_NONE)
        pex_log_left(p->torrent->pex, &p->pex.known_at);
    p->pex.known_at.family = ADDR_NONE;
}

/* All who are here, for one who knows nobody. */
static void name_everybody(const struct peer *p, struct ut_pex *m)
{
    const struct torrent *t = p->torrent;
    for (uint32_t i = 0; i < t->peer_count && m->added_count < UT_PEX_SEND_MAX; i++) {
        const struct peer *other = t->peers[i];
        if (other == p || other->pex.known_at.family == ADDR_NONE)
            continue;
        m->added[m->added_count++] = (struct ut_pex_peer){other->pex.known_at, flags_of(other)};
    }
}

static void say_pex(struct peer *p, bool first, usec now)
{
    const struct torrent *t = p->torrent;
    struct ut_pex m = {0};
    p->pex.sent_at = now;
    if (!t->pex)
        return;
    if (first || !pex_log_since(t->pex, &p->pex.told, &p->pex.known_at, &m)) {
        name_everybody(p, &m);
        p->pex.told = t->pex->next;
    }
    if (m.added_count == 0 && m.dropped_count == 0)
        return;
    struct builder b = builder_heap(8192);
    ut_pex_put(&b, &m);
    if (builder_ok(&b))
        peer_say_extended(p, p->theirs.ut_pex, builder_bytes(&b));
    builder_free(&b);
}

void peer_tick_pex(struct peer *p, usec now)
{
    bool first = p->pex.sent_at == 0;
    usec since = now - (first ? p->joined_at : p->pex.sent_at);
    if (p->theirs.ut_pex && !torrent_is_private(p->torrent) && !p->gone &&
        since >= (first ? PEX_FIRST_AFTER : PEX_EVERY))
        say_pex(p, first, now);
}
