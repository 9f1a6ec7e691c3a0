/* Reading blocks for peers. See storage.h.
 *
 * A read that is in the page cache, of files that are open, needs no worker at all: that is the
 * way of a seeder whose data is hot. Otherwise one job opens the file and brings all of the
 * read's blocks into the page cache, or copies them into chunks; one job a block costs more in
 * hand-overs between threads than the copies themselves.
 *
 * What is lent is mapped, and sent by gather writes: measured against sendfile, which needs two
 * calls a block and leaves the receiver to copy page by page, that takes a fifth less at both ends
 * of a loopback connection. A mapping lives as long as its read, so that a seeder is never as large
 * as its files. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Smaller files and blocks are copied: to map and let go again costs as much as to copy 16 KiB. */
#define LEND_FILE_MIN (256u << 10)
#define LEND_BLOCK_MIN 8192u

struct read_job {
    struct env_job job;
    struct storage_read read;
    void (*done)(void *user, struct storage_read *, int err);
    void *user;
    int err;
};

static struct read_job *job_of(struct storage_read *r)
{
    return container_of(r, struct read_job, read);
}

struct storage_read *storage_read_new(struct storage *s)
{
    struct read_job *j = malloc(sizeof *j);
    if (!j)
        return NULL;
    struct storage_read *r = &j->read;
    r->storage = s;
    r->pool = s->pool;
    r->block_count = r->chunk_count = 0;
    r->length = 0;
    r->lent = false;
    r->run_count = r->map_count = 0;
    r->holders = 1;
    return r;
}

static void unmap(struct storage_read *r)
{
    while (r->map_count > 0)
        env_unmap(&r->maps[--r->map_count]);
}

void storage_read_release(struct storage_read *r)
{
    assert(r->holders > 0);
    if (--r->holders > 0)
        return;
    for (unsigned i = 0; i < r->chunk_count; i++)
        chunk_unref(r->pool, r->chunks[i]);
    unmap(r);
    free(job_of(r));
}

void storage_read_failed(struct storage *s, uint32_t piece, int err)
{
    struct metainfo_slice slice =
        metainfo_slices(s->metainfo, piece, 0, metainfo_piece_size(s->metainfo, piece));
    bool any = metainfo_slice_next(s->metainfo, &slice);
    storage_note_error(s, err, "reading", any ? slice.file : UINT32_MAX);
}

/* ---- what goes together -------------------------------------------------------------------- */

/* Does the block lie in one file that is worth lending? */
static bool may_lend(const struct storage *s, uint32_t piece, uint32_t begin, uint32_t length,
    uint32_t *file, uint64_t *offset)
{
    if (length < LEND_BLOCK_MIN)
        return false;
    struct metainfo_slice slice = metainfo_slices(s->metainfo, piece, begin, length);
    if (!metainfo_slice_next(s->metainfo, &slice) || slice.pad || slice.length != length)
        return false;
    if (s->metainfo->files[slice.file].length < LEND_FILE_MIN ||
        atomic_load(&s->file[slice.file].in_parts))
        return false;
    *file = slice.file;
    *offset = slice.file_offset;
    return true;
}

/* The last chunks are for blocks that arrive: a node that both seeds and leeches must not deadlock
 * on its own memory. */
static bool take_chunks(struct storage_read *r, uint32_t length)
{
    struct chunk_pool *pool = r->pool;
    unsigned need = (length + CHUNK_SIZE - 1) / CHUNK_SIZE;
    if (r->chunk_count < need &&
        chunk_pool_available(pool) < need - r->chunk_count + chunk_pool_size(pool) / 8)
        return false;
    while (r->chunk_count < need) {
        struct chunk *c = chunk_take(pool);
        if (!c)
            return false;
        r->chunks[r->chunk_count++] = c;
    }
    return true;
}

/* Does the block at `offset` lie right behind the one before? */
static bool goes_on(const struct storage_read *r, uint64_t offset)
{
    unsigned last = r->block_count - 1;
    return r->block_count > 0 && r->offsets[last] + r->blocks[last].length == offset;
}

