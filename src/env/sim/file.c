/* Open files of a simulated disk: env_file_*. */
#include "env/sim/disk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct sim_file *file_of(struct env_file *face)
{
    return (struct sim_file *)(void *)face;
}

static void file_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind;
    struct sim_file *f = container_of(h, struct sim_file, handle);
    if (f->inode != NULL)
        sim_inode_drop(f->inode);
    f->inode = NULL;
}

static void file_destroy(struct sim_handle *h)
{
    struct sim_file *f = container_of(h, struct sim_file, handle);
    file_crash(h, SIM_KILLED);
    free(f->path);
    free(f);
}

static const struct sim_handle_kind file_kind = {file_crash, file_destroy};

enum access { READS, WRITES };

/* What every call on an open file begins with. *partial as sim_disk_begin. */
static int file_begin(
    struct sim_file *f, enum sim_disk_call call, enum access access, size_t bytes, size_t *partial)
{
    int err = sim_disk_begin(f->handle.env, call, f->path, bytes, partial);
    if (f->inode == NULL)
        return err != 0 ? err : ERR_IO;
    const struct sim_volume *v = f->inode->volume;
    if (!v->present || v->generation != f->generation) {
        *partial = 0;
        return ERR_ABSENT;
    }
    if (err == 0 && access == WRITES && !f->writable)
        return err_from_errno(EBADF);
    if (err == 0 && access == WRITES && v->access == SIM_READ_ONLY)
        return err_from_errno(EROFS);
    return err;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_place(struct sim_place *place, unsigned flags)
{
    if (place->inode != NULL) {
        if (place->inode->kind == SIM_SYMLINK)
            return ERR_UNSAFE_PATH;
        if ((flags & ENV_OPEN_EXCLUSIVE) != 0)
            return ERR_EXISTS;
        if (place->inode->kind == SIM_FOLDER)
            return err_from_errno(EISDIR);
    } else if ((flags & ENV_OPEN_CREATE) == 0) {
        return err_from_errno(ENOENT);
    }
    const struct sim_volume *v =
        place->inode != NULL ? place->inode->volume : place->parent->volume;
    if ((flags & ENV_OPEN_WRITE) != 0 && v->access == SIM_READ_ONLY)
        return err_from_errno(EROFS);
    if (place->inode != NULL)
        return 0;
    return sim_folder_create(place->parent, place->name, SIM_FILE, &place->inode);
}

int sim_file_open(struct env_dir *dir_face, const char *path, unsigned flags, struct env_file **out)
{
    struct sim_dir *dir = (struct sim_dir *)(void *)dir_face;
    struct sim_place place;
    *out = NULL;
    bool make = (flags & ENV_OPEN_CREATE) != 0;
    if (make && (flags & ENV_OPEN_WRITE) == 0)
        return ERR_INVALID;
    int err = sim_dir_reach(
        dir, SIM_DISK_FILE_OPEN, path, make ? SIM_MISSING_IS_MADE : SIM_MISSING_FAILS, &place);
    if (err == 0)
        err = open_place(&place, flags);
    if (err != 0)
        return err;
    struct sim_file *f = sim_alloc(sizeof *f);
    f->inode = place.inode;
    f->generation = place.inode->volume->generation;
    f->writable = (flags & ENV_OPEN_WRITE) != 0;
    size_t size = strlen(dir->path) + strlen(path) + 2;
    f->path = sim_alloc(size);
    snprintf(f->path, size, "%s/%s", strcmp(dir->path, "/") == 0 ? "" : dir->path, path);
    sim_inode_hold(f->inode);
    sim_handle_open(&f->handle, &file_kind, dir->handle.env);
    f->handle.env->host->stats.files++;
    *out = (struct env_file *)(void *)f;
    return 0;
}

void sim_file_close(struct env_file *face)
{
    struct sim_file *f = file_of(face);
    if (f->handle.env->alive)
        f->handle.env->host->stats.files--;
    sim_handle_close(&f->handle);
}

/* ---- content ------------------------------------------------------------------------------- */

static size_t iovec_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

int sim_file_preadv(struct env_file *face, const struct iovec *iov, int count, uint64_t offset)
{
    struct sim_file *f = file_of(face);
    size_t size = iovec_size(iov, count), partial;
    int err = file_begin(f, SIM_DISK_READ, READS, size, &partial);
    if (err != 0)
        return err;
    for (int i = 0; i < count; i++) {
        sim_pages_read(&f->inode->pages, offset, iov[i].iov_base, iov[i].iov_len);
        offset += iov[i].iov_len;
    }
    return offset > f->inode->pages.size ? ERR_CHANGED : 0;
}

int sim_file_pwritev(struct env_file *face, const struct iovec *iov, int count, uint64_t offset)
{
    struct sim_file *f = file_of(face);
    size_t size = iovec_size(iov, count), partial;
    int err = file_begin(f, SIM_DISK_WRITE, WRITES, size, &partial);
    size_t left = err == 0 ? size : partial;
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        int full;
        size_t done = sim_inode_write(f->inode, offset, iov[i].iov_base, part, &full);
        sim_record(f->inode->volume->host->world, f->inode->volume->host, "written", offset,
            sim_fingerprint(iov[i].iov_base, done));
        if (full != 0)
            return full;
        offset += part;
        left -= part;
    }
    return err;
}

