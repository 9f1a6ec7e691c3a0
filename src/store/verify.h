/* Are these bytes those pieces? SHA-1 (v1), the Merkle root over 16 KiB blocks (v2), or both.
 *
 * Pure computation, for the inside of jobs: many pieces at once, so that the hash kernels have
 * lanes to fill. */
#ifndef KITH_STORE_VERIFY_H
#define KITH_STORE_VERIFY_H

#include "base/bytes.h"
#include "format/metainfo.h"

/* A piece's bytes in order; each part but the last is a multiple of 16 KiB. */
struct verify_piece {
    struct metainfo_piece info;
    const struct bytes *parts;
    size_t part_count;
    bool right; /* out */
};

/* Is it the piece that has these hashes, those that were taken: its SHA-1, and the SHA-256 of each
 * of its blocks? NULL: not taken. With none it is not. */
bool verify_hashes(
    const struct metainfo_piece *, const uint8_t *v1, const struct sha256_digest *leaves);
/* 0 with every `right` set, or ERR_NOMEM. A v2 piece whose hash is not known is not right. */
int verify_pieces(struct verify_piece *, size_t count);

#endif
