/* Merkle trees of BEP 52 over layers of SHA-256 hashes.
 *
 * Independent pairs of a layer are hashed side by side with hash_many, in chunks that fit a stack
 * buffer; only the top of each chunk, and proofs, are hashed pair by pair. Called by the metainfo
 * writer, the hash-request protocol and the store's verifier. */
#include "crypto/merkle.h"

#include "crypto/hash.h"

#include <assert.h>

#define CHUNK_HEIGHT 8u
#define CHUNK_SIZE (1u << CHUNK_HEIGHT) /* hashes of a chunk: 8 KiB */

struct sha256_digest merkle_parent(
    const struct sha256_digest *left, const struct sha256_digest *right)
{
    struct sha256_digest pair[2] = {*left, *right};
    return sha256(pair, sizeof pair);
}

struct sha256_digest merkle_pad(unsigned height)
{
    struct sha256_digest pad = {{0}};
    while (height--)
        pad = merkle_parent(&pad, &pad);
    return pad;
}

unsigned merkle_height(uint64_t count)
{
    return count <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(count - 1);
}

/* The parents of `count` hashes of a chunk, the last one paired with `pad` if it is alone. */
static size_t parents(const struct sha256_digest *in, size_t count, const struct sha256_digest *pad,
    struct sha256_digest *out)
{
    struct hash_job jobs[CHUNK_SIZE / 2];
    struct bytes parts[CHUNK_SIZE / 2];
    struct sha256_digest last[2];
    size_t pairs = (count + 1) / 2;
    assert(count <= CHUNK_SIZE);
    for (size_t i = 0; i < pairs; i++) {
        parts[i] = bytes_of(&in[2 * i], 2 * sizeof *in);
        jobs[i] = (struct hash_job){.parts = &parts[i], .part_count = 1, .digest = out[i].b};
    }
    if (count & 1) {
        last[0] = in[count - 1];
        last[1] = *pad;
        parts[pairs - 1] = bytes_of(last, sizeof last);
    }
    hash_many(HASH_SHA256, jobs, pairs);
    return pairs;
}

/* Climbs `levels` levels from a chunk of `count` hashes whose padding is `pad`; writes the
 * ceil(count / 2^levels) hashes of that layer. */
static void climb_chunk(const struct sha256_digest *in, size_t count, struct sha256_digest pad,
    unsigned levels, struct sha256_digest *out)
{
    struct sha256_digest layers[2][CHUNK_SIZE / 2];
    const struct sha256_digest *layer = in;
    for (unsigned level = 0; level < levels; level++) {
        bool aligned = count % ((size_t)1 << (levels - level)) == 0;
        count = parents(layer, count, &pad, layers[level & 1]);
        layer = layers[level & 1];
        if (!aligned && level + 1 < levels) /* only then will padding be asked for again */
            pad = merkle_parent(&pad, &pad);
    }
    memcpy(out, layer, count * sizeof *out);
}

/* Roots of complete subtrees so far, one a level: a binary counter of them. */
struct frontier {
    struct sha256_digest left[MERKLE_HEIGHT_MAX + 1];
    uint64_t count; /* subtrees of the lowest level that were added; bit n: left[n] is there */
};

static void frontier_add(struct frontier *f, struct sha256_digest node)
{
    unsigned level = 0;
    for (; f->count >> level & 1; level++)
        node = merkle_parent(&f->left[level], &node);
    f->left[level] = node;
    f->count++;
}

/* The root of 2^height lowest-level subtrees, those missing being padding. */
static struct sha256_digest frontier_root(
    const struct frontier *f, unsigned height, struct sha256_digest pad)
{
    struct sha256_digest node = pad;
    bool all_padding = true;
    for (unsigned level = 0; level < height; level++) {
        if (f->count >> level & 1) {
            node = merkle_parent(&f->left[level], &node);
            all_padding = false;
        } else if (all_padding) {
            node = merkle_parent(&pad, &pad);
        } else {
            node = merkle_parent(&node, &pad);
        }
        pad = all_padding ? node : merkle_parent(&pad, &pad);
    }
    return f->count >> height & 1 ? f->left[height] : node;
}

