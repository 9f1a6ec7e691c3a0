/* Who is connected, who could be, and who is unchoked. */
#include "swarm/torrent/torrent_internal.h"

#include "base/err.h"
#include <stdlib.h>

/* ---- candidates ---------------------------------------------------------------------------- */

void torrent_add_candidate(
    struct torrent *t, const struct endpoint *endpoint, enum addr_source source)
{
    struct peer_hint hint = {.source = source};
    t->now = t->host.ops->now(t->host.user);
    torrent_add_hinted(t, endpoint, &hint);
}

void torrent_add_hinted(
    struct torrent *t, const struct endpoint *endpoint, const struct peer_hint *hint)
{
    if (t->host.ops->refuses && t->host.ops->refuses(t->host.user, endpoint))
        return;
    if (peer_list_add(t->candidates, endpoint, hint, t->now))
        torrent_tick_at(t, t->now);
}

void torrent_meet_again(struct torrent *t, const struct peer_met *met)
{
    t->now = t->host.ops->now(t->host.user);
    if (t->host.ops->refuses && t->host.ops->refuses(t->host.user, &met->endpoint))
        return;
    if (peer_list_meet_again(t->candidates, met, t->now))
        torrent_tick_at(t, t->now);
}

/* Where it was reached, or may be. Who came to us in a private torrent is not ours to call: only
 * whom the tracker names (BEP 27). */
static void note_met(struct torrent *t, struct peer *p)
{
    struct endpoint at = p->address;
    if (t->completed || (p->incoming && (torrent_is_private(t) || !peer_reachable_at(p, &at))))
        return;
    if (p->incoming)
        peer_list_called(t->candidates, &at, peer_word(p), t->now);
    peer_list_met(t->candidates, &at, t->now);
}

size_t torrent_met(struct torrent *t, struct peer_met *out, size_t max)
{
    t->now = t->host.ops->now(t->host.user);
    for (uint32_t i = 0; i < t->peer_count; i++)
        note_met(t, t->peers[i]);
    return peer_list_latest(t->candidates, out, max);
}

void torrent_network_changed(struct torrent *t)
{
    t->now = t->host.ops->now(t->host.user);
    peer_list_hurry(t->candidates, t->now);
    torrent_tick_at(t, t->now);
}

static bool wants_peers(const struct torrent *t)
{
    if (t->stopping || t->state == TORRENT_PAUSED || t->state == TORRENT_FAILED)
        return false;
    if (t->state == TORRENT_NEW || t->state == TORRENT_CHECKING)
        return false;
    return t->peer_count + t->connecting < t->peers_max;
}

/* Whose fault is it? Of the node, which can open nothing now; of nobody, where it may not; or of
 * the candidate. Only the first keeps others from being tried. False: then. */
static bool not_begun(struct torrent *t, const struct endpoint *endpoint, int err)
{
    bool goes_on = err != ERR_LIMIT && err != ERR_NOMEM && err != ERR_AGAIN;
    if (!goes_on)
        peer_list_put_back(t->candidates, endpoint, t->now + PEER_LIST_RETRY_MIN);
    else if (err == ERR_BLOCKED)
        peer_list_put_back(t->candidates, endpoint, t->now + PEER_LIST_BLOCKED_PAUSE);
    else {
        peer_list_failed(t->candidates, endpoint, t->now);
        t->attempts_failed++;
    }
    return goes_on;
}

/* Who has everything calls, too, few at a time: a leecher may not know of it, or not reach it. */
static void connect_more(struct torrent *t)
{
    struct endpoint endpoint;
    enum addr_source source;
    uint32_t most = t->completed ? TORRENT_SEED_CONNECTING_MAX : TORRENT_CONNECTING_MAX;
    peer_list_set_seeding(t->candidates, t->completed, t->now);
    while (wants_peers(t) && t->connecting < most &&
           peer_list_next(t->candidates, t->now, &endpoint, &source)) {
        int err = t->host.ops->connect(t->host.user, t, &endpoint);
        if (err && !not_begun(t, &endpoint, err))
            return;
        if (err)
            continue;
        t->connecting++;
        /* Nobody waits half a minute for what will most likely fail. */
        if (peer_list_is_hidden(t->candidates, &endpoint))
            torrent_ask_introduction(t, &endpoint);
    }
}

