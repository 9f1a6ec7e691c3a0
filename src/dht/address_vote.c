/* See address_vote.h. */
#include "dht/address_vote.h"

#include "dht/node_id.h"

bool address_vote_cast(
    struct address_vote *v, const struct endpoint *by, const struct endpoint *said, unsigned needed)
{
    unsigned place = v->next;
    for (unsigned i = 0; i < v->count; i++)
        if (node_address_same_prefix(&v->votes[i].by, by))
            place = i;
    if (place == v->next) {
        v->next = (v->next + 1) % ADDRESS_VOTERS_MAX;
        if (v->count < ADDRESS_VOTERS_MAX)
            v->count++;
    }
    v->votes[place].by = *by;
    v->votes[place].for_address = *said;
    unsigned agree = 0;
    for (unsigned i = 0; i < v->count; i++)
        agree += endpoint_same_ip(&v->votes[i].for_address, said);
    return agree >= needed && agree * 3 >= v->count * 2;
}
