/* A torrent's data, from being looked at to being let go: opened, judged by what is remembered of
 * it, checked, prepared, saved, and opened again after trouble. Data that stands where the
 * torrent's belongs is hashed in full, or vouched for by a record, before anything is written.
 *
 *   entry_open_data -> opened -> checked -> prepared -> started -> [checkpoint ...] -> stopped
 *        ^                                                 |
 *        +------------------ entry_reopen -----------------+   trouble, recheck, rename */
#include "node/lsd_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN SECONDS(5)
#define RETRY_MAX SECONDS(60)
#define CHECKPOINT_EVERY SECONDS(30)
#define RENAMES_MAX 1000u

static void reopen_when_idle(struct kith_torrent *k);
static void stop_when_idle(struct kith_torrent *k);
static void synced_again(struct kith_torrent *k, int err);
static int checkpoint(struct kith_torrent *k, bool live, void (*done)(struct kith_torrent *, int));

/* ---- trouble, and going on by itself
 * ------------------------------------------------------------------ */

/* What time may heal: a disk that is full, ill or away. */
static bool may_pass(int err)
{
    return err == ERR_NO_SPACE || err == ERR_IO || err == ERR_ABSENT || err == ERR_PERMISSION ||
           err == ERR_NOT_FOUND || err == ERR_LIMIT || err == ERR_NOMEM;
}

static void retry_later(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    if (n->stopping || k->removing)
        return;
    struct entry_awake *a = k->awake;
    if (!a)
        return;
    a->retry_delay = a->retry_delay ? a->retry_delay * 2 : RETRY_MIN;
    if (a->retry_delay > RETRY_MAX)
        a->retry_delay = RETRY_MAX;
    timer_set(&n->timers, &a->retry, env_now(n->env) + a->retry_delay);
    node_arm(n);
}

void entry_trouble(struct kith_torrent *k, int err, const char *text)
{
    bool news = k->error != err;
    k->error = err;
    k->state = KITH_STATE_TROUBLE;
    node_replace_text(&k->error_text, text && *text ? text : err_text(err));
    if (news)
        node_event(k->node, KITH_EVENT_TROUBLE, k, err, k->error_text);
    if (k->delete_when_awake && !k->removing) { /* not to be had: it is forgotten, at least */
        k->delete_when_awake = false;
        kith_remove(k);
    } else if (k->node->stopping || k->removing) {
        entry_stop(k);
    } else if (may_pass(err)) {
        retry_later(k);
    }
}

static void recovered(struct kith_torrent *k)
{
    k->awake->retry_delay = 0;
    if (!k->error)
        return;
    k->error = 0;
    node_replace_text(&k->error_text, NULL);
    node_event(k->node, KITH_EVENT_RECOVERED, k, 0, NULL);
}

/* The swarm met a disk that fails. A file that is gone may be on a volume that is away: only
 * looking again can tell. */
void entry_torrent_failed(struct kith_torrent *k, int err, const char *text)
{
    if (err == ERR_NOT_FOUND || err == ERR_ABSENT) {
        entry_trouble(k, ERR_ABSENT, text);
        entry_reopen(k);
        return;
    }
    entry_trouble(k, err, text);
}

void entry_torrent_recovered(struct kith_torrent *k)
{
    k->state = 0;
    recovered(k);
}

void entry_retry(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, retry)->entry;
    (void)now;
    if (k->state != KITH_STATE_TROUBLE || k->node->stopping || k->removing)
        return;
    if (k->torrent && torrent_storage(k->torrent)) {
        if (k->sync_failed && checkpoint(k, true, synced_again) == 0)
            return;
        retry_later(k);
        torrent_retry(k->torrent);
    } else if (k->storage && storage_idle(k->storage)) {
        entry_open_data(k);
    }
}

/* ---- the record
 * --------------------------------------------------------------------------------------- */

struct checkpoint {
    struct kith_torrent *entry;
    struct bitfield have; /* verified and written before the sync began */
    bool live;
    void (*done)(struct kith_torrent *, int err);
};

static void checkpoint_end(struct checkpoint *c, int err)
{
    struct kith_torrent *k = c->entry;
    void (*done)(struct kith_torrent *, int) = c->done;
    bitfield_free(&c->have);
    free(c);
    k->saving--;
    if (done)
        done(k, err);
    if (k->reopening)
        reopen_when_idle(k);
    else if (k->stop_waits)
        stop_when_idle(k);
    else
        entry_drowse(k);
}

static void record_saved(void *user, int err)
{
    struct checkpoint *c = user;
    if (err)
        c->entry->record_fits = false;
    checkpoint_end(c, err);
}

