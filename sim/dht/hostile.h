/* Those who want to make one info-hash vanish (Sybil, eclipse): their ids crowd around it, they
 * swallow announces, and make themselves known to everybody. They know each other and every honest
 * address, and coordinate without a message. What they answer is either nodes of their own crowd,
 * or slander: the honest ones nearest to the target under false ids, at false ports, and with false
 * neighbours, so that those who believe it do not find them. */
#ifndef KITH_SIM_DHT_HOSTILE_H
#define KITH_SIM_DHT_HOSTILE_H

#include "crowd.h"

enum hostile_ids {
    HOSTILE_FITTING, /* of the 8 ids that BEP 42 leaves to an address, the nearest to the target */
    HOSTILE_CHOSEN   /* right at the target, whatever the address */
};

enum hostile_words { HOSTILE_PRAISE /* one another */, HOSTILE_SLANDER /* the honest */ };

#define HOSTILE_VICTIMS 32u /* the honest ones nearest to the target */

struct hostile {
    struct crowd *crowd;
    struct node_id target;
    enum hostile_ids ids;
    enum hostile_words words;
    struct hostile_node *nodes; /* the nearest to the target first */
    unsigned count;
    uint64_t swallowed; /* announces */
    struct krpc_node victims[HOSTILE_VICTIMS];
    unsigned victim_count;
    usec looked_at; /* when they were found */
};

/* So many come, at once. */
void hostile_join(struct hostile *, struct crowd *, unsigned count, enum hostile_ids,
    enum hostile_words, const struct node_id *target);
void hostile_free(struct hostile *);
void hostile_receive(struct member *, const struct endpoint *from, struct bytes datagram);

#endif