bool storage_read_add(
    struct storage_read *r, enum storage_way way, uint32_t piece, uint32_t begin, uint32_t length)
{
    assert(length > 0 && length <= STORAGE_BLOCK_MAX);
    uint32_t file = 0;
    uint64_t offset = 0;
    bool lend = way == STORAGE_LEND && may_lend(r->storage, piece, begin, length, &file, &offset);
    if (r->block_count == STORAGE_READ_BLOCKS || r->length + length > STORAGE_READ_MAX)
        return false;
    if (r->block_count > 0 && (lend != r->lent || (lend && file != r->file_number)))
        return false;
    if (!lend && !take_chunks(r, r->length + length))
        return false;
    if (lend && !goes_on(r, offset)) {
        if (r->run_count == STORAGE_READ_MAPS)
            return false;
        r->run_count++;
    }
    r->lent = lend;
    r->file_number = file;
    r->offsets[r->block_count] = offset;
    r->blocks[r->block_count++] = (struct storage_block){piece, begin, length, 0};
    r->length += length;
    return true;
}

/* ---- lent ---------------------------------------------------------------------------------- */

/* The next run of blocks that lie one behind the other in the file, from block *i on; *i moves
 * behind it. */
static uint64_t next_run(const struct storage_read *r, unsigned *i, uint64_t *size)
{
    uint64_t start = r->offsets[*i];
    *size = 0;
    while (*i < r->block_count && r->offsets[*i] == start + *size)
        *size += r->blocks[(*i)++].length;
    return start;
}

static bool is_warm(const struct storage_read *r, struct env_file *f)
{
    for (unsigned i = 0; i < r->block_count;) {
        uint64_t size, start = next_run(r, &i, &size);
        if (!env_file_is_warm(f, start, size))
            return false;
    }
    return true;
}

static int warm(const struct storage_read *r, struct env_file *f)
{
    int err = 0;
    for (unsigned i = 0; !err && i < r->block_count;) {
        uint64_t size, start = next_run(r, &i, &size);
        err = env_file_warm(f, start, size);
    }
    return err;
}

static int map(struct storage_read *r, struct env_file *f)
{
    for (unsigned i = 0, from = 0; i < r->block_count;) {
        struct env_mapping *m = &r->maps[r->map_count];
        uint64_t size, start = next_run(r, &i, &size);
        int err = env_file_map(f, start, (size_t)size, m);
        if (err)
            return err;
        r->map_count++;
        for (; from < i; from++)
            r->lent_data[from] = m->data + (r->offsets[from] - start);
    }
    return 0;
}

/* At once, if the file is open and all of it in the page cache. */
static bool lend_now(struct storage_read *r)
{
    struct storage *s = r->storage;
    struct env_file *f = file_cache_take_open(s->files, s, r->file_number);
    if (!f)
        return false;
    storage_note_read(s, r->file_number);
    bool lent = is_warm(r, f) && map(r, f) == 0;
    file_cache_give(s->files, f);
    if (!lent)
        unmap(r);
    return lent;
}

/* In a job. */
static int lend(struct storage_read *r)
{
    struct storage *s = r->storage;
    struct env_file *f;
    int err = storage_open_folder(s, false);
    storage_note_read(s, r->file_number);
    if (!err)
        err = file_cache_take(
            s->files, s, r->file_number, s->dir, s->file[r->file_number].path, ENV_OPEN_READ, &f);
    if (!err) {
        err = warm(r, f);
        if (!err)
            err = map(r, f);
        file_cache_give(s->files, f);
    }
    if (err && err != ERR_LIMIT && err != ERR_UNSUPPORTED)
        storage_note_error(s, err, "reading", r->file_number);
    return err == ERR_ABSENT ? ERR_NOT_FOUND : err;
}

/* ---- copied -------------------------------------------------------------------------------- */

int storage_read_runs(const struct storage_read *r, unsigned i, struct bytes *runs)
{
    size_t at = 0;
    if (r->lent) {
        runs[0] = bytes_of(r->lent_data[i], r->blocks[i].length);
        return 1;
    }
    for (unsigned b = 0; b < i; b++)
        at += r->blocks[b].length;
    int count = 0;
    for (size_t left = r->blocks[i].length; left > 0; count++) {
        size_t room = CHUNK_SIZE - at % CHUNK_SIZE;
        size_t n = left < room ? left : room;
        assert(count < STORAGE_BLOCK_RUNS_MAX);
        runs[count] = bytes_of(r->chunks[at / CHUNK_SIZE]->data + at % CHUNK_SIZE, n);
        at += n;
        left -= n;
    }
    return count;
}

