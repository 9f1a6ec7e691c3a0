/* Names in the simulated world: a table that the scenario fills. env_resolve_* for ops.c. */
#ifndef KITH_ENV_SIM_NAMES_H
#define KITH_ENV_SIM_NAMES_H

#include "env/sim/world.h"

/* Looks a name (or a numeric address) up at once. How many endpoints (at most ENV_RESOLVE_MAX), or
 * an error. */
int sim_names_find(struct sim_world *, const char *host, uint16_t port, struct endpoint *out);

int sim_resolve_start(struct env *, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out);
void sim_resolve_cancel(struct env_resolve *);

#endif
