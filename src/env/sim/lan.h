/* The networks that a host is directly on, and word of their changes. Multicast itself is udp.c's.
 */
#ifndef KITH_ENV_SIM_LAN_H
#define KITH_ENV_SIM_LAN_H

#include "env/sim/world.h"

/* Every address is taken to stand in a /24 or /64. */
size_t sim_local_networks(struct env *, struct env_network *out, size_t max);
/* None: nobody here maps ports. */
unsigned sim_device_index(struct env *, const char *device);
size_t sim_device_addresses(struct env *, const char *device, struct endpoint *out, size_t max);
size_t sim_gateways(struct env *, struct endpoint *out, size_t max);
int sim_network_watch_start(
    struct env *, void (*changed)(void *user), void *user, struct env_network_watch **out);
void sim_network_watch_stop(struct env_network_watch *);
/* ERR_UNSUPPORTED. */
int sim_upnp_start(struct env *, const struct env_upnp_request *,
    void (*done)(void *user, int err, const struct env_upnp_result *), void *user,
    struct env_upnp **out);
void sim_upnp_cancel(struct env_upnp *);
/* The host's addresses are not what they were. */
void sim_lan_changed(struct sim_host *);

#endif
