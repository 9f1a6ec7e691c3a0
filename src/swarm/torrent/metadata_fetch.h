/* The info dictionary, assembled from peers (BEP 9). Pure: it says what to ask whom, is told what
 * came, and is done when the whole has the hash that the link named.
 *
 * Each size that is claimed is an attempt of its own, so that a false one does not keep the true
 * one away. The only giver of a wrong whole is a liar; if it had several, each must from then on
 * give all of it alone. Who refuses or keeps silent rests while others are asked. */
#ifndef KITH_SWARM_METADATA_FETCH_H
#define KITH_SWARM_METADATA_FETCH_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"

#define METADATA_FETCH_SIZE_MAX (32u << 20)
#define METADATA_FETCH_PIECE 16384u
#define METADATA_FETCH_PATIENCE SECONDS(10)   /* then a piece is asked of somebody else */
#define METADATA_FETCH_ATTEMPTS 4u            /* at a time ... */
#define METADATA_FETCH_MEMORY_MAX (64u << 20) /* ... and bytes of all of them */
#define METADATA_FETCH_TURN SECONDS(30)       /* then an attempt makes room if others wait */
#define METADATA_FETCH_WITNESSES_MAX 64u      /* peers of which something is known */

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
/* The whole was wrong. The liar, if one peer gave all of it, or 0. */
uint32_t metadata_fetch_wrong(struct metadata_fetch *);

#endif
