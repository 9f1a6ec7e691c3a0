/* A swarm of whole nodes in the simulated world, for scenarios: who has the data, who wants it,
 * what befalls them, and what must hold in every run.
 *
 * Checked always: a piece that a node vouches for is the piece, byte for byte on its disk, whenever
 * it says that it is ready or complete; the file that somebody else left in the way is untouched;
 * no more connections or buffer memory than the bounds allow. */
#ifndef KITH_SIM_SWARM_H
#define KITH_SIM_SWARM_H

#include "env/sim/sim.h"
#include "format/metainfo.h"
#include <kith.h>

#define SWARM_NODES_MAX 64u

struct swarm;

struct swarm_node {
    struct swarm *swarm;
    char name[16], state_file[96];
    struct sim_host *host;
    struct kith_node *node; /* NULL while it is down */
    struct kith_torrent *torrent;
    const char *folder;
    unsigned lives; /* how often it was started */
    bool honest, seeder, complete, ready;
    unsigned troubles, recoveries;
    uint64_t hashed_at_ready; /* bytes it hashed before it was ready the last time */
};

struct swarm_config {
    uint64_t seed;
    bool rough;
    uint32_t file_sizes[4]; /* 0 ends */
    uint32_t piece_length;
    int format;          /* enum kith_format */
    uint64_t memory_max; /* of each node */
    bool remember;       /* nodes have state files */
};

struct swarm {
    struct sim_world *world;
    struct swarm_config config;
    struct swarm_node nodes[SWARM_NODES_MAX];
    unsigned count;
    uint8_t *torrent; /* the .torrent */
    size_t torrent_size;
    struct metainfo *metainfo;
    struct builder content[4]; /* of each file */
    char why[256];             /* the first thing that did not hold; "" */
};

/* Makes the world, the data and its torrent. */
void swarm_new(struct swarm *, const struct swarm_config *);
void swarm_free(struct swarm *);
struct swarm_node *swarm_add(struct swarm *, bool seeder, uint64_t up, uint64_t down);
/* Starts the node with the addresses of all that run; its data is in `folder`. */
void swarm_start(struct swarm_node *);
void swarm_crash(struct swarm_node *, enum sim_crash);
/* Everybody who is honest and up has everything. */
bool swarm_all_complete(struct swarm *);
/* Time passes. */
void swarm_pass(struct swarm *, usec time);
/* Runs until then; false: swarm->why says what went wrong. */
bool swarm_run(struct swarm *, usec at_most);
bool swarm_run_until(struct swarm *, usec at_most, bool (*reached)(struct swarm *));
bool swarm_fail(struct swarm *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
