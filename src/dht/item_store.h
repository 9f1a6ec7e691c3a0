/* The items that others put here (BEP 44), in bounds, for two hours after the last put.
 *
 * Everything that comes in has passed its token; sizes, signatures, sequence numbers and
 * compare-and-swap are judged here. When the store is full, the farthest item makes room (shelf.h).
 */
#ifndef KITH_DHT_ITEM_STORE_H
#define KITH_DHT_ITEM_STORE_H

#include "base/time.h"
#include "dht/item.h"
#include "dht/random.h"

#define ITEM_STORE_MAX 1000u
#define ITEM_STORE_FROM_ADDRESS_MAX 50u /* that one address, or /64, was the first to put */
#define ITEM_STORE_LIFE SECONDS(7200)

struct item_store;

struct item_store *item_store_new(struct dht_random *); /* NULL: no memory */
void item_store_free(struct item_store *);
/* The item of a `put` message; 0, or the KRPC error to answer (enum krpc_error). `own`
 * is our id. */
int item_store_put(struct item_store *, const struct krpc_message *m, const struct endpoint *from,
    const struct node_id *own, usec now);
/* A genuine item that we put, as one of those nearest to it. False: it is not stored. */
bool item_store_put_own(
    struct item_store *, const struct dht_item *, const struct node_id *own, usec now);
/* What lies under a key; false: nothing. The spans are valid until the store changes. */
bool item_store_get(
    struct item_store *, const struct node_id *target, struct dht_item *out, usec now);
void item_store_expire(struct item_store *, usec now);
size_t item_store_count(const struct item_store *);

#endif
