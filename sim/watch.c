/* See watch.h. */
#include "watch.h"

#include "node/node_internal.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"
#include <stdio.h>
#include <stdlib.h>

struct sums {
    uint64_t sent, up; /* of the leechers: bytes, and what their lines carry in a second */
    uint64_t peers, slots, useful_slots, asked, begun, wasted;
    unsigned complete, count;
    uint32_t have[SWARM_NODES_MAX];
};

static void add_node(struct sums *x, const struct swarm_node *n)
{
    struct torrent *t = n->torrent ? n->torrent->torrent : NULL;
    x->sent += sim_host_stats(n->host).bytes_sent;
    x->up += n->up;
    x->complete += n->complete;
    if (!t)
        return;
    x->have[x->count++] = t->have.count;
    x->peers += t->peer_count;
    x->begun += t->buffer_count;
    x->wasted += t->wasted;
    for (uint32_t i = 0; i < t->peer_count; i++) {
        struct peer *p = t->peers[i];
        x->asked += p->requests.waiting > 0;
        x->slots += !p->choked_by_us && p->interested_in_us;
        x->useful_slots += !p->choked_by_us && rate_meter_value(&p->up_rate, t->now) > 0;
    }
}

static int by_count(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

void watch_look(struct watch *w, struct swarm *s)
{
    struct sums x = {0};
    usec now = sim_world_now(s->world);
    if (now < w->next)
        return;
    if (w->next == 0)
        printf("%6s %6s %6s %20s %6s %6s %6s %6s %6s %6s %6s\n", "s", "seed", "others", "pieces",
            "done", "peers", "slots", "giving", "asked", "begun", "wasted");
    w->next = now + SECONDS(1);
    for (unsigned i = 1; i < s->count; i++)
        add_node(&x, &s->nodes[i]);
    uint64_t seed_sent = sim_host_stats(s->nodes[0].host).bytes_sent;
    double n = x.count ? x.count : 1, up = x.up ? (double)x.up : 1;
    double seed_up = s->nodes[0].up ? (double)s->nodes[0].up : 1;
    qsort(x.have, x.count, sizeof *x.have, by_count);
    printf("%6.1f %5.0f%% %5.0f%% %6u %6u %6u %6u %6.1f %6.1f %6.1f %6.1f %6.1f %5.1f%%\n",
        (double)now / USEC_PER_SEC, 100 * (double)(seed_sent - w->seed_sent) / seed_up,
        100 * (double)(x.sent - w->others_sent) / up, x.have[0], x.have[x.count / 2],
        x.have[x.count ? x.count - 1 : 0], x.complete, (double)x.peers / n, (double)x.slots / n,
        (double)x.useful_slots / n, (double)x.asked / n, (double)x.begun / n,
        100.0 * (double)x.wasted / ((double)(x.sent + seed_sent) + 1));
    fflush(stdout);
    w->seed_sent = seed_sent;
    w->others_sent = x.sent;
}
