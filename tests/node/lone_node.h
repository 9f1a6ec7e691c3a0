/* A node of its own on one host of a simulated world, for tests that play all that it meets. */
#ifndef KITH_TESTS_NODE_LONE_NODE_H
#define KITH_TESTS_NODE_LONE_NODE_H

#include "env/sim/sim.h"
#include "node/node_env.h"

struct lone_node {
    struct sim_world *world;
    struct sim_host *host;
    struct kith_node *node;
};

/* The world and the host; what the node is to meet is put there before it is opened. */
void lone_begin(struct lone_node *l, const struct sim_config *config);
void lone_open(struct lone_node *l, const struct kith_options *options);

/* Lets so much time go by. */
void lone_pass(struct lone_node *l, usec time);

/* Stops the node, gives it five seconds for its goodbyes, and ends the world. */
void lone_end(struct lone_node *l);

#endif
