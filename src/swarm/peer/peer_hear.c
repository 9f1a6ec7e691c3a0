/* Messages that come in: BEP 3, 6, 10, 52. What is outside a message's rules is an offence or ends
 * the connection; what comes before the metadata is known is remembered within bounds. */
#include "base/err.h"
#include "proto/peer_wire.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdlib.h>

/* ---- what it has --------------------------------------------------------------------------- */

static int early_reserve(struct peer *p, size_t size)
{
    if (size <= p->early_size)
        return 0;
    uint8_t *grown = realloc(p->early, size);
    if (!grown)
        return ERR_NOMEM;
    memset(grown + p->early_size, 0, size - p->early_size);
    p->early = grown;
    p->early_size = (uint32_t)size;
    return 0;
}

static int hear_have(struct peer *p, uint32_t piece)
{
    if (!torrent_metainfo(p->torrent)) {
        if (piece >= PEER_EARLY_BITS_MAX)
            return 0;
        int err = early_reserve(p, piece / 8 + 1);
        if (!err)
            p->early[piece / 8] |= (uint8_t)(0x80u >> piece % 8);
        return err;
    }
    if (piece >= p->have.size)
        return ERR_PROTOCOL;
    if (bitfield_set(&p->have, piece))
        torrent_peer_has(p->torrent, p, piece);
    return 0;
}

static int hear_bitfield(struct peer *p, struct bytes bits)
{
    if (!torrent_metainfo(p->torrent)) {
        if (bits.size > PEER_EARLY_BITS_MAX / 8)
            return 0;
        int err = early_reserve(p, bits.size);
        if (!err)
            memcpy(p->early, bits.data, bits.size);
        return err;
    }
    torrent_peer_forget(p->torrent, p);
    if (bitfield_load(&p->have, bits) != 0)
        return ERR_PROTOCOL;
    torrent_peer_known(p->torrent, p);
    return 0;
}

static int hear_have_all(struct peer *p)
{
    p->has_all = true;
    if (!torrent_metainfo(p->torrent))
        return 0;
    torrent_peer_forget(p->torrent, p);
    bitfield_set_all(&p->have);
    torrent_peer_known(p->torrent, p);
    return 0;
}

void peer_learn_sizes(struct peer *p)
{
    uint32_t pieces = torrent_metainfo(p->torrent)->piece_count;
    if (p->have.bits) { /* it joined between the metadata and the data */
        torrent_peer_known(p->torrent, p);
        return;
    }
    if (bitfield_init(&p->have, pieces) != 0)
        return;
    size_t bytes = bitfield_byte_count(pieces);
    if (p->has_all) {
        bitfield_set_all(&p->have);
    } else if (p->early) {
        for (uint32_t i = 0; i < pieces && i / 8 < p->early_size && i / 8 < bytes; i++)
            if (p->early[i / 8] & (0x80u >> i % 8))
                bitfield_set(&p->have, i);
    }
    free(p->early);
    p->early = NULL;
    p->early_size = 0;
    torrent_peer_known(p->torrent, p);
}

/* ---- choking ------------------------------------------------------------------------------- */

static int hear_choke(struct peer *p)
{
    p->choking_us = true;
    /* With Fast each request is rejected by name; without, a choke drops them all (BEP 3, 6). */
    if (!p->fast) {
        peer_abandon_requests(p);
        while (p->requests.count > 0)
            request_ring_remove(&p->requests, request_ring_at(&p->requests, 0));
    }
    return 0;
}

static int hear_unchoke(struct peer *p)
{
    p->choking_us = false;
    pipeline_unchoked(&p->pipeline, p->torrent->now);
    peer_ask(p, p->torrent->now);
    return 0;
}

static int hear_interest(struct peer *p, bool interested)
{
    bool wanted = peer_wants_slot(p), was_presumed = p->presumed;
    p->interested_in_us = interested;
    p->presumed = false;
    if (was_presumed && interested) /* now it is known what it has */
        torrent_suggest_first(p->torrent, p);
    if (wanted == interested)
        return 0;
    if (p->choked_by_us && interested)
        torrent_slot_wanted(p->torrent);
    else if (!p->choked_by_us && interested)
        torrent_slot_taken(p->torrent);
    else if (!p->choked_by_us)
        torrent_slot_freed(p->torrent);
    return 0;
}

