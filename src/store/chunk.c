/* See chunk.h. */
#include "store/chunk.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Chunks are made by the slab: one huge page where the system gives those, which makes filling,
 * hashing and writing them a twentieth cheaper than out of single pages. A sanitizer sees a write
 * behind a chunk only if it stands alone. */
#if defined(__SANITIZE_ADDRESS__)
#define SLAB_CHUNKS 1u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_CHUNKS 1u
#endif
#endif
#ifndef SLAB_CHUNKS
#define SLAB_CHUNKS 32u
#endif

struct slab {
    struct slab *next;
    uint8_t *data;
    struct chunk chunks[SLAB_CHUNKS];
};

struct chunk_pool {
    struct chunk *free; /* a stack: the hottest first */
    struct slab *slabs;
    size_t available, made, max;
};

struct chunk_pool *chunk_pool_new(size_t bytes_max)
{
    struct chunk_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->max = bytes_max / CHUNK_SIZE;
    if (pool->max < 32)
        pool->max = 32;
    return pool;
}

void chunk_pool_free(struct chunk_pool *pool)
{
    if (!pool)
        return;
    assert(pool->available == pool->made);
    while (pool->slabs) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab->data);
        free(slab);
    }
    free(pool);
}

static void put(struct chunk_pool *pool, struct chunk *c)
{
    c->next = pool->free;
    pool->free = c;
    pool->available++;
}

/* As many chunks as a slab has and the bound leaves; the first of them on top. */
static bool make(struct chunk_pool *pool)
{
    size_t left = pool->max - pool->made, count = left < SLAB_CHUNKS ? left : SLAB_CHUNKS;
    struct slab *slab = count ? calloc(1, sizeof *slab) : NULL;
    if (!slab)
        return false;
    slab->data = aligned_alloc(SLAB_CHUNKS * CHUNK_SIZE, SLAB_CHUNKS * CHUNK_SIZE);
    if (!slab->data) {
        free(slab);
        return false;
    }
    madvise(slab->data, SLAB_CHUNKS * CHUNK_SIZE, MADV_HUGEPAGE);
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->made += count;
    while (count-- > 0) {
        slab->chunks[count].data = slab->data + count * CHUNK_SIZE;
        put(pool, &slab->chunks[count]);
    }
    return true;
}

struct chunk *chunk_take(struct chunk_pool *pool)
{
    if (!pool->free && !make(pool))
        return NULL;
    struct chunk *c = pool->free;
    pool->free = c->next;
    pool->available--;
    c->references = 1;
    return c;
}

void chunk_unref(struct chunk_pool *pool, struct chunk *c)
{
    assert(c->references > 0);
    if (--c->references == 0)
        put(pool, c);
}

size_t chunk_pool_available(const struct chunk_pool *pool)
{
    return pool->max - pool->made + pool->available;
}

size_t chunk_pool_size(const struct chunk_pool *pool)
{
    return pool->max;
}
