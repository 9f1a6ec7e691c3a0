/* A packet came. Each rule stands beside the attack that it answers: see utp_conn.h. */
#include "base/err.h"
#include "utp/utp_conn.h"

/* What uTorrent sends for "not measured". */
#define NO_DIFFERENCE 0x7fffffffu
/* Clocks that jump by more than this are not drifting. */
#define DRIFT_STEP_MAX 10000u
/* Microseconds that a byte takes over two lines of 1 Mbit/s. */
#define BYTE_TIME_MAX 16u

/* ---- clocks -------------------------------------------------------------------------------- */

/* Their clock runs slower than ours if what we measure of their packets falls: what they measure of
 * ours rises at the same pace, and is no queue. */
static void follow_drift(struct utp_conn *c, uint32_t base_before)
{
    uint32_t fell = base_before - c->theirs.base;
    if (fell > 0 && fell <= DRIFT_STEP_MAX && c->ours.started)
        delay_history_shift(&c->ours, fell);
}

static void take_times(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    if (p->timestamp != 0) {
        bool started = c->theirs.started;
        uint32_t base = c->theirs.base;
        c->difference = (uint32_t)now + c->clock_offset - p->timestamp;
        delay_history_add(&c->theirs, c->difference, now);
        if (started)
            follow_drift(c, base);
    }
}

/* What the peer says of our latest packet, of so many bytes. A full one takes longer than a small
 * one, 12 ms over each line of 1 Mbit/s on its way, and that is no queue: so packets of about one
 * size are compared, the largest that we have sent and still send. */
static void take_delay(struct utp_conn *c, const struct utp_packet *p, int size, usec now)
{
    int full = (int)c->ledbat.packet, usual = c->ours_size < full ? c->ours_size : full;
    if (p->difference == 0 || p->difference == NO_DIFFERENCE || 2 * size < usual)
        return;
    if (size > 2 * c->ours_size)
        delay_history_raise(
            &c->ours, p->difference, BYTE_TIME_MAX * (uint32_t)(size - c->ours_size));
    if (size > c->ours_size)
        c->ours_size = size;
    delay_history_add(&c->ours, p->difference, now);
}

/* ---- acknowledgements ---------------------------------------------------------------------- */

/* How long our packets queue. What the peer says can be wrong, because its clock was set or drifts;
 * it is never more than what the round trip, by our own clock, is above the shortest. Who reports
 * no delays is judged by that alone. */
static usec queue_now(const struct utp_conn *c, usec rtt)
{
    if (rtt < 0)
        rtt = c->window.srtt;
    usec most = rtt > c->window.rtt_min ? rtt - c->window.rtt_min : 0;
    return c->ours.started ? usec_min(delay_history_queue(&c->ours), most) : most;
}

static void take_news(struct utp_conn *c, const struct utp_acked *a, usec now)
{
    if (a->probe_passed) {
        utp_mtu_passed(&c->mtu, now);
        ledbat_set_packet(&c->ledbat, utp_mtu_size(&c->mtu) - UTP_HEADER_SIZE);
    }
    if (a->probe_lost)
        utp_mtu_lost(&c->mtu, now);
    if (a->rtt >= 0)
        utp_drain_saw(&c->drain, a->rtt, c->window.rtt_min, now);
    if (a->bytes > 0)
        ledbat_acked(&c->ledbat, a->bytes, queue_now(c, a->rtt),
            c->limited && !utp_drain_runs(&c->drain), now);
    if (a->not_lost)
        ledbat_not_lost(&c->ledbat);
    if (a->lost)
        ledbat_lost(&c->ledbat, c->window.srtt, now);
    utp_ring_drop(&c->out, a->released);
    if (a->any)
        c->timeout_at =
            c->window.first == c->window.next ? NEVER : now + utp_window_rto(&c->window, 0);
    if (c->fin_sent && c->window.first == c->window.next)
        utp_conn_die(c, 0);
}

/* False: nobody who hears us sends this. Sequence numbers that we have not sent (Adamsky 2012), or
 * very old ones, are an attacker's guesses. */
static bool is_plausible(const struct utp_conn *c, const struct utp_packet *p)
{
    int ahead = utp_seq_distance((uint16_t)(c->window.first - 1), p->ack);
    return ahead <= (int)utp_window_count(&c->window) && ahead >= -UTP_OLD_ACKS;
}

static void take_ack(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    if (utp_seq_distance((uint16_t)(c->window.first - 1), p->ack) < 0)
        return; /* overtaken by a later one: so is its window */
    c->peer_window = p->window;
    c->peer_is_wide |= p->window > UTP_WINDOW_PACKETS_FIRST * UTP_HELD_SIZE;
    if (c->window.first == c->window.next)
        return;
    struct utp_acked a = utp_window_ack(&c->window, p->ack, p->sack, now);
    if (a.latest_size >= 0)
        take_delay(c, p, a.latest_size, now);
    take_news(c, &a, now);
}

/* ---- data ---------------------------------------------------------------------------------- */

/* After the owner has let go, nobody reads: it counts as read. `stays`: while the loan is open.
 * False: no memory. */
static bool deliver(struct utp_conn *c, struct bytes payload, bool stays)
{
    return c->state != UTP_OPEN ||
           utp_inbox_put(&c->in, &c->pool->loan, payload, stays, UTP_INBOX_MAX) == 0;
}

/* In order there is always room for a little more: what was kept out of order, and acknowledged so,
 * must never stand in the way of what precedes it. */
static bool fits(const struct utp_conn *c, struct bytes payload)
{
    return utp_inbox_size(&c->in) + c->reorder.bytes + payload.size <=
           c->room.size + UTP_RECEIVE_SLACK;
}

