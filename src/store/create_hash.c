/* Pieces, units and their hashing, see create_hash.h. */
#include "store/create_hash.h"
#include "crypto/merkle.h"
#include "format/metainfo.h"
#include <assert.h>
#include <stdlib.h>

/* A read of a piece that is larger than the buffer: small enough to be still in cache (L2) when the
 * second hash comes to it. */
#define EXTENT_SIZE ((size_t)1 << 20)
#define EXTENT_LEAVES (EXTENT_SIZE / CREATE_BLOCK_SIZE)

static_assert(EXTENT_SIZE <= CREATE_BUFFER_SIZE, "an extent fits the buffer");
static_assert(EXTENT_SIZE % CREATE_BLOCK_SIZE == 0, "an extent is whole blocks");

/* ---- the plan -------------------------------------------------------------------------------- */

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
    /* Only ever read, so it costs one page of memory, whatever its length. */
    if (p->v1 && p->v2 && !in_step && (p->zeros = calloc(1, piece_length)) == NULL)
        return ERR_NOMEM;
    return 0;
}

void create_plan_free(struct create_plan *p)
{
    free(p->v1_pieces);
    free(p->v2_pieces);
    free(p->zeros);
    *p = (struct create_plan){0};
}

/* Skips files without bytes. */
static void skip_empty(struct create_plan *p)
{
    while (p->next_file < p->scan->count && p->next_offset == p->scan->files[p->next_file].size) {
        p->next_file++;
        p->next_offset = 0;
    }
}

/* Takes one piece of v1 alone: bytes of as many files as it spans. */
static struct unit_piece take_spanning(struct create_plan *p)
{
    uint32_t left = p->piece_length;
    for (skip_empty(p); left > 0 && p->next_file < p->scan->count; skip_empty(p)) {
        uint64_t rest = p->scan->files[p->next_file].size - p->next_offset;
        uint32_t part = rest < left ? (uint32_t)rest : left;
        p->next_offset += part;
        left -= part;
    }
    return (struct unit_piece){.size = p->piece_length - left};
}

/* Takes one piece of v2 or a hybrid: bytes of one file. */
static struct unit_piece take_aligned(struct create_plan *p)
{
    struct unit_piece piece = {.height = p->piece_height};
    skip_empty(p);
    const struct scan_file *f = &p->scan->files[p->next_file];
    uint64_t rest = f->size - p->next_offset;
    piece.size = rest < p->piece_length ? (uint32_t)rest : p->piece_length;
    p->next_offset += piece.size;
    /* As torrent_draft_pad_after has it. */
    if (p->v1 && p->scan->count > 1)
        piece.pad = p->piece_length - piece.size;
    /* BEP 52: a file no longer than a piece has a tree of its own height. */
    if (f->size <= p->piece_length)
        piece.height = merkle_height(pieces_of(f->size, CREATE_BLOCK_SIZE));
    return piece;
}

