/* See recheck.h. Long pieces of v1 are hashed in step; others side by side, a few MiB at once.
 */
#include "store/recheck.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include "store/hash_step.h"
#include "store/storage_internal.h"
#include "store/verify.h"

#include <stdlib.h>
#include <string.h>

struct recheck_room *recheck_room_new(void)
{
    return calloc(1, sizeof(struct recheck_room));
}

void recheck_room_free(struct recheck_room *r)
{
    if (!r)
        return;
    hash_step_free(r->step);
    free(r->leaves);
    free(r->buffer);
    free(r);
}

static bool is_simply_missing(int err)
{
    return err == ERR_NOT_FOUND || err == ERR_CHANGED || err == ERR_ABSENT;
}

/* Pieces of v1 so long that few of them fit a batch. */
static bool is_in_step(const struct storage *s)
{
    return s->metainfo->has_v1 &&
           s->metainfo->piece_length > STORAGE_CHECK_BATCH / HASH_STEP_PIECES;
}

bool recheck_takes_more(const struct storage *s, unsigned count, size_t bytes, uint32_t next_size)
{
    if (is_in_step(s))
        return count < HASH_STEP_PIECES;
    return count < RECHECK_PIECES_MAX && (count == 0 || bytes + next_size <= STORAGE_CHECK_BATCH);
}

/* ---- together -------------------------------------------------------------------------------- */

struct batch {
    struct storage *storage;
    struct verify_piece pieces[RECHECK_PIECES_MAX];
    struct bytes parts[RECHECK_PIECES_MAX];
    unsigned of[RECHECK_PIECES_MAX], count;
    struct storage_window windows[RECHECK_PIECES_MAX]; /* a run of pieces of one file shares one */
    unsigned window_count;
    uint8_t *room; /* of those that are read: the rest of it */
};

static const uint8_t *map_piece(struct batch *b, uint32_t piece, uint32_t size)
{
    struct storage_window *w = &b->windows[b->window_count];
    const uint8_t *at = NULL;
    if (b->window_count > 0)
        at = storage_mapped(b->storage, w - 1, piece, 0, size);
    if (at)
        return at;
    at = storage_map(b->storage, w, piece, 0, size, STORAGE_CHECK_BATCH);
    b->window_count += at != NULL;
    return at;
}

/* Has the piece in memory whole, if all of it is there. */
static int add_piece(struct batch *b, uint32_t piece, unsigned index)
{
    struct metainfo_piece info;
    metainfo_piece(b->storage->metainfo, piece, &info);
    const uint8_t *data = map_piece(b, piece, info.size);
    if (!data) {
        struct iovec whole = {b->room, info.size};
        int err = storage_read_range(b->storage, piece, 0, &whole, 1);
        if (err)
            return is_simply_missing(err) ? 0 : err;
        data = b->room;
        b->room += info.size;
    }
    b->parts[b->count] = bytes_of(data, info.size);
    b->pieces[b->count] =
        (struct verify_piece){.info = info, .parts = &b->parts[b->count], .part_count = 1};
    b->of[b->count++] = index;
    return 0;
}

static int check_batch(
    struct storage *s, uint8_t *room, const uint32_t *pieces, unsigned count, bool *right)
{
    struct batch b = {.storage = s, .room = room};
    int err = 0, torn = 0;
    for (unsigned i = 0; i < count && !err; i++)
        err = add_piece(&b, pieces[i], i);
    if (!err)
        err = verify_pieces(b.pieces, b.count);
    for (unsigned i = 0; i < b.window_count; i++)
        torn |= file_window_close(&b.windows[i].in_file);
    /* Zeros in a torn window are nobody's piece, unless they are the right ones. */
    for (unsigned i = 0; i < b.count && !err && !torn; i++)
        right[b.of[i]] = b.pieces[i].right;
    return err;
}

static int check_together(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += metainfo_piece_size(s->metainfo, pieces[i]);
    if (size > STORAGE_CHECK_BATCH) { /* one long piece */
        int err = storage_hash_piece(s, pieces[0], NULL, &right[0]);
        return is_simply_missing(err) ? 0 : err;
    }
    if (!room->buffer)
        room->buffer = aligned_alloc(4096, STORAGE_CHECK_BATCH);
    return room->buffer ? check_batch(s, room->buffer, pieces, count, right) : ERR_NOMEM;
}

