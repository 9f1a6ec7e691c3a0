/* A parsed torrent: its life, and what it says of pieces and the files beneath them. See
 * metainfo.h; the parser is in metainfo_parse.c. */
#include "format/metainfo.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "format/metainfo_parts.h"
#include <assert.h>
#include <stdlib.h>

struct metainfo *metainfo_new(void)
{
    struct metainfo *m = calloc(1, sizeof *m);
    struct metainfo_memory *memory = calloc(1, sizeof *memory);
    if (m == NULL || memory == NULL) {
        free(m);
        free(memory);
        return NULL;
    }
    arena_init(&memory->arena, METAINFO_MEMORY_MAX);
    m->memory = memory;
    m->references = 1;
    return m;
}

struct metainfo *metainfo_ref(struct metainfo *m)
{
    assert(m->references > 0);
    m->references++;
    return m;
}

void metainfo_unref(struct metainfo *m)
{
    if (m == NULL)
        return;
    assert(m->references > 0);
    if (--m->references > 0)
        return;
    arena_free(&m->memory->arena);
    free(m->memory->files);
    free(m->memory->info);
    free(m->memory);
    free(m);
}

int metainfo_info_matches(
    struct bytes info, const struct sha1_digest *v1, const struct sha256_digest *v2)
{
    bool v1_right = false, v2_right = false;
    if (v1 != NULL) {
        struct sha1_digest is = sha1(info.data, info.size);
        v1_right = sha1_equal(&is, v1);
    }
    if (v2 != NULL) {
        struct sha256_digest is = sha256(info.data, info.size);
        v2_right = sha256_equal(&is, v2);
    }
    bool v1_wrong = v1 != NULL && !v1_right, v2_wrong = v2 != NULL && !v2_right;
    if (!v1_wrong && !v2_wrong)
        return 0;
    return v1_right || v2_right ? ERR_MISMATCH : ERR_HASH;
}

struct info_hash metainfo_id(const struct metainfo *m)
{
    return m->has_v1 ? info_hash_of_sha1(&m->v1) : info_hash_of_sha256(&m->v2);
}

/* ---- pieces -------------------------------------------------------------------------------- */

/* Files' ends never descend, though many empty files may share one: so search by end. */
uint32_t metainfo_file_behind(const struct metainfo *m, uint64_t offset)
{
    uint32_t low = 0, high = m->file_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->files[middle].offset + m->files[middle].length > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t piece_offset(const struct metainfo *m, uint32_t index)
{
    return (uint64_t)index * m->piece_length;
}

/* How much of a piece is left when its data ends at `end`. */
static uint32_t size_up_to(const struct metainfo *m, uint32_t index, uint64_t end)
{
    uint64_t rest = end - piece_offset(m, index);
    return rest < m->piece_length ? (uint32_t)rest : m->piece_length;
}

uint32_t metainfo_piece_size(const struct metainfo *m, uint32_t index)
{
    assert(index < m->piece_count);
    if (m->has_v1)
        return size_up_to(m, index, m->stream_length);
    const struct metainfo_file *f = &m->files[metainfo_file_behind(m, piece_offset(m, index))];
    return size_up_to(m, index, f->offset + f->length);
}

uint32_t metainfo_request_size(const struct metainfo *m, uint32_t index)
{
    return m->has_v1 ? metainfo_piece_size(m, index) : m->piece_length;
}

static uint32_t blocks_in(uint32_t size)
{
    return (size + METAINFO_BLOCK_SIZE - 1) / METAINFO_BLOCK_SIZE;
}

/* The v2 half of a piece that belongs to file `index_of_file`. */
static void fill_v2(
    const struct metainfo *m, uint32_t index, uint32_t index_of_file, struct metainfo_piece *out)
{
    const struct metainfo_file *f = &m->files[index_of_file];
    assert(f->has_root);
    out->has_v2 = true;
    out->v2_file = index_of_file;
    out->v2_size = size_up_to(m, index, f->offset + f->length);
    out->v2_block_count = blocks_in(out->v2_size);
    if (f->length <= m->piece_length) {
        out->v2_height = merkle_height(out->v2_block_count);
        out->v2_root = f->root;
        out->v2_known = true;
        return;
    }
    out->v2_height = metainfo_piece_height(m);
    out->v2_known = f->layer != NULL;
    if (out->v2_known)
        out->v2_root = f->layer[index - f->first_piece];
}

void metainfo_piece(const struct metainfo *m, uint32_t index, struct metainfo_piece *out)
{
    assert(index < m->piece_count);
    *out = (struct metainfo_piece){0};
    out->first_file = metainfo_file_behind(m, piece_offset(m, index));
    out->size = metainfo_piece_size(m, index);
    out->block_count = blocks_in(out->size);
    if (m->has_v1)
        out->v1 = m->v1_pieces + (size_t)index * sizeof(struct sha1_digest);
    if (m->has_v2)
        fill_v2(m, index, out->first_file, out);
}

struct metainfo_slice metainfo_slices(
    const struct metainfo *m, uint32_t piece, uint32_t offset, uint32_t length)
{
    assert(piece < m->piece_count);
    struct metainfo_slice s = {0};
    uint64_t start = piece_offset(m, piece);
    uint64_t piece_end = start + metainfo_request_size(m, piece);
    s.file = metainfo_file_behind(m, start);
    s.at = start + offset;
    s.end = s.at + length < piece_end ? s.at + length : piece_end;
    s.next_file = metainfo_file_behind(m, s.at);
    return s;
}

/* What lies between s->at and the next file is the gap behind the file before it. */
static void slice_gap(struct metainfo_slice *s, uint64_t next_offset)
{
    uint64_t stop = s->end < next_offset ? s->end : next_offset;
    s->pad = true;
    s->file_offset = 0;
    s->length = stop - s->at;
    s->at = stop;
}

static void slice_file(const struct metainfo *m, struct metainfo_slice *s)
{
    const struct metainfo_file *f = &m->files[s->next_file];
    uint64_t file_end = f->offset + f->length;
    uint64_t stop = s->end < file_end ? s->end : file_end;
    s->file = s->next_file++;
    s->pad = (f->flags & METAINFO_PAD) != 0;
    s->file_offset = s->at - f->offset;
    s->length = stop - s->at;
    s->at = stop;
}

bool metainfo_slice_next(const struct metainfo *m, struct metainfo_slice *s)
{
    if (s->at >= s->end)
        return false;
    if (s->next_file < m->file_count && m->files[s->next_file].length == 0)
        s->next_file = metainfo_file_behind(m, s->at); /* over a run of empty files in one step */
    uint64_t next_offset =
        s->next_file < m->file_count ? m->files[s->next_file].offset : UINT64_MAX;
    if (next_offset > s->at)
        slice_gap(s, next_offset);
    else
        slice_file(m, s);
    return true;
}

/* ---- names --------------------------------------------------------------------------------- */

void metainfo_put_path(
    const struct metainfo *m, uint32_t file, enum path_rule rule, struct builder *out)
{
    assert(file < m->file_count);
    const struct metainfo_file *f = &m->files[file];
    if (m->multi_file) {
        builder_str(out, rule == PATH_LOCAL ? m->root : m->portable_root);
        builder_u8(out, '/');
    }
    builder_str(out, rule == PATH_LOCAL ? f->path : f->portable_path);
}
