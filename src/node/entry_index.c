/* See entry_index.h. */
#include "node/entry_index.h"

#include "base/err.h"
#include "base/map.h"
#include "proto/mse.h"
#include <stdlib.h>

/* One info-hash of one torrent: in both maps, owned by `by_hash`. */
struct indexed {
    struct info_hash hash;
    struct sha1_digest name;
    struct kith_torrent *torrent;
};

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
    size_t at = 0;
    void *value;
    while (x->by_hash && (value = map_next(x->by_hash, &at, NULL)) != NULL)
        free(value);
    map_free(x->by_hash);
    map_free(x->by_name);
    free(x);
}

static int add_one(struct entry_index *x, struct kith_torrent *k, const struct info_hash *hash)
{
    struct indexed *i = map_get(x->by_hash, hash);
    if (i) {
        i->torrent = k;
        return 0;
    }
    i = malloc(sizeof *i);
    if (!i)
        return ERR_NOMEM;
    *i = (struct indexed){*hash, mse_name(hash), k};
    int err = map_put(x->by_hash, hash, i);
    if (err) {
        free(i);
        return err;
    }
    err = map_put(x->by_name, &i->name, i);
    if (err)
        free(map_remove(x->by_hash, hash));
    return err;
}

int entry_index_add(
    struct entry_index *x, struct kith_torrent *k, const struct info_hash *hashes, unsigned count)
{
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++)
        err = add_one(x, k, &hashes[i]);
    return err;
}

void entry_index_remove(
    struct entry_index *x, struct kith_torrent *k, const struct info_hash *hashes, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        struct indexed *i = map_get(x->by_hash, &hashes[n]);
        if (!i || i->torrent != k)
            continue; /* another took its place */
        map_remove(x->by_name, &i->name);
        free(map_remove(x->by_hash, &hashes[n]));
    }
}

struct kith_torrent *entry_index_find(const struct entry_index *x, const struct info_hash *hash)
{
    const struct indexed *i = map_get(x->by_hash, hash);
    return i ? i->torrent : NULL;
}

struct kith_torrent *entry_index_find_name(
    const struct entry_index *x, const struct sha1_digest *name, struct info_hash *hash)
{
    const struct indexed *i = map_get(x->by_name, name);
    if (!i)
        return NULL;
    *hash = i->hash;
    return i->torrent;
}
