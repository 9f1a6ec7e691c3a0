/* See recheck.h. Long pieces are hashed in step; others side by side, a few MiB at once. Where what
 * was mapped could not be read after all, the pieces are read one by one, which tells why. */
#include "store/recheck.h"

#include "base/err.h"
#include "store/hash_step.h"
#include "store/storage_internal.h"
#include "store/verify.h"

#include <stdlib.h>

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

/* A batch is what is hashed at once. A job of v2 alone has several, because a longer run of a file
 * is cheaper to map. */
#define JOB_V2_MAX ((size_t)16 << 20)

/* Pieces so long that few of them fit a batch; those of v2 alone have blocks enough by themselves.
 */
static bool is_in_step(const struct storage *s)
{
    uint32_t few = s->metainfo->has_v1 ? HASH_STEP_PIECES : 1;
    return s->metainfo->piece_length > STORAGE_CHECK_BATCH / few;
}

bool recheck_takes_more(const struct storage *s, unsigned count, size_t bytes, uint32_t next_size)
{
    if (is_in_step(s))
        return count < HASH_STEP_PIECES;
    size_t most = s->metainfo->has_v1 ? STORAGE_CHECK_BATCH : JOB_V2_MAX;
    return count < RECHECK_PIECES_MAX && bytes + next_size <= most;
}

static int check_by_reading(struct storage *s, uint32_t piece, bool *right)
{
    int err = storage_hash_piece(s, piece, NULL, right);
    return is_simply_missing(err) ? 0 : err;
}

/* ---- together ------------------------------------------------------------------------------ */

struct batch {
    struct storage *storage;
    struct verify_piece pieces[RECHECK_PIECES_MAX];
    struct bytes parts[RECHECK_PIECES_MAX];
    unsigned of[RECHECK_PIECES_MAX], count;
    uint8_t *room; /* of those that are read: the rest of it */
    /* All of the job's: a run of pieces of one file shares one. */
    struct storage_window windows[RECHECK_PIECES_MAX];
    unsigned window_count;
};

