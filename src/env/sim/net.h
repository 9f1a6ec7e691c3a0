/* Who reaches whom, how fast and how badly; and who owns which address and port. TCP and UDP ask
 * here for every packet, so this is the one place where the shape of the network is decided. */
#ifndef KITH_ENV_SIM_NET_H
#define KITH_ENV_SIM_NET_H

#include "env/sim/nat.h"
#include "env/sim/world.h"

#define SIM_PACKET 1448 /* payload of one packet: loss is drawn for each */
#define SIM_CONTROL 40  /* bytes on the line of a packet without payload */

/* A pair of hosts that differs from the world's rule; [1] from the higher number to the lower. */
struct sim_path {
    bool set, cut;
    usec latency[2];
    double loss[2];
    unsigned mtu; /* 0: as the hosts' lines have it */
};

/* Where a packet has come to on its way: out of its host and of the NATs above it, as far as the
 * network on which somebody owns the address that it is for. */
struct sim_crossing {
    struct sim_host *self; /* no NAT is on its way to this one: its own host, or its LAN's */
    struct sim_nat *realm; /* the network; NULL: the open one */
    usec tcp_lifetime;     /* the shortest memory of the NATs on the way; NEVER: none */
};

/* A packet leaves its host: each NAT on the way rewrites `from` and remembers. False: nobody owns
 * the address, or a NAT does not turn it round. */
bool sim_net_leave(struct sim_host *, enum sim_protocol, struct endpoint *from,
    const struct endpoint *to, struct sim_crossing *out);
/* It comes in: through the NATs below, if they let it; each rewrites `to`. The host; NULL: nobody.
 */
struct sim_host *sim_net_enter(struct sim_world *, struct sim_crossing *, enum sim_protocol,
    const struct endpoint *from, struct endpoint *to);
/* The host for which it is meant, let in or not; NULL: nobody. */
struct sim_host *sim_net_aim(
    struct sim_world *, const struct sim_crossing *, enum sim_protocol, const struct endpoint *to);
void sim_net_attach_nat(struct sim_nat *, const char *address);
void sim_net_free(struct sim_world *);
/* Is the NAT passed by what goes between this host and the network `realm`? */
bool sim_net_is_behind(
    const struct sim_host *, const struct sim_nat *, const struct sim_nat *realm);
/* Do packets pass now? */
bool sim_net_passes(const struct sim_host *from, const struct sim_host *to);
/* One way, without and with the jitter of one packet. */
usec sim_net_latency(const struct sim_host *from, const struct sim_host *to);
usec sim_net_delay(const struct sim_host *from, const struct sim_host *to);
/* The largest UDP payload that goes in one packet; what is larger goes in fragments, or not at all.
 */
size_t sim_net_datagram_max(const struct sim_host *from, const struct sim_host *to, uint8_t family);
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

#endif
