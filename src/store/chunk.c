/* See chunk.h. */
#include "store/chunk.h"

#include <assert.h>
#include <stdlib.h>

struct chunk_pool {
    struct chunk *free; /* a stack: the hottest first */
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
    while (pool->free) {
        struct chunk *c = pool->free;
        pool->free = c->next;
        free(c->data);
        free(c);
    }
    free(pool);
}

static struct chunk *make(struct chunk_pool *pool)
{
    struct chunk *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->data = aligned_alloc(4096, CHUNK_SIZE);
    if (!c->data) {
        free(c);
        return NULL;
    }
    pool->made++;
    return c;
}

struct chunk *chunk_take(struct chunk_pool *pool)
{
    struct chunk *c = pool->free;
    if (c) {
        pool->free = c->next;
        pool->available--;
    } else if (pool->made < pool->max) {
        c = make(pool);
    }
    if (c)
        c->references = 1;
    return c;
}

void chunk_unref(struct chunk_pool *pool, struct chunk *c)
{
    assert(c->references > 0);
    if (--c->references > 0)
        return;
    c->next = pool->free;
    pool->free = c;
    pool->available++;
}

size_t chunk_pool_available(const struct chunk_pool *pool)
{
    return pool->max - pool->made + pool->available;
}

size_t chunk_pool_size(const struct chunk_pool *pool)
{
    return pool->max;
}
