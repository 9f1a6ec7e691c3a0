/* Birth and end of a connection, what its owner does, and time. See utp_conn.h. */
#include "utp/utp_conn.h"

#include "base/err.h"

/* ---- birth and end ------------------------------------------------------------------------- */

static void begin(struct utp_conn *c, struct utp_pool *pool, const struct endpoint *remote,
    uint16_t seq, uint32_t clock_offset, usec now)
{
    *c = (struct utp_conn){.remote = *remote,
        .pool = pool,
        .clock_offset = clock_offset,
        .timeout_at = NEVER,
        .window_probe_at = NEVER,
        .linger_until = NEVER,
        .ack_at = NEVER,
        .rest_at = NEVER,
        .quick_acks = UTP_QUICK_ACKS,
        .told_window = UTP_ROOM_FIRST,
        .sent_at = now,
        .heard_at = now};
    utp_inbox_init(&c->in);
    list_init(&c->all);
    list_init(&c->ready);
    list_init(&c->sending);
    list_init(&c->touched);
    utp_room_init(&c->room, now);
    utp_window_init(&c->window, seq);
    utp_mtu_init(&c->mtu, (enum addr_family)remote->family);
    ledbat_init(&c->ledbat, utp_mtu_size(&c->mtu) - UTP_HEADER_SIZE);
    utp_drain_init(&c->drain, now);
    utp_pacer_init(&c->pacer, c->ledbat.packet, now);
}

void utp_conn_call(struct utp_conn *c, struct utp_pool *pool, const struct endpoint *to,
    uint16_t id, uint16_t seq, uint32_t clock_offset, usec now)
{
    begin(c, pool, to, seq, clock_offset, now);
    c->state = UTP_SYN_SENT;
    c->id_in = id;
    c->id_out = (uint16_t)(id + 1);
    c->syn_due = true;
}

void utp_conn_answer(struct utp_conn *c, struct utp_pool *pool, const struct endpoint *from,
    const struct utp_packet *syn, uint16_t seq, uint32_t clock_offset, usec now)
{
    begin(c, pool, from, seq, clock_offset, now);
    c->state = UTP_SYN_RECEIVED;
    c->id_in = (uint16_t)(syn->id + 1);
    c->id_out = syn->id;
    c->ack = syn->seq;
    c->peer_window = syn->window;
    c->difference = (uint32_t)now + clock_offset - syn->timestamp;
    c->ack_due = true;
}

void utp_conn_free_memory(struct utp_conn *c)
{
    utp_room_rest(&c->room, &c->pool->extra_room);
    utp_ring_free(&c->out);
    utp_inbox_free(&c->in);
    utp_reorder_free(&c->reorder, c->pool);
    utp_window_free(&c->window);
}

/* What came in order before may still be read. */
void utp_conn_die(struct utp_conn *c, int err)
{
    if (c->state == UTP_DEAD)
        return;
    c->state = UTP_DEAD;
    c->error = err;
    c->ack_due = c->syn_due = c->fin_due = false;
    c->timeout_at = c->window_probe_at = c->linger_until = c->ack_at = c->rest_at = NEVER;
    utp_ring_free(&c->out);
    utp_reorder_free(&c->reorder, c->pool);
    utp_window_free(&c->window);
}

void utp_conn_close(struct utp_conn *c, usec now)
{
    utp_inbox_free(&c->in);
    if (c->state == UTP_DEAD)
        return;
    if (c->state != UTP_OPEN) {
        utp_conn_die(c, 0);
        return;
    }
    utp_reorder_free(&c->reorder, c->pool);
    c->state = UTP_CLOSING;
    c->fin_due = c->flush = true;
    utp_conn_watch_window(c, now);
    c->linger_until = now + UTP_LINGER;
}

/* ---- the stream ---------------------------------------------------------------------------- */

uint32_t utp_conn_receive_room(const struct utp_conn *c)
{
    size_t used = utp_inbox_size(&c->in) + c->reorder.bytes;
    return used < c->room.size ? (uint32_t)(c->room.size - used) : 0;
}

bool utp_conn_is_readable(const struct utp_conn *c)
{
    return utp_inbox_size(&c->in) > 0 || c->fin_reached || c->state == UTP_DEAD;
}

/* How much may wait here: enough to fill the window, but not more, so that what the owner takes
 * back or puts first is not held up behind it. */
static size_t send_max(const struct utp_conn *c)
{
    double window = utp_conn_window(c);
    size_t two = 2 * (size_t)(window > c->ledbat.window ? window : c->ledbat.window);
    return two < UTP_SEND_MIN ? UTP_SEND_MIN : two > UTP_SEND_MAX ? UTP_SEND_MAX : two;
}

bool utp_conn_is_writable(const struct utp_conn *c)
{
    return c->state == UTP_DEAD || (c->state == UTP_OPEN && c->out.size < send_max(c) / 4 * 3);
}

/* A window that had nearly closed and is open again must be told, or the peer waits for ever. */
static void tell_of_room(struct utp_conn *c)
{
    uint32_t room = utp_conn_receive_room(c);
    if (c->state == UTP_OPEN && c->told_window < c->room.size / 2 &&
        room >= c->told_window + c->room.size / 4)
        c->ack_due = true;
}