struct sha256_digest merkle_root(
    const struct sha256_digest *hashes, size_t count, unsigned base_height, unsigned height)
{
    assert(base_height + height <= MERKLE_HEIGHT_MAX);
    assert(count <= (uint64_t)1 << height);
    if (count == 0)
        return merkle_pad(base_height + height);
    unsigned levels = height < CHUNK_HEIGHT ? height : CHUNK_HEIGHT;
    struct sha256_digest pad = merkle_pad(base_height);
    struct frontier f = {.count = 0};
    if (levels == height) { /* it is one chunk: small files have few leaves, and there are many */
        struct sha256_digest root;
        climb_chunk(hashes, count, pad, levels, &root);
        return root;
    }
    for (size_t at = 0; at < count; at += (size_t)1 << levels) {
        size_t size = count - at < CHUNK_SIZE ? count - at : CHUNK_SIZE;
        struct sha256_digest node;
        climb_chunk(hashes + at, size, pad, levels, &node);
        frontier_add(&f, node);
    }
    return frontier_root(&f, height - levels, merkle_pad(base_height + levels));
}

struct sha256_digest merkle_climb(struct sha256_digest node, uint64_t index,
    const struct sha256_digest *proof, size_t proof_count)
{
    for (size_t i = 0; i < proof_count; i++, index >>= 1)
        node = index & 1 ? merkle_parent(&proof[i], &node) : merkle_parent(&node, &proof[i]);
    return node;
}

void merkle_layer_up(const struct sha256_digest *leaves, size_t count, unsigned base_height,
    unsigned height, struct sha256_digest *out)
{
    struct sha256_digest pad = merkle_pad(base_height);
    bool many_runs = height <= CHUNK_HEIGHT; /* in a chunk */
    size_t step = many_runs ? CHUNK_SIZE : (size_t)1 << height;
    for (size_t at = 0; at < count; at += step) {
        size_t size = count - at < step ? count - at : step;
        if (many_runs) {
            climb_chunk(leaves + at, size, pad, height, out);
            out += (size + ((size_t)1 << height) - 1) >> height;
        } else {
            *out++ = merkle_root(leaves + at, size, base_height, height);
        }
    }
}

/* ---- proofs -------------------------------------------------------------------------------- */

/* Real hashes of the layer that stands `height` above the lowest. */
static size_t count_at(const struct merkle_tree *t, unsigned height)
{
    return (t->count >> height) + ((t->count & (((size_t)1 << height) - 1)) != 0);
}

size_t merkle_crown_size(const struct merkle_tree *t)
{
    size_t size = 0;
    for (unsigned height = MERKLE_CROWN_HEIGHT; height < t->height; height++)
        size += count_at(t, height);
    return size;
}

void merkle_crown(const struct merkle_tree *t, struct sha256_digest *out)
{
    const struct sha256_digest *below = t->layer;
    unsigned from = 0;
    for (unsigned height = MERKLE_CROWN_HEIGHT; height < t->height; height++) {
        merkle_layer_up(below, count_at(t, from), t->base_height + from, height - from, out);
        below = out;
        out += count_at(t, height);
        from = height;
    }
}

/* Uncles that stand below the crown are hashed out of the layer. */
static struct sha256_digest node_below(const struct merkle_tree *t, unsigned height, uint64_t index)
{
    uint64_t first = index << height;
    uint64_t real = first < t->count ? t->count - first : 0;
    if (real > (uint64_t)1 << height)
        real = (uint64_t)1 << height;
    return merkle_root(real ? t->layer + first : NULL, (size_t)real, t->base_height, height);
}

size_t merkle_proof(const struct merkle_tree *t, unsigned subtree_height, uint64_t index,
    struct sha256_digest *out, size_t levels)
{
    assert(t->height <= MERKLE_HEIGHT_MAX);
    size_t written = 0;
    const struct sha256_digest *crown = t->crown;
    for (unsigned height = MERKLE_CROWN_HEIGHT; crown != NULL && height < subtree_height; height++)
        crown += count_at(t, height);
    for (unsigned height = subtree_height; height < t->height && written < levels; height++) {
        uint64_t uncle = index ^ 1;
        bool crowned = t->crown != NULL && height >= MERKLE_CROWN_HEIGHT;
        if (crowned && uncle < count_at(t, height))
            out[written++] = crown[uncle];
        else
            out[written++] = node_below(t, height, uncle);
        if (crowned)
            crown += count_at(t, height);
        index >>= 1;
    }
    return written;
}
