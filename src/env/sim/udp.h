/* The env_udp_* calls of the simulated world, for its table (ops.c). */
#ifndef KITH_ENV_SIM_UDP_H
#define KITH_ENV_SIM_UDP_H

#include "env/sim/world.h"

int sim_udp_open(struct env *, const struct endpoint *at, const struct env_tcp_options *,
    void (*readable)(void *user), void *user, struct env_udp **out);
void sim_udp_local(struct env_udp *, struct endpoint *out);
int sim_udp_receive(struct env_udp *, struct env_datagram *, int count);
int sim_udp_send(struct env_udp *, const struct env_datagram *, int count);
void sim_udp_bulk(struct env_udp *);
int sim_udp_send_runs(struct env_udp *, struct env_udp_run *, int count);
void sim_udp_close(struct env_udp *);

#endif
