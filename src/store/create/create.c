/* The course of a creation, see create.h: a job that scans, jobs that hash (as many in flight as
 * there are workers, and one more so that none of them waits for the loop), a job that writes.
 *
 * What is here runs on the loop, but for the two *_run functions; they have the struct create to
 * themselves as long as they run, because nothing else is in flight then. */
#include "store/create/create.h"
#include "base/list.h"
#include "base/text.h"
#include "format/metainfo_write.h"
#include "store/create/create_hash.h"
#include "store/create/create_torrent.h"
#include "store/state/state.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_MEMORY_MAX ((size_t)16 << 20)
#define PROGRESS_EVERY MSECS(100)

struct slot {
    struct env_job job;
    struct create *create;
    struct hash_unit unit;
    bool busy;
};

struct create {
    struct env *env;
    struct create_events events;
    void *user;
    struct arena arena; /* holds what options point to */
    struct create_options options;
    atomic_bool cancel;
    int64_t started_unix;

    struct env_job job; /* the scan's, then the writer's */
    struct scan *scan;
    struct create_plan plan;
    struct slot *slots[CREATE_JOBS_MAX + 1];
    unsigned slot_count; /* those that may be used; allocated when first needed */
    unsigned in_flight;

    int err; /* the first that happened: nothing more is begun */
    char detail[512];
    struct sha256_digest key;
    bool has_key;
    uint8_t *torrent;
    struct create_result result;
    struct create_progress progress;
    usec progress_at;
};

/* ---- errors -------------------------------------------------------------------------------- */

/* Keeps the first error, and says of which file. `path` NULL: no file's. */
static void fail(struct create *c, int err, const char *path, const char *what)
{
    if (c->err != 0)
        return;
    c->err = err;
    struct builder b = builder_fixed(c->detail, sizeof c->detail);
    if (path != NULL) {
        text_escape(bytes_of_str(path), &b);
        builder_str(&b, what[0] != '\0' ? ": " : "");
    }
    builder_str(&b, what);
    builder_text(&b);
    if (!builder_ok(&b)) /* a path of thousands of bytes: better none than half of one */
        c->detail[0] = '\0';
}

static void fail_file(struct create *c, int err, size_t file)
{
    const char *what = err == ERR_CHANGED ? "changed while it was being hashed" : err_text(err);
    fail(c, err, err == ERR_CANCELLED ? NULL : c->scan->files[file].path, what);
}

static void fail_unreadable(struct create *c, const struct scan_note *n)
{
    char what[64];
    snprintf(what, sizeof what, "%s: %s", scan_note_text(n->kind), err_text(n->err));
    fail(c, n->err, n->path, what);
}

/* The scan's own error: its first problem is at the head of the notes. */
static void fail_scan(struct create *c, int err)
{
    const struct scan *s = c->scan;
    bool problem = s != NULL && s->note_count > 0 && s->notes[0].kind >= SCAN_UNREADABLE;
    if (err == ERR_CANCELLED || err == ERR_NOMEM)
        fail(c, err, NULL, "");
    else if (problem && s->notes[0].kind == SCAN_UNREADABLE)
        fail_unreadable(c, &s->notes[0]);
    else if (problem && s->notes[0].err == err)
        fail(c, err, s->notes[0].path, scan_note_text(s->notes[0].kind));
    else if (err == ERR_UNSUPPORTED)
        fail(c, err, c->options.path, "is neither a file nor a folder");
    else if (err == ERR_NOT_FOUND && s != NULL && s->dir != NULL)
        fail(c, err, c->options.path,
            s->excluded > 0 ? "everything in it is excluded" : "there is no file in it");
    else if (err == ERR_LIMIT && s != NULL && s->count >= SCAN_FILES_MAX)
        fail(c, err, c->options.path, "there are too many files in it");
    else
        fail(c, err, c->options.path, err_text(err));
}

/* ---- options ------------------------------------------------------------------------------- */

static bool copy_string(struct arena *a, const char **text)
{
    if (*text != NULL)
        *text = arena_dup(a, bytes_of_str(*text));
    else
        return true;
    return *text != NULL;
}

/* Copies everything that the options point to. */
static bool copy_options(struct create *c, const struct create_options *from)
{
    struct create_options *o = &c->options;
    struct arena *a = &c->arena;
    *o = *from;
    struct create_tracker *trackers = arena_array(a, o->tracker_count + 1, sizeof *trackers);
    const char **seeds = arena_array(a, o->web_seed_count + 1, sizeof *seeds);
    const char **exclude = arena_array(a, o->exclude_count + 1, sizeof *exclude);
    if (trackers == NULL || seeds == NULL || exclude == NULL)
        return false;
    bool ok = copy_string(a, &o->path) && copy_string(a, &o->name) && copy_string(a, &o->comment) &&
              copy_string(a, &o->created_by) && copy_string(a, &o->source) &&
              copy_string(a, &o->cross_seed);
    for (size_t i = 0; ok && i < o->tracker_count; i++) {
        trackers[i] = from->trackers[i];
        ok = copy_string(a, &trackers[i].url);
    }
    for (size_t i = 0; ok && i < o->web_seed_count; i++) {
        seeds[i] = from->web_seeds[i];
        ok = copy_string(a, &seeds[i]);
    }
    for (size_t i = 0; ok && i < o->exclude_count; i++) {
        exclude[i] = from->exclude[i];
        ok = copy_string(a, &exclude[i]);
    }
    o->exclude = exclude;
    o->trackers = trackers;
    o->web_seeds = seeds;
    return ok;
}

