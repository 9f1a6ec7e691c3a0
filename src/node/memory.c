/* What a node remembers between two runs: its torrents, how far their data can be trusted, and the
 * torrents of shares that may be asked for again. All of it goes through store/state/state.h; a
 * node without a state file remembers nothing and works the same. See node_internal.h. */
#include "node/node_internal.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and closing ------------------------------------------------------------------- */

static void tick(struct timer *timer, usec now)
{
    struct kith_node *n = container_of(timer, struct kith_node, state_timer);
    state_tick(n->state, now);
    memory_arm(n);
}

/* During a stop as well: what the stop waits for may have to be tried again. */
void memory_arm(struct kith_node *n)
{
    if (n->state)
        timer_set(&n->timers, &n->state_timer, state_deadline(n->state));
}

static void deadline_changed(void *user)
{
    struct kith_node *n = user;
    memory_arm(n);
    node_arm(n);
}

static void warn(struct kith_node *n, const struct state_report *report)
{
    for (size_t i = 0; i < report->warning_count; i++)
        node_event(n, KITH_EVENT_WARNING, NULL, 0, report->warnings[i]);
}

int memory_open(struct kith_node *n, const char *path)
{
    struct state_config config = {.path = path,
        .log = n->log_call ? &n->log : NULL,
        .deadline_changed = deadline_changed,
        .user = n};
    struct state_report report = {0};
    int err = state_open(n->env, &config, &n->state, &report);
    if (err)
        node_fail(n, err, "%s", report.error);
    else
        warn(n, &report);
    state_report_free(&report);
    if (err)
        return err;
    n->state_timer.fire = tick;
    memory_arm(n);
    return 0;
}

static void quiet(void *user)
{
    struct kith_node *n = user;
    n->state_quiet = true;
    node_maybe_stopped(n);
}

bool memory_is_quiet(struct kith_node *n)
{
    if (!n->state || n->state_quiet)
        return true;
    if (!n->state_quiescing)
        state_quiesce(n->state, quiet, n);
    n->state_quiescing = true;
    return false;
}

/* ---- torrents ------------------------------------------------------------------------------ */

static void fill_outline(struct kith_torrent *k, struct state_torrent *out)
{
    if (k->metainfo)
        entry_take_outline(k);
    out->bytes_total = k->outline.bytes_total;
    out->piece_length = k->outline.piece_length;
    out->piece_count = k->outline.piece_count;
    out->file_count = k->outline.file_count;
    out->is_private = k->outline.is_private;
    out->has_trackers = k->outline.has_trackers;
    out->complete = k->asleep || (k->has_record && bitfield_full(&k->awake->record.have));
}

static void fill(struct kith_torrent *k, struct state_torrent *out)
{
    *out = (struct state_torrent){.id = k->id,
        .paused = k->paused,
        .sequential = k->sequential,
        .super_seeding = k->super_seeding,
        .metadata_missing = !k->metainfo && !k->asleep,
        .name = k->name,
        .magnet = k->magnet,
        .folder = k->folder,
        .root = k->root,
        .added_unix = k->added_unix,
        .completed_unix = k->completed_unix,
        .uploaded = k->uploaded_before,
        .downloaded = k->downloaded_before,
        .limit_up = k->upload_max,
        .limit_down = k->download_max};
    if (k->torrent) {
        struct torrent_stats s;
        torrent_stats(k->torrent, env_now(k->node->env), &s);
        out->uploaded += s.uploaded;
        out->downloaded += s.downloaded;
    }
    out->has_v1 = k->has_v1;
    out->v1 = k->v1;
    out->has_v2 = k->has_v2;
    out->v2 = k->v2;
    if (k->priorities && k->metainfo)
        out->priorities = bytes_of(k->priorities, k->metainfo->file_count);
    fill_outline(k, out);
}

static int save_row(struct kith_torrent *k, state_done *done, void *user)
{
    struct kith_node *n = k->node;
    struct state_torrent record;
    if (!k->id)
        k->id = state_torrent_new_id(n->state);
    fill(k, &record);
    int err = state_save_torrent(n->state, &record, done, user);
    memory_arm(n);
    return err;
}

