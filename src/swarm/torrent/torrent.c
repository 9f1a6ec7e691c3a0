/* A torrent's birth, states, clock and death. See torrent_internal.h for the other files of its
 * life. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct swarm_host no_host;

struct torrent *torrent_new(const struct torrent_config *c)
{
    struct torrent *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->host = c->host.ops ? c->host : no_host;
    t->metainfo = c->metainfo;
    t->has_v1 = c->metainfo ? c->metainfo->has_v1 : c->has_v1;
    t->has_v2 = c->metainfo ? c->metainfo->has_v2 : c->has_v2;
    t->v1 = c->metainfo ? c->metainfo->v1 : c->v1;
    t->v2 = c->metainfo ? c->metainfo->v2 : c->v2;
    t->peer_id = c->peer_id;
    t->listen_port = c->listen_port;
    t->node_limits = c->node_limits;
    t->peers_max = c->peers_max ? c->peers_max : TORRENT_PEERS_DEFAULT;
    if (t->peers_max > TORRENT_PEERS_MAX)
        t->peers_max = TORRENT_PEERS_MAX;
    t->sequential = c->sequential;
    t->super_seeding = c->super_seeding;
    t->punches = c->punches;
    t->seed = c->seed;
    t->suggest_at = (uint32_t)c->seed; /* two seeds do not suggest the same */
    t->next_tick = NEVER;
    t->state = TORRENT_NEW;
    list_init(&t->graveyard);
    t->candidates = peer_list_new();
    choker_init(&t->choker, c->seed);
    if (!t->candidates) {
        t->metainfo = NULL;
        torrent_free(t);
        return NULL;
    }
    return t;
}

void torrent_free(struct torrent *t)
{
    if (!t)
        return;
    torrent_hang_up_all(t, "closing");
    peer_bury(t);
    assert(list_empty(&t->graveyard));
    torrent_pieces_free(t);
    free(t->file_priorities);
    metadata_fetch_free(t->fetch);
    layer_fetch_free(t->layers);
    crowns_free(t->crowns);
    torrent_web_free(t);
    torrent_forget_departed(t);
    suspects_free(&t->suspects);
    free(t->error_text);
    peer_list_free(t->candidates);
    free(t->pex);
    free(t->peers);
    metainfo_unref(t->metainfo);
    free(t->name);
    free(t);
}

/* ---- states -------------------------------------------------------------------------------- */

void torrent_tell(struct torrent *t, enum torrent_event event, struct peer *p)
{
    t->host.ops->event(t->host.user, t, event, p);
}

void torrent_tick_at(struct torrent *t, usec when)
{
    if (when >= t->next_tick)
        return;
    t->next_tick = when;
    t->host.ops->reschedule(t->host.user, t);
}

static void set_state(struct torrent *t, enum torrent_state state)
{
    t->state = state;
    t->now = t->host.ops->now(t->host.user);
    t->next_walk = t->now;
    torrent_tick_at(t, t->now);
}

bool torrent_is_downloading(const struct torrent *t)
{
    return t->state == TORRENT_ACTIVE && !t->completed && !t->stopping;
}

bool torrent_is_serving(const struct torrent *t)
{
    return t->state == TORRENT_ACTIVE && !t->stopping;
}

/* To a peer that joined when we had nothing to say: a bitfield may only come first (BEP 3). */
static void tell_all_we_have(struct torrent *t, struct peer *p)
{
    if (torrent_is_veiled(t)) {
        torrent_unveil_next(t, p);
        return;
    }
    for (uint32_t i = bitfield_next_set(&t->have, 0); i < t->have.size && !p->gone;
         i = bitfield_next_set(&t->have, i + 1))
        peer_say_have(p, i);
}

int torrent_start(struct torrent *t, struct storage *storage, const struct bitfield *have)
{
    assert(t->metainfo && !t->storage);
    t->storage = storage;
    int err = torrent_pieces_init(t, have);
    if (err)
        return err;
    set_state(t, TORRENT_ACTIVE);
    for (uint32_t i = 0; i < t->peer_count; i++) {
        peer_learn_sizes(t->peers[i]);
        tell_all_we_have(t, t->peers[i]);
    }
    torrent_tell(t, TORRENT_READY, NULL);
    if (t->completed)
        torrent_tell(t, TORRENT_COMPLETE, NULL);
    return 0;
}

void torrent_start_metadata(struct torrent *t)
{
    assert(!t->metainfo);
    set_state(t, TORRENT_METADATA);
}

