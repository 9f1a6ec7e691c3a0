/* Workers of a simulated host. env_submit and env_worker_count for ops.c. */
#ifndef KITH_ENV_SIM_JOBS_H
#define KITH_ENV_SIM_JOBS_H

#include "env/sim/world.h"

void sim_submit(struct env *, enum env_lane, struct env_job *);
unsigned sim_worker_count(struct env *);

#endif
