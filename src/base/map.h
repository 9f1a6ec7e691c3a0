/* A hash map from byte-string keys of one fixed size to pointers: open addressing, SipHash-1-3
 * under a key of the map's own, so that strangers cannot aim for collisions. Keys are copied. */
#ifndef KITH_BASE_MAP_H
#define KITH_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map;

/* `key_size` 1 to 64 bytes. `seed` must be random where strangers choose the keys. NULL: no memory.
 */
struct map *map_new(size_t key_size, const uint8_t seed[16]);
void map_free(struct map *m);
size_t map_count(const struct map *m);
void *map_get(const struct map *m, const void *key);
/* Inserts or replaces; value must not be NULL. ERR_NOMEM. */
int map_put(struct map *m, const void *key, void *value);
/* The removed value, or NULL. */
void *map_remove(struct map *m, const void *key);
/* Walks all entries in an order that depends only on keys, seed and history: start with *position
 * 0; returns NULL at the end. Removing the entry just returned is allowed. */
void *map_next(const struct map *m, size_t *position, const void **key);

/* SipHash-1-3, for other tables. */
uint64_t siphash13(const void *data, size_t size, const uint8_t key[16]);

#endif
