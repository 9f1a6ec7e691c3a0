/* The networks that a node is on, and what happens when they change: an interface comes or goes, an
 * address is another, the machine has slept. Who depends on them is told here, in network.c. */
#ifndef KITH_NODE_NETWORK_H
#define KITH_NODE_NETWORK_H

#include "base/addr.h"
#include <stddef.h>

struct kith_node;

#define NETWORK_ADDRESSES_MAX 64u
#define NETWORK_GATEWAYS_MAX 4u

/* ERR_NOMEM. */
int network_start(struct kith_node *);
void network_stop(struct kith_node *);
/* Is it on a network that this machine is on, too? */
bool network_is_local(const struct kith_node *, const struct endpoint *);
/* Is it an address of this machine? */
bool network_is_ours(const struct kith_node *, const struct endpoint *);
/* This machine is on no network at all, loopback aside. */
bool network_is_offline(const struct kith_node *);
/* The address of ours by which we speak to a router. */
bool network_ours_towards(
    const struct kith_node *, const struct endpoint *router, struct endpoint *out);
size_t network_gateways(const struct kith_node *, struct endpoint *out, size_t max);

#endif
