/* A range of a piece as ranges of files. See storage_internal.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IOV_MAX_HERE 512

int storage_note_error(struct storage *s, int err, const char *doing, uint32_t file)
{
    if (err == 0)
        return 0;
    struct builder b = builder_heap(STORAGE_ERROR_MAX * 8);
    builder_format(&b, "%s %s/%s: %s", doing, s->folder,
        file < s->metainfo->file_count ? s->file[file].path : "", err_text(err));
    pthread_mutex_lock(&s->error_lock);
    snprintf(s->error, sizeof s->error, "%s", builder_text(&b));
    pthread_mutex_unlock(&s->error_lock);
    builder_free(&b);
    return err;
}

/* A folder that was made is there after a power loss only if those above it know its name. */
static int sync_parents(struct storage *s)
{
    char *path = strdup(s->folder), *slash;
    int err = path ? 0 : ERR_NOMEM;
    while (!err && (slash = strrchr(path, '/')) != NULL && path[1] != 0) {
        struct env_dir *parent;
        slash[slash == path] = 0;
        err = env_dir_open(s->env, path, false, &parent);
        if (err)
            break;
        err = env_dir_sync(parent, "");
        env_dir_close(parent);
    }
    free(path);
    /* A folder that others own may refuse to be synced by us: its names are their care. */
    return err == ERR_PERMISSION ? 0 : err;
}

int storage_open_folder(struct storage *s, bool create)
{
    if (s->dir)
        return 0;
    struct env_dir *dir, *none = NULL;
    int err = env_dir_open(s->env, s->folder, false, &dir);
    if (err && create) {
        err = env_dir_open(s->env, s->folder, true, &dir);
        if (!err)
            err = sync_parents(s);
    }
    if (err)
        return err;
    if (!atomic_compare_exchange_strong(&s->dir, &none, dir))
        env_dir_close(dir); /* another worker was first */
    return 0;
}

/* Cuts the next `size` bytes off the front of *iov into out; returns how many vectors that took. */
static int cut(struct iovec **iov, uint64_t size, struct iovec *out)
{
    int count = 0;
    while (size > 0 && count < IOV_MAX_HERE) {
        struct iovec *v = *iov;
        size_t n = v->iov_len < size ? v->iov_len : (size_t)size;
        if (n > 0)
            out[count++] = (struct iovec){v->iov_base, n};
        v->iov_base = (uint8_t *)v->iov_base + n;
        v->iov_len -= n;
        size -= n;
        if (v->iov_len == 0)
            ++*iov;
    }
    return count;
}

static uint32_t total(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return (uint32_t)size;
}

static int read_file(
    struct storage *s, uint32_t file, uint64_t offset, const struct iovec *iov, int n)
{
    struct env_file *f;
    storage_note_read(s, file);
    int err = file_cache_take(s->files, s, file, s->dir, s->file[file].path, ENV_OPEN_READ, &f);
    if (!err) {
        err = env_file_preadv(f, iov, n, offset);
        file_cache_give(s->files, f);
    }
    if ((err == ERR_NOT_FOUND || err == ERR_CHANGED) && atomic_load(&s->parts_exist))
        return storage_parts_read(s, file, offset, iov, n);
    return err;
}

/* ERR_AGAIN: it would not be at once. */
static int read_warm_file(
    struct storage *s, uint32_t file, uint64_t offset, const struct iovec *iov, int n)
{
    struct env_file *f = file_cache_take_open(s->files, s, file);
    if (!f)
        return ERR_AGAIN;
    storage_note_read(s, file);
    bool warm = env_file_is_warm(f, offset, total(iov, n));
    int err = warm ? env_file_preadv(f, iov, n, offset) : ERR_AGAIN;
    file_cache_give(s->files, f);
    return err;
}

typedef int read_way(struct storage *, uint32_t file, uint64_t, const struct iovec *, int n);

static int read_slices(struct storage *s, struct metainfo_slice slice, struct iovec *iov,
    read_way *read, uint32_t *file)
{
    struct iovec part[IOV_MAX_HERE];
    while (metainfo_slice_next(s->metainfo, &slice)) {
        uint64_t done = 0;
        *file = slice.file;
        while (done < slice.length) {
            int n = cut(&iov, slice.length - done, part), err = 0;
            uint64_t size = total(part, n);
            if (!slice.pad)
                err = read(s, slice.file, slice.file_offset + done, part, n);
            else
                for (int i = 0; i < n; i++)
                    memset(part[i].iov_base, 0, part[i].iov_len);
            if (err)
                return err;
            done += size;
        }
    }
    return 0;
}

int storage_read_range(
    struct storage *s, uint32_t piece, uint32_t begin, struct iovec *iov, int count)
{
    uint32_t file = UINT32_MAX;
    int err = storage_open_folder(s, false);
    if (err)
        return err == ERR_ABSENT ? ERR_NOT_FOUND
                                 : storage_note_error(s, err, "opening", UINT32_MAX);
    err = read_slices(
        s, metainfo_slices(s->metainfo, piece, begin, total(iov, count)), iov, read_file, &file);
    return err == ERR_NOT_FOUND || err == ERR_CHANGED ? err
                                                      : storage_note_error(s, err, "reading", file);
}

