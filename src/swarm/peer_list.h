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
#define PEER_LIST_FAILURES_MAX 8u /* then a candidate that only strangers named is forgotten */

struct peer_list;
struct peer_list *peer_list_new(void); /* NULL: no memory */
void peer_list_free(struct peer_list *);
/* False: not allowed, banned, known already, or the list is full of better ones. */
bool peer_list_add(struct peer_list *, const struct endpoint *, enum addr_source, usec now);
/* The next candidate that is due and not in use; it counts as in use from now on. */
bool peer_list_next(struct peer_list *, usec now, struct endpoint *out, enum addr_source *source);
/* The attempt failed, or the connection ended: due again after a pause. */
void peer_list_failed(struct peer_list *, const struct endpoint *, usec now);
void peer_list_ended(struct peer_list *, const struct endpoint *, usec now);
/* Never again. */
void peer_list_ban(struct peer_list *, const struct endpoint *);
bool peer_list_banned(const struct peer_list *, const struct endpoint *);
size_t peer_list_count(const struct peer_list *);
/* How many could be tried, now or later; when the first of them is due. */
size_t peer_list_waiting(const struct peer_list *);
usec peer_list_due(const struct peer_list *);

#endif
