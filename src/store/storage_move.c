/* Moving a torrent's files to another folder, and deleting them. See storage.h. */
#include "store/storage_internal.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#define COPY_SIZE (1u << 20)

/* ---- paths --------------------------------------------------------------------------------- */

/* What is to be moved: the files, then the sidecar. */
static uint32_t path_count(const struct storage *s)
{
    return s->metainfo->file_count + 1;
}

static const char *path_at(const struct storage *s, uint32_t i)
{
    return i < s->metainfo->file_count ? s->file[i].path : s->parts_path;
}

/* The error, or 0 where it only says that a path is missing: in a folder that cannot be reached
 * none is, and that is the error then. */
static int unless_missing(const struct storage *s, int err)
{
    struct env_stat st;
    return err == ERR_NOT_FOUND || err == ERR_ABSENT ? env_path_stat(s->dir, "", &st) : err;
}

static int look_for(const struct storage *s, uint32_t i, bool *there, struct env_stat *st)
{
    *there = false;
    if (i < s->metainfo->file_count && s->metainfo->files[i].flags & METAINFO_PAD)
        return 0;
    int err = env_path_stat(s->dir, path_at(s, i), st);
    *there = err == 0;
    return unless_missing(s, err);
}

static int make_parent(struct env_dir *dir, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return 0;
    char *parent = strndup(path, (size_t)(slash - path));
    int err = parent ? env_path_make_folder(dir, parent) : ERR_NOMEM;
    free(parent);
    return err;
}

/* Folders above a path that are empty now; the torrent's folder itself is not ours to remove. */
static void remove_empty_parents(struct env_dir *dir, const char *path)
{
    char *parent = strdup(path);
    char *slash;
    while (parent && (slash = strrchr(parent, '/')) != NULL) {
        *slash = 0;
        if (env_path_remove_folder(dir, parent) != 0)
            break;
    }
    free(parent);
}

/* ---- moving -------------------------------------------------------------------------------- */

struct move_job {
    struct env_job job;
    struct storage *storage;
    struct env_dir *to;
    char *folder;
    uint8_t *moved;       /* by path: it stands in the new folder ... */
    struct env_stat *now; /* ... like this */
    uint32_t *touched;    /* files that somebody else has written to */
    size_t touched_count;
    bool copying; /* another volume */
    void (*done)(void *user, int err, const uint32_t *files, size_t count);
    void *user;
    int err;
};

/* `now` is the copy as we have left it. */
static int copy_data(struct env_file *from, struct env_file *to, struct env_stat *now)
{
    struct env_stat st;
    uint8_t *buffer = malloc(COPY_SIZE);
    int err = buffer ? env_file_stat(from, &st) : ERR_NOMEM;
    uint64_t at = 0, first, last;
    while (!err && env_file_next_data(from, at, &first, &last) == 0) {
        for (at = first; at < last && !err; at += COPY_SIZE) {
            size_t size = last - at < COPY_SIZE ? (size_t)(last - at) : COPY_SIZE;
            struct iovec v = {buffer, size};
            err = env_file_preadv(from, &v, 1, at);
            if (!err)
                err = env_file_pwritev(to, &v, 1, at);
        }
        at = last;
    }
    if (!err)
        err = env_file_truncate(to, st.size);
    if (!err && st.executable)
        err = env_file_set_executable(to);
    if (!err)
        err = env_file_sync(to);
    if (!err)
        err = env_file_stat(to, now);
    free(buffer);
    return err;
}

static int copy_link(struct env_dir *from, struct env_dir *to, const char *path)
{
    char target[4096];
    int err = env_path_readlink(from, path, target, sizeof target);
    return err < 0 ? err : env_path_symlink(to, path, target);
}

static int copy_path(struct storage *s, struct env_dir *to, const char *path, struct env_stat *now)
{
    struct env_stat st;
    struct env_file *in, *out;
    int err = env_path_stat(s->dir, path, &st);
    if (err || st.is_symlink)
        return err ? err : copy_link(s->dir, to, path);
    err = env_file_open(s->dir, path, ENV_OPEN_READ, &in);
    if (err)
        return err;
    err = env_file_open(to, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &out);
    if (!err) {
        err = copy_data(in, out, now);
        env_file_close(out);
    }
    env_file_close(in);
    return err;
}

