/* The extension protocol with one peer: handshake, metadata, peer exchange, donthave. */
#include "base/err.h"
#include "proto/extension.h"
#include "proto/ut_pex.h"
#include "swarm/peer_internal.h"
#include "swarm/torrent_internal.h"

#define CLIENT_NAME "kith 0.1.0"
#define PEX_EVERY SECONDS(60) /* libtorrent disconnects for more than six a minute */

static bool is_private(const struct torrent *t)
{
    return t->metainfo && t->metainfo->is_private;
}

void peer_say_extension_handshake(struct peer *p)
{
    struct torrent *t = p->torrent;
    struct extension_handshake h = {
        .ids = {.ut_metadata = EXTENSION_UT_METADATA,
            .ut_pex = is_private(t) ? 0 : EXTENSION_UT_PEX,
            .upload_only = EXTENSION_UPLOAD_ONLY,
            .lt_donthave = EXTENSION_LT_DONTHAVE},
        .client = CLIENT_NAME,
        .reqq = PEER_REQUESTS_IN_MAX,
        .port = t->listen_port ? t->listen_port : -1,
        .metadata_size = t->metainfo ? (int64_t)t->metainfo->info.size : -1,
        .upload_only = t->completed ? 1 : -1,
        .complete_ago = -1,
        .your_ip = p->address,
    };
    struct builder b = builder_heap(1024);
    extension_handshake_put(&b, &h);
    if (builder_ok(&b))
        peer_say_extended(p, EXTENSION_HANDSHAKE, builder_bytes(&b));
    builder_free(&b);
}

static int hear_handshake(struct peer *p, struct bytes payload)
{
    struct extension_handshake h = {.ids = p->theirs};
    if (extension_handshake_parse(payload, &h) != 0)
        return peer_offend(p, "sends malformed extension handshakes");
    p->extended = true;
    p->theirs = h.ids;
    if (h.client[0])
        memcpy(p->client, h.client, sizeof p->client);
    if (h.reqq >= 0)
        pipeline_set_max(&p->pipeline, (uint32_t)h.reqq);
    if (h.metadata_size > 0)
        p->metadata_size = (uint64_t)h.metadata_size;
    if (h.upload_only >= 0)
        p->upload_only = h.upload_only == 1;
    if (h.port > 0)
        p->listen_port = (uint16_t)h.port;
    if (p->torrent->state == TORRENT_METADATA)
        torrent_tick_at(p->torrent, p->torrent->now);
    return 0;
}

/* ---- peer exchange
 * ------------------------------------------------------------------------------------ */

static int hear_pex(struct peer *p, struct bytes payload)
{
    struct torrent *t = p->torrent;
    struct ut_pex m;
    if (is_private(t))
        return 0;
    if (ut_pex_parse(payload, &m) != 0)
        return peer_offend(p, "sends malformed peer exchange");
    /* A peer on our own network may know of others there; a stranger may not send us to it. */
    enum addr_class where = endpoint_class(&p->address);
    enum addr_source source = where == ADDR_GLOBAL     ? ADDR_FROM_STRANGER
                              : where == ADDR_LOOPBACK ? ADDR_FROM_LINK
                                                       : ADDR_FROM_LAN;
    for (size_t i = 0; i < m.added_count; i++)
        torrent_add_candidate(t, &m.added[i].endpoint, source);
    return 0;
}

/* Where others can reach a peer: the address it listens at, which for incoming ones it has told. */
static bool reachable_at(const struct peer *p, struct endpoint *out)
{
    *out = p->address;
    if (p->incoming)
        out->port = p->listen_port;
    return out->port != 0;
}

/* Everybody new since the last message. Dropped ones are not named: nobody acts on it. */
static void say_pex(struct peer *p, usec now)
{
    struct torrent *t = p->torrent;
    struct ut_pex m = {0};
    for (uint32_t i = 0; i < t->peer_count && m.added_count < UT_PEX_SEND_MAX; i++) {
        struct peer *other = t->peers[i];
        struct endpoint at;
        if (other == p || other->joined_at <= p->pex_sent_at - PEX_EVERY / 4 || !other->extended ||
            !reachable_at(other, &at))
            continue;
        uint8_t flags =
            (uint8_t)((other->encrypted ? UT_PEX_ENCRYPTION : 0) |
                      (other->have.bits && bitfield_full(&other->have) ? UT_PEX_SEED : 0) |
                      (other->incoming ? 0 : UT_PEX_REACHABLE));
        m.added[m.added_count++] = (struct ut_pex_peer){at, flags};
    }
    p->pex_sent_at = now;
    if (m.added_count == 0)
        return;
    struct builder b = builder_heap(8192);
    ut_pex_put(&b, &m);
    if (builder_ok(&b))
        peer_say_extended(p, p->theirs.ut_pex, builder_bytes(&b));
    builder_free(&b);
}

void peer_tick_extensions(struct peer *p, usec now)
{
    bool first = p->pex_sent_at == 0;
    if (p->theirs.ut_pex && !is_private(p->torrent) && !p->gone &&
        now - (first ? p->joined_at : p->pex_sent_at) >= (first ? SECONDS(2) : PEX_EVERY))
        say_pex(p, now);
}

/* ---- dispatch
 * ------------------------------------------------------------------------------------------- */

static int hear_donthave(struct peer *p, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint32_t piece = cursor_u32(&c);
    struct torrent *t = p->torrent;
    if (!cursor_done(&c) || !p->have.bits || !bitfield_get(&p->have, piece))
        return 0;
    torrent_peer_forget(t, p);
    bitfield_clear(&p->have, piece);
    torrent_peer_known(t, p);
    return 0;
}

int peer_hear_extended(struct peer *p, uint8_t id, struct bytes payload)
{
    switch (id) {
    case EXTENSION_HANDSHAKE:
        return hear_handshake(p, payload);
    case EXTENSION_UT_METADATA:
        return torrent_hear_metadata(p->torrent, p, payload);
    case EXTENSION_UT_PEX:
        return hear_pex(p, payload);
    case EXTENSION_LT_DONTHAVE:
        return hear_donthave(p, payload);
    case EXTENSION_UPLOAD_ONLY:
        p->upload_only = payload.size > 0 && payload.data[0] != 0;
        return 0;
    default:
        return 0;
    }
}
