/* SipHash-1-3 and the hash map: open addressing, linear probing, at most three quarters full.
 *
 * Keys lie in one array, values in another; a removed entry leaves a tombstone when others were
 * probed past it, and the table is rebuilt (larger, equal or smaller) when entries and tombstones
 * fill it. Only map_put rebuilds, so that a walk may remove what it meets. The map bounds nothing:
 * whoever lets strangers insert, bounds map_count. */
#include "base/map.h"

#include "base/bytes.h"
#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

#define MAP_KEY_SIZE_MAX 64
#define MAP_CAPACITY_MIN 8

struct map {
    uint8_t seed[16];
    size_t key_size;
    size_t count, tombstones;
    size_t capacity; /* a power of two, or 0 before the first entry */
    void **values;   /* NULL: never used; TOMBSTONE: removed */
    uint8_t *keys;
};

static char tombstone;
#define TOMBSTONE ((void *)&tombstone)

static inline uint64_t rotl64(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotl64(v[1], 13) ^ v[0], v[0] = rotl64(v[0], 32);
    v[2] += v[3], v[3] = rotl64(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotl64(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotl64(v[1], 17) ^ v[2], v[2] = rotl64(v[2], 32);
}

static inline uint64_t load_le64(const uint8_t *p)
{
    return __builtin_bswap64(load_u64(p));
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one round a word and three at
 * the end: enough against collisions aimed at a table, whose hashes nobody sees. */
uint64_t siphash13(const void *data, size_t size, const uint8_t key[16])
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const uint8_t *p = data;
    size_t left = size;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t word = load_le64(p);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(size_t key_size, const uint8_t seed[16])
{
    assert(key_size >= 1 && key_size <= MAP_KEY_SIZE_MAX);
    struct map *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->key_size = key_size;
    memcpy(m->seed, seed, sizeof m->seed);
    return m;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    free(m->values);
    free(m->keys);
    free(m);
}

size_t map_count(const struct map *m)
{
    return m->count;
}

static uint8_t *key_at(const struct map *m, size_t slot)
{
    return m->keys + slot * m->key_size;
}

static size_t home_slot(const struct map *m, const void *key)
{
    return (size_t)siphash13(key, m->key_size, m->seed) & (m->capacity - 1);
}

static size_t slot_after(const struct map *m, size_t slot)
{
    return (slot + 1) & (m->capacity - 1);
}

/* The slot of the key, or `capacity`. There is always an unused slot, so the search ends. */
static size_t find(const struct map *m, const void *key)
{
    if (m->count == 0)
        return m->capacity;
    size_t slot = home_slot(m, key);
    while (m->values[slot]) {
        if (m->values[slot] != TOMBSTONE && memcmp(key_at(m, slot), key, m->key_size) == 0)
            return slot;
        slot = slot_after(m, slot);
    }
    return m->capacity;
}

void *map_get(const struct map *m, const void *key)
{
    size_t slot = find(m, key);
    return slot < m->capacity ? m->values[slot] : NULL;
}

/* The key must be absent, and an unused slot left. */
static void insert_new(struct map *m, const void *key, void *value)
{
    size_t slot = home_slot(m, key);
    while (m->values[slot] && m->values[slot] != TOMBSTONE)
        slot = slot_after(m, slot);
    if (m->values[slot] == TOMBSTONE)
        m->tombstones--;
    m->values[slot] = value;
    memcpy(key_at(m, slot), key, m->key_size);
    m->count++;
}

static int rebuild(struct map *m)
{
    size_t capacity = MAP_CAPACITY_MIN;
    while (capacity / 2 < m->count + 1) /* at most half full afterwards */
        capacity *= 2;
    struct map old = *m;
    void **values = calloc(capacity, sizeof *values);
    uint8_t *keys = calloc(capacity, m->key_size);
    if (!values || !keys) {
        free(values);
        free(keys);
        return ERR_NOMEM;
    }
    m->values = values;
    m->keys = keys;
    m->capacity = capacity;
    m->count = m->tombstones = 0;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.values[i] && old.values[i] != TOMBSTONE)
            insert_new(m, key_at(&old, i), old.values[i]);
    free(old.values);
    free(old.keys);
    return 0;
}

int map_put(struct map *m, const void *key, void *value)
{
    assert(value);
    size_t slot = find(m, key);
    if (slot < m->capacity) {
        m->values[slot] = value;
        return 0;
    }
    if (m->count + m->tombstones + 1 > m->capacity / 4 * 3) {
        int err = rebuild(m);
        if (err)
            return err;
    }
    insert_new(m, key, value);
    return 0;
}

void *map_remove(struct map *m, const void *key)
{
    size_t slot = find(m, key);
    if (slot >= m->capacity)
        return NULL;
    void *value = m->values[slot];
    m->count--;
    if (m->values[slot_after(m, slot)]) {
        m->values[slot] = TOMBSTONE;
        m->tombstones++;
        return value;
    }
    /* Nothing was probed past this slot, nor now past the tombstones right before it. */
    m->values[slot] = NULL;
    size_t before = (slot - 1) & (m->capacity - 1);
    while (m->values[before] == TOMBSTONE) {
        m->values[before] = NULL;
        m->tombstones--;
        before = (before - 1) & (m->capacity - 1);
    }
    return value;
}

void *map_next(const struct map *m, size_t *position, const void **key)
{
    while (*position < m->capacity) {
        size_t slot = (*position)++;
        if (m->values[slot] && m->values[slot] != TOMBSTONE) {
            if (key)
                *key = key_at(m, slot);
            return m->values[slot];
        }
    }
    return NULL;
}
