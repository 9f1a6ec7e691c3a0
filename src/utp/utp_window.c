/* See utp_window.h. */
#include "utp/utp_window.h"

#include "base/err.h"
#include "utp/utp_packet.h"
#include <assert.h>
#include <stdlib.h>

#define CAPACITY_FIRST 32u

static struct utp_sent *slot(const struct utp_window *w, uint16_t seq)
{
    return &w->slots[seq & (w->capacity - 1)];
}

void utp_window_init(struct utp_window *w, uint16_t seq)
{
    *w = (struct utp_window){
        .first = seq, .next = seq, .lost_from = seq, .tolerance = UTP_TOLERANCE_MIN};
}

void utp_window_free(struct utp_window *w)
{
    free(w->slots);
    w->slots = NULL;
    w->capacity = 0;
}

static int grow(struct utp_window *w)
{
    unsigned capacity = w->capacity ? w->capacity * 2 : CAPACITY_FIRST;
    struct utp_sent *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return ERR_NOMEM;
    for (uint16_t seq = w->first; seq != w->next; seq++)
        slots[seq & (capacity - 1)] = *slot(w, seq);
    free(w->slots);
    w->slots = slots;
    w->capacity = capacity;
    return 0;
}

/* ---- out ----------------------------------------------------------------------------------- */

int utp_window_send(struct utp_window *w, size_t size, bool fin, bool probe, usec now)
{
    assert(utp_window_count(w) < UTP_WINDOW_PACKETS_MAX + 1);
    if (utp_window_count(w) == w->capacity && grow(w) != 0)
        return ERR_NOMEM;
    *slot(w, w->next) = (struct utp_sent){.at = now,
        .order = ++w->order,
        .position = w->position,
        .size = (uint16_t)size,
        .tries = 1,
        .probe = probe,
        .fin = fin};
    w->next++;
    w->position += (uint32_t)size;
    w->in_flight += size;
    w->bytes += size;
    return 0;
}

bool utp_window_lost(struct utp_window *w, uint16_t *seq, size_t *offset, struct utp_sent *out)
{
    if (w->lost == 0)
        return false;
    if (utp_seq_distance(w->first, w->lost_from) < 0)
        w->lost_from = w->first;
    while (!slot(w, w->lost_from)->lost)
        w->lost_from++;
    *seq = w->lost_from;
    *out = *slot(w, *seq);
    *offset = out->position - slot(w, w->first)->position;
    return true;
}

void utp_window_resent(struct utp_window *w, uint16_t seq, usec now)
{
    struct utp_sent *s = slot(w, seq);
    s->lost = s->probe = false; /* the second time it may be fragmented */
    s->at = now;
    s->order = ++w->order;
    s->tries += s->tries < UINT8_MAX;
    w->lost--;
    w->again++;
    w->in_flight += s->size;
}

/* ---- round trips (RFC 6298) ---------------------------------------------------------------- */

void utp_window_rtt(struct utp_window *w, usec rtt)
{
    if (w->srtt == 0) {
        w->srtt = rtt > 0 ? rtt : 1;
        w->rttvar = rtt / 2;
        w->rtt_min = w->srtt;
        return;
    }
    usec off = rtt > w->srtt ? rtt - w->srtt : w->srtt - rtt;
    w->rttvar += (off - w->rttvar) / 4;
    w->srtt += (rtt - w->srtt) / 8;
    if (w->srtt < 1)
        w->srtt = 1;
    if (rtt < w->rtt_min)
        w->rtt_min = rtt;
}

usec utp_window_rto(const struct utp_window *w, unsigned timeouts)
{
    usec rto = w->srtt ? w->srtt + 4 * w->rttvar : UTP_RTO_FIRST;
    rto = rto < UTP_RTO_MIN ? UTP_RTO_MIN : rto;
    for (unsigned i = 0; i < timeouts && rto < UTP_RTO_MAX; i++)
        rto *= 2;
    return rto < UTP_RTO_MAX ? rto : UTP_RTO_MAX;
}

/* ---- acknowledgements ---------------------------------------------------------------------- */

