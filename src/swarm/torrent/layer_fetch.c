/* See layer_fetch.h. */
#include "swarm/torrent/layer_fetch.h"

#include "base/err.h"
#include "crypto/merkle.h"
#include <assert.h>
#include <stdlib.h>

struct run {
    uint32_t file, index; /* of its first hash in the file's layer */
    uint32_t asked_of;    /* while it is asked for */
    uint32_t refused_by;  /* who said last that it has not got it */
    usec asked_at;
    uint32_t place; /* in `order` */
};

/* What is asked for, what is not, and what is here stand apart in one order of all runs, so that no
 * message costs a walk over all of them: there are as many as files in a torrent of small ones.
 *
 *     order:  | asked for ... | open ...  | here ... |
 *             0               asked       left       run_count */
struct layer_fetch {
    struct metainfo *metainfo;
    struct run *runs;
    uint32_t *order;
    uint32_t run_count, asked, left;
    uint32_t turn;                 /* where among the open ones the next search begins */
    struct sha256_digest **layers; /* by file, while they are incomplete */
    uint32_t *missing;             /* by file: runs */
};

/* Open runs that one search looks at: those that the peer has refused may be many. */
#define LOOKS 64u

static uint32_t runs_of(const struct metainfo_file *f)
{
    return (f->piece_count + LAYER_FETCH_RUN - 1) / LAYER_FETCH_RUN;
}

static bool is_missing(const struct metainfo *m, uint32_t file)
{
    return metainfo_needs_layer(m, file) && !m->files[file].layer;
}

/* Files with one root have one layer: the first of them is asked for. */
static void list_runs(struct layer_fetch *f)
{
    const struct metainfo *m = f->metainfo;
    for (uint32_t i = 0; i < m->file_count; i++) {
        if (!is_missing(m, i) || metainfo_first_twin(m, i) != i)
            continue;
        f->missing[i] = runs_of(&m->files[i]);
        for (uint32_t r = 0; r < f->missing[i]; r++) {
            uint32_t at = f->run_count++;
            f->runs[at] = (struct run){.file = i, .index = r * LAYER_FETCH_RUN, .place = at};
            f->order[at] = at;
        }
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
    f->order = calloc(runs, sizeof *f->order);
    f->layers = calloc(m->file_count + 1, sizeof *f->layers);
    f->missing = calloc(m->file_count + 1, sizeof *f->missing);
    if (!f->runs || !f->order || !f->layers || !f->missing) {
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
    free(f->order);
    free(f->runs);
    free(f);
}

/* ---- the order of runs --------------------------------------------------------------------- */

static struct run *run_at(const struct layer_fetch *f, uint32_t place)
{
    return &f->runs[f->order[place]];
}

static void put_at(struct layer_fetch *f, struct run *r, uint32_t place)
{
    struct run *other = run_at(f, place);
    f->order[r->place] = f->order[place];
    other->place = r->place;
    f->order[place] = (uint32_t)(r - f->runs);
    r->place = place;
}

static bool is_asked(const struct layer_fetch *f, const struct run *r)
{
    return r->place < f->asked;
}

static void mark_asked(struct layer_fetch *f, struct run *r, uint32_t peer, usec now)
{
    if (!is_asked(f, r))
        put_at(f, r, f->asked++);
    r->asked_of = peer;
    r->asked_at = now;
}

static void mark_open(struct layer_fetch *f, struct run *r)
{
    if (is_asked(f, r))
        put_at(f, r, --f->asked);
}

static void mark_here(struct layer_fetch *f, struct run *r)
{
    mark_open(f, r);
    put_at(f, r, --f->left);
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

static bool is_late(const struct run *r, usec now)
{
    return now - r->asked_at >= LAYER_FETCH_PATIENCE;
}

static uint32_t under_way(const struct layer_fetch *f, uint32_t peer, usec now)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->asked; i++)
        count += run_at(f, i)->asked_of == peer && !is_late(run_at(f, i), now);
    return count;
}

static bool may_ask(const struct run *r, uint32_t peer, usec now)
{
    return r->refused_by != peer || is_late(r, now);
}

static struct run *find_open(struct layer_fetch *f, uint32_t peer, usec now)
{
    uint32_t open = f->left - f->asked;
    for (uint32_t i = 0; i < LOOKS && i < open; i++) {
        struct run *r = run_at(f, f->asked + (f->turn + i) % open);
        if (may_ask(r, peer, now))
            return r;
    }
    f->turn = open > LOOKS ? (f->turn + LOOKS) % open : 0;
    return NULL;
}

/* One that somebody was asked for, and has not given in time. */
static struct run *find_late(struct layer_fetch *f, uint32_t peer, usec now)
{
    for (uint32_t i = 0; i < f->asked; i++)
        if (is_late(run_at(f, i), now) && may_ask(run_at(f, i), peer, now))
            return run_at(f, i);
    return NULL;
}

bool layer_fetch_next(struct layer_fetch *f, uint32_t peer, usec now, struct hash_request *out)
{
    if (under_way(f, peer, now) >= LAYER_FETCH_PER_PEER)
        return false;
    struct run *r = f->asked < LAYER_FETCH_ASKED_MAX ? find_open(f, peer, now) : NULL;
    if (!r)
        r = find_late(f, peer, now);
    if (!r)
        return false;
    mark_asked(f, r, peer, now);
    *out = request_of(f, r);
    return true;
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct run *find(struct layer_fetch *f, uint32_t peer, const struct hash_request *q)
{
    for (uint32_t i = 0; i < f->asked; i++) {
        struct run *r = run_at(f, i);
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
    mark_here(f, r);
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
    struct sha256_digest *copy = malloc(hashes.size); /* aligned, and its own */
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, hashes.data, hashes.size);
    int result =
        is_proved(&asked, file, copy, copy + asked.length, uncles) ? keep(f, r, copy) : ERR_HASH;
    if (result < 0)
        mark_open(f, r);
    free(copy);
    return result;
}

void layer_fetch_rejected(struct layer_fetch *f, uint32_t peer, const struct hash_request *q)
{
    struct run *r = find(f, peer, q);
    if (!r)
        return;
    mark_open(f, r);
    r->refused_by = peer;
}

void layer_fetch_left(struct layer_fetch *f, uint32_t peer)
{
    for (uint32_t i = f->asked; i-- > 0;)
        if (run_at(f, i)->asked_of == peer)
            mark_open(f, run_at(f, i));
}
