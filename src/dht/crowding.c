/* See crowding.h. */
#include "dht/crowding.h"

/* The distance's first 64 bits: a network has far fewer than 2^64 nodes. */
static uint64_t distance(const struct node_id *a, const struct node_id *b)
{
    return load_u64(a->b) ^ load_u64(b->b);
}

unsigned crowding_count(const struct table *t, const struct lookup *l, usec now)
{
    struct table_node near[TABLE_K];
    const struct node_id *own = table_own_id(t);
    if (table_closest(t, own, TABLE_TRUSTED, near, TABLE_K, now) < TABLE_K)
        return 0;
    /* K nodes within this distance of us: one in a Kth of it. */
    uint64_t improbable = distance(own, &near[TABLE_K - 1].id) / TABLE_K / CROWDING_PART;
    unsigned count = 0;
    for (unsigned i = 0; i < l->count; i++) {
        const struct lookup_candidate *c = &l->candidates[i];
        count += c->state == LOOKUP_ANSWERED && distance(&l->target, &c->id) < improbable;
    }
    return count < CROWDING_LEAST ? 0 : count;
}
