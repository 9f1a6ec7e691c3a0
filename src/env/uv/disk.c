/* Folders and open files. See disk.h. */
#include "env/uv/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- faults -------------------------------------------------------------------------------- */

void real_disk_init(struct real_disk *d, const struct uv_env_fault *fault)
{
    pthread_mutex_init(&d->lock, NULL);
    d->fault = *fault;
    d->calls = d->hits = 0;
    atomic_init(&d->mappings, 0);
    d->views = false;
    real_folders_init(&d->folders);
}

void real_disk_free(struct real_disk *d)
{
    assert(atomic_load(&d->mappings) == 0);
    real_folders_free(&d->folders);
    pthread_mutex_destroy(&d->lock);
}

void real_disk_set_fault(struct real_disk *d, const struct uv_env_fault *fault)
{
    pthread_mutex_lock(&d->lock);
    d->fault = *fault;
    d->calls = d->hits = 0;
    pthread_mutex_unlock(&d->lock);
}

void real_disk_fault_counts(struct real_disk *d, uint64_t *calls, uint64_t *hits)
{
    pthread_mutex_lock(&d->lock);
    *calls = d->calls;
    *hits = d->hits;
    pthread_mutex_unlock(&d->lock);
}

static bool is_hit(const struct uv_env_fault *f, uint64_t call)
{
    if (call < f->first)
        return false;
    if (call == f->first)
        return true;
    if (f->period == 0) /* one call; a short write's error is met by the next */
        return f->short_write && f->error && call == f->first + 1;
    return (call - f->first) % f->period == 0;
}

