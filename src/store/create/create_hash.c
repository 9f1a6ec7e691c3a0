/* Pieces, units and their hashing, see create_hash.h. */
#include "store/create/create_hash.h"
#include "crypto/merkle.h"
#include "format/metainfo.h"
#include <assert.h>
#include <stdlib.h>

/* A read of a piece that is larger than the buffer. */
#define EXTENT_SIZE ((size_t)1 << 20)

static_assert(EXTENT_SIZE <= CREATE_BUFFER_SIZE, "an extent fits the buffer");
static_assert(EXTENT_SIZE % CREATE_BLOCK_SIZE == 0, "an extent is whole blocks");

/* ---- the plan ------------------------------------------------------------------------------ */

static uint64_t pieces_of(uint64_t size, uint32_t piece_length)
{
    return size / piece_length + (size % piece_length != 0);
}

static void count_pieces(struct create_plan *p)
{
    p->piece_count = p->v2 ? 0 : pieces_of(p->scan->total_size, p->piece_length);
    for (size_t i = 0; i < p->scan->count; i++) {
        if (p->v2)
            p->piece_count += pieces_of(p->scan->files[i].size, p->piece_length);
    }
}

int create_plan_init(struct create_plan *p, const struct scan *scan, enum create_kind kind,
    uint32_t piece_length, const atomic_bool *cancel)
{
    bool in_step = kind != CREATE_V2 && piece_length > CREATE_BUFFER_SIZE / HASH_STEP_PIECES;
    *p = (struct create_plan){.scan = scan,
        .in_step = in_step,
        .v1 = kind != CREATE_V2,
        .v2 = kind != CREATE_V1,
        .piece_length = piece_length,
        .cancel = cancel};
    while ((uint64_t)CREATE_BLOCK_SIZE << p->piece_height < piece_length)
        p->piece_height++;
    count_pieces(p);
    if (p->piece_count > METAINFO_PIECES_MAX ||
        (p->v1 && p->piece_count * sizeof *p->v1_pieces > METAINFO_INFO_MAX))
        return ERR_LIMIT;
    size_t count = p->piece_count > 0 ? p->piece_count : 1;
    if (p->v1 && (p->v1_pieces = calloc(count, sizeof *p->v1_pieces)) == NULL)
        return ERR_NOMEM;
    if (p->v2 && (p->v2_pieces = calloc(count, sizeof *p->v2_pieces)) == NULL)
        return ERR_NOMEM;
    return 0;
}

void create_plan_free(struct create_plan *p)
{
    free(p->v1_pieces);
    free(p->v2_pieces);
    *p = (struct create_plan){0};
}

/* Skips files without bytes. */
static void skip_empty(struct create_plan *p)
{
    while (p->next.file < p->scan->count && p->next.offset == p->scan->files[p->next.file].size) {
        p->next.file++;
        p->next.offset = 0;
    }
}

/* Takes one piece of v1 alone: bytes of as many files as it spans. */
static struct unit_piece take_spanning(struct create_plan *p)
{
    uint32_t left = p->piece_length;
    for (skip_empty(p); left > 0 && p->next.file < p->scan->count; skip_empty(p)) {
        uint64_t rest = p->scan->files[p->next.file].size - p->next.offset;
        uint32_t part = rest < left ? (uint32_t)rest : left;
        p->next.offset += part;
        left -= part;
    }
    return (struct unit_piece){.size = p->piece_length - left};
}

/* Takes one piece of v2 or a hybrid: bytes of one file. */
static struct unit_piece take_aligned(struct create_plan *p)
{
    struct unit_piece piece = {.height = p->piece_height};
    skip_empty(p);
    const struct scan_file *f = &p->scan->files[p->next.file];
    uint64_t rest = f->size - p->next.offset;
    piece.size = rest < p->piece_length ? (uint32_t)rest : p->piece_length;
    p->next.offset += piece.size;
    /* As torrent_draft_pad_after has it. */
    if (p->v1 && p->scan->count > 1)
        piece.pad = p->piece_length - piece.size;
    /* BEP 52: a file no longer than a piece has a tree of its own height. */
    if (f->size <= p->piece_length)
        piece.height = merkle_height(pieces_of(f->size, CREATE_BLOCK_SIZE));
    return piece;
}

/* SHA-1 of pieces side by side goes through 16 lanes, and a few pieces that are over cost as much
 * as a full set: leaves them to the next unit. `even`: where the last full set ended. */
static void end_evenly(struct create_plan *p, struct hash_unit *u, struct create_place even)
{
    size_t over = u->piece_count % HASH_STEP_PIECES;
    if (!p->v1 || p->next.piece == p->piece_count || u->piece_count == over)
        return;
    while (over-- > 0)
        u->size -= u->pieces[--u->piece_count].size;
    p->next = even;
}

