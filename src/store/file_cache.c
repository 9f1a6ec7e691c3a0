/* See file_cache.h. */
#include "store/file_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    const void *owner;
    uint32_t number;
    bool writable;
    bool forgotten; /* closed when the last user gives it back */
    unsigned users;
    uint64_t used_at;      /* a count, not a time */
    struct env_file *file; /* NULL: free */
};

struct file_cache {
    pthread_mutex_t lock;
    uint64_t clock;
    struct entry entries[FILE_CACHE_MAX];
};

struct file_cache *file_cache_new(void)
{
    struct file_cache *c = calloc(1, sizeof *c);
    if (c)
        pthread_mutex_init(&c->lock, NULL);
    return c;
}

void file_cache_free(struct file_cache *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        assert(c->entries[i].users == 0);
        if (c->entries[i].file)
            env_file_close(c->entries[i].file);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct entry *find(struct file_cache *c, const void *owner, uint32_t number, bool writable)
{
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (e->file && !e->forgotten && e->owner == owner && e->number == number &&
            (e->writable || !writable))
            return e;
    }
    return NULL;
}

static void close_entry(struct entry *e)
{
    env_file_close(e->file);
    e->file = NULL;
}

/* A free place, or that of the file that was used longest ago and that nobody uses. */
static struct entry *make_room(struct file_cache *c)
{
    struct entry *oldest = NULL;
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (!e->file)
            return e;
        if (e->users == 0 && (!oldest || e->used_at < oldest->used_at))
            oldest = e;
    }
    if (oldest)
        close_entry(oldest);
    return oldest;
}

int file_cache_take(struct file_cache *c, const void *owner, uint32_t number, struct env_dir *dir,
    const char *path, unsigned flags, struct env_file **out)
{
    bool writable = flags & ENV_OPEN_WRITE;
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, owner, number, writable);
    int err = 0;
    if (!e) {
        /* Opening under the lock: rare, and two jobs must not open one file twice. */
        e = make_room(c);
        err = e ? env_file_open(dir, path, flags, &e->file) : ERR_LIMIT;
        if (err && e)
            e->file = NULL;
        if (!err) {
            e->owner = owner;
            e->number = number;
            e->writable = writable;
            e->forgotten = false;
            e->users = 0;
        }
    }
    if (!err) {
        e->users++;
        e->used_at = ++c->clock;
        *out = e->file;
    }
    pthread_mutex_unlock(&c->lock);
    return err;
}

struct env_file *file_cache_take_open(struct file_cache *c, const void *owner, uint32_t number)
{
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, owner, number, false);
    if (e) {
        e->users++;
        e->used_at = ++c->clock;
    }
    pthread_mutex_unlock(&c->lock);
    return e ? e->file : NULL;
}

void file_cache_give(struct file_cache *c, struct env_file *file)
{
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        if (c->entries[i].file != file)
            continue;
        struct entry *e = &c->entries[i];
        assert(e->users > 0);
        if (--e->users == 0 && e->forgotten)
            close_entry(e);
        break;
    }
    pthread_mutex_unlock(&c->lock);
}

void file_cache_forget(struct file_cache *c, const void *owner)
{
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (!e->file || e->owner != owner)
            continue;
        if (e->users > 0)
            e->forgotten = true;
        else
            close_entry(e);
    }
    pthread_mutex_unlock(&c->lock);
}
