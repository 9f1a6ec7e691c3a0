/* See tracker.h. */
#include "proto/tracker.h"

void tracker_reply_init(struct tracker_reply *r)
{
    memset(r, 0, sizeof *r);
    r->seeders = r->leechers = r->completed = -1;
}

void tracker_reply_compact(struct tracker_reply *r, struct bytes list, enum addr_family family)
{
    struct cursor c = cursor_of(list);
    while (c.left > 0 && r->peer_count < TRACKER_PEERS_MAX) {
        struct endpoint *e = &r->peers[r->peer_count];
        *e = endpoint_take_compact(&c, family);
        r->peer_count += e->port != 0; /* nor what is cut off at the end */
    }
}