/* ---- in step --------------------------------------------------------------------------------- */

struct stepping {
    struct storage *storage;
    const uint32_t *pieces;
    struct step_piece steps[HASH_STEP_PIECES];
    struct storage_window windows[HASH_STEP_PIECES];
};

static int fetch_slice(
    void *user, unsigned i, uint32_t begin, uint32_t size, uint8_t *room, const uint8_t **out)
{
    struct stepping *t = user;
    struct storage_window *w = &t->windows[i];
    uint32_t piece = t->pieces[i];
    if (begin == 0)
        storage_read_ahead(t->storage, piece);
    *out = storage_mapped(t->storage, w, piece, begin, size);
    if (*out)
        return STEP_FETCHED;
    if (file_window_close(&w->in_file) != 0)
        return STEP_MISSING;
    *out = storage_map(t->storage, w, piece, begin, size, t->steps[i].size - begin);
    if (*out)
        return STEP_FETCHED;
    *out = room;
    struct iovec v = {room, size};
    int err = storage_read_range(t->storage, piece, begin, &v, 1);
    return is_simply_missing(err) ? STEP_MISSING : err;
}

static bool is_right(const struct step_piece *p, const struct metainfo_piece *info)
{
    if (p->missing || (info->v1 && memcmp(p->v1, info->v1, 20) != 0))
        return false;
    if (p->v2_size == 0)
        return true;
    struct sha256_digest root = merkle_root(p->leaves, info->v2_block_count, 0, info->v2_height);
    return sha256_equal(&root, &info->v2_root);
}

/* Bytes that a piece ends with and that no file has: a hybrid's pads. */
static uint32_t pad_of(const struct metainfo *m, uint32_t piece, uint32_t size)
{
    struct metainfo_slice slice = metainfo_slices(m, piece, 0, size);
    uint64_t pad = 0;
    while (metainfo_slice_next(m, &slice))
        pad = slice.pad ? pad + slice.length : 0;
    return (uint32_t)pad;
}

static int step_through(struct stepping *t, struct recheck_room *room, unsigned count, bool *right)
{
    const struct metainfo *m = t->storage->metainfo;
    struct metainfo_piece infos[HASH_STEP_PIECES];
    uint8_t digests[HASH_STEP_PIECES][20];
    size_t leaves = m->piece_length / METAINFO_BLOCK_SIZE;
    for (unsigned i = 0; i < count; i++) {
        metainfo_piece(m, t->pieces[i], &infos[i]);
        bool v2 = infos[i].has_v2 && infos[i].v2_known;
        uint32_t v2_size = v2 ? infos[i].v2_size : 0;
        uint32_t pad = pad_of(m, t->pieces[i], infos[i].size);
        if (pad > infos[i].size - v2_size)
            pad = infos[i].size - v2_size;
        t->steps[i] = (struct step_piece){.size = infos[i].size - pad,
            .pad = pad,
            .v1 = digests[i],
            .v2_size = v2_size,
            .leaves = v2 ? room->leaves + i * leaves : NULL};
    }
    int err = hash_step_run(room->step, t->steps, count, fetch_slice, t);
    for (unsigned i = 0; i < count; i++) {
        bool torn = file_window_close(&t->windows[i].in_file) != 0;
        right[i] = !err && !torn && is_right(&t->steps[i], &infos[i]);
    }
    return err;
}

static int check_in_step(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    const struct metainfo *m = s->metainfo;
    size_t leaves = HASH_STEP_PIECES * (size_t)(m->piece_length / METAINFO_BLOCK_SIZE);
    struct stepping t = {.storage = s, .pieces = pieces};
    if (!room->step)
        room->step = hash_step_new();
    if (m->has_v2 && !room->leaves)
        room->leaves = malloc(leaves * sizeof *room->leaves);
    if (!room->step || (m->has_v2 && !room->leaves))
        return ERR_NOMEM;
    return step_through(&t, room, count, right);
}

int recheck_pieces(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    if (is_in_step(s))
        return check_in_step(s, room, pieces, count, right);
    return check_together(s, room, pieces, count, right);
}