static int save_metainfo(struct kith_torrent *k, state_done *done, void *user)
{
    size_t size;
    const void *torrent = kith_torrent_file(k, &size);
    if (!torrent)
        return ERR_NOMEM;
    return state_save_blob(
        k->node->state, k->id, STATE_METAINFO, bytes_of(torrent, size), done, user);
}

void memory_save_entry(struct kith_torrent *k)
{
    if (k->node->state && !k->removing)
        (void)save_row(k, NULL, NULL); /* a later save says it again */
}

/* Once there are files, their priorities are in the row. */
static int save_wanted(struct kith_torrent *k, state_done *done, void *user)
{
    const char *glob = k->files_wanted && !k->metainfo ? k->files_wanted : "";
    return state_save_blob(k->node->state, k->id, STATE_WANTED, bytes_of_str(glob), done, user);
}

void memory_save_wanted(struct kith_torrent *k)
{
    if (k->node->state && k->id && !k->removing)
        (void)save_wanted(k, NULL, NULL);
}

void memory_save_metainfo(struct kith_torrent *k)
{
    if (k->node->state && k->id && !k->removing)
        (void)save_metainfo(k, NULL, NULL);
    memory_save_wanted(k);
}

/* Somebody wants to know when a torrent is remembered, or when it is not any more. */
struct memory_wait {
    struct kith_torrent *entry; /* NULL: it has gone meanwhile */
};

static void remembered(void *user, int err)
{
    struct memory_wait *w = user;
    if (w->entry) {
        w->entry->awake->remembering = NULL;
        if (!err && !w->entry->removing)
            node_event(w->entry->node, KITH_EVENT_REMEMBERED, w->entry, 0, w->entry->name);
    }
    free(w);
}

void memory_save_new(struct kith_torrent *k)
{
    if (!k->node->state)
        return;
    struct memory_wait *w = k->awake->remembering ? NULL : malloc(sizeof *w);
    state_done *done = w ? remembered : NULL;
    bool alone = !k->metainfo && !k->files_wanted;
    int err = save_row(k, alone ? done : NULL, w);
    if (!err && k->metainfo) /* written after the row, or with it */
        err = save_metainfo(k, done, w);
    else if (!err && !alone)
        err = save_wanted(k, done, w);
    if (err || !w) {
        free(w);
        return;
    }
    *w = (struct memory_wait){.entry = k};
    k->awake->remembering = w;
}

void memory_forget_wait(struct memory_wait **w)
{
    if (*w)
        (*w)->entry = NULL;
    *w = NULL;
}

int memory_save_record(struct kith_torrent *k, struct bytes record, state_done *done, void *user)
{
    if (!k->node->state || !k->id || k->removing)
        return ERR_CLOSED;
    memory_save_entry(k);
    met_peers_save(k);
    return state_save_blob(k->node->state, k->id, STATE_STORAGE, record, done, user);
}

static void forgotten(void *user, int err)
{
    struct memory_wait *w = user;
    struct kith_torrent *k = w->entry;
    free(w);
    if (!k)
        return;
    k->forgetting = NULL;
    entry_forgotten(k, err);
}

int memory_forget(struct kith_torrent *k)
{
    if (!k->node->state || !k->id)
        return 0;
    struct memory_wait *w = malloc(sizeof *w);
    if (!w)
        return ERR_NOMEM;
    *w = (struct memory_wait){.entry = k};
    int err = state_remove_torrent(k->node->state, k->id, forgotten, w);
    if (err) {
        free(w);
        return err;
    }
    k->id = 0;
    k->forgetting = w;
    memory_arm(k->node);
    return 0;
}

/* ---- restoring ----------------------------------------------------------------------------- */

static void load_record(struct kith_torrent *k)
{
    uint8_t *data;
    size_t size;
    if (state_load_blob(k->node->state, k->id, STATE_STORAGE, &data, &size) != 0)
        return; /* damaged or missing: everything is hashed */
    k->has_record = resume_read(bytes_of(data, size), k->metainfo, &k->awake->record) == 0;
    free(data);
}