static bool options_are_good(const struct create_options *o)
{
    uint32_t length = o->piece_length;
    bool length_good =
        length == 0 || (length >= CREATE_BLOCK_SIZE && length <= METAINFO_PIECE_LENGTH_MAX &&
                           (length & (length - 1)) == 0);
    return o->path != NULL && o->path[0] != '\0' && length_good && o->kind <= CREATE_V2 &&
           (o->name == NULL || create_name_is_good(o->name));
}

/* ---- the end ------------------------------------------------------------------------------- */

static void free_create(struct create *c)
{
    for (unsigned i = 0; i < c->slot_count; i++) {
        if (c->slots[i] != NULL)
            hash_unit_free(&c->slots[i]->unit);
        free(c->slots[i]);
    }
    create_plan_free(&c->plan);
    scan_free(c->scan);
    free(c->torrent);
    arena_free(&c->arena);
    free(c);
}

static void end(struct create *c)
{
    assert(c->in_flight == 0);
    c->result.scan = c->scan;
    if (c->err != 0)
        c->result.torrent = bytes_of(NULL, 0);
    /* A file written in the clock tick of its scan could change and look the same. */
    bool keep = c->err == 0 && c->has_key && !c->result.cached && c->torrent != NULL &&
                scan_is_settled(c->scan, c->started_unix);
    if (keep) /* a cache: if it cannot be kept, nothing is lost */
        (void)state_save_share(
            c->options.cache, &c->key, c->options.path, c->result.torrent, NULL, NULL);
    c->events.done(c->user, c->err, &c->result, c->detail);
    free_create(c);
}

struct scan *create_take_scan(struct create *c)
{
    struct scan *scan = c->scan;
    c->scan = NULL;
    return scan;
}

uint8_t *create_take_torrent(struct create *c, size_t *size)
{
    uint8_t *torrent = c->torrent;
    *size = torrent != NULL ? c->result.torrent.size : 0;
    c->torrent = NULL;
    return torrent;
}