bool storage_read_range_now(
    struct storage *s, uint32_t piece, uint32_t begin, struct iovec *iov, int count)
{
    uint32_t file = UINT32_MAX;
    return read_slices(s, metainfo_slices(s->metainfo, piece, begin, total(iov, count)), iov,
               read_warm_file, &file) == 0;
}

/* The only slice of a range, if it is a file's. */
static bool only_slice(const struct storage *s, uint32_t piece, uint32_t begin, uint32_t size,
    struct metainfo_slice *out)
{
    *out = metainfo_slices(s->metainfo, piece, begin, size);
    return metainfo_slice_next(s->metainfo, out) && !out->pad && out->length == size;
}

const uint8_t *storage_mapped(const struct storage *s, const struct storage_window *w,
    uint32_t piece, uint32_t begin, uint32_t size)
{
    struct metainfo_slice slice;
    if (!w->in_file.open || !only_slice(s, piece, begin, size, &slice) || slice.file != w->file)
        return NULL;
    return file_window_at(&w->in_file, slice.file_offset, size);
}

const uint8_t *storage_map(struct storage *s, struct storage_window *w, uint32_t piece,
    uint32_t begin, uint32_t size, uint64_t length)
{
    struct metainfo_slice slice;
    struct env_file *f;
    if (!only_slice(s, piece, begin, size, &slice) || storage_open_folder(s, false))
        return NULL;
    uint64_t rest = s->metainfo->files[slice.file].length - slice.file_offset;
    length = length < rest ? length : rest;
    storage_note_read(s, slice.file);
    if (length < VIEW_WORTH || file_cache_take(s->files, s, slice.file, s->dir,
                                   s->file[slice.file].path, ENV_OPEN_READ, &f))
        return NULL;
    w->file = slice.file;
    file_window_open(&w->in_file, f, slice.file_offset, length);
    file_cache_give(s->files, f);
    return file_window_at(&w->in_file, slice.file_offset, size);
}

/* A file that was not there when it was looked for is ours only if it is we who make it. */
int storage_take_to_write(struct storage *s, uint32_t file, struct env_file **out)
{
    struct storage_file *f = &s->file[file];
    const unsigned flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    bool makes = !f->found && !atomic_load(&f->ours);
    int err = file_cache_take(
        s->files, s, file, s->dir, f->path, makes ? flags | ENV_OPEN_EXCLUSIVE : flags, out);
    if (err == ERR_EXISTS && makes && atomic_load(&f->ours)) /* another worker was first */
        err = file_cache_take(s->files, s, file, s->dir, f->path, flags, out);
    else if (err == ERR_EXISTS && makes)
        atomic_store(&f->touched, true);
    if (!err)
        atomic_store(&f->ours, true);
    return err;
}

static int write_file(
    struct storage *s, uint32_t file, uint64_t offset, const struct iovec *iov, int n)
{
    struct env_file *f;
    if (s->file[file].in_parts)
        return storage_parts_write(s, file, offset, iov, n);
    int err = storage_take_to_write(s, file, &f);
    if (err)
        return err;
    const struct metainfo_file *m = &s->metainfo->files[file];
    if (s->preallocate && !atomic_exchange(&s->file[file].made, true)) {
        err = env_file_allocate(f, 0, m->length);
        if (err == ERR_UNSUPPORTED)
            err = 0;
    }
    if (!err)
        err = env_file_pwritev(f, iov, n, offset);
    /* Afterwards: a sync that came in between has not seen all of it. */
    atomic_store(&s->file[file].dirty, true);
    file_cache_give(s->files, f);
    return err;
}

int storage_write_range(
    struct storage *s, uint32_t piece, uint32_t begin, struct iovec *iov, int count)
{
    struct iovec part[IOV_MAX_HERE];
    struct metainfo_slice slice = metainfo_slices(s->metainfo, piece, begin, total(iov, count));
    int err = storage_open_folder(s, true);
    if (err)
        return storage_note_error(s, err, "making", UINT32_MAX);
    while (metainfo_slice_next(s->metainfo, &slice)) {
        uint64_t done = 0;
        while (done < slice.length) {
            int n = cut(&iov, slice.length - done, part);
            uint64_t size = total(part, n);
            if (!slice.pad)
                err = write_file(s, slice.file, slice.file_offset + done, part, n);
            if (err)
                return storage_note_error(s, err, "writing", slice.file);
            done += size;
        }
    }
    return 0;
}

void storage_read_ahead(struct storage *s, uint32_t piece)
{
    uint32_t size = metainfo_piece_size(s->metainfo, piece);
    struct metainfo_slice slice = metainfo_slices(s->metainfo, piece, 0, size);
    while (metainfo_slice_next(s->metainfo, &slice)) {
        struct env_file *f = slice.pad ? NULL : file_cache_take_open(s->files, s, slice.file);
        if (!f)
            continue;
        env_file_ahead(f, slice.file_offset, slice.length);
        file_cache_give(s->files, f);
    }
}

void storage_doubt(struct storage *s, uint32_t piece)
{
    uint32_t size = metainfo_piece_size(s->metainfo, piece);
    struct metainfo_slice slice = metainfo_slices(s->metainfo, piece, 0, size);
    while (metainfo_slice_next(s->metainfo, &slice))
        if (!slice.pad)
            atomic_store(&s->file[slice.file].doubtful, true);
}
