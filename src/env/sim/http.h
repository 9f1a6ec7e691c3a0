/* HTTP in the simulated world: servers are handlers of the scenario. env_http_* for ops.c. */
#ifndef KITH_ENV_SIM_HTTP_H
#define KITH_ENV_SIM_HTTP_H

#include "env/sim/world.h"

int sim_http_start(struct env *, const struct env_http_request *, const struct env_http_events *,
    void *user, struct env_http **out);
void sim_http_cancel(struct env_http *);
void sim_http_pause(struct env_http *, bool paused);

#endif
