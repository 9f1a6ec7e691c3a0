/* A scenario of the simulated world, as a table that can be read aloud: who, with what, which
 * faults, what must hold at the end. A sketch: the runner (sim/scenario.c) comes with node/, whose
 * nodes it will start on the hosts; everything below node/ (src/env/sim/sim.h) is there.
 *
 * Two modes. SAFETY: the faults never stop, and the checks say what must never be wrong (no bad
 * piece accepted, nothing acknowledged lost, nothing outside the folder). LIVENESS: at `heal_at`
 * the faults stop, paths heal, disks have room, crashed hosts return, and from then on every honest
 * node must finish within `patience`.
 *
 * A run is one seed: it draws the content, the links, the latencies, the order of jobs and every
 * misfortune. A failure prints the scenario's name, the seed and sim_world_complaint; the same
 * binary with that seed replays it, and sim_config.trace shows where two runs part. */
#ifndef KITH_SIM_SCENARIO_H
#define KITH_SIM_SCENARIO_H

#include "env/sim/sim.h"

#define SCENARIO_ROLES_MAX 8
#define SCENARIO_STEPS_MAX 32
#define SCENARIO_CHECKS_MAX 8
#define SCENARIO_NODES_MAX 512

enum scenario_mode { SCENARIO_SAFETY, SCENARIO_LIVENESS };

enum scenario_kind {
    SCENARIO_SEED,   /* has all of the content */
    SCENARIO_LEECH,  /* has nothing, wants all */
    SCENARIO_LIAR,   /* sends pieces with flipped bits */
    SCENARIO_MUTE,   /* takes requests, answers none */
    SCENARIO_TRACKER /* not a node: sim_http_serve */
};

/* So many nodes of a kind, on hosts of one make. */
struct scenario_role {
    enum scenario_kind kind;
    unsigned count;
    uint64_t up_bytes_per_second, down_bytes_per_second;
    uint64_t disk_bytes;
};

enum scenario_deed {
    SCENARIO_KILL,        /* and restart after `lasts` */
    SCENARIO_CUT_POWER,   /* likewise; the disk forgets what was not synced */
    SCENARIO_PARTITION,   /* `share` of the hosts, for `lasts` */
    SCENARIO_DISK_FULL,   /* for `lasts` */
    SCENARIO_DISK_ERROR,  /* the fault in `disk`, for `lasts` */
    SCENARIO_VOLUME_GONE, /* for `lasts` */
    SCENARIO_CHURN        /* a node leaves, a fresh one comes */
};

/* One misfortune: to whom (a role, one of its nodes drawn by the seed), when, how long, how often.
 */
struct scenario_step {
    enum scenario_deed deed;
    unsigned role;         /* index in roles */
    usec at, every, lasts; /* every 0: once */
    double share;
    struct sim_disk_fault disk;
};

struct scenario_run; /* one seed of one scenario, for the checkers */

/* A checker is a small file of its own: NULL, or what is wrong in words. Called after every
 * virtual second (`always`) or at the end. */
struct scenario_check {
    const char *name;
    enum { SCENARIO_ALWAYS, SCENARIO_AT_THE_END } when;
    const char *(*wrong)(const struct scenario_run *);
};

struct scenario {
    const char *name;
    enum scenario_mode mode;
    struct sim_config (*weather)(uint64_t seed); /* sim_config_calm, sim_config_rough, one's own */
    uint64_t content_bytes;
    struct scenario_role roles[SCENARIO_ROLES_MAX];
    struct scenario_step steps[SCENARIO_STEPS_MAX];
    struct scenario_check checks[SCENARIO_CHECKS_MAX];
    usec heal_at;  /* LIVENESS: the end of all misfortune */
    usec patience; /* after it, until all honest nodes must be complete */
};

/* 0 if all checks held; prints what did not. */
int scenario_play(const struct scenario *, uint64_t seed);

#endif