void torrent_connect_failed(struct torrent *t, const struct endpoint *endpoint, int err)
{
    t->now = t->host.ops->now(t->host.user);
    t->connecting--;
    if (torrent_recall_failed(t, endpoint, err)) {
        torrent_tick_at(t, t->now + TORRENT_RECALL_EVERY);
        return;
    }
    if (err != ERR_BLOCKED)
        torrent_ask_introduction(t, endpoint);
    t->attempts_failed++;
    if (err == ERR_BLOCKED) /* nothing leaves this machine now: the peer is not to blame */
        peer_list_ended(t->candidates, endpoint, t->now);
    else
        peer_list_failed(t->candidates, endpoint, t->now);
    torrent_tick_at(t, t->now + TORRENT_CONNECT_EVERY);
}

bool torrent_wants_incoming(const struct torrent *t, const struct endpoint *from)
{
    return wants_peers(t) && !peer_list_banned(t->candidates, from);
}

/* ---- joining and leaving ------------------------------------------------------------------- */

/* Two connections to one peer: the side with the greater id keeps the one it opened (as libtorrent
 * and transmission do), so that both sides close the same one. */
static struct peer *twin_of(const struct torrent *t, const struct peer_intro *intro)
{
    for (uint32_t i = 0; i < t->peer_count; i++)
        if (memcmp(t->peers[i]->peer_id.b, intro->id.b, sizeof intro->id.b) == 0)
            return t->peers[i];
    return NULL;
}

static bool keeps_old(
    const struct torrent *t, const struct peer *old, const struct peer_intro *intro)
{
    if (torrent_gives_way(t, old, intro))
        return false;
    if (old->incoming == intro->incoming)
        return true;
    bool we_are_greater = memcmp(t->peer_id.b, intro->id.b, sizeof intro->id.b) > 0;
    return we_are_greater ? !old->incoming : old->incoming;
}

static bool is_welcome(struct torrent *t, const struct peer_intro *intro)
{
    if (memcmp(intro->id.b, t->peer_id.b, sizeof t->peer_id.b) == 0) {
        if (!intro->incoming)
            peer_list_ban(t->candidates, &intro->address);
        return false;
    }
    if (t->stopping || t->state == TORRENT_PAUSED)
        return false;
    if (peer_list_banned(t->candidates, &intro->address))
        return false;
    struct peer *old = twin_of(t, intro);
    if (!old && t->peer_count >= t->peers_max) {
        t->turned_away = true;
        return false;
    }
    if (!old)
        return true;
    if (keeps_old(t, old, intro))
        return false;
    peer_hang_up(old, 0, "a second connection to the same peer is kept");
    if (!intro->incoming) /* hanging up has set it free */
        peer_list_take(t->candidates, &intro->address, ADDR_FROM_USER);
    return true;
}

/* A candidate that is connected already is not called again while it is. */
static void refuse_called(struct torrent *t, const struct peer_intro *intro)
{
    struct peer *twin = twin_of(t, intro);
    if (torrent_recall_failed(t, &intro->address, ERR_REFUSED))
        return;
    if (twin && twin->twin_at.family == ADDR_NONE)
        twin->twin_at = intro->address;
    else
        peer_list_ended(t->candidates, &intro->address, t->now);
}

static bool has_place(struct torrent *t)
{
    if (t->peer_count < t->peers_room)
        return true;
    uint32_t room = t->peers_room ? 2 * t->peers_room : 4;
    struct peer **peers = realloc(t->peers, room * sizeof *peers);
    if (!peers)
        return false;
    t->peers = peers;
    t->peers_room = room;
    return true;
}

struct peer *torrent_adopt(struct torrent *t, const struct peer_intro *intro, void *link)
{
    t->now = t->host.ops->now(t->host.user);
    if (!intro->incoming)
        t->connecting--;
    if (!is_welcome(t, intro)) {
        if (!intro->incoming)
            refuse_called(t, intro);
        return NULL;
    }
    struct peer *p = has_place(t) ? peer_new(t, intro, link, t->now) : NULL;
    if (!p)
        return NULL;
    p->id = ++t->next_peer_id;
    p->called_by_seed = !intro->incoming && t->completed;
    p->index = t->peer_count;
    t->peers[t->peer_count++] = p;
    if (t->metainfo)
        bitfield_init(&p->have, t->metainfo->piece_count);
    if (p->have.bits)
        torrent_peer_known(t, p);
    torrent_tell(t, TORRENT_PEER_JOINED, p);
    peer_say_opening(p);
    torrent_presume_interest(t, p);
    if (!p->gone && intro->leftover.size > 0) {
        int err = receiver_feed(&p->receiver, intro->leftover);
        if (err && !p->gone)
            peer_hang_up(p, err, "broke the protocol");
    }
    torrent_tick_at(t, t->now + TORRENT_TICK);
    return p->gone ? NULL : p;
}

