/* Buffer memory: a bounded pool of chunks of 64 KiB, shared by all torrents of a node.
 *
 * Taken once from the system and reused, so that the steady state neither allocates nor faults. An
 * empty pool is normal: it is back-pressure. Loop thread only; jobs may use the bytes of a chunk
 * that somebody on the loop holds for them. */
#ifndef KITH_STORE_CHUNK_H
#define KITH_STORE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define CHUNK_SIZE 65536u
#define CHUNK_POOL_DEFAULT ((size_t)48 << 20) /* bytes: 16 pieces of 2 MiB, and room to go on */

struct chunk {
    uint8_t *data; /* CHUNK_SIZE */
    unsigned references;
    struct chunk *next; /* the pool's */
};

struct chunk_pool;
struct chunk_pool *chunk_pool_new(size_t bytes_max); /* NULL: no memory */
/* Every chunk must have come back. */
void chunk_pool_free(struct chunk_pool *);
/* One reference; NULL when the pool is empty. */
struct chunk *chunk_take(struct chunk_pool *);
void chunk_unref(struct chunk_pool *, struct chunk *);
size_t chunk_pool_available(const struct chunk_pool *); /* chunks */
size_t chunk_pool_size(const struct chunk_pool *);      /* chunks, all */

#endif
