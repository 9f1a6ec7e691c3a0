/* See layer_fetch.h. */
#include "swarm/layer_fetch.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include <assert.h>
#include <stdlib.h>

struct run {
    uint32_t file, index; /* of its first hash in the file's layer */
    uint32_t asked_of;    /* 0: nobody */
    uint32_t refused_by;  /* who said last that it has not got it */
    usec asked_at;
    bool here;
};

struct layer_fetch {
    struct metainfo *metainfo;
    struct run *runs;
    uint32_t run_count, left;
    struct sha256_digest **layers; /* by file, while they are incomplete */
    uint32_t *missing;             /* by file: runs */
};

static uint32_t runs_of(const struct metainfo_file *f)
{
    return (f->piece_count + LAYER_FETCH_RUN - 1) / LAYER_FETCH_RUN;
}

static bool is_missing(const struct metainfo *m, uint32_t file)
{
    return metainfo_needs_layer(m, file) && !m->files[file].layer;
}

/* Files with one root have one layer: the first of them is asked for. */
static bool is_first_of_root(const struct metainfo *m, uint32_t file)
{
    return metainfo_file_of_root(m, &m->files[file].root) == file;
}

static void list_runs(struct layer_fetch *f)
{
    const struct metainfo *m = f->metainfo;
    for (uint32_t i = 0; i < m->file_count; i++) {
        if (!is_missing(m, i) || !is_first_of_root(m, i))
            continue;
        f->missing[i] = runs_of(&m->files[i]);
        for (uint32_t r = 0; r < f->missing[i]; r++)
            f->runs[f->run_count++] = (struct run){.file = i, .index = r * LAYER_FETCH_RUN};
    }
    f->left = f->run_count;
}

struct layer_fetch *layer_fetch_new(struct metainfo *m)
{
    struct layer_fetch *f = calloc(1, sizeof *f);
    size_t runs = 1;
    if (!f)
        return NULL;
    for (uint32_t i = 0; i < m->file_count; i++)
        runs += is_missing(m, i) ? runs_of(&m->files[i]) : 0;
    f->metainfo = m;
    f->runs = calloc(runs, sizeof *f->runs);
    f->layers = calloc(m->file_count + 1, sizeof *f->layers);
    f->missing = calloc(m->file_count + 1, sizeof *f->missing);
    if (!f->runs || !f->layers || !f->missing) {
        layer_fetch_free(f);
        return NULL;
    }
    list_runs(f);
    return f;
}

void layer_fetch_free(struct layer_fetch *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; f->layers && i < f->metainfo->file_count; i++)
        free(f->layers[i]);
    free(f->layers);
    free(f->missing);
    free(f->runs);
    free(f);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* The smallest power of two that covers what is left of the layer; a request is for two at least.
 */
static uint32_t run_length(const struct metainfo_file *file, uint32_t index)
{
    uint32_t left = file->piece_count - index, length = 2;
    while (length < left && length < LAYER_FETCH_RUN)
        length *= 2;
    return length;
}

static struct hash_request request_of(const struct layer_fetch *f, const struct run *r)
{
    const struct metainfo_file *file = &f->metainfo->files[r->file];
    unsigned base = metainfo_piece_height(f->metainfo);
    unsigned above = metainfo_file_height(file) - base; /* layers from here to the root */
    return (struct hash_request){.root = file->root,
        .base = base,
        .index = r->index,
        .length = run_length(file, r->index),
        /* Up to below the root; those that the hashes imply are counted and not sent. */
        .proof_layers = above > 0 ? above - 1 : 0};
}

static uint32_t under_way(const struct layer_fetch *f, uint32_t peer, usec now)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->run_count; i++)
        count += !f->runs[i].here && f->runs[i].asked_of == peer &&
                 now - f->runs[i].asked_at < LAYER_FETCH_PATIENCE;
    return count;
}

