/* No queue passes its bound: connections, buffers, requests both ways, what waits to be sent. */
#include "check.h"

#include "node/node_internal.h"
#include "swarm/peer/peer_internal.h"
#include "swarm/torrent/torrent_internal.h"

static void within(struct swarm_node *n, const char *what, uint64_t is, uint64_t bound)
{
    if (is > bound)
        swarm_fail(n->swarm, "%s has %llu %s, and may have %llu", n->name, (unsigned long long)is,
            what, (unsigned long long)bound);
}

static void peer_within(struct swarm_node *n, const struct peer *p)
{
    within(n, "requests from one peer", p->uploads.count, PEER_REQUESTS_IN_MAX);
    within(n, "requests at one peer", p->requests.count, REQUEST_RING_MAX);
    within(n, "pipelined requests", p->pipeline.depth, PIPELINE_DEPTH_MAX);
    within(n, "message bytes that wait", p->out.bytes_end - p->out.bytes_start,
        SEND_MESSAGES_BYTES_MAX);
    within(n, "block bytes that wait", p->reading_bytes + p->out.block_bytes,
        PEER_UPLOADS_READ_MAX + PEER_BLOCK_MAX);
    within(n, "offences of one peer", p->offences, PEER_OFFENCES_MAX);
}

static void second(struct swarm *s)
{
    for (unsigned i = 0; i < s->count && !s->why[0]; i++) {
        struct swarm_node *n = &s->nodes[i];
        const struct torrent *t = n->node && n->torrent ? n->torrent->torrent : NULL;
        if (!t)
            continue;
        within(n, "connections", n->node->connections, n->node->connections_max);
        within(n, "peers", t->peer_count, t->peers_max);
        within(n, "pieces being assembled", t->buffer_count, TORRENT_BUFFERS_MAX);
        within(n, "chunks in use",
            chunk_pool_size(n->node->pool) - chunk_pool_available(n->node->pool),
            s->config.memory_max / CHUNK_SIZE);
        for (uint32_t j = 0; j < t->peer_count; j++)
            peer_within(n, t->peers[j]);
    }
}

const struct check check_bounds = {"no queue passes its bound", NULL, second};
