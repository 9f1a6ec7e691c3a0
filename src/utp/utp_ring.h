/* A queue of bytes in a ring that grows by doubling to a bound. Grown once, it allocates nothing;
 * idle connections give theirs back. */
#ifndef KITH_UTP_RING_H
#define KITH_UTP_RING_H

#include "base/bytes.h"
#include <sys/uio.h>

#define UTP_RING_FIRST 16384u

struct utp_ring {
    uint8_t *data;
    size_t capacity; /* a power of two, or 0 */
    size_t start;    /* where the first byte lies */
    size_t size;     /* bytes in it */
};

/* Starts zeroed. */
void utp_ring_free(struct utp_ring *);
/* Gives the memory back if there is nothing in it. */
void utp_ring_rest(struct utp_ring *);
/* Makes room for `more` bytes. ERR_LIMIT if that is past `max` (a power of two), ERR_NOMEM. */
int utp_ring_reserve(struct utp_ring *, size_t more, size_t max);
/* Appends; the room was reserved. */
void utp_ring_put(struct utp_ring *, struct bytes);
/* Where `size` bytes from the `offset`-th lie: one or two spans; how many. They must be there. */
int utp_ring_at(const struct utp_ring *, size_t offset, size_t size, struct iovec out[2]);
/* Forgets the first `size` bytes. */
void utp_ring_drop(struct utp_ring *, size_t size);
/* Moves bytes out to where the vectors say; how many. */
size_t utp_ring_take(struct utp_ring *, const struct iovec *, int count);

#endif
