/* Saves that wait to be written to the state database (state.h): copied, in order, and a later save
 * of a record in the place of one that waits. Knows no database, job or thread. */
#ifndef KITH_STORE_STATE_QUEUE_H
#define KITH_STORE_STATE_QUEUE_H

#include "base/list.h"
#include "base/map.h"
#include "store/state/state.h"

/* One transaction: what waits behind it is acknowledged later, and a failed one costs no more than
 * this to do again. */
#define STATE_BATCH_OPS_MAX 2048u
#define STATE_BATCH_BYTES_MAX ((size_t)16 << 20) /* but one op at least */

enum op_kind { OP_TORRENT, OP_BLOB, OP_PEERS, OP_REMOVE, OP_SETTING, OP_SHARE };

/* Somebody who waits for a save to be durable. */
struct ack {
    state_done *done;
    void *user;
    struct ack *next;
};

/* What makes two saves saves of the same record. */
struct op_key {
    uint8_t kind, blob;
    uint8_t name[32]; /* id, big-endian; or digest */
};

/* One record that waits to be written. Its strings and bytes stand in `memory`. */
struct op {
    struct list_link link;
    struct op_key key;
    struct ack *acks, **last_ack;
    int64_t torrent;
    struct state_torrent record; /* OP_TORRENT */
    struct sha256_digest share;
    const char *text; /* a setting's key, a share's path */
    struct bytes body;
    uint8_t *memory;
    size_t memory_size;
    int err; /* this record's own, after it was tried */
};

struct op_key op_key_of_id(enum op_kind, int blob, int64_t id);
struct op_key op_key_of_digest(enum op_kind, const struct sha256_digest *);
/* With `size` bytes of memory to copy into; `done` may be NULL. NULL: no memory. */
struct op *op_new(struct op_key, size_t size, state_done *done, void *user);
void op_free(struct op *);
/* Copies to *at, which moves on; what op->memory was made for. */
const char *op_copy_text(uint8_t **at, const char *text);
struct bytes op_copy_bytes(uint8_t **at, struct bytes);

struct state_queue {
    struct list_link ops;
    struct map *by_key; /* the same, by op_key */
    size_t bytes, count;
};

/* ERR_NOMEM. */
int state_queue_init(struct state_queue *, const uint8_t seed[16]);
/* It is empty. */
void state_queue_free(struct state_queue *);
/* The queue's from now on; in the place of one that waits for the same record, whose acks it takes
 * over. Freed on failure: ERR_NO_SPACE (STATE_QUEUE_BYTES_MAX), ERR_NOMEM. */
int state_queue_put(struct state_queue *, struct op *);
/* Takes the next batch out; how many. */
size_t state_queue_take(struct state_queue *, struct list_link *batch);
/* A batch that could not be written goes back in front of what came in meanwhile. */
void state_queue_put_back(struct state_queue *, struct list_link *batch);
/* Takes out what waits for a torrent that is to be removed; who waited hears of the removal. */
void state_queue_drop_saves(struct state_queue *, int64_t torrent, struct op *removal);

#endif
