/* The routing table (BEP 5): buckets of eight, split along our own id, each with a few spares.
 *
 * Only nodes that answered us are in it, so that nobody can put another's address there. A node is
 * good if it answered within 15 minutes, or asked us something within 15 minutes and ever answered;
 * then it is dubious and is to be asked again; who leaves two questions in a row unanswered is bad
 * and stays only until there is somebody better: a table is not emptied because our own line was
 * cut.
 *
 * Against crowds (threats: Sybil, eclipse): one node an address in the whole table, one a /24 or
 * /64 in a bucket, ids that fit their address (BEP 42) before those that do not, an address whose
 * id keeps changing is not believed for an hour, and a good node is never thrown out for a new one.
 * Addresses of the local network are exempt, as BEP 42 has it. */
#ifndef KITH_DHT_TABLE_H
#define KITH_DHT_TABLE_H

#include "base/time.h"
#include "dht/krpc.h"

#define TABLE_K 8u      /* nodes in a bucket */
#define TABLE_SPARES 8u /* and behind it */
#define TABLE_BUCKETS_MAX 160u
#define TABLE_GOOD_FOR SECONDS(900)
#define TABLE_FAILS_BAD 2u          /* unanswered in a row */
#define TABLE_RETRY_MIN SECONDS(10) /* after a first silence */
#define TABLE_RETRY_MAX SECONDS(3600)
#define TABLE_SUSPECTS 64u /* addresses remembered because their id changed */
#define TABLE_SUSPECT_FOR SECONDS(3600)
#define TABLE_SUSPECT_CHANGES 2u /* changes of id after which one is not believed */
#define TABLE_SAVED_MAX 512u     /* nodes written to and read from a saved table */

struct table_node {
    struct node_id id;
    struct endpoint at;
    uint8_t fails;           /* unanswered in a row */
    bool fits;               /* its id fits its address */
    usec answered, asked_us; /* when last; 0: never. It always answered once, save spares */
    usec tried;              /* when we last asked it something; 0: never */
};

struct table;

struct table *table_new(const struct node_id *own, enum addr_family); /* NULL: no memory */
void table_free(struct table *);
const struct node_id *table_own_id(const struct table *);
/* Our address changed, and our id with it: the nodes are kept as far as they find room. ERR_NOMEM:
 * nothing changed. */
int table_set_own_id(struct table *, const struct node_id *own, usec now);

/* A node answered a question of ours. False: it is not in the table now (no room, a rule). */
bool table_answered(struct table *, const struct node_id *, const struct endpoint *, usec now);
/* A node asked us something. True: it is not known and there would be room for it, so that asking
 * it back is worth while. */
bool table_heard(struct table *, const struct node_id *, const struct endpoint *, usec now);
/* Would a node that somebody names come into the table if it answered? Not if it is there already,
 * or has no room: then asking it leads nowhere. */
bool table_would_take(struct table *, const struct node_id *, const struct endpoint *, usec now);
/* We asked a node something. */
void table_tried(struct table *, const struct node_id *, const struct endpoint *, usec now);
/* A node left a question of ours unanswered. */
void table_failed(struct table *, const struct node_id *, const struct endpoint *, usec now);
/* An address bears `id`, and not the one that it bore before or was named with: the old entry goes.
 * True: its id changed too often; what it says is not to be believed. */
bool table_note_change(struct table *, const struct endpoint *, const struct node_id *id, usec now);
bool table_is_suspect(const struct table *, const struct endpoint *, usec now);

enum table_which {
    TABLE_TRUSTED, /* not bad: to begin a search with */
    TABLE_GOOD     /* good: to tell others */
};
/* The nodes nearest to `target`, nearest first; how many, at most `max` (up to 64). */
size_t table_closest(const struct table *, const struct node_id *target, enum table_which,
    struct table_node *out, size_t max, usec now);

/* The node that most needs to be asked whether it is still there, if one is due; else false, and
 * *due is when to ask again. */
bool table_next_check(const struct table *, struct table_node *out, usec *due, usec now);
/* The network changed: all are dubious and to be asked soon, whatever they were. */
void table_doubt(struct table *, usec now);
/* A bucket that has not changed for 15 minutes: an id in it to look for; it then counts as
 * changed. Else false. */
bool table_next_refresh(
    struct table *, const struct node_id *random, struct node_id *target, usec now);

struct table_counts {
    size_t nodes, good, spares, buckets;
};
struct table_counts table_count(const struct table *, usec now);
/* The n-th node, or NULL past the last. */
const struct table_node *table_at(const struct table *, size_t n);

/* Appends the nodes that are not bad, compact, the best first. */
void table_save(const struct table *, struct builder *, usec now);

#endif
