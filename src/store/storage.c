/* A storage's birth, opening, preparing and syncing. See storage.h and storage_internal.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- birth and death ----------------------------------------------------------------------- */

/* "root/path" or "root" for every file, with the root's name of the caller's choice. */
static int make_paths(struct storage *s, const char *root)
{
    const struct metainfo *m = s->metainfo;
    s->file = calloc(m->file_count ? m->file_count : 1, sizeof *s->file);
    if (!s->file)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < m->file_count; i++) {
        struct builder b = builder_heap(65536);
        builder_str(&b, root ? root : m->root);
        if (m->multi_file)
            builder_format(&b, "/%s", m->files[i].path);
        s->file[i].path = builder_ok(&b) ? strdup(builder_text(&b)) : NULL;
        builder_free(&b);
        if (!s->file[i].path)
            return ERR_NOMEM;
    }
    return 0;
}

static char *make_parts_path(const char *root)
{
    struct builder b = builder_heap(65536);
    builder_format(&b, ".%s.kith-parts", root);
    char *path = builder_ok(&b) ? strdup(builder_text(&b)) : NULL;
    builder_free(&b);
    return path;
}

struct storage *storage_new(const struct storage_config *c)
{
    struct storage *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->error_lock, NULL);
    list_init(&s->finishing);
    s->env = c->env;
    s->log = c->log;
    s->metainfo = metainfo_ref(c->metainfo);
    s->pool = c->pool;
    s->files = c->files;
    s->preallocate = c->preallocate;
    s->held_end = &s->held;
    s->folder = strdup(c->folder);
    s->parts_path = make_parts_path(c->root ? c->root : c->metainfo->root);
    if (!s->folder || !s->parts_path || make_paths(s, c->root) != 0) {
        storage_free(s);
        return NULL;
    }
    return s;
}

void storage_free(struct storage *s)
{
    if (!s)
        return;
    assert(storage_idle(s));
    file_cache_forget(s->files, s);
    if (s->dir)
        env_dir_close(s->dir);
    for (uint32_t i = 0; s->file && i < s->metainfo->file_count; i++)
        free(s->file[i].path);
    free(s->file);
    free(s->folder);
    free(s->parts_path);
    metainfo_unref(s->metainfo);
    pthread_mutex_destroy(&s->error_lock);
    free(s);
}

bool storage_idle(const struct storage *s)
{
    return s->jobs == 0;
}

struct chunk_pool *storage_pool(const struct storage *s)
{
    return s->pool;
}

const char *storage_folder(const struct storage *s)
{
    return s->folder;
}