/* What is gathered in the buffer is hashed at once; but the blocks of v2 fill the lanes even if
 * they come in several goes, and a longer run of a file is cheaper to map. */
static size_t unit_size_max(const struct create_plan *p)
{
    return p->v1 ? CREATE_BUFFER_SIZE : CREATE_UNIT_V2_MAX;
}

bool create_plan_next(struct create_plan *p, struct hash_unit *u)
{
    if (p->next.piece == p->piece_count)
        return false;
    skip_empty(p);
    u->plan = p;
    u->first_piece = p->next.piece;
    u->first_file = p->next.file;
    u->first_offset = p->next.offset;
    u->piece_count = 0;
    u->size = 0;
    uint64_t padded = 0;
    struct create_place even = p->next;
    size_t pieces_max = p->in_step ? HASH_STEP_PIECES : CREATE_UNIT_PIECES_MAX;
    /* The first piece always; more as long as a full one would still fit. */
    do {
        struct unit_piece piece = p->v2 ? take_aligned(p) : take_spanning(p);
        u->pieces[u->piece_count++] = piece;
        u->size += piece.size;
        padded += piece.size + piece.pad;
        p->next.piece++;
        if (u->piece_count % HASH_STEP_PIECES == 0)
            even = p->next;
    } while (p->next.piece < p->piece_count && u->piece_count < pieces_max &&
             (p->in_step || u->size + p->piece_length <= unit_size_max(p)) &&
             padded + p->piece_length <= CREATE_UNIT_PADDED_MAX);
    end_evenly(p, u, even);
    return true;
}

struct sha256_digest create_plan_root(
    const struct create_plan *p, size_t file, uint64_t first_piece)
{
    uint64_t size = p->scan->files[file].size;
    if (size <= p->piece_length)
        return p->v2_pieces[first_piece];
    size_t count = pieces_of(size, p->piece_length);
    return merkle_root(&p->v2_pieces[first_piece], count, p->piece_height, merkle_height(count));
}

static bool is_cancelled(const struct hash_unit *u)
{
    return u->plan->cancel != NULL && atomic_load_explicit(u->plan->cancel, memory_order_relaxed);
}

/* ---- hashing ------------------------------------------------------------------------------- */

/* Leaves on their way into the lanes, all of a unit together whatever piece they belong to: pieces
 * may be small, and where a batch ends lanes run empty. */
struct leaf_batch {
    struct bytes parts[CREATE_UNIT_LEAVES];
    struct hash_job jobs[CREATE_UNIT_LEAVES];
    size_t count;
};

static void flush_leaves(struct leaf_batch *b)
{
    hash_many(HASH_SHA256, b->jobs, b->count);
    b->count = 0;
}

/* The 16 KiB blocks of `data` will be hashed to `out`, at the latest by flush_leaves. Returns where
 * the next leaf goes. */
static struct sha256_digest *batch_leaves(
    struct leaf_batch *b, const uint8_t *data, size_t size, struct sha256_digest *out)
{
    for (size_t at = 0; at < size; at += CREATE_BLOCK_SIZE) {
        size_t rest = size - at;
        if (b->count == CREATE_UNIT_LEAVES)
            flush_leaves(b);
        b->parts[b->count] =
            bytes_of(data + at, rest < CREATE_BLOCK_SIZE ? rest : CREATE_BLOCK_SIZE);
        b->jobs[b->count] = (struct hash_job){&b->parts[b->count], 1, out->b};
        b->count++;
        out++;
    }
    return out;
}

/* Pieces `first` to `end` of the unit. */
static void hash_v2_pieces(struct hash_unit *u, size_t first, size_t end, const uint8_t *data)
{
    struct leaf_batch batch = {.count = 0};
    struct sha256_digest *leaf = u->leaves;
    for (size_t i = first; i < end; data += u->pieces[i++].size)
        leaf = batch_leaves(&batch, data, u->pieces[i].size, leaf);
    flush_leaves(&batch);
    leaf = u->leaves;
    for (size_t i = first; i < end; i++) {
        size_t count = pieces_of(u->pieces[i].size, CREATE_BLOCK_SIZE);
        u->plan->v2_pieces[u->first_piece + i] = merkle_root(leaf, count, 0, u->pieces[i].height);
        leaf += count;
    }
}

