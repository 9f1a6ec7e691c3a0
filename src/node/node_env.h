/* A node in a world that somebody else made and turns: the simulator's, or node/real.c's. */
#ifndef KITH_NODE_NODE_ENV_H
#define KITH_NODE_NODE_ENV_H

#include <kith.h>

struct env;

/* As kith_open, with every setting given; the world is the caller's and outlives the node. */
int node_open_in(struct env *, const struct kith_options *, struct kith_node **out);
/* Nothing of the node may be under way (KITH_EVENT_STOPPED came), or the world has crashed. */
void node_free(struct kith_node *);

#endif
