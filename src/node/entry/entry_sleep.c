/* Sleep: a torrent that has everything and that nobody asks for is put away. What stays in memory
 * is its name, its hashes and its outline; metainfo, pieces and storage are let go, so that 100,000
 * seeds cost what their names cost. See node_internal.h.
 *
 * Falling asleep is a clean stop of that one torrent, and waking is its opening at a start: the
 * same record, the same judgement of what stands on the disk. Only a torrent that is remembered in
 * a database can sleep, for that is where it wakes from. */
#include "node/discovery/lsd_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdlib.h>

#define DROWSY_FOR SECONDS(60) /* quiet for so long */
#define DROWSY_IN_A_CROWD SECONDS(1)
#define CROWD 500u            /* torrents awake: each holds its metainfo, its pieces, its peers */
#define GREET_EVERY MSECS(20) /* after a start: one sleeper is woken to tell its trackers */

/* ---- falling asleep ------------------------------------------------------------------------ */

static bool is_busy(const struct kith_torrent *k)
{
    struct torrent_stats s;
    torrent_stats(k->torrent, env_now(k->node->env), &s);
    return !s.complete || s.pieces_done != s.pieces_total || s.peers > 0 || s.connecting > 0 ||
           !storage_idle(k->storage);
}

static bool may_sleep(const struct kith_torrent *k)
{
    return k->node->state && k->id && !k->priorities && k->state == 0 && !k->asleep && !k->error &&
           k->torrent && torrent_storage(k->torrent) && k->complete_told && k->saving == 0 &&
           !k->moving && !k->reopening && !k->removing && !k->goodbye && !k->node->stopping &&
           !is_busy(k);
}

void entry_drowse(struct kith_torrent *k)
{
    if (k->falling_asleep || timer_armed(&k->drowsy) || !may_sleep(k))
        return;
    struct kith_node *n = k->node;
    timer_set(&n->timers, &k->drowsy,
        env_now(n->env) + (n->awake > CROWD ? DROWSY_IN_A_CROWD : DROWSY_FOR));
    node_arm(n);
}

void entry_take_outline(struct kith_torrent *k)
{
    const struct metainfo *m = k->metainfo;
    k->outline = (struct entry_outline){.bytes_total = m->content_length,
        .piece_length = m->piece_length,
        .piece_count = m->piece_count,
        .file_count = m->file_count - m->pad_count,
        .is_private = m->is_private,
        .has_trackers = m->tracker_count > 0 || k->trackers.count > 0};
}

static void put_away(struct kith_torrent *k)
{
    struct torrent_stats s;
    torrent_stats(k->torrent, env_now(k->node->env), &s);
    k->uploaded_before += s.uploaded;
    k->downloaded_before += s.downloaded;
    entry_take_outline(k);
    torrent_free(k->torrent);
    storage_free(k->storage);
    metainfo_unref(k->metainfo);
    k->torrent = NULL;
    k->storage = NULL;
    k->metainfo = NULL;
    entry_free_awake(k);
    k->has_record = false;
    free(k->link_text);
    k->link_text = NULL;
    k->web_seeds_added = false;
    k->falling_asleep = false;
    k->asleep = k->quiet = true;
    k->node->awake--;
    if (s.uploaded || s.downloaded)
        memory_save_entry(k);
}

/* The torrent may be up the stack: it is freed from the timer. */
static void put_away_soon(struct kith_torrent *k, int err)
{
    (void)err; /* what was not saved is hashed when it wakes */
    if (k->node->stopping || k->removing) {
        entry_stopped(k);
        return;
    }
    timer_set(&k->node->timers, &k->drowsy, env_now(k->node->env));
    node_arm(k->node);
}

bool entry_fall_asleep(struct kith_torrent *k)
{
    if (!k->falling_asleep || k->node->stopping || k->removing)
        return false;
    entry_save_clean(k, put_away_soon);
    return true;
}

void entry_sleep_timer(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct kith_torrent, drowsy);
    (void)now;
    if (k->asleep) {
        (void)entry_wake(k); /* to greet its trackers */
    } else if (k->falling_asleep) {
        put_away(k);
    } else if (may_sleep(k)) {
        k->falling_asleep = true;
        web_seeds_cancel(k);
        torrent_stop(k->torrent);
    }
}

void entry_begin_asleep(struct kith_torrent *k, const struct entry_outline *outline)
{
    entry_free_awake(k);
    k->outline = *outline;
    k->asleep = k->quiet = true;
    k->complete_told = false;
    (void)entry_make_known(k); /* without memory nobody finds it; it can still be woken by hand */
    lsd_join(k);
    dht_io_join(k);
    if (outline->has_trackers && !k->paused) {
        struct kith_node *n = k->node;
        timer_set(&n->timers, &k->drowsy, env_now(n->env) + n->greetings++ * GREET_EVERY);
    }
}

/* ---- waking -------------------------------------------------------------------------------- */

int entry_wake(struct kith_torrent *k)
{
    if (!k->asleep)
        return 0;
    if (k->node->stopping || k->removing)
        return ERR_CLOSED;
    int err = entry_make_awake(k) ? memory_load(k) : ERR_NOMEM;
    if (!err)
        err = entry_make_torrent(k, NULL);
    if (err) {
        metainfo_unref(k->metainfo);
        k->metainfo = NULL;
        entry_trouble(k, err, "what is remembered of it is damaged or cannot be read");
        return err;
    }
    k->asleep = false;
    entry_apply_files(k);
    entry_open_data(k);
    return 0;
}
