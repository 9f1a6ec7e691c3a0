/* A NAT box between an inner network and an outer one: what it remembers of who spoke to whom
 * (RFC 4787), and what it lets in because of it. net.c asks it for every packet that crosses it. */
#ifndef KITH_ENV_SIM_NAT_H
#define KITH_ENV_SIM_NAT_H

#include "env/sim/world.h"

enum sim_protocol { SIM_UDP, SIM_TCP };

struct sim_nat {
    struct sim_world *world;
    uint32_t number; /* of its inner network; the open network is 0 */
    char *name;
    struct sim_nat_config config;
    struct endpoint outer; /* its address on the outer network, port 0 */
    struct map *outward;   /* inner endpoint (and, if symmetric, the remote one) -> mapping */
    struct map *inward;    /* outer port -> mapping */
    struct map *heard; /* outer port and remote that was spoken to -> until when it may answer */
    struct sim_rng rng;
};

/* A packet goes out: `from` becomes the outer endpoint, and the box remembers. False: no port is
 * free. */
bool sim_nat_out(
    struct sim_nat *, enum sim_protocol, struct endpoint *from, const struct endpoint *to);
/* A packet from `from` comes to the box's address: `to` becomes the inner endpoint. False: nobody
 * is meant, or it is not let in. */
bool sim_nat_in(
    struct sim_nat *, enum sim_protocol, const struct endpoint *from, struct endpoint *to);
/* Who would be meant, let in or not. */
bool sim_nat_aim(struct sim_nat *, enum sim_protocol, struct endpoint *to);
void sim_nat_free(struct sim_nat *);

#endif