static void hash_v1_pieces(struct hash_unit *u, const uint8_t *data)
{
    struct bytes slices[CREATE_UNIT_PIECES_MAX];
    uint32_t pads[CREATE_UNIT_PIECES_MAX];
    uint8_t *digests[CREATE_UNIT_PIECES_MAX];
    for (size_t i = 0; i < u->piece_count; data += u->pieces[i++].size) {
        slices[i] = bytes_of(data, u->pieces[i].size);
        pads[i] = u->pieces[i].pad;
        digests[i] = u->plan->v1_pieces[u->first_piece + i].b;
    }
    hash_group_begin(u->sha1, (unsigned)u->piece_count);
    hash_group_update(u->sha1, slices);
    hash_group_zeros(u->sha1, pads);
    hash_group_final(u->sha1, digests);
}

/* Pieces of v1 or a hybrid that all fit the buffer: have them in memory, then hash them side by
 * side. */
static int hash_together(struct hash_unit *u, struct create_reader *r)
{
    const uint8_t *data;
    int err = create_reader_next(r, u->size, u->buffer, &data);
    if (err < 0)
        return err;
    if (u->plan->v2)
        hash_v2_pieces(u, 0, u->piece_count, data);
    hash_v1_pieces(u, data);
    return 0;
}

/* One v2 piece that is larger than the buffer: extent by extent. */
static int hash_large(struct hash_unit *u, size_t index, struct create_reader *r)
{
    const struct unit_piece *piece = &u->pieces[index];
    struct leaf_batch batch = {.count = 0};
    struct sha256_digest *leaf = u->leaves;
    for (size_t at = 0; at < piece->size;) {
        size_t size = piece->size - at < EXTENT_SIZE ? piece->size - at : EXTENT_SIZE;
        const uint8_t *data;
        int err = is_cancelled(u) ? ERR_CANCELLED : create_reader_next(r, size, u->buffer, &data);
        if (err < 0)
            return err;
        leaf = batch_leaves(&batch, data, size, leaf);
        flush_leaves(&batch); /* before the bytes go away */
        at += size;
    }
    u->plan->v2_pieces[u->first_piece + index] =
        merkle_root(u->leaves, (size_t)(leaf - u->leaves), 0, piece->height);
    return 0;
}

/* Pieces of v2 alone, as many at a time as fit the buffer. */
static int hash_v2_unit(struct hash_unit *u, struct create_reader *r)
{
    int err = 0;
    for (size_t i = 0, end; i < u->piece_count && err == 0; i = end) {
        const uint8_t *data;
        size_t size = 0;
        for (end = i; end < u->piece_count; end++) {
            if (u->pieces[end].size > CREATE_BUFFER_SIZE - size)
                break;
            size += u->pieces[end].size;
        }
        if (end == i) {
            err = hash_large(u, end++, r);
            continue;
        }
        err = is_cancelled(u) ? ERR_CANCELLED : create_reader_next(r, size, u->buffer, &data);
        if (err == 0)
            hash_v2_pieces(u, i, end, data);
    }
    return err;
}

static void end_reader(struct create_reader *r, struct hash_unit *u)
{
    int err = create_reader_end(r);
    if (u->err == 0)
        u->err = err;
    if (u->err != 0 && u->err_file == SIZE_MAX)
        u->err_file = r->file;
    u->files_ended += r->files_ended;
    u->torn |= r->torn;
}

/* ---- in step ------------------------------------------------------------------------------- */

/* Each piece is read by a reader of its own; pieces of one long file are neighbours in it. */
struct stepping {
    struct hash_unit *unit;
    struct create_reader readers[HASH_STEP_PIECES];
    struct create_share share;
};

/* Pieces lie end to end in the files end to end. */
static void place_readers(struct stepping *s)
{
    const struct hash_unit *u = s->unit;
    const struct scan *scan = u->plan->scan;
    size_t file = u->first_file;
    uint64_t offset = u->first_offset;
    for (size_t i = 0; i < u->piece_count; i++) {
        uint64_t left = u->pieces[i].size;
        create_reader_begin(&s->readers[i], scan, file, offset, left);
        s->readers[i].share = &s->share;
        s->readers[i].unmapped = u->unmapped;
        while (left > 0 && left >= scan->files[file].size - offset) {
            left -= scan->files[file].size - offset;
            file++;
            offset = 0;
        }
        offset += left;
    }
}

static int step_fetch_slice(
    void *user, unsigned i, uint32_t begin, uint32_t size, uint8_t *room, const uint8_t **out)
{
    struct stepping *s = user;
    struct create_reader *r = &s->readers[i];
    int err = is_cancelled(s->unit) ? ERR_CANCELLED : 0;
    /* The slices of a unit are read out of order: the disk shall see the order of the file. */
    if (err == 0 && begin == 0)
        err = create_reader_ahead(r, s->unit->pieces[i].size);
    if (err == 0)
        err = create_reader_next(r, size, room, out);
    if (err != 0 && s->unit->err_file == SIZE_MAX)
        s->unit->err_file = r->file;
    return err;
}

