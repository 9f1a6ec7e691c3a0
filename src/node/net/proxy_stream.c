/* See proxy_stream.h. First the talk with the proxy, sans-I/O in proto/; once it has opened the
 * way, the events of the connection are the owner's, and nothing stands between. */
#include "node/net/proxy_stream.h"
#include "node/net/block_list.h"
#include "node/net/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "proto/http_connect.h"
#include "proto/socks5.h"
#include <stdlib.h>

/* The talk: one of two, as the proxy's kind says. */
union talk {
    struct socks5 socks5;
    struct http_connect http;
};

struct proxy_stream {
    struct stream stream;
    struct kith_node *node;
    struct env_tcp *tcp;
    bool http;
    union talk *talk;   /* NULL: the way is open */
    bool reads, writes; /* what the owner wants, until then */
    struct env_tcp_events events;
    void *user;
};

static struct proxy_stream *of(struct stream *s)
{
    return container_of(s, struct proxy_stream, stream);
}

/* ---- the stream ---------------------------------------------------------------------------- */

static void set_events(struct stream *stream, const struct env_tcp_events *events, void *user)
{
    struct proxy_stream *s = of(stream);
    s->events = *events;
    s->user = user;
    if (!s->talk)
        env_tcp_set_events(s->tcp, events, user);
}

static void want(struct stream *stream, bool read, bool write)
{
    struct proxy_stream *s = of(stream);
    s->reads = read;
    s->writes = write;
    if (!s->talk)
        env_tcp_want(s->tcp, read, write);
}

static void expect(struct stream *stream, size_t bytes)
{
    if (!of(stream)->talk)
        env_tcp_expect(of(stream)->tcp, bytes);
}

static ssize_t stream_read(struct stream *s, const struct iovec *iov, int count)
{
    return of(s)->talk ? ERR_AGAIN : env_tcp_readv(of(s)->tcp, iov, count);
}

static ssize_t stream_write(struct stream *s, const struct iovec *iov, int count, bool more)
{
    return of(s)->talk ? ERR_AGAIN : env_tcp_writev(of(s)->tcp, iov, count, more);
}

static void close_stream(struct stream *stream)
{
    struct proxy_stream *s = of(stream);
    env_tcp_close(s->tcp);
    free(s->talk);
    free(s);
}

static enum carrier carrier_of(struct stream *s)
{
    (void)s;
    return CARRIER_TCP;
}

static const struct stream_ops proxy_ops = {
    set_events, want, expect, stream_read, stream_write, close_stream, carrier_of};

/* ---- the talk ------------------------------------------------------------------------------ */

static struct bytes output(struct proxy_stream *s)
{
    return s->http ? http_connect_output(&s->talk->http) : socks5_output(&s->talk->socks5);
}

static void sent(struct proxy_stream *s, size_t size)
{
    if (s->http)
        http_connect_sent(&s->talk->http, size);
    else
        socks5_sent(&s->talk->socks5, size);
}

static uint8_t *room(struct proxy_stream *s, size_t *size)
{
    return s->http ? http_connect_room(&s->talk->http, size) : socks5_room(&s->talk->socks5, size);
}

/* A peer waits until it is spoken to: what comes behind the proxy's answer at once is no peer's. */
static int input(struct proxy_stream *s, size_t size)
{
    if (!s->http)
        return socks5_input(&s->talk->socks5, size);
    int err = http_connect_input(&s->talk->http, size);
    bool open = !err && s->talk->http.state == HTTP_CONNECT_OPEN;
    return open && http_connect_leftover(&s->talk->http).size > 0 ? ERR_PROTOCOL : err;
}

static bool is_open(const struct proxy_stream *s)
{
    return s->http ? s->talk->http.state == HTTP_CONNECT_OPEN
                   : s->talk->socks5.state == SOCKS5_OPEN;
}

/* The owner may close the stream in here: nothing is touched afterwards. */
static void fail(struct proxy_stream *s, int err)
{
    env_tcp_want(s->tcp, false, false);
    s->events.connected(s->user, err);
}

/* It is the proxy that failed, not the peer, which is not to blame. */
static void fail_proxy(struct proxy_stream *s, int err)
{
    egress_proxy_failed(s->node, err);
    fail(s, ERR_BLOCKED);
}

static void opened(struct proxy_stream *s)
{
    free(s->talk);
    s->talk = NULL;
    egress_proxy_works(s->node);
    env_tcp_set_events(s->tcp, &s->events, s->user);
    env_tcp_want(s->tcp, s->reads, s->writes);
    s->events.connected(s->user, 0);
}

/* False: it is over. */
static bool say(struct proxy_stream *s)
{
    struct bytes out = output(s);
    struct iovec v = {(void *)(uintptr_t)out.data, out.size};
    ssize_t n = out.size > 0 ? env_tcp_writev(s->tcp, &v, 1, false) : 0;
    if (n < 0 && n != ERR_AGAIN) {
        fail_proxy(s, (int)n);
        return false;
    }
    sent(s, n > 0 ? (size_t)n : 0);
    env_tcp_want(s->tcp, true, output(s).size > 0);
    return true;
}

static void on_connected(void *user, int err)
{
    struct proxy_stream *s = user;
    if (err)
        fail_proxy(s, err);
    else
        say(s);
}

static void on_readable(void *user)
{
    struct proxy_stream *s = user;
    size_t size;
    struct iovec v = {room(s, &size), size};
    ssize_t n = size > 0 ? env_tcp_readv(s->tcp, &v, 1) : ERR_AGAIN;
    if (n == ERR_AGAIN)
        return;
    /* Some proxies close where others would refuse: it may be about this one peer. */
    int err = n < 0 ? (int)n : input(s, (size_t)n);
    if (err && socks5_is_proxys_fault(err))
        fail_proxy(s, err);
    else if (err)
        fail(s, err);
    else if (is_open(s))
        opened(s);
    else
        say(s);
}

static void on_writable(void *user)
{
    say(user);
}

static const struct env_tcp_events talk_events = {on_connected, on_readable, on_writable};

int proxy_stream_connect(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct stream **out)
{
    const struct proxy *proxy = egress_proxy(n);
    struct proxy_stream *s = calloc(1, sizeof *s);
    union talk *talk = malloc(sizeof *talk);
    struct proxy_target target = proxy_target_of(to);
    int err = s && talk ? 0 : ERR_NOMEM;
    if (!err && block_list_has(n, to))
        err = ERR_BLOCKED;
    if (err)
        goto fail;
    *s = (struct proxy_stream){.stream = {&proxy_ops},
        .node = n,
        .http = proxy->kind == PROXY_HTTP,
        .talk = talk,
        .events = *events,
        .user = user};
    if (s->http)
        http_connect_init(&talk->http, proxy, &target);
    else
        socks5_init(&talk->socks5, proxy, SOCKS5_CONNECT, &target);
    err = egress_connect_proxy(n, &talk_events, s, &s->tcp);
    if (err)
        goto fail;
    *out = &s->stream;
    return 0;

fail:
    free(talk);
    free(s);
    return err;
}
