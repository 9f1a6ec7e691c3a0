/* See file_cache.h. */
#include "store/file_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    const void *owner;
    uint32_t number;
    bool writable;
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
        if (e->file && e->owner == owner && e->number == number && (e->writable || !writable))
            return e;
    }
    return NULL;
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
    if (oldest) {
        env_file_close(oldest->file);
        oldest->file = NULL;
    }
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

void file_cache_give(struct file_cache *c, struct env_file *file)
{
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        if (c->entries[i].file != file)
            continue;
        assert(c->entries[i].users > 0);
        c->entries[i].users--;
    }
    pthread_mutex_unlock(&c->lock);
}

void file_cache_forget(struct file_cache *c, const void *owner)
{
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (!e->file || e->owner != owner || e->users > 0)
            continue;
        env_file_close(e->file);
        e->file = NULL;
    }
    pthread_mutex_unlock(&c->lock);
}
