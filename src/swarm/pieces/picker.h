/* The picker: which blocks to ask a peer for.
 *
 * Pieces stand in one array ordered by (priority, availability), with the boundaries of the groups
 * known, so that a `have`, a peer's leaving or a change of priority moves a piece by O(1) swaps;
 * the order within a group is random. Pieces begun are finished before new ones; one peer gets a
 * piece's blocks in their order, so that its answers can be predicted. When every wanted block has
 * been asked for, the end-game asks for the rest at several peers.
 *
 * What only decisions need, most of its memory, is there from picker_wake to picker_rest: a torrent
 * that nobody has peers for knows what it wants, and no more.
 *
 * Pure: facts in, decisions out. swarm/torrent/torrent_pieces.c is its only caller. */
#ifndef KITH_SWARM_PICKER_H
#define KITH_SWARM_PICKER_H

#include "base/bitfield.h"
#include "base/time.h"
#include <stdint.h>

#define PICKER_PRIORITY_MAX 7
#define PICKER_PRIORITY_NORMAL 4
#define PICKER_PARTIALS_MAX 512u /* pieces begun and not whole */
#define PICKER_ENDGAME_PEERS 5u  /* peers asked for one block at a time */
/* Requests in the end-game for what another was asked for, too: this part of what is missing, */
#define PICKER_DOUBLES_SHARE 4u
#define PICKER_DOUBLES_MIN 4u           /* and so many; */
#define PICKER_DOUBLES_AFTER SECONDS(1) /* beyond, for what nobody gave in so long */
/* Blocks asked of one peer beyond what the memory holds: this part of what is wanted of it, */
#define PICKER_SPARE_SHARE 8u
#define PICKER_SPARE_MIN 2u    /* or so many */
#define PICKER_RANDOM_FIRST 4u /* pieces chosen by chance before rarest-first begins */

struct picker;

struct picker_config {
    uint32_t piece_count;
    uint32_t block_size;
    /* Bytes of a piece; called when one is begun. */
    uint32_t (*piece_size)(const void *user, uint32_t piece);
    const void *user;
    uint64_t seed;
    /* While so many are begun, blocks of those are asked for before another is begun: what is begun
     * and waits for its last block fills the memory. 0: PICKER_PARTIALS_MAX. Beyond, a peer gets
     * little at a time (PICKER_SPARE): a thousand peers would begin a thousand pieces. */
    uint32_t partials_wanted;
};

struct picker_block {
    uint32_t piece, block;
};

/* A peer, as far as the picker cares. */
struct picker_peer {
    uint32_t id; /* never 0 */
    const struct bitfield *have;
    const uint32_t *allowed_only; /* while choked: only these pieces; NULL: any */
    uint32_t allowed_count;
    const uint32_t *suggested; /* pieces it would rather give (BEP 6), if they are as rare as any */
    uint32_t suggested_count;
    uint32_t waiting; /* blocks that it was asked for and has not given yet */
    /* In the end-game it is asked for so many fewer than wanted: of what comes twice one is wasted.
     */
    uint32_t endgame_spared;
    usec now;   /* of asking: what is late is counted from it */
    bool slow;  /* snubbed or crawling: shares pieces, opens none in end-game */
    bool alone; /* its blocks and others' do not come into one piece (swarm/pieces/suspects.h) */
};

/* It rests. NULL: no memory. */
struct picker *picker_new(const struct picker_config *);
void picker_free(struct picker *);
/* Before the first peer is counted or given something to do; again: nothing happens. ERR_NOMEM. */
int picker_wake(struct picker *);
/* No peer is counted. Nothing happens while pieces are begun. */
void picker_rest(struct picker *);

/* ---- availability -------------------------------------------------------------------------- */
/* A peer's whole bitfield comes (+1) or goes (-1). One that is full costs O(1). */
void picker_add_peer(struct picker *, const struct bitfield *have);
void picker_remove_peer(struct picker *, const struct bitfield *have);
void picker_peer_has(struct picker *, uint32_t piece);
void picker_peer_lost(struct picker *, uint32_t piece); /* of one that was not full (lt_donthave) */
uint32_t picker_availability(const struct picker *, uint32_t piece);
uint32_t picker_copies(const struct picker *, uint32_t piece); /* the full ones not counted */

/* ---- what we want -------------------------------------------------------------------------- */
/* 0: unwanted. ERR_NOMEM: it is as it was. */
int picker_set_priority(struct picker *, uint32_t piece, unsigned priority);
void picker_set_sequential(struct picker *, bool on);
/* The piece is verified (or vouched for by a record); or no longer there. */
void picker_set_have(struct picker *, uint32_t piece);
void picker_set_missing(struct picker *, uint32_t piece);
bool picker_wants(const struct picker *, uint32_t piece); /* wanted and not had */
uint32_t picker_left(const struct picker *);              /* pieces wanted and not had */
bool picker_interesting(const struct picker *, const struct bitfield *have);

/* ---- blocks -------------------------------------------------------------------------------- */
/* At most `want` blocks to ask of this peer, none while it rests; they count as asked from now on.
 */
uint32_t picker_pick(
    struct picker *, const struct picker_peer *, uint32_t want, struct picker_block *out);
/* The request will not be answered. */
void picker_abandoned(struct picker *, uint32_t piece, uint32_t block, uint32_t peer);
/* A block is here. Returns false if it was already; `others` gets the ids of the other peers that
 * were asked for it (at most PICKER_ENDGAME_PEERS; 0 ends the list). */
bool picker_received(struct picker *, uint32_t piece, uint32_t block, uint32_t peer,
    uint32_t others[PICKER_ENDGAME_PEERS]);
bool picker_has_block(const struct picker *, uint32_t piece, uint32_t block);
bool picker_piece_whole(const struct picker *, uint32_t piece); /* all blocks are here */
/* The piece's blocks were thrown away: all are missing again. */
void picker_restart_piece(struct picker *, uint32_t piece);
/* One of them was. */
void picker_forget_block(struct picker *, uint32_t piece, uint32_t block);
/* From now on the piece is this peer's alone; false: somebody else was asked for some of it. */
bool picker_make_alone(struct picker *, uint32_t piece, uint32_t peer);
bool picker_is_alone(const struct picker *, uint32_t piece, uint32_t peer);
/* A piece that is begun and that this peer could have if it were begun anew: one with company for a
 * peer that must be alone, one of a peer that is alone for any other. `gives_way` is asked of each,
 * with the one whose alone it is, or 0. piece_count: none. */
uint32_t picker_take_over(const struct picker *, const struct picker_peer *,
    bool (*gives_way)(void *user, uint32_t piece, uint32_t alone_of), void *user);
/* Blocks of the piece that are here, for a record; NULL if it is not begun. */
const struct bitfield *picker_blocks(const struct picker *, uint32_t piece);
uint32_t picker_partial_count(const struct picker *);

#endif
