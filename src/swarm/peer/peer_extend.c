/* The extension protocol with one peer: handshake, metadata, donthave. */
#include "base/err.h"
#include "base/version.h"
#include "proto/extension.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"

#define CLIENT_NAME "kith " VERSION_TEXT

void peer_say_extension_handshake(struct peer *p)
{
    struct torrent *t = p->torrent;
    struct extension_handshake h = {
        .ids = {.ut_metadata = EXTENSION_UT_METADATA,
            .ut_pex = torrent_is_private(t) ? 0 : EXTENSION_UT_PEX,
            .upload_only = EXTENSION_UPLOAD_ONLY,
            .lt_donthave = EXTENSION_LT_DONTHAVE,
            .ut_holepunch = torrent_punches(t) ? EXTENSION_UT_HOLEPUNCH : 0},
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
    p->prefers_encryption = h.prefers_encryption;
    if (h.your_ip.family != ADDR_NONE && p->torrent->host.ops->seen_at)
        p->torrent->host.ops->seen_at(p->torrent->host.user, &p->address, &h.your_ip);
    peer_pex_joined(p);
    if (p->torrent->state == TORRENT_METADATA)
        torrent_tick_at(p->torrent, p->torrent->now);
    return 0;
}

void peer_tick_extensions(struct peer *p, usec now)
{
    peer_tick_pex(p, now);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static int hear_donthave(struct peer *p, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint32_t piece = cursor_u32(&c);
    struct torrent *t = p->torrent;
    if (!cursor_done(&c) || !p->have.bits || !bitfield_get(&p->have, piece))
        return 0;
    torrent_peer_lost(t, p, piece);
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
        return peer_hear_pex(p, payload);
    case EXTENSION_UT_HOLEPUNCH:
        return torrent_hear_holepunch(p->torrent, p, payload);
    case EXTENSION_LT_DONTHAVE:
        return hear_donthave(p, payload);
    case EXTENSION_UPLOAD_ONLY:
        p->upload_only = payload.size > 0 && payload.data[0] != 0;
        return 0;
    default:
        return 0;
    }
}
