/* The inside of a DHT node, for the files dht*.c only.
 *
 *   dht.c           birth and death, datagrams in, time, status
 *   dht_query.c     questions under way: sending, round trips, silence
 *   dht_answer.c    what others ask us
 *   dht_search.c    searches: find_node, get_peers, get
 *   dht_store.c     what they store in the end: announce_peer, put
 *   dht_maintain.c  keeping the table alive: contacts, checks, refreshes, our address */
#ifndef KITH_DHT_DHT_INTERNAL_H
#define KITH_DHT_DHT_INTERNAL_H

#include "base/address_vote.h"
#include "base/list.h"
#include "dht/dht.h"
#include "dht/item_store.h"
#include "dht/limiter.h"
#include "dht/lookup.h"
#include "dht/peer_store.h"
#include "dht/table.h"
#include "dht/token.h"

enum query_purpose {
    QUERY_PING,    /* is it (still) there */
    QUERY_CONTACT, /* find_node for our own id, to somebody whose id we do not know */
    QUERY_ROUTER,  /* the same, to one that is not to be in the table */
    QUERY_LOOKUP,  /* a step of a search */
    QUERY_STORE    /* its announce_peer or put */
};

/* A question under way. */
struct query {
    uint16_t transaction;
    uint8_t purpose; /* enum query_purpose */
    bool has_id;     /* `id` is whom we think to ask */
    bool late;       /* the short patience is over, and that was told */
    uint8_t tries;   /* how often this was asked before */
    struct endpoint to;
    struct node_id id;
    usec sent;
    struct dht_search *search; /* NULL: none, or it is gone */
};

struct contact {
    struct endpoint at;
    enum dht_contact kind;
    uint8_t tries;
};

enum search_state { SEARCH_WAITS, SEARCH_LOOKS, SEARCH_STORES, SEARCH_OVER };

struct dht_search {
    struct list_link link;
    enum search_state state;
    struct dht_request request;
    uint8_t salt[KRPC_SALT_MAX];
    struct lookup lookup;
    usec started;
    struct dht_result result;
    unsigned storing;         /* announces or puts under way */
    struct dht_item to_store; /* what put() gave; spans in `store_value` and `salt` */
    uint8_t *store_value;
    struct dht_item best; /* spans in `best_value` and `salt` */
    uint8_t *best_value;  /* NULL: nothing was found */
    uint8_t *bloom;       /* seeds, then peers; NULL: nobody told */
    unsigned born;        /* in which turn: it begins in a later one */
    bool own;             /* the node's own upkeep, outside the bounds */
};

struct dht {
    struct dht_config config;
    struct dht_random random;
    struct table *table;
    struct token_keys tokens;
    struct limiter *limiter;
    struct peer_store *peers; /* NULL until something is stored */
    struct item_store *items; /* likewise */
    struct dht *sibling;      /* of the other family; NULL: none */

    struct query *queries;
    unsigned query_count, query_capacity;
    usec rtt, rtt_variation; /* smoothed, over all nodes; 0: nothing is known */
    usec heard_at;           /* the last answer of anybody */

    struct contact *contacts; /* a ring of DHT_CONTACTS_MAX; NULL while there is none */
    unsigned contact_first, contact_count;

    struct list_link searches; /* running, then waiting */
    struct list_link over;     /* to be freed at the end of the turn */
    unsigned search_count, running;

    usec maintain_at, expire_at, explore_at; /* explore: look for our own neighbours */
    unsigned explored;                       /* times in a row with few results */
    usec exploration_began;
    bool exploring, refreshing;
    struct endpoint external;
    struct address_vote votes;

    struct dht_status counters; /* the counting fields only */
    usec deadline;
    unsigned turn;
    unsigned depth; /* public calls that are under way */
};

/* ---- dht.c --------------------------------------------------------------------------------- */
/* The program's name in messages (BEP 5, "v"). */
extern const char dht_version[4];
/* Sends what the builder holds, if it holds it. */
void dht_send(struct dht *, const struct endpoint *to, const struct builder *);

/* ---- dht_query.c --------------------------------------------------------------------------- */
/* Fills in transaction and id and sends. False: too many are under way. */
bool query_send(struct dht *, struct krpc_message *, const struct query *, usec now);
/* An answer or error came. */
void query_receive(
    struct dht *, const struct endpoint *from, const struct krpc_message *, usec now);
void query_tick(struct dht *, usec now);
usec query_deadline(const struct dht *);
void query_forget_search(struct dht *, const struct dht_search *);

/* ---- dht_answer.c -------------------------------------------------------------------------- */
void answer_query(
    struct dht *, const struct endpoint *from, const struct krpc_message *, size_t size, usec now);

/* ---- dht_search.c -------------------------------------------------------------------------- */
struct dht_search *search_start(struct dht *, const struct dht_request *, bool own, usec now);
void search_answered(struct dht *, const struct query *, const struct krpc_message *, usec now);
void search_late(struct dht *, const struct query *, usec now);
void search_failed(struct dht *, const struct query *, usec now);
/* Sends what the searches want to send, ends and begins them. True: some began in this turn, and
 * have to wait for the next. */
bool search_run(struct dht *, usec now);
void search_free_all(struct dht *);
void search_bury(struct dht *);

/* ---- dht_store.c --------------------------------------------------------------------------- */
/* Asks the nearest to store what the search is about, if it is about that. */
void store_begin(struct dht *, struct dht_search *, usec now);
bool store_at(
    struct dht *, struct dht_search *, const struct lookup_candidate *, uint8_t tries, usec now);
void store_answered(struct dht_search *, const struct query *, const struct krpc_message *);
/* It gave us the newest item that was found. */
bool store_holds_newest(const struct dht_search *, const struct lookup_candidate *);

/* ---- dht_maintain.c ------------------------------------------------------------------------ */
/* A question of ours that is no search's is late. */
void maintain_late(struct dht *, const struct query *, usec now);
void maintain_answered(struct dht *, const struct query *, const struct krpc_message *, usec now);
void maintain_tick(struct dht *, usec now);
usec maintain_deadline(const struct dht *, usec now);
/* Are there contacts from whom nodes may yet be learnt? */
bool maintain_hopes(const struct dht *);
/* The nodes named in an answer, as contacts. */
void maintain_note_nodes(
    struct dht *, const struct endpoint *from, struct bytes nodes, enum addr_family, usec now);
void maintain_vote(struct dht *, const struct endpoint *by, const struct endpoint *said, usec now);

#endif
