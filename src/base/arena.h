/* An arena: many small allocations with one lifetime, freed at once. Bounded. */
#ifndef KITH_BASE_ARENA_H
#define KITH_BASE_ARENA_H

#include "base/bytes.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t used; /* bytes handed out */
    size_t max;  /* bytes that may be handed out */
};

void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);
/* Zeroed, aligned to 16. NULL when memory runs out or the bound is reached. */
void *arena_alloc(struct arena *a, size_t size);
/* Zeroed array with a checked product. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* Room for one more in an array of `count`, which was got one by one from here: the array itself,
 * or a copy of twice its size (the old one is left where it is). */
void *arena_one_more(struct arena *a, void *array, size_t count, size_t size);
/* A copy with a NUL after it. */
char *arena_dup(struct arena *a, struct bytes b);

#endif