/* The record in memory serves a reopening; the one in the database the next run. */
static int keep_record(struct kith_torrent *k, const struct checkpoint *c,
    const struct storage_file_record *files, struct builder *b)
{
    struct resume fresh;
    resume_write(c->live, &c->have, files, k->metainfo->file_count, b);
    int err = builder_ok(b) ? resume_read(builder_bytes(b), k->metainfo, &fresh) : ERR_NOMEM;
    if (err)
        return err;
    resume_free(&k->awake->record);
    k->awake->record = fresh;
    k->has_record = true;
    k->record_fits = !c->live;
    return 0;
}

static void checkpoint_synced(void *user, int err, const struct storage_file_record *files)
{
    struct checkpoint *c = user;
    struct kith_torrent *k = c->entry;
    struct builder b = builder_heap(STATE_BLOB_MAX);
    if (!err)
        err = keep_record(k, c, files, &b);
    if (!err)
        err = memory_save_record(k, builder_bytes(&b), record_saved, c);
    builder_free(&b);
    if (err)
        checkpoint_end(c, err == ERR_CLOSED ? 0 : err);
}

/* Syncs what was written and remembers what may be claimed. done() comes later, also on errors. */
static int checkpoint(struct kith_torrent *k, bool live, void (*done)(struct kith_torrent *, int))
{
    const struct bitfield *have =
        k->torrent && torrent_storage(k->torrent) ? torrent_have(k->torrent) : &k->awake->have;
    struct checkpoint *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NOMEM;
    *c = (struct checkpoint){.entry = k, .live = live, .done = done};
    int err = bitfield_init(&c->have, have->size);
    if (!err)
        err = bitfield_load(&c->have, bitfield_wire(have));
    if (!err)
        err = storage_sync(k->storage, checkpoint_synced, c);
    if (err) {
        bitfield_free(&c->have);
        free(c);
        return err;
    }
    k->saving++;
    return 0;
}

void entry_save_clean(struct kith_torrent *k, void (*done)(struct kith_torrent *, int err))
{
    int err = k->record_fits ? 0 : checkpoint(k, false, done);
    if (err || k->record_fits)
        done(k, err);
}

static void now_and_then(struct kith_torrent *k, int err)
{
    if (!err || k->state != 0)
        return;
    k->sync_failed = true;
    entry_trouble(k, err, storage_error(k->storage));
}

static void synced_again(struct kith_torrent *k, int err)
{
    if (err) {
        entry_trouble(k, err, storage_error(k->storage));
        return;
    }
    k->sync_failed = false;
    if (torrent_error(k->torrent)) { /* that was not all */
        retry_later(k);
        torrent_retry(k->torrent);
        return;
    }
    k->state = 0;
    recovered(k);
    if (torrent_is_complete(k->torrent))
        entry_complete(k);
}

void entry_checkpoint(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, save)->entry;
    (void)now;
    if (k->storage && k->torrent && !k->node->stopping && !k->removing)
        checkpoint(k, true, now_and_then);
}

void entry_piece_written(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    k->record_fits = false;
    if (!timer_armed(&k->awake->save))
        timer_set(&n->timers, &k->awake->save, env_now(n->env) + CHECKPOINT_EVERY);
}

static void complete_synced(struct kith_torrent *k, int err)
{
    if (err) {
        k->complete_told = false;
        k->sync_failed = true;
        entry_trouble(k, err, storage_error(k->storage));
        return;
    }
    node_event(k->node, KITH_EVENT_COMPLETE, k, 0, k->name);
}

/* Complete means: on the disk, not only in its cache. */
void entry_complete(struct kith_torrent *k)
{
    if (k->complete_told)
        return;
    k->complete_told = k->record_fits || checkpoint(k, true, complete_synced) == 0;
    if (k->record_fits && !k->quiet)
        node_event(k->node, KITH_EVENT_COMPLETE, k, 0, k->name);
    if (!k->completed_unix)
        k->completed_unix = env_time_unix(k->node->env);
    memory_save_entry(k);
    trackers_completed(k);
    dht_io_join(k); /* as a seed now */
    entry_queue(k->node);
}

/* ---- stopping
 * ----------------------------------------------------------------------------------------- */

static void stop_saved(struct kith_torrent *k, int err)
{
    (void)err; /* what was not saved is hashed next time */
    entry_stopped(k);
}

static void drop_record(struct kith_torrent *k)
{
    resume_free(&k->awake->record);
    k->has_record = k->record_fits = k->forget_record = false;
}

