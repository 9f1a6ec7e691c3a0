/* What to ask for, what arrived, what was proved. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>

/* ---- beginning and end --------------------------------------------------------------------- */

static uint32_t piece_size(const void *user, uint32_t piece)
{
    return metainfo_piece_size(user, piece);
}

static int apply_priorities(struct torrent *t)
{
    const struct metainfo *m = t->metainfo;
    uint8_t *wanted = calloc(m->piece_count ? m->piece_count : 1, 1);
    int err = wanted ? 0 : ERR_NOMEM;
    if (err)
        return err;
    for (uint32_t f = 0; f < m->file_count; f++) {
        uint8_t priority = m->files[f].flags & METAINFO_PAD ? 0 : t->file_priorities[f];
        for (uint32_t i = 0; i < m->files[f].piece_count; i++) {
            uint32_t piece = m->files[f].first_piece + i;
            if (wanted[piece] < priority)
                wanted[piece] = priority;
        }
    }
    for (uint32_t i = 0; i < m->piece_count && !err; i++)
        err = picker_set_priority(t->picker, i, wanted[i]);
    free(wanted);
    return err;
}

static int init_priorities(struct torrent *t)
{
    const struct metainfo *m = t->metainfo;
    if (t->file_priorities)
        return 0;
    t->file_priorities = malloc(m->file_count ? m->file_count : 1);
    if (!t->file_priorities)
        return ERR_NOMEM;
    memset(t->file_priorities, PICKER_PRIORITY_NORMAL, m->file_count);
    return 0;
}

/* Pieces that the memory holds side by side; a few in any case, for peers to work on. */
static uint32_t partials_wanted(const struct torrent *t)
{
    size_t memory = chunk_pool_size(storage_pool(t->storage)) * CHUNK_SIZE;
    size_t count = memory / t->metainfo->piece_length;
    return count < TORRENT_PARTIALS_MIN  ? TORRENT_PARTIALS_MIN
           : count < PICKER_PARTIALS_MAX ? (uint32_t)count
                                         : PICKER_PARTIALS_MAX;
}

int torrent_pieces_init(struct torrent *t, const struct bitfield *have)
{
    const struct metainfo *m = t->metainfo;
    struct picker_config config = {.piece_count = m->piece_count,
        .block_size = METAINFO_BLOCK_SIZE,
        .piece_size = piece_size,
        .user = m,
        .seed = t->seed,
        .partials_wanted = partials_wanted(t)};
    int err = init_priorities(t);
    if (!err)
        err = bitfield_init(&t->have, m->piece_count);
    if (err)
        return err;
    t->picker = picker_new(&config);
    if (!t->picker)
        return ERR_NOMEM;
    t->asked_enough = (uint32_t)(chunk_pool_size(storage_pool(t->storage)) * CHUNK_BLOCKS / 2);
    picker_set_sequential(t->picker, t->sequential);
    err = apply_priorities(t);
    for (uint32_t i = 0; have && i < m->piece_count; i++) {
        if (!bitfield_get(have, i))
            continue;
        bitfield_set(&t->have, i);
        picker_set_have(t->picker, i);
    }
    t->completed = picker_left(t->picker) == 0;
    return err;
}

void torrent_pieces_rest(struct torrent *t)
{
    if (!t->picker)
        return;
    picker_rest(t->picker);
    if (t->buffer_count > 0)
        return;
    free(t->buffers);
    t->buffers = NULL;
    torrent_forget_departed(t);
}

void torrent_pieces_free(struct torrent *t)
{
    blame_free(&t->blame);
    torrent_leaves_free(t);
    for (uint32_t i = 0; i < t->buffer_count; i++)
        piece_buffer_free(t->buffers[i]);
    free(t->buffers);
    t->buffers = NULL;
    t->buffer_count = 0;
    picker_free(t->picker);
    t->picker = NULL;
    bitfield_free(&t->have);
}

static void completed(struct torrent *t)
{
    t->completed = true;
    for (uint32_t i = 0; i < t->peer_count; i++) {
        peer_pump(t->peers[i]); /* who looks on learns of it before we may go */
        peer_update_interest(t->peers[i]);
    }
    torrent_tell(t, TORRENT_COMPLETE, NULL);
}

