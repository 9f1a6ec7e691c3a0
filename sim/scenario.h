/* A scenario: a small text file of sim/scenarios/ that says who is there, with what, what befalls
 * them and what must hold. Played line by line on a swarm; everything that it leaves open
 * ("either", "2..6") is drawn by the seed.
 *
 * Values: sizes "5", "256k", "64M" (bytes, or bytes a second); times "300ms", "15s", "4m", "2h";
 * "A..B" is drawn, B excluded; "#" begins a comment, the first line is what --list shows.
 *
 * Who and where:
 *   mode safety | liveness         safety: faults never stop and nobody has to finish;
 *                                  liveness: "faults cease" at last, then everybody must finish
 *   world calm | rough | either    format v1 | v2 | hybrid | any
 *   seeds N                        in a short run
 *   carrier both | tcp | utp       of connections; both are raced
 *   datagrams lost N late N        so many in a hundred, also where the world is calm
 *   memory SIZE                    of each node; "remember": nodes have state files
 *   data SIZE pieces SIZE          of the largest file, and of each piece
 *   nat NAME full|address|port|symmetric [hairpin] [scattering] [behind NAT] [lifetime TIME]
 *                                  scattering: its outer ports are by lot
 *   nodes GROUP [COUNT] [with data] [up SIZE] [down SIZE] [queue SIZE] [behind NAT] [in FOLDER]
 *               [wants GLOB] [by utp]   the files that it wants; without TCP
 *
 * What happens, in order:
 *   start GROUP [over TIME]        wait TIME
 *   crash GROUP [COUNT times over TIME]      one of the group, killed or without power
 *   repeat COUNT ... end
 *   islands COUNT                  each node goes to one by lot
 *   heal | faults cease            the second also ends the world's random misfortunes
 *   nats forget                    suspend GROUP TIME         clock GROUP SECONDS
 *   rot GROUP every SIZE           its data goes bad on its disk, unknown to it
 *   disk GROUP fails at CALL for COUNT with ENOSPC | EIO | either [after SIZE written]
 *   disk GROUP holds SIZE
 *   volume GROUP SIZE | vanishes | returns   the one at /usb
 *   kill GROUP                     for good
 *
 * What must hold (beside the checks of sim/checks, which watch all the time):
 *   until everybody | GROUP complete | ready | troubled within TIME
 *   expect GROUP incomplete | recovered | unhashed | unmade
 *   expect GROUP peers COUNT       each of it is up and has so many
 *   expect GROUP says WORD         in its reason why nothing moves
 *   expect GROUP sent at most SIZE   each of it, since the beginning
 *   expect everybody done within COUNT times the time without GROUP
 *                                  the same is played once more, and that group never comes */
#ifndef KITH_SIM_SCENARIO_H
#define KITH_SIM_SCENARIO_H

#include "swarm.h"

#define SCENARIO_LINES_MAX 64u
#define SCENARIO_WORDS_MAX 16u

struct scenario_line {
    unsigned number; /* in the file */
    unsigned count;
    char *words[SCENARIO_WORDS_MAX];
};

struct scenario {
    char name[64];
    char *text; /* the file, cut into words */
    char about[160];
    unsigned seeds;
    bool liveness;
    unsigned count;
    struct scenario_line lines[SCENARIO_LINES_MAX];
};

/* Reads a file. False, with a message on stderr, if it is no scenario. */
bool scenario_load(struct scenario *, const char *folder, const char *file);
void scenario_unload(struct scenario *);
/* Plays it. False: swarm->why says what did not hold. The swarm is for the caller to free. */
bool scenario_play(const struct scenario *, struct swarm *, uint64_t seed);

#endif
