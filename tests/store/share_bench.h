/* What the tests of scan and create share: a simulated host with files on it, and a creation run to
 * its end. */
#ifndef KITH_TESTS_STORE_SHARE_BENCH_H
#define KITH_TESTS_STORE_SHARE_BENCH_H

#include "env/sim/sim.h"
#include "store/create/create.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct share_bench {
    struct sim_world *world;
    struct sim_host *host;
    struct env *env;
};

void share_bench_new(struct share_bench *, uint64_t seed);
void share_bench_free(struct share_bench *);
/* Lets virtual time pass, so that files are old enough for the cache. */
void share_bench_wait(struct share_bench *, usec);

/* A file of the formula of make_create_vectors.py. `path` absolute. */
void share_bench_put(struct share_bench *, const char *path, size_t size, unsigned seed);
void share_bench_symlink(struct share_bench *, const char *path, const char *target);
void share_bench_set_executable(struct share_bench *, const char *path);
void share_bench_make_folder(struct share_bench *, const char *path);

/* How a creation ended. */
struct share_end {
    bool ended;
    int err;
    char detail[512];
    uint8_t *torrent; /* malloc'd */
    size_t torrent_size;
    struct scan *scan;
    struct create_result result;
    unsigned progress_calls;
    struct create_progress last;
    void (*on_progress)(struct share_end *); /* may be set before the run */
    struct create *create;
    void *user;
};
void share_end_free(struct share_end *);

/* Starts, and runs the world until done() has been called. */
void share_bench_create(struct share_bench *, const struct create_options *, struct share_end *);

#endif
