/* Holepunch (BEP 55): two peers behind routers that let nothing in connect because a third, to whom
 * both are connected, tells them to at the same moment.
 *
 *   who wants   could not connect to an address that a peer named and that can punch: asks that
 * peer the relay   is connected to both: tells each of the other both        connect by uTP at
 * once: each one's first packet opens its own router
 *
 * A message makes its receiver send a few packets to an address of the sender's choice, so each
 * peer gets only a few of them a minute, and the address classifier judges every one. */
#include "base/err.h"
#include "proto/ut_holepunch.h"
#include "swarm/torrent/torrent_internal.h"

#define INTRODUCTIONS_MAX 12u /* a minute: that a peer may ask of us, or tell us of */
#define ASKED_MAX 20u         /* a minute: that the torrent asks for */

bool torrent_punches(const struct torrent *t)
{
    return t->punches;
}

static void say(
    struct peer *p, enum ut_holepunch_type type, const struct endpoint *about, uint32_t error)
{
    uint8_t room[UT_HOLEPUNCH_SIZE_MAX];
    struct builder b = builder_fixed(room, sizeof room);
    ut_holepunch_put(&b, &(struct ut_holepunch){type, *about, error});
    peer_say_extended(p, p->theirs.ut_holepunch, builder_bytes(&b));
}

/* By the address at which others know it, or at which we do. */
static struct peer *peer_at(const struct torrent *t, const struct endpoint *e)
{
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        if (endpoint_equal(&p->address, e) || endpoint_equal(&p->pex.known_at, e))
            return p;
    }
    return NULL;
}

/* ---- the relay ----------------------------------------------------------------------------- */

static int introduce(struct torrent *t, struct peer *from, const struct endpoint *to)
{
    struct endpoint from_at;
    if (!minute_allows(&from->introductions, INTRODUCTIONS_MAX, t->now))
        return 0;
    struct peer *p = peer_at(t, to);
    uint32_t error = !p                        ? UT_HOLEPUNCH_NOT_CONNECTED
                     : p == from               ? UT_HOLEPUNCH_NO_SELF
                     : !p->theirs.ut_holepunch ? UT_HOLEPUNCH_NO_SUPPORT
                                               : 0;
    if (!error && !peer_reachable_at(from, &from_at))
        error = UT_HOLEPUNCH_NO_SUCH_PEER;
    if (error) {
        say(from, UT_HOLEPUNCH_FAILED, to, error);
        return 0;
    }
    /* Whoever it is that asks: one peer is not sent about by all the others. */
    if (!minute_allows(&p->sent_about, INTRODUCTIONS_MAX, t->now))
        return 0;
    say(p, UT_HOLEPUNCH_CONNECT, &from_at, 0);
    say(from, UT_HOLEPUNCH_CONNECT, to, 0);
    return 0;
}

/* ---- both ---------------------------------------------------------------------------------- */

static int connect_now(struct torrent *t, struct peer *relay, const struct endpoint *to)
{
    struct peer_hint hint = {
        .source = peer_word(relay), .flags = UT_PEX_HOLEPUNCH | UT_PEX_UTP, .giver = relay->id};
    if (!minute_allows(&relay->introductions, INTRODUCTIONS_MAX, t->now) || peer_at(t, to) ||
        to->port < 1024 || !torrent_wants_incoming(t, to))
        return 0;
    peer_list_add(t->candidates, to, &hint, t->now);
    if (!peer_list_take(t->candidates, to, hint.source))
        return 0; /* not allowed */
    if (t->host.ops->punch(t->host.user, t, to) == 0)
        t->connecting++;
    else
        peer_list_ended(t->candidates, to, t->now);
    return 0;
}

/* ---- who wants ----------------------------------------------------------------------------- */

void torrent_ask_introduction(struct torrent *t, const struct endpoint *to)
{
    uint32_t giver;
    if (!torrent_punches(t) || !peer_list_may_punch(t->candidates, to, t->now, &giver))
        return;
    struct peer *relay = torrent_peer_by_id(t, giver);
    if (relay && relay->theirs.ut_holepunch && minute_allows(&t->introductions, ASKED_MAX, t->now))
        say(relay, UT_HOLEPUNCH_RENDEZVOUS, to, 0);
}

int torrent_hear_holepunch(struct torrent *t, struct peer *p, struct bytes payload)
{
    struct ut_holepunch m;
    if (!torrent_punches(t) || !p->theirs.ut_holepunch)
        return 0;
    if (ut_holepunch_parse(payload, &m) != 0)
        return peer_offend(p, "sends malformed introductions");
    switch (m.type) {
    case UT_HOLEPUNCH_RENDEZVOUS:
        return introduce(t, p, &m.address);
    case UT_HOLEPUNCH_CONNECT:
        return connect_now(t, p, &m.address);
    case UT_HOLEPUNCH_FAILED:
        return 0;
    }
    return 0;
}