const char *storage_error(const struct storage *s)
{
    return s->error;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

void storage_submit(struct storage *s, enum env_lane lane, struct env_job *job)
{
    if (s->move) {
        job->next = NULL;
        *s->held_end = job;
        s->held_end = &job->next;
        return;
    }
    s->running++;
    env_submit(s->env, lane, job);
}

void storage_job_ended(struct storage *s)
{
    assert(s->running > 0);
    if (--s->running == 0 && s->move)
        storage_move_begin(s);
}

void storage_release_held(struct storage *s)
{
    struct env_job *job = s->held, *next;
    s->held = NULL;
    s->held_end = &s->held;
    for (; job; job = next) {
        next = job->next;
        storage_submit(s, ENV_LANE_DATA, job);
    }
}

void storage_forget_records(struct storage *s)
{
    for (uint32_t i = 0; i < s->metainfo->file_count; i++)
        atomic_store(&s->file[i].known, false);
}

void storage_let_go(struct storage *s)
{
    assert(storage_idle(s));
    storage_forget_records(s);
    file_cache_forget(s->files, s);
    if (s->dir)
        env_dir_close(s->dir);
    s->dir = NULL;
}

/* ---- opening ------------------------------------------------------------------------------- */

struct open_job {
    struct env_job job;
    struct storage *storage;
    void (*done)(void *user, int err, const struct storage_opening *);
    void *user;
    int err;
    bool folder_exists, parts_exist;
    uint8_t *states;
    struct storage_file_record *now;
};

static enum storage_file_state judge(const struct env_stat *st, uint64_t expected)
{
    if (!st->is_file)
        return STORAGE_FILE_NOT_A_FILE;
    if (st->size == expected)
        return STORAGE_FILE_SAME_SIZE;
    return st->size < expected ? STORAGE_FILE_SHORTER : STORAGE_FILE_LONGER;
}

static int look_at(struct storage *s, uint32_t i, uint8_t *state, struct storage_file_record *now)
{
    struct env_stat st;
    const struct metainfo_file *m = &s->metainfo->files[i];
    *state = STORAGE_FILE_ABSENT;
    if (m->flags & (METAINFO_PAD | METAINFO_SYMLINK))
        return 0;
    int err = env_path_stat(s->dir, s->file[i].path, &st);
    if (err == ERR_NOT_FOUND || err == ERR_ABSENT)
        return 0;
    if (err)
        return storage_note_error(s, err, "looking at", i);
    *state = (uint8_t)judge(&st, m->length);
    *now = (struct storage_file_record){st.size, st.mtime_ns, st.inode, false};
    return 0;
}

static void open_run(struct env_job *job)
{
    struct open_job *o = container_of(job, struct open_job, job);
    struct storage *s = o->storage;
    o->err = storage_open_folder(s, false);
    if (o->err == ERR_ABSENT || o->err == ERR_NOT_FOUND) {
        o->err = 0;
        return;
    }
    if (o->err) {
        storage_note_error(s, o->err, "opening", UINT32_MAX);
        return;
    }
    o->folder_exists = true;
    struct env_stat st;
    o->parts_exist = env_path_stat(s->dir, s->parts_path, &st) == 0;
    for (uint32_t i = 0; i < s->metainfo->file_count && !o->err; i++)
        o->err = look_at(s, i, &o->states[i], &o->now[i]);
}

static void open_done(struct env_job *job)
{
    struct open_job *o = container_of(job, struct open_job, job);
    struct storage_opening opening = {o->states, o->now, o->folder_exists, o->parts_exist};
    atomic_store(&o->storage->parts_exist, o->parts_exist);
    for (uint32_t i = 0; i < o->storage->metainfo->file_count; i++) {
        struct storage_file *f = &o->storage->file[i];
        f->found = o->states[i] != STORAGE_FILE_ABSENT && o->states[i] != STORAGE_FILE_NOT_A_FILE;
        f->record = o->now[i];
        atomic_store(&f->known, f->found);
        if (f->found) { /* wanted or not: it is written in place */
            atomic_store(&f->in_parts, false);
            f->completes = false;
        }
        atomic_store(&f->touched, false); /* what is to be believed of it is judged anew */
    }
    o->storage->jobs--;
    storage_job_ended(o->storage);
    o->done(o->user, o->err, &opening);
    free(o->states);
    free(o->now);
    free(o);
}

int storage_open(struct storage *s,
    void (*done)(void *user, int err, const struct storage_opening *), void *user)
{
    size_t count = s->metainfo->file_count ? s->metainfo->file_count : 1;
    struct open_job *o = calloc(1, sizeof *o);
    if (!o)
        return ERR_NOMEM;
    *o = (struct open_job){.job = {.run = open_run, .done = open_done},
        .storage = s,
        .done = done,
        .user = user,
        .states = calloc(count, 1),
        .now = calloc(count, sizeof *o->now)};
    if (!o->states || !o->now) {
        free(o->states);
        free(o->now);
        free(o);
        return ERR_NOMEM;
    }
    storage_forget_records(s);
    s->prepared = false;
    s->jobs++;
    storage_submit(s, ENV_LANE_DATA, &o->job);
    return 0;
}

/* ---- preparing ----------------------------------------------------------------------------- */

struct simple_job {
    struct env_job job;
    struct storage *storage;
    void (*done)(void *user, int err);
    void *user;
    int err;
};

/* The link's own folder may be deeper than its target: '../' for each level between. */
static int make_link(struct storage *s, uint32_t i)
{
    const char *path = s->file[i].path;
    const char *target = s->metainfo->files[i].target;
    if (!target) /* it leads outside, or to nothing */
        return 0;
    struct builder b = builder_heap(65536);
    const char *inside = strchr(path, '/');
    for (const char *p = inside ? inside + 1 : path; (p = strchr(p, '/')) != NULL; p++)
        builder_str(&b, "../");
    builder_str(&b, target);
    int err = builder_ok(&b) ? env_path_symlink(s->dir, path, builder_text(&b)) : ERR_NOMEM;
    builder_free(&b);
    return err == ERR_EXISTS ? 0 : err;
}

/* What has appeared in its place is left as it is: nothing is lacking. */
static int make_empty(struct storage *s, uint32_t i)
{
    struct env_file *f;
    int err = storage_take_to_write(s, i, &f);
    if (!err)
        file_cache_give(s->files, f);
    return err == ERR_EXISTS && !s->file[i].found ? 0 : err;
}

static int cut(struct storage *s, uint32_t i)
{
    struct env_file *f;
    int err = env_file_open(s->dir, s->file[i].path, ENV_OPEN_WRITE, &f);
    if (!err) {
        err = env_file_truncate(f, s->metainfo->files[i].length);
        env_file_close(f);
    }
    atomic_store(&s->file[i].dirty, true);
    s->file[i].cuts = err != 0;
    return err;
}

static void prepare_run(struct env_job *job)
{
    struct simple_job *j = container_of(job, struct simple_job, job);
    struct storage *s = j->storage;
    j->err = storage_note_error(s, storage_open_folder(s, true), "making", UINT32_MAX);
    for (uint32_t i = 0; i < s->metainfo->file_count && !j->err; i++) {
        const struct metainfo_file *m = &s->metainfo->files[i];
        if (s->file[i].completes && atomic_load(&s->parts_exist))
            j->err = storage_parts_complete(s, i);
        if (j->err)
            break;
        if (s->file[i].cuts)
            j->err = storage_note_error(s, cut(s, i), "cutting", i);
        else if (m->flags & METAINFO_SYMLINK)
            j->err = storage_note_error(s, make_link(s, i), "linking", i);
        else if (m->length == 0 && !(m->flags & METAINFO_PAD) && !s->file[i].in_parts)
            j->err = storage_note_error(s, make_empty(s, i), "making", i);
    }
}

static void simple_done(struct env_job *job)
{
    struct simple_job *j = container_of(job, struct simple_job, job);
    j->storage->jobs--;
    storage_job_ended(j->storage);
    j->done(j->user, j->err);
    free(j);
}

void storage_set_ours(struct storage *s, uint32_t file, bool ours)
{
    atomic_store(&s->file[file].ours, ours);
}

bool storage_is_ours(const struct storage *s, uint32_t file)
{
    return atomic_load(&s->file[file].ours);
}

bool storage_is_touched(const struct storage *s, uint32_t file)
{
    return atomic_load(&s->file[file].touched);
}

void storage_cut_file(struct storage *s, uint32_t file)
{
    s->file[file].cuts = true;
}

int storage_prepare(struct storage *s, void (*done)(void *user, int err), void *user)
{
    struct simple_job *j = calloc(1, sizeof *j);
    if (!j)
        return ERR_NOMEM;
    *j = (struct simple_job){{.run = prepare_run, .done = simple_done}, s, done, user, 0};
    s->prepared = true;
    s->jobs++;
    storage_submit(s, ENV_LANE_DATA, &j->job);
    return 0;
}

/* ---- syncing ------------------------------------------------------------------------------- */

struct sync_job {
    struct env_job job;
    struct sync_job *next; /* waits for this one */
    struct storage *storage;
    void (*done)(void *user, int err, const struct storage_file_record *);
    void *user;
    int err;
    struct storage_file_record *files;
    char *synced_folder; /* the last one whose names were synced */
};

/* A file that was made is there after a power loss only if its folders know its name. */
int storage_sync_names(struct env_dir *dir, const char *path, char **last)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    if (*last && strlen(*last) == size && memcmp(*last, path, size) == 0)
        return 0;
    free(*last);
    *last = strndup(path, size);
    int err = *last ? 0 : ERR_NOMEM;
    char *at = *last ? strdup(*last) : NULL;
    while (!err && at && *at) {
        err = env_dir_sync(dir, at);
        char *up = strrchr(at, '/');
        *(up ? up : at) = 0;
    }
    free(at);
    return err ? err : env_dir_sync(dir, "");
}