static void end_if_reached(struct utp_conn *c)
{
    if (!c->fin_seen || c->fin_reached || (uint16_t)(c->ack + 1) != c->fin_seq)
        return;
    c->ack = c->fin_seq;
    c->fin_reached = true;
    utp_reorder_free(&c->reorder, c->pool);
}

/* What had come early follows. It has been acknowledged: it cannot be dropped any more. */
static void deliver_held(struct utp_conn *c)
{
    struct utp_held *h;
    while ((h = utp_reorder_take(&c->reorder, (uint16_t)(c->ack + 1))) != NULL) {
        bool delivered = deliver(c, bytes_of(h->data, h->size), false);
        utp_pool_give(c->pool, h);
        if (!delivered) {
            utp_conn_die(c, ERR_NOMEM);
            return;
        }
        c->ack++;
    }
}

static void acknowledge_soon(struct utp_conn *c, bool in_order, usec now)
{
    c->unacked++;
    if (!in_order || c->unacked >= 2 || c->quick_acks > 0 || c->reorder.count > 0) {
        c->quick_acks -= c->quick_acks > 0;
        c->ack_due = true;
    } else if (c->ack_at == NEVER) {
        c->ack_at = now + UTP_ACK_DELAY;
    }
}

static void take_data(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    int ahead = utp_seq_distance((uint16_t)(c->ack + 1), p->seq);
    bool past_end = c->fin_seen && utp_seq_distance(c->fin_seq, p->seq) >= 0;
    if (ahead < 0 || c->fin_reached || past_end) {
        acknowledge_soon(c, false, now); /* again: our acknowledgement was lost */
        return;
    }
    if (ahead == 0) {
        if (fits(c, p->payload) && deliver(c, p->payload, true)) {
            c->ack++;
            deliver_held(c);
            utp_conn_rest_later(c, now);
        }
    } else if (c->state == UTP_OPEN && p->payload.size <= utp_conn_receive_room(c)) {
        utp_reorder_put(&c->reorder, c->pool, p->seq, (unsigned)ahead, p->payload);
    }
    utp_room_came(&c->room, &c->pool->extra_room, p->payload.size, utp_inbox_size(&c->in),
        c->window.srtt, now);
    acknowledge_soon(c, ahead == 0, now);
    end_if_reached(c);
}

static void take_fin(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    int ahead = utp_seq_distance((uint16_t)(c->ack + 1), p->seq);
    if (!c->fin_seen && ahead >= 0 && ahead < (int)UTP_REORDER_PACKETS_MAX) {
        c->fin_seen = true;
        c->fin_seq = p->seq;
    }
    end_if_reached(c);
    acknowledge_soon(c, false, now);
}

/* ---- opening and resets -------------------------------------------------------------------- */

/* Only who has seen a packet of ours knows its number. */
static void take_reset(struct utp_conn *c, const struct utp_packet *p)
{
    unsigned sent = utp_window_count(&c->window);
    uint16_t oldest = (uint16_t)(c->window.first - 1 - UTP_RESET_SLACK);
    if (c->state == UTP_SYN_RECEIVED || (uint16_t)(p->ack - oldest) > sent + UTP_RESET_SLACK + 1)
        return;
    utp_conn_die(c, c->state == UTP_SYN_SENT ? ERR_REFUSED : ERR_NETWORK);
}

/* The answer to our SYN names their next sequence number. DATA that overtakes it does not. */
static bool open_called(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    if (p->type != UTP_STATE || p->ack != c->window.first)
        return false;
    c->ack = (uint16_t)(p->seq - 1);
    c->window.first++;
    c->window.next++;
    c->window.lost_from = c->window.first;
    if (c->timeouts == 0)
        utp_window_rtt(&c->window, now - c->sent_at);
    c->state = UTP_OPEN;
    c->timeout_at = NEVER;
    c->syn_due = false;
    return true;
}

/* Who names our sequence number has heard us: the address is not forged. Some count our answer as
 * one of the sequence (as the text of BEP 29 does). */
static bool open_caller(struct utp_conn *c, const struct utp_packet *p)
{
    if (p->type != UTP_DATA && p->type != UTP_STATE && p->type != UTP_FIN)
        return false;
    if (p->ack == c->window.first) {
        c->window.first++;
        c->window.next++;
    } else if (p->ack != (uint16_t)(c->window.first - 1)) {
        return false;
    }
    c->state = UTP_OPEN;
    return true;
}

static bool is_open(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    if (c->state == UTP_SYN_SENT)
        return open_called(c, p, now);
    if (c->state == UTP_SYN_RECEIVED)
        return open_caller(c, p);
    return true;
}

/* A repeated call: our answer was lost. One answer for each. */
static void called_again(struct utp_conn *c, const struct utp_packet *p)
{
    if (c->state == UTP_SYN_RECEIVED && p->seq == c->ack)
        c->ack_due = true;
}

void utp_conn_input(struct utp_conn *c, const struct utp_packet *p, usec now)
{
    if (c->state == UTP_DEAD)
        return;
    if (p->type == UTP_RESET) {
        take_reset(c, p);
        return;
    }
    if (p->type == UTP_SYN) {
        called_again(c, p);
        return;
    }
    if (!is_open(c, p, now) || !is_plausible(c, p))
        return;
    c->heard_at = now;
    c->timeouts = 0;
    take_times(c, p, now);
    take_ack(c, p, now);
    if (c->state == UTP_DEAD)
        return;
    if (p->type == UTP_DATA)
        take_data(c, p, now);
    else if (p->type == UTP_FIN)
        take_fin(c, p, now);
    utp_conn_watch_window(c, now);
}