static uint32_t first_file(const struct storage *s, const struct storage_block *b)
{
    struct metainfo_slice slice = metainfo_slices(s->metainfo, b->piece, b->begin, b->length);
    while (metainfo_slice_next(s->metainfo, &slice))
        if (!slice.pad)
            return slice.file;
    return UINT32_MAX;
}

#define RUN_VECTORS_MAX (STORAGE_READ_BLOCKS * 2 + STORAGE_READ_MAX / CHUNK_SIZE)

/* Where blocks `from` to `to` belong. */
static int run_vectors(const struct storage_read *r, unsigned from, unsigned to, struct iovec *iov)
{
    int count = 0;
    for (unsigned i = from; i < to; i++) {
        struct bytes runs[STORAGE_BLOCK_RUNS_MAX];
        int n = storage_read_runs(r, i, runs);
        for (int k = 0; k < n; k++)
            iov[count++] = (struct iovec){(void *)(uintptr_t)runs[k].data, runs[k].size};
    }
    return count;
}

/* Blocks `from` to `to` follow one another in one piece: one read. */
static int copy_run(struct storage_read *r, unsigned from, unsigned to)
{
    struct iovec iov[RUN_VECTORS_MAX];
    int count = run_vectors(r, from, to, iov);
    int err =
        storage_read_range(r->storage, r->blocks[from].piece, r->blocks[from].begin, iov, count);
    if (err == ERR_NOT_FOUND || err == ERR_CHANGED)
        storage_note_error(r->storage, err, "reading", first_file(r->storage, &r->blocks[from]));
    return err;
}

static bool follows(const struct storage_block *b)
{
    return b[1].piece == b[0].piece && b[1].begin == b[0].begin + b[0].length;
}

/* Behind the last of the blocks that follow one another from `from` on. */
static unsigned run_end(const struct storage_read *r, unsigned from)
{
    unsigned to = from + 1;
    while (to < r->block_count && follows(&r->blocks[to - 1]))
        to++;
    return to;
}

/* At once, if the files are open and all of it in the page cache: the bytes are about to be looked
 * at by this thread, and what a worker has copied lies in another core's cache. */
static bool copy_now(struct storage_read *r)
{
    struct iovec iov[RUN_VECTORS_MAX];
    for (unsigned from = 0, to; from < r->block_count; from = to) {
        to = run_end(r, from);
        int count = run_vectors(r, from, to, iov);
        const struct storage_block *b = &r->blocks[from];
        if (!storage_read_range_now(r->storage, b->piece, b->begin, iov, count))
            return false;
    }
    return true;
}

static void copy(struct storage_read *r)
{
    for (unsigned from = 0, to; from < r->block_count; from = to) {
        to = run_end(r, from);
        int err = copy_run(r, from, to);
        for (unsigned i = from; i < to; i++)
            r->blocks[i].err = err && to - from > 1 ? copy_run(r, i, i + 1) : err;
    }
}

/* ---- the job ------------------------------------------------------------------------------- */

static void read_run(struct env_job *job)
{
    struct read_job *j = container_of(job, struct read_job, job);
    j->err = 0;
    if (j->read.lent)
        j->err = lend(&j->read);
    else
        copy(&j->read);
}

static void read_done(struct env_job *job)
{
    struct read_job *j = container_of(job, struct read_job, job);
    j->read.storage->jobs--;
    storage_job_ended(j->read.storage);
    j->done(j->user, &j->read, j->err);
}

bool storage_read_start(
    struct storage_read *r, void (*done)(void *user, struct storage_read *, int err), void *user)
{
    struct storage *s = r->storage;
    struct read_job *j = job_of(r);
    /* While data moves, what is open may be on its way out. */
    if (!s->move && (r->lent ? lend_now(r) : copy_now(r)))
        return true;
    j->job = (struct env_job){.run = read_run, .done = read_done};
    j->done = done;
    j->user = user;
    s->jobs++;
    storage_submit(s, ENV_LANE_DATA, &j->job);
    return false;
}
