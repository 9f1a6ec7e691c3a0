/* What is measured in a crowd: whether an announced peer is found, at what cost, and what it costs
 * to be a member. */
#ifndef KITH_SIM_DHT_MEASURE_H
#define KITH_SIM_DHT_MEASURE_H

#include "crowd.h"

/* One info-hash, announced by one member and looked for by another some time later. */
struct trial {
    struct crowd *crowd;
    struct node_id target;
    struct endpoint announcer;
    bool announced, over, found;
    usec delay; /* between the two */
    struct dht_result announce, get;
    struct wheel_event begins, looks;
};

struct spread {
    double mean, median, p99, max;
};
/* Sorts the values. */
struct spread spread_of(double *values, size_t count);

struct load {
    struct spread packets, bytes;                    /* sent, a second and member */
    double heard_bytes;                              /* mean */
    size_t members;                                  /* that were there all the time */
    double table_nodes, table_good, hashes, fitting; /* means; fitting: share with BEP 42 ids */
};
struct load_snapshot {
    struct member *member;
    uint64_t packets, bytes, heard;
};
/* Between the two calls time has to pass. The snapshot is an array of live_count, freed by end. */
struct load_snapshot *load_begin(struct crowd *, size_t *count);
struct load load_end(struct crowd *, struct load_snapshot *, size_t count, usec time);

/* Trials begin evenly within `span`; each looks up to `delay_max` after its announce. */
struct trial *trials_begin(struct crowd *, size_t count, usec span, usec delay_max);

struct trials_report {
    size_t over, found, cut_off; /* cut off: one of the two members left in the midst of it */
    size_t crowd_said;           /* that saw a crowd where none was put */
    struct spread hops, questions, seconds; /* of the looking */
    struct spread announce_questions, stored;
};
struct trials_report trials_end(struct trial *, size_t count);

/* Many members look for what a few announced under one target, one after another. */
struct siege {
    struct crowd *crowd;
    struct node_id target;
    struct endpoint announcers[8];
    unsigned announcer_count, stored[8];
    unsigned over, found_any, found_pairs; /* lookups; pairs of lookup and announcer */
    unsigned said; /* lookups that say that somebody has crowded round the target */
    struct spread questions;
    double *asked;
};
void siege_lay(struct siege *, struct crowd *, const struct node_id *target, unsigned lookups);

#endif
