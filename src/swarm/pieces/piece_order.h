/* The order in which pieces are worth beginning: by priority, then the rarest first, by chance
 * among equals.
 *
 * Pieces stand in one array; the boundaries of its groups (one for each priority and number of
 * copies) are known, so that a `have` moves a piece by one swap. What a whole bitfield changes is
 * counted at once and put in order little by little (`piece_order_tidy`): a peer that comes or goes
 * costs no sort. Until then a piece that has become more common may stand too far in front, which
 * whoever looks there mends, and one that has become rarer too far behind for some decisions.
 *
 * Pure. swarm/pieces/picker.c is the only caller: it knows which pieces belong here. */
#ifndef KITH_SWARM_PIECE_ORDER_H
#define KITH_SWARM_PIECE_ORDER_H

#include "base/bitfield.h"

#define PIECE_ORDER_PRIORITIES 8u /* 0 to 7; 0 never stands in the order */
#define PIECE_ORDER_COPIES 255u   /* more copies than that are all the same */

struct piece_order;

/* No piece stands in it yet; all have `priority`. NULL: no memory. */
struct piece_order *piece_order_new(uint32_t piece_count, unsigned priority, uint64_t seed);
void piece_order_free(struct piece_order *);

/* ---- copies: of the peers that do not have everything -------------------------------------- */
void piece_order_add_peer(struct piece_order *, const struct bitfield *have);
void piece_order_remove_peer(struct piece_order *, const struct bitfield *have);
void piece_order_add_copy(struct piece_order *, uint32_t piece);
void piece_order_remove_copy(struct piece_order *, uint32_t piece);
uint32_t piece_order_copies(const struct piece_order *, uint32_t piece);

/* ---- what stands in it --------------------------------------------------------------------- */
/* Both do nothing if it is so already. */
void piece_order_put(struct piece_order *, uint32_t piece);
void piece_order_take(struct piece_order *, uint32_t piece);
bool piece_order_holds(const struct piece_order *, uint32_t piece);
unsigned piece_order_priority(const struct piece_order *, uint32_t piece);
/* Costs a sort before the order is looked at next, however many are set. */
void piece_order_set_priority(struct piece_order *, uint32_t piece, unsigned priority);

/* ---- looking ------------------------------------------------------------------------------- */
/* A decision is about to be made: some of what bitfields changed is put in order. */
void piece_order_tidy(struct piece_order *);
uint32_t piece_order_count(const struct piece_order *);
/* index < piece_order_count. */
uint32_t piece_order_at(struct piece_order *, uint32_t index);
/* The same, and what it finds there stands where it belongs. */
uint32_t piece_order_settled_at(struct piece_order *, uint32_t index);
/* Both stand in it. */
bool piece_order_before(struct piece_order *, uint32_t a, uint32_t b);
/* Below `bound`. The same seed makes the same choices. */
uint32_t piece_order_chance(struct piece_order *, uint32_t bound);
/* Pieces moved or looked at so far by tidying and settling: what a test counts instead of time. */
uint64_t piece_order_work(const struct piece_order *);

#endif