void torrent_fail(struct torrent *t, int err, const char *text)
{
    char *copy = strdup(text);
    t->error = err;
    free(t->error_text);
    t->error_text = copy;
    if (t->state == TORRENT_FAILED)
        return;
    t->state = TORRENT_FAILED;
    for (uint32_t i = 0; i < t->peer_count; i++)
        peer_abandon_requests(t->peers[i]);
    torrent_tell(t, TORRENT_TROUBLE, NULL);
}

void torrent_pause(struct torrent *t)
{
    if (t->state == TORRENT_PAUSED)
        return;
    t->paused_from = t->state;
    t->state = TORRENT_PAUSED;
    torrent_hang_up_all(t, "paused");
    torrent_web_stop(t);
}

void torrent_resume(struct torrent *t)
{
    if (t->state == TORRENT_PAUSED)
        set_state(t, t->paused_from);
    else if (t->state == TORRENT_FAILED && t->storage)
        torrent_retry(t);
}

/* Pieces that could not be written are still in memory: they are the probe. */
void torrent_retry(struct torrent *t)
{
    if (t->state != TORRENT_FAILED || t->stopping || t->jobs > 0)
        return;
    if (!torrent_finish_kept(t))
        torrent_recover(t);
}

void torrent_recover(struct torrent *t)
{
    if (t->state != TORRENT_FAILED || t->stopping)
        return;
    t->error = 0;
    free(t->error_text);
    t->error_text = NULL;
    set_state(t, TORRENT_ACTIVE);
    torrent_tell(t, TORRENT_RECOVERED, NULL);
    for (uint32_t i = 0; i < t->peer_count; i++) {
        peer_update_interest(t->peers[i]); /* pieces may have been lost */
        peer_ask(t->peers[i], t->now);
    }
}

void torrent_rest(struct torrent *t)
{
    assert(t->stopping && t->jobs == 0);
    torrent_pieces_free(t);
    t->storage = NULL;
    t->stopping = t->stop_told = t->completed = false;
    t->state = TORRENT_WAITING;
}

void torrent_stop(struct torrent *t)
{
    if (t->stopping)
        return;
    t->stopping = true;
    torrent_hang_up_all(t, "stopping");
    torrent_web_stop(t);
    torrent_spill_all(t);
    torrent_maybe_stopped(t);
}

void torrent_maybe_stopped(struct torrent *t)
{
    peer_bury(t);
    if (!t->stopping || t->stop_told || t->jobs > 0 || !list_empty(&t->graveyard))
        return;
    t->stop_told = true;
    torrent_tell(t, TORRENT_STOPPED, NULL);
}

/* ---- rates --------------------------------------------------------------------------------- */

static uint64_t chain(struct token_bucket *a, struct token_bucket *b, uint64_t want, usec now)
{
    want = token_bucket_available(a, want, now);
    return want && b ? token_bucket_available(b, want, now) : want;
}

/* Who asked is woken then (torrent_peers_tick). */
static uint64_t throttle(struct torrent *t)
{
    t->throttled = true;
    torrent_tick_at(t, t->now + TORRENT_THROTTLED_EVERY);
    return 0;
}

uint64_t torrent_download_budget(struct torrent *t, uint64_t want)
{
    struct rate_limits *n = t->node_limits;
    uint64_t budget = chain(&t->limits.download, n ? &n->download : NULL, want, t->now);
    return budget ? budget : throttle(t);
}

uint64_t torrent_upload_budget(struct torrent *t, uint64_t want)
{
    struct rate_limits *n = t->node_limits;
    uint64_t budget = chain(&t->limits.upload, n ? &n->upload : NULL, want, t->now);
    return budget ? budget : throttle(t);
}

void torrent_count_download(struct torrent *t, uint64_t bytes)
{
    rate_meter_add(&t->down_rate, bytes, t->now);
    token_bucket_take(&t->limits.download, bytes, t->now);
    if (t->node_limits)
        token_bucket_take(&t->node_limits->download, bytes, t->now);
}

void torrent_count_upload(struct torrent *t, uint64_t bytes)
{
    rate_meter_add(&t->up_rate, bytes, t->now);
    token_bucket_take(&t->limits.upload, bytes, t->now);
    if (t->node_limits)
        token_bucket_take(&t->node_limits->upload, bytes, t->now);
}

void torrent_set_listen_port(struct torrent *t, uint16_t port)
{
    t->listen_port = port;
}

struct rate_limits *torrent_limits(struct torrent *t)
{
    return &t->limits;
}

/* ---- the clock ----------------------------------------------------------------------------- */

usec torrent_deadline(const struct torrent *t)
{
    return t->next_tick;
}