void torrent_peer_left(struct torrent *t, struct peer *p, int err)
{
    torrent_peer_forget(t, p);
    if (t->fetch)
        metadata_fetch_left(t->fetch, p->id);
    torrent_layers_peer_left(t, p);
    peer_pex_left(p);
    torrent_blame_departed(t, p);
    if (p->have.size > 0 && bitfield_full(&p->have))
        peer_list_is_seed(t->candidates, &p->address);
    if (!p->incoming && err == ERR_BUSY) /* it made room: others are tried before it */
        peer_list_failed(t->candidates, &p->address, t->now);
    else if (!p->incoming)
        peer_list_ended(t->candidates, &p->address, t->now);
    t->left_at = t->now;
    if (err != ERR_PROTOCOL)
        note_met(t, p);
    if (p->twin_at.family != ADDR_NONE)
        peer_list_ended(t->candidates, &p->twin_at, t->now);
    struct peer *last = t->peers[--t->peer_count];
    t->peers[p->index] = last;
    last->index = p->index;
    torrent_leaves_peer_left(t, p);
    t->starved -= p->starved;
    if (!p->choked_by_us && peer_wants_slot(p))
        torrent_slot_freed(t);
    p->presumed = p->interested_in_us = false; /* its slot is free, whatever is still heard */
    torrent_tick_at(t, t->now);
}

void torrent_hang_up_all(struct torrent *t, const char *why)
{
    while (t->peer_count > 0)
        peer_hang_up(t->peers[t->peer_count - 1], 0, why);
}

struct peer *torrent_peer_by_id(struct torrent *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->peer_count; i++)
        if (t->peers[i]->id == id)
            return t->peers[i];
    return NULL;
}

/* ---- choking ------------------------------------------------------------------------------- */

static void run_choker(struct torrent *t)
{
    uint32_t count = t->peer_count;
    struct choker_peer *view = malloc(count * sizeof *view);
    struct peer **who = malloc(count * sizeof *who);
    for (uint32_t i = 0; i < count && view && who; i++) {
        struct peer *p = who[i] = t->peers[i];
        view[i] = (struct choker_peer){.interested = peer_wants_slot(p),
            .unchoked = !p->choked_by_us,
            .snubbed = p->pipeline.snubbed,
            .by_lot = p->slot_by_lot,
            .poor = 2 * p->have.count < t->have.count,
            .gives_rate = rate_meter_value(&p->down_rate, t->now),
            .joined_at = p->joined_at,
            .changed_at = p->choked_by_us ? p->choked_at : p->unchoked_at};
    }
    if (view && who) {
        if (t->now >= t->choker.next_round)
            choker_run(&t->choker, view, count, t->completed, t->now);
        else
            choker_fill(&t->choker, view, count, t->completed, t->now);
        t->choke_soon = false;
        for (uint32_t i = 0; i < count; i++) {
            who[i]->slot_by_lot = view[i].by_lot;
            peer_set_choked(who[i], !view[i].unchoke, t->now);
        }
    }
    free(view);
    free(who);
}

/* A free slot need not wait for the next round; while all are taken nobody's interest costs
 * anything. */
void torrent_slot_wanted(struct torrent *t)
{
    if (t->slots_used >= CHOKER_SLOTS)
        return;
    t->choke_soon = true;
    torrent_tick_at(t, t->now);
}

void torrent_slot_taken(struct torrent *t)
{
    t->slots_used++;
}

void torrent_slot_freed(struct torrent *t)
{
    t->slots_used--;
    torrent_slot_wanted(t);
}

/* Most newcomers want what we have. While a slot is free they get it with our first words and can
 * ask with theirs, a round trip earlier. (BEP 3 lets have who is not interested, too.) */