ssize_t utp_conn_readv(struct utp_conn *c, const struct iovec *v, int count)
{
    if (utp_inbox_size(&c->in) > 0) {
        size_t n = utp_inbox_take(&c->in, &c->pool->loan, v, count);
        tell_of_room(c);
        return (ssize_t)n;
    }
    if (c->fin_reached)
        return ERR_CLOSED;
    if (c->state == UTP_DEAD)
        return c->error ? c->error : ERR_CLOSED;
    return ERR_AGAIN;
}

ssize_t utp_conn_writev(struct utp_conn *c, const struct iovec *v, int count, bool more, usec now)
{
    size_t total = 0, max = send_max(c);
    bool all = true;
    if (c->state == UTP_DEAD)
        return c->error ? c->error : ERR_CLOSED;
    if (c->state != UTP_OPEN)
        return ERR_AGAIN;
    if (c->window.first == c->window.next && now - c->sent_at > utp_window_rto(&c->window, 0))
        ledbat_rested(&c->ledbat);
    for (int i = 0; i < count && all; i++) {
        size_t room = c->out.size < max ? max - c->out.size : 0;
        size_t size = v[i].iov_len < room ? v[i].iov_len : room;
        if (utp_ring_reserve(&c->out, size, UTP_SEND_MAX) != 0)
            size = 0;
        utp_ring_put(&c->out, bytes_of(v[i].iov_base, size));
        total += size;
        all = size == v[i].iov_len;
    }
    c->flush = !more && all;
    utp_conn_rest_later(c, now);
    utp_conn_watch_window(c, now);
    return total > 0 ? (ssize_t)total : ERR_AGAIN;
}

/* ---- time ---------------------------------------------------------------------------------- */

usec utp_conn_deadline(const struct utp_conn *c)
{
    if (c->state == UTP_DEAD)
        return NEVER;
    usec at =
        usec_min(usec_min(c->timeout_at, c->window_probe_at), usec_min(c->ack_at, c->linger_until));
    if (c->state == UTP_SYN_RECEIVED)
        at = usec_min(at, c->heard_at + UTP_HALF_OPEN_LIFE);
    if (c->state == UTP_OPEN)
        at = usec_min(at, c->sent_at + UTP_KEEP_ALIVE);
    at = usec_min(at, c->rest_at);
    return usec_min(at, usec_min(c->pacer.again_at, c->drain.until));
}

/* Not as soon as they are empty: a fast stream empties its ring a hundred times a second, and to
 * have the memory back each time costs more than to fill it. */
static void rest(struct utp_conn *c, usec now)
{
    utp_ring_rest(&c->out);
    utp_ring_rest(&c->in.ring);
    c->rest_at = c->out.data || c->in.ring.data ? now + UTP_RINGS_REST : NEVER;
}

void utp_conn_rest_later(struct utp_conn *c, usec now)
{
    if (c->rest_at == NEVER)
        c->rest_at = now + UTP_RINGS_REST;
}

/* Also when it is only the peer's window that keeps us from sending, and it answers: then nothing
 * is lost. */
static void timed_out(struct utp_conn *c, usec now)
{
    bool probe_lost;
    unsigned max = c->state == UTP_SYN_SENT ? UTP_SYN_TRIES : UTP_TIMEOUTS_MAX;
    c->timeout_at = NEVER;
    if (++c->timeouts >= max) {
        utp_conn_die(c, ERR_TIMEOUT);
        return;
    }
    if (c->state == UTP_SYN_SENT) {
        c->syn_due = true;
        return;
    }
    bool only_probe = utp_window_timeout(&c->window, &probe_lost);
    if (probe_lost)
        utp_mtu_lost(&c->mtu, now);
    if (c->timeouts >= 2) {
        utp_mtu_black_hole(&c->mtu);
        ledbat_set_packet(&c->ledbat, utp_mtu_size(&c->mtu) - UTP_HEADER_SIZE);
    }
    if (!only_probe && c->peer_window > 0)
        ledbat_timeout(&c->ledbat, now);
}

void utp_conn_tick(struct utp_conn *c, usec now)
{
    if (c->state == UTP_DEAD)
        return;
    if (now >= c->linger_until ||
        (c->state == UTP_SYN_RECEIVED && now >= c->heard_at + UTP_HALF_OPEN_LIFE)) {
        utp_conn_die(c, ERR_TIMEOUT);
        return;
    }
    utp_pacer_tick(&c->pacer, now);
    utp_drain_tick(&c->drain, now);
    if (now >= c->timeout_at)
        timed_out(c, now);
    if (now >= c->window_probe_at) {
        c->window_probe_at = NEVER;
        c->window_probes++;
        c->probe_due = true;
    }
    if (now >= c->rest_at)
        rest(c, now);
    if (now >= c->heard_at + UTP_KEEP_ALIVE)
        utp_room_rest(&c->room, &c->pool->extra_room);
    if (now >= c->ack_at || (c->state == UTP_OPEN && now >= c->sent_at + UTP_KEEP_ALIVE)) {
        c->ack_at = NEVER;
        c->ack_due = true;
    }
}

void utp_conn_probe_refused(struct utp_conn *c, usec now)
{
    if (c->state == UTP_OPEN || c->state == UTP_CLOSING)
        utp_mtu_refused(&c->mtu, now);
}
