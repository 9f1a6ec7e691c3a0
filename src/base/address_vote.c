/* See address_vote.h. */
#include "base/address_vote.h"

#include <string.h>

#define PREFIX_V4 3 /* bytes: a /24 */
#define PREFIX_V6 6 /* a /48: what a household or a renter of machines gets */

static void name_voter(const struct endpoint *e, uint8_t out[6])
{
    memset(out, 0, 6);
    memcpy(out, e->ip, e->family == ADDR_V4 ? PREFIX_V4 : PREFIX_V6);
}

/* The voter's earlier vote, or a free place, or the oldest. */
static unsigned place(struct address_vote *v, const uint8_t voter[6])
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < v->count; i++) {
        if (memcmp(v->votes[i].voter, voter, 6) == 0)
            return i;
        if (v->votes[i].at < v->votes[oldest].at)
            oldest = i;
    }
    return v->count < ADDRESS_VOTERS_MAX ? v->count++ : oldest;
}

static void cast(
    struct address_vote *v, const uint8_t voter[6], const struct endpoint *says, usec now)
{
    if (endpoint_class(says) != ADDR_GLOBAL)
        return;
    unsigned i = place(v, voter);
    memcpy(v->votes[i].voter, voter, 6);
    v->votes[i].says = *says;
    v->votes[i].says.port = 0;
    v->votes[i].at = now;
}

void address_vote_cast(
    struct address_vote *v, const struct endpoint *voter, const struct endpoint *says, usec now)
{
    uint8_t name[6];
    /* Who speaks to us over one family knows nothing of our address in the other. */
    if (voter->family != says->family || endpoint_class(voter) != ADDR_GLOBAL)
        return;
    name_voter(voter, name);
    cast(v, name, says, now);
}

void address_vote_cast_by_trackers(struct address_vote *v, const struct endpoint *says, usec now)
{
    static const uint8_t trackers[6] = {0xff, 'T'}; /* no unicast prefix begins so */
    cast(v, trackers, says, now);
}

static bool counts(const struct address_vote *v, unsigned i, usec now)
{
    return now - v->votes[i].at <= ADDRESS_VOTE_AGE_MAX;
}

static unsigned votes_for(const struct address_vote *v, const struct endpoint *e, usec now)
{
    unsigned votes = 0;
    for (unsigned i = 0; i < v->count; i++)
        votes += counts(v, i, now) && endpoint_same_ip(&v->votes[i].says, e);
    return votes;
}

struct address_tally address_vote_count(const struct address_vote *v, usec now)
{
    struct address_tally t = {0};
    unsigned second = 0;
    for (unsigned i = 0; i < v->count; i++) {
        const struct endpoint *e = &v->votes[i].says;
        unsigned votes = votes_for(v, e, now);
        t.voters += counts(v, i, now);
        if (t.votes > 0 && endpoint_same_ip(&t.address, e))
            continue;
        if (votes > t.votes) {
            second = t.votes;
            t.votes = votes;
            t.address = *e;
        } else if (votes > second) {
            second = votes;
        }
    }
    if (t.votes == second)
        t.address = (struct endpoint){0};
    return t;
}

bool address_tally_is_firm(const struct address_tally *t, unsigned needed)
{
    return t->address.family != ADDR_NONE && t->votes >= needed && t->votes * 3 >= t->voters * 2;
}
