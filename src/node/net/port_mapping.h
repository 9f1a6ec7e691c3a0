/* Our port on the home router: asked for by PCP or NAT-PMP (proto/port_map.h), and by UPnP-IGD
 * where the router knows neither; kept as long as the node runs, given back when it stops. Over
 * IPv6, where nothing is translated, PCP opens the router's firewall. */
#ifndef KITH_NODE_PORT_MAPPING_H
#define KITH_NODE_PORT_MAPPING_H

#include "base/addr.h"

struct kith_node;

/* ERR_NOMEM. */
int port_mapping_start(struct kith_node *);
/* Gives the port back; node_maybe_stopped is called when that is over. */
void port_mapping_release(struct kith_node *);
bool port_mapping_is_quiet(const struct kith_node *);
void port_mapping_free(struct kith_node *);
void port_mapping_network_changed(struct kith_node *);

/* Where TCP to our port comes in from outside, if it is mapped; the address may be ADDR_NONE. */
bool port_mapping_external(const struct kith_node *, enum addr_family, struct endpoint *out);
/* The router's first word is still awaited. */
bool port_mapping_is_asking(const struct kith_node *);
/* In words: "NAT-PMP", "PCP", "UPnP"; NULL: no mapping. */
const char *port_mapping_kind(const struct kith_node *);

#endif
