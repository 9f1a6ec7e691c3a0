/* A peer's birth and death, and what links and watchers see of it. See peer_internal.h for the
 * other files of its life. */
#include "base/err.h"
#include "proto/fast.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"
#include <assert.h>
#include <stdlib.h>

static void release_block(void *user, void *hold)
{
    (void)user;
    storage_read_release(hold);
}

/* Pieces for a newcomer to trade with (BEP 6), of those that are here, by who has half of the
 * torrent: where all come at once and have nothing, whoever got the first pieces would serve them
 * to all side by side, and nobody would have one soon. A seed trades with nobody: its line goes
 * through its slots alone, or everybody who waits takes of it what they could have of one another.
 */
static void choose_fast_set(struct peer *p)
{
    const struct metainfo *m = torrent_metainfo(p->torrent);
    struct info_hash hash;
    const struct bitfield *have = &p->torrent->have;
    uint32_t set[PEER_FAST_SET_SIZE];
    if (!p->fast || !m || p->address.family != ADDR_V4 || p->torrent->completed ||
        have->count == 0 || 2 * (uint64_t)have->count < have->size)
        return;
    if (!torrent_hash_v1(p->torrent, &hash))
        hash = metainfo_id(m);
    size_t count = fast_allowed_set(&p->address, &hash, m->piece_count, set, PEER_FAST_SET_SIZE);
    for (size_t i = 0; i < count; i++)
        if (bitfield_get(have, set[i]))
            p->fast_set[p->fast_set_size++] = set[i];
}

struct peer *peer_new(struct torrent *t, const struct peer_intro *intro, void *link, usec now)
{
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->torrent = t;
    p->link = link;
    p->address = intro->address;
    p->source = intro->source;
    p->utp = intro->utp;
    p->peer_id = intro->id;
    p->incoming = intro->incoming;
    p->fast = intro->fast;
    p->extensions = intro->extensions;
    p->dht = intro->dht;
    p->v2 = intro->v2;
    p->can_lend = intro->can_lend && !intro->encrypt; /* a cipher would read it in our stead */
    p->encrypted = intro->encrypt != NULL;
    if (intro->encrypt) {
        p->encrypt = *intro->encrypt;
        p->decrypt = *intro->decrypt;
    }
    p->choking_us = p->choked_by_us = true;
    p->unveiled = p->taking = UINT32_MAX;
    memset(p->suggested, 0xff, sizeof p->suggested);
    p->joined_at = p->heard_at = p->said_at = now;
    receiver_init(
        &p->receiver, &peer_receiver_ops, p, intro->decrypt ? &p->decrypt : NULL, intro->scratch);
    send_queue_init(&p->out, release_block, p, intro->encrypt ? &p->encrypt : NULL);
    pipeline_init(&p->pipeline, now);
    p->requests.all_waiting = &t->asked;
    choose_fast_set(p);
    return p;
}

static void peer_free(struct peer *p)
{
    receiver_free(&p->receiver);
    send_queue_free(&p->out);
    request_ring_free(&p->requests);
    bitfield_free(&p->have);
    free(p->uploads.slots);
    free(p->early);
    free(p);
}

void peer_hang_up(struct peer *p, int err, const char *why)
{
    struct torrent *t = p->torrent;
    if (p->gone)
        return;
    char text[ENDPOINT_TEXT_MAX];
    log_debug(t->host.log, "swarm", "%s: %s%s%s", endpoint_text(&p->address, text), why,
        err ? ": " : "", err ? err_text(err) : "");
    p->gone = true;
    const struct receiver_block *partial = receiver_partial(&p->receiver);
    if (partial)
        torrent_block_unbegun(t, partial->piece, partial->begin);
    peer_abandon_requests(p);
    peer_drop_uploads(p, false);
    torrent_peer_left(t, p, err);
    t->host.ops->hang_up(t->host.user, p, p->link);
    p->link = NULL;
    list_push_back(&t->graveyard, &p->grave);
}

/* Peers are freed between the loop's turns, never under the feet of a caller. */
void peer_bury(struct torrent *t)
{
    list_for_each_safe(link, &t->graveyard)
    {
        struct peer *p = list_entry(link, struct peer, grave);
        if (p->reads > 0)
            continue;
        list_remove(&p->grave);
        peer_free(p);
    }
}

