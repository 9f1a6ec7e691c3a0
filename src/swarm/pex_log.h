/* Who came and who left, in order, so that each peer can be told what is new to it (BEP 11): a
 * torrent keeps one log, a peer its place in it. Bounded: who has fallen behind is told of those
 * that are there, anew. */
#ifndef KITH_SWARM_PEX_LOG_H
#define KITH_SWARM_PEX_LOG_H

#include "proto/ut_pex.h"
#include <stdint.h>

#define PEX_LOG_EVENTS 256u

struct pex_event {
    struct endpoint who;
    uint8_t flags;
    bool joined; /* else: left */
};

/* Starts zeroed. */
struct pex_log {
    struct pex_event events[PEX_LOG_EVENTS]; /* ring; `next` is the number of the next event */
    uint64_t next;
};

void pex_log_joined(struct pex_log *, const struct endpoint *, uint8_t flags);
void pex_log_left(struct pex_log *, const struct endpoint *);
/* Fills `out` (at most UT_PEX_SEND_MAX of each kind) with what has happened since *position, and
 * moves it. Who came and went in between is not mentioned, nor is `but`. False: events since
 * *position are lost; *position is at the end now, and the caller names those who are there. */
bool pex_log_since(
    const struct pex_log *, uint64_t *position, const struct endpoint *but, struct ut_pex *out);

#endif
