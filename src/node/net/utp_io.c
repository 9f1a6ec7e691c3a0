/* See utp_io.h. The order of a turn: what came is handed to the owners first, who read and write;
 * then one packet can carry both their data and the acknowledgement. */
#include "node/net/utp_io.h"

#include "base/err.h"
#include "node/net/stream.h"
#include "node/node_internal.h"
#include "utp/utp_socket.h"
#include <stdlib.h>

struct utp_io {
    struct kith_node *node;
    struct utp_socket *socket;
    struct timer timer;
    struct utp_batch batch;
    usec shared_at; /* when what our TCP sends was looked at */
};

struct utp_stream {
    struct stream stream; /* first: stream.h */
    struct utp_io *io;
    struct utp_conn *conn;
    struct env_tcp_events events;
    void *user;
};

static usec now_of(const struct utp_io *io)
{
    return env_now(io->node->env);
}

/* Something is to be done when the loop comes to it: together with whatever else happens until
 * then.
 */
static void soon(struct utp_io *io)
{
    usec now = now_of(io);
    if (timer_armed(&io->timer) && io->timer.deadline <= now)
        return;
    timer_set(&io->node->timers, &io->timer, now);
    node_arm(io->node);
}

/* ---- streams ------------------------------------------------------------------------------- */

static struct utp_stream *utp_of(struct stream *s)
{
    return container_of(s, struct utp_stream, stream);
}

static void stream_utp_set_events(struct stream *s, const struct env_tcp_events *events, void *user)
{
    utp_of(s)->events = *events;
    utp_of(s)->user = user;
}

static void stream_utp_want(struct stream *s, bool read, bool write)
{
    struct utp_stream *u = utp_of(s);
    utp_want(u->io->socket, u->conn, read, write);
    soon(u->io);
}

/* What came is told once a turn of the loop. */
static void stream_utp_expect(struct stream *s, size_t bytes)
{
    (void)s;
    (void)bytes;
}

static ssize_t stream_utp_readv(struct stream *s, const struct iovec *iov, int count)
{
    struct utp_stream *u = utp_of(s);
    return utp_readv(u->io->socket, u->conn, iov, count);
}

static ssize_t stream_utp_writev(struct stream *s, const struct iovec *iov, int count, bool more)
{
    struct utp_stream *u = utp_of(s);
    ssize_t n = utp_writev(u->io->socket, u->conn, iov, count, more, now_of(u->io));
    soon(u->io);
    return n;
}

static void stream_utp_close(struct stream *s)
{
    struct utp_stream *u = utp_of(s);
    utp_close(u->io->socket, u->conn, now_of(u->io));
    soon(u->io);
    free(u);
}

static enum carrier stream_utp_carrier(struct stream *s)
{
    (void)s;
    return CARRIER_UTP;
}

static const struct stream_ops utp_ops = {stream_utp_set_events, stream_utp_want, stream_utp_expect,
    stream_utp_readv, stream_utp_writev, stream_utp_close, stream_utp_carrier};

static struct utp_stream *stream_new(struct utp_io *io, struct utp_conn *conn)
{
    struct utp_stream *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->stream.ops = &utp_ops;
    u->io = io;
    u->conn = conn;
    conn->user = u;
    return u;
}

int utp_io_connect(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct stream **out)
{
    struct utp_conn *conn;
    if (!n->utp || !ports_of(n, (enum addr_family)to->family))
        return ERR_UNSUPPORTED;
    int err = utp_connect(n->utp->socket, to, now_of(n->utp), &conn);
    if (err)
        return err;
    struct utp_stream *u = stream_new(n->utp, conn);
    if (!u) {
        utp_close(n->utp->socket, conn, now_of(n->utp));
        return ERR_NOMEM;
    }
    stream_utp_set_events(&u->stream, events, user);
    soon(n->utp);
    *out = &u->stream;
    return 0;
}

/* ---- in ------------------------------------------------------------------------------------ */

static void take_calls(struct utp_io *io)
{
    struct utp_conn *conn;
    while ((conn = utp_accept(io->socket)) != NULL) {
        struct utp_stream *u = stream_new(io, conn);
        if (u)
            link_take(io->node, &u->stream, &conn->remote);
        else
            utp_close(io->socket, conn, now_of(io));
    }
}

