/* Nobody who is honest is banned by anybody who is: lies are laid to those who told them, and soon.
 */
#include "check.h"

#include "node/node_internal.h"
#include "swarm/peer_list.h"
#include "swarm/torrent/torrent_internal.h"

#define BAD_PIECES_MAX 3u /* of one liar at one node: then it is banned */

/* Bans are by address: any port does. Its own it bans when it has met itself. */
static void bans_of(struct swarm_node *n, const struct peer_list *l)
{
    struct swarm *s = n->swarm;
    for (unsigned i = 0; i < s->count && !s->why[0]; i++) {
        struct endpoint e = sim_host_endpoint(s->nodes[i].host, ADDR_V4, 1);
        if (&s->nodes[i] != n && s->nodes[i].honest && peer_list_banned(l, &e))
            swarm_fail(s, "%s has banned %s, who is honest", n->name, s->nodes[i].name);
    }
}

/* How many bad pieces of each liar came to it before it banned it. */
static void lies_to(struct swarm_node *n, const struct torrent *t)
{
    struct swarm *s = n->swarm;
    for (unsigned i = 0; i < s->count && !s->why[0]; i++) {
        struct endpoint e = sim_host_endpoint(s->nodes[i].host, ADDR_V4, 1);
        unsigned bad = s->nodes[i].honest ? 0 : suspects_bad_pieces(&t->suspects, &e);
        if (bad > BAD_PIECES_MAX)
            swarm_fail(s, "%s took %u bad pieces of %s", n->name, bad, s->nodes[i].name);
    }
}

static void second(struct swarm *s)
{
    for (unsigned i = 0; i < s->count && !s->why[0]; i++) {
        struct swarm_node *n = &s->nodes[i];
        if (!n->honest || !n->node || !n->torrent || !n->torrent->torrent)
            continue;
        bans_of(n, n->torrent->torrent->candidates);
        lies_to(n, n->torrent->torrent);
    }
}

const struct check check_bans = {"liars are banned soon, the honest never", NULL, second};
