/* All uTP connections behind the node's UDP ports: finds the one that a packet belongs to, answers
 * strangers within bounds, says whom the owner should look after. Pure: datagrams and time in,
 * batches of datagrams and a deadline out. node/net/utp_io.c ties it to sockets.
 *
 * A stranger gets one STATE for each SYN and one RESET for each packet that belongs to nothing,
 * never more bytes than came, and no connection is handed out before it has proved that it hears
 * us: kith cannot be made to shout at a third party. */
#ifndef KITH_UTP_SOCKET_H
#define KITH_UTP_SOCKET_H

#include "utp/utp_conn.h"

#define UTP_HALF_OPEN_MAX 256u /* calls that are not proved; the oldest gives way */
#define UTP_CONNS_MAX 2048u    /* of all states */
#define UTP_RESETS_MAX 32u     /* that wait to be sent; more are not answered */
#define UTP_RESETS_PER_SECOND 100u
#define UTP_OUTPUT_PACKETS 44u /* of one connection, then it is another's turn */

struct utp_socket;

/* `seed`: random; ids, sequence numbers and the clock's zero come from it. NULL: no memory. */
struct utp_socket *utp_socket_new(const uint8_t seed[16], usec now);
/* All connections end without a word. */
void utp_socket_free(struct utp_socket *);

/* Who calls from now on is not answered. */
void utp_socket_stop_accepting(struct utp_socket *);

/* A datagram came. False: it is not uTP. */
bool utp_socket_input(
    struct utp_socket *, const struct endpoint *from, struct bytes datagram, usec now);
/* Datagrams that come from now on stay where they are until utp_socket_give_back, so that what is
 * read before is copied once only (utp_inbox.h). Call that before the next output. */
void utp_socket_lend(struct utp_socket *);
void utp_socket_give_back(struct utp_socket *);
/* Fills the batch with what is to be sent now; false: nothing. Send it and ask again. */
bool utp_socket_output(struct utp_socket *, struct utp_batch *, usec now);
usec utp_socket_deadline(struct utp_socket *);
void utp_socket_tick(struct utp_socket *, usec now);

/* So many bytes a second each connection may send, whatever the queue, as long as it is answered:
 * when it is our own TCP that fills the line, there is nobody to give way to. */
void utp_socket_set_least(struct utp_socket *, double bytes_per_second);

/* Begins to call. ERR_LIMIT, ERR_NOMEM. The connection is the caller's until utp_close. */
int utp_connect(struct utp_socket *, const struct endpoint *to, usec now, struct utp_conn **out);
/* Somebody who called and was heard; NULL: nobody. It is the caller's until utp_close. */
struct utp_conn *utp_accept(struct utp_socket *);
/* What was written is still delivered. No call may follow. */
void utp_close(struct utp_socket *, struct utp_conn *, usec now);

/* Whom to look after: up to `max` connections that have news of the kinds that their owners want.
 * As long as the news holds, it is told again at each call. */
unsigned utp_socket_ready(struct utp_socket *, struct utp_conn **out, unsigned max);
bool utp_socket_has_ready(struct utp_socket *);
/* Level-triggered interest; none at first. */
void utp_want(struct utp_socket *, struct utp_conn *, bool read, bool write);
/* The outcome of a call, once: true, and 0 or an error. */
bool utp_take_connected(struct utp_conn *, int *err);
bool utp_wants_readable(const struct utp_conn *);
bool utp_wants_writable(const struct utp_conn *);

/* As env_tcp_readv and env_tcp_writev have it. */
ssize_t utp_readv(struct utp_socket *, struct utp_conn *, const struct iovec *, int count);
ssize_t utp_writev(
    struct utp_socket *, struct utp_conn *, const struct iovec *, int count, bool more, usec now);

/* The system refused an MTU probe of the last batch. */
void utp_probe_refused(struct utp_socket *, struct utp_conn *, usec now);

struct utp_counts {
    unsigned conns, half_open;
    unsigned held; /* packet buffers of the reorder pool in use */
};
struct utp_counts utp_socket_counts(const struct utp_socket *);

#endif