void peer_pump(struct peer *p)
{
    if (p->pump_wanted || p->gone || !p->link)
        return;
    p->pump_wanted = true;
    p->torrent->host.ops->pump(p->torrent->host.user, p, p->link);
}

int peer_offend(struct peer *p, const char *what)
{
    if (++p->offences < PEER_OFFENCES_MAX)
        return 0;
    log_debug(p->torrent->host.log, "swarm", "too many offences, the last: %s", what);
    return ERR_PROTOCOL;
}

/* ---- the link ------------------------------------------------------------------------------ */

int peer_receive_layout(struct peer *p, struct iovec iov[RECEIVER_IOV_MAX], usec now)
{
    struct torrent *t = p->torrent;
    torrent_set_now(t, now);
    if (p->gone)
        return 0;
    if (p->requests.count > 0 && !torrent_memory_ready(t)) {
        t->starved += !p->starved;
        p->starved = true;
        return 0;
    }
    uint64_t budget = torrent_download_budget(t, PEER_READ_BUDGET);
    if (budget == 0) {
        p->throttled = true;
        return 0;
    }
    return receiver_layout(&p->receiver, iov, budget);
}

int peer_received(struct peer *p, const struct iovec *iov, int count, size_t size, usec now)
{
    torrent_set_now(p->torrent, now);
    p->heard_at = now;
    int err = receiver_input(&p->receiver, iov, count, size);
    if (err && !p->gone)
        peer_hang_up(p, err, "broke the protocol");
    if (p->gone)
        return ERR_CLOSED;
    peer_serve(p);
    peer_ask(p, now);
    return p->gone ? ERR_CLOSED : 0;
}

size_t peer_expects(const struct peer *p)
{
    return (size_t)p->requests.waiting * METAINFO_BLOCK_SIZE;
}

int peer_send_chunks(struct peer *p, struct iovec *out, int max, usec now)
{
    torrent_set_now(p->torrent, now);
    p->pump_wanted = p->holds_haves = false;
    if (p->gone)
        return 0;
    uint64_t budget = PEER_SEND_BUDGET;
    if (p->out.block_bytes > 0)
        budget = torrent_upload_budget(p->torrent, budget);
    if (budget == 0) {
        p->throttled = true;
        return 0;
    }
    return send_queue_chunks(&p->out, out, max, budget);
}

void peer_sent(struct peer *p, size_t size, usec now)
{
    torrent_set_now(p->torrent, now);
    p->said_at = now;
    size_t payload = send_queue_sent(&p->out, size);
    if (payload == 0)
        return;
    rate_meter_add(&p->up_rate, payload, now);
    torrent_count_upload(p->torrent, payload);
    peer_serve(p);
}

void peer_send_failed(struct peer *p, int err)
{
    uint32_t piece;
    bool ours = (err == ERR_CHANGED || err == ERR_IO) && send_queue_front(&p->out, &piece);
    struct torrent *t = p->torrent;
    peer_hang_up(p, err, "sending out of a file");
    if (ours && t->storage)
        torrent_block_unreadable(t, piece, err);
}

void peer_link_lost(struct peer *p, int err)
{
    peer_hang_up(p, err, "connection lost");
}

/* ---- looking ------------------------------------------------------------------------------- */

void peer_info(struct peer *p, usec now, struct peer_info *out)
{
    *out = (struct peer_info){
        .address = p->address,
        .download_rate = rate_meter_shown(&p->down_rate, now),
        .upload_rate = rate_meter_shown(&p->up_rate, now),
        .downloaded = p->down_rate.total,
        .uploaded = p->up_rate.total,
        .pieces_have = p->have.count,
        .pieces_total = p->have.size,
        .requests_out = p->requests.waiting,
        .requests_in = p->uploads.count,
        .encrypted = p->encrypted,
        .incoming = p->incoming,
        .is_seed = p->have.size > 0 && bitfield_full(&p->have),
        .choking_us = p->choking_us,
        .interested_in_us = p->interested_in_us,
        .choked_by_us = p->choked_by_us,
        .interesting = p->interesting,
    };
    memcpy(out->client, p->client, sizeof out->client);
}