static void reopen_when_idle(struct kith_torrent *k)
{
    if (!k->reopening || k->saving > 0 || !storage_idle(k->storage))
        return;
    k->reopening = false;
    torrent_rest(k->torrent);
    storage_let_go(k->storage);
    if (k->forget_record)
        drop_record(k);
    if (k->state != KITH_STATE_TROUBLE)
        entry_open_data(k);
}

/* A move or a checkpoint that was under way when the swarm let go has ended. */
static void stop_when_idle(struct kith_torrent *k)
{
    if (!k->stop_waits || k->saving > 0 || !storage_idle(k->storage))
        return;
    k->stop_waits = false;
    entry_stopped(k);
}

/* The swarm has let go: nothing more is written. */
void entry_swarm_stopped(struct kith_torrent *k)
{
    bool started = torrent_storage(k->torrent) != NULL;
    if (k->reopening)
        reopen_when_idle(k);
    else if (entry_fall_asleep(k))
        return;
    else if (started && !k->removing && !k->moving && !k->record_fits &&
             checkpoint(k, false, stop_saved) == 0)
        return;
    else if (!k->storage)
        entry_stopped(k);
    else {
        k->stop_waits = true;
        stop_when_idle(k);
    }
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* Stopped or removed while a job was under way. */
static bool interrupted(struct kith_torrent *k)
{
    if (!k->node->stopping && !k->removing)
        return false;
    entry_stopped(k);
    return true;
}

static void start(struct kith_torrent *k)
{
    int err = k->torrent ? 0 : entry_make_torrent(k, NULL);
    if (!err)
        err = torrent_start(k->torrent, k->storage, &k->awake->have);
    if (err) {
        entry_trouble(k, err, NULL);
        return;
    }
    k->state = 0;
    recovered(k);
    if (k->paused)
        torrent_pause(k->torrent);
    trackers_start(k);
    lsd_join(k);
    dht_io_join(k);
    web_seeds_add(k);
    entry_queue(k->node);
    if (k->delete_when_awake) {
        k->delete_when_awake = false;
        kith_remove_with_data(k);
        return;
    }
    entry_drowse(k);
}

/* The first record stands before the first write: from here on what appears is ours. */
static void started(struct kith_torrent *k, int err)
{
    if (interrupted(k))
        return;
    if (err)
        entry_trouble(k, err, storage_error(k->storage));
    else
        start(k);
}

static void prepared(void *user, int err)
{
    struct kith_torrent *k = user;
    if (interrupted(k))
        return;
    if (!err && k->record_fits) { /* all is there: nothing will be written */
        start(k);
        return;
    }
    if (!err)
        err = checkpoint(k, true, started);
    if (err)
        entry_trouble(k, err, storage_error(k->storage));
}

static void prepare(struct kith_torrent *k)
{
    int err = storage_prepare(k->storage, prepared, k);
    if (err)
        entry_trouble(k, err, NULL);
}

/* ---- somebody else's files
 * ---------------------------------------------------------------------------- */

/* A file that stood there before us and of which no piece is right is somebody else's. */
static bool is_conflict(const struct kith_torrent *k, uint32_t file)
{
    const struct metainfo_file *f = &k->metainfo->files[file];
    if (!k->awake->file_existed[file] || f->length == 0)
        return false;
    for (uint32_t i = 0; i < f->piece_count; i++)
        if (bitfield_get(&k->awake->have, f->first_piece + i))
            return false;
    return true;
}

static bool find_conflict(const struct kith_torrent *k, uint32_t *file)
{
    for (*file = 0; *file < k->metainfo->file_count; ++*file)
        if (is_conflict(k, *file))
            return true;
    return false;
}

static void tell_conflict(struct kith_torrent *k, uint32_t file)
{
    char text[NODE_TEXT_MAX], sentence[NODE_TEXT_MAX];
    snprintf(text, sizeof text, "%s/%s%s%s", k->folder, k->root ? k->root : k->metainfo->root,
        k->metainfo->multi_file ? "/" : "",
        k->metainfo->multi_file ? k->metainfo->files[file].path : "");
    k->error = KITH_E_EXISTS;
    k->state = KITH_STATE_TROUBLE;
    snprintf(sentence, sizeof sentence, "%.200s holds something else", text);
    node_replace_text(&k->error_text, sentence);
    node_event(k->node, KITH_EVENT_CONFLICT, k, KITH_E_EXISTS, text);
}

/* "name (1)", "name (2)", ... for a file "name (1).ext". */
static char *next_name(const struct kith_torrent *k)
{
    const char *name = k->metainfo->root;
    const char *dot = k->metainfo->multi_file ? NULL : strrchr(name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    char *out;
    if (asprintf(&out, "%.*s (%u)%s", stem, name, k->renames, name + stem) < 0)
        return NULL;
    return out;
}

static void open_under_other_name(struct kith_torrent *k)
{
    if (++k->renames > RENAMES_MAX) {
        entry_trouble(k, ERR_EXISTS, "no free name was found");
        return;
    }
    free(k->root);
    k->root = next_name(k);
    storage_free(k->storage);
    k->storage = NULL;
    bitfield_free(&k->awake->have);
    if (!k->root)
        entry_trouble(k, ERR_NOMEM, NULL);
    else
        entry_open_data(k);
}

/* ---- what stands there
 * --------------------------------------------------------------------------------- */

static void piece_checked(void *user, uint32_t piece, bool right)
{
    struct kith_torrent *k = user;
    k->awake->check_done += metainfo_piece_size(k->metainfo, piece);
    if (right)
        bitfield_set(&k->awake->have, piece);
}

static void checked(void *user, int err)
{
    struct kith_torrent *k = user;
    uint32_t file;
    if (interrupted(k))
        return;
    if (err) {
        entry_trouble(k, err, storage_error(k->storage));
        return;
    }
    bool conflict = k->existing != KITH_EXISTING_OVERWRITE && find_conflict(k, &file);
    if (conflict && k->existing == KITH_EXISTING_RENAME)
        open_under_other_name(k);
    else if (conflict)
        tell_conflict(k, file);
    else
        prepare(k);
}

static const struct storage_check_events check_events = {piece_checked, checked};

static int take_verdict(
    struct kith_torrent *k, const struct storage_opening *opening, struct resume_verdict *verdict)
{
    const struct resume *record = k->has_record ? &k->awake->record : NULL;
    int err = resume_judge(record, k->metainfo, opening, verdict);
    if (err)
        return err;
    for (uint32_t f = 0; f < k->metainfo->file_count; f++)
        k->awake->file_existed[f] = opening->states[f] != STORAGE_FILE_ABSENT &&
                                    !(record && resume_is_ours(record, f, &opening->now[f]));
    k->awake->check_done = k->awake->check_total = 0;
    for (uint32_t i = bitfield_next_set(&verdict->check, 0); i < k->metainfo->piece_count;
         i = bitfield_next_set(&verdict->check, i + 1))
        k->awake->check_total += metainfo_piece_size(k->metainfo, i);
    k->record_fits =
        record && !record->live && k->awake->check_total == 0 && bitfield_full(&verdict->have);
    return bitfield_load(&k->awake->have, bitfield_wire(&verdict->have));
}

static void opened(void *user, int err, const struct storage_opening *opening)
{
    struct kith_torrent *k = user;
    struct resume_verdict verdict = {0};
    if (interrupted(k))
        return;
    if (!err)
        err = take_verdict(k, opening, &verdict);
    if (!err && verdict.absent && k->existing == KITH_EXISTING_OVERWRITE) {
        /* The user says that it is not away but gone. */
        resume_verdict_free(&verdict);
        resume_free(&k->awake->record);
        k->has_record = false;
        err = take_verdict(k, opening, &verdict);
    }
    if (err) {
        entry_trouble(k, err, storage_error(k->storage));
    } else if (verdict.absent) {
        char text[NODE_TEXT_MAX];
        snprintf(
            text, sizeof text, "the data is no longer in %.160s: is its disk away?", k->folder);
        storage_let_go(k->storage);
        entry_trouble(k, ERR_ABSENT, text);
    } else {
        k->state = KITH_STATE_CHECKING;
        err = storage_check(k->storage, &verdict.check, &check_events, k);
        if (err)
            entry_trouble(k, err, NULL);
    }
    resume_verdict_free(&verdict);
}

static int open_storage(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    struct storage_config config = {.env = n->env,
        .log = n->log_call ? &n->log : NULL,
        .metainfo = k->metainfo,
        .pool = n->pool,
        .files = n->files,
        .folder = k->folder,
        .root = k->root,
        .preallocate = k->preallocate};
    k->storage = storage_new(&config);
    free(k->awake->file_existed);
    k->awake->file_existed = calloc(k->metainfo->file_count ? k->metainfo->file_count : 1, 1);
    if (!k->storage || !k->awake->file_existed ||
        bitfield_init(&k->awake->have, k->metainfo->piece_count) != 0)
        return ERR_NOMEM;
    return 0;
}

/* Without v1, pieces are proved by the piece layers, which stand outside the info dictionary and
 * have to be fetched: TORRENT_LAYERS_KNOWN comes back here. */
static void fetch_layers(struct kith_torrent *k)
{
    int err = torrent_start_layers(k->torrent);
    k->state = KITH_STATE_METADATA;
    trackers_start(k);
    lsd_join(k);
    dht_io_join(k);
    if (err)
        entry_trouble(k, err, NULL);
}

void entry_open_data(struct kith_torrent *k)
{
    k->state = KITH_STATE_CHECKING;
    if (k->torrent && torrent_lacks_layers(k->torrent)) {
        fetch_layers(k);
        return;
    }
    int err = k->storage ? 0 : open_storage(k);
    for (uint32_t f = 0; !err && k->priorities && f < k->metainfo->file_count; f++)
        if (k->priorities[f] == 0)
            storage_set_wanted(k->storage, f, false, NULL, NULL);
    if (!err)
        err = storage_open(k->storage, opened, k);
    if (err)
        entry_trouble(k, err, NULL);
}

/* All of it is there and was hashed a moment ago, by ourselves. */
void entry_open_hashed(struct kith_torrent *k)
{
    int err = open_storage(k);
    if (!err)
        bitfield_set_all(&k->awake->have);
    if (!err)
        err = checkpoint(k, false, started);
    if (err)
        entry_trouble(k, err, NULL);
}

void entry_reopen(struct kith_torrent *k)
{
    if (k->reopening || !k->torrent || !torrent_storage(k->torrent))
        return;
    k->reopening = true;
    k->complete_told = false;
    web_seeds_cancel(k);
    torrent_stop(k->torrent);
}

/* ---- what people ask for -----------------------------------------------------------------------
 */

int kith_recheck(struct kith_torrent *k)
{
    bool slept = k->asleep;
    (void)entry_wake(k);
    bool opening = slept && k->state == KITH_STATE_CHECKING;
    if (!opening && (!k->torrent || !torrent_storage(k->torrent) || k->reopening))
        return ERR_AGAIN;
    k->quiet = false;
    k->state = KITH_STATE_CHECKING;
    k->existing = KITH_EXISTING_OVERWRITE; /* it is the torrent's own data */
    if (opening) {                         /* without its record all of it is hashed */
        drop_record(k);
        return 0;
    }
    k->forget_record = true;
    entry_reopen(k);
    return 0;
}

static void moved(void *user, int err)
{
    struct kith_torrent *k = user;
    k->moving = false;
    if (!err) {
        free(k->folder);
        k->folder = strdup(storage_folder(k->storage));
        memory_save_entry(k);
        checkpoint(k, true, NULL);
    }
    node_event(k->node, KITH_EVENT_MOVED, k, err, err ? storage_error(k->storage) : k->folder);
    stop_when_idle(k);
}

int kith_move(struct kith_torrent *k, const char *folder)
{
    (void)entry_wake(k);
    if (!k->storage || k->moving || k->reopening)
        return ERR_AGAIN;
    int err = storage_move(k->storage, folder, moved, k);
    k->moving = err == 0;
    return err;
}

/* Only what kith wrote or verified is deleted: a file that was there before us goes only if all of
 * it is right. */
static void mark_deletable(const struct kith_torrent *k, uint8_t *which)
{
    const struct metainfo *m = k->metainfo;
    const struct bitfield *have = torrent_have(k->torrent);
    for (uint32_t f = 0; f < m->file_count; f++) {
        bool all = true;
        for (uint32_t i = 0; i < m->files[f].piece_count; i++)
            all &= bitfield_get(have, m->files[f].first_piece + i);
        which[f] = !(m->files[f].flags & METAINFO_PAD) && (all || !k->awake->file_existed[f]);
    }
}

static void deleted(void *user, int err)
{
    struct kith_torrent *k = user;
    if (err)
        node_event(k->node, KITH_EVENT_TROUBLE, k, err, storage_error(k->storage));
    k->delete_data = false;
    entry_stopped(k);
}

/* False: there is nothing to delete. */
bool entry_delete_data(struct kith_torrent *k)
{
    uint8_t *which = k->storage && k->torrent && torrent_storage(k->torrent)
                         ? calloc(k->metainfo->file_count ? k->metainfo->file_count : 1, 1)
                         : NULL;
    if (!which)
        return false;
    mark_deletable(k, which);
    int err = storage_delete(k->storage, which, deleted, k);
    free(which);
    return err == 0;
}
