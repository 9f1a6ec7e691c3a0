/* What the tests of the state database share: a folder of its own, an env whose jobs run, records
 * to save. */
#ifndef KITH_TESTS_STORE_STATE_BENCH_H
#define KITH_TESTS_STORE_STATE_BENCH_H

#include "env/sim/sim.h"
#include "store/state/state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct state_bench {
    struct sim_world *world;
    struct sim_host *host;
    struct env *env;
    char folder[64];
    char path[96]; /* folder/state.db */
    struct state *state;
    struct state_report report;
    bool deadline_changed; /* since state_bench_run last looked */
};

/* A world and an empty folder; nothing is opened. */
void state_bench_new(struct state_bench *);
/* Closes the state if it is open, and removes the folder. */
void state_bench_free(struct state_bench *);
/* Opens; state_open's answer, with bench->report filled anew. */
int state_bench_open(struct state_bench *);
void state_bench_close(struct state_bench *);
/* Runs the world until no save waits. */
void state_bench_settle(struct state_bench *);
/* Runs the state's ticks until it has taken its copy. */
void state_bench_copy(struct state_bench *);
/* Runs it for so long, ticking as its deadline says, and when it tells of another one. */
void state_bench_run(struct state_bench *, usec time);

/* A record that is different for every number. */
struct state_torrent state_bench_torrent(int64_t id);
bool state_bench_same_torrent(const struct state_torrent *, const struct state_torrent *);

/* Files of the folder. */
uint8_t *state_bench_read(const char *path, size_t *size);
void state_bench_write(const char *path, const void *data, size_t size);
/* How many files' names begin with this. */
unsigned state_bench_count(struct state_bench *, const char *prefix);

#endif