bool layer_fetch_next(struct layer_fetch *f, uint32_t peer, usec now, struct hash_request *out)
{
    if (under_way(f, peer, now) >= LAYER_FETCH_PER_PEER)
        return false;
    for (uint32_t i = 0; i < f->run_count; i++) {
        struct run *r = &f->runs[i];
        bool waits = r->asked_of && now - r->asked_at < LAYER_FETCH_PATIENCE;
        bool refused = r->refused_by == peer && now - r->asked_at < LAYER_FETCH_PATIENCE;
        if (r->here || waits || refused)
            continue;
        r->asked_of = peer;
        r->asked_at = now;
        *out = request_of(f, r);
        return true;
    }
    return false;
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct run *find(struct layer_fetch *f, uint32_t peer, const struct hash_request *q)
{
    for (uint32_t i = 0; i < f->run_count; i++) {
        struct run *r = &f->runs[i];
        if (r->asked_of == peer && r->index == q->index &&
            sha256_equal(&f->metainfo->files[r->file].root, &q->root))
            return r;
    }
    return NULL;
}

static bool is_proved(const struct hash_request *q, const struct metainfo_file *file,
    const struct sha256_digest *hashes, const struct sha256_digest *uncles, size_t uncle_count)
{
    struct sha256_digest top = merkle_root(hashes, q->length, q->base, merkle_height(q->length));
    top = merkle_climb(top, q->index / q->length, uncles, uncle_count);
    return sha256_equal(&top, &file->root);
}

static int finish_file(struct layer_fetch *f, uint32_t file)
{
    struct bytes layer = bytes_of(
        f->layers[file], (size_t)f->metainfo->files[file].piece_count * sizeof **f->layers);
    int err = metainfo_set_piece_layer(f->metainfo, file, layer);
    free(f->layers[file]);
    f->layers[file] = NULL;
    return err;
}

static int keep(struct layer_fetch *f, struct run *r, const struct sha256_digest *hashes)
{
    const struct metainfo_file *file = &f->metainfo->files[r->file];
    uint32_t left = file->piece_count - r->index;
    if (!f->layers[r->file])
        f->layers[r->file] = calloc(file->piece_count, sizeof **f->layers);
    if (!f->layers[r->file])
        return ERR_NOMEM;
    memcpy(f->layers[r->file] + r->index, hashes,
        (left < LAYER_FETCH_RUN ? left : LAYER_FETCH_RUN) * sizeof *hashes);
    r->here = true;
    f->left--;
    int err = --f->missing[r->file] == 0 ? finish_file(f, r->file) : 0;
    return err ? err : f->left == 0;
}

int layer_fetch_answer(
    struct layer_fetch *f, uint32_t peer, const struct hash_request *q, struct bytes hashes)
{
    struct run *r = find(f, peer, q);
    if (!r)
        return 0; /* late: somebody else was faster */
    struct hash_request asked = request_of(f, r);
    const struct metainfo_file *file = &f->metainfo->files[r->file];
    size_t uncles = metainfo_file_height(file) - asked.base - merkle_height(asked.length);
    if (q->base != asked.base || q->length != asked.length ||
        hashes.size != (asked.length + uncles) * sizeof(struct sha256_digest))
        return ERR_PROTOCOL;
    if (r->here)
        return 0;
    struct sha256_digest *copy = malloc(hashes.size); /* aligned, and its own */
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, hashes.data, hashes.size);
    int result =
        is_proved(&asked, file, copy, copy + asked.length, uncles) ? keep(f, r, copy) : ERR_HASH;
    if (result == ERR_HASH)
        r->asked_of = 0;
    free(copy);
    return result;
}

void layer_fetch_rejected(struct layer_fetch *f, uint32_t peer, const struct hash_request *q)
{
    struct run *r = find(f, peer, q);
    if (!r || r->here)
        return;
    r->asked_of = 0;
    r->refused_by = peer;
}

void layer_fetch_left(struct layer_fetch *f, uint32_t peer)
{
    for (uint32_t i = 0; i < f->run_count; i++)
        if (f->runs[i].asked_of == peer)
            f->runs[i].asked_of = 0;
}
