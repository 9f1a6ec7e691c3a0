/* What our address looks like from outside, by the vote of those who answered us (BEP 42, `ip`).
 * A network (/24, /64) has one vote; enough have to agree, and two thirds of those that voted. */
#ifndef KITH_DHT_ADDRESS_VOTE_H
#define KITH_DHT_ADDRESS_VOTE_H

#include "base/addr.h"

#define ADDRESS_VOTERS_MAX 24u /* the last so many count */

struct address_vote {
    struct {
        struct endpoint by, for_address; /* of the voter only the network */
    } votes[ADDRESS_VOTERS_MAX];
    unsigned count, next;
};

/* True: `said` now has the votes of `needed` networks and of two thirds. */
bool address_vote_cast(
    struct address_vote *, const struct endpoint *by, const struct endpoint *said, unsigned needed);

#endif
