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

/* A file that is gone is the next read's to notice. */
static void look_run(struct env_job *job)
{
    struct look_job *j = container_of(job, struct look_job, job);
    struct storage *s = j->storage;
    for (size_t i = 0; i < j->count && s->dir; i++) {
        struct env_stat now;
        const struct looked_file *f = &j->files[i];
        if (env_path_stat(s->dir, s->file[f->number].path, &now) == 0 &&
            storage_is_other(&f->then, now.size, now.mtime_ns))
            j->changed[j->changed_count++] = f->number;
    }
}

/* Leaves out what we wrote ourselves while the job waited for its turn. While a sync writes the
 * records, that is not known yet: the next look tells. */
static void leave_out_ours(struct look_job *j)
{
    size_t kept = 0;
    for (size_t i = 0, c = 0; i < j->count && c < j->changed_count; i++) {
        struct storage_file *f = &j->storage->file[j->files[i].number];
        if (j->files[i].number != j->changed[c])
            continue;
        if (j->storage->syncs)
            storage_note_read(j->storage, j->changed[c]);
        else if (storage_is_comparable(f) &&
                 !storage_is_other(&j->files[i].then, f->record.size, f->record.mtime_ns)) {
            atomic_store(&f->touched, true);
            j->changed[kept++] = j->changed[c];
        }
        c++;
    }
    j->changed_count = kept;
}

static void look_done(struct env_job *job)
{
    struct look_job *j = container_of(job, struct look_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    leave_out_ours(j);
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
    if (!j) {
        atomic_store(&s->was_read, true);
        return ERR_NOMEM;
    }
    j->job = (struct env_job){.run = look_run, .done = look_done};
    j->storage = s;
    j->done = done;
    j->user = user;
    for (uint32_t i = 0; i < s->metainfo->file_count && j->count < room; i++)
        if (atomic_exchange(&s->file[i].was_read, false) && storage_is_comparable(&s->file[i]))
            j->files[j->count++] = (struct looked_file){i, s->file[i].record};
    s->jobs++;
    storage_submit(s, ENV_LANE_BACKGROUND, &j->job);
    return 0;
}
