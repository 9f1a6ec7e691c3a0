/* The items of the DHT that this node keeps (dht/keeper.h): brought back from the state database,
 * saved when they change, told of. dht_io.c drives the keeper; kith.h's part is here. */
#ifndef KITH_NODE_DHT_ITEMS_H
#define KITH_NODE_DHT_ITEMS_H

#include "dht/keeper.h"

struct kith_node;

/* The nodes that there are, each NULL or not. ERR_NOMEM. */
int dht_items_start(struct kith_node *, struct dht *nodes[2]);
void dht_items_stop(struct kith_node *);
/* Keeps what was put. ERR_CHANGED, ERR_LIMIT, ERR_NOMEM: see keeper_keep. */
int dht_items_keep(
    struct kith_node *, const struct node_id *target, const struct dht_item *, usec due);
/* A genuine item was found or made by somebody's search: if it is kept, it may be newer. */
void dht_items_offer(struct kith_node *, const struct node_id *target, const struct dht_item *);
/* The seq of what is kept under a target; 0: nothing is. */
int64_t dht_items_seq(const struct kith_node *, const struct node_id *target);

#endif
