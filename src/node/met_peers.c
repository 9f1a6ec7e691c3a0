/* Peers of a download over a restart: those that it was connected with, so that it goes on though
 * no tracker answers, the DHT knows nobody and nobody is heard on the local network.
 *
 * Saved with each record of its data and when it stops, recalled when it wants data again. What is
 * complete keeps none: whoever wants its data comes by itself, and 100,000 seeds need no list each.
 *
 * Private torrents (BEP 27) keep theirs, too, as libtorrent's and Transmission's do: a peer that
 * the tracker named stays one that it named. Who came to us by himself is not among them; the
 * swarm sees to that. */
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"

#define MET_PEERS_MAX 100u /* of a torrent */

static bool wants_data(const struct kith_torrent *k)
{
    return k->torrent && !(torrent_storage(k->torrent) && torrent_is_complete(k->torrent));
}

/* The interface that a link-local address belongs to is another after a restart. */
static bool is_lasting(const struct endpoint *e)
{
    return e->scope == 0;
}

void met_peers_save(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    struct peer_met met[MET_PEERS_MAX];
    struct state_peer peers[MET_PEERS_MAX];
    if (!n->state || !k->id || k->removing || !k->awake || !k->torrent)
        return;
    size_t count = 0, known = wants_data(k) ? torrent_met(k->torrent, met, MET_PEERS_MAX) : 0;
    usec now = env_now(n->env);
    for (size_t i = 0; i < known; i++)
        if (is_lasting(&met[i].endpoint))
            peers[count++] = (struct state_peer){.endpoint = met[i].endpoint,
                .source = met[i].source,
                .seen_unix = env_time_unix(n->env) - (now - met[i].seen) / USEC_PER_SEC};
    if (count == 0 && !k->awake->peers_saved)
        return;
    k->awake->peers_saved =
        state_save_peers(n->state, k->id, peers, count, NULL, NULL) != 0 || count > 0;
    memory_arm(n);
}

/* Where everything goes by a proxy or an interface, that is not told of addresses of another
 * network of ours. */
static bool may_recall(const struct kith_node *n, const struct state_peer *p)
{
    return egress_is_open(n) || endpoint_class(&p->endpoint) == ADDR_GLOBAL;
}

void met_peers_recall(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    struct state_peer peers[MET_PEERS_MAX];
    if (!n->state || !k->restored || !k->awake || k->awake->peers_recalled || !wants_data(k))
        return;
    k->awake->peers_recalled = true;
    int count = state_load_peers(n->state, k->id, peers, MET_PEERS_MAX);
    usec now = env_now(n->env);
    int64_t now_unix = env_time_unix(n->env);
    for (int i = 0; i < count; i++) {
        /* A clock that was set meanwhile makes none of them younger than those of this run. */
        int64_t age_s = now_unix > peers[i].seen_unix ? now_unix - peers[i].seen_unix : 0;
        if (may_recall(n, &peers[i]))
            torrent_meet_again(k->torrent, &(struct peer_met){.endpoint = peers[i].endpoint,
                                               .source = peers[i].source,
                                               .seen = now - SECONDS(age_s)});
    }
    k->awake->peers_saved = count > 0;
}
