/* What we ask a peer for, and the receiver's questions about where its answers belong. */
#include "base/err.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"

#define DEPTH_IN_A_CROWD 2u
#define PICK_MAX 64u /* blocks asked of the picker at once */

/* ---- the receiver asks --------------------------------------------------------------------- */

static bool predict(void *user, unsigned nth, struct receiver_block *out)
{
    struct peer *p = user;
    if (nth == 0)
        p->predict_at = 0;
    for (;; p->predict_at++) {
        struct request *r = request_ring_at(&p->requests, p->predict_at);
        if (!r)
            return false;
        /* What was given back may be asked for again behind it: one place is laid out once. */
        if (r->state != REQUEST_WAITING || receiver_is_inside(&p->receiver, r->piece, r->begin))
            continue;
        uint8_t *place = torrent_block_place(p->torrent, r->piece, r->begin);
        if (!place)
            return false;
        *out = (struct receiver_block){r->piece, r->begin, r->length, place};
        p->predict_at++;
        return true;
    }
}

static int place(void *user, struct receiver_block *block)
{
    struct peer *p = user;
    const struct request *r = request_ring_find(&p->requests, block->piece, block->begin);
    block->place = NULL;
    if (r && r->length == block->length)
        block->place = torrent_block_place(p->torrent, block->piece, block->begin);
    return 0;
}

static bool begun(void *user, const struct receiver_block *block)
{
    struct peer *p = user;
    return torrent_block_begun(p->torrent, block->piece, block->begin);
}

static int block_arrived(void *user, const struct receiver_block *block)
{
    struct peer *p = user;
    struct torrent *t = p->torrent;
    rate_meter_add(&p->down_rate, block->length, t->now);
    torrent_count_download(t, block->length);
    struct request *r = request_ring_find(&p->requests, block->piece, block->begin);
    if (!r || r->length != block->length) {
        t->wasted += block->length;
        /* Answers to what was cancelled come late and are no breach; a stream of them is. */
        return p->requests.count == 0 ? peer_offend(p, "sends blocks that nobody asked for") : 0;
    }
    pipeline_block(&p->pipeline, block->length, t->now - r->sent_at, t->now);
    bool counted = r->state == REQUEST_WAITING;
    request_ring_remove(&p->requests, r);
    if (!block->place) {
        t->wasted += block->length;
        if (counted)
            torrent_block_abandoned(t, p, block->piece, block->begin);
        return 0;
    }
    torrent_block_came(t, p->id, block->piece, block->begin, block->length);
    return p->gone ? ERR_CLOSED : 0;
}

static int hear(void *user, int id, struct bytes payload)
{
    struct peer *p = user;
    int err = peer_hear(p, id, payload);
    return p->gone ? ERR_CLOSED : err;
}

static int check(void *user, uint8_t id, uint32_t length)
{
    return peer_check_length(user, id, length);
}

const struct receiver_ops peer_receiver_ops = {
    .predict = predict,
    .place = place,
    .begun = begun,
    .block = block_arrived,
    .message = hear,
    .check = check,
};

/* ---- asking -------------------------------------------------------------------------------- */

static void send_request(struct peer *p, const struct picker_block *b, usec now)
{
    struct torrent *t = p->torrent;
    struct request r = {.piece = b->piece,
        .begin = b->block * METAINFO_BLOCK_SIZE,
        .length = torrent_block_size(t, b->piece, b->block),
        .sent_at = now};
    if (request_ring_push(&p->requests, r) != 0) {
        torrent_block_abandoned(t, p, r.piece, r.begin);
        return;
    }
    peer_say_request(p, &r);
}

/* What comes has to wait in memory for the rest of its piece. A few fast peers may fill it; where a
 * thousand take part each gets little at a time, or most would go by way of the disk (spilled). */
