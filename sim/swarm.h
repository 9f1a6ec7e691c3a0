/* A swarm of whole nodes in the simulated world, for scenarios: who has the data, who wants it,
 * what befalls them, and what must hold in every run.
 *
 * What is checked always stands in sim/checks. */
#ifndef KITH_SIM_SWARM_H
#define KITH_SIM_SWARM_H

#include "env/sim/sim.h"
#include "format/metainfo.h"
#include <kith.h>

#define SWARM_NODES_MAX 512u

struct swarm;

struct swarm_node {
    struct swarm *swarm;
    char name[16], state_file[96];
    struct sim_host *host;
    struct kith_node *node; /* NULL while it is down */
    struct kith_torrent *torrent;
    const char *folder, *wants;
    bool no_tcp;
    uint64_t up;    /* bytes a second; 0: unlimited */
    unsigned lives; /* how often it was started */
    bool honest, seeder, complete, ready;
    unsigned troubles, recoveries;
    uint64_t hashed_at_ready; /* bytes it hashed before it was ready the last time */
    uint32_t pieces_seen;     /* checks/progress.c */
    usec progress_at;
    usec started_at;   /* its first life */
    usec completed_at; /* the last time */
};

struct swarm_node_config {
    bool seeder;
    uint64_t up, down;   /* bytes a second; 0: unlimited */
    uint64_t queue;      /* bytes of its modem's; 0: fair queueing */
    struct sim_nat *nat; /* NULL: on the open network */
    const char *folder;  /* of its data */
    const char *wants;   /* a glob over the torrent's files; NULL: all; "nothing": none */
    bool no_tcp;
};

struct swarm_config {
    uint64_t seed;
    bool rough;
    uint32_t file_sizes[4]; /* 0 ends */
    uint32_t piece_length;
    int format;          /* enum kith_format */
    uint64_t memory_max; /* of each node */
    bool remember;       /* nodes have state files */
    bool no_utp, no_tcp, no_dht, plaintext;
    unsigned known; /* others that a node begins with, by lot, as a tracker has it; 0: all */
    const struct sim_config *world;      /* instead of the calm or rough one; NULL */
    unsigned lost_percent, late_percent; /* datagrams; 0: as the world has it */
};

struct swarm {
    struct sim_world *world;
    struct swarm_config config;
    struct swarm_node nodes[SWARM_NODES_MAX];
    unsigned count;
    struct swarm_node *awaited; /* was not complete when it was looked at last */
    uint8_t *torrent;           /* the .torrent */
    size_t torrent_size;
    struct metainfo *metainfo;
    struct builder content[4]; /* of each file */
    usec looked_at;            /* by the checks */
    void *script;              /* of the scenario: freed with the swarm */
    bool script_over;          /* what it has left to do is not done any more */
    char why[256];             /* the first thing that did not hold; "" */
};

/* Makes the world, the data and its torrent. */
void swarm_new(struct swarm *, const struct swarm_config *);
void swarm_free(struct swarm *);
struct swarm_node *swarm_add(struct swarm *, const struct swarm_node_config *);
/* Where a node with that folder has file 0 to 3. */
void swarm_file_path(char *out, size_t size, const char *folder, unsigned file);
/* Starts the node with the addresses of all that run; its data is in `folder`. */
void swarm_start(struct swarm_node *);
/* Starts one anew with nothing but what it remembers. */
void swarm_start_again(struct swarm_node *);
void swarm_crash(struct swarm_node *, enum sim_crash);
/* Everybody who is honest and up has everything. */
bool swarm_all_complete(struct swarm *);
/* How long the slowest of the honest took, from its first start to its end. */
usec swarm_longest(const struct swarm *);
/* Time passes. */
void swarm_pass(struct swarm *, usec time);
/* Runs until then; false: swarm->why says what went wrong. */
bool swarm_run_until(struct swarm *, usec at_most, bool (*reached)(struct swarm *));
bool swarm_fail(struct swarm *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