/* A callback may close the stream: each step looks whether it is still there. */
static void look_after(struct utp_conn *conn)
{
    struct utp_stream *u = conn->user;
    int err;
    if (conn->owned && utp_take_connected(conn, &err))
        u->events.connected(u->user, err);
    if (utp_wants_readable(conn))
        u->events.readable(u->user);
    if (utp_wants_writable(conn))
        u->events.writable(u->user);
}

static void look_after_all(struct utp_io *io)
{
    struct utp_conn *conns[UTP_IO_READY_MAX];
    unsigned count = utp_socket_ready(io->socket, conns, UTP_IO_READY_MAX);
    for (unsigned i = 0; i < count; i++)
        look_after(conns[i]);
}

void utp_io_datagram(struct kith_node *n, const struct endpoint *from, struct bytes datagram)
{
    if (!n->utp)
        return;
    utp_socket_lend(n->utp->socket); /* it stands until the turn */
    utp_socket_input(n->utp->socket, from, datagram, now_of(n->utp));
}

/* ---- out ----------------------------------------------------------------------------------- */

/* What the system has no room for is lost: the congestion window learns from it. */
static void send_run(struct utp_io *io, struct utp_run *run)
{
    struct port *port = ports_of(io->node, (enum addr_family)run->to.family);
    struct env_udp_run out = {.peer = run->to,
        .iov = run->iov,
        .iov_count = run->iov_count,
        .segment = run->segment,
        .dont_fragment = run->probe != NULL};
    if (!port || !port->udp)
        return;
    env_udp_send_runs(port->udp, &out, 1);
    if (run->probe && out.error)
        utp_probe_refused(io->socket, run->probe, now_of(io));
}

static void send_all(struct utp_io *io)
{
    for (unsigned i = 0; i < UTP_IO_BATCHES_MAX; i++) {
        if (!utp_socket_output(io->socket, &io->batch, now_of(io)))
            return;
        for (int r = 0; r < io->batch.run_count; r++)
            send_run(io, &io->batch.runs[r]);
    }
}

/* uTP gives way to the queue that TCP fills: to our own it would leave all that there is. */
static void share_with_own_tcp(struct utp_io *io)
{
    if (now_of(io) - io->shared_at < SECONDS(1))
        return;
    io->shared_at = now_of(io);
    utp_socket_set_least(io->socket, (double)links_tcp_upload_rate(io->node) / UTP_IO_SHARE);
}

static void arm(struct utp_io *io)
{
    usec deadline = utp_socket_deadline(io->socket), now = now_of(io);
    timer_set(&io->node->timers, &io->timer, deadline > now ? deadline : now);
    node_arm(io->node);
}

void utp_io_turn(struct kith_node *n)
{
    struct utp_io *io = n->utp;
    if (!io)
        return;
    utp_socket_tick(io->socket, now_of(io));
    take_calls(io);
    look_after_all(io);
    utp_socket_give_back(io->socket);
    share_with_own_tcp(io);
    send_all(io);
    arm(io);
}

static void fired(struct timer *timer, usec now)
{
    struct utp_io *io = container_of(timer, struct utp_io, timer);
    (void)now;
    utp_io_turn(io->node);
}

/* ---- life ---------------------------------------------------------------------------------- */

int utp_io_start(struct kith_node *n)
{
    uint8_t seed[16];
    struct utp_io *io = calloc(1, sizeof *io);
    if (!io)
        return ERR_NOMEM;
    env_random(n->env, seed, sizeof seed);
    io->socket = utp_socket_new(seed, env_now(n->env));
    if (!io->socket || timer_heap_reserve(&n->timers, n->timers.count + 64) != 0) {
        utp_socket_free(io->socket);
        free(io);
        return ERR_NOMEM;
    }
    io->node = n;
    io->timer.fire = fired;
    n->utp = io;
    if (n->port == 0)
        utp_io_stop_accepting(n);
    return 0;
}

void utp_io_stop_accepting(struct kith_node *n)
{
    if (n->utp)
        utp_socket_stop_accepting(n->utp->socket);
}

void utp_io_free(struct kith_node *n)
{
    struct utp_io *io = n->utp;
    if (!io)
        return;
    send_all(io);
    timer_cancel(&n->timers, &io->timer);
    utp_socket_free(io->socket);
    free(io);
    n->utp = NULL;
}