/* What is wanted now may be all there, or not any more. */
static int priorities_changed(struct torrent *t)
{
    if (!t->picker)
        return 0;
    bool was_complete = t->completed;
    int err = apply_priorities(t);
    if (err)
        return err;
    t->completed = picker_left(t->picker) == 0;
    if (t->completed && !was_complete) {
        completed(t);
        return 0;
    }
    for (uint32_t i = 0; i < t->peer_count; i++)
        peer_update_interest(t->peers[i]);
    return 0;
}

int torrent_set_file_priority(struct torrent *t, uint32_t file, int priority)
{
    if (!t->metainfo || file >= t->metainfo->file_count || priority < 0 ||
        priority > PICKER_PRIORITY_MAX)
        return ERR_INVALID;
    int err = init_priorities(t);
    if (err)
        return err;
    t->file_priorities[file] = (uint8_t)priority;
    return priorities_changed(t);
}

int torrent_set_file_priorities(struct torrent *t, const uint8_t *priorities)
{
    int err = t->metainfo ? init_priorities(t) : ERR_INVALID;
    if (err)
        return err;
    for (uint32_t f = 0; f < t->metainfo->file_count; f++)
        t->file_priorities[f] = priorities ? priorities[f] : PICKER_PRIORITY_NORMAL;
    return priorities_changed(t);
}

void torrent_set_sequential(struct torrent *t, bool on)
{
    t->sequential = on;
    if (t->picker)
        picker_set_sequential(t->picker, on);
}

void torrent_progress(const struct torrent *t, struct torrent_stats *s)
{
    const struct metainfo *m = t->metainfo;
    for (uint32_t f = 0; f < m->file_count; f++)
        if (!(m->files[f].flags & METAINFO_PAD) && t->file_priorities[f] > 0)
            s->bytes_total += m->files[f].length;
    for (uint32_t i = bitfield_next_clear(&t->have, 0); i < m->piece_count;
         i = bitfield_next_clear(&t->have, i + 1)) {
        if (!picker_wants(t->picker, i))
            continue;
        const struct bitfield *blocks = picker_blocks(t->picker, i);
        uint64_t size = metainfo_piece_size(m, i);
        uint64_t here = blocks ? (uint64_t)blocks->count * METAINFO_BLOCK_SIZE : 0;
        s->bytes_left += here < size ? size - here : 0;
    }
    /* Pads count as pieces' bytes but as nobody's data. */
    if (s->bytes_left > s->bytes_total)
        s->bytes_left = s->bytes_total;
    s->bytes_done = s->bytes_total - s->bytes_left;
}

/* ---- availability -------------------------------------------------------------------------- */

void torrent_peer_known(struct torrent *t, struct peer *p)
{
    if (!t->picker || p->counted || !p->have.bits)
        return;
    if (picker_wake(t->picker) != 0)
        return; /* it has nothing for us then */
    p->counted = true;
    picker_add_peer(t->picker, &p->have);
    peer_update_interest(p);
    peer_ask(p, t->now);
    if (bitfield_full(&p->have)) {
        torrent_presume_no_more(t, p);
        torrent_tell(t, TORRENT_PEER_COMPLETE, p);
    }
}

void torrent_peer_forget(struct torrent *t, struct peer *p)
{
    if (!t->picker || !p->counted)
        return;
    p->counted = false;
    picker_remove_peer(t->picker, &p->have);
}

/* A seed becomes one of the counted peers; of those, only the piece moves: a peer may say this as
 * often as it likes. */
void torrent_peer_lost(struct torrent *t, struct peer *p, uint32_t piece)
{
    if (!t->picker || !p->counted) {
        bitfield_clear(&p->have, piece);
        return;
    }
    if (bitfield_full(&p->have)) {
        picker_remove_peer(t->picker, &p->have);
        bitfield_clear(&p->have, piece);
        picker_add_peer(t->picker, &p->have);
    } else {
        bitfield_clear(&p->have, piece);
        picker_peer_lost(t->picker, piece);
    }
    peer_update_interest(p);
    peer_ask(p, t->now);
}

