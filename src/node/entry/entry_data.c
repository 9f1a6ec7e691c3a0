/* The life of a torrent's data, see entry_data.h: opened, judged by what is remembered of it,
 * checked, prepared, let go. Data that stands where the torrent's belongs is hashed in full, or
 * vouched for by a record, before anything is written. */
#include "node/entry/entry_data.h"
#include "node/discovery/lsd_io.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- letting go ---------------------------------------------------------------------------- */

static void stop_saved(struct kith_torrent *k, int err)
{
    (void)err; /* what was not saved is hashed next time */
    entry_stopped(k);
}

void entry_reopen_when_idle(struct kith_torrent *k)
{
    if (!k->reopening || k->saving > 0 || !storage_idle(k->storage))
        return;
    k->reopening = false;
    torrent_rest(k->torrent);
    entry_distrust_touched(k);
    storage_let_go(k->storage);
    if (k->forget_record)
        entry_drop_record(k);
    if (k->state != KITH_STATE_TROUBLE)
        entry_open_data(k);
}

/* A move or a checkpoint that was under way when the swarm let go has ended. */
void entry_stop_when_idle(struct kith_torrent *k)
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
        entry_reopen_when_idle(k);
    else if (entry_fall_asleep(k))
        return;
    else if (started && !k->removing && !k->moving && !k->record_fits &&
             entry_save_record(k, false, stop_saved) == 0)
        return;
    else if (!k->storage)
        entry_stopped(k);
    else {
        k->stop_waits = true;
        entry_stop_when_idle(k);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

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
    k->existing = KITH_EXISTING_REFUSE; /* what was said counted for what stood there */
    for (uint32_t f = 0; f < k->metainfo->file_count; f++)
        k->awake->found[f].repaired = false;
    entry_recovered(k);
    if (k->paused)
        torrent_pause(k->torrent);
    met_peers_recall(k);
    trackers_start(k);
    lsd_join(k);
    dht_io_join(k);
    web_seeds_add(k);
    entry_queue(k);
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
    else if (k->judge_again)
        entry_judge_files(k);
    else
        start(k);
}

static void prepared(void *user, int err)
{
    struct kith_torrent *k = user;
    if (interrupted(k))
        return;
    if (err == ERR_EXISTS) { /* something has appeared meanwhile: it is judged, too */
        entry_distrust_touched(k);
        entry_open_data(k);
        return;
    }
    if (!err && k->record_fits) { /* all is there: nothing will be written */
        started(k, 0);
        return;
    }
    if (!err)
        err = entry_save_record(k, true, started);
    if (err)
        entry_trouble(k, err, storage_error(k->storage));
}

void entry_prepare(struct kith_torrent *k)
{
    int err = storage_prepare(k->storage, prepared, k);
    if (err)
        entry_trouble(k, err, NULL);
}

/* ---- what stands there --------------------------------------------------------------------- */

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
    if (interrupted(k))
        return;
    if (err)
        entry_trouble(k, err, storage_error(k->storage));
    else if (!entry_was_changed(k))
        entry_judge_files(k);
}

static const struct storage_check_events check_events = {piece_checked, checked};

static void take_found(
    struct kith_torrent *k, const struct resume *record, const struct storage_opening *opening)
{
    for (uint32_t f = 0; f < k->metainfo->file_count; f++) {
        const struct storage_file_record *now = &opening->now[f];
        k->awake->found[f] = (struct entry_found){.size = now->size,
            .state = opening->states[f],
            .whose = (uint8_t)resume_whose(record, k->metainfo, f, now),
            .repaired = k->awake->found[f].repaired};
        bool is_file = opening->states[f] != STORAGE_FILE_ABSENT &&
                       opening->states[f] != STORAGE_FILE_NOT_A_FILE;
        storage_set_ours(k->storage, f, is_file && entry_is_ours(k, f));
    }
}

static int take_verdict(
    struct kith_torrent *k, const struct storage_opening *opening, struct resume_verdict *verdict)
{
    const struct resume *record = k->has_record ? &k->awake->record : NULL;
    int err = resume_judge(record, k->metainfo, opening, verdict);
    if (err)
        return err;
    take_found(k, record, opening);
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
    free(k->awake->found);
    k->awake->found =
        calloc(k->metainfo->file_count ? k->metainfo->file_count : 1, sizeof *k->awake->found);
    if (!k->storage || !k->awake->found ||
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
    met_peers_recall(k);
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
    for (uint32_t f = 0; !err && f < k->metainfo->file_count; f++)
        k->awake->found[f] = (struct entry_found){.size = k->metainfo->files[f].length,
            .state = STORAGE_FILE_SAME_SIZE,
            .whose = RESUME_OURS};
    if (!err)
        err = entry_save_record(k, false, started);
    if (err)
        entry_trouble(k, err, NULL);
}

void entry_reopen(struct kith_torrent *k)
{
    if (k->reopening || !k->torrent || !torrent_storage(k->torrent))
        return;
    k->reopening = true;
    k->complete_told = false;
    entry_queue(k);
    web_seeds_cancel(k);
    torrent_stop(k->torrent);
}