static int move_path(struct move_job *m, uint32_t i)
{
    struct storage *s = m->storage;
    const char *path = path_at(s, i);
    int err = make_parent(m->to, path);
    if (!err && !m->copying) {
        err = env_path_rename(s->dir, path, m->to, path);
        m->copying = err == ERR_UNSUPPORTED;
    }
    if (m->copying)
        err = copy_path(s, m->to, path, &m->now[i]);
    return storage_note_error(s, err, "moving", i < s->metainfo->file_count ? i : UINT32_MAX);
}

/* What the record says stood there is what was verified. It is looked at when nobody can write to
 * it any more by its old path, or the copy is made. */
static void compare(struct move_job *m, uint32_t i)
{
    struct storage *s = m->storage;
    struct env_stat st;
    if (i >= s->metainfo->file_count)
        return;
    int err = m->copying ? env_path_stat(s->dir, path_at(s, i), &st)
                         : env_path_stat(m->to, path_at(s, i), &st);
    if (!err && !m->copying)
        m->now[i] = st;
    if (storage_is_comparable(&s->file[i]) &&
        (err || storage_is_other(&s->file[i].record, st.size, st.mtime_ns)))
        m->touched[m->touched_count++] = i;
}

/* Everything back to where it was. What was copied is a copy of ours. */
static void undo(struct move_job *m)
{
    struct storage *s = m->storage;
    for (uint32_t i = path_count(s); i-- > 0;) {
        const char *path = path_at(s, i);
        if (!m->moved[i])
            continue;
        if (env_path_rename(m->to, path, s->dir, path) != 0)
            env_path_unlink(m->to, path);
        remove_empty_parents(m->to, path);
    }
}

static int nothing_in_the_way(struct move_job *m)
{
    struct storage *s = m->storage;
    struct env_stat st;
    bool there;
    for (uint32_t i = 0; i < path_count(s); i++) {
        int err = look_for(s, i, &there, &st);
        if (!err && there && env_path_stat(m->to, path_at(s, i), &st) == 0)
            err = ERR_EXISTS;
        if (err)
            return storage_note_error(
                s, err, "moving", i < s->metainfo->file_count ? i : UINT32_MAX);
    }
    return 0;
}

/* The old files go only when all the new ones are there. */
static void leave_old_folder(struct move_job *m)
{
    struct storage *s = m->storage;
    for (uint32_t i = 0; i < path_count(s); i++) {
        if (!m->moved[i])
            continue;
        if (m->copying)
            env_path_unlink(s->dir, path_at(s, i));
        remove_empty_parents(s->dir, path_at(s, i));
    }
}

/* The new names are durable before the old ones go. */
static int sync_moved(struct move_job *m)
{
    char *last = NULL;
    int err = env_dir_sync(m->to, "");
    for (uint32_t i = 0; i < path_count(m->storage) && !err; i++)
        if (m->moved[i])
            err = storage_sync_names(m->to, path_at(m->storage, i), &last);
    free(last);
    return err;
}

static void move_run(struct env_job *job)
{
    struct move_job *m = container_of(job, struct move_job, job);
    struct storage *s = m->storage;
    m->err = storage_open_folder(s, false);
    if (m->err == ERR_ABSENT) { /* nothing was written yet: only the name of the place changes */
        m->err = 0;
        return;
    }
    if (!m->err)
        m->err = env_dir_open(s->env, m->folder, true, &m->to);
    if (!m->err)
        m->err = nothing_in_the_way(m);
    for (uint32_t i = 0; i < path_count(s) && !m->err; i++) {
        bool there;
        struct env_stat st;
        m->err = look_for(s, i, &there, &st);
        if (m->err || !there)
            continue;
        m->err = move_path(m, i);
        m->moved[i] = m->err == 0;
        if (!m->err)
            compare(m, i);
    }
    if (!m->err)
        m->err = sync_moved(m);
    if (m->err && m->to)
        undo(m);
    else if (m->to)
        leave_old_folder(m);
}

static void move_free(struct move_job *m)
{
    free(m->moved);
    free(m->now);
    free(m->touched);
    free(m);
}

