/* See tracker.h. */
#include "proto/tracker.h"

void tracker_reply_init(struct tracker_reply *r)
{
    memset(r, 0, sizeof *r);
    r->seeders = r->leechers = r->completed = -1;
}

void tracker_reply_compact(struct tracker_reply *r, struct bytes list, enum addr_family family)
{
    size_t size = family == ADDR_V6 ? 16 : 4;
    struct cursor c = cursor_of(list);
    while (c.left >= size + 2 && r->peer_count < TRACKER_PEERS_MAX) {
        struct endpoint *e = &r->peers[r->peer_count];
        *e = (struct endpoint){.family = family};
        cursor_copy(&c, e->ip, size);
        e->port = cursor_u16(&c);
        r->peer_count += e->port != 0;
    }
}
