/* Finishing and spilling pieces. See storage.h. */
#include "store/storage_internal.h"
#include "store/verify.h"

#include "base/err.h"
#include "crypto/hash.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- finish: verify, then write ------------------------------------------------------------ */

struct finish {
    struct list_link link;
    struct piece_buffer *pb;
    void (*done)(void *user, struct piece_buffer *, int err);
    void *user;
    int err;
    struct bytes *parts; /* the piece's chunks */
};

/* Pieces that wait are taken together, so that the hash kernels have lanes to fill. They are
 * written and given back in steps: while the last ones are written, blocks arrive in the buffers of
 * the first. */
#define STEP_BYTES (8u << 20)
struct finish_job {
    struct env_job job;
    struct storage *storage;
    struct finish *items[STORAGE_FINISH_BATCH];
    unsigned count;
    unsigned given, written; /* items before these are given back, and written */
    bool verified;
};

/* The piece's bytes as parts: its chunks. */
static int gather(struct finish *f)
{
    struct piece_buffer *pb = f->pb;
    f->parts = calloc(pb->chunk_count, sizeof *f->parts);
    if (!f->parts)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < pb->chunk_count; i++) {
        size_t begin = (size_t)i * CHUNK_SIZE;
        size_t size = pb->size - begin < CHUNK_SIZE ? pb->size - begin : CHUNK_SIZE;
        f->parts[i] = bytes_of(pb->chunks[i]->data, size);
    }
    return 0;
}

static int write_piece(struct storage *s, const struct finish *f)
{
    struct iovec *iov = calloc(f->pb->chunk_count, sizeof *iov);
    if (!iov)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < f->pb->chunk_count; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)f->parts[i].data, f->parts[i].size};
    int err = storage_write_range(s, f->pb->piece, 0, iov, (int)f->pb->chunk_count);
    free(iov);
    return err;
}

static int write_block(struct storage *s, const struct piece_buffer *pb, uint32_t b)
{
    struct iovec v = {pb->chunks[b / CHUNK_BLOCKS]->data + b % CHUNK_BLOCKS * PIECE_BLOCK_SIZE,
        piece_buffer_block_size(pb, b)};
    return storage_write_range(s, pb->piece, b * PIECE_BLOCK_SIZE, &v, 1);
}

/* A piece of which something was spilled: its blocks are partly here, partly on the disk. */
static int finish_spilled(struct storage *s, struct piece_buffer *pb)
{
    bool right;
    int err = storage_hash_piece(s, pb->piece, pb, &right);
    if (!err && !right)
        err = ERR_HASH;
    for (uint32_t b = 0; b < pb->block_count && !err; b++)
        if (pb->states[b] == BLOCK_IN_MEMORY)
            err = write_block(s, pb, b);
    return err;
}

static void verify(struct finish_job *j)
{
    struct verify_piece pieces[STORAGE_FINISH_BATCH];
    struct finish *of[STORAGE_FINISH_BATCH];
    unsigned count = 0;
    for (unsigned i = 0; i < j->count; i++) {
        struct finish *f = j->items[i];
        bool spilled = f->pb->on_disk > 0;
        f->err = spilled ? finish_spilled(j->storage, f->pb) : gather(f);
        if (spilled || f->err)
            continue;
        metainfo_piece(j->storage->metainfo, f->pb->piece, &pieces[count].info);
        pieces[count].parts = f->parts;
        pieces[count].part_count = f->pb->chunk_count;
        of[count++] = f;
    }
    int err = verify_pieces(pieces, count);
    for (unsigned i = 0; i < count; i++)
        of[i]->err = err ? err : pieces[i].right ? 0 : ERR_HASH;
}

static void finish_run(struct env_job *job)
{
    struct finish_job *j = container_of(job, struct finish_job, job);
    if (!j->verified)
        verify(j);
    j->verified = true;
    for (size_t size = 0; j->written < j->count && size < STEP_BYTES; j->written++) {
        struct finish *f = j->items[j->written];
        size += f->pb->size;
        if (f->err == 0 && f->parts) /* without: it was spilled, and is written already */
            f->err = write_piece(j->storage, f);
    }
}

static void start_finish(struct storage *s);

static void finish_done(struct env_job *job)
{
    struct finish_job *j = container_of(job, struct finish_job, job);
    struct storage *s = j->storage;
    unsigned from = j->given, to = j->given = j->written;
    bool last = to == j->count;
    struct finish *items[STORAGE_FINISH_BATCH];
    memcpy(items, j->items, sizeof items);
    storage_job_ended(s);
    /* What is next before the callbacks: a worker should not wait for them. */
    if (last) {
        free(j);
        s->finish_jobs--;
        start_finish(s);
    } else {
        storage_submit(s, ENV_LANE_DATA, &j->job);
    }
    for (unsigned i = from; i < to; i++) {
        struct finish *f = items[i];
        free(f->parts);
        f->pb->busy = false;
        s->jobs--;
        f->done(f->user, f->pb, f->err);
        free(f);
    }
}

