/* Who gave what was bad.
 *
 * The only giver of a bad piece is a liar, and banned. Of several, the blocks are remembered until
 * the piece is right, or its leaves are known: then it shows whose were not (swarm/pieces/blame.h).
 * Meanwhile they are suspects (swarm/pieces/suspects.h), and kept apart: each gives whole pieces,
 * alone, and what it has given to others' pieces is forgotten. So a liar spoils few pieces, whoever
 * else gave to them; and an honest peer clears itself with the next piece that it gives. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include <stdlib.h>

/* A peer that has left. */
struct departed {
    uint32_t id;
    struct endpoint address;
};

static void ban(struct torrent *t, const struct endpoint *address)
{
    t->liars += !peer_list_banned(t->candidates, address);
    peer_list_ban(t->candidates, address);
    for (uint32_t i = t->peer_count; i-- > 0;)
        if (i < t->peer_count && endpoint_equal(&t->peers[i]->address, address))
            peer_hang_up(t->peers[i], ERR_HASH, "sent a bad piece");
}

static void is_liar(void *user, const struct endpoint *address)
{
    ban(user, address);
}

static bool is_suspect(const struct torrent *t, const struct peer *p)
{
    return suspects_hold(&t->suspects, &p->address);
}

/* ---- keeping suspects apart ---------------------------------------------------------------- */

static bool gave_all_of(const struct piece_buffer *pb, uint32_t giver)
{
    for (uint32_t b = 0; pb && b < pb->block_count; b++)
        if (pb->states[b] >= BLOCK_IN_MEMORY && pb->givers[b] != giver)
            return false;
    return true;
}

static bool is_its_own(struct torrent *t, const struct peer *p, uint32_t piece)
{
    return gave_all_of(torrent_buffer_of(t, piece), p->id) &&
           picker_make_alone(t->picker, piece, p->id);
}

static void cancel_shared_requests(struct torrent *t, struct peer *p)
{
    for (uint32_t i = 0; i < p->requests.count && !p->gone; i++) {
        struct request *r = request_ring_at(&p->requests, i);
        if (r->state != REQUEST_WAITING || is_its_own(t, p, r->piece))
            continue;
        torrent_block_abandoned(t, p, r->piece, r->begin);
        peer_cancel_block(p, r->piece, r->begin);
    }
}

static void forget_shared_blocks(struct torrent *t, const struct peer *p)
{
    for (uint32_t i = 0; i < t->buffer_count; i++) {
        struct piece_buffer *pb = t->buffers[i];
        if (pb->busy || piece_buffer_whole(pb) || is_its_own(t, p, pb->piece))
            continue;
        for (uint32_t b = 0; b < pb->block_count; b++) {
            if (pb->states[b] < BLOCK_IN_MEMORY || pb->givers[b] != p->id)
                continue;
            t->wasted += piece_buffer_block_size(pb, b);
            piece_buffer_forget(pb, b);
            picker_forget_block(t->picker, pb->piece, b);
        }
    }
}

static void keep_apart(struct torrent *t, struct peer *p)
{
    cancel_shared_requests(t, p);
    forget_shared_blocks(t, p);
}

bool torrent_may_give(struct torrent *t, uint32_t giver, uint32_t piece)
{
    const struct peer *p = t->suspects.count > 0 ? torrent_peer_by_id(t, giver) : NULL;
    return !p || !is_suspect(t, p) || picker_is_alone(t->picker, piece, giver);
}

struct taking {
    struct torrent *torrent;
    bool suspect; /* who would take it */
};

static bool somebody_trusted_has(const struct torrent *t, uint32_t piece)
{
    for (uint32_t i = 0; i < t->peer_count; i++) {
        const struct peer *p = t->peers[i];
        if (p->have.bits && bitfield_get(&p->have, piece) && !p->pipeline.snubbed &&
            !p->choking_us && !is_suspect(t, p))
            return true;
    }
    return false;
}

static bool gives_way(void *user, uint32_t piece, uint32_t alone_of)
{
    const struct taking *k = user;
    const struct piece_buffer *pb = torrent_buffer_of(k->torrent, piece);
    const struct peer *owner = alone_of ? torrent_peer_by_id(k->torrent, alone_of) : NULL;
    if (pb && pb->busy)
        return false;
    if (owner)
        return !k->suspect || owner->choking_us || owner->pipeline.snubbed;
    return alone_of || !somebody_trusted_has(k->torrent, piece);
}

