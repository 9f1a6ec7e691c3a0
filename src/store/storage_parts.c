/* The sidecar: what pieces of wanted files hold of files that are not wanted. It is laid out like
 * the torrent itself and sparse, so a byte's place needs no index. See storage.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdlib.h>

#define COPY_SIZE (256u << 10)

static int take(struct storage *s, unsigned flags, struct env_file **out)
{
    return file_cache_take(s->files, s, STORAGE_PARTS_FILE, s->dir, s->parts_path, flags, out);
}

int storage_parts_read(
    struct storage *s, uint32_t file, uint64_t offset, const struct iovec *iov, int n)
{
    struct env_file *f;
    int err = take(s, ENV_OPEN_READ, &f);
    if (err)
        return err;
    err = env_file_preadv(f, iov, n, s->metainfo->files[file].offset + offset);
    file_cache_give(s->files, f);
    return err;
}

int storage_parts_write(
    struct storage *s, uint32_t file, uint64_t offset, const struct iovec *iov, int n)
{
    struct env_file *f;
    int err = take(s, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f);
    if (err)
        return err;
    atomic_store(&s->parts_exist, true);
    err = env_file_pwritev(f, iov, n, s->metainfo->files[file].offset + offset);
    file_cache_give(s->files, f);
    return err;
}

int storage_parts_sync(struct storage *s)
{
    struct env_file *f;
    if (!atomic_load(&s->parts_exist))
        return 0;
    int err = take(s, ENV_OPEN_WRITE, &f);
    if (err == ERR_NOT_FOUND) /* somebody deleted it: its pieces are found missing when read */
        return 0;
    if (err)
        return err;
    err = env_file_sync(f);
    file_cache_give(s->files, f);
    return err;
}

/* ---- a file becomes wanted ----------------------------------------------------------------- */

struct want_job {
    struct env_job job;
    struct storage *storage;
    uint32_t file;
    void (*done)(void *user, int err);
    void *user;
    int err;
};

static int copy_range(struct storage *s, uint32_t file, struct env_file *from, uint64_t begin,
    uint64_t end, uint8_t *buffer)
{
    const struct metainfo_file *m = &s->metainfo->files[file];
    struct env_file *to;
    int err = storage_take_to_write(s, file, &to);
    if (err)
        return err;
    while (begin < end && !err) {
        size_t size = end - begin < COPY_SIZE ? (size_t)(end - begin) : COPY_SIZE;
        struct iovec v = {buffer, size};
        err = env_file_preadv(from, &v, 1, begin);
        if (!err)
            err = env_file_pwritev(to, &v, 1, begin - m->offset);
        begin += size;
    }
    atomic_store(&s->file[file].dirty, true);
    file_cache_give(s->files, to);
    return err;
}

int storage_parts_complete(struct storage *s, uint32_t file)
{
    const struct metainfo_file *m = &s->metainfo->files[file];
    uint64_t at = m->offset, end = m->offset + m->length;
    struct env_file *from;
    uint8_t *buffer = malloc(COPY_SIZE);
    int err = buffer ? take(s, ENV_OPEN_READ, &from) : ERR_NOMEM;
    if (!err) {
        while (at < end && !err) {
            uint64_t first, last;
            if (env_file_next_data(from, at, &first, &last) != 0 || first >= end)
                break;
            first = first < at ? at : first;
            last = last < end ? last : end;
            err = copy_range(s, file, from, first, last, buffer);
            at = last;
        }
        file_cache_give(s->files, from);
    }
    free(buffer);
    return err == ERR_NOT_FOUND ? 0 : storage_note_error(s, err, "completing", file);
}

static void want_run(struct env_job *job)
{
    struct want_job *j = container_of(job, struct want_job, job);
    j->err = storage_parts_complete(j->storage, j->file);
}

static void want_done(struct env_job *job)
{
    struct want_job *j = container_of(job, struct want_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    j->done(j->user, j->err);
    free(j);
}

int storage_set_wanted(
    struct storage *s, uint32_t file, bool wanted, void (*done)(void *user, int err), void *user)
{
    struct storage_file *f = &s->file[file];
    if (!wanted) {
        if (!f->found && !f->ours)
            atomic_store(&f->in_parts, true);
        f->completes = false;
        return 1;
    }
    if (!atomic_exchange(&f->in_parts, false))
        return 1;
    f->completes = !s->prepared;
    if (f->completes || !atomic_load(&s->parts_exist))
        return 1;
    struct want_job *j = calloc(1, sizeof *j);
    if (!j) {
        atomic_store(&f->in_parts, true);
        return ERR_NOMEM;
    }
    *j = (struct want_job){{.run = want_run, .done = want_done}, s, file, done, user, 0};
    s->jobs++;
    storage_submit(s, ENV_LANE_DATA, &j->job);
    return 0;
}
