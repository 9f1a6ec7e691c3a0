/* What waits to be sent to one peer, in order: messages, and blocks that lie elsewhere in memory or
 * in mapped files.
 *
 * The link asks for the front of the queue as vectors, sends what the socket takes, and says how
 * much that was. With a cipher everything is memory: one pass of RC4
 * from the source into a stage. The queue allocates only when it grows. */
#ifndef KITH_SWARM_SEND_QUEUE_H
#define KITH_SWARM_SEND_QUEUE_H

#include "base/bytes.h"
#include "crypto/rc4.h"
#include <sys/uio.h>

#define SEND_PARTS_MAX 4                   /* runs of memory that one block is made of */
#define SEND_STAGE_SIZE 65536u             /* bytes encrypted ahead of the socket */
#define SEND_MESSAGES_BYTES_MAX (8u << 20) /* a peer that lets more wait has stopped reading */

struct send_block {
    uint8_t head[13]; /* the piece message's header */
    struct bytes parts[SEND_PARTS_MAX];
    unsigned part_count;
    void *hold; /* what keeps the parts alive: handed to release when sent or dropped */
};

struct send_item;
struct send_queue {
    void (*release)(void *user, void *hold);
    void *user;
    struct rc4 *cipher; /* NULL: plaintext */

    struct send_item *items; /* ring */
    unsigned head, count, capacity;
    uint8_t *bytes; /* messages, flat: [bytes_start, bytes_end) wait */
    size_t bytes_start, bytes_end, bytes_capacity;
    size_t block_bytes; /* of all blocks in the queue, not yet sent */
    uint8_t *stage;     /* encrypted and not yet sent: [stage_start, stage_end) */
    size_t stage_start, stage_end;
    size_t stage_payload; /* block bytes within the stage, for the upload count */
};

void send_queue_init(
    struct send_queue *, void (*release)(void *user, void *hold), void *user, struct rc4 *cipher);
/* Releases every block that waits. */
void send_queue_free(struct send_queue *);

/* Appends message bytes. ERR_NOMEM; ERR_LIMIT past SEND_MESSAGES_BYTES_MAX. */
int send_queue_message(struct send_queue *, struct bytes message);
/* Appends a block; takes over `hold`. ERR_NOMEM (hold is released). */
int send_queue_block(struct send_queue *, const struct send_block *block);
static inline bool send_queue_empty(const struct send_queue *q)
{
    return q->count == 0 && q->stage_start == q->stage_end;
}

/* The piece of the block at the front; false if there is a message, or nothing. */
bool send_queue_front(const struct send_queue *, uint32_t *piece);
/* The front of the queue as at most `max` vectors of at most `budget` bytes in all. */
int send_queue_chunks(struct send_queue *, struct iovec *out, int max, size_t budget);
/* `size` bytes of those were sent. Returns how many of them were block payload. */
size_t send_queue_sent(struct send_queue *, size_t size);

#endif
