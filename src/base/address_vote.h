/* What our address in one family looks like from outside, by the word of those who see it: peers
 * (`yourip`, BEP 10), trackers (`external ip`, BEP 24) and DHT nodes (`ip`, BEP 42).
 *
 * Anybody may lie, so nobody is believed alone: one network has one vote (a /24, a /48), a few
 * dozen votes are kept, and how many have to agree is the caller's to say. Only what is said from
 * the open internet about an address of the open internet, of the same family, is a vote. Pure;
 * copyable; starts zeroed; zeroed again, nothing of it holds. */
#ifndef KITH_BASE_ADDRESS_VOTE_H
#define KITH_BASE_ADDRESS_VOTE_H

#include "base/addr.h"
#include "base/time.h"

#define ADDRESS_VOTERS_MAX 24u /* networks; a newer one takes the place of the oldest */
#define ADDRESS_VOTE_AGE_MAX SECONDS(3600)

struct address_vote {
    struct {
        uint8_t voter[6]; /* the network's first bytes */
        struct endpoint says;
        usec at;
    } votes[ADDRESS_VOTERS_MAX];
    unsigned count;
};

void address_vote_cast(
    struct address_vote *, const struct endpoint *voter, const struct endpoint *says, usec now);
/* The vote that all trackers have together: their addresses are not known here. */
void address_vote_cast_by_trackers(struct address_vote *, const struct endpoint *says, usec now);

struct address_tally {
    struct endpoint address; /* that most vote for; port 0. No family: there is no vote, or a tie */
    unsigned votes, voters;  /* for it; in all */
};
struct address_tally address_vote_count(const struct address_vote *, usec now);
/* `needed` networks say so, and two thirds of those that say anything. */
bool address_tally_is_firm(const struct address_tally *, unsigned needed);

#endif
