/* The piece layers of a v2 torrent, assembled from peers (BEP 52): a link brings the info
 * dictionary and with it each file's root, but not the hashes of its pieces.
 *
 * Layers are asked for in runs of 512 hashes, each with the proof that it belongs under its file's
 * root, so that a wrong run is known at once and with it who sent it. Pure; torrent_hashes.c is its
 * only caller. */
#ifndef KITH_SWARM_LAYER_FETCH_H
#define KITH_SWARM_LAYER_FETCH_H

#include "base/time.h"
#include "format/metainfo.h"
#include "proto/hash_message.h"

#define LAYER_FETCH_RUN 512u             /* hashes asked for at once: libtorrent's number */
#define LAYER_FETCH_PER_PEER 8u          /* runs asked of one peer at a time */
#define LAYER_FETCH_ASKED_MAX 4096u      /* of all peers together */
#define LAYER_FETCH_PATIENCE SECONDS(10) /* then a run is asked of somebody else */

struct layer_fetch;

/* The metainfo outlives it. NULL: no memory. */
struct layer_fetch *layer_fetch_new(struct metainfo *);
void layer_fetch_free(struct layer_fetch *);
/* What to ask this peer for; false: nothing now. */
bool layer_fetch_next(struct layer_fetch *, uint32_t peer, usec now, struct hash_request *out);
/* An answer: the hashes, then the uncles. 1: all layers are known; 0: taken, or not needed;
 * ERR_HASH: the peer lied; ERR_PROTOCOL: not what was asked for. ERR_NOMEM. */
int layer_fetch_answer(
    struct layer_fetch *, uint32_t peer, const struct hash_request *, struct bytes hashes);
void layer_fetch_rejected(struct layer_fetch *, uint32_t peer, const struct hash_request *);
void layer_fetch_left(struct layer_fetch *, uint32_t peer);

#endif
