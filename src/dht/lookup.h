/* One iterative search through the id space (BEP 5, Kademlia): whom to ask next, and when it is
 * over. Pure bookkeeping: dht_search.c sends the questions.
 *
 * Candidates are kept in the order of their distance to the target. The walk goes from the nearest
 * outwards until K that fit their address (BEP 42) have answered; whoever stands before that and
 * was not asked is asked, at most `parallel` at a time. A silent one gives its place to the next
 * after a short time, while its late answer still counts.
 *
 * *Disjoint paths* (as S/Kademlia has them). The first path begins with the nearest that we know,
 * where those who crowd around a target crowd our table, too; each further one with a few of all
 * that we know. Whoever is named belongs to the path of who named it first, and each path goes on
 * until its own nearest have answered: the word of those who hide others ends one path, not all.
 *
 * Against hostile answers: one answer adds at most K candidates; those that one node named have to
 * prove themselves before more of them are asked than a few; few of one network or address are
 * asked, and few whose id does not fit their address; and the whole search has a bound. What a liar
 * says of *others* harms only itself: who is named under a false id is asked all the same, and
 * stands where its own id belongs when it has answered (libtorrent does so, too), and false
 * neighbours and false addresses of an id count only against who named them. So one liar can delay
 * a search, and neither lead it nor end it; many who share an id's neighbourhood: docs/dht.md,
 * "War". */
#ifndef KITH_DHT_LOOKUP_H
#define KITH_DHT_LOOKUP_H

#include "base/time.h"
#include "dht/krpc.h"

#define LOOKUP_K 8u
#define LOOKUP_PARALLEL 4u
#define LOOKUP_PATHS 3u  /* that share no node: see below */
#define LOOKUP_PATH_K 3u /* fitting ones that have to answer at the end of each but the first */
#define LOOKUP_PATH_ROOTS 3u
#define LOOKUP_CANDIDATES_MAX 128u
#define LOOKUP_QUERIES_MAX 128u
#define LOOKUP_PER_ANSWER_MAX 8u /* candidates that one answer may add */
#define LOOKUP_PREFIX_MAX 3u     /* asked, or named by the same, in one /24 or /64 */
#define LOOKUP_ADDRESS_MAX 2u    /* the same at one address, ports differing */
#define LOOKUP_UNPROVEN_MAX 3u   /* of those that one node named: asked and silent so far */
#define LOOKUP_TRIES 2u        /* datagrams get lost: who is late is asked once more, at the end */
#define LOOKUP_MISFITS_MAX 32u /* questions to ids that do not fit their address */

enum lookup_state {
    LOOKUP_FRESH, /* not asked */
    LOOKUP_ASKED, /* and it may still be in time */
    LOOKUP_LATE,  /* asked, and no longer waited for; its answer still counts */
    LOOKUP_ANSWERED,
    LOOKUP_FAILED /* silent, or lied */
};

struct lookup_candidate {
    struct node_id id;
    struct endpoint at;
    uint8_t state; /* enum lookup_state */
    bool fits;
    uint16_t serial, named_by; /* 0: it was ours to begin with */
    uint8_t hops;              /* answers between us and it */
    uint8_t path;              /* that of who named it first */
    uint8_t tries;             /* questions to it */
    bool stored;               /* search's: it took the announce or item */
    bool has_item;             /* search's: it gave us the item */
    int64_t item_seq;
    uint8_t token_size;
    uint8_t token[KRPC_TOKEN_MAX];
};

struct lookup {
    struct node_id target;
    struct node_id own;                  /* never asked */
    struct lookup_candidate *candidates; /* nearest first; on the heap */
    unsigned count, capacity;
    unsigned asked, answered, misfits_asked; /* ever */
    unsigned in_time;                        /* in the state LOOKUP_ASKED */
    unsigned parallel;
    unsigned paths; /* 1 to LOOKUP_PATHS */
    uint16_t serials;
};

void lookup_init(struct lookup *, const struct node_id *target, const struct node_id *own);
void lookup_free(struct lookup *);
/* Adds a candidate that we know or, with `by`, that an answer named. False: not taken. */
bool lookup_add(struct lookup *, const struct node_id *, const struct endpoint *,
    const struct lookup_candidate *by);
/* Adds one that we know, as a root of one of the further paths. */
bool lookup_add_root(
    struct lookup *, const struct node_id *, const struct endpoint *, unsigned path);
/* Whom to ask now, or NULL: wait, or it is over. The caller asks and calls lookup_asked. The
 * pointer is valid until the next lookup_add. */
struct lookup_candidate *lookup_next(struct lookup *);
void lookup_asked(struct lookup *, struct lookup_candidate *);
/* By the address that a question went to; NULL if it is no (longer) candidate. */
struct lookup_candidate *lookup_find(struct lookup *, const struct endpoint *);
void lookup_late(struct lookup *, struct lookup_candidate *);
void lookup_answered(struct lookup *, struct lookup_candidate *);
/* It has answered under this id, which is not what it was named with. The candidate in its new
 * place; NULL if another bears that id: then this one has failed. */
struct lookup_candidate *lookup_known_as(
    struct lookup *, struct lookup_candidate *, const struct node_id *);
void lookup_failed(struct lookup *, struct lookup_candidate *);
bool lookup_is_over(const struct lookup *);
/* The answerers where something is to be stored, nearest first: the K nearest that fit and gave a
 * token, and those not fitting that are nearer than the last of them, at most 2 K in all. */
size_t lookup_storers(const struct lookup *, struct lookup_candidate *out[2 * LOOKUP_K]);
/* The hops to the farthest-named of the K nearest answerers: how deep the search had to go. */
unsigned lookup_hops(const struct lookup *);

#endif
