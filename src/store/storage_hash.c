/* Hashing a piece where it stands, slice by slice with running hashes: however long the piece, only
 * a slice of it is in memory. For pieces that are too long to be read whole, for those that were
 * spilled in part, and for the leaves that peers ask for (BEP 52). See storage.h. */
#include "store/storage_internal.h"
#include "store/verify.h"

#include "base/err.h"
#include "crypto/hash.h"
#include <stdlib.h>
#include <string.h>

#define SLICE (1u << 20)
#define SLICE_BLOCKS (SLICE / METAINFO_BLOCK_SIZE)

struct walk {
    struct storage *storage;
    const struct piece_buffer *pb; /* blocks that are in memory count; NULL: none are */
    struct metainfo_piece info;
    uint32_t piece;
    uint8_t *slice;
    struct hash_stream *v1;       /* NULL: there is no v1 hash */
    struct sha256_digest *leaves; /* NULL: they are not wanted */
};

static bool in_memory(const struct walk *w, uint32_t begin)
{
    return w->pb && w->pb->states[begin / METAINFO_BLOCK_SIZE] == BLOCK_IN_MEMORY;
}

/* [begin, begin + size) of the piece, each block from where its bytes are; runs of those that are
 * on the disk in one read. */
static int fill_slice(struct walk *w, uint32_t begin, uint32_t size)
{
    for (uint32_t at = 0; at < size;) {
        uint32_t n = 0;
        if (in_memory(w, begin + at)) {
            uint32_t block = (begin + at) / METAINFO_BLOCK_SIZE;
            n = piece_buffer_block_size(w->pb, block);
            memcpy(w->slice + at, piece_buffer_data(w->pb, block), n);
        } else {
            while (at + n < size && !in_memory(w, begin + at + n))
                n += size - at - n < METAINFO_BLOCK_SIZE ? size - at - n : METAINFO_BLOCK_SIZE;
            struct iovec v = {w->slice + at, n};
            int err = storage_read_range(w->storage, w->piece, begin + at, &v, 1);
            if (err)
                return err;
        }
        at += n;
    }
    return 0;
}

/* The v2 hashes of a slice's blocks, the file's last one at its real length. */
static void hash_blocks(struct walk *w, uint32_t begin)
{
    struct bytes blocks[SLICE_BLOCKS];
    struct hash_job jobs[SLICE_BLOCKS];
    struct sha256_digest *leaf = w->leaves + begin / METAINFO_BLOCK_SIZE;
    size_t count = 0;
    for (uint32_t at = begin; at < w->info.v2_size && at - begin < SLICE; count++) {
        uint32_t left = w->info.v2_size - at;
        uint32_t n = left < METAINFO_BLOCK_SIZE ? left : METAINFO_BLOCK_SIZE;
        blocks[count] = bytes_of(w->slice + (at - begin), n);
        jobs[count] = (struct hash_job){&blocks[count], 1, leaf[count].b};
        at += n;
    }
    hash_many(HASH_SHA256, jobs, count);
}

static int walk_piece(struct walk *w)
{
    for (uint32_t begin = 0; begin < w->info.size; begin += SLICE) {
        uint32_t left = w->info.size - begin, size = left < SLICE ? left : SLICE;
        int err = fill_slice(w, begin, size);
        if (err)
            return err;
        if (w->v1)
            hash_stream_update(w->v1, w->slice, size);
        if (w->leaves)
            hash_blocks(w, begin);
    }
    return 0;
}

static bool is_right(struct walk *w)
{
    uint8_t digest[20];
    if (w->v1)
        hash_stream_final(w->v1, digest);
    return verify_hashes(&w->info, w->v1 ? digest : NULL, w->leaves);
}

int storage_hash_piece(
    struct storage *s, uint32_t piece, const struct piece_buffer *pb, bool *right)
{
    struct walk w = {.storage = s, .pb = pb, .piece = piece};
    metainfo_piece(s->metainfo, piece, &w.info);
    bool has_v2 = w.info.has_v2 && w.info.v2_known;
    w.slice = malloc(w.info.size < SLICE ? w.info.size : SLICE);
    w.v1 = w.info.v1 ? hash_stream_new(HASH_SHA1) : NULL;
    w.leaves = has_v2 ? malloc(w.info.v2_block_count * sizeof *w.leaves) : NULL;
    bool whole = w.slice && (w.v1 || !w.info.v1) && (w.leaves || !has_v2);
    int err = whole ? walk_piece(&w) : ERR_NOMEM;
    *right = err == 0 && is_right(&w);
    free(w.slice);
    free(w.leaves);
    hash_stream_free(w.v1);
    return err;
}

/* ---- leaves for peers ---------------------------------------------------------------------- */

struct leaves_job {
    struct env_job job;
    struct storage *storage;
    uint32_t first, pieces;
    struct sha256_digest *leaves;
    size_t count;
    void (*done)(void *user, int err, struct sha256_digest *leaves, size_t count);
    void *user;
    int err;
};

static void leaves_run(struct env_job *job)
{
    struct leaves_job *j = container_of(job, struct leaves_job, job);
    struct sha256_digest *at = j->leaves;
    uint8_t *slice = malloc(SLICE);
    j->err = slice ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; i < j->pieces && !j->err; i++) {
        struct walk w = {
            .storage = j->storage, .piece = j->first + i, .slice = slice, .leaves = at};
        metainfo_piece(j->storage->metainfo, w.piece, &w.info);
        j->err = walk_piece(&w);
        if (!j->err && !is_right(&w))
            j->err = ERR_HASH;
        at += w.info.v2_block_count;
    }
    free(slice);
}

static void leaves_done(struct env_job *job)
{
    struct leaves_job *j = container_of(job, struct leaves_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    if (j->err) {
        free(j->leaves);
        j->leaves = NULL;
    }
    j->done(j->user, j->err, j->leaves, j->count);
    free(j);
}

int storage_leaves(struct storage *s, uint32_t first, uint32_t pieces,
    void (*done)(void *user, int err, struct sha256_digest *leaves, size_t count), void *user)
{
    struct leaves_job *j = calloc(1, sizeof *j);
    if (!j)
        return ERR_NOMEM;
    *j = (struct leaves_job){
        {.run = leaves_run, .done = leaves_done}, s, first, pieces, NULL, 0, done, user, 0};
    for (uint32_t i = 0; i < pieces; i++) {
        struct metainfo_piece info;
        metainfo_piece(s->metainfo, first + i, &info);
        j->count += info.v2_block_count;
    }
    j->leaves = malloc(j->count * sizeof *j->leaves);
    if (!j->leaves) {
        free(j);
        return ERR_NOMEM;
    }
    s->jobs++;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return 0;
}
