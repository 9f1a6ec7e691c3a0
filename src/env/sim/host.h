/* A host's own verbs that the rest of the simulated world needs: see host.c. */
#ifndef KITH_ENV_SIM_HOST_H
#define KITH_ENV_SIM_HOST_H

#include "env/sim/world.h"

/* Closes and frees every handle of every life; events included. */
void sim_host_free_handles(struct sim_host *);
void sim_host_free(struct sim_host *);

/* The env's calls that are neither network nor disk. */
usec sim_now(struct env *);
int64_t sim_time_unix(struct env *);
void sim_random(struct env *, void *out, size_t size);
void sim_wake_at(struct env *, usec deadline, void (*wake)(void *user, usec now), void *user);
void sim_loop_wake(struct env *);
size_t sim_local_addresses(struct env *, struct endpoint *out, size_t max);

/* How far the host's monotonic clock, which rests in a suspension, is behind the world's when it is
 * awake. */
static inline usec sim_clock_behind(const struct sim_host *host)
{
    return host->slept + (host->wakes_at - host->sleep_began) - host->config.clock_start;
}

#endif
