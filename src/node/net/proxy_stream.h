/* Streams to peers through the node's proxy. See stream.h and egress.h. */
#ifndef KITH_NODE_PROXY_STREAM_H
#define KITH_NODE_PROXY_STREAM_H

#include "node/net/stream.h"

/* As stream_connect. connected() gets ERR_BLOCKED when it was not the peer that failed but the way
 * to it. ERR_AGAIN: the proxy rests. */
int proxy_stream_connect(struct kith_node *, const struct endpoint *to,
    const struct env_tcp_events *, void *user, struct stream **out);

#endif
