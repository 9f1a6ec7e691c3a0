/* The arena: chunks that grow from half a KiB, handed out from the front and freed together.
 *
 * A large allocation gets a chunk of its own behind the current one, so that it does not waste
 * what is left of that. For what lives as long as a torrent, a connection or a parse; not for
 * what comes and goes. */
#include "base/arena.h"

#include <stdlib.h>

#define ARENA_ALIGN ((size_t)16)
#define ARENA_CHUNK_SIZE ((size_t)512 - 64)  /* the first: most of what lives long is small */
#define ARENA_CHUNK_SIZE_MAX ((size_t)65536) /* chunks double up to this */

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    _Alignas(16) uint8_t data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void arena_free(struct arena *a)
{
    struct arena_chunk *chunk = a->chunks;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    a->chunks = NULL;
    a->used = 0;
}

static struct arena_chunk *chunk_new(size_t size)
{
    /* Both terms are multiples of the alignment, as aligned_alloc wants. */
    struct arena_chunk *chunk;
    size_t total;
    if (__builtin_add_overflow(sizeof *chunk, size, &total))
        return NULL;
    chunk = aligned_alloc(ARENA_ALIGN, total);
    if (!chunk)
        return NULL;
    memset(chunk, 0, total);
    chunk->size = size;
    return chunk;
}

static size_t chunk_size_next(const struct arena *a)
{
    if (!a->chunks)
        return ARENA_CHUNK_SIZE;
    size_t doubled = a->chunks->size * 2;
    return doubled < ARENA_CHUNK_SIZE_MAX ? doubled : ARENA_CHUNK_SIZE_MAX;
}

static void *chunk_take(struct arena_chunk *chunk, size_t size)
{
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded;
    if (__builtin_add_overflow(size ? size : 1, ARENA_ALIGN - 1, &rounded))
        return NULL;
    rounded &= ~(ARENA_ALIGN - 1);
    if (rounded > a->max - a->used)
        return NULL;
    struct arena_chunk *head = a->chunks;
    if (!head || rounded > head->size - head->used) {
        size_t regular = chunk_size_next(a);
        bool own = rounded > regular / 2;
        struct arena_chunk *chunk = chunk_new(own ? rounded : regular);
        if (!chunk)
            return NULL;
        /* A chunk that is full at once goes behind the head, which may still have room. */
        struct arena_chunk **place = own && head ? &head->next : &a->chunks;
        chunk->next = *place;
        *place = chunk;
        head = chunk;
    }
    a->used += rounded;
    return chunk_take(head, rounded);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(a, total);
}

void *arena_one_more(struct arena *a, void *array, size_t count, size_t size)
{
    bool full = (count & (count - 1)) == 0; /* 0 and powers of two: where it doubles */
    if (!full)
        return array;
    void *larger = arena_array(a, count == 0 ? 1 : count * 2, size);
    if (larger != NULL && count > 0)
        memcpy(larger, array, count * size);
    return larger;
}

char *arena_dup(struct arena *a, struct bytes b)
{
    size_t room;
    if (__builtin_add_overflow(b.size, (size_t)1, &room))
        return NULL;
    char *copy = arena_alloc(a, room);
    if (copy && b.size)
        memcpy(copy, b.data, b.size);
    return copy;
}