bool create_plan_next(struct create_plan *p, struct hash_unit *u)
{
    if (p->next_piece == p->piece_count)
        return false;
    skip_empty(p);
    u->plan = p;
    u->first_piece = p->next_piece;
    u->first_file = p->next_file;
    u->first_offset = p->next_offset;
    u->piece_count = 0;
    u->size = 0;
    uint64_t padded = 0;
    size_t pieces_max = p->in_step ? HASH_STEP_PIECES : CREATE_UNIT_PIECES_MAX;
    /* The first piece always; more as long as a full one would still fit. */
    do {
        struct unit_piece piece = p->v2 ? take_aligned(p) : take_spanning(p);
        u->pieces[u->piece_count++] = piece;
        u->size += piece.size;
        padded += piece.size + piece.pad;
        p->next_piece++;
    } while (p->next_piece < p->piece_count && u->piece_count < pieces_max &&
             (p->in_step || u->size + p->piece_length <= CREATE_BUFFER_SIZE) &&
             padded + p->piece_length <= CREATE_UNIT_PADDED_MAX);
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

/* ---- reading --------------------------------------------------------------------------------- */

/* Walks the bytes of a unit through the files under them. */
struct reader {
    struct hash_unit *unit;
    size_t file;
    uint64_t offset;
    struct env_file *open;
};

static bool is_cancelled(const struct hash_unit *u)
{
    return u->plan->cancel != NULL && atomic_load_explicit(u->plan->cancel, memory_order_relaxed);
}

/* Closes the file, after a look at whether it is still the one that was scanned: what was read of
 * it before that look is then of that file. */
static int leave_file(struct reader *r)
{
    struct env_stat st;
    if (r->open == NULL)
        return 0;
    int err = env_file_stat(r->open, &st);
    if (err == 0 && !scan_file_unchanged(&r->unit->plan->scan->files[r->file], &st))
        err = ERR_CHANGED;
    env_file_close(r->open);
    r->open = NULL;
    return err;
}

static int open_file(struct reader *r)
{
    const struct scan *s = r->unit->plan->scan;
    if (r->open != NULL || r->offset == s->files[r->file].size)
        return 0;
    int err = env_file_open(s->dir, s->files[r->file].path, ENV_OPEN_READ, &r->open);
    if (err != 0)
        r->open = NULL;
    return err == ERR_UNSAFE_PATH ? ERR_CHANGED
                                  : err; /* a link stands where a file or folder was */
}

/* Reads at most `room` bytes of the present file, and leaves it at its end. */
static int read_some(struct reader *r, uint8_t *out, size_t room, size_t *got)
{
    const struct scan *s = r->unit->plan->scan;
    const struct scan_file *f = &s->files[r->file];
    uint64_t rest = f->size - r->offset;
    *got = rest < room ? (size_t)rest : room;
    int err = *got > 0 ? open_file(r) : 0;
    if (err == 0 && *got > 0) {
        struct iovec part = {out, *got};
        err = env_file_preadv(r->open, &part, 1, r->offset);
    }
    if (err < 0)
        return err;
    r->offset += *got;
    if (r->offset < f->size)
        return 0;
    if (f->size > 0)
        r->unit->files_ended++;
    err = leave_file(r);
    if (err == 0) {
        r->file++;
        r->offset = 0;
    }
    return err;
}

static int fill(struct reader *r, uint8_t *out, size_t size)
{
    while (size > 0) {
        size_t got;
        int err = read_some(r, out, size, &got);
        if (err < 0)
            return err;
        out += got;
        size -= got;
    }
    return 0;
}

/* ---- hashing --------------------------------------------------------------------------------- */

/* Leaves on their way into the lanes, together whatever piece they belong to: pieces may be small.
 */
struct leaf_batch {
    struct bytes parts[EXTENT_LEAVES];
    struct hash_job jobs[EXTENT_LEAVES];
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
        if (b->count == EXTENT_LEAVES)
            flush_leaves(b);
        b->parts[b->count] =
            bytes_of(data + at, rest < CREATE_BLOCK_SIZE ? rest : CREATE_BLOCK_SIZE);
        b->jobs[b->count] = (struct hash_job){&b->parts[b->count], 1, out->b};
        b->count++;
        out++;
    }
    return out;
}

static void hash_v2_pieces(struct hash_unit *u)
{
    struct leaf_batch batch = {.count = 0};
    struct sha256_digest *leaf = u->leaves;
    const uint8_t *data = u->buffer;
    for (size_t i = 0; i < u->piece_count; data += u->pieces[i++].size)
        leaf = batch_leaves(&batch, data, u->pieces[i].size, leaf);
    flush_leaves(&batch);
    leaf = u->leaves;
    for (size_t i = 0; i < u->piece_count; i++) {
        size_t count = pieces_of(u->pieces[i].size, CREATE_BLOCK_SIZE);
        u->plan->v2_pieces[u->first_piece + i] = merkle_root(leaf, count, 0, u->pieces[i].height);
        leaf += count;
    }
}

static void hash_v1_pieces(struct hash_unit *u)
{
    struct bytes parts[CREATE_UNIT_PIECES_MAX][2];
    struct hash_job jobs[CREATE_UNIT_PIECES_MAX];
    const uint8_t *data = u->buffer;
    for (size_t i = 0; i < u->piece_count; data += u->pieces[i++].size) {
        parts[i][0] = bytes_of(data, u->pieces[i].size);
        parts[i][1] = bytes_of(u->plan->zeros, u->pieces[i].pad);
        jobs[i] = (struct hash_job){
            parts[i], u->pieces[i].pad > 0 ? 2 : 1, u->plan->v1_pieces[u->first_piece + i].b};
    }
    hash_many(HASH_SHA1, jobs, u->piece_count);
}

/* Pieces that all fit the buffer: read them, then hash them side by side. */
static int hash_together(struct hash_unit *u, struct reader *r)
{
    int err = fill(r, u->buffer, u->size);
    if (err < 0)
        return err;
    if (u->plan->v2)
        hash_v2_pieces(u);
    if (u->plan->v1)
        hash_v1_pieces(u);
    return 0;
}