static const uint8_t *map_piece(struct batch *b, uint32_t piece, uint32_t size)
{
    struct storage_window *w = &b->windows[b->window_count];
    const uint8_t *at = NULL;
    if (b->window_count > 0)
        at = storage_mapped(b->storage, w - 1, piece, 0, size);
    if (at)
        return at;
    at = storage_map(b->storage, w, piece, 0, size, JOB_V2_MAX);
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

/* As many of pieces `first` to `count` as fit the room; returns the first that does not, or an
 * error. */
static int check_batch(struct batch *b, uint8_t *room, const uint32_t *pieces, unsigned first,
    unsigned count, bool *right)
{
    const struct metainfo *m = b->storage->metainfo;
    size_t left = STORAGE_CHECK_BATCH;
    unsigned i = first;
    b->count = 0;
    b->room = room;
    for (; i < count && metainfo_piece_size(m, pieces[i]) <= left; i++) {
        int err = add_piece(b, pieces[i], i);
        if (err)
            return err;
        left -= metainfo_piece_size(m, pieces[i]);
    }
    int err = verify_pieces(b->pieces, b->count);
    for (unsigned k = 0; k < b->count && !err; k++)
        right[b->of[k]] = b->pieces[k].right;
    return err ? err : (int)i;
}

static int check_together(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    struct batch b = {.storage = s};
    int done = 0, torn = 0, err = 0;
    if (!room->buffer)
        room->buffer = aligned_alloc(4096, STORAGE_CHECK_BATCH);
    if (!room->buffer)
        return ERR_NOMEM;
    while (done >= 0 && done < (int)count)
        done = check_batch(&b, room->buffer, pieces, (unsigned)done, count, right);
    for (unsigned i = 0; i < b.window_count; i++)
        torn |= file_window_close(&b.windows[i].in_file);
    if (done < 0)
        return done;
    for (unsigned i = 0; i < count && !err && torn; i++)
        err = check_by_reading(s, pieces[i], &right[i]);
    return err;
}

/* ---- in step ------------------------------------------------------------------------------- */

struct stepping {
    struct storage *storage;
    const uint32_t *pieces;
    unsigned count;
    struct step_piece steps[HASH_STEP_PIECES];
    struct storage_window shared; /* under all of them, if they are neighbours in one file */
    struct storage_window windows[HASH_STEP_PIECES]; /* a piece's own, if it is not in that */
    bool torn[HASH_STEP_PIECES];                     /* its own was */
};

/* Over all pieces, from the first one on. */
static void open_shared(struct stepping *t)
{
    uint64_t length = t->storage->metainfo->piece_length;
    length *= t->pieces[t->count - 1] - t->pieces[0] + 1;
    uint32_t first = t->steps[0].size < HASH_STEP_SLICE ? t->steps[0].size : HASH_STEP_SLICE;
    if (length <= FILE_WINDOW_MAX)
        (void)storage_map(t->storage, &t->shared, t->pieces[0], 0, first, length);
}

/* In the piece's own window, after moving it on if need be. */
static const uint8_t *map_slice(struct stepping *t, unsigned i, uint32_t begin, uint32_t size)
{
    struct storage_window *w = &t->windows[i];
    uint32_t rest = t->steps[i].size - begin;
    const uint8_t *at = storage_mapped(t->storage, w, t->pieces[i], begin, size);
    if (at)
        return at;
    t->torn[i] |= file_window_close(&w->in_file) != 0;
    return storage_map(t->storage, w, t->pieces[i], begin, size,
        rest < FILE_WINDOW_OF_MANY ? rest : FILE_WINDOW_OF_MANY);
}

static int fetch_slice(
    void *user, unsigned i, uint32_t begin, uint32_t size, uint8_t *room, const uint8_t **out)
{
    struct stepping *t = user;
    uint32_t piece = t->pieces[i];
    if (begin == 0)
        storage_read_ahead(t->storage, piece);
    *out = storage_mapped(t->storage, &t->shared, piece, begin, size);
    if (!*out)
        *out = map_slice(t, i, begin, size);
    if (*out)
        return STEP_FETCHED;
    *out = room;
    struct iovec v = {room, size};
    int err = storage_read_range(t->storage, piece, begin, &v, 1);
    return is_simply_missing(err) ? STEP_MISSING : err;
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

static int step_through(struct stepping *t, struct recheck_room *room, bool *right)
{
    const struct metainfo *m = t->storage->metainfo;
    struct metainfo_piece infos[HASH_STEP_PIECES];
    uint8_t digests[HASH_STEP_PIECES][20];
    size_t leaves = m->piece_length / METAINFO_BLOCK_SIZE;
    for (unsigned i = 0; i < t->count; i++) {
        metainfo_piece(m, t->pieces[i], &infos[i]);
        bool v2 = infos[i].has_v2 && infos[i].v2_known;
        uint32_t v2_size = v2 ? infos[i].v2_size : 0;
        uint32_t pad = pad_of(m, t->pieces[i], infos[i].size);
        if (pad > infos[i].size - v2_size)
            pad = infos[i].size - v2_size;
        t->steps[i] = (struct step_piece){.size = infos[i].size - pad,
            .pad = pad,
            .v1 = infos[i].v1 ? digests[i] : NULL,
            .v2_size = v2_size,
            .leaves = v2 ? room->leaves + i * leaves : NULL};
    }
    open_shared(t);
    int err = hash_step_run(room->step, t->steps, t->count, fetch_slice, t);
    bool torn = file_window_close(&t->shared.in_file) != 0;
    for (unsigned i = 0; i < t->count; i++) {
        const struct step_piece *p = &t->steps[i];
        t->torn[i] |= file_window_close(&t->windows[i].in_file) != 0 || torn;
        right[i] = !err && !p->missing && verify_hashes(&infos[i], p->v1, p->leaves);
    }
    for (unsigned i = 0; i < t->count && !err; i++)
        if (t->torn[i])
            err = check_by_reading(t->storage, t->pieces[i], &right[i]);
    return err;
}

static int check_in_step(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    const struct metainfo *m = s->metainfo;
    size_t leaves = HASH_STEP_PIECES * (size_t)(m->piece_length / METAINFO_BLOCK_SIZE);
    struct stepping t = {.storage = s, .pieces = pieces, .count = count};
    if (!room->step)
        room->step = hash_step_new();
    if (m->has_v2 && !room->leaves)
        room->leaves = malloc(leaves * sizeof *room->leaves);
    if (!room->step || (m->has_v2 && !room->leaves))
        return ERR_NOMEM;
    return step_through(&t, room, right);
}

int recheck_pieces(struct storage *s, struct recheck_room *room, const uint32_t *pieces,
    unsigned count, bool *right)
{
    if (is_in_step(s))
        return check_in_step(s, room, pieces, count, right);
    return check_together(s, room, pieces, count, right);
}