void torrent_peer_has(struct torrent *t, struct peer *p, uint32_t piece)
{
    if (!t->picker || !p->counted)
        return;
    if (bitfield_full(&p->have)) {
        /* It moves from the counted peers to the seeds. */
        bitfield_clear(&p->have, piece);
        picker_remove_peer(t->picker, &p->have);
        bitfield_set(&p->have, piece);
        picker_add_peer(t->picker, &p->have);
        torrent_tell(t, TORRENT_PEER_COMPLETE, p);
    } else {
        picker_peer_has(t->picker, piece);
    }
    torrent_unveil_seen(t, p, piece);
    if (!p->interesting && picker_wants(t->picker, piece))
        peer_update_interest(p);
    else if (p->interesting && !p->choking_us)
        peer_ask(p, t->now);
}

bool torrent_finds_interesting(struct torrent *t, struct peer *p)
{
    return t->picker && p->have.bits && picker_interesting(t->picker, &p->have);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* What others were asked for, too, has a part of the pipeline, and one block at least: enough to go
 * round whoever is slow, and not everything from everybody. */
static uint32_t endgame_spared(const struct peer *p, uint32_t want)
{
    uint32_t room = pipeline_depth(&p->pipeline) / TORRENT_ENDGAME_SHARE;
    room = room > 1 ? room : 1;
    room = room > p->requests.waiting ? room - p->requests.waiting : 0;
    return want > room ? want - room : 0;
}

uint32_t torrent_pick(struct torrent *t, struct peer *p, uint32_t want, struct picker_block *out)
{
    struct picker_peer view = {.id = p->id,
        .now = t->now,
        .have = &p->have,
        .slow = p->pipeline.snubbed,
        .endgame_spared = endgame_spared(p, want),
        .waiting = p->requests.waiting,
        .suggested = p->suggested,
        .suggested_count = PEER_SUGGESTED,
        .alone = suspects_hold(&t->suspects, &p->address)};
    if (p->choking_us) {
        view.allowed_only = p->allowed_fast;
        view.allowed_count = p->allowed_fast_count;
    }
    uint32_t count = picker_pick(t->picker, &view, want, out);
    if (count == 0 && torrent_take_over(t, p, &view))
        count = picker_pick(t->picker, &view, want, out);
    return count;
}

uint32_t torrent_block_size(const struct torrent *t, uint32_t piece, uint32_t block)
{
    uint32_t size = metainfo_piece_size(t->metainfo, piece), begin = block * METAINFO_BLOCK_SIZE;
    return size - begin < METAINFO_BLOCK_SIZE ? size - begin : METAINFO_BLOCK_SIZE;
}

void torrent_block_abandoned(struct torrent *t, struct peer *p, uint32_t piece, uint32_t begin)
{
    if (t->picker)
        picker_abandoned(t->picker, piece, begin / METAINFO_BLOCK_SIZE, p->id);
}

/* ---- buffers ------------------------------------------------------------------------------- */

struct piece_buffer *torrent_buffer_of(const struct torrent *t, uint32_t piece)
{
    for (uint32_t i = 0; i < t->buffer_count; i++)
        if (t->buffers[i]->piece == piece)
            return t->buffers[i];
    return NULL;
}

static struct piece_buffer *make_buffer(struct torrent *t, uint32_t piece)
{
    if (!t->buffers)
        t->buffers = calloc(TORRENT_BUFFERS_MAX, sizeof *t->buffers);
    if (!t->buffers || t->buffer_count == TORRENT_BUFFERS_MAX)
        return NULL;
    struct piece_buffer *pb =
        piece_buffer_new(storage_pool(t->storage), piece, metainfo_piece_size(t->metainfo, piece));
    if (pb)
        t->buffers[t->buffer_count++] = pb;
    return pb;
}

void torrent_drop_buffer(struct torrent *t, struct piece_buffer *pb)
{
    for (uint32_t i = 0; i < t->peer_count; i++)
        receiver_forget_piece(&t->peers[i]->receiver, pb->piece);
    for (uint32_t i = 0; i < t->buffer_count; i++)
        if (t->buffers[i] == pb)
            t->buffers[i] = t->buffers[--t->buffer_count];
    piece_buffer_free(pb);
    torrent_wake_starved(t);
}

uint8_t *torrent_block_place(struct torrent *t, uint32_t piece, uint32_t begin)
{
    if (!t->picker || bitfield_get(&t->have, piece) || t->state != TORRENT_ACTIVE)
        return NULL;
    struct piece_buffer *pb = torrent_buffer_of(t, piece);
    if (!pb)
        pb = make_buffer(t, piece);
    return pb ? piece_buffer_place(pb, begin / METAINFO_BLOCK_SIZE) : NULL;
}

bool torrent_block_begun(struct torrent *t, uint32_t piece, uint32_t begin)
{
    struct piece_buffer *pb = torrent_buffer_of(t, piece);
    uint32_t block = begin / METAINFO_BLOCK_SIZE;
    if (!pb || pb->busy || pb->states[block] != BLOCK_MISSING)
        return false;
    piece_buffer_begin(pb, block);
    return true;
}

void torrent_block_unbegun(struct torrent *t, uint32_t piece, uint32_t begin)
{
    struct piece_buffer *pb = torrent_buffer_of(t, piece);
    if (pb)
        piece_buffer_unbegin(pb, begin / METAINFO_BLOCK_SIZE);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void spilled(void *user, struct piece_buffer *pb, int err)
{
    struct torrent *t = user;
    t->jobs--;
    t->now = t->host.ops->now(t->host.user);
    if (err)
        torrent_fail(t, err, storage_error(t->storage));
    else if (piece_buffer_whole(pb))
        torrent_finish_piece(t, pb);
    torrent_wake_starved(t);
    torrent_maybe_stopped(t);
}

/* The buffer with most blocks in memory that nobody works on. */
static struct piece_buffer *fullest(const struct torrent *t)
{
    struct piece_buffer *best = NULL;
    for (uint32_t i = 0; i < t->buffer_count; i++) {
        struct piece_buffer *pb = t->buffers[i];
        if (!pb->busy && !piece_buffer_whole(pb) && pb->in_memory > 0 &&
            (!best || pb->in_memory > best->in_memory))
            best = pb;
    }
    return best;
}

static bool spill(struct torrent *t, struct piece_buffer *pb)
{
    if (!pb || storage_spill(t->storage, pb, spilled, t) != 0)
        return false;
    t->jobs++;
    return true;
}

bool torrent_memory_ready(struct torrent *t)
{
    if (!t->storage || chunk_pool_available(storage_pool(t->storage)) >= TORRENT_READ_CHUNKS)
        return true;
    if (t->pool_empty) /* a thousand peers must not make a thousand searches of it */
        return false;
    /* Room that was laid out for blocks that did not come. */
    for (uint32_t i = 0; i < t->buffer_count; i++)
        if (!t->buffers[i]->busy)
            piece_buffer_trim(t->buffers[i]);
    if (chunk_pool_available(storage_pool(t->storage)) >= TORRENT_READ_CHUNKS)
        return true;
    /* Pieces under way to the disk free memory soon. Only without them is it worth it to hash what
     * waits in few lanes, or to spill. */
    if (!storage_finish_running(t->storage))
        storage_finish_now(t->storage);
    if (t->jobs == 0)
        spill(t, fullest(t));
    t->pool_empty = true;
    torrent_tick_at(t, t->now + TORRENT_STARVED_EVERY);
    return false;
}

void torrent_spill_all(struct torrent *t)
{
    for (struct piece_buffer *pb = fullest(t); pb && spill(t, pb); pb = fullest(t)) {
    }
}

/* ---- a piece is whole ---------------------------------------------------------------------- */

static void piece_proved(struct torrent *t, uint32_t piece)
{
    bitfield_set(&t->have, piece);
    picker_set_have(t->picker, piece);
    /* Seeds too: whoever shares wants to see how far the others are, and when it may leave. */
    for (uint32_t i = 0; i < t->peer_count; i++)
        peer_say_have(t->peers[i], piece);
    torrent_tell(t, TORRENT_PIECE_WRITTEN, NULL);
    if (picker_left(t->picker) > 0 || t->completed)
        return;
    completed(t);
}

static void piece_again(struct torrent *t, struct piece_buffer *pb)
{
    uint32_t piece = pb->piece;
    t->wasted += pb->size;
    torrent_drop_buffer(t, pb);
    picker_restart_piece(t->picker, piece);
    for (uint32_t i = 0; i < t->peer_count; i++)
        peer_ask(t->peers[i], t->now);
}

/* What a disk refuses stays in memory and is tried again: torrent_retry. */
static void finished(void *user, struct piece_buffer *pb, int err)
{
    struct torrent *t = user;
    uint32_t piece = pb->piece;
    t->jobs--;
    t->finishing--;
    t->now = t->host.ops->now(t->host.user);
    if (err == 0) {
        torrent_blame_good(t, pb);
        torrent_drop_buffer(t, pb);
        piece_proved(t, piece);
        torrent_retry(t); /* the disk works again: what it refused meanwhile, and then on */
    } else if (err == ERR_HASH) {
        torrent_blame_bad(t, pb);
        piece_again(t, pb);
    } else if (err == ERR_CHANGED) {
        piece_again(t, pb); /* what was spilled of it is not there any more: no peer's fault */
    } else {
        torrent_fail(t, err, storage_error(t->storage));
    }
    torrent_maybe_stopped(t);
}

bool torrent_finish_kept(struct torrent *t)
{
    bool any = false;
    for (uint32_t i = 0; i < t->buffer_count; i++) {
        struct piece_buffer *pb = t->buffers[i];
        if (piece_buffer_whole(pb) && !pb->busy) {
            torrent_finish_piece(t, pb);
            any = true;
        }
    }
    return any;
}

usec torrent_company_wait(struct torrent *t)
{
    uint64_t coming = rate_meter_value(&t->down_rate, t->now) * TORRENT_COMPANY_WAIT / SECONDS(1);
    if (storage_finish_bytes(t->storage) >= TORRENT_COMPANY_MUCH)
        return TORRENT_COMPANY_WAIT_MUCH;
    bool company = coming >= TORRENT_COMPANY_MUCH ||
                   coming >= TORRENT_COMPANY_LEAST * (uint64_t)t->metainfo->piece_length;
    return company ? TORRENT_COMPANY_WAIT : TORRENT_COMPANY_WAIT_ALONE;
}

void torrent_finish_piece(struct torrent *t, struct piece_buffer *pb)
{
    int err = storage_finish(t->storage, pb, finished, t);
    if (err) {
        torrent_fail(t, err, "no memory");
        return;
    }
    t->jobs++;
    t->finishing++;
    if (t->finishing >= picker_left(t->picker))
        storage_finish_now(t->storage); /* nothing else is coming */
    else if (storage_finish_waiting(t->storage) == 1) {
        t->finish_since = t->now;
        torrent_tick_at(t, t->now + torrent_company_wait(t));
    }
}

/* A block is in its place. False: nobody waited for it. */
bool torrent_block_came(
    struct torrent *t, uint32_t giver, uint32_t piece, uint32_t begin, uint32_t length)
{
    uint32_t number = begin / METAINFO_BLOCK_SIZE;
    uint32_t others[PICKER_ENDGAME_PEERS];
    struct piece_buffer *pb = torrent_buffer_of(t, piece);
    if (!pb || pb->states[number] > BLOCK_ARRIVING || !torrent_may_give(t, giver, piece) ||
        !picker_received(t->picker, piece, number, giver, others)) {
        t->wasted += length;
        if (pb)
            piece_buffer_unbegin(pb, number);
        return false;
    }
    piece_buffer_mark(pb, number, giver);
    for (unsigned i = 0; i < PICKER_ENDGAME_PEERS && others[i]; i++) {
        struct peer *other = torrent_peer_by_id(t, others[i]);
        if (other)
            peer_cancel_block(other, piece, begin);
    }
    if (piece_buffer_whole(pb) && !pb->busy)
        torrent_finish_piece(t, pb);
    return true;
}
