/* Those who want to make one info-hash vanish (Sybil, eclipse): their ids crowd around it, they
 * answer every question with nodes of their own crowd, swallow announces, and make themselves known
 * to everybody. They know each other and every honest address, and coordinate without a message:
 * stronger than any real attacker. */
#ifndef KITH_SIM_DHT_HOSTILE_H
#define KITH_SIM_DHT_HOSTILE_H

#include "crowd.h"

enum hostile_ids {
    HOSTILE_FITTING, /* of the 8 ids that BEP 42 leaves to an address, the nearest to the target */
    HOSTILE_CHOSEN   /* right at the target, whatever the address */
};

struct hostile {
    struct crowd *crowd;
    struct node_id target;
    enum hostile_ids ids;
    struct hostile_node *nodes; /* the nearest to the target first */
    unsigned count;
    uint64_t swallowed; /* announces */
};

/* So many come, at once. */
void hostile_join(struct hostile *, struct crowd *, unsigned count, enum hostile_ids,
    const struct node_id *target);
void hostile_free(struct hostile *);
void hostile_receive(struct member *, const struct endpoint *from, struct bytes datagram);

#endif
