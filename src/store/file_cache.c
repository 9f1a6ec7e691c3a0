/* See file_cache.h. */
#include "store/file_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    const void *owner;
    uint32_t number;
    bool writable;
    bool opening;   /* by somebody, outside the lock */
    bool forgotten; /* closed when the last user gives it back */
    unsigned users;
    uint64_t used_at;      /* a count, not a time */
    struct env_file *file; /* NULL: free, or being opened */
};

struct file_cache {
    pthread_mutex_t lock;
    pthread_cond_t opened; /* or could not be */
    uint64_t clock;
    struct entry entries[FILE_CACHE_MAX];
};

struct file_cache *file_cache_new(void)
{
    struct file_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->opened, NULL);
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
    pthread_cond_destroy(&c->opened);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* One that is open, or is being opened. */
static struct entry *find(struct file_cache *c, const void *owner, uint32_t number, bool writable)
{
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if ((e->file || e->opening) && !e->forgotten && e->owner == owner && e->number == number &&
            (e->writable || !writable))
            return e;
    }
    return NULL;
}

/* The file is the caller's, to be closed when the lock is let go. */
static struct env_file *empty(struct entry *e)
{
    struct env_file *file = e->file;
    e->file = NULL;
    return file;
}

/* A free place, or that of the file that was used longest ago and that nobody uses. */
static struct entry *make_room(struct file_cache *c, struct env_file **to_close)
{
    struct entry *oldest = NULL;
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if (!e->file && !e->opening)
            return e;
        if (e->users == 0 && !e->opening && (!oldest || e->used_at < oldest->used_at))
            oldest = e;
    }
    if (oldest)
        *to_close = empty(oldest);
    return oldest;
}

static struct env_file *use(struct file_cache *c, struct entry *e)
{
    e->users++;
    e->used_at = ++c->clock;
    return e->file;
}

/* Called and returns with the lock held, and lets it go meanwhile: who looks for this file waits,
 * so that it is not opened twice. Forgotten by then, it is its opener's alone. */
static int open_entry(struct file_cache *c, struct entry *e, struct env_dir *dir, const char *path,
    unsigned flags, struct env_file *to_close)
{
    struct env_file *file = NULL;
    e->opening = true;
    pthread_mutex_unlock(&c->lock);
    if (to_close)
        env_file_close(to_close);
    int err = env_file_open(dir, path, flags, &file);
    pthread_mutex_lock(&c->lock);
    e->opening = false;
    e->file = err ? NULL : file;
    pthread_cond_broadcast(&c->opened);
    return err;
}

int file_cache_take(struct file_cache *c, const void *owner, uint32_t number, struct env_dir *dir,
    const char *path, unsigned flags, struct env_file **out)
{
    bool writable = flags & ENV_OPEN_WRITE;
    int err = 0;
    pthread_mutex_lock(&c->lock);
    struct entry *e;
    while ((e = find(c, owner, number, writable)) != NULL && e->opening)
        pthread_cond_wait(&c->opened, &c->lock);
    if (!e) {
        struct env_file *to_close = NULL;
        e = make_room(c, &to_close);
        if (e)
            *e = (struct entry){.owner = owner, .number = number, .writable = writable};
        err = e ? open_entry(c, e, dir, path, flags, to_close) : ERR_LIMIT;
    }
    if (!err)
        *out = use(c, e);
    pthread_mutex_unlock(&c->lock);
    return err;
}

struct env_file *file_cache_take_open(struct file_cache *c, const void *owner, uint32_t number)
{
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, owner, number, false);
    struct env_file *file = e && !e->opening ? use(c, e) : NULL;
    pthread_mutex_unlock(&c->lock);
    return file;
}

void file_cache_give(struct file_cache *c, struct env_file *file)
{
    struct env_file *to_close = NULL;
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        if (c->entries[i].file != file)
            continue;
        struct entry *e = &c->entries[i];
        assert(e->users > 0);
        if (--e->users == 0 && e->forgotten)
            to_close = empty(e);
        break;
    }
    pthread_mutex_unlock(&c->lock);
    if (to_close)
        env_file_close(to_close);
}

void file_cache_forget(struct file_cache *c, const void *owner)
{
    struct env_file *to_close[FILE_CACHE_MAX];
    unsigned count = 0;
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < FILE_CACHE_MAX; i++) {
        struct entry *e = &c->entries[i];
        if ((!e->file && !e->opening) || e->owner != owner)
            continue;
        if (e->users > 0 || e->opening)
            e->forgotten = true;
        else
            to_close[count++] = empty(e);
    }
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < count; i++)
        env_file_close(to_close[i]);
}
