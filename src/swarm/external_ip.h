/* What our address looks like from outside, by the word of those who see it: peers (`yourip`, BEP
 * 10), trackers (`external ip`, BEP 24) and DHT nodes (`ip`, BEP 42).
 *
 * Anybody may lie, so nobody is believed alone: one network has one vote (a /24, a /48), a few
 * dozen votes are kept, and an address counts when at least EXTERNAL_IP_QUORUM networks say so and
 * no other has as many. Only what is said from the open internet about an address of the open
 * internet is a vote. Pure; copyable; starts zeroed. */
#ifndef KITH_SWARM_EXTERNAL_IP_H
#define KITH_SWARM_EXTERNAL_IP_H

#include "base/addr.h"
#include "base/time.h"

#define EXTERNAL_IP_VOTES 24u /* of a family; a newer one takes the place of the oldest */
#define EXTERNAL_IP_QUORUM 2u
#define EXTERNAL_IP_AGE_MAX SECONDS(3600)

struct external_ip_vote {
    uint8_t voter[6]; /* the network's first bytes */
    struct endpoint says;
    usec at;
};

struct external_ip {
    struct external_ip_ballot {
        struct external_ip_vote votes[EXTERNAL_IP_VOTES];
        unsigned count;
    } ballots[2]; /* IPv4, IPv6: of the address that is voted for */
};

void external_ip_vote(
    struct external_ip *, const struct endpoint *voter, const struct endpoint *says, usec now);
/* The vote that all trackers have together: their addresses are not known here. */
void external_ip_vote_of_trackers(struct external_ip *, const struct endpoint *says, usec now);
/* False: not known. The port of `out` is 0. */
bool external_ip_get(const struct external_ip *, enum addr_family, usec now, struct endpoint *out);
/* We are on another network: nothing of it holds. */
void external_ip_forget(struct external_ip *);

#endif
