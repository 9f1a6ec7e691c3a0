/* uTP between the pure connections of src/utp and the node: datagrams of its ports go in, batches
 * of datagrams go out, connections become streams (stream.h). A bounded number of datagrams is sent
 * a turn, so that one fast peer does not hold the loop. */
#ifndef KITH_NODE_UTP_IO_H
#define KITH_NODE_UTP_IO_H

#include "base/addr.h"
#include "base/bytes.h"

#define UTP_IO_READY_MAX 64u /* connections that are looked after in one turn */
#define UTP_IO_SHARE 4u /* part of what a TCP connection of ours sends that a uTP one may, too */
#define UTP_IO_BATCHES_MAX 8u /* of at most UTP_BATCH_PACKETS_MAX datagrams, in one turn */

struct env_tcp_events;
struct kith_node;
struct stream;
struct utp_io;

/* ERR_NOMEM. The ports are open. */
int utp_io_start(struct kith_node *);
/* Nobody who calls is answered any more. */
void utp_io_stop_accepting(struct kith_node *);
/* Says goodbye to all and ends. Before the ports are closed. */
void utp_io_free(struct kith_node *);

/* The first byte of a uTP datagram: version 1, and a type that there is. */
static inline bool utp_io_is_utp(struct bytes datagram)
{
    return datagram.size > 0 && (datagram.data[0] & 15) == 1 && datagram.data[0] >> 4 <= 4;
}
/* A datagram came. Follow a series of them with utp_io_turn: until then they stay in place. */
void utp_io_datagram(struct kith_node *, const struct endpoint *from, struct bytes datagram);
/* Tells owners their news and sends what is to be sent. */
void utp_io_turn(struct kith_node *);

/* As stream_connect, over uTP. ERR_UNSUPPORTED: there is no uTP to that address. */
int utp_io_connect(struct kith_node *, const struct endpoint *to, const struct env_tcp_events *,
    void *user, struct stream **out);

#endif
