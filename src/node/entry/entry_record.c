/* What is remembered of a torrent's data: a checkpoint syncs what was written, then saves the
 * record that claims it. Complete is told once that has happened. See entry_data.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"
#include <stdlib.h>

#define CHECKPOINT_EVERY SECONDS(30)
#define CHECKPOINT_SOON SECONDS(1)

struct checkpoint {
    struct list_link link;      /* of the entry's */
    struct kith_torrent *entry; /* NULL: it has gone while its record waited to be saved */
    struct bitfield have;       /* verified and written before the sync began */
    bool live;
    void (*done)(struct kith_torrent *, int err);
};

static void free_checkpoint(struct checkpoint *c)
{
    bitfield_free(&c->have);
    free(c);
}

static void checkpoint_end(struct checkpoint *c, int err)
{
    struct kith_torrent *k = c->entry;
    void (*done)(struct kith_torrent *, int) = c->done;
    list_remove(&c->link);
    free_checkpoint(c);
    k->saving--;
    if (done)
        done(k, err);
    if (k->reopening)
        entry_reopen_when_idle(k);
    else if (k->stop_waits)
        entry_stop_when_idle(k);
    else
        entry_drowse(k);
}

static void record_saved(void *user, int err)
{
    struct checkpoint *c = user;
    if (!c->entry) {
        free_checkpoint(c);
        return;
    }
    if (err)
        c->entry->record_fits = false;
    checkpoint_end(c, err);
}

void entry_forget_checkpoints(struct kith_torrent *k)
{
    struct list_link *link;
    while ((link = list_pop_front(&k->awake->checkpoints)) != NULL) {
        list_entry(link, struct checkpoint, link)->entry = NULL;
        k->saving--;
    }
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

int entry_save_record(struct kith_torrent *k, bool live, void (*done)(struct kith_torrent *, int))
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
        free_checkpoint(c);
        return err;
    }
    list_push_back(&k->awake->checkpoints, &c->link);
    k->saving++;
    return 0;
}

void entry_drop_record(struct kith_torrent *k)
{
    resume_free(&k->awake->record);
    k->has_record = k->record_fits = k->forget_record = false;
}

void entry_save_clean(struct kith_torrent *k, void (*done)(struct kith_torrent *, int err))
{
    int err = k->record_fits ? 0 : entry_save_record(k, false, done);
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
        entry_retry_later(k);
        torrent_retry(k->torrent);
        return;
    }
    k->state = 0;
    entry_recovered(k);
    entry_queue(k);
    if (torrent_is_complete(k->torrent))
        entry_complete(k);
}

bool entry_sync_again(struct kith_torrent *k)
{
    return entry_save_record(k, true, synced_again) == 0;
}

void entry_checkpoint(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, save)->entry;
    (void)now;
    if (k->storage && k->torrent && !k->node->stopping && !k->removing)
        entry_save_record(k, true, now_and_then);
}

void entry_checkpoint_soon(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    if (n->stopping || k->removing)
        return;
    timer_set(&n->timers, &k->awake->save, env_now(n->env) + CHECKPOINT_SOON);
    node_arm(n);
}

void entry_piece_written(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    k->record_fits = false;
    if (!torrent_is_complete(k->torrent)) /* or no more: it will be told once more */
        k->complete_told = false;
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
    k->complete_told = k->record_fits || entry_save_record(k, true, complete_synced) == 0;
    if (k->record_fits && !k->quiet)
        node_event(k->node, KITH_EVENT_COMPLETE, k, 0, k->name);
    if (!k->completed_unix)
        k->completed_unix = env_time_unix(k->node->env);
    memory_save_entry(k);
    trackers_completed(k);
    dht_io_join(k); /* as a seed now */
    entry_queue(k);
}