void torrent_presume_interest(struct torrent *t, struct peer *p)
{
    bool is_free = t->slots_used < CHOKER_SLOTS && !t->choke_soon; /* and nobody waits for it */
    if (p->gone || !torrent_is_serving(t) || t->have.count == 0 || !is_free)
        return;
    p->presumed = true;
    peer_set_choked(p, false, t->now);
}

void torrent_presume_no_more(struct torrent *t, struct peer *p)
{
    if (!p->presumed)
        return;
    p->presumed = false;
    torrent_slot_freed(t);
}

/* ---- the second hand ----------------------------------------------------------------------- */

/* Neither wants anything of the other, and it was we who called. */
static bool is_useless(const struct torrent *t, const struct peer *p)
{
    return p->called_by_seed && t->completed && p->have.size > 0 && bitfield_full(&p->have) &&
           t->now - p->joined_at >= TORRENT_SEEDS_PART;
}

static void tick_peer(struct torrent *t, struct peer *p)
{
    if (t->now - p->heard_at > TORRENT_SILENCE_MAX) {
        peer_hang_up(p, ERR_TIMEOUT, "silent");
        return;
    }
    if (is_useless(t, p)) {
        peer_hang_up(p, 0, "has everything, too");
        return;
    }
    if (t->now - p->said_at > TORRENT_KEEP_ALIVE)
        peer_say_keep_alive(p);
    torrent_mind_silence(t, p);
    if (p->gone)
        return;
    if (t->now - p->joined_at >= TORRENT_PRESUMED)
        torrent_presume_no_more(t, p);
    if (p->holds_haves)
        peer_pump(p);
    peer_check_timeouts(p, t->now);
    peer_tick_extensions(p, t->now);
    peer_ask(p, t->now);
    if (torrent_is_serving(t))
        peer_serve(p);
}

/* As many as there is room for, each in turn: the others would only find the pool empty again. */
static void wake_readers(struct torrent *t)
{
    size_t room = SIZE_MAX;
    if (t->storage)
        room = chunk_pool_available(storage_pool(t->storage)) / TORRENT_READ_CHUNKS;
    t->pool_empty = false;
    for (uint32_t n = t->peer_count; n > 0 && room > 0 && t->starved > 0; n--) {
        struct peer *p = t->peers[t->wake_from++ % t->peer_count];
        if (!p->starved)
            continue;
        p->starved = false;
        t->starved--;
        peer_pump(p);
        room--;
    }
}

void torrent_wake_starved(struct torrent *t)
{
    wake_readers(t);
    for (uint32_t i = t->peer_count; i-- > 0;)
        if (i < t->peer_count && t->peers[i]->uploads.count > 0 && torrent_is_serving(t))
            peer_serve(t->peers[i]);
}

/* All of them, and another one first each time: who sends or reads first takes what the limit lets
 * through by then. (Pumping never re-enters the swarm: nobody leaves meanwhile.) */
static void wake_throttled(struct torrent *t)
{
    if (!t->throttled)
        return;
    t->throttled = false;
    uint32_t from = t->throttle_from, count = t->peer_count;
    bool first = true;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (from + i) % count;
        if (!t->peers[at]->throttled)
            continue;
        if (first)
            t->throttle_from = at + 1;
        first = false;
        t->peers[at]->throttled = false;
        peer_pump(t->peers[at]);
    }
}

static void walk(struct torrent *t)
{
    if (t->now < t->next_walk)
        return;
    t->next_walk = t->now + TORRENT_TICK;
    /* Backwards: a peer that hangs up is replaced by the last. */
    for (uint32_t i = t->peer_count; i-- > 0;)
        if (i < t->peer_count)
            tick_peer(t, t->peers[i]);
}

/* Ticks come whenever something is due; only the second's one walks over the peers. */
void torrent_peers_tick(struct torrent *t)
{
    walk(t);
    wake_throttled(t);
    wake_readers(t);
    /* What frees the memory may be another torrent's: it is looked for again. */
    if (t->starved > 0) {
        (void)torrent_memory_ready(t);
        torrent_tick_at(t, t->now + TORRENT_STARVED_EVERY);
    }
    bool due = t->now >= t->choker.next_round || (t->choke_soon && t->slots_used < CHOKER_SLOTS);
    if (torrent_is_serving(t) && due && t->peer_count > 0)
        run_choker(t);
    torrent_turnover(t);
    connect_more(t);
}