/* The records move along: what a sync would find now may be what somebody else has written. */
static void take_records(struct move_job *m)
{
    struct storage *s = m->storage;
    for (uint32_t i = 0; i < s->metainfo->file_count; i++) {
        struct storage_file *f = &s->file[i];
        const struct env_stat *now = &m->now[i];
        if (m->moved[i] && atomic_load(&f->known))
            f->record =
                (struct storage_file_record){now->size, now->mtime_ns, now->inode, f->record.ours};
    }
    for (size_t i = 0; i < m->touched_count; i++)
        atomic_store(&s->file[m->touched[i]].touched, true);
}

static void move_done(struct env_job *job)
{
    struct move_job *m = container_of(job, struct move_job, job);
    struct storage *s = m->storage;
    s->move = NULL;
    s->running--;
    s->jobs--;
    if (!m->err) {
        take_records(m);
        file_cache_forget(s->files, s);
        if (s->dir)
            env_dir_close(s->dir);
        s->dir = m->to;
        free(s->folder);
        s->folder = m->folder;
    } else {
        if (m->to)
            env_dir_close(m->to);
        free(m->folder);
    }
    storage_release_held(s);
    m->done(m->user, m->err, m->touched, m->err ? 0 : m->touched_count);
    move_free(m);
}

void storage_move_begin(struct storage *s)
{
    s->running++;
    env_submit(s->env, ENV_LANE_BACKGROUND, &s->move->job);
}

int storage_move(struct storage *s, const char *folder,
    void (*done)(void *user, int err, const uint32_t *files, size_t count), void *user)
{
    if (s->move || s->check)
        return ERR_BUSY;
    struct move_job *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NOMEM;
    *m = (struct move_job){.job = {.run = move_run, .done = move_done},
        .storage = s,
        .folder = strdup(folder),
        .moved = calloc(path_count(s), 1),
        .now = calloc(path_count(s), sizeof *m->now),
        .touched = calloc(path_count(s), sizeof *m->touched),
        .done = done,
        .user = user};
    if (!m->folder || !m->moved || !m->now || !m->touched) {
        free(m->folder);
        move_free(m);
        return ERR_NOMEM;
    }
    s->jobs++;
    s->move = m;
    if (s->running == 0)
        storage_move_begin(s);
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------ */

struct delete_job {
    struct env_job job;
    struct storage *storage;
    uint8_t *which;
    void (*done)(void *user, int err);
    void *user;
    int err;
};

static void delete_run(struct env_job *job)
{
    struct delete_job *d = container_of(job, struct delete_job, job);
    struct storage *s = d->storage;
    int err = storage_open_folder(s, false);
    for (uint32_t i = 0; i < path_count(s) && !err; i++) {
        if (i < s->metainfo->file_count && !d->which[i])
            continue;
        int gone = unless_missing(s, env_path_unlink(s->dir, path_at(s, i)));
        if (gone && !d->err)
            d->err = storage_note_error(s, gone, "deleting", i);
        remove_empty_parents(s->dir, path_at(s, i));
    }
    if (err && err != ERR_ABSENT)
        d->err = storage_note_error(s, err, "opening", UINT32_MAX);
}

static void delete_done(struct env_job *job)
{
    struct delete_job *d = container_of(job, struct delete_job, job);
    struct storage *s = d->storage;
    s->jobs--;
    storage_job_ended(s);
    storage_forget_records(s);
    file_cache_forget(s->files, s);
    d->done(d->user, d->err);
    free(d->which);
    free(d);
}

int storage_delete(
    struct storage *s, const uint8_t *which, void (*done)(void *user, int err), void *user)
{
    struct delete_job *d = calloc(1, sizeof *d);
    uint8_t *copy = malloc(s->metainfo->file_count ? s->metainfo->file_count : 1);
    if (!d || !copy) {
        free(d);
        free(copy);
        return ERR_NOMEM;
    }
    memcpy(copy, which, s->metainfo->file_count);
    *d = (struct delete_job){{.run = delete_run, .done = delete_done}, s, copy, done, user, 0};
    s->jobs++;
    storage_submit(s, ENV_LANE_BACKGROUND, &d->job);
    return 0;
}
