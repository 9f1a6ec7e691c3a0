/* The receiver: turns a peer's byte stream into blocks and messages, with no copy where it can.
 *
 * Blocks come back nearly always in the order in which they were asked for. So before a read the
 * receiver lays out where the expected answers belong: header scratch, the block's place in its
 * piece buffer, header scratch, the next block's place, ... One readv scatters many messages. While
 * the headers are the predicted ones nothing is moved; from the first that is not, the rest of that
 * read is copied out and parsed in line.
 *
 * It decides nothing about torrents: the peer (swarm/peer/peer.c) tells it what is expected and is
 * told what came. docs/architecture.md, "Where a block goes". */
#ifndef KITH_SWARM_RECEIVER_H
#define KITH_SWARM_RECEIVER_H

#include "base/bytes.h"
#include "crypto/rc4.h"
#include <sys/uio.h>

#define RECEIVER_BLOCKS_MAX 32   /* blocks that one read may scatter: 512 KiB */
#define RECEIVER_TAIL_SIZE 16384 /* room for what is not predicted */
#define RECEIVER_IOV_MAX (2 * RECEIVER_BLOCKS_MAX + 4)
#define RECEIVER_HEAD_SIZE 13      /* length, id, piece, begin (BEP 3) */
#define RECEIVER_KEEP_BYTES 32768u /* a message buffer larger than this is not kept for reuse */

struct receiver_block {
    uint32_t piece, begin, length;
    uint8_t *place; /* NULL: discard */
};

struct receiver_ops {
    /* The nth block (0 is the next) that is expected and has a place; false when there is none. */
    bool (*predict)(void *user, unsigned nth, struct receiver_block *out);
    /* A block that was not predicted begins: fill in its place, or NULL to discard it. An error
     * ends the connection. */
    int (*place)(void *user, struct receiver_block *block);
    /* A block arrived in part and its place is in use until block() or receiver_forget. False: the
     * place has gone to somebody else; the rest is discarded. */
    bool (*begun)(void *user, const struct receiver_block *block);
    /* All of a block is in its place (or discarded: place NULL). */
    int (*block)(void *user, const struct receiver_block *block);
    /* A whole message other than `piece`, without its length prefix; payload excludes the id.
     * Keep-alives come with id -1. */
    int (*message)(void *user, int id, struct bytes payload);
    /* May a message of this id have this length (id included)? 0, or the error to end with. */
    int (*check)(void *user, uint8_t id, uint32_t length);
};

/* Where a read's unpredicted bytes go for as long as it is looked at; one serves a whole node. */
struct receiver_scratch {
    uint8_t tail[RECEIVER_TAIL_SIZE];
    uint8_t sink[RECEIVER_TAIL_SIZE]; /* discarded payload */
    uint8_t line[RECEIVER_BLOCKS_MAX * (16384 + RECEIVER_HEAD_SIZE) + RECEIVER_HEAD_SIZE +
                 2 * RECEIVER_TAIL_SIZE];
};

enum receiver_state {
    RECEIVER_HEAD,    /* between messages, head_size bytes of the next one are here */
    RECEIVER_PAYLOAD, /* inside a block */
    RECEIVER_MESSAGE  /* inside another message */
};

struct receiver {
    const struct receiver_ops *ops;
    void *user;
    struct rc4 *cipher; /* NULL: plaintext */
    struct receiver_scratch *scratch;

    enum receiver_state state;
    size_t head_size;            /* bytes of heads[0] that came with an earlier read */
    struct receiver_block block; /* PAYLOAD: what is coming */
    uint32_t block_done;
    uint8_t *message; /* MESSAGE: its bytes after the length prefix */
    uint32_t message_size, message_done, message_capacity;

    /* The layout that the last receiver_layout handed out. */
    unsigned slot_count;
    struct receiver_block slots[RECEIVER_BLOCKS_MAX];
    uint8_t heads[RECEIVER_BLOCKS_MAX + 1][RECEIVER_HEAD_SIZE];
};

void receiver_init(struct receiver *, const struct receiver_ops *, void *user, struct rc4 *cipher,
    struct receiver_scratch *);
void receiver_free(struct receiver *);

/* Where the next bytes go: how many vectors were filled in (at most RECEIVER_IOV_MAX). At most
 * about `budget` bytes, at least what the next header needs. */
int receiver_layout(struct receiver *, struct iovec *iov, size_t budget);
/* `size` bytes were read into the vectors of the last layout, in order. Delivers what is complete.
 * 0, or the first error of a callback, after which the receiver must not be used. */
int receiver_input(struct receiver *, const struct iovec *iov, int count, size_t size);
/* Takes bytes from elsewhere (what the handshake left over), already decrypted. */
int receiver_feed(struct receiver *, struct bytes plain);
/* The places in this piece are gone: what is under way to them is discarded. */
void receiver_forget_piece(struct receiver *, uint32_t piece);
/* Is this block arriving right now? It is not expected a second time. */
bool receiver_is_inside(const struct receiver *, uint32_t piece, uint32_t begin);
/* The block that is arriving in part into its place, or NULL. */
const struct receiver_block *receiver_partial(const struct receiver *);

#endif
