/* What a connection sends: lost packets first, then new ones, then the acknowledgement that none of
 * them could carry. See utp_conn.h. */
#include "utp/utp_conn.h"

/* With so many full packets under way a short one waits for company: acknowledgements come anyway.
 * With fewer it goes at once, so that requests are not held up. */
#define COMPANY 4u

/* ---- what may be sent ---------------------------------------------------------------------- */

static size_t full_payload(const struct utp_conn *c)
{
    return utp_mtu_size(&c->mtu) - UTP_HEADER_SIZE;
}

static size_t unsent(const struct utp_conn *c)
{
    return c->out.size - c->window.bytes;
}

double utp_conn_window(const struct utp_conn *c)
{
    double packets = (double)(LEDBAT_PACKETS_MIN * c->ledbat.packet);
    double right = c->pool->least_rate * (double)c->window.srtt / (double)USEC_PER_SEC;
    double window = utp_drain_runs(&c->drain) ? packets : c->ledbat.window;
    return c->timeouts == 0 && right > window ? right : window;
}

static bool may_send_lost(const struct utp_conn *c)
{
    return c->window.lost > 0 && !utp_pacer_rests(&c->pacer) &&
           (c->window.in_flight == 0 ||
               (double)(c->window.in_flight + full_payload(c)) <= utp_conn_window(c));
}

/* Who offers room for more bytes than the first number of packets hold, keeps more packets. */
static unsigned packets_max(const struct utp_conn *c)
{
    return c->peer_is_wide ? UTP_WINDOW_PACKETS_MAX : UTP_WINDOW_PACKETS_FIRST;
}

/* How many bytes of new data the next packet carries, whatever the pace; 0: none now. */
static size_t new_payload(const struct utp_conn *c)
{
    size_t full = full_payload(c), left = unsent(c), size = left < full ? left : full;
    size_t in_flight = c->window.in_flight;
    if (c->state != UTP_OPEN && c->state != UTP_CLOSING)
        return 0;
    if (left == 0 || utp_window_count(&c->window) >= packets_max(c))
        return 0;
    if (left < full && !c->flush)
        return 0;
    if (left < full && in_flight > COMPANY * full && c->state == UTP_OPEN)
        return 0;
    if (in_flight + size > c->peer_window && !c->probe_due)
        return 0;
    return (double)(in_flight + size) <= utp_conn_window(c) ? size : 0;
}

static bool may_send_new(const struct utp_conn *c)
{
    return !utp_pacer_rests(&c->pacer) && new_payload(c) > 0;
}

static bool may_send_fin(const struct utp_conn *c)
{
    return c->fin_due && unsent(c) == 0 && (c->state == UTP_OPEN || c->state == UTP_CLOSING);
}

bool utp_conn_has_output(const struct utp_conn *c)
{
    if (c->state == UTP_DEAD)
        return false;
    return c->syn_due || c->ack_due || may_send_lost(c) || may_send_new(c) || may_send_fin(c);
}

/* ---- packets ------------------------------------------------------------------------------- */

static struct utp_packet make(struct utp_conn *c, enum utp_type type, uint16_t seq, usec now)
{
    c->told_window = utp_conn_receive_room(c);
    return (struct utp_packet){.type = type,
        .id = c->id_out,
        .timestamp = (uint32_t)now + c->clock_offset,
        .difference = c->difference,
        .window = c->told_window,
        .seq = seq,
        .ack = c->ack};
}

/* The packet names all that came: if in order, nothing more needs to be said. */
static void acknowledged(struct utp_conn *c, bool all)
{
    c->unacked = 0;
    c->ack_at = NEVER;
    if (all)
        c->ack_due = false;
}

static void put(struct utp_conn *c, struct utp_batch *b, enum utp_type type, uint16_t seq,
    size_t offset, size_t size, bool probe, usec now)
{
    struct iovec payload[2];
    struct utp_packet p = make(c, type, seq, now);
    int count = utp_ring_at(&c->out, offset, size, payload);
    utp_batch_put(b, &c->remote, &p, payload, count, probe ? c : NULL);
    acknowledged(c, c->reorder.count == 0);
    utp_pacer_spend(&c->pacer, size, now);
    c->sent_at = now;
    if (c->timeout_at == NEVER)
        c->timeout_at = now + utp_window_rto(&c->window, c->timeouts);
}

static void put_syn(struct utp_conn *c, struct utp_batch *b, usec now)
{
    struct utp_packet p = make(c, UTP_SYN, c->window.first, now);
    p.id = c->id_in;
    p.ack = 0;
    utp_batch_put(b, &c->remote, &p, NULL, 0, NULL);
    c->syn_due = false;
    c->sent_at = now;
    c->timeout_at = now + utp_window_rto(&c->window, c->timeouts);
}

static void put_state(struct utp_conn *c, struct utp_batch *b, usec now)
{
    uint8_t mask[UTP_SACK_BYTES_MAX];
    struct utp_packet p = make(c, UTP_STATE, c->window.next, now);
    if (c->reorder.count > 0)
        p.sack = bytes_of(mask, utp_reorder_mask(&c->reorder, c->ack, mask, sizeof mask));
    utp_batch_put(b, &c->remote, &p, NULL, 0, NULL);
    acknowledged(c, true);
    c->sent_at = now;
}

