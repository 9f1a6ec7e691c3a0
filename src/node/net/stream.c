/* Streams over TCP, and which carrier a peer is connected by: see stream.h. */
#include "node/net/stream.h"

#include "base/err.h"
#include "node/net/block_list.h"
#include "node/net/egress.h"
#include "node/net/proxy_stream.h"
#include "node/net/utp_io.h"
#include "node/node_internal.h"
#include <stdlib.h>

struct tcp_stream {
    struct stream stream;
    struct env_tcp *tcp;
};

static struct env_tcp *tcp_of(struct stream *s)
{
    return container_of(s, struct tcp_stream, stream)->tcp;
}

static void tcp_set_events(struct stream *s, const struct env_tcp_events *events, void *user)
{
    env_tcp_set_events(tcp_of(s), events, user);
}

static void tcp_want(struct stream *s, bool read, bool write)
{
    env_tcp_want(tcp_of(s), read, write);
}

static void tcp_expect(struct stream *s, size_t bytes)
{
    env_tcp_expect(tcp_of(s), bytes);
}

static ssize_t tcp_readv(struct stream *s, const struct iovec *iov, int count)
{
    return env_tcp_readv(tcp_of(s), iov, count);
}

static ssize_t tcp_writev(struct stream *s, const struct iovec *iov, int count, bool more)
{
    return env_tcp_writev(tcp_of(s), iov, count, more);
}

static void tcp_close(struct stream *s)
{
    env_tcp_close(tcp_of(s));
    free(container_of(s, struct tcp_stream, stream));
}

static enum carrier tcp_carrier(struct stream *s)
{
    (void)s;
    return CARRIER_TCP;
}

static const struct stream_ops tcp_ops = {
    tcp_set_events, tcp_want, tcp_expect, tcp_readv, tcp_writev, tcp_close, tcp_carrier};

struct stream *stream_of_tcp(struct env_tcp *tcp)
{
    struct tcp_stream *s = malloc(sizeof *s);
    if (!s) {
        env_tcp_close(tcp);
        return NULL;
    }
    *s = (struct tcp_stream){{&tcp_ops}, tcp};
    return &s->stream;
}

int stream_connect_tcp(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct stream **out)
{
    struct env_tcp *tcp;
    if (egress_is_proxied(n))
        return proxy_stream_connect(n, to, events, user, out);
    int err = egress_connect(n, to, events, user, &tcp);
    if (err)
        return err;
    *out = stream_of_tcp(tcp);
    return *out ? 0 : ERR_NOMEM;
}

int stream_connect(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct stream **out)
{
    if (block_list_has(n, to))
        return ERR_BLOCKED;
    /* A proxy's TCP reaches everybody: datagrams through it are for what knows no TCP. */
    if (egress_is_proxied(n) && !n->no_tcp)
        return stream_connect_tcp(n, to, events, user, out);
    bool utp = n->utp && ports_of(n, (enum addr_family)to->family);
    if (!utp)
        return n->no_tcp ? ERR_UNSUPPORTED : stream_connect_tcp(n, to, events, user, out);
    return n->no_tcp ? utp_io_connect(n, to, events, user, out)
                     : race_connect(n, to, events, user, out);
}