static uint32_t depth_of(const struct peer *p)
{
    uint32_t depth = pipeline_depth(&p->pipeline);
    bool enough = p->torrent->asked >= p->torrent->asked_enough;
    return enough && depth > DEPTH_IN_A_CROWD ? DEPTH_IN_A_CROWD : depth;
}

void peer_ask(struct peer *p, usec now)
{
    struct torrent *t = p->torrent;
    if (p->gone || !torrent_is_downloading(t) || !p->interesting)
        return;
    if (p->choking_us && p->allowed_fast_count == 0)
        return;
    struct picker_block picked[PICK_MAX];
    for (;;) {
        uint32_t depth = depth_of(p);
        if (p->requests.waiting >= depth || p->requests.count >= REQUEST_RING_MAX - PICK_MAX)
            return;
        uint32_t want = depth - p->requests.waiting;
        want = want < PICK_MAX ? want : PICK_MAX;
        uint32_t count = torrent_pick(t, p, want, picked);
        for (uint32_t i = 0; i < count && !p->gone; i++)
            send_request(p, &picked[i], now);
        if (count < want || p->gone)
            return;
    }
}

void peer_abandon_requests(struct peer *p)
{
    for (uint32_t i = 0; i < p->requests.count; i++) {
        struct request *r = request_ring_at(&p->requests, i);
        if (r->state == REQUEST_WAITING)
            torrent_block_abandoned(p->torrent, p, r->piece, r->begin);
        request_ring_release(&p->requests, r);
    }
}

usec peer_check_timeouts(struct peer *p, usec now)
{
    usec patience = pipeline_timeout(&p->pipeline);
    usec next = NEVER;
    for (uint32_t i = 0; i < p->requests.count; i++) {
        struct request *r = request_ring_at(&p->requests, i);
        if (r->state != REQUEST_WAITING)
            continue;
        if (r->sent_at + patience > now) {
            next = r->sent_at + patience;
            break; /* the ring is in the order of asking */
        }
        pipeline_timed_out(&p->pipeline, now);
        torrent_block_abandoned(p->torrent, p, r->piece, r->begin);
        request_ring_release(&p->requests, r);
    }
    return next;
}

/* A choked peer that is refused a piece of its fast set does not ask for it again (BEP 6). */
static void forget_allowed(struct peer *p, uint32_t piece)
{
    for (unsigned i = 0; i < p->allowed_fast_count; i++)
        if (p->allowed_fast[i] == piece)
            p->allowed_fast[i] = p->allowed_fast[--p->allowed_fast_count];
}

void peer_rejected(struct peer *p, uint32_t piece, uint32_t begin, uint32_t length)
{
    struct request *r = request_ring_find(&p->requests, piece, begin);
    if (!r || r->length != length)
        return;
    if (p->choking_us)
        forget_allowed(p, piece);
    if (r->state == REQUEST_WAITING)
        torrent_block_abandoned(p->torrent, p, piece, begin);
    request_ring_remove(&p->requests, r);
}

void peer_cancel_block(struct peer *p, uint32_t piece, uint32_t begin)
{
    struct request *r = request_ring_find(&p->requests, piece, begin);
    if (!r || r->state != REQUEST_WAITING)
        return;
    peer_say_cancel(p, piece, begin, r->length);
    request_ring_release(&p->requests, r);
}

void peer_drop_piece(struct peer *p, uint32_t piece)
{
    for (uint32_t i = 0; i < p->requests.count && !p->gone; i++) {
        struct request *r = request_ring_at(&p->requests, i);
        if (r->state == REQUEST_WAITING && r->piece == piece) {
            torrent_block_abandoned(p->torrent, p, piece, r->begin);
            peer_cancel_block(p, piece, r->begin);
        }
    }
}

void peer_update_interest(struct peer *p)
{
    bool interesting =
        torrent_is_downloading(p->torrent) && torrent_finds_interesting(p->torrent, p);
    if (interesting == p->interesting || p->gone)
        return;
    p->interesting = interesting;
    peer_say_interested(p, interesting);
}