/* A packet that was sent once keeps its size: sequence numbers count packets. */
static void put_lost(struct utp_conn *c, struct utp_batch *b, usec now)
{
    struct utp_sent sent;
    uint16_t seq;
    size_t offset;
    if (!utp_window_lost(&c->window, &seq, &offset, &sent))
        return;
    utp_window_resent(&c->window, seq, now);
    put(c, b, sent.fin ? UTP_FIN : UTP_DATA, seq, offset, sent.size, false, now);
}

/* A probe of the path's MTU takes the place of a packet, if there are bytes to fill it. */
static size_t probe_payload(struct utp_conn *c, usec now)
{
    size_t size = utp_mtu_wanted(&c->mtu, now);
    if (size == 0 || size - UTP_HEADER_SIZE > unsent(c) ||
        c->window.in_flight + size > c->peer_window || c->window.lost > 0)
        return 0;
    return size - UTP_HEADER_SIZE;
}

static bool put_new(struct utp_conn *c, struct utp_batch *b, size_t size, usec now)
{
    size_t probe = probe_payload(c, now), offset = c->window.bytes;
    uint16_t seq = c->window.next;
    if (probe)
        size = probe;
    if (utp_window_send(&c->window, size, false, probe > 0, now) != 0)
        return false; /* no memory: later, perhaps */
    if (probe)
        utp_mtu_sent(&c->mtu, size + UTP_HEADER_SIZE);
    put(c, b, UTP_DATA, seq, offset, size, probe > 0, now);
    c->probe_due = false;
    return true;
}

static void put_fin(struct utp_conn *c, struct utp_batch *b, usec now)
{
    uint16_t seq = c->window.next;
    if (utp_window_send(&c->window, 0, true, false, now) != 0)
        return;
    c->fin_due = false;
    c->fin_sent = true;
    put(c, b, UTP_FIN, seq, 0, 0, false, now);
}

/* ---- in order ------------------------------------------------------------------------------ */

/* Nothing is under way and the peer has no room: ask it now and then, because its word that it has
 * may be lost. */
void utp_conn_watch_window(struct utp_conn *c, usec now)
{
    if (c->state == UTP_DEAD)
        return;
    bool closed = unsent(c) > 0 && c->window.first == c->window.next && new_payload(c) == 0 &&
                  (c->flush || unsent(c) >= full_payload(c));
    if (!closed) {
        c->window_probe_at = NEVER;
        if (c->peer_window >= full_payload(c))
            c->window_probes = 0;
        return;
    }
    if (c->window_probe_at != NEVER || c->probe_due)
        return;
    usec pause = utp_window_rto(&c->window, c->window_probes);
    c->window_probe_at = now + usec_min(pause, UTP_WINDOW_PROBE_MAX);
}

static bool put_next(struct utp_conn *c, struct utp_batch *b, usec now)
{
    if (c->syn_due) {
        put_syn(c, b, now);
        return true;
    }
    if (may_send_lost(c)) {
        put_lost(c, b, now);
        return true;
    }
    if (may_send_new(c))
        return put_new(c, b, new_payload(c), now);
    if (may_send_fin(c)) {
        put_fin(c, b, now);
        return true;
    }
    return false;
}

/* The window a round trip, and a little more, so that it is the window that decides. */
static void set_pace(struct utp_conn *c, usec now)
{
    const struct utp_window *w = &c->window;
    double rate = 0, gain = c->ledbat.phase == LEDBAT_STEADY ? UTP_PACE_GAIN : UTP_PACE_GAIN_START;
    if (w->srtt > 0 && w->rtt_min >= UTP_PACE_RTT_MIN)
        rate = gain * utp_conn_window(c) * (double)USEC_PER_SEC / (double)w->srtt;
    utp_pacer_set(&c->pacer, rate, full_payload(c), now);
}

bool utp_conn_output(struct utp_conn *c, struct utp_batch *b, unsigned packets, usec now)
{
    if (c->state == UTP_DEAD)
        return false;
    unsigned left = packets;
    if (c->limited)
        utp_drain_look(&c->drain, c->window.srtt, now);
    set_pace(c, now);
    /* Gaps can only be told in a packet of their own: first, because the peer waits for it. */
    if (c->ack_due && (c->reorder.count > 0 || c->state == UTP_SYN_RECEIVED) &&
        utp_batch_has_room(b)) {
        put_state(c, b, now);
        left--;
    }
    while (left > 0 && utp_batch_has_room(b) && put_next(c, b, now))
        left--;
    if (c->ack_due && utp_batch_has_room(b))
        put_state(c, b, now);
    if (left < packets)
        c->limited = utp_pacer_rests(&c->pacer) ||
                     (double)(c->window.in_flight + 2 * full_payload(c)) > c->ledbat.window;
    utp_conn_watch_window(c, now);
    return utp_conn_has_output(c);
}
