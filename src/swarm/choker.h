/* The choker: whom to let have data.
 *
 * Leeching: the peers that give most get most (tit for tat), and one slot goes to somebody by lot,
 * most likely to who has little, then to newcomers (optimistic unchoke). Seeding: the slots go
 * round, so that a fast taker cannot hold one for ever; of those who wait, whoever waited longest
 * is next. Pure: facts in, decisions out. */
#ifndef KITH_SWARM_CHOKER_H
#define KITH_SWARM_CHOKER_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOKER_ROUND SECONDS(10)
#define CHOKER_OPTIMISTIC SECONDS(30)
#define CHOKER_SEED_TURN SECONDS(60) /* how long a slot is held while others wait */
/* A newcomer counts as having waited for so long at a seed: it has nothing to trade. But no longer,
 * or nobody would have a second turn while newcomers keep coming. */
#define CHOKER_SEED_CREDIT SECONDS(120)
#define CHOKER_SLOTS 8u
#define CHOKER_NEWCOMER SECONDS(60)
#define CHOKER_LOTS_NEWCOMER 3u /* in the drawing of the slot of chance; others have one */
#define CHOKER_LOTS_POOR 9u
#define CHOKER_YOUTH SECONDS(9) /* of a torrent: its rounds, and the turns of chance, are short */
#define CHOKER_ROUND_YOUNG SECONDS(3)

struct choker_peer {
    bool interested;
    bool unchoked;              /* now */
    bool snubbed;               /* does not give though we ask */
    uint64_t gives_rate;        /* bytes a second to us */
    usec joined_at, changed_at; /* changed_at: its last choke or unchoke; 0: none yet */
    bool poor;                  /* has less than half of what we have */
    bool by_lot;  /* holds the slot of chance; out, too: given back at the next call */
    bool unchoke; /* out */
};

struct choker {
    uint64_t random;
    usec began_at; /* the first round with somebody interested; 0: none yet */
    usec optimistic_at;
    usec next_round;
};

void choker_init(struct choker *, uint64_t seed);
/* Sets `unchoke` of every peer. */
void choker_run(struct choker *, struct choker_peer *, size_t count, bool seeding, usec now);
/* The same between rounds: who has a slot and wants it keeps it, only what is free is given. */
void choker_fill(struct choker *, struct choker_peer *, size_t count, bool seeding, usec now);

#endif
