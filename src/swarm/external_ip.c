/* See external_ip.h. */
#include "swarm/external_ip.h"

#include <string.h>

#define PREFIX_V4 3 /* bytes: a /24 */
#define PREFIX_V6 6 /* a /48: what a household or a renter of machines gets */

static void name_voter(const struct endpoint *e, uint8_t out[6])
{
    memset(out, 0, 6);
    memcpy(out, e->ip, e->family == ADDR_V4 ? PREFIX_V4 : PREFIX_V6);
}

/* The voter's earlier vote, or a free place, or the oldest. */
static struct external_ip_vote *place(struct external_ip_ballot *b, const uint8_t voter[6])
{
    struct external_ip_vote *oldest = &b->votes[0];
    for (unsigned i = 0; i < b->count; i++) {
        if (memcmp(b->votes[i].voter, voter, 6) == 0)
            return &b->votes[i];
        if (b->votes[i].at < oldest->at)
            oldest = &b->votes[i];
    }
    return b->count < EXTERNAL_IP_VOTES ? &b->votes[b->count++] : oldest;
}

static void count(
    struct external_ip *x, const uint8_t voter[6], const struct endpoint *says, usec now)
{
    struct external_ip_vote v = {.says = *says, .at = now};
    if (endpoint_class(says) != ADDR_GLOBAL)
        return;
    v.says.port = 0;
    memcpy(v.voter, voter, sizeof v.voter);
    *place(&x->ballots[says->family == ADDR_V6], v.voter) = v;
}

void external_ip_vote(
    struct external_ip *x, const struct endpoint *voter, const struct endpoint *says, usec now)
{
    uint8_t name[6];
    /* Who speaks to us over one family knows nothing of our address in the other. */
    if (voter->family != says->family || endpoint_class(voter) != ADDR_GLOBAL)
        return;
    name_voter(voter, name);
    count(x, name, says, now);
}

void external_ip_vote_of_trackers(struct external_ip *x, const struct endpoint *says, usec now)
{
    static const uint8_t trackers[6] = {0xff, 'T'}; /* no unicast prefix begins so */
    count(x, trackers, says, now);
}

static unsigned votes_for(const struct external_ip_ballot *b, const struct endpoint *e, usec now)
{
    unsigned count = 0;
    for (unsigned i = 0; i < b->count; i++)
        count +=
            now - b->votes[i].at <= EXTERNAL_IP_AGE_MAX && endpoint_same_ip(&b->votes[i].says, e);
    return count;
}

bool external_ip_get(
    const struct external_ip *x, enum addr_family family, usec now, struct endpoint *out)
{
    const struct external_ip_ballot *b = &x->ballots[family == ADDR_V6];
    unsigned most = 0, second = 0;
    const struct endpoint *winner = NULL;
    for (unsigned i = 0; i < b->count; i++) {
        const struct endpoint *e = &b->votes[i].says;
        unsigned count = votes_for(b, e, now);
        if (winner && endpoint_same_ip(winner, e))
            continue;
        if (count > most) {
            second = most;
            most = count;
            winner = e;
        } else if (count > second) {
            second = count;
        }
    }
    if (most < EXTERNAL_IP_QUORUM || second == most)
        return false;
    *out = *winner;
    return true;
}

void external_ip_forget(struct external_ip *x)
{
    *x = (struct external_ip){0};
}