/* The bytes as they stand now. */
int sim_file_map(struct env_file *face, uint64_t offset, size_t size, struct env_mapping *out)
{
    struct sim_file *f = file_of(face);
    size_t partial;
    if (f->handle.env->host->world->config.mapping_unsupported)
        return ERR_UNSUPPORTED;
    int err = file_begin(f, SIM_DISK_MAP, READS, size, &partial);
    if (err != 0)
        return err;
    if (offset > f->inode->pages.size || size > f->inode->pages.size - offset)
        return ERR_CHANGED;
    out->base = sim_alloc(size);
    out->size = size;
    out->data = out->base;
    sim_pages_read(&f->inode->pages, offset, out->base, size);
    return 0;
}

void sim_unmap(struct env_mapping *m)
{
    free(m->base);
}

/* There is nothing to save here: whoever wants to view reads, and meets the disk's faults there. */
int sim_file_view(struct env_file *face, uint64_t offset, size_t size, struct env_view *out)
{
    (void)face;
    (void)offset;
    (void)size;
    (void)out;
    return ERR_UNSUPPORTED;
}

int sim_view_end(struct env_view *view)
{
    (void)view;
    return ERR_UNSUPPORTED;
}

int sim_file_sync(struct env_file *face)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_SYNC, READS, 0, &partial);
    if (err == 0)
        sim_inode_sync(file_of(face)->inode);
    return err;
}

int sim_file_stat(struct env_file *face, struct env_stat *out)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_FILE_STAT, READS, 0, &partial);
    if (err == 0)
        sim_inode_stat(file_of(face)->inode, out);
    return err;
}

int sim_file_truncate(struct env_file *face, uint64_t size)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_TRUNCATE, WRITES, 0, &partial);
    if (err == 0)
        sim_inode_truncate(file_of(face)->inode, size);
    return err;
}

int sim_file_allocate(struct env_file *face, uint64_t offset, uint64_t size)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_ALLOCATE, WRITES, 0, &partial);
    return err != 0 ? err : sim_inode_allocate(file_of(face)->inode, offset, size);
}

int sim_file_set_executable(struct env_file *face)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_SET_EXECUTABLE, READS, 0, &partial);
    if (err == 0)
        file_of(face)->inode->executable = true;
    return err;
}

int sim_file_warm(struct env_file *face, uint64_t offset, uint64_t size)
{
    struct sim_file *f = file_of(face);
    size_t partial;
    uint64_t end = f->inode == NULL ? 0 : f->inode->pages.size;
    uint64_t there = offset < end ? end - offset : 0;
    return file_begin(f, SIM_DISK_WARM, READS, (size_t)(size < there ? size : there), &partial);
}

void sim_file_ahead(struct env_file *face, uint64_t offset, uint64_t size)
{
    (void)face; /* only advice */
    (void)offset;
    (void)size;
}

/* The modelled disk keeps no cache: what is warm is drawn, so that both ways are walked. */
bool sim_file_is_warm(struct env_file *face, uint64_t offset, uint64_t size)
{
    (void)offset;
    (void)size;
    return sim_rng_below(&file_of(face)->handle.env->host->loop_rng, 4) != 0;
}

int sim_file_next_data(struct env_file *face, uint64_t from, uint64_t *start, uint64_t *end)
{
    size_t partial;
    int err = file_begin(file_of(face), SIM_DISK_NEXT_DATA, READS, 0, &partial);
    if (err != 0)
        return err;
    return sim_pages_next_data(&file_of(face)->inode->pages, from, start, end) ? 0 : ERR_NOT_FOUND;
}
