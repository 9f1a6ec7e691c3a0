/* What strangers store here, under keys: a bounded set of entries, found by key and kept in the
 * order of their last touch. When it is full, the entry farthest from our id makes room: the others
 * that hold it are nearer to it than we are. peer_store.c and item_store.c have one each. */
#ifndef KITH_DHT_SHELF_H
#define KITH_DHT_SHELF_H

#include "base/list.h"
#include "dht/random.h"

/* The first member of what is stored. */
struct shelf_entry {
    struct list_link link;
    struct node_id key;
};

struct shelf {
    struct map *map;
    struct list_link order; /* the one touched longest ago first */
    size_t max;
    void (*free_entry)(struct shelf *, struct shelf_entry *); /* it is out of the shelf by then */
};

/* ERR_NOMEM. */
int shelf_init(struct shelf *, size_t max, struct dht_random *,
    void (*free_entry)(struct shelf *, struct shelf_entry *));
/* Also after a failed shelf_init. */
void shelf_clear(struct shelf *);
struct shelf_entry *shelf_find(const struct shelf *, const struct node_id *key);
/* Would there be a place for this key? False: the shelf is full of what is nearer to `own`. */
bool shelf_has_room(const struct shelf *, const struct node_id *key, const struct node_id *own);
/* Puts an entry whose key is set, and is not there yet, as the last touched; the farthest goes if
 * it must. False: no room, or no memory; the entry is the caller's then. */
bool shelf_add(struct shelf *, struct shelf_entry *, const struct node_id *own);
void shelf_touch(struct shelf *, struct shelf_entry *);
void shelf_drop(struct shelf *, struct shelf_entry *);
/* The one farthest from `own`, save `but`; NULL if there is none. */
struct shelf_entry *shelf_farthest(
    const struct shelf *, const struct node_id *own, const struct shelf_entry *but);
size_t shelf_count(const struct shelf *);

#endif
