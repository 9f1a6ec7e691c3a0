/* A node of the Mainline DHT, for one address family and one socket (BEP 5, 32, 33, 42 to 45, 51).
 *
 * Sans-I/O: it is handed datagrams and the time, and gives back datagrams, events and the next
 * deadline. All chance comes from a seed. A machine with IPv4 and IPv6 has two of them, introduced
 * to one another (dht_introduce), and one with several addresses one for each (BEP 45). Memory is
 * taken as it is needed: a node with a hundred known others and nothing stored takes some 25 KiB.
 *
 * Datagrams are sent from within calls. Callbacks of a search may start and cancel searches, and
 * must not free the node or hand it datagrams. `now` never goes back.
 *
 * Whom it talks to: addresses that others name have to pass base/addr.h's classifier; a node on a
 * global address may name global ones only, one on the local network also local ones. */
#ifndef KITH_DHT_DHT_H
#define KITH_DHT_DHT_H

#include "base/time.h"
#include "dht/item.h"
#include "dht/krpc.h"

#define DHT_SEARCHES_MAX 4096u /* that wait or run */
#define DHT_SEARCHES_RUNNING 16u
#define DHT_QUERIES_MAX 256u  /* questions under way */
#define DHT_CONTACTS_MAX 640u /* addresses that wait to be asked: all saved ones, and more */
#define DHT_CONTACTS_ASKED 8u /* of them at a time */
#define DHT_CONTACT_TRIES 3u  /* while we know few */
#define DHT_QUERY_PATIENCE SECONDS(10)    /* an answer after that is none */
#define DHT_SHORT_PATIENCE_MIN MSECS(400) /* after so long the next one is asked too: see */
#define DHT_SHORT_PATIENCE_MAX SECONDS(2) /* dht_query.c, it follows the round trips */
#define DHT_AMPLIFICATION_MAX 5u          /* an answer's bytes over its question's, items aside */
#define DHT_SAVED_MAX (64u + TABLE_SAVED_BYTES)
#define TABLE_SAVED_BYTES (512u * 38u + 64u)
#define DHT_PEERS_GIVEN_MAX 50u /* in one answer; the amplification bound comes first */
#define DHT_VOTES_NEEDED 5u     /* networks that have to agree on our address, and two thirds */

struct dht;
struct dht_search;

struct dht_config {
    enum addr_family family;
    uint8_t seed[16];         /* unpredictable in the real world */
    const struct node_id *id; /* NULL: by chance */
    bool read_only;           /* BEP 43: asks and does not answer */
    void (*send)(void *user, const struct endpoint *to, struct bytes datagram);
    /* `by`, a node of the open internet, sees us at `ours`. May be NULL. */
    void (*seen_at)(void *user, const struct endpoint *by, const struct endpoint *ours);
    /* Somebody announced itself here: its own word, at its own address. May be NULL. */
    void (*announced)(void *user, const struct info_hash *, const struct endpoint *);
    void *user;
};

struct dht *dht_new(const struct dht_config *, usec now); /* NULL: no memory */
/* Searches end without a word. */
void dht_free(struct dht *);
/* The other family's node on this machine: each tells of the other's nodes when asked (BEP 32) and
 * hands over what it hears. Undone when either is freed. */
void dht_introduce(struct dht *, struct dht *);

void dht_receive(struct dht *, const struct endpoint *from, struct bytes datagram, usec now);
void dht_tick(struct dht *, usec now);
usec dht_deadline(const struct dht *);

/* Somebody who may be a node: a saved one, a PORT message, a peer in a link, a torrent's `nodes`, a
 * LAN peer. It is asked, and becomes known when it answers. The caller judges the address. A router
 * only tells us of others and stays out of the table; it is asked before all that wait. */
enum dht_contact { DHT_CONTACT_NODE, DHT_CONTACT_ROUTER };
void dht_add_contact(struct dht *, const struct endpoint *, enum dht_contact, usec now);
/* What dht_save wrote: our id and the nodes that we knew, who are asked again. ERR_SYNTAX. */
int dht_load(struct dht *, struct bytes saved, usec now);
/* At most DHT_SAVED_MAX bytes. */
void dht_save(const struct dht *, struct builder *, usec now);
/* The machine's network came back or changed: everybody is asked again soon. */
void dht_network_changed(struct dht *, usec now);

/* As whom a node at `from` may name addresses. */
enum addr_source dht_source_of(const struct endpoint *from);

/* ---- searches ------------------------------------------------------------------------------ */

enum dht_aim { DHT_FIND_NODE, DHT_GET_PEERS, DHT_GET_ITEM };

struct dht_result {
    unsigned asked, answered; /* nodes */
    unsigned hops;            /* how far from us the nearest ones were found */
    unsigned stored;          /* nodes that took the announce or item */
    unsigned storers;         /* nodes that were asked to */
    unsigned values;          /* peers that were named, repeats included */
    unsigned holders;         /* nodes that had the newest item */
    bool spared;              /* so many held it that nothing was stored: see spare_writes */
    double seeds, peers;      /* scrape: estimates; -1: nobody told */
    unsigned crowd; /* nodes that somebody seems to have put around the target, see crowding.h; 0 */
    usec took;
    struct krpc_node nearest; /* family ADDR_NONE: nobody answered */
    int64_t refusal;          /* the last error of a store, 0: none */
};

struct dht_request {
    enum dht_aim aim;
    struct node_id target; /* of items: dht_item_target, dht_key_target */
    void *user;
    void (*done)(void *user, const struct dht_result *); /* once, unless cancelled; may be NULL */

    /* DHT_GET_PEERS. peers(): as they come, allowed ones only, repeats included. */
    void (*peers)(void *user, const struct endpoint *from, const struct endpoint *, size_t count);
    bool announce, implied_port, seed; /* announce `port` when the nearest are found */
    uint16_t port;
    bool noseed, scrape;

    /* DHT_GET_ITEM. item(): a genuine item was found, newer than the one before. put(): the search
     * is over, `found` is the newest or NULL; fill `out` (spans valid until it returns) and return
     * true to store it at the nearest nodes. Either may be NULL. */
    bool is_mutable;
    struct bytes salt; /* copied */
    void (*item)(void *user, const struct dht_item *);
    bool (*put)(void *user, const struct dht_item *found, struct dht_item *out);
    bool compare_and_swap; /* nodes that have something else than what was found refuse */
    /* BEP 44, "Expiration": where the K nearest and others besides hold what put() gives, others
     * keep it, and it is not stored again. */
    bool spare_writes;
};
/* NULL: too many, or no memory. */
struct dht_search *dht_search(struct dht *, const struct dht_request *, usec now);
/* done() is not called. Only before done() was. */
void dht_search_cancel(struct dht *, struct dht_search *);

/* ---- looking at it ------------------------------------------------------------------------- */

struct dht_status {
    struct node_id id;
    struct endpoint external; /* ADDR_NONE: unknown */
    bool id_fits;             /* under BEP 42; true while the address is unknown */
    size_t nodes, good, spares, contacts, searches;
    size_t hashes, peers, items; /* that others stored here */
    uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
    uint64_t answers;               /* that we gave */
    uint64_t refused;               /* questions that were over budget */
    uint64_t searches_done, crowds; /* that found a crowd, of them */
    unsigned votes;                 /* networks that say that this is our address */
};
void dht_status(const struct dht *, struct dht_status *, usec now);
/* A known node nearest to `target`, e.g. for a torrent's `nodes`; false: none is good. How many, at
 * most `max`. */
size_t dht_nearest(
    const struct dht *, const struct node_id *target, struct krpc_node *out, size_t max, usec now);

#endif
