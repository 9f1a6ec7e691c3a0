/* The info dictionary, assembled from peers (BEP 9). Pure: it says what to ask whom, is told what
 * came, and is done when the whole has the hash that the link named.
 *
 * One attempt has one size and remembers who gave each piece; if the whole is wrong, its givers are
 * left out of the next attempt. */
#ifndef KITH_SWARM_METADATA_FETCH_H
#define KITH_SWARM_METADATA_FETCH_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"

#define METADATA_FETCH_SIZE_MAX (32u << 20)
#define METADATA_FETCH_PIECE 16384u
#define METADATA_FETCH_PATIENCE SECONDS(10) /* then a piece is asked of somebody else */
#define METADATA_FETCH_DISTRUSTED_MAX 64u

struct metadata_fetch;
struct metadata_fetch *metadata_fetch_new(void); /* NULL: no memory */
void metadata_fetch_free(struct metadata_fetch *);
/* Which piece to ask this peer for, given the size that it claims; false: none now. */
bool metadata_fetch_next(
    struct metadata_fetch *, uint32_t peer, uint64_t claimed_size, usec now, uint32_t *piece);
/* A piece came. 1: all are here (see metadata_fetch_whole); 0: taken; ERR_PROTOCOL: it was not
 * asked for, or has the wrong size. */
int metadata_fetch_data(struct metadata_fetch *, uint32_t peer, uint32_t piece, struct bytes data);
/* The peer rejected it or left: others may be asked. */
void metadata_fetch_rejected(struct metadata_fetch *, uint32_t peer, uint32_t piece);
void metadata_fetch_left(struct metadata_fetch *, uint32_t peer);
struct bytes metadata_fetch_whole(const struct metadata_fetch *);
/* The whole was wrong: start again without those who gave it. */
void metadata_fetch_wrong(struct metadata_fetch *);

#endif
