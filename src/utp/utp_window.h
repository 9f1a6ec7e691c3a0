/* The packets that were sent and are not acknowledged in order: what is in flight, what was lost,
 * how long a round trip takes. Knows lengths and times of packets, not their bytes.
 *
 * Loss is told by the order of transmissions (as RACK, RFC 8985, by their time): a packet is lost
 * when some that were sent later have arrived and it has not, so that lost retransmissions are
 * found the same way. How many later ones, adapts: a retransmission that is answered sooner than
 * any answer can come was not needed, and the path reorders. */
#ifndef KITH_UTP_WINDOW_H
#define KITH_UTP_WINDOW_H

#include "base/bytes.h"
#include "base/time.h"

#define UTP_WINDOW_PACKETS_FIRST 1000u /* within the reorder buffer of every peer */
#define UTP_WINDOW_PACKETS_MAX 4000u   /* of one that has room for them */
#define UTP_TOLERANCE_MIN 3u           /* packets that arrive before an earlier one: no loss yet */
#define UTP_TOLERANCE_MAX 96u
#define UTP_RTO_FIRST SECONDS(1)
#define UTP_RTO_MIN MSECS(500) /* as libtorrent: acknowledgements may be delayed */
#define UTP_RTO_MAX SECONDS(30)

struct utp_sent {
    usec at;           /* the last transmission */
    uint32_t order;    /* its number among all transmissions */
    uint32_t position; /* of its first byte in the stream, modulo 2^32 */
    uint16_t size;     /* payload */
    uint8_t tries;     /* transmissions */
    bool acked : 1;    /* selectively: it waits for those before it */
    bool lost : 1;     /* to be sent again */
    bool probe : 1;    /* of the MTU; its loss is no congestion */
    bool fin : 1;
};

struct utp_window {
    struct utp_sent *slots;      /* by sequence number */
    unsigned capacity;           /* a power of two, or 0 */
    uint16_t first, next;        /* the oldest that is not acknowledged; the next to be sent */
    size_t in_flight;            /* bytes under way: sent, neither acknowledged nor lost */
    size_t bytes;                /* from first to next, acknowledged selectively or not */
    uint32_t position;           /* in the stream, of the next new byte */
    unsigned lost;               /* packets to be sent again */
    unsigned again;              /* packets under way not for the first time */
    uint16_t lost_from;          /* none before it is lost */
    uint32_t order, order_acked; /* of the last transmission; the latest that arrived */
    unsigned tolerance;
    usec srtt, rttvar, rtt_min; /* srtt 0: not measured yet */
};

/* What an acknowledgement brought. */
struct utp_acked {
    size_t bytes;    /* that arrived, new to us */
    size_t released; /* bytes from the front that need not be kept any more */
    usec rtt;        /* of the latest packet that was sent once; -1: none */
    int latest_size; /* payload of the packet that was sent last of all that arrived; -1: it is not
                        among these */
    bool any;        /* a packet arrived that was not known to */
    bool lost;       /* packets were found to be lost: congestion */
    bool not_lost;   /* the last loss was none */
    bool probe_passed, probe_lost;
};

void utp_window_init(struct utp_window *, uint16_t seq);
void utp_window_free(struct utp_window *);
static inline unsigned utp_window_count(const struct utp_window *w)
{
    return (uint16_t)(w->next - w->first);
}
/* A new packet leaves. ERR_NOMEM. The window must not be full. */
int utp_window_send(struct utp_window *, size_t size, bool fin, bool probe, usec now);
/* The lost packet that is to be sent again first, and where its bytes begin among those kept.
 * False: none. */
bool utp_window_lost(struct utp_window *, uint16_t *seq, size_t *offset, struct utp_sent *out);
/* It was sent again. */
void utp_window_resent(struct utp_window *, uint16_t seq, usec now);
/* `ack` must be first - 1 to next - 1; `sack` may say anything. */
struct utp_acked utp_window_ack(struct utp_window *, uint16_t ack, struct bytes sack, usec now);
/* Nothing came for a timeout: all that is under way is lost. True if an MTU probe was the only
 * packet under way. */
bool utp_window_timeout(struct utp_window *, bool *probe_lost);
/* How long to wait for an acknowledgement, before `timeouts` in a row double it. */
usec utp_window_rto(const struct utp_window *, unsigned timeouts);
/* A round trip was measured outside of the window (the SYN's). */
void utp_window_rtt(struct utp_window *, usec rtt);

#endif
