/* Who sent the bad block. When a piece of several givers is bad, the digest and the giver of each
 * of its blocks are kept; when the piece has come right, or its leaves are known (v2), a block that
 * differs names its liar, and the innocent are not punished with it. Pure; torrent_blame.c is its
 * only caller. */
#ifndef KITH_SWARM_BLAME_H
#define KITH_SWARM_BLAME_H

#include "base/addr.h"
#include "base/ids.h"
#include "store/piece_buffer.h"

#define BLAME_PIECES_MAX 16u /* bad pieces remembered; the oldest goes */

struct blame_piece;
/* Zeroed: empty. */
struct blame {
    struct blame_piece *pieces[BLAME_PIECES_MAX];
    unsigned next; /* the place of the oldest */
};
void blame_free(struct blame *);
/* `from`: one address a block; ADDR_NONE where the giver is not known any more. `v2_size`: how many
 * bytes of the piece its leaves cover; 0: it has none. */
void blame_bad(
    struct blame *, const struct piece_buffer *, const struct endpoint *from, uint32_t v2_size);
/* The proved leaves of a piece: BEP 52's hashes of its first `count` blocks. */
void blame_leaves(struct blame *, uint32_t piece, const struct sha256_digest *leaves, size_t count,
    void (*liar)(void *user, const struct endpoint *), void *user);
void blame_good(struct blame *, const struct piece_buffer *,
    void (*liar)(void *user, const struct endpoint *), void *user);

#endif