static void tell_progress(struct create *c, bool at_once)
{
    usec now = env_now(c->env);
    if (c->events.progress == NULL || (!at_once && now - c->progress_at < PROGRESS_EVERY))
        return;
    c->progress_at = now;
    c->events.progress(c->user, &c->progress);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Units look at a file when they leave it; this is for what happened to it since, and for files
 * without a byte, which no unit opens. */
static void check_unchanged(struct create *c)
{
    for (size_t i = 0; i < c->scan->count && c->err == 0; i++) {
        const struct scan_file *f = &c->scan->files[i];
        struct env_stat st;
        if (f->target != NULL)
            continue;
        int err = env_path_stat(c->scan->dir, f->path, &st);
        if (err == 0 && !scan_file_unchanged(f, &st))
            err = ERR_CHANGED;
        if (err < 0)
            fail_file(c, err, i);
        if (i % 256 == 0 && atomic_load_explicit(&c->cancel, memory_order_relaxed))
            fail(c, ERR_CANCELLED, NULL, "");
    }
}

static void write_run(struct env_job *job)
{
    struct create *c = container_of(job, struct create, job);
    struct format_error error = {""};
    size_t size;
    check_unchanged(c);
    if (c->err != 0)
        return;
    int err = create_torrent_write(&c->plan, &c->options, &c->torrent, &size, &error);
    if (err == 0)
        err = create_torrent_describe(bytes_of(c->torrent, size), &c->result, &error);
    if (err < 0)
        fail(c, err, NULL, error.text);
}

static void write_done(struct env_job *job)
{
    struct create *c = container_of(job, struct create, job);
    if (atomic_load(&c->cancel))
        fail(c, ERR_CANCELLED, NULL, "");
    end(c);
}

/* ---- hashing ------------------------------------------------------------------------------- */

static void pump(struct create *c);

static void unit_run(struct env_job *job)
{
    hash_unit_run(&container_of(job, struct slot, job)->unit);
}

static void unit_done(struct env_job *job)
{
    struct slot *slot = container_of(job, struct slot, job);
    struct create *c = slot->create;
    slot->busy = false;
    c->in_flight--;
    if (slot->unit.err < 0) {
        fail_file(c, slot->unit.err, slot->unit.err_file);
        atomic_store(&c->cancel, true); /* the others may stop as well */
    } else {
        c->progress.bytes_hashed += slot->unit.size;
        c->progress.files_hashed += slot->unit.files_ended;
        tell_progress(c, false);
    }
    pump(c);
}

/* A slot that is free, with its buffers; NULL: all are busy, or (c->err) memory ran out. */
static struct slot *free_slot(struct create *c)
{
    for (unsigned i = 0; i < c->slot_count; i++) {
        struct slot *slot = c->slots[i];
        if (slot == NULL) {
            slot = c->slots[i] = calloc(1, sizeof *slot);
            if (slot == NULL || hash_unit_room(&slot->unit, &c->plan) < 0) {
                fail(c, ERR_NOMEM, NULL, "");
                return NULL;
            }
            slot->create = c;
        }
        if (!slot->busy)
            return slot;
    }
    return NULL;
}

/* Deals out units while there are workers; when all has been hashed, has it written. */
static void pump(struct create *c)
{
    struct slot *slot;
    if (atomic_load(&c->cancel))
        fail(c, ERR_CANCELLED, NULL, "");
    while (
        c->err == 0 && (slot = free_slot(c)) != NULL && create_plan_next(&c->plan, &slot->unit)) {
        slot->busy = true;
        slot->job = (struct env_job){.run = unit_run, .done = unit_done};
        c->in_flight++;
        env_submit(c->env, ENV_LANE_BACKGROUND, &slot->job);
    }
    if (c->in_flight > 0)
        return;
    if (c->err != 0) {
        end(c);
        return;
    }
    tell_progress(c, true);
    c->job = (struct env_job){.run = write_run, .done = write_done};
    env_submit(c->env, ENV_LANE_BACKGROUND, &c->job);
}

/* ---- scanning ------------------------------------------------------------------------------ */

/* The torrent of unchanged data, if it is remembered. */
static bool find_cached(struct create *c, uint32_t piece_length)
{
    size_t size;
    if (c->options.cache == NULL)
        return false;
    c->has_key = create_torrent_key(c->scan, &c->options, piece_length, &c->key);
    if (!c->has_key || state_load_share(c->options.cache, &c->key, &c->torrent, &size) < 0)
        return false;
    if (create_torrent_describe(bytes_of(c->torrent, size), &c->result, NULL) == 0) {
        c->result.cached = true;
        return true;
    }
    free(c->torrent);
    c->torrent = NULL;
    return false;
}

static uint64_t count_data_files(const struct scan *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        count += s->files[i].size > 0;
    return count;
}

static void scan_run_job(struct env_job *job)
{
    struct create *c = container_of(job, struct create, job);
    struct scan_options options = {.skip_problems = c->options.skip_problems,
        .to_share = c->options.to_share,
        .exclude = c->options.exclude,
        .exclude_count = c->options.exclude_count,
        .cancel = &c->cancel};
    int err = scan_run(c->env, c->options.path, &options, &c->scan);
    if (err < 0) {
        fail_scan(c, err);
        return;
    }
    uint64_t count = count_data_files(c->scan);
    uint32_t length = c->options.piece_length;
    if (length == 0)
        length = metainfo_choose_piece_length(c->scan->total_size, count);
    c->result.piece_length = length;
    c->progress = (struct create_progress){
        .bytes_total = c->scan->total_size, .files_total = count, .piece_length = length};
    if (c->options.scan_only || find_cached(c, length))
        return;
    err = create_plan_init(&c->plan, c->scan, c->options.kind, length, &c->cancel);
    if (err == ERR_LIMIT)
        fail(c, err, NULL, "there would be too many pieces: longer pieces are needed");
    else if (err < 0)
        fail(c, err, NULL, "");
}

static void scan_done(struct env_job *job)
{
    struct create *c = container_of(job, struct create, job);
    if (c->err != 0 || c->options.scan_only || c->result.cached) {
        if (atomic_load(&c->cancel))
            fail(c, ERR_CANCELLED, NULL, "");
        end(c);
        return;
    }
    tell_progress(c, true);
    pump(c);
}

/* ---- the handle ---------------------------------------------------------------------------- */

int create_start(struct env *env, const struct create_options *options,
    const struct create_events *events, void *user, struct create **out)
{
    *out = NULL;
    if (!options_are_good(options))
        return ERR_INVALID;
    struct create *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    arena_init(&c->arena, OPTIONS_MEMORY_MAX);
    if (!copy_options(c, options)) {
        arena_free(&c->arena);
        free(c);
        return ERR_NOMEM;
    }
    c->env = env;
    c->events = *events;
    c->user = user;
    c->started_unix = env_time_unix(env);
    c->progress.scanning = true;
    unsigned workers = env_worker_count(env);
    c->slot_count = (workers < CREATE_JOBS_MAX ? workers : CREATE_JOBS_MAX) + 1;
    atomic_init(&c->cancel, false);
    c->job = (struct env_job){.run = scan_run_job, .done = scan_done};
    env_submit(env, ENV_LANE_BACKGROUND, &c->job);
    *out = c;
    return 0;
}

void create_cancel(struct create *c)
{
    atomic_store(&c->cancel, true);
}
