/* Super-seeding (BEP 16): a lone seed shows each peer one piece at a time, and the next when that
 * one has been seen at somebody else, so that it sends little more than one copy of everything. */
#include "swarm/torrent/torrent_internal.h"

bool torrent_is_veiled(const struct torrent *t)
{
    return t->super_seeding && t->completed && t->picker;
}

static bool is_shown(const struct torrent *t, uint32_t piece)
{
    for (uint32_t i = 0; i < t->peer_count; i++)
        if (t->peers[i]->unveiled == piece)
            return true;
    return false;
}

/* The rarest piece that the peer lacks, one that nobody else is being shown if there is one. */
static uint32_t choose(const struct torrent *t, const struct peer *p)
{
    uint32_t best = UINT32_MAX, best_rank = UINT32_MAX;
    for (uint32_t i = 0; i < t->metainfo->piece_count && best_rank > 0; i++) {
        if (!bitfield_get(&t->have, i) || bitfield_get(&p->have, i) || p->unveiled == i)
            continue;
        uint32_t rank = picker_availability(t->picker, i) * 2 + is_shown(t, i);
        if (rank < best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

void torrent_unveil_next(struct torrent *t, struct peer *p)
{
    if (!torrent_is_veiled(t) || !p->have.bits)
        return;
    uint32_t piece = choose(t, p);
    if (piece == UINT32_MAX)
        return;
    p->unveiled = piece;
    peer_say_have(p, piece);
}

/* Somebody has the piece now. If it was shown to another peer, that one passed it on and has earned
 * the next; a peer that is alone cannot pass on anything. */
void torrent_unveil_seen(struct torrent *t, struct peer *by, uint32_t piece)
{
    if (!torrent_is_veiled(t))
        return;
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        if (p->unveiled == piece && (p != by || t->peer_count == 1))
            torrent_unveil_next(t, p);
    }
}

void torrent_set_super_seeding(struct torrent *t, bool on)
{
    bool was = torrent_is_veiled(t);
    t->super_seeding = on;
    if (!was || on)
        return;
    for (uint32_t i = 0; i < t->peer_count; i++)
        for (uint32_t piece = bitfield_next_set(&t->have, 0); piece < t->have.size;
             piece = bitfield_next_set(&t->have, piece + 1))
            if (!bitfield_get(&t->peers[i]->have, piece))
                peer_say_have(t->peers[i], piece);
}
