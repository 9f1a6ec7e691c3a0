/* See folders.h. */
#include "env/uv/folders.h"

#include "base/map.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct real_folder {
    struct list_link link; /* folders->idle, while it is */
    char *path;
    dev_t device;
    ino_t inode;
    bool lasting;        /* its inode is the same when it is opened again */
    int fd;              /* -1: closed for a while */
    unsigned references; /* who opened it */
    unsigned users;      /* who has taken its descriptor */
};

/* Paths are our user's: nobody aims for collisions, which would only cost the sharing. */
static const uint8_t path_key[16] = "kith's folders";

static uint64_t key_of(const char *path)
{
    return siphash13(path, strlen(path), path_key);
}

void real_folders_init(struct real_folders *f)
{
    *f = (struct real_folders){.by_path = map_new(sizeof(uint64_t), path_key)};
    pthread_mutex_init(&f->lock, NULL);
    list_init(&f->idle);
}

void real_folders_free(struct real_folders *f)
{
    assert(f->open == 0);
    map_free(f->by_path);
    pthread_mutex_destroy(&f->lock);
}

/* A descriptor of what stands at the path now, or -errno. */
static int open_path(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, st) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static bool is_same(const struct real_folder *d, const struct stat *st)
{
    return d->device == st->st_dev && d->inode == st->st_ino;
}

static void close_descriptor(struct real_folders *f, struct real_folder *d)
{
    list_remove(&d->link);
    if (d->fd < 0)
        return;
    close(d->fd);
    d->fd = -1;
    f->open--;
}

/* File systems on which an inode has another number whenever the system has forgotten it. */
static bool is_lasting(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    switch ((uint32_t)fs.f_type) {
    case MSDOS_SUPER_MAGIC:
    case 0x2011BAB0: /* exFAT */
    case FUSE_SUPER_MAGIC:
    case 0xFF534D42: /* CIFS */
    case 0xFE534D42: /* SMB2 */
        return false;
    default:
        return true;
    }
}

/* A relative path may lead elsewhere when the process has changed its folder. */
static bool may_reopen(const struct real_folder *d)
{
    return d->path[0] == '/' && d->lasting;
}

static void close_unused(struct real_folders *f)
{
    while (f->open > REAL_FOLDERS_OPEN_MAX && !list_empty(&f->idle))
        close_descriptor(f, list_entry(f->idle.next, struct real_folder, link));
}

static void note_idle(struct real_folders *f, struct real_folder *d)
{
    list_remove(&d->link);
    if (d->users == 0 && d->fd >= 0 && may_reopen(d))
        list_push_back(&f->idle, &d->link);
    close_unused(f);
}

/* ---- opened and closed --------------------------------------------------------------------- */

static struct real_folder *folder_new(const char *path, int fd, const struct stat *st)
{
    struct real_folder *d = calloc(1, sizeof *d);
    char *copy = d ? strdup(path) : NULL;
    if (!copy) {
        free(d);
        return NULL;
    }
    *d = (struct real_folder){.path = copy,
        .device = st->st_dev,
        .inode = st->st_ino,
        .lasting = is_lasting(fd),
        .fd = -1};
    list_init(&d->link);
    return d;
}

/* Under the lock. The one that is open already, or a new one; NULL: no memory. */
static struct real_folder *find_or_make(
    struct real_folders *f, const char *path, int fd, const struct stat *st)
{
    uint64_t key = key_of(path);
    struct real_folder *d = f->by_path ? map_get(f->by_path, &key) : NULL;
    if (d && strcmp(d->path, path) == 0 && is_same(d, st))
        return d;
    d = folder_new(path, fd, st);
    if (d && f->by_path)
        (void)map_put(f->by_path, &key, d); /* without memory for it: it is not shared */
    return d;
}

int real_folder_open(struct real_folders *f, const char *path, struct real_folder **out)
{
    struct stat st;
    int fd = open_path(path, &st);
    if (fd < 0)
        return -fd;
    pthread_mutex_lock(&f->lock);
    struct real_folder *d = find_or_make(f, path, fd, &st);
    if (d && d->fd < 0) {
        d->fd = fd;
        f->open++;
        fd = -1;
    }
    if (d) {
        d->references++;
        note_idle(f, d);
    }
    pthread_mutex_unlock(&f->lock);
    if (fd >= 0)
        close(fd);
    *out = d;
    return d ? 0 : ENOMEM;
}

void real_folder_close(struct real_folders *f, struct real_folder *d)
{
    pthread_mutex_lock(&f->lock);
    bool last = --d->references == 0;
    if (last) {
        uint64_t key = key_of(d->path);
        assert(d->users == 0);
        close_descriptor(f, d);
        if (f->by_path && map_get(f->by_path, &key) == d)
            map_remove(f->by_path, &key);
    }
    pthread_mutex_unlock(&f->lock);
    if (!last)
        return;
    free(d->path);
    free(d);
}

/* ---- used ---------------------------------------------------------------------------------- */

/* Counted as a user already, so that it stays. Outside the lock: a volume may be slow. */
static int reopen(struct real_folders *f, struct real_folder *d)
{
    struct stat st;
    int fd = open_path(d->path, &st);
    if (fd >= 0 && !is_same(d, &st)) {
        close(fd);
        fd = -ENOENT;
    }
    pthread_mutex_lock(&f->lock);
    if (fd >= 0 && d->fd < 0) {
        d->fd = fd;
        f->open++;
        close_unused(f);
    } else if (fd >= 0) { /* another thread was faster */
        close(fd);
    }
    int result = d->fd >= 0 ? d->fd : fd;
    pthread_mutex_unlock(&f->lock);
    return result;
}

int real_folder_take(struct real_folders *f, struct real_folder *d)
{
    pthread_mutex_lock(&f->lock);
    d->users++;
    int fd = d->fd;
    list_remove(&d->link);
    pthread_mutex_unlock(&f->lock);
    if (fd < 0)
        fd = reopen(f, d);
    if (fd < 0)
        real_folder_give(f, d);
    return fd;
}

void real_folder_give(struct real_folders *f, struct real_folder *d)
{
    pthread_mutex_lock(&f->lock);
    assert(d->users > 0);
    if (--d->users == 0)
        note_idle(f, d);
    pthread_mutex_unlock(&f->lock);
}