/* SHA-1 of one piece uses one lane of many: pieces wait until the lanes are full, or most of the
 * buffer memory is, or somebody is in a hurry. SHA-256 has the blocks of each piece. */
static bool is_batch(const struct storage *s)
{
    size_t memory = chunk_pool_size(s->pool) * CHUNK_SIZE;
    return s->finish_hurry || !s->metainfo->has_v1 || s->finish_waiting >= hash_lanes(HASH_SHA1) ||
           s->finish_bytes >= memory / 3 * 2;
}

static struct finish *next_finish(struct storage *s)
{
    struct finish *f = list_entry(list_pop_front(&s->finishing), struct finish, link);
    s->finish_waiting--;
    s->finish_bytes -= f->pb->size;
    if (s->finish_waiting == 0)
        s->finish_hurry = false;
    return f;
}

static void start_finish(struct storage *s)
{
    while (s->finish_waiting > 0 && s->finish_jobs < env_worker_count(s->env) && is_batch(s)) {
        struct finish_job *j = calloc(1, sizeof *j);
        if (!j)
            return; /* tried again when the next piece is finished */
        *j = (struct finish_job){.job = {.run = finish_run, .done = finish_done}, .storage = s};
        while (j->count < STORAGE_FINISH_BATCH && s->finish_waiting > 0)
            j->items[j->count++] = next_finish(s);
        s->finish_jobs++;
        storage_submit(s, ENV_LANE_DATA, &j->job);
    }
}

unsigned storage_finish_waiting(const struct storage *s)
{
    return s->finish_waiting;
}

uint64_t storage_finish_bytes(const struct storage *s)
{
    return s->finish_bytes;
}

bool storage_finish_running(const struct storage *s)
{
    return s->finish_jobs > 0;
}

int storage_finish(struct storage *s, struct piece_buffer *pb,
    void (*done)(void *user, struct piece_buffer *, int err), void *user)
{
    assert(piece_buffer_whole(pb) && !pb->busy);
    struct finish *f = calloc(1, sizeof *f);
    if (!f)
        return ERR_NOMEM;
    *f = (struct finish){.pb = pb, .done = done, .user = user};
    pb->busy = true;
    s->jobs++;
    list_push_back(&s->finishing, &f->link);
    s->finish_waiting++;
    s->finish_bytes += pb->size;
    start_finish(s);
    return 0;
}

void storage_finish_now(struct storage *s)
{
    s->finish_hurry = s->finish_waiting > 0;
    start_finish(s);
}

/* ---- spill --------------------------------------------------------------------------------- */

struct spill_job {
    struct env_job job;
    struct storage *storage;
    struct piece_buffer *pb;
    void (*done)(void *user, struct piece_buffer *, int err);
    void *user;
    int err;
    /* Those that were in memory when it began, one for each block: what had begun to arrive before
     * comes into memory meanwhile. */
    bool goes[];
};

static void spill_run(struct env_job *job)
{
    struct spill_job *j = container_of(job, struct spill_job, job);
    for (uint32_t b = 0; b < j->pb->block_count && !j->err; b++)
        if (j->goes[b])
            j->err = write_block(j->storage, j->pb, b);
}

static void spill_done(struct env_job *job)
{
    struct spill_job *j = container_of(job, struct spill_job, job);
    struct piece_buffer *pb = j->pb;
    for (uint32_t b = 0; b < pb->block_count && !j->err; b++) {
        if (!j->goes[b])
            continue;
        pb->states[b] = BLOCK_ON_DISK;
        pb->in_memory--;
        pb->on_disk++;
    }
    pb->busy = false;
    piece_buffer_trim(pb);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    j->done(j->user, pb, j->err);
    free(j);
}

int storage_spill(struct storage *s, struct piece_buffer *pb,
    void (*done)(void *user, struct piece_buffer *, int err), void *user)
{
    assert(!pb->busy);
    struct spill_job *j = calloc(1, sizeof *j + pb->block_count * sizeof *j->goes);
    if (!j)
        return ERR_NOMEM;
    *j = (struct spill_job){{.run = spill_run, .done = spill_done}, s, pb, done, user, 0};
    for (uint32_t b = 0; b < pb->block_count; b++)
        j->goes[b] = pb->states[b] == BLOCK_IN_MEMORY;
    pb->busy = true;
    s->jobs++;
    storage_submit(s, ENV_LANE_DATA, &j->job);
    return 0;
}
