/* Has somebody else written to files that peers are given out of? They may have the same size, so
 * that no read notices. Only files that were read since the last look are looked at, by a stat
 * each, in the background. See storage.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdlib.h>

struct looked_file {
    uint32_t number;
    struct storage_file_record then;
};

struct look_job {
    struct env_job job;
    struct storage *storage;
    void (*done)(void *user, const uint32_t *files, size_t count);
    void *user;
    size_t count, changed_count;
    uint32_t *changed;
    struct looked_file files[];
};

bool storage_was_read(const struct storage *s)
{
    return atomic_load_explicit(&s->was_read, memory_order_relaxed);
}

/* What we wrote ourselves and have not synced yet says nothing about others. */
static bool is_comparable(struct storage_file *f)
{
    return atomic_load(&f->known) && !atomic_load(&f->dirty) && !atomic_load(&f->doubtful) &&
           !atomic_load(&f->in_parts);
}

static bool is_other(const struct storage_file_record *then, const struct env_stat *now)
{
    return then->size != now->size || then->mtime_ns != now->mtime_ns || then->inode != now->inode;
}

/* A file that is gone is the next read's to notice. */
static void look_run(struct env_job *job)
{
    struct look_job *j = container_of(job, struct look_job, job);
    struct storage *s = j->storage;
    for (size_t i = 0; i < j->count && s->dir; i++) {
        struct env_stat now;
        const struct looked_file *f = &j->files[i];
        if (env_path_stat(s->dir, s->file[f->number].path, &now) == 0 && is_other(&f->then, &now))
            j->changed[j->changed_count++] = f->number;
    }
}

static void look_done(struct env_job *job)
{
    struct look_job *j = container_of(job, struct look_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    j->done(j->user, j->changed, j->changed_count);
    free(j->changed);
    free(j);
}

static size_t count_read(const struct storage *s)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->metainfo->file_count; i++)
        count += atomic_load_explicit(&s->file[i].was_read, memory_order_relaxed);
    return count;
}

static struct look_job *new_job(size_t room)
{
    struct look_job *j = calloc(1, sizeof *j + room * sizeof *j->files);
    if (j)
        j->changed = calloc(room ? room : 1, sizeof *j->changed);
    if (j && !j->changed) {
        free(j);
        j = NULL;
    }
    return j;
}

int storage_look(
    struct storage *s, void (*done)(void *user, const uint32_t *files, size_t count), void *user)
{
    if (s->syncs || s->move) /* which are about to say anew how files stand */
        return ERR_AGAIN;
    atomic_store(&s->was_read, false);
    size_t room = count_read(s);
    struct look_job *j = new_job(room);
    if (!j)
        return ERR_NOMEM;
    j->job = (struct env_job){.run = look_run, .done = look_done};
    j->storage = s;
    j->done = done;
    j->user = user;
    for (uint32_t i = 0; i < s->metainfo->file_count && j->count < room; i++)
        if (atomic_exchange(&s->file[i].was_read, false) && is_comparable(&s->file[i]))
            j->files[j->count++] = (struct looked_file){i, s->file[i].record};
    s->jobs++;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return 0;
}
