/* The info dictionary: fetching it when a link is all we have, serving it when we have it (BEP 9).
 */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include "proto/ut_metadata.h"

static void say_metadata(struct peer *p, const struct ut_metadata *m)
{
    struct builder b = builder_heap(UT_METADATA_PIECE_SIZE + 256);
    ut_metadata_put(&b, m);
    if (builder_ok(&b) && p->theirs.ut_metadata)
        peer_say_extended(p, p->theirs.ut_metadata, builder_bytes(&b));
    builder_free(&b);
}

/* ---- serving ------------------------------------------------------------------------------- */

static void serve(struct torrent *t, struct peer *p, uint32_t piece)
{
    struct ut_metadata answer = {.type = UT_METADATA_REJECT, .piece = piece};
    const struct metainfo *m = t->metainfo;
    uint64_t begin = (uint64_t)piece * UT_METADATA_PIECE_SIZE;
    if (m && begin < m->info.size) {
        size_t left = m->info.size - begin;
        answer.type = UT_METADATA_DATA;
        answer.total_size = (int64_t)m->info.size;
        answer.data = bytes_of(
            m->info.data + begin, left < UT_METADATA_PIECE_SIZE ? left : UT_METADATA_PIECE_SIZE);
    }
    say_metadata(p, &answer);
}

/* ---- fetching ------------------------------------------------------------------------------ */

static void whole_arrived(struct torrent *t)
{
    struct bytes info = metadata_fetch_whole(t->fetch);
    struct metainfo *m = NULL;
    struct format_error error;
    int err = metainfo_info_matches(info, t->has_v1 ? &t->v1 : NULL, t->has_v2 ? &t->v2 : NULL);
    if (err) {
        struct peer *liar = torrent_peer_by_id(t, metadata_fetch_wrong(t->fetch));
        log_info(t->host.log, "swarm", "the metadata that peers sent has another hash");
        t->metadata_lies++;
        if (!liar)
            return;
        peer_list_ban(t->candidates, &liar->address);
        peer_hang_up(liar, ERR_HASH, "sent wrong metadata");
        return;
    }
    err = metainfo_parse_info(info, &m, &error);
    if (err) {
        torrent_fail(t, err, error.text);
        return;
    }
    t->metainfo = m;
    t->has_v1 = m->has_v1;
    t->has_v2 = m->has_v2;
    t->v1 = m->v1;
    t->v2 = m->v2;
    metadata_fetch_free(t->fetch);
    t->fetch = NULL;
    t->state = TORRENT_WAITING;
    torrent_tell(t, TORRENT_METADATA_KNOWN, NULL);
}

bool torrent_metadata_was_wrong(const struct torrent *t)
{
    return !t->metainfo && t->metadata_lies > 0;
}

const char *torrent_metadata_waits(const struct torrent *t)
{
    bool offered = false, giant = false;
    for (uint32_t i = 0; i < t->peer_count; i++) {
        const struct peer *p = t->peers[i];
        offered |= p->metadata_size > 0 && p->metadata_size <= METADATA_FETCH_SIZE_MAX;
        giant |= p->metadata_size > METADATA_FETCH_SIZE_MAX;
    }
    if (t->metadata_lies > 0)
        return "what peers sent as the torrent's description was not it; asking others";
    if (offered)
        return "asking peers for the torrent's description";
    return giant ? "the torrent's description is said to be larger than 32 MiB; waiting for other "
                   "peers"
                 : "connected; no peer has the torrent's description to give";
}

static void ask_one(struct torrent *t, struct peer *p)
{
    uint32_t piece;
    if (!p->theirs.ut_metadata || p->metadata_size == 0)
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (!metadata_fetch_next(t->fetch, p->id, p->metadata_size, t->now, &piece))
            return;
        say_metadata(p, &(struct ut_metadata){.type = UT_METADATA_REQUEST, .piece = piece});
    }
}

void torrent_metadata_tick(struct torrent *t)
{
    if (!t->fetch)
        t->fetch = metadata_fetch_new();
    for (uint32_t i = 0; t->fetch && i < t->peer_count; i++)
        ask_one(t, t->peers[i]);
}

static int take_data(struct torrent *t, struct peer *p, const struct ut_metadata *m)
{
    if (!t->fetch)
        return 0;
    int got = metadata_fetch_data(t->fetch, p->id, m->piece, m->data);
    if (got < 0)
        return peer_offend(p, "sends metadata that nobody asked for");
    if (got == 1)
        whole_arrived(t);
    else
        ask_one(t, p);
    return p->gone ? ERR_CLOSED : 0;
}

int torrent_hear_metadata(struct torrent *t, struct peer *p, struct bytes payload)
{
    struct ut_metadata m;
    if (ut_metadata_parse(payload, &m) != 0)
        return peer_offend(p, "sends malformed metadata messages");
    switch (m.type) {
    case UT_METADATA_REQUEST:
        serve(t, p, m.piece);
        return 0;
    case UT_METADATA_DATA:
        return take_data(t, p, &m);
    case UT_METADATA_REJECT:
        if (t->fetch)
            metadata_fetch_rejected(t->fetch, p->id, m.piece);
        return 0;
    default:
        return 0; /* a later version's (BEP 9: ignore) */
    }
}