static int sync_names(struct storage *s, uint32_t i, struct sync_job *j)
{
    if (atomic_exchange(&s->file[i].named, true))
        return 0;
    return storage_sync_names(s->dir, s->file[i].path, &j->synced_folder);
}

static void remember(struct storage_file *f, const struct env_stat *st)
{
    bool ours = atomic_load(&f->ours);
    f->record = (struct storage_file_record){st->size, st->mtime_ns, st->inode, ours};
    atomic_store(&f->known, true);
}

/* A file that nobody of ours has written: among thousands of files a checkpoint asks the disk only
 * about those that were. */
static int record_as_it_was(struct storage *s, uint32_t i)
{
    struct storage_file *f = &s->file[i];
    struct env_stat st;
    if (!atomic_load(&f->known) && env_path_stat(s->dir, f->path, &st) == 0)
        remember(f, &st);
    return 0;
}

static int sync_file(struct storage *s, uint32_t i, struct sync_job *j)
{
    struct env_file *f;
    struct env_stat st;
    const struct metainfo_file *m = &s->metainfo->files[i];
    if (m->flags & (METAINFO_PAD | METAINFO_SYMLINK) || !s->dir || s->file[i].in_parts)
        return 0;
    bool written = atomic_exchange(&s->file[i].dirty, false);
    bool doubtful = atomic_exchange(&s->file[i].doubtful, false);
    if (!written && !doubtful)
        return record_as_it_was(s, i);
    unsigned how = written ? ENV_OPEN_WRITE : ENV_OPEN_READ;
    int err = file_cache_take(s->files, s, i, s->dir, s->file[i].path, how, &f);
    if (!err) {
        err = env_file_sync(f);
        if (!err && written && m->flags & METAINFO_EXECUTABLE)
            env_file_set_executable(f);
        if (!err)
            err = env_file_stat(f, &st);
        file_cache_give(s->files, f);
    }
    if (!err)
        err = sync_names(s, i, j);
    if (err) {
        atomic_store(written ? &s->file[i].dirty : &s->file[i].doubtful, true);
        atomic_store(&s->file[i].named, false);
        return storage_note_error(s, err, "syncing", i);
    }
    /* One that was found right by reading is vouched for as it stood before that. */
    if (written || !atomic_load(&s->file[i].known))
        remember(&s->file[i], &st);
    return 0;
}