/* One v2 piece that is larger than the buffer: extent by extent. */
static int hash_large(struct hash_unit *u, struct reader *r)
{
    const struct create_plan *p = u->plan;
    const struct unit_piece *piece = &u->pieces[0];
    struct leaf_batch batch = {.count = 0};
    struct sha256_digest *leaf = u->leaves;
    assert(u->piece_count == 1 && !p->v1);
    for (size_t at = 0; at < piece->size;) {
        size_t size = piece->size - at < EXTENT_SIZE ? piece->size - at : EXTENT_SIZE;
        int err = is_cancelled(u) ? ERR_CANCELLED : fill(r, u->buffer, size);
        if (err < 0)
            return err;
        leaf = batch_leaves(&batch, u->buffer, size, leaf);
        flush_leaves(&batch); /* before the buffer is read into again */
        at += size;
    }
    p->v2_pieces[u->first_piece] =
        merkle_root(u->leaves, (size_t)(leaf - u->leaves), 0, piece->height);
    return 0;
}

static void end_reader(struct reader *r, struct hash_unit *u)
{
    if (u->err == 0)
        u->err = leave_file(r);
    if (u->err != 0 && u->err_file == SIZE_MAX)
        u->err_file = r->file;
    if (r->open != NULL)
        env_file_close(r->open);
    r->open = NULL;
}

/* ---- in step --------------------------------------------------------------------------------- */

/* Each piece is read by a reader of its own. */
struct stepping {
    struct hash_unit *unit;
    struct reader readers[HASH_STEP_PIECES];
};

/* Pieces lie end to end in the files end to end. */
static void place_readers(struct stepping *s)
{
    const struct hash_unit *u = s->unit;
    const struct scan *scan = u->plan->scan;
    size_t file = u->first_file;
    uint64_t offset = u->first_offset;
    for (size_t i = 0; i < u->piece_count; i++) {
        s->readers[i] = (struct reader){.unit = s->unit, .file = file, .offset = offset};
        uint64_t left = u->pieces[i].size;
        while (left > 0 && left >= scan->files[file].size - offset) {
            left -= scan->files[file].size - offset;
            file++;
            offset = 0;
        }
        offset += left;
    }
}

static int step_read(void *user, unsigned i, uint32_t begin, uint8_t *out, uint32_t size)
{
    struct stepping *s = user;
    struct reader *r = &s->readers[i];
    int err = is_cancelled(s->unit) ? ERR_CANCELLED : 0;
    if (err == 0 && begin == 0)
        err = open_file(r);
    /* The slices of a unit are read out of order: the disk shall see the order of the file. */
    if (err == 0 && begin == 0 && r->open != NULL)
        env_file_ahead(r->open, r->offset, s->unit->pieces[i].size);
    if (err == 0)
        err = fill(r, out, size);
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
    for (size_t i = 0; i < u->piece_count; i++)
        pieces[i] = (struct step_piece){.size = u->pieces[i].size,
            .pad = u->pieces[i].pad,
            .v1 = p->v1_pieces[u->first_piece + i].b,
            .v2_size = p->v2 ? u->pieces[i].size : 0,
            .leaves = p->v2 ? u->leaves + i * room : NULL};
    u->err = hash_step_run(u->step, pieces, (unsigned)u->piece_count, step_read, &s);
    for (size_t i = 0; i < u->piece_count && p->v2 && u->err == 0; i++)
        p->v2_pieces[u->first_piece + i] = merkle_root(u->leaves + i * room,
            pieces_of(u->pieces[i].size, CREATE_BLOCK_SIZE), 0, u->pieces[i].height);
    for (size_t i = 0; i < u->piece_count; i++)
        end_reader(&s.readers[i], u);
}

void hash_unit_run(struct hash_unit *u)
{
    u->files_ended = 0;
    u->err = is_cancelled(u) ? ERR_CANCELLED : 0;
    u->err_file = SIZE_MAX;
    if (u->plan->in_step && u->err == 0) {
        hash_in_step(u);
        return;
    }
    struct reader r = {.unit = u, .file = u->first_file, .offset = u->first_offset};
    if (u->err == 0)
        u->err = u->size > CREATE_BUFFER_SIZE ? hash_large(u, &r) : hash_together(u, &r);
    end_reader(&r, u);
}

/* ---- room ------------------------------------------------------------------------------------ */

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
    if (u->buffer == NULL)
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
    u->buffer = NULL;
    u->leaves = NULL;
    u->step = NULL;
}