/* A retransmission cannot be answered sooner than the fastest round trip: the first one was only
 * late. */
static void was_late(struct utp_window *w, struct utp_acked *out)
{
    out->not_lost = true;
    w->tolerance = w->tolerance * 2 < UTP_TOLERANCE_MAX ? w->tolerance * 2 : UTP_TOLERANCE_MAX;
}

static void arrived(struct utp_window *w, struct utp_sent *s, struct utp_acked *out, usec now)
{
    s->acked = true;
    out->any = true;
    out->bytes += s->size;
    out->probe_passed |= s->probe;
    if (s->lost) {
        s->lost = false;
        w->lost--;
        was_late(w, out);
        return;
    }
    w->in_flight -= s->size;
    if (s->tries > 1) {
        w->again--;
        if (now - s->at < w->rtt_min * 3 / 4) {
            was_late(w, out);
            return; /* what arrived is an earlier transmission */
        }
    } else {
        usec rtt = now - s->at;
        if (out->rtt < 0 || rtt < out->rtt)
            out->rtt = rtt;
    }
    if ((int32_t)(s->order - w->order_acked) > 0) {
        w->order_acked = s->order;
        out->latest_size = s->size;
    }
}

static void acknowledge_selected(
    struct utp_window *w, uint16_t ack, struct bytes sack, struct utp_acked *out, usec now)
{
    for (size_t i = 0; i < sack.size * 8; i++) {
        uint16_t seq = (uint16_t)(ack + 2 + i);
        if (utp_seq_distance(seq, w->next) <= 0)
            return; /* never sent */
        if ((sack.data[i / 8] >> i % 8 & 1) && utp_seq_distance(w->first, seq) >= 0 &&
            !slot(w, seq)->acked)
            arrived(w, slot(w, seq), out, now);
    }
}

static void release(struct utp_window *w, struct utp_acked *out)
{
    while (w->first != w->next && slot(w, w->first)->acked) {
        out->released += slot(w, w->first)->size;
        w->first++;
    }
    w->bytes -= out->released;
}

static void find_lost(struct utp_window *w, struct utp_acked *out)
{
    for (uint16_t seq = w->first; seq != w->next; seq++) {
        struct utp_sent *s = slot(w, seq);
        if (s->acked || s->lost || (int32_t)(w->order_acked - s->order) < (int32_t)w->tolerance)
            continue;
        s->lost = true;
        w->lost++;
        w->in_flight -= s->size;
        w->again -= s->tries > 1;
        out->probe_lost |= s->probe;
        out->lost |= !s->probe;
        if (utp_seq_distance(seq, w->lost_from) > 0)
            w->lost_from = seq;
    }
}

struct utp_acked utp_window_ack(struct utp_window *w, uint16_t ack, struct bytes sack, usec now)
{
    struct utp_acked out = {.rtt = -1, .latest_size = -1};
    uint16_t end = (uint16_t)(ack + 1);
    for (uint16_t seq = w->first; seq != end; seq++)
        if (!slot(w, seq)->acked)
            arrived(w, slot(w, seq), &out, now);
    if (sack.size > 0)
        acknowledge_selected(w, ack, sack, &out, now);
    release(w, &out);
    if (out.rtt >= 0)
        utp_window_rtt(w, out.rtt);
    /* Without holes and second tries all that is left was sent later than what arrived. */
    if (out.any && w->first != w->next &&
        (w->again > 0 || (int32_t)(w->order_acked - slot(w, w->first)->order) > 0))
        find_lost(w, &out);
    return out;
}

bool utp_window_timeout(struct utp_window *w, bool *probe_lost)
{
    unsigned under_way = 0;
    *probe_lost = false;
    for (uint16_t seq = w->first; seq != w->next; seq++) {
        struct utp_sent *s = slot(w, seq);
        if (s->acked || s->lost)
            continue;
        under_way++;
        *probe_lost |= s->probe;
        s->lost = true;
        w->lost++;
        w->in_flight -= s->size;
        w->again -= s->tries > 1;
    }
    w->lost_from = w->first;
    return under_way == 1 && *probe_lost;
}
