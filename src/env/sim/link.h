/* A link: one direction of a host's access line. Sources that have something to send stand in a
 * queue and are served in turn, each a quantum, so the line is shared evenly (as fair queueing
 * does). A rate of 0 passes everything at once. Uplinks are fed by sockets, downlinks by what
 * arrives from the network.
 *
 * With a queue_max it is a home's modem instead: one queue for all, first come first served, so
 * that who fills it delays everybody; what does not fit is lost. */
#ifndef KITH_ENV_SIM_LINK_H
#define KITH_ENV_SIM_LINK_H

#include "base/list.h"
#include "env/sim/queue.h"
#include <stdbool.h>

struct sim_world;

struct sim_source {
    struct list_link link; /* in the queue of one link; lone otherwise */
    /* Puts the next packets on the line: how many bytes, about `quantum` at most. May be 0. Adds
     * itself again if there is more. */
    size_t (*take)(struct sim_source *, size_t quantum);
    /* What was taken leaves the line at `at`. Not called after 0. */
    void (*sent)(struct sim_source *, usec at);
};

struct sim_link {
    struct sim_world *world;
    uint64_t rate;      /* bytes a second; 0: unlimited */
    uint64_t remainder; /* byte-microseconds, so that no fraction is ever lost */
    uint64_t queue_max; /* bytes that wait at most; 0: fair queueing */
    usec free_at;       /* what is on the line, and the queue if there is one, is sent by then */
    bool serving;       /* take() may call us again */
    struct sim_event idle_again; /* while sources wait */
    struct list_link waiting;
};

void sim_link_init(
    struct sim_link *, struct sim_world *, struct sim_host *, uint64_t rate, uint64_t queue_max);
/* Would a packet of that size find no room in the queue? */
bool sim_link_full(const struct sim_link *, size_t size);
/* The source has something to send; goes to the back of the queue, harmless if it stands in it. */
void sim_link_want(struct sim_link *, struct sim_source *);
static inline void sim_source_init(struct sim_source *s,
    size_t (*take)(struct sim_source *, size_t), void (*sent)(struct sim_source *, usec))
{
    list_init(&s->link);
    s->take = take;
    s->sent = sent;
}
/* Bytes that a source may send in one turn: a millisecond's worth, at least a packet. */
size_t sim_link_quantum(const struct sim_link *);

#endif
