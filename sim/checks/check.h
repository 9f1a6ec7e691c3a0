/* What must hold in every run, whatever its scenario: a file for each. A checker sees each event
 * that a node tells, and the swarm once in every virtual second; it says what does not hold with
 * swarm_fail. */
#ifndef KITH_SIM_CHECK_H
#define KITH_SIM_CHECK_H

#include "../swarm.h"

struct check {
    const char *says;
    void (*event)(struct swarm_node *, const struct kith_event *); /* NULL: does not listen */
    void (*second)(struct swarm *);                                /* NULL: does not look */
};

extern const struct check check_pieces, check_bounds, check_progress, check_conflict, check_bans;

#endif