static int record_file(struct storage *s, uint32_t i, struct sync_job *j)
{
    struct storage_file *f = &s->file[i];
    int err = sync_file(s, i, j);
    f->record.ours = atomic_load(&f->ours);
    if (!err && atomic_load(&f->known) && !atomic_load(&f->in_parts))
        j->files[i] = f->record;
    else
        j->files[i].ours = !atomic_load(&f->in_parts);
    if (atomic_load(&f->touched))
        storage_distrust(&j->files[i]);
    return err;
}

static void sync_run(struct env_job *job)
{
    struct sync_job *j = container_of(job, struct sync_job, job);
    /* A share's folder was not opened: its files are looked at here for the first time. */
    int err = storage_open_folder(j->storage, false);
    if (err && err != ERR_ABSENT && err != ERR_NOT_FOUND)
        j->err = storage_note_error(j->storage, err, "opening", UINT32_MAX);
    for (uint32_t i = 0; i < j->storage->metainfo->file_count && !j->err; i++)
        j->err = record_file(j->storage, i, j);
    if (!j->err && j->storage->dir)
        j->err = storage_parts_sync(j->storage);
}

static void start_sync(struct storage *s)
{
    if (s->syncs)
        storage_submit(s, ENV_LANE_DATA, &s->syncs->job);
}

static void sync_done(struct env_job *job)
{
    struct sync_job *j = container_of(job, struct sync_job, job);
    struct storage *s = j->storage;
    s->syncs = j->next;
    s->jobs--;
    storage_job_ended(s);
    start_sync(s);
    j->done(j->user, j->err, j->files);
    free(j->files);
    free(j->synced_folder);
    free(j);
}

int storage_sync(struct storage *s,
    void (*done)(void *user, int err, const struct storage_file_record *), void *user)
{
    size_t count = s->metainfo->file_count ? s->metainfo->file_count : 1;
    struct sync_job *j = calloc(1, sizeof *j), **last = &s->syncs;
    struct storage_file_record *files = calloc(count, sizeof *files);
    if (!j || !files) {
        free(j);
        free(files);
        return ERR_NOMEM;
    }
    *j = (struct sync_job){.job = {.run = sync_run, .done = sync_done},
        .storage = s,
        .done = done,
        .user = user,
        .files = files};
    while (*last)
        last = &(*last)->next;
    *last = j;
    s->jobs++;
    if (s->syncs == j)
        start_sync(s);
    return 0;
}
