/* One uTP connection (BEP 29): packets and time in, packets, a byte stream and a deadline out.
 *
 *   utp_conn.c      birth, what the owner does, time
 *   utp_conn_in.c   a packet came
 *   utp_conn_out.c  what is to be sent
 *
 * Used through utp_socket.h, which finds the connection that a packet belongs to; only src/utp and
 * its tests look inside. Sequence numbers count packets. A packet that only acknowledges (STATE)
 * carries the number of the next DATA and uses none up, as libutp and libtorrent have it. */
#ifndef KITH_UTP_CONN_H
#define KITH_UTP_CONN_H

#include "base/heap.h"
#include "base/list.h"
#include "utp/delay.h"
#include "utp/ledbat.h"
#include "utp/utp_batch.h"
#include "utp/utp_drain.h"
#include "utp/utp_inbox.h"
#include "utp/utp_mtu.h"
#include "utp/utp_pacer.h"
#include "utp/utp_reorder.h"
#include "utp/utp_ring.h"
#include "utp/utp_room.h"
#include "utp/utp_window.h"

/* In order, bytes are taken a little past the room: no deadlock. */
#define UTP_RECEIVE_SLACK 65536u
#define UTP_INBOX_MAX (2 * UTP_ROOM_MAX)
#define UTP_SEND_MAX (8u << 20) /* bytes written and not acknowledged, ... */
#define UTP_SEND_MIN 65536u     /* ... or two windows, but at least so many */
#define UTP_SYN_TRIES 3u        /* 1, 2, 4 s */
#define UTP_TIMEOUTS_MAX 5u     /* in a row: 16 to 30 s without a word; then it is gone */
#define UTP_ACK_DELAY MSECS(25)
#define UTP_QUICK_ACKS                                                                             \
    32u /* packets that are acknowledged at once, so that slow start is quick                      \
         */
#define UTP_KEEP_ALIVE SECONDS(29) /* home routers forget a UDP mapping after 30 */
#define UTP_RINGS_REST SECONDS(1)  /* so often an empty ring is given back */
#define UTP_LINGER SECONDS(20)     /* what was written before the close is still delivered */
#define UTP_HALF_OPEN_LIFE SECONDS(10)
#define UTP_OLD_ACKS 1024   /* packets whose acknowledgement is late still carry data */
#define UTP_RESET_SLACK 64u /* a reset may name a packet that has been acknowledged since */
#define UTP_WINDOW_PROBE_MAX SECONDS(15)

enum utp_state {
    UTP_SYN_SENT,     /* we called: nothing came back */
    UTP_SYN_RECEIVED, /* somebody called: answered once a call; it has not proved that it hears */
    UTP_OPEN,
    UTP_CLOSING, /* the owner let go; what was written is still being delivered */
    UTP_DEAD     /* nothing more is sent or heard: `error` says why */
};

struct utp_socket;

struct utp_conn {
    enum utp_state state;
    int error; /* of a dead one: ERR_TIMEOUT, ERR_REFUSED, ERR_NETWORK (reset), ERR_NOMEM; 0: closed
                */
    struct endpoint remote;
    uint16_t id_in, id_out; /* of the packets that come; of those that go */
    struct utp_pool *pool;  /* the socket's */

    /* out */
    struct utp_ring out; /* written and not acknowledged: first the window's bytes */
    struct utp_window window;
    struct ledbat ledbat;
    struct utp_mtu mtu;
    struct utp_pacer pacer;
    struct utp_drain drain;
    uint32_t peer_window; /* bytes that it has room for */
    bool peer_is_wide;    /* it has had room for more packets than everybody keeps */
    bool syn_due, fin_due, fin_sent;
    bool flush;     /* the writer said that nothing follows: a short packet may go */
    bool limited;   /* the congestion window, or its pace, held us back when we sent last */
    bool probe_due; /* its window is closed, and it is time to ask */
    usec sent_at;   /* anything */
    usec timeout_at, window_probe_at, linger_until;
    usec rest_at;           /* when rings that are empty are given back; NEVER: there are none */
    unsigned timeouts;      /* in a row */
    unsigned window_probes; /* in a row */

    /* in */
    struct utp_inbox in; /* in order, not read yet */
    struct utp_reorder reorder;
    struct utp_room room;
    uint16_t ack; /* the last that came in order */
    bool fin_seen, fin_reached;
    uint16_t fin_seq;
    bool ack_due;
    usec ack_at;      /* delayed acknowledgement; NEVER: none */
    unsigned unacked; /* packets since the last acknowledgement */
    unsigned quick_acks;
    uint32_t told_window;
    usec heard_at;

    /* clocks */
    uint32_t clock_offset;
    uint32_t difference;               /* of their clock and ours, at the last packet */
    struct delay_history ours, theirs; /* of what we send, told by them; of what they send */
    int ours_size;                     /* payload of the largest packet that `ours` tells of */

    /* utp_socket.c's */
    struct utp_socket *socket;
    struct timer timer;
    struct list_link all, touched, sending;
    struct list_link ready; /* for the owner; or among the half open, or those that came */
    bool half_open;
    bool owned; /* somebody outside holds it */
    bool told_connected, want_read, want_write;
    void *user; /* the owner's */
};

/* We call. `id` and `seq` are random. */
void utp_conn_call(struct utp_conn *, struct utp_pool *, const struct endpoint *to, uint16_t id,
    uint16_t seq, uint32_t clock_offset, usec now);
/* We are called: `syn` came. */
void utp_conn_answer(struct utp_conn *, struct utp_pool *, const struct endpoint *from,
    const struct utp_packet *syn, uint16_t seq, uint32_t clock_offset, usec now);
void utp_conn_free_memory(struct utp_conn *);

void utp_conn_input(struct utp_conn *, const struct utp_packet *, usec now);
/* Puts what may be sent now into the batch, at most `packets`. True: there is more. */
bool utp_conn_output(struct utp_conn *, struct utp_batch *, unsigned packets, usec now);
bool utp_conn_has_output(const struct utp_conn *);
usec utp_conn_deadline(const struct utp_conn *);
void utp_conn_tick(struct utp_conn *, usec now);
/* The system would not send the MTU probe: it is too large for this machine's own link. */
void utp_conn_probe_refused(struct utp_conn *, usec now);

/* As env_tcp_readv and env_tcp_writev. */
ssize_t utp_conn_readv(struct utp_conn *, const struct iovec *, int count);
ssize_t utp_conn_writev(struct utp_conn *, const struct iovec *, int count, bool more, usec now);
bool utp_conn_is_readable(const struct utp_conn *);
bool utp_conn_is_writable(const struct utp_conn *);
/* The owner lets go: what was written is delivered, with a FIN behind it, for UTP_LINGER at most.
 */
void utp_conn_close(struct utp_conn *, usec now);

/* Within src/utp. */
void utp_conn_die(struct utp_conn *, int err);
uint32_t utp_conn_receive_room(const struct utp_conn *);
/* Bytes that may be in flight: the congestion window; but two packets while the queue runs empty,
 * and never less than what each connection has by right, if it is answered. */
double utp_conn_window(const struct utp_conn *);
/* A ring may have memory from now on. */
void utp_conn_rest_later(struct utp_conn *, usec now);
/* After whatever may have closed the peer's window, or brought bytes for a closed one. */
void utp_conn_watch_window(struct utp_conn *, usec now);

#endif
