/* The crowns (crypto/merkle.h) of the trees whose piece layers peers ask proofs of, so that a
 * request of 53 bytes does not cost the hashing of a whole layer. Each is made when it is needed
 * first and kept: all together they are a sixteenth of the layers, and so are never a reason to
 * make one twice. Pure; torrent_hashes.c and torrent_leaves.c are its callers. */
#ifndef KITH_SWARM_CROWNS_H
#define KITH_SWARM_CROWNS_H

#include "crypto/merkle.h"
#include "format/metainfo.h"

struct crowns;

/* For a torrent of so many files. NULL: no memory. */
struct crowns *crowns_new(uint32_t file_count);
void crowns_free(struct crowns *);
/* The tree above the piece layer of a file, which is known: with its crown, unless `crowns` is NULL
 * or memory is short. */
struct merkle_tree crowns_tree(struct crowns *, const struct metainfo *, uint32_t file);

#endif