bool torrent_take_over(struct torrent *t, struct peer *p, const struct picker_peer *view)
{
    struct taking k = {t, view->alone};
    if (t->suspects.count == 0)
        return false;
    uint32_t piece = picker_take_over(t->picker, view, gives_way, &k);
    if (piece == t->metainfo->piece_count)
        return false;
    struct piece_buffer *pb = torrent_buffer_of(t, piece);
    for (uint32_t i = 0; i < t->peer_count; i++)
        if (t->peers[i] != p)
            peer_drop_piece(t->peers[i], piece);
    if (pb)
        t->wasted += (uint64_t)(pb->in_memory + pb->on_disk) * PIECE_BLOCK_SIZE;
    if (pb)
        torrent_drop_buffer(t, pb);
    picker_restart_piece(t->picker, piece);
    return true;
}

/* ---- what was found ------------------------------------------------------------------------ */

static void remember_blocks(
    struct torrent *t, const struct piece_buffer *pb, const struct endpoint *from)
{
    struct metainfo_piece info;
    metainfo_piece(t->metainfo, pb->piece, &info);
    blame_bad(&t->blame, pb, from, info.has_v2 ? info.v2_size : 0);
    torrent_leaves_want(t, pb);
}

/* Each once, however many blocks it gave. */
static void suspect_givers(
    struct torrent *t, const struct piece_buffer *pb, const struct endpoint *from)
{
    for (uint32_t b = 0; b < pb->block_count; b++) {
        bool done = from[b].family == ADDR_NONE || peer_list_banned(t->candidates, &from[b]);
        for (uint32_t i = 0; i < b && !done; i++)
            done = pb->givers[i] == pb->givers[b];
        if (done)
            continue;
        bool already = suspects_hold(&t->suspects, &from[b]);
        struct peer *p = torrent_peer_by_id(t, pb->givers[b]);
        suspects_add(&t->suspects, &from[b]);
        if (p && !already)
            keep_apart(t, p);
    }
}

/* Whoever gives something bad and leaves before it shows is known none the less. */
static struct endpoint address_of(struct torrent *t, uint32_t giver)
{
    const struct peer *p = torrent_peer_by_id(t, giver);
    for (unsigned i = 0; !p && giver && t->departed && i < TORRENT_DEPARTED; i++)
        if (t->departed[i].id == giver)
            return t->departed[i].address;
    return p ? p->address : (struct endpoint){0};
}

void torrent_blame_departed(struct torrent *t, const struct peer *p)
{
    if (!t->departed)
        t->departed = calloc(TORRENT_DEPARTED, sizeof *t->departed);
    if (!t->departed)
        return;
    t->departed[t->next_departed] = (struct departed){p->id, p->address};
    t->next_departed = (t->next_departed + 1) % TORRENT_DEPARTED;
}

void torrent_forget_departed(struct torrent *t)
{
    free(t->departed);
    t->departed = NULL;
    t->next_departed = 0;
}

void torrent_blame_bad(struct torrent *t, const struct piece_buffer *pb)
{
    struct endpoint *from = calloc(pb->block_count, sizeof *from);
    bool alone = true;
    for (uint32_t i = 0; from && i < pb->block_count; i++) {
        from[i] = address_of(t, pb->givers[i]);
        alone &= pb->givers[i] == pb->givers[0];
    }
    if (from)
        suspect_givers(t, pb, from);
    if (from && alone && from[0].family != ADDR_NONE)
        ban(t, &from[0]);
    else if (alone && torrent_web_condemn(t, pb->givers[0]))
        ; /* done */
    else if (from)
        remember_blocks(t, pb, from);
    free(from);
}

void torrent_blame_good(struct torrent *t, const struct piece_buffer *pb)
{
    struct peer *p = torrent_peer_by_id(t, pb->givers[0]);
    if (p && gave_all_of(pb, p->id))
        suspects_clear(&t->suspects, &p->address);
    blame_good(&t->blame, pb, is_liar, t);
}

void torrent_blame_leaves(
    struct torrent *t, uint32_t piece, const struct sha256_digest *leaves, size_t count)
{
    blame_leaves(&t->blame, piece, leaves, count, is_liar, t);
}
