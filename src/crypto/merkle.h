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

/* The uncles of the subtree of 2^height_in_layer hashes at `index` (in units of that subtree) of a
 * full layer: out gets one hash per level up to the root, `levels` at most, lowest first. Returns
 * how many. `layer` has `count` real hashes at base_height; the rest of its 2^tree_height hashes
 * is padding (tree_height counts from the layer, as `height` of merkle_root does). */
size_t merkle_proof(const struct sha256_digest *layer, size_t count, unsigned base_height,
    unsigned tree_height, unsigned subtree_height, uint64_t index, struct sha256_digest *out,
    size_t levels);

/* Roots of each run of 2^height leaves (the piece layer from block hashes). `out` has room for
 * ceil(count / 2^height). Missing leaves are zero hashes. */
void merkle_layer_up(const struct sha256_digest *leaves, size_t count, unsigned base_height,
    unsigned height, struct sha256_digest *out);

#endif
