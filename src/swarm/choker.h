/* The choker: whom to let have data.
 *
 * Leeching: the peers that give most get most (tit for tat), and one slot goes to somebody by
 * turns, newcomers three times as likely (optimistic unchoke). Seeding: the slots go round, so that
 * a fast taker cannot hold one for ever; of those who wait, whoever waited longest is next. Pure:
 * facts in, decisions out. */
#ifndef KITH_SWARM_CHOKER_H
#define KITH_SWARM_CHOKER_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOKER_ROUND SECONDS(10)
#define CHOKER_OPTIMISTIC SECONDS(30)
#define CHOKER_SEED_TURN SECONDS(60) /* how long a slot is held while others wait */
#define CHOKER_SLOTS 8u
#define CHOKER_NEWCOMER SECONDS(60)

struct choker_peer {
    bool interested;
    bool unchoked;              /* now */
    bool snubbed;               /* does not give though we ask */
    uint64_t gives_rate;        /* bytes a second to us */
    usec joined_at, changed_at; /* changed_at: its last choke or unchoke */
    bool unchoke;               /* out */
};

struct choker {
    uint64_t random;
    usec optimistic_at;
    usec next_round;
};

void choker_init(struct choker *, uint64_t seed);
/* Sets `unchoke` of every peer. */
void choker_run(struct choker *, struct choker_peer *, size_t count, bool seeding, usec now);

#endif
