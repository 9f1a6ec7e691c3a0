/* What a peer asks of us: requests wait in a bounded queue, are read by the store a few at a time,
 * and enter the send queue in the order of asking. */
#include "base/err.h"
#include "proto/peer_wire.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdlib.h>

/* ---- the queue ----------------------------------------------------------------------------- */

static struct upload_request *queue_at(struct upload_queue *q, uint32_t i)
{
    return &q->slots[(q->head + i) & (q->capacity - 1)];
}

static int queue_reserve(struct upload_queue *q)
{
    if (q->count < q->capacity)
        return 0;
    uint32_t capacity = q->capacity ? q->capacity * 2 : 32;
    struct upload_request *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < q->count; i++)
        slots[i] = *queue_at(q, i);
    free(q->slots);
    *q = (struct upload_queue){.slots = slots, .count = q->count, .capacity = capacity};
    return 0;
}

static int queue_push(struct upload_queue *q, struct upload_request r)
{
    int err = queue_reserve(q);
    if (!err)
        *queue_at(q, q->count++) = r;
    return err;
}

static int queue_push_front(struct upload_queue *q, struct upload_request r)
{
    int err = queue_reserve(q);
    if (err)
        return err;
    q->head = (q->head - 1) & (q->capacity - 1);
    q->count++;
    *queue_at(q, 0) = r;
    return 0;
}

static void queue_pop(struct upload_queue *q)
{
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
}

static bool queue_remove(struct upload_queue *q, uint32_t piece, uint32_t begin, uint32_t length)
{
    for (uint32_t i = 0; i < q->count; i++) {
        struct upload_request *r = queue_at(q, i);
        if (r->piece != piece || r->begin != begin || r->length != length)
            continue;
        for (; i + 1 < q->count; i++)
            *queue_at(q, i) = *queue_at(q, i + 1);
        q->count--;
        return true;
    }
    return false;
}

/* ---- being asked --------------------------------------------------------------------------- */

/* Whoever has as many pieces as a set has something to trade with (BEP 6). */
static bool in_fast_set(const struct peer *p, uint32_t piece)
{
    if (p->have.count >= PEER_FAST_SET_SIZE)
        return false;
    for (unsigned i = 0; i < p->fast_set_size; i++)
        if (p->fast_set[i] == piece)
            return true;
    return false;
}

static bool request_fits(const struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    const struct metainfo *m = torrent_metainfo(p->torrent);
    if (!m || piece >= m->piece_count || length == 0 || length > PEER_BLOCK_MAX)
        return false;
    uint32_t size = metainfo_request_size(m, piece); /* more than its size in v2 alone */
    return begin < size && length <= size - begin;
}

int peer_asked(struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    if (!request_fits(p, piece, begin, length)) {
        peer_say_reject(p, piece, begin, length);
        return peer_offend(p, "asks for a block outside the torrent");
    }
    bool may = !p->choked_by_us || in_fast_set(p, piece);
    if (!may || !bitfield_get(&p->torrent->have, piece) || !torrent_is_serving(p->torrent) ||
        p->uploads.count >= PEER_REQUESTS_IN_MAX) {
        /* Without Fast a choke drops requests silently, and some were under way (BEP 3). */
        peer_say_reject(p, piece, begin, length);
        return 0;
    }
    if (begin == 0 && !p->choked_by_us)
        torrent_suggest_next(p->torrent, p, piece);
    /* Served when all that came with it has been heard: requests are read in batches. */
    enum storage_way way = p->can_lend ? STORAGE_LEND : STORAGE_COPY;
    return queue_push(&p->uploads, (struct upload_request){piece, begin, length, way});
}

void peer_ask_cancelled(struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    /* With Fast every request ends in a piece or a reject, cancelled ones too (BEP 6). What is
     * already being read is sent: the canceller reckons with that. */
    if (queue_remove(&p->uploads, piece, begin, length))
        peer_say_reject(p, piece, begin, length);
}

void peer_drop_uploads(struct peer *p, bool say_reject)
{
    for (uint32_t i = 0; i < p->uploads.count && say_reject; i++) {
        struct upload_request *r = queue_at(&p->uploads, i);
        peer_say_reject(p, r->piece, r->begin, r->length);
    }
    p->uploads.head = p->uploads.count = 0;
}