static void hash_in_step(struct hash_unit *u)
{
    const struct create_plan *p = u->plan;
    struct stepping s = {.unit = u};
    struct step_piece pieces[HASH_STEP_PIECES];
    size_t room = p->piece_length / CREATE_BLOCK_SIZE;
    place_readers(&s);
    if (u->size <= FILE_WINDOW_MAX && !u->unmapped)
        create_reader_share(&s.readers[0], u->size, &s.share);
    for (size_t i = 0; i < u->piece_count; i++)
        pieces[i] = (struct step_piece){.size = u->pieces[i].size,
            .pad = u->pieces[i].pad,
            .v1 = p->v1_pieces[u->first_piece + i].b,
            .v2_size = p->v2 ? u->pieces[i].size : 0,
            .leaves = p->v2 ? u->leaves + i * room : NULL};
    u->err = hash_step_run(u->step, pieces, (unsigned)u->piece_count, step_fetch_slice, &s);
    for (size_t i = 0; i < u->piece_count && p->v2 && u->err == 0; i++)
        p->v2_pieces[u->first_piece + i] = merkle_root(u->leaves + i * room,
            pieces_of(u->pieces[i].size, CREATE_BLOCK_SIZE), 0, u->pieces[i].height);
    bool torn = create_share_end(&s.share) != 0;
    for (size_t i = 0; i < u->piece_count; i++)
        end_reader(&s.readers[i], u);
    if (torn && u->err == 0) { /* nothing has changed */
        u->err = ERR_IO;
        u->err_file = s.share.file;
        u->torn = true;
    }
}

static void run_unit(struct hash_unit *u)
{
    u->files_ended = 0;
    u->torn = false;
    u->err = is_cancelled(u) ? ERR_CANCELLED : 0;
    u->err_file = SIZE_MAX;
    if (u->plan->in_step && u->err == 0) {
        hash_in_step(u);
        return;
    }
    struct create_reader r;
    create_reader_begin(&r, u->plan->scan, u->first_file, u->first_offset, u->size);
    r.unmapped = u->unmapped;
    if (u->err == 0)
        u->err = u->plan->v1 ? hash_together(u, &r) : hash_v2_unit(u, &r);
    end_reader(&r, u);
}

void hash_unit_run(struct hash_unit *u)
{
    u->unmapped = false;
    run_unit(u);
    if (!u->torn || u->err != ERR_IO)
        return;
    /* A file can be readable where its memory cannot be had: a hole needs a page, of which there
     * may be none left on a file system in memory. Else reading it has the error. */
    u->unmapped = true;
    run_unit(u);
}

/* ---- room ---------------------------------------------------------------------------------- */

static int room_in_step(struct hash_unit *u, const struct create_plan *p)
{
    size_t leaves = HASH_STEP_PIECES * (size_t)(p->piece_length / CREATE_BLOCK_SIZE);
    if (u->step == NULL && (u->step = hash_step_new()) == NULL)
        return ERR_NOMEM;
    if (p->v2 && u->leaves == NULL && (u->leaves = malloc(leaves * sizeof *u->leaves)) == NULL)
        return ERR_NOMEM;
    return 0;
}

int hash_unit_room(struct hash_unit *u, const struct create_plan *p)
{
    if (p->in_step)
        return room_in_step(u, p);
    if (u->buffer != NULL)
        return 0;
    uint64_t room = p->scan->total_size;
    if (room > CREATE_BUFFER_SIZE)
        room = CREATE_BUFFER_SIZE;
    /* Aligned to pages: reads copy faster. */
    u->buffer = aligned_alloc(4096, (room + 4096) & ~(uint64_t)4095);
    u->sha1 = p->v1 ? hash_group_new(HASH_SHA1, CREATE_UNIT_PIECES_MAX) : NULL;
    if (u->buffer == NULL || (p->v1 && u->sha1 == NULL))
        return ERR_NOMEM;
    bool large = p->piece_length > CREATE_BUFFER_SIZE;
    size_t leaves = large ? p->piece_length / CREATE_BLOCK_SIZE : CREATE_UNIT_LEAVES;
    if (leaves < CREATE_UNIT_LEAVES)
        leaves = CREATE_UNIT_LEAVES;
    if (p->v2 && (u->leaves = malloc(leaves * sizeof *u->leaves)) == NULL)
        return ERR_NOMEM;
    return 0;
}

void hash_unit_free(struct hash_unit *u)
{
    free(u->buffer);
    free(u->leaves);
    hash_step_free(u->step);
    hash_group_free(u->sha1);
    u->sha1 = NULL;
    u->buffer = NULL;
    u->leaves = NULL;
    u->step = NULL;
}
