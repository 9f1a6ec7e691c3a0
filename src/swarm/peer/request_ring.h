/* The blocks that we asked one peer for, in the order of asking.
 *
 * Answers come nearly always from the front, so a ring does: removal in the middle leaves a gap
 * that the front passes over. A request whose block was handed to somebody else (timeout, cancel)
 * stays as *released*: its late answer is still welcome while the block is missing. */
#ifndef KITH_SWARM_REQUEST_RING_H
#define KITH_SWARM_REQUEST_RING_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define REQUEST_RING_MAX 4096u /* requests of ours at one peer, gaps and released ones included */

enum request_state {
    REQUEST_GAP,     /* answered or rejected */
    REQUEST_WAITING, /* the picker counts on it */
    REQUEST_RELEASED /* the picker does not any more */
};

struct request {
    uint32_t piece, begin, length;
    uint32_t state; /* enum request_state */
    usec sent_at;
};

struct request_ring {
    struct request *slots;
    uint32_t head, count, capacity; /* count includes gaps */
    uint32_t waiting;               /* REQUEST_WAITING */
    uint64_t waiting_bytes;
    uint32_t *all_waiting; /* of this and other rings; NULL: nobody counts them */
};

void request_ring_free(struct request_ring *);
/* ERR_NOMEM, ERR_LIMIT. */
int request_ring_push(struct request_ring *, struct request);
/* index counts from the front; NULL past the end. Gaps are returned too. */
struct request *request_ring_at(struct request_ring *, uint32_t index);
/* The request for this block that has no answer yet, or NULL. */
struct request *request_ring_find(struct request_ring *, uint32_t piece, uint32_t begin);
/* The picker gives it to others. */
void request_ring_release(struct request_ring *, struct request *);
/* It was answered: becomes a gap, and the front moves on. */
void request_ring_remove(struct request_ring *, struct request *);

#endif
