/* How the node looks from outside: at which address and port others find it. Known from a port
 * mapping, or by the word of those who see us (base/address_vote.h). */
#ifndef KITH_NODE_OUTSIDE_H
#define KITH_NODE_OUTSIDE_H

#include "base/addr.h"

struct kith_node;

#define OUTSIDE_VOTES_NEEDED 2u /* networks that have to agree on our address */

/* Peers and the DHT tell: `voter` sees us at `ours`. */
void outside_seen_at(struct kith_node *, const struct endpoint *voter, const struct endpoint *ours);
/* A tracker that is not on our own network tells; all of them together are one voter, because a
 * torrent may name as many as it likes. */
void outside_tracker_said(struct kith_node *, const struct endpoint *ours);
/* Somebody connected to us. */
void outside_reached_by(struct kith_node *, const struct endpoint *from);
/* Our address on the open internet, with the port at which TCP comes in; false: not known. */
bool outside_address(const struct kith_node *, enum addr_family, struct endpoint *out);
/* The port to tell to trackers, peers and the DHT; 0: we do not listen. */
uint16_t outside_port(const struct kith_node *);
/* Our port is mapped, or somebody from the open internet has connected to us: so others can. */
bool outside_is_reachable(const struct kith_node *);
/* Nothing of what was known holds on another network. */
void outside_network_changed(struct kith_node *);

#endif
