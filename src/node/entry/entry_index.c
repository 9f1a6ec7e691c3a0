/* See entry_index.h. */
#include "node/entry/entry_index.h"

#include "base/err.h"
#include "base/map.h"
#include "proto/mse.h"
#include <stdlib.h>

/* Keys are 64 bits of a keyed hash of the names, not the names: 12 bytes less, twice for each of
 * 100,000 torrents. Nobody who does not know the seed can make two names that share one, and by
 * chance it happens to one lookup in 10^14; who is found is told his own name then. */
struct entry_index {
    uint8_t seed[16];
    struct map *by_hash, *by_name;
};

static uint64_t key_of(const struct entry_index *x, const void *name)
{
    return siphash13(name, sizeof(struct info_hash), x->seed);
}

struct entry_index *entry_index_new(const uint8_t seed[16])
{
    struct entry_index *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    memcpy(x->seed, seed, sizeof x->seed);
    x->by_hash = map_new(sizeof(uint64_t), seed);
    x->by_name = map_new(sizeof(uint64_t), seed);
    if (!x->by_hash || !x->by_name) {
        entry_index_free(x);
        return NULL;
    }
    return x;
}

void entry_index_free(struct entry_index *x)
{
    if (!x)
        return;
    map_free(x->by_hash);
    map_free(x->by_name);
    free(x);
}

int entry_index_add(
    struct entry_index *x, struct kith_torrent *k, const struct info_hash *hashes, unsigned count)
{
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++) {
        struct sha1_digest name = mse_name(&hashes[i]);
        uint64_t by_hash = key_of(x, &hashes[i]), by_name = key_of(x, &name);
        err = map_put(x->by_hash, &by_hash, k);
        if (!err)
            err = map_put(x->by_name, &by_name, k);
    }
    return err;
}

void entry_index_remove(
    struct entry_index *x, struct kith_torrent *k, const struct info_hash *hashes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sha1_digest name = mse_name(&hashes[i]);
        uint64_t by_hash = key_of(x, &hashes[i]), by_name = key_of(x, &name);
        if (map_get(x->by_hash, &by_hash) == k) /* unless another took its place */
            map_remove(x->by_hash, &by_hash);
        if (map_get(x->by_name, &by_name) == k)
            map_remove(x->by_name, &by_name);
    }
}

struct kith_torrent *entry_index_find(const struct entry_index *x, const struct info_hash *hash)
{
    uint64_t key = key_of(x, hash);
    return map_get(x->by_hash, &key);
}

struct kith_torrent *entry_index_find_name(
    const struct entry_index *x, const struct sha1_digest *name)
{
    uint64_t key = key_of(x, name);
    return map_get(x->by_name, &key);
}
