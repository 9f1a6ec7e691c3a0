/* See suspects.h. */
#include "swarm/pieces/suspects.h"

#include "swarm/peer_list.h"
#include <stdlib.h>

void suspects_free(struct suspects *s)
{
    free(s->items);
    *s = (struct suspects){0};
}

static struct suspect *find(const struct suspects *s, const struct endpoint *e)
{
    for (unsigned i = 0; i < s->count; i++)
        if (peer_list_same(&s->items[i].address, e))
            return (struct suspect *)&s->items[i];
    return NULL;
}

void suspects_add(struct suspects *s, const struct endpoint *e)
{
    struct suspect *known = find(s, e);
    if (!s->items)
        s->items = calloc(SUSPECTS_MAX, sizeof *s->items);
    if (!s->items)
        return;
    if (!known) {
        known = &s->items[s->next];
        s->next = (s->next + 1) % SUSPECTS_MAX;
        s->count += s->count < SUSPECTS_MAX;
        *known = (struct suspect){.address = *e};
    }
    known->bad_pieces++;
    known->cleared = false;
}

void suspects_clear(struct suspects *s, const struct endpoint *e)
{
    struct suspect *known = find(s, e);
    if (known)
        known->cleared = true;
}

bool suspects_hold(const struct suspects *s, const struct endpoint *e)
{
    const struct suspect *known = find(s, e);
    return known && !known->cleared;
}

unsigned suspects_bad_pieces(const struct suspects *s, const struct endpoint *e)
{
    const struct suspect *known = find(s, e);
    return known ? known->bad_pieces : 0;
}