int real_disk_fault(const struct real_dir *dir, enum uv_env_disk_call kind, size_t *size)
{
    struct real_disk *d = dir->disk;
    if (dir->spared)
        return 0;
    pthread_mutex_lock(&d->lock);
    int error = 0;
    if ((d->fault.kinds & kind) && is_hit(&d->fault, ++d->calls)) {
        bool cut = d->fault.short_write && size && *size > 1 && d->hits == 0;
        d->hits++;
        if (cut)
            *size /= 2;
        else
            error = d->fault.error;
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

/* ---- folders ------------------------------------------------------------------------------- */

static struct real_dir *dir_of(struct env_dir *d)
{
    return (struct real_dir *)d;
}

static struct real_file *file_of(struct env_file *f)
{
    return (struct real_file *)f;
}

/* mkdir -p; the last component's error counts. */
static int make_path(const char *path)
{
    char copy[PATH_MAX];
    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
        return ENAMETOOLONG;
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return errno;
        *p = '/';
    }
    return mkdir(copy, 0777) == 0 || errno == EEXIST ? 0 : errno;
}

static bool is_spared(struct real_disk *disk, const char *path)
{
    pthread_mutex_lock(&disk->lock);
    const char *beneath = disk->fault.beneath;
    pthread_mutex_unlock(&disk->lock);
    return beneath && strncmp(path, beneath, strlen(beneath)) != 0;
}

int real_dir_open(struct real_disk *disk, const struct env_ops *ops, const char *path, bool create,
    struct env_dir **out)
{
    struct real_dir *d = malloc(sizeof *d);
    if (!d)
        return ERR_NOMEM;
    *d = (struct real_dir){.ops = ops, .disk = disk, .spared = is_spared(disk, path)};
    atomic_init(&d->references, 1);
    int error = real_disk_fault(d, create ? UV_ENV_DISK_CREATE : UV_ENV_DISK_OPEN, NULL);
    if (!error && create)
        error = make_path(path);
    if (!error)
        error = real_folder_open(&disk->folders, path, &d->folder);
    if (error) {
        free(d);
        return error == ENOENT ? ERR_ABSENT : err_from_errno(error);
    }
    *out = (struct env_dir *)d;
    return 0;
}

static void dir_unref(struct real_dir *d)
{
    if (atomic_fetch_sub(&d->references, 1) > 1)
        return;
    real_folder_close(&d->disk->folders, d->folder);
    free(d);
}

int real_dir_take(struct real_dir *d)
{
    return real_folder_take(&d->disk->folders, d->folder);
}

void real_dir_give(struct real_dir *d)
{
    real_folder_give(&d->disk->folders, d->folder);
}

/* The same for calls that have an error of their own; the descriptor, or an ERR_ code. */
static int take(struct env_dir *dir)
{
    int fd = real_dir_take(dir_of(dir));
    return fd == -ENOENT ? ERR_ABSENT : fd < 0 ? err_from_errno(-fd) : fd;
}

void real_dir_close(struct env_dir *dir)
{
    dir_unref(dir_of(dir));
}

void real_stat_convert(const struct stat *st, struct env_stat *out)
{
    *out = (struct env_stat){
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .device = st->st_dev,
        .inode = st->st_ino,
        .allocated = (uint64_t)st->st_blocks * 512,
        .links = (uint32_t)st->st_nlink,
        .is_folder = S_ISDIR(st->st_mode),
        .is_file = S_ISREG(st->st_mode),
        .is_symlink = S_ISLNK(st->st_mode),
        .executable = S_ISREG(st->st_mode) && (st->st_mode & S_IXUSR),
    };
}

static int stat_descriptor(const struct real_dir *dir, int fd, struct env_stat *out)
{
    struct stat st;
    int error = real_disk_fault(dir, UV_ENV_DISK_STAT, NULL);
    if (!error && fstat(fd, &st) != 0)
        error = errno;
    if (error)
        return err_from_errno(error);
    real_stat_convert(&st, out);
    return 0;
}

int real_dir_stat(struct env_dir *dir, struct env_stat *out)
{
    int fd = take(dir);
    if (fd < 0)
        return fd;
    int err = stat_descriptor(dir_of(dir), fd, out);
    real_dir_give(dir_of(dir));
    return err;
}

int real_dir_free_space(struct env_dir *dir, uint64_t *out)
{
    struct statvfs v;
    int error = real_disk_fault(dir_of(dir), UV_ENV_DISK_STAT, NULL), fd = take(dir);
    if (fd < 0)
        return fd;
    if (!error && fstatvfs(fd, &v) != 0)
        error = errno;
    real_dir_give(dir_of(dir));
    if (error)
        return err_from_errno(error);
    *out = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

int real_dir_sync(struct env_dir *dir, const char *path)
{
    int error = real_disk_fault(dir_of(dir), UV_ENV_DISK_SYNC, NULL);
    if (error)
        return err_from_errno(error);
    int folder = take(dir);
    if (folder < 0)
        return folder;
    int fd = real_open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    real_dir_give(dir_of(dir));
    if (fd < 0)
        return err_from_errno(-fd);
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error ? err_from_errno(error) : 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static int open_flags(unsigned flags)
{
    int how = flags & ENV_OPEN_WRITE ? O_RDWR : O_RDONLY;
    if (flags & ENV_OPEN_CREATE)
        how |= O_CREAT;
    if (flags & ENV_OPEN_EXCLUSIVE)
        how |= O_EXCL;
    /* A FIFO planted in our place must not hang a worker. */
    return how | O_NONBLOCK | O_NOCTTY;
}

static int open_file_in(int folder, const char *path, unsigned flags)
{
    int fd = real_open_beneath(folder, path, open_flags(flags), 0666);
    if (fd != -ENOENT || !(flags & ENV_OPEN_CREATE))
        return fd;
    const char *name;
    int parent = real_open_parent(folder, path, true, &name);
    if (parent < 0)
        return parent;
    fd = real_open_beneath(parent, name, open_flags(flags), 0666);
    if (parent != folder)
        close(parent);
    return fd;
}

static int open_file(struct real_dir *d, const char *path, unsigned flags)
{
    int folder = real_dir_take(d);
    if (folder < 0)
        return folder;
    int fd = open_file_in(folder, path, flags);
    real_dir_give(d);
    return fd;
}

int real_file_open(struct env_dir *dir, const char *path, unsigned flags, struct env_file **out)
{
    struct real_dir *d = dir_of(dir);
    struct stat st;
    bool create = flags & ENV_OPEN_CREATE;
    int error = real_disk_fault(d, create ? UV_ENV_DISK_CREATE : UV_ENV_DISK_OPEN, NULL);
    if (error)
        return err_from_errno(error);
    int fd = open_file(d, path, flags);
    if (fd < 0)
        return err_from_errno(-fd);
    struct real_file *f = malloc(sizeof *f);
    if (!f || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error = !f ? ERR_NOMEM : ERR_EXISTS; /* something else stands where our file should */
        free(f);
        close(fd);
        return error;
    }
    *f = (struct real_file){.ops = d->ops, .dir = d, .fd = fd};
    atomic_fetch_add(&d->references, 1);
    *out = (struct env_file *)f;
    return 0;
}

void real_file_let_go(struct real_file *f)
{
    close(f->fd);
    dir_unref(f->dir);
}

void real_file_free(struct real_file *f)
{
    free(f);
}

void real_file_close(struct env_file *file)
{
    real_file_let_go(file_of(file));
    real_file_free(file_of(file));
}

/* Moves the front of a copy of the vectors on by what was done. */
static void advance(struct iovec *iov, int *at, int count, size_t done)
{
    while (*at < count && done >= iov[*at].iov_len)
        done -= iov[(*at)++].iov_len;
    if (*at < count) {
        iov[*at].iov_base = (uint8_t *)iov[*at].iov_base + done;
        iov[*at].iov_len -= done;
    }
}

/* All of it in one call, nearly always; otherwise on with the rest. */
static int transfer(struct real_file *f, const struct iovec *iov, int count, uint64_t offset,
    ssize_t (*move)(int, const struct iovec *, int, off_t), int error_at_end)
{
    struct iovec rest[IOV_MAX];
    int at = 0;
    if (count > IOV_MAX)
        return ERR_INVALID;
    memcpy(rest, iov, (size_t)count * sizeof *iov);
    advance(rest, &at, count, 0);
    while (at < count) {
        ssize_t n = move(f->fd, rest + at, count - at, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return error_at_end;
        offset += (uint64_t)n;
        advance(rest, &at, count, (size_t)n);
    }
    return 0;
}

int real_file_preadv(struct env_file *file, const struct iovec *iov, int count, uint64_t offset)
{
    int error = real_disk_fault(file_of(file)->dir, UV_ENV_DISK_READ, NULL);
    if (error)
        return err_from_errno(error);
    return transfer(file_of(file), iov, count, offset, preadv, ERR_CHANGED);
}

/* A write that a fault cuts: its first half is done, and the rest is the next call. */
static int write_half(struct real_file *f, const struct iovec *iov, size_t size, uint64_t *offset)
{
    struct iovec first = {iov->iov_base, iov->iov_len < size ? iov->iov_len : size};
    ssize_t n = pwritev(f->fd, &first, 1, (off_t)*offset);
    return n < 0 ? err_from_errno(errno) : 0;
}

int real_file_pwritev(struct env_file *file, const struct iovec *iov, int count, uint64_t offset)
{
    struct real_file *f = file_of(file);
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    size_t allowed = size;
    int error = real_disk_fault(f->dir, UV_ENV_DISK_WRITE, &allowed);
    if (!error && allowed < size) {
        int err = write_half(f, iov, allowed, &offset);
        if (err)
            return err;
        error = real_disk_fault(f->dir, UV_ENV_DISK_WRITE, NULL);
    }
    if (error)
        return err_from_errno(error);
    return transfer(f, iov, count, offset, pwritev, ERR_IO);
}

int real_file_sync(struct env_file *file)
{
    int error = real_disk_fault(file_of(file)->dir, UV_ENV_DISK_SYNC, NULL);
    if (!error && fdatasync(file_of(file)->fd) != 0)
        error = errno;
    return error ? err_from_errno(error) : 0;
}

int real_file_stat(struct env_file *file, struct env_stat *out)
{
    return stat_descriptor(file_of(file)->dir, file_of(file)->fd, out);
}

int real_file_truncate(struct env_file *file, uint64_t size)
{
    int error = real_disk_fault(file_of(file)->dir, UV_ENV_DISK_TRUNCATE, NULL);
    if (!error && ftruncate(file_of(file)->fd, (off_t)size) != 0)
        error = errno;
    return error ? err_from_errno(error) : 0;
}

/* A file system in memory has nothing to lay out in a row; reserving would take memory for what may
 * come in an hour, and costs as much as half of the writes. */
static bool is_in_memory(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

int real_file_allocate(struct env_file *file, uint64_t offset, uint64_t size)
{
    int error = real_disk_fault(file_of(file)->dir, UV_ENV_DISK_ALLOCATE, NULL);
    if (!error && is_in_memory(file_of(file)->fd))
        return ERR_UNSUPPORTED;
    if (!error && size &&
        fallocate(file_of(file)->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) != 0)
        error = errno;
    if (error == EOPNOTSUPP || error == ENOSYS)
        return ERR_UNSUPPORTED;
    return error ? err_from_errno(error) : 0;
}

int real_file_set_executable(struct env_file *file)
{
    struct stat st;
    if (fstat(file_of(file)->fd, &st) != 0)
        return err_from_errno(errno);
    /* Executable for whoever may read it. */
    mode_t mode = (st.st_mode | (st.st_mode & 0444) >> 2) & 07777;
    return fchmod(file_of(file)->fd, mode) == 0 ? 0 : err_from_errno(errno);
}

int real_file_map(struct env_file *file, uint64_t offset, size_t size, struct env_mapping *out)
{
    enum { PAGE = 4096 }; /* mmap says EINVAL where it is larger: then files are copied */
    struct real_file *f = file_of(file);
    struct real_disk *disk = f->dir->disk;
    size_t before = offset % PAGE;
    if (offset > INT64_MAX - size)
        return ERR_INVALID;
    if (atomic_fetch_add(&disk->mappings, 1) >= REAL_MAPPINGS_MAX) {
        atomic_fetch_sub(&disk->mappings, 1);
        return ERR_LIMIT;
    }
    void *base = mmap(NULL, before + size, PROT_READ, MAP_SHARED, f->fd, (off_t)(offset - before));
    if (base == MAP_FAILED) {
        int error = errno;
        atomic_fetch_sub(&disk->mappings, 1);
        return error == ENOMEM ? ERR_NOMEM : ERR_UNSUPPORTED;
    }
    out->base = base;
    out->size = before + size;
    out->data = (const uint8_t *)base + before;
    out->owner = disk;
    return 0;
}

void real_unmap(struct env_mapping *m)
{
    struct real_disk *disk = m->owner;
    munmap(m->base, m->size);
    atomic_fetch_sub(&disk->mappings, 1);
}

int real_file_next_data(struct env_file *file, uint64_t from, uint64_t *start, uint64_t *end)
{
    int fd = file_of(file)->fd;
    int error = real_disk_fault(file_of(file)->dir, UV_ENV_DISK_STAT, NULL);
    if (error)
        return err_from_errno(error);
    off_t data = lseek(fd, (off_t)from, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? ERR_NOT_FOUND : err_from_errno(errno);
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0)
        return err_from_errno(errno);
    *start = (uint64_t)data;
    *end = (uint64_t)hole;
    return 0;
}
