/* Who reaches whom, how fast and how badly; and who owns which address and port. TCP and UDP ask
 * here for every packet, so this is the one place where the shape of the network is decided. */
#ifndef KITH_ENV_SIM_NET_H
#define KITH_ENV_SIM_NET_H

#include "env/sim/world.h"

#define SIM_PACKET 1448 /* payload of one packet: loss is drawn for each */
#define SIM_CONTROL 40  /* bytes on the line of a packet without payload */

/* A pair of hosts that differs from the world's rule. */
struct sim_path {
    bool set, cut;
    usec latency;
    double loss;
};

/* The host that answers at this address for packets from `from`; NULL: nobody. */
struct sim_host *sim_net_route(struct sim_host *from, const struct endpoint *to);
/* Do packets pass now? */
bool sim_net_passes(const struct sim_host *from, const struct sim_host *to);
/* One way, without and with the jitter of one packet. */
usec sim_net_latency(const struct sim_host *from, const struct sim_host *to);
usec sim_net_delay(const struct sim_host *from, const struct sim_host *to);
double sim_net_loss(const struct sim_host *from, const struct sim_host *to);

/* The source address (port 0) of traffic to `to`. ERR_NETWORK if the host has none that fits. */
int sim_net_source(struct sim_host *, const struct endpoint *to, const struct env_tcp_options *,
    struct endpoint *out);
/* May `at` be bound here, considering the options' device and address? 0 and the address, or an
 * error. */
int sim_net_bindable(struct sim_host *, const struct endpoint *at, const struct env_tcp_options *,
    struct endpoint *out);
/* Does something bound to `bound` (perhaps to a device, "" for any) hear packets to `to`? */
bool sim_net_hears(const struct sim_host *, const struct endpoint *bound, const char *device,
    const struct endpoint *to);
/* Would both bindings hear the same packets? */
bool sim_net_conflict(const struct endpoint *a, const struct endpoint *b);
/* The next ephemeral port. */
uint16_t sim_net_port(struct sim_host *);
/* Is it one of the host's own addresses, loopback included? */
bool sim_net_owns(const struct sim_host *, const struct endpoint *);
bool sim_net_is_any(const struct endpoint *);

#endif
