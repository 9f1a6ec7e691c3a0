/* See entry_index.h. */
#include "node/entry_index.h"

#include "base/err.h"
#include "base/map.h"
#include "proto/mse.h"
#include <stdlib.h>

struct entry_index {
    struct map *by_hash, *by_name;
};

struct entry_index *entry_index_new(const uint8_t seed[16])
{
    struct entry_index *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->by_hash = map_new(sizeof(struct info_hash), seed);
    x->by_name = map_new(sizeof(struct sha1_digest), seed);
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
        err = map_put(x->by_hash, &hashes[i], k);
        if (!err)
            err = map_put(x->by_name, &name, k);
    }
    return err;
}

void entry_index_remove(
    struct entry_index *x, struct kith_torrent *k, const struct info_hash *hashes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sha1_digest name = mse_name(&hashes[i]);
        if (map_get(x->by_hash, &hashes[i]) == k) /* unless another took its place */
            map_remove(x->by_hash, &hashes[i]);
        if (map_get(x->by_name, &name) == k)
            map_remove(x->by_name, &name);
    }
}

struct kith_torrent *entry_index_find(const struct entry_index *x, const struct info_hash *hash)
{
    return map_get(x->by_hash, hash);
}

struct kith_torrent *entry_index_find_name(
    const struct entry_index *x, const struct sha1_digest *name)
{
    return map_get(x->by_name, name);
}