void peer_set_choked(struct peer *p, bool choked, usec now)
{
    if (choked == p->choked_by_us || p->gone)
        return;
    bool wants = peer_wants_slot(p);
    p->choked_by_us = choked;
    p->presumed &= !choked;
    *(choked ? &p->choked_at : &p->unchoked_at) = now;
    if (wants && choked)
        torrent_slot_freed(p->torrent);
    else if (wants)
        torrent_slot_taken(p->torrent);
    peer_say_choke(p, choked);
    if (!choked && !p->presumed)
        torrent_suggest_first(p->torrent, p);
    /* Choke first, then the rejects (transmission's order, which everybody accepts). */
    if (choked)
        peer_drop_uploads(p, true);
}

/* ---- serving ------------------------------------------------------------------------------- */

/* Requests from the front, as many as go into one read of about so many bytes; NULL: no buffer
 * memory, the end of another read serves us. */
static struct storage_read *gather(struct peer *p, size_t about)
{
    struct storage_read *read = storage_read_new(p->torrent->storage);
    while (read && p->uploads.count > 0 && read->length < about) {
        struct upload_request *r = queue_at(&p->uploads, 0);
        if (!storage_read_add(read, r->way, r->piece, r->begin, r->length))
            break;
        queue_pop(&p->uploads);
    }
    if (!read || read->block_count > 0)
        return read;
    storage_read_release(read);
    return NULL;
}

/* How far to read ahead of what it takes. What waits in its own queue can still be cancelled, or
 * dropped by a choke: a slow peer has little of it anywhere else. */
static size_t read_ahead(struct peer *p)
{
    uint64_t ahead =
        rate_meter_value(&p->up_rate, p->torrent->now) * PEER_UPLOADS_AHEAD / SECONDS(1);
    if (ahead < PEER_UPLOADS_READ_MIN)
        return PEER_UPLOADS_READ_MIN;
    return ahead < PEER_UPLOADS_READ_MAX ? (size_t)ahead : PEER_UPLOADS_READ_MAX;
}

void peer_serve(struct peer *p)
{
    size_t ahead = read_ahead(p);
    size_t step = ahead / 2 < STORAGE_READ_MAX ? ahead / 2 : STORAGE_READ_MAX;
    while (
        !p->gone && p->uploads.count > 0 && p->reading_bytes + p->out.block_bytes <= ahead - step) {
        struct storage_read *read = gather(p, step);
        if (!read)
            return;
        torrent_read_for(p->torrent, p, read);
    }
}

/* ---- what was read ------------------------------------------------------------------------- */

static int send_block(struct peer *p, struct storage_read *read, unsigned i)
{
    const struct storage_block *of = &read->blocks[i];
    struct send_block b = {.hold = read};
    struct builder head = builder_fixed(b.head, sizeof b.head);
    builder_u32(&head, 9 + of->length);
    builder_u8(&head, WIRE_PIECE);
    builder_u32(&head, of->piece);
    builder_u32(&head, of->begin);
    b.part_count = (unsigned)storage_read_runs(read, i, b.parts);
    storage_read_hold(read);
    return send_queue_block(&p->out, &b);
}

/* Whatever it was that kept a file from being lent, copying shows whether it is one of ours. */
static int copy_later(struct peer *p, const struct storage_read *read)
{
    int err = 0;
    for (unsigned i = read->block_count; i-- > 0 && !err;) {
        const struct storage_block *b = &read->blocks[i];
        err = queue_push_front(
            &p->uploads, (struct upload_request){b->piece, b->begin, b->length, STORAGE_COPY});
    }
    return err;
}

static int send_blocks(struct peer *p, struct storage_read *read)
{
    int err = 0;
    for (unsigned i = 0; i < read->block_count && !err; i++) {
        const struct storage_block *b = &read->blocks[i];
        if (b->err)
            peer_say_reject(p, b->piece, b->begin, b->length);
        else
            err = send_block(p, read, i);
    }
    return err;
}

void peer_read_ended(struct peer *p, struct storage_read *read, int err)
{
    err = err ? copy_later(p, read) : send_blocks(p, read);
    if (err)
        peer_hang_up(p, err, "no memory");
    else
        peer_pump(p);
}
