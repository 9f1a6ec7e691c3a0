/* A byte stream to a peer, whatever carries it: link.c and everything above see no difference.
 *
 * The calls and the events are those of env.h's TCP, with the same rules: callbacks never happen
 * inside the call that asked for them, read and write interest are level-triggered, and after close
 * no callback comes. A carrier is a struct that begins with struct stream, and a table. */
#ifndef KITH_NODE_STREAM_H
#define KITH_NODE_STREAM_H

#include "env/env.h"

struct kith_node;
struct stream;

enum carrier { CARRIER_NONE, CARRIER_TCP, CARRIER_UTP };

struct stream_ops {
    void (*set_events)(struct stream *, const struct env_tcp_events *, void *user);
    void (*want)(struct stream *, bool read, bool write);
    void (*expect)(struct stream *, size_t bytes);
    ssize_t (*readv)(struct stream *, const struct iovec *, int count);
    ssize_t (*writev)(struct stream *, const struct iovec *, int count, bool more);
    void (*close)(struct stream *);
    enum carrier (*carrier)(struct stream *);
};

struct stream {
    const struct stream_ops *ops;
};

/* Starts to connect to a peer in the way that the node's settings allow; connected() follows.
 * ERR_NETWORK, ERR_LIMIT, ERR_NOMEM; ERR_BLOCKED, ERR_AGAIN: nothing leaves now (egress.h). */
int stream_connect(struct kith_node *, const struct endpoint *to, const struct env_tcp_events *,
    void *user, struct stream **out);
/* The same, by TCP and nothing else. */
int stream_connect_tcp(struct kith_node *, const struct endpoint *to, const struct env_tcp_events *,
    void *user, struct stream **out);
/* A connection that a listener took, owned by the stream from now on. NULL: no memory, and it is
 * closed. */
struct stream *stream_of_tcp(struct env_tcp *);

static inline void stream_set_events(
    struct stream *s, const struct env_tcp_events *events, void *user)
{
    s->ops->set_events(s, events, user);
}

static inline void stream_want(struct stream *s, bool read, bool write)
{
    s->ops->want(s, read, write);
}

static inline void stream_expect(struct stream *s, size_t bytes)
{
    s->ops->expect(s, bytes);
}

static inline ssize_t stream_readv(struct stream *s, const struct iovec *iov, int count)
{
    return s->ops->readv(s, iov, count);
}

static inline ssize_t stream_writev(struct stream *s, const struct iovec *iov, int count, bool more)
{
    return s->ops->writev(s, iov, count, more);
}

/* What carries it; CARRIER_NONE: that is not decided yet. */
static inline enum carrier stream_carrier(struct stream *s)
{
    return s->ops->carrier(s);
}

static inline void stream_close(struct stream *s)
{
    s->ops->close(s);
}

#endif