static int hear_allowed_fast(struct peer *p, uint32_t piece)
{
    unsigned max = sizeof p->allowed_fast / sizeof *p->allowed_fast;
    if (p->fast && p->allowed_fast_count < max)
        p->allowed_fast[p->allowed_fast_count++] = piece;
    if (torrent_metainfo(p->torrent))
        peer_ask(p, p->torrent->now);
    return 0;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static int hear_core(struct peer *p, int id, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint32_t piece, begin;
    switch (id) {
    case WIRE_CHOKE:
        return hear_choke(p);
    case WIRE_UNCHOKE:
        return hear_unchoke(p);
    case WIRE_INTERESTED:
        return hear_interest(p, true);
    case WIRE_NOT_INTERESTED:
        return hear_interest(p, false);
    case WIRE_HAVE:
        return hear_have(p, cursor_u32(&c));
    case WIRE_BITFIELD:
        return hear_bitfield(p, payload);
    case WIRE_REQUEST:
        piece = cursor_u32(&c);
        begin = cursor_u32(&c);
        return peer_asked(p, piece, begin, cursor_u32(&c));
    case WIRE_CANCEL:
        piece = cursor_u32(&c);
        begin = cursor_u32(&c);
        peer_ask_cancelled(p, piece, begin, cursor_u32(&c));
        return 0;
    default:
        return ERR_UNSUPPORTED;
    }
}

/* BEP 6: only where both sides said so. */
static int hear_fast(struct peer *p, int id, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint32_t piece, begin;
    if (!p->fast)
        return ERR_PROTOCOL;
    switch (id) {
    case WIRE_SUGGEST:
        p->suggested[p->suggested_next++ % PEER_SUGGESTED] = cursor_u32(&c);
        return 0;
    case WIRE_HAVE_ALL:
        return hear_have_all(p);
    case WIRE_HAVE_NONE:
        return 0;
    case WIRE_REJECT:
        piece = cursor_u32(&c);
        begin = cursor_u32(&c);
        peer_rejected(p, piece, begin, cursor_u32(&c));
        return 0;
    default:
        return hear_allowed_fast(p, cursor_u32(&c));
    }
}

static int hear_extended(struct peer *p, struct bytes payload)
{
    struct cursor c = cursor_of(payload);
    uint8_t id = cursor_u8(&c);
    if (!p->extensions || !cursor_ok(&c))
        return ERR_PROTOCOL;
    return peer_hear_extended(p, id, cursor_rest(&c));
}

/* BEP 5: its DHT node, at its own address. The first word counts, so that nobody makes us knock at
 * many ports. */
static void hear_port(struct peer *p, struct bytes payload)
{
    const struct swarm_host *host = &p->torrent->host;
    struct cursor c = cursor_of(payload);
    struct endpoint at = p->address;
    at.port = cursor_u16(&c);
    if (p->heard_port || at.port == 0 || !host->ops->dht_node)
        return;
    p->heard_port = true;
    host->ops->dht_node(host->user, &at);
}

int peer_hear(struct peer *p, int id, struct bytes payload)
{
    p->heard_at = p->torrent->now;
    if (id < 0)
        return 0;
    if (id <= WIRE_CANCEL)
        return hear_core(p, id, payload);
    if (id >= WIRE_SUGGEST && id <= WIRE_ALLOWED_FAST)
        return hear_fast(p, id, payload);
    if (id == WIRE_EXTENDED)
        return hear_extended(p, payload);
    if (id >= WIRE_HASH_REQUEST && id <= WIRE_HASH_REJECT)
        return p->v2 ? torrent_hear_hashes(p->torrent, p, id, payload) : ERR_PROTOCOL;
    if (id == WIRE_PORT)
        hear_port(p, payload);
    return 0; /* what we do not know is harmless */
}

int peer_check_length(struct peer *p, uint8_t id, uint32_t length)
{
    const struct metainfo *m = torrent_metainfo(p->torrent);
    struct wire_limits limits = {
        .piece_count = m ? m->piece_count : 0, .metadata_known = m != NULL};
    return wire_check_length(id, length, &limits);
}
