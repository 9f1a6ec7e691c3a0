/* Who had a hand in bad pieces and has not been cleared. A suspect is asked for whole pieces only,
 * with nobody else's blocks among its own: so its next bad piece shows who made it, and one that is
 * right clears it. Kept by address, because a peer that comes back is no other. Pure;
 * torrent_blame.c is its only caller. */
#ifndef KITH_SWARM_SUSPECTS_H
#define KITH_SWARM_SUSPECTS_H

#include "base/addr.h"

#define SUSPECTS_MAX 64u /* addresses; the oldest goes */

struct suspect {
    struct endpoint address;
    unsigned bad_pieces; /* in which it had a hand, cleared or not */
    bool cleared;
};

/* Zeroed: empty. */
struct suspects {
    struct suspect *items; /* SUSPECTS_MAX of them, with the first: most torrents have none */
    unsigned count, next;
};
void suspects_free(struct suspects *);

/* It gave blocks of a piece that was bad. Without memory for the first that is forgotten. */
void suspects_add(struct suspects *, const struct endpoint *);
/* It gave a whole piece alone, and that was right. */
void suspects_clear(struct suspects *, const struct endpoint *);
bool suspects_hold(const struct suspects *, const struct endpoint *);
unsigned suspects_bad_pieces(const struct suspects *, const struct endpoint *);

#endif
