/* A ring of bytes that grows by doubling, for streams and queues of the simulated world: appended
 * at the end, looked at anywhere, dropped at the front. An empty one holds no memory. */
#ifndef KITH_ENV_SIM_RING_H
#define KITH_ENV_SIM_RING_H

#include <stddef.h>
#include <stdint.h>

struct sim_ring {
    uint8_t *data;
    size_t capacity; /* a power of two, or 0 */
    size_t first, size;
};

void sim_ring_free(struct sim_ring *);
void sim_ring_put(struct sim_ring *, const void *data, size_t size);
/* Copies bytes [offset, offset+size), which must be there. */
void sim_ring_copy(const struct sim_ring *, size_t offset, void *out, size_t size);
void sim_ring_drop(struct sim_ring *, size_t size);
/* A fingerprint of bytes [offset, offset+size). */
uint64_t sim_ring_fingerprint(const struct sim_ring *, size_t offset, size_t size);

#endif