static int load_metainfo(struct kith_torrent *k)
{
    uint8_t *data;
    size_t size;
    struct format_error error;
    int err = state_load_blob(k->node->state, k->id, STATE_METAINFO, &data, &size);
    if (err)
        return err;
    err = metainfo_parse_torrent(bytes_of(data, size), &k->metainfo, &error);
    if (!err)
        builder_bytes_put(&k->awake->torrent_file, data, size);
    free(data);
    return err;
}

/* Damaged or missing: everything is wanted. */
static void load_wanted(struct kith_torrent *k)
{
    uint8_t *data;
    size_t size;
    if (state_load_blob(k->node->state, k->id, STATE_WANTED, &data, &size) != 0)
        return;
    k->files_wanted = bytes_dup_str(bytes_of(data, size));
    free(data);
}

int memory_load(struct kith_torrent *k)
{
    int err = load_metainfo(k);
    if (!err)
        load_record(k);
    return err;
}

static char *copy_text(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

static void take_row(struct kith_torrent *k, const struct state_torrent *row)
{
    k->id = row->id;
    k->paused = row->paused;
    k->sequential = row->sequential;
    k->super_seeding = row->super_seeding;
    k->preallocate = true;
    k->root = copy_text(row->root);
    k->magnet = copy_text(row->magnet);
    k->name = copy_text(row->name);
    k->added_unix = row->added_unix;
    k->completed_unix = row->completed_unix;
    k->uploaded_before = k->uploaded_at_start = row->uploaded;
    k->downloaded_before = k->downloaded_at_start = row->downloaded;
    k->upload_max = row->limit_up;
    k->download_max = row->limit_down;
}

static void take_priorities(struct kith_torrent *k, const struct state_torrent *row)
{
    if (!k->metainfo || row->priorities.size != k->metainfo->file_count)
        return;
    k->priorities = malloc(row->priorities.size + 1);
    if (k->priorities)
        memcpy(k->priorities, row->priorities.data, row->priorities.size);
}

struct row_copy {
    struct kith_node *node;
    int err;
};

/* Everything of it is there, and its record says so: it lives when somebody asks for it. */
static void restore_asleep(struct kith_torrent *k, const struct state_torrent *row)
{
    struct entry_outline outline = {.bytes_total = row->bytes_total,
        .piece_length = row->piece_length,
        .piece_count = row->piece_count,
        .file_count = row->file_count,
        .is_private = row->is_private,
        .has_trackers = row->has_trackers};
    k->has_v1 = row->has_v1;
    k->v1 = row->v1;
    k->has_v2 = row->has_v2;
    k->v2 = row->v2;
    k->restored = true;
    entry_begin_asleep(k, &outline);
}

static bool restore_row(void *user, const struct state_torrent *row, bool damaged)
{
    struct row_copy *r = user;
    struct kith_torrent *k = row->folder && *row->folder ? entry_new(r->node, row->folder) : NULL;
    if (!k) {
        r->err = row->folder && *row->folder ? ERR_NOMEM : 0;
        return r->err == 0;
    }
    take_row(k, row);
    if (row->complete && !damaged && row->priorities.size == 0) {
        restore_asleep(k, row);
        return true;
    }
    int err = load_metainfo(k);
    if (!err && !damaged)
        load_record(k);
    if (!err)
        take_priorities(k, row);
    if (err && !k->magnet) {
        node_event(r->node, KITH_EVENT_WARNING, NULL, err,
            "a torrent could not be restored: what is remembered of it is damaged");
        entry_free(k);
    } else {
        if (err)
            load_wanted(k);
        k->restored = true;
    }
    return true;
}

int memory_restore(struct kith_node *n)
{
    struct row_copy r = {.node = n};
    if (!n->state)
        return 0;
    int err = state_each_torrent(n->state, restore_row, &r);
    if (err || r.err)
        return err ? err : r.err;
    list_for_each_safe(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        if (!k->asleep)
            entry_revive(k);
    }
    state_release_memory(n->state);
    return 0;
}
