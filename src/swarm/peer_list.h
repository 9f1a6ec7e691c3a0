/* The addresses at which a torrent's peers may be: bounded, each judged by the address classifier,
 * tried in a fair order with growing pauses after failures, and remembered when banned. */
#ifndef KITH_SWARM_PEER_LIST_H
#define KITH_SWARM_PEER_LIST_H

#include "base/addr.h"
#include "base/time.h"
#include <stddef.h>

#define PEER_LIST_MAX 1000u
#define PEER_LIST_RETRY_MIN SECONDS(5)
#define PEER_LIST_RETRY_MAX SECONDS(1800)
#define PEER_LIST_SEED_PAUSE SECONDS(300) /* at least, where we have everything */
#define PEER_LIST_BLOCKED_PAUSE SECONDS(60)
#define PEER_LIST_FAILURES_MAX 8u /* then a candidate that only strangers named is forgotten */
#define PEER_LIST_GIVER_MAX 50u   /* candidates that one peer may have named (BEP 11) */
#define PEER_LIST_LAN_MAX 200u    /* that were heard on the local network */
#define PEER_LIST_PORTS_MAX 3u    /* of one address, by the word of strangers */
#define PEER_LIST_CALLERS_MAX 50u /* who came by themselves; the one seen longest ago goes */
#define PEER_LIST_PUNCH_PAUSE SECONDS(300)

/* What is known of a candidate beside its address. */
struct peer_hint {
    enum addr_source source;
    uint32_t giver; /* the peer that named it, by its number in the torrent; 0: nobody */
    uint8_t flags;  /* what the giver said: enum ut_pex_flag */
};

/* One that was connected, now or in an earlier run (then `seen` may be negative). */
struct peer_met {
    struct endpoint endpoint;
    enum addr_source source;
    usec seen;
};

struct peer_list;
struct peer_list *peer_list_new(void); /* NULL: no memory */
void peer_list_free(struct peer_list *);
/* False: not allowed, banned, known already, over a bound, or the list is full of better ones. */
bool peer_list_add(struct peer_list *, const struct endpoint *, const struct peer_hint *, usec now);
/* It is connected, or was until now. */
void peer_list_met(struct peer_list *, const struct endpoint *, usec now);
/* Who came by himself can be reached there. Not tried in this run (he will come again) until
 * somebody names him. */
void peer_list_called(struct peer_list *, const struct endpoint *, enum addr_source, usec now);
/* One that was met in an earlier run: as peer_list_add, and tried before those that were not. */
bool peer_list_meet_again(struct peer_list *, const struct peer_met *, usec now);
/* Those that were met, the latest first; how many. */
size_t peer_list_latest(const struct peer_list *, struct peer_met *out, size_t max);
/* This one is in use from now on, due or not, also if it is so already: two attempts at one time
 * (BEP 55). False: not in the list, banned, or not allowed to this source. */
bool peer_list_take(struct peer_list *, const struct endpoint *, enum addr_source);
/* Is it said to punch holes, and not that anybody ever connected to it? Then it is behind a router.
 */
bool peer_list_is_hidden(const struct peer_list *, const struct endpoint *);
/* May we ask for an introduction to it now, and whom (BEP 55)? Not again for a while. */
bool peer_list_may_punch(struct peer_list *, const struct endpoint *, usec now, uint32_t *giver);
/* The next candidate that is due and not in use; it counts as in use from now on. */
bool peer_list_next(struct peer_list *, usec now, struct endpoint *out, enum addr_source *source);
/* The attempt failed, or the connection ended: due again after a pause. */
void peer_list_failed(struct peer_list *, const struct endpoint *, usec now);
void peer_list_ended(struct peer_list *, const struct endpoint *, usec now);
/* It could not be tried, which says nothing of it: due again then. */
void peer_list_put_back(struct peer_list *, const struct endpoint *, usec due);
/* We have everything: those who have it, too, are passed over, and nobody is called often, save
 * whom the user named. */
void peer_list_set_seeding(struct peer_list *, bool seeding, usec now);
/* It has everything. */
void peer_list_is_seed(struct peer_list *, const struct endpoint *);
/* The network is another: what failed on the old one is due now, as if it had not. */
void peer_list_hurry(struct peer_list *, usec now);
/* Never again. */
void peer_list_ban(struct peer_list *, const struct endpoint *);
bool peer_list_banned(const struct peer_list *, const struct endpoint *);
/* Is it the same peer, as bans see it? Its port is its own to choose; loopback, though, is not one
 * machine's but everybody's on this one. */
bool peer_list_same(const struct endpoint *, const struct endpoint *);
size_t peer_list_count(const struct peer_list *);
/* How many could be tried, now or later; when the first of them is due. */
size_t peer_list_waiting(const struct peer_list *);
usec peer_list_due(const struct peer_list *);

#endif
