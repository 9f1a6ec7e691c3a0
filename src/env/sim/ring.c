/* A growing ring of bytes. See ring.h. */
#include "env/sim/ring.h"
#include "env/sim/world.h"
#include <assert.h>
#include <stdlib.h>

void sim_ring_free(struct sim_ring *r)
{
    free(r->data);
    *r = (struct sim_ring){0};
}

static void grow(struct sim_ring *r, size_t need)
{
    size_t capacity = r->capacity == 0 ? 4096 : r->capacity;
    while (capacity < need)
        capacity *= 2;
    if (capacity == r->capacity)
        return;
    uint8_t *data = sim_alloc(capacity);
    sim_ring_copy(r, 0, data, r->size);
    free(r->data);
    r->data = data;
    r->capacity = capacity;
    r->first = 0;
}

void sim_ring_put(struct sim_ring *r, const void *data, size_t size)
{
    if (size == 0)
        return;
    grow(r, r->size + size);
    size_t at = (r->first + r->size) & (r->capacity - 1);
    size_t part = size < r->capacity - at ? size : r->capacity - at;
    memcpy(r->data + at, data, part);
    memcpy(r->data, (const uint8_t *)data + part, size - part);
    r->size += size;
}

void sim_ring_copy(const struct sim_ring *r, size_t offset, void *out, size_t size)
{
    assert(offset + size <= r->size);
    if (size == 0)
        return;
    size_t at = (r->first + offset) & (r->capacity - 1);
    size_t part = size < r->capacity - at ? size : r->capacity - at;
    memcpy(out, r->data + at, part);
    memcpy((uint8_t *)out + part, r->data, size - part);
}

void sim_ring_drop(struct sim_ring *r, size_t size)
{
    assert(size <= r->size);
    r->size -= size;
    if (r->size == 0)
        sim_ring_free(r); /* idle connections are many: they hold nothing */
    else
        r->first = (r->first + size) & (r->capacity - 1);
}

uint64_t sim_ring_fingerprint(const struct sim_ring *r, size_t offset, size_t size)
{
    assert(offset + size <= r->size);
    if (size == 0)
        return 0;
    size_t at = (r->first + offset) & (r->capacity - 1);
    size_t part = size < r->capacity - at ? size : r->capacity - at;
    uint64_t sum = sim_fingerprint(r->data + at, part);
    return part == size ? sum : sim_mix(sum ^ sim_fingerprint(r->data, size - part));
}
