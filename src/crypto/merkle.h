/* The Merkle trees of BEP 52: SHA-256 over 16 KiB blocks, padded with zero hashes to a power of
 * two. Layer 0 holds the block hashes ("leaves"); the piece layer is where one hash covers one
 * piece. */
#ifndef KITH_CRYPTO_MERKLE_H
#define KITH_CRYPTO_MERKLE_H

#include "base/bytes.h"
#include "base/ids.h"

#define MERKLE_BLOCK_SIZE 16384u
#define MERKLE_HEIGHT_MAX 48u /* more than any file of 2^62 bytes needs */

struct sha256_digest merkle_parent(
    const struct sha256_digest *left, const struct sha256_digest *right);
/* The root of a subtree of 2^height leaves that are all zero: the padding of layer `height`. */
struct sha256_digest merkle_pad(unsigned height);
/* Smallest h with 2^h >= count (0 for count 0 and 1). */
unsigned merkle_height(uint64_t count);

/* The root over `count` hashes of layer `base_height`, padded on the right with
 * merkle_pad(base_height) to 2^height hashes. Works in O(height) extra memory. */
struct sha256_digest merkle_root(
    const struct sha256_digest *hashes, size_t count, unsigned base_height, unsigned height);

/* Computes upward from `node`, which stands at `index` of its layer, through `proof_count` uncle
 * hashes; the result is the root that the proof claims. */
struct sha256_digest merkle_climb(struct sha256_digest node, uint64_t index,
    const struct sha256_digest *proof, size_t proof_count);

/* A full layer, and what stands above it: `count` real hashes at base_height, the rest of its
 * 2^height hashes is padding (height counts from the layer, as that of merkle_root does). */
struct merkle_tree {
    const struct sha256_digest *layer;
    size_t count;
    unsigned base_height, height;
    const struct sha256_digest *crown; /* see merkle_crown; NULL: none was made */
};

/* A tree's crown: its layers from MERKLE_CROWN_HEIGHT above the lowest up, but for the root. With
 * it a proof costs the hashing of 2^MERKLE_CROWN_HEIGHT hashes at most, however long the layer is;
 * without, of all of them. A sixteenth of the layer: merkle_crown_size hashes, 0 for trees that are
 * no higher. Made by hashing the layer once. */
#define MERKLE_CROWN_HEIGHT 5u
size_t merkle_crown_size(const struct merkle_tree *);
void merkle_crown(const struct merkle_tree *, struct sha256_digest *out);

/* The uncles of the subtree of 2^subtree_height hashes at `index` (in units of that subtree) of the
 * layer: out gets one hash per level up to the root, `levels` at most, lowest first. Returns how
 * many. */
size_t merkle_proof(const struct merkle_tree *, unsigned subtree_height, uint64_t index,
    struct sha256_digest *out, size_t levels);

/* Roots of each run of 2^height leaves (the piece layer from block hashes). `out` has room for
 * ceil(count / 2^height). Missing leaves are zero hashes. */
void merkle_layer_up(const struct sha256_digest *leaves, size_t count, unsigned base_height,
    unsigned height, struct sha256_digest *out);

#endif
