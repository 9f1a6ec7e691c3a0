/* Nobody who is honest is banned by anybody who is: lies are laid to those who told them. */
#include "check.h"

#include "node/node_internal.h"
#include "swarm/peer_list.h"
#include "swarm/torrent_internal.h"

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

static void second(struct swarm *s)
{
    for (unsigned i = 0; i < s->count && !s->why[0]; i++) {
        struct swarm_node *n = &s->nodes[i];
        if (n->honest && n->node && n->torrent && n->torrent->torrent)
            bans_of(n, n->torrent->torrent->candidates);
    }
}

const struct check check_bans = {"who is honest is not banned", NULL, second};
