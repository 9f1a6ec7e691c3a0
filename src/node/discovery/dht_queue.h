/* When which torrent begins its next round of searches in the DHT. Those that want data and those
 * that have it stand in a queue each, by when they are due; the first of them that is due begins,
 * at a pace, so that 100,000 cost no more at a time than one does. Pure: the time comes in. */
#ifndef KITH_NODE_DHT_QUEUE_H
#define KITH_NODE_DHT_QUEUE_H

#include "base/list.h"
#include "node/discovery/dht_io.h"

struct dht_queue {
    struct list_link seekers, servers; /* struct dht_member, by `due` */
    usec begin_at;                     /* the next torrent, at the earliest */
    usec grown_at;                     /* the last time that a small network became larger */
};

void dht_queue_init(struct dht_queue *);
/* All members leave. */
void dht_queue_clear(struct dht_queue *);
/* Queued, or queued anew. */
void dht_queue_put(struct dht_queue *, struct dht_member *, bool serves, usec due);
/* Queued or not. */
void dht_queue_remove(struct dht_member *);
/* When dht_queue_next wants to be asked; NEVER: nobody waits. */
usec dht_queue_due(const struct dht_queue *);
/* Who begins now, those that want data first; NULL: nobody yet. It stays where it is until
 * dht_queue_began or dht_queue_put. */
struct dht_member *dht_queue_next(struct dht_queue *, usec now);
/* Its searches are under way: it waits for nothing until they are over. */
void dht_queue_began(struct dht_queue *, struct dht_member *, usec now);
/* How long it waits after a round: did anybody answer, and does it want data and has nobody? */
usec dht_queue_pause(struct dht_member *, bool answered, bool hungry);

#endif
