/* An honest leecher that stays connected to a full copy gets on: it does not stand still for half
 * an hour. Its own disk's troubles excuse it. (That it also ends is what "until everybody complete"
 * asks for.) */
#include "check.h"

#include "node/node_internal.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"

#define PATIENCE SECONDS(1800)

static bool knows_a_full_copy(const struct torrent *t)
{
    for (uint32_t j = 0; j < t->peer_count; j++) {
        const struct peer *p = t->peers[j];
        if (p->have.size > 0 && p->have.count == p->have.size)
            return true;
    }
    return false;
}

static void second(struct swarm *s)
{
    usec now = sim_world_now(s->world);
    for (unsigned i = 0; i < s->count; i++) {
        struct swarm_node *n = &s->nodes[i];
        const struct torrent *t = n->node && n->torrent ? n->torrent->torrent : NULL;
        bool should = t && n->honest && !n->complete && n->ready && n->troubles <= n->recoveries &&
                      knows_a_full_copy(t);
        if (!should || t->have.count != n->pieces_seen) {
            n->pieces_seen = t ? t->have.count : 0;
            n->progress_at = now;
        } else if (now - n->progress_at > PATIENCE) {
            swarm_fail(
                s, "%s knows a full copy and stands still at %u pieces", n->name, n->pieces_seen);
        }
    }
}

const struct check check_progress = {"who knows a full copy gets on", NULL, second};