/* An idle torrent has no peers, nobody to connect to and nothing to write: it wants no time. */
static bool has_work(const struct torrent *t)
{
    if (t->state == TORRENT_PAUSED || t->stopping)
        return !list_empty(&t->graveyard);
    return torrent_web_has_work(t) || t->peer_count > 0 || !list_empty(&t->graveyard) ||
           peer_list_waiting(t->candidates) > 0;
}

static void finish_waiting(struct torrent *t)
{
    if (!t->storage || storage_finish_waiting(t->storage) == 0)
        return;
    usec until = t->finish_since + torrent_company_wait(t);
    if (t->now >= until)
        storage_finish_now(t->storage);
    else
        torrent_tick_at(t, until);
}

/* What comes with the first peer goes some time after the last: nine of ten torrents of a user who
 * has thousands have none. */
static void let_go(struct torrent *t)
{
    bool has_any = t->peers || t->buffers || t->pex;
    if (t->peer_count > 0 || !list_empty(&t->graveyard) || !has_any)
        return;
    if (t->now < t->left_at + TORRENT_REST_AFTER) {
        torrent_tick_at(t, t->left_at + TORRENT_REST_AFTER);
        return;
    }
    torrent_pieces_rest(t);
    free(t->pex);
    free(t->peers);
    t->pex = NULL;
    t->peers = NULL;
    t->peers_room = 0;
}

void torrent_tick(struct torrent *t, usec now)
{
    t->now = now;
    t->next_tick = NEVER;
    peer_bury(t);
    finish_waiting(t);
    if (t->state == TORRENT_METADATA)
        torrent_metadata_tick(t);
    if (t->layers)
        torrent_layers_tick(t);
    torrent_web_tick(t);
    torrent_peers_tick(t);
    torrent_maybe_stopped(t);
    let_go(t);
    if (has_work(t))
        torrent_tick_at(t, t->peer_count > 0 ? t->next_walk : now + TORRENT_TICK);
}

/* ---- looking ------------------------------------------------------------------------------- */

static void count_peers(struct torrent *t, struct torrent_stats *s, usec now)
{
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        s->seeds += p->have.size > 0 && bitfield_full(&p->have);
        s->sending += rate_meter_shown(&p->down_rate, now) > 0;
        s->receiving += rate_meter_shown(&p->up_rate, now) > 0;
        s->interested_in_us += p->interested_in_us;
        s->useful += p->interesting;
        s->useful_unchoked += p->interesting && !p->choking_us;
    }
}

void torrent_stats(struct torrent *t, usec now, struct torrent_stats *s)
{
    *s = (struct torrent_stats){
        .state = t->state,
        .error = t->error,
        .checked = t->checked,
        .check_total = t->check_total,
        .downloaded = t->down_rate.total,
        .uploaded = t->up_rate.total,
        .wasted = t->wasted,
        .download_rate = rate_meter_shown(&t->down_rate, now),
        .upload_rate = rate_meter_shown(&t->up_rate, now),
        .peers = t->peer_count,
        .connecting = t->connecting,
        .liars = t->liars,
        .attempts_failed = t->attempts_failed,
        .known = (uint32_t)peer_list_count(t->candidates),
        .complete = t->completed,
    };
    count_peers(t, s, now);
    if (!t->metainfo)
        return;
    s->pieces_total = t->metainfo->piece_count;
    s->pieces_done = t->have.count;
    if (t->picker)
        torrent_progress(t, s);
}

bool torrent_is_complete(const struct torrent *t)
{
    return t->completed;
}

int torrent_error(const struct torrent *t)
{
    return t->error;
}

const char *torrent_error_text(const struct torrent *t)
{
    return t->error_text ? t->error_text : t->error ? err_text(t->error) : "";
}

const struct metainfo *torrent_metainfo(const struct torrent *t)
{
    return t->metainfo;
}

const struct bitfield *torrent_have(const struct torrent *t)
{
    return &t->have;
}

struct storage *torrent_storage(struct torrent *t)
{
    return t->storage;
}

bool torrent_hash_v1(const struct torrent *t, struct info_hash *out)
{
    if (t->has_v1)
        *out = info_hash_of_sha1(&t->v1);
    return t->has_v1;
}

bool torrent_hash_v2(const struct torrent *t, struct sha256_digest *out)
{
    if (t->has_v2)
        *out = t->v2;
    return t->has_v2;
}

struct peer *torrent_peer_at(const struct torrent *t, uint32_t index)
{
    return index < t->peer_count ? t->peers[index] : NULL;
}
