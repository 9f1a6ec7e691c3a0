/* Packets that arrived before those that precede them, by sequence number. All connections of a
 * socket share one pool of packet buffers, made once they are needed and used again and again; a
 * connection may hold as many as are left for the others, so that none can take all. */
#ifndef KITH_UTP_REORDER_H
#define KITH_UTP_REORDER_H

#include "base/bytes.h"
#include "utp/utp_inbox.h"

#define UTP_REORDER_PACKETS_MAX 4096u /* ahead of the next one in order; libutp's are 1024 */
#define UTP_HELD_SIZE 1500u           /* payload of one; larger ones must come in order */
#define UTP_POOL_BUFFERS_MAX 8192u    /* 12 MiB, of all connections */

struct utp_held {
    struct utp_held *next; /* in the pool */
    uint16_t size;
    uint8_t data[UTP_HELD_SIZE];
};

struct utp_pool {
    struct utp_held *free;
    unsigned made, used;
    size_t extra_room; /* of all connections: utp_room.h */
    double least_rate; /* of each: utp_socket_set_least */
    struct utp_loan loan;
};

/* Starts zeroed. All must have been given back. */
void utp_pool_free(struct utp_pool *);

struct utp_reorder {
    struct utp_held **slots; /* by sequence number; NULL until needed */
    unsigned capacity;       /* a power of two, or 0 */
    unsigned count;
    size_t bytes;
};

/* Starts zeroed. */
void utp_reorder_free(struct utp_reorder *, struct utp_pool *);
/* Keeps a packet that is `ahead` (1 to UTP_REORDER_PACKETS_MAX - 1) of the next in order. False: it
 * was not kept, because it is there already or there is no room. */
bool utp_reorder_put(
    struct utp_reorder *, struct utp_pool *, uint16_t seq, unsigned ahead, struct bytes payload);
/* Takes out a packet that was kept, or NULL. Give it back to the pool. */
struct utp_held *utp_reorder_take(struct utp_reorder *, uint16_t seq);
void utp_pool_give(struct utp_pool *, struct utp_held *);
/* The selective acknowledgement: bit i stands for ack + 2 + i. Bytes written, a multiple of 4 and
 * at most `max`; 0 if nothing is kept. */
size_t utp_reorder_mask(const struct utp_reorder *, uint16_t ack, uint8_t *out, size_t max);

#endif
