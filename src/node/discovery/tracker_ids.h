/* Connection ids of trackers over UDP (BEP 15), shared by all torrents: one call asks a tracker for
 * an id, the others wait for it, and for a minute nobody has to ask again. Those that waited are
 * let go a few at a time: 10,000 datagrams at once would be lost, and no kindness to the tracker.
 *
 * It never looks into a call: whose step is whose is told by what it is handed. */
#ifndef KITH_NODE_TRACKER_IDS_H
#define KITH_NODE_TRACKER_IDS_H

#include "base/list.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define TRACKER_IDS 256u            /* trackers that are known at a time, a place each ... */
#define TRACKER_IDS_GO 128u         /* calls that are let go together ... */
#define TRACKER_IDS_EVERY MSECS(10) /* ... and how often */

struct tracker_call;

/* One tracker. */
struct tracker_id {
    uint64_t key; /* a hash of where it is; 0: of nobody */
    uint64_t id;
    usec given;                /* when the tracker gave it */
    bool is_known, is_silent;  /* there is an id; who asked for one was not answered */
    struct tracker_call *asks; /* for an id; NULL: nobody does */
    struct list_link waiting;  /* for it: calls, by the link that was handed in */
};

struct tracker_ids {
    struct tracker_id places[TRACKER_IDS];
};

enum tracker_ids_step {
    TRACKER_IDS_USE,  /* there is an id */
    TRACKER_IDS_ASK,  /* for one; it is told what came of it */
    TRACKER_IDS_WAIT, /* somebody asks, or others wait as well: the call is in the list */
    TRACKER_IDS_FAIL  /* somebody asked in vain while it waited */
};

void tracker_ids_init(struct tracker_ids *);
/* What a call does now that needs an id. */
enum tracker_ids_step tracker_ids_step(struct tracker_ids *, uint64_t key, struct tracker_call *,
    struct list_link *turn, usec now, uint64_t *id, usec *given);
/* The same, for one that tracker_ids_next gave back: it waits for nobody but who asks. */
enum tracker_ids_step tracker_ids_step_next(struct tracker_ids *, uint64_t key,
    struct tracker_call *, struct list_link *turn, usec now, uint64_t *id, usec *given);
/* What a call tells. True: somebody waits for nothing any more, see tracker_ids_next.
 *
 * The tracker gave it an id; */
bool tracker_ids_given(
    struct tracker_ids *, uint64_t key, struct tracker_call *, uint64_t id, usec now);
/* does not answer it; */
bool tracker_ids_silent(struct tracker_ids *, uint64_t key, struct tracker_call *);
/* or it is over, or was refused an id: one of those that wait asks now. */
bool tracker_ids_leave(struct tracker_ids *, uint64_t key, struct tracker_call *);
/* The tracker does not know this id, or did not answer who used it. */
void tracker_ids_doubt(struct tracker_ids *, uint64_t key, uint64_t id);
/* Is there anybody who waits for nothing any more? */
bool tracker_ids_have_next(const struct tracker_ids *);
/* Whoever is the next of them, and waits no more; NULL. Trackers take turns: `*place` remembers
 * whose it is, 0 at first. */
struct list_link *tracker_ids_next(struct tracker_ids *, unsigned *place);
/* Our network is another: what was given to another address of ours is worth nothing. */
void tracker_ids_forget_all(struct tracker_ids *);

#endif
