/* A world of struct dht nodes only: no hosts, no sockets, no env. Each member has an address of the
 * open internet, a session that ends without a word, and a successor that knows one member's
 * address and nothing else (if that one leaves in the very moment, it gets another after half a
 * minute): nobody is a bootstrap server. Datagrams take the pair's latency, may be
 * lost, and reach only who is there.
 *
 * One seed is one run. Memory that runs out ends the program. */
#ifndef KITH_SIM_DHT_CROWD_H
#define KITH_SIM_DHT_CROWD_H

#include "dht/dht.h"
#include "env/sim/rng.h"
#include "wheel.h"

struct crowd_config {
    uint64_t seed;
    unsigned nodes;      /* honest ones, at all times once it has grown */
    usec session_median; /* NEVER: nobody leaves */
    usec grow;           /* the nodes come spread over this long */
    double loss;         /* of datagrams */
    double natted;       /* share of members that only hear whom they wrote to within a minute */
    usec latency_min, latency_max; /* one way; a pair's is drawn once */
    usec jitter;                   /* added to each datagram */
};
struct crowd_config crowd_config_default(uint64_t seed, unsigned nodes);

#define CROWD_HOLES 256u /* endpoints that a member behind a NAT may hear, about */

struct crowd;
struct hostile;

struct member {
    struct crowd *crowd;
    struct dht *dht;         /* NULL: gone, or hostile */
    struct hostile *hostile; /* NULL: honest */
    struct endpoint at;
    usec since;
    uint32_t live_index;
    struct wheel_event timer, leave, alone;
    struct hole *holes; /* behind a NAT; NULL: in the open */
};

struct crowd {
    struct crowd_config config;
    struct wheel wheel;
    struct sim_rng rng, net_rng;
    struct member **live; /* honest ones that are there */
    uint32_t live_count;
    struct member **all; /* whoever was there, hostile ones too */
    uint32_t all_count, all_capacity;
    uint32_t *by_address; /* open addressing: index into `all` + 1 */
    uint32_t by_address_size;
    struct wheel_event grow;
    uint32_t to_come; /* members that are still to join while it grows */
    uint64_t datagrams, lost, to_nobody, shut_out;
    uint64_t alone; /* members whose one address was no use, and who asked for another */
};

void crowd_init(struct crowd *, const struct crowd_config *);
void crowd_free(struct crowd *);
void crowd_run(struct crowd *, usec until);
/* Adds a member that knows one of the others; at a random address. */
struct member *crowd_join(struct crowd *);
/* Any member that has been there for so long; NULL: none was found. */
struct member *crowd_pick(struct crowd *, usec since_at_least);
/* This one does not leave any more. */
void crowd_stay(struct member *);
struct member *crowd_at(const struct crowd *, const struct endpoint *);
/* After a call to its dht: its next deadline. */
void crowd_rearm(struct member *);
/* The network's part: called by members to send. */
void crowd_send(struct member *from, const struct endpoint *to, struct bytes datagram);
/* A member without a dht of its own (hostile.c). */
struct member *crowd_add_stranger(struct crowd *, struct hostile *);

#endif
