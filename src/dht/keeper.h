/* Items of BEP 44 that are to stay in the DHT: whoever put them, they are put again every hour,
 * with no more than the signed bytes. What is newer in the network is taken over, never
 * overwritten.
 *
 * Sans-I/O, above one or two struct dht (a family each), whose searches it starts; it is handed the
 * time. Each item has a round of its own: it is looked for in every family, the newest genuine one
 * becomes ours, and that is put, but where others keep it already (BEP 44, "Expiration"). A key may
 * be kept of which nothing is known yet: it is looked for until there is something.
 *
 * It never holds a private key, so what it does survives it: records can be kept on disk. */
#ifndef KITH_DHT_KEEPER_H
#define KITH_DHT_KEEPER_H

#include "dht/dht.h"

#define KEEPER_ITEMS_MAX 256u
#define KEEPER_ROUNDS_MAX 4u       /* under way at a time */
#define KEEPER_EVERY SECONDS(3600) /* BEP 44; stored items live for two hours */
#define KEEPER_SPREAD                                                                              \
    SECONDS(600)                     /* up to so much sooner, so that keepers do not march in step \
                                      */
#define KEEPER_RETRY SECONDS(60)     /* nobody took it, or had it: doubling up to KEEPER_EVERY */
#define KEEPER_AT_START SECONDS(300) /* what an earlier run kept is spread over so long */
#define KEEPER_FAMILIES 2u
#define KEEPER_RECORD_MAX (KRPC_VALUE_MAX + KRPC_SALT_MAX + 256u)

struct keeper;

/* What is known of one item. */
struct kept_item {
    struct node_id target;
    bool has_value;
    struct dht_item item; /* its spans are the keeper's; without a value only key and salt count */
    /* of the last round */
    unsigned holders; /* nodes that had it */
    unsigned stored;  /* nodes that took it */
    bool spared;      /* it was not put, because others keep it; not twice in a row */
    int64_t refusal;  /* an error that a node answered (enum krpc_error); 0: none */
    usec put_at;      /* when somebody took it last, or others kept it; 0: never */
    usec due;         /* the next round; NEVER: one is under way */
};

struct keeper_config {
    uint8_t seed[16];
    /* A value was found that we did not have, newer than ours: to be told, and saved. May call
     * keeper_forget, and no other call of the keeper. May be NULL. */
    void (*newer)(void *user, const struct kept_item *);
    void *user;
};

struct keeper *keeper_new(const struct keeper_config *); /* NULL: no memory */
/* Before the nodes that it uses. */
void keeper_free(struct keeper *);
/* At most KEEPER_FAMILIES, before anything is kept. */
void keeper_use(struct keeper *, struct dht *);

/* From now on the item under `target` is kept: of a mutable one `item` has key and salt, of any the
 * value if it is known. `due`: the first round. 0, also if it is kept already, and is taken if it
 * is newer; ERR_CHANGED: kept already with one that is newer; ERR_LIMIT, ERR_NOMEM. */
int keeper_keep(
    struct keeper *, const struct node_id *target, const struct dht_item *item, usec due);
/* Somebody else found or made this genuine item. True: it is kept, and newer. */
bool keeper_offer(struct keeper *, const struct node_id *target, const struct dht_item *);
/* ERR_NOT_FOUND. */
int keeper_forget(struct keeper *, const struct node_id *target);
/* NULL: is not kept. Valid until the next call. */
const struct kept_item *keeper_find(const struct keeper *, const struct node_id *target);
/* The n-th, in no order that means anything; NULL past the last. */
const struct kept_item *keeper_at(const struct keeper *, size_t n);
size_t keeper_count(const struct keeper *);

/* Starts rounds that are due. To be called only while some node is known. */
void keeper_tick(struct keeper *, usec now);
usec keeper_deadline(const struct keeper *);
/* Those who could hold the items have come or gone: all are due. */
void keeper_hurry(struct keeper *, usec now);

/* One item for the next run: at most KEEPER_RECORD_MAX bytes. */
void keeper_write(const struct kept_item *, struct builder *);
/* Keeps what was written; it is put again soon. ERR_SYNTAX, ERR_HASH (it is not what its key or
 * signature say), ERR_LIMIT, ERR_NOMEM. */
int keeper_read(struct keeper *, struct bytes record, usec now);

#endif
