/* The TCP handle that a node holds: interest, callbacks, bytes in and out. The connection behind it
 * lives in conn.c and flow.c. */
#include "env/sim/tcp.h"
#include "env/sim/conn.h"
#include "env/sim/disk.h"
#include "env/sim/net.h"
#include <stdlib.h>

static struct sim_tcp *tcp_of(struct env_tcp *face)
{
    return (struct sim_tcp *)(void *)face;
}

static struct sim_flow *inbound(const struct sim_tcp *t)
{
    return &t->conn->flows[1 - t->side];
}

static struct sim_flow *outbound(const struct sim_tcp *t)
{
    return &t->conn->flows[t->side];
}

static bool readable(const struct sim_tcp *t)
{
    uint64_t there = inbound(t)->delivered - inbound(t)->read;
    return t->error != 0 || there >= gather_mark(&t->gather) ||
           inbound(t)->fin == SIM_FIN_DELIVERED;
}

/* Linux says writable when a third of the buffer is free. */
static bool writable(const struct sim_tcp *t)
{
    return t->error != 0 ||
           (t->conn->established[t->side] &&
               sim_flow_room(outbound(t)) >= sim_flow_send_buffer(outbound(t)) / 3);
}

static bool due(const struct sim_tcp *t)
{
    return t->conn != NULL &&
           (t->tell_connected || (t->want_read && readable(t)) || (t->want_write && writable(t)));
}

void sim_tcp_poke(struct sim_tcp *t)
{
    if (due(t) && t->notify.slot == 0 && !t->handle.busy)
        sim_schedule(t->conn->world, &t->notify, t->conn->world->now);
}

/* One turn of the loop for this socket. */
static void notify(struct sim_event *event)
{
    struct sim_tcp *t = container_of(event, struct sim_tcp, notify);
    sim_handle_enter(&t->handle);
    if (t->tell_connected) {
        t->tell_connected = false;
        if (t->events.connected != NULL)
            t->events.connected(t->user, t->error);
    }
    if (!t->handle.closed && t->want_read && readable(t) && t->events.readable != NULL)
        t->events.readable(t->user);
    if (!t->handle.closed && t->want_write && writable(t) && t->events.writable != NULL)
        t->events.writable(t->user);
    if (sim_handle_leave(&t->handle) && due(t))
        sim_schedule(t->conn->world, &t->notify, t->conn->world->now + t->conn->world->config.turn);
}

/* ---- fast streams: what a low water mark does, with the patience of env/uv ----------------- */

static void watch_mark(struct sim_tcp *t)
{
    if (t->conn != NULL && t->late.slot == 0 && gather_mark(&t->gather) > 1)
        sim_schedule(t->conn->world, &t->late, gather_deadline(&t->gather));
}

static void on_late(struct sim_event *event)
{
    struct sim_tcp *t = container_of(event, struct sim_tcp, late);
    if (t->conn == NULL)
        return;
    if (gather_deadline(&t->gather) <= t->conn->world->now)
        gather_late(&t->gather);
    watch_mark(t);
    sim_tcp_poke(t);
}

void sim_tcp_expect(struct env_tcp *face, size_t bytes)
{
    struct sim_tcp *t = tcp_of(face);
    gather_expect(&t->gather, bytes);
    watch_mark(t);
    sim_tcp_poke(t);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void tcp_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind; /* after a power loss the connection has let go of us already */
    struct sim_tcp *t = container_of(h, struct sim_tcp, handle);
    sim_unschedule(h->env->host->world, &t->notify);
    sim_unschedule(h->env->host->world, &t->late);
    if (t->conn != NULL)
        sim_conn_close(t->conn, t->side);
    t->conn = NULL;
}

static void tcp_destroy(struct sim_handle *h)
{
    struct sim_tcp *t = container_of(h, struct sim_tcp, handle);
    sim_unschedule(h->env->host->world, &t->notify);
    sim_unschedule(h->env->host->world, &t->late);
    free(t);
}

static const struct sim_handle_kind tcp_kind = {tcp_crash, tcp_destroy};

bool sim_sockets_full(const struct sim_host *host)
{
    return host->config.sockets_max != 0 && host->stats.sockets >= host->config.sockets_max;
}

struct sim_tcp *sim_tcp_new(struct sim_env *env, struct sim_conn *conn, unsigned side)
{
    struct sim_tcp *t = sim_alloc(sizeof *t);
    t->conn = conn;
    t->side = side;
    t->local = conn->ends[side].local;
    t->remote = conn->ends[side].remote;
    sim_node_event_init(&t->notify, "socket", env->host, notify);
    sim_node_event_init(&t->late, "low water", env->host, on_late);
    sim_handle_open(&t->handle, &tcp_kind, env);
    conn->ends[side].handle = t;
    env->host->stats.sockets++;
    return t;
}

int sim_tcp_connect(struct env *face, const struct endpoint *to,
    const struct env_tcp_options *options, const struct env_tcp_events *events, void *user,
    struct env_tcp **out)
{
    struct sim_env *env = sim_env_of(face);
    struct endpoint source;
    *out = NULL;
    if (!env->alive)
        return ERR_CLOSED;
    if (sim_sockets_full(env->host))
        return ERR_LIMIT;
    int err = sim_net_source(env->host, to, options, &source);
    if (err != 0)
        return err;
    source.port = sim_net_port(env->host);
    struct sim_tcp *t = sim_tcp_new(env, sim_conn_dial(env, &source, to), 0);
    t->events = *events;
    t->user = user;
    *out = (struct env_tcp *)(void *)t;
    return 0;
}

void sim_tcp_close(struct env_tcp *face)
{
    struct sim_tcp *t = tcp_of(face);
    sim_unschedule(t->handle.env->host->world, &t->notify);
    sim_unschedule(t->handle.env->host->world, &t->late);
    if (t->handle.env->alive)
        t->handle.env->host->stats.sockets--;
    if (t->conn != NULL)
        sim_conn_close(t->conn, t->side);
    t->conn = NULL;
    sim_handle_close(&t->handle);
}

void sim_tcp_set_events(struct env_tcp *face, const struct env_tcp_events *events, void *user)
{
    struct sim_tcp *t = tcp_of(face);
    t->events = *events;
    t->user = user;
}

void sim_tcp_want(struct env_tcp *face, bool read, bool write)
{
    struct sim_tcp *t = tcp_of(face);
    t->want_read = read;
    t->want_write = write;
    sim_tcp_poke(t);
}

void sim_tcp_local(struct env_tcp *face, struct endpoint *out)
{
    *out = tcp_of(face)->local;
}

void sim_tcp_remote(struct env_tcp *face, struct endpoint *out)
{
    *out = tcp_of(face)->remote;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static size_t iovec_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

/* The world's whim: the whole, or only a part. */
static size_t perhaps_less(struct sim_tcp *t, size_t size, double probability)
{
    struct sim_rng *rng = &t->handle.env->host->tcp_rng;
    return size > 1 && sim_rng_chance(rng, probability) ? 1 + sim_rng_below(rng, size - 1) : size;
}

ssize_t sim_tcp_readv(struct env_tcp *face, const struct iovec *iov, int count)
{
    struct sim_tcp *t = tcp_of(face);
    if (t->conn == NULL)
        return ERR_CLOSED;
    struct sim_flow *f = inbound(t);
    size_t there = (size_t)(f->delivered - f->read), want = iovec_size(iov, count);
    if (there == 0)
        return f->fin == SIM_FIN_DELIVERED ? ERR_CLOSED : t->error != 0 ? ERR_NETWORK : ERR_AGAIN;
    if (want == 0)
        return ERR_INVALID;
    size_t size = perhaps_less(t, want < there ? want : there, t->conn->world->config.read_split);
    size_t done = 0;
    for (int i = 0; done < size; i++) {
        size_t part = iov[i].iov_len < size - done ? iov[i].iov_len : size - done;
        sim_ring_copy(&f->ring, done, iov[i].iov_base, part);
        done += part;
    }
    sim_ring_drop(&f->ring, size);
    f->read += size;
    sim_flow_was_read(f);
    gather_read(&t->gather, size, t->conn->world->now);
    watch_mark(t);
    sim_tcp_poke(t);
    return (ssize_t)size;
}

/* How much may be written now: > 0, or an error. */
static ssize_t write_room(struct sim_tcp *t, size_t want)
{
    if (t->conn == NULL)
        return ERR_CLOSED;
    if (t->error != 0)
        return ERR_NETWORK;
    size_t room = t->conn->established[t->side] ? sim_flow_room(outbound(t)) : 0;
    if (room == 0)
        return ERR_AGAIN;
    if (want == 0)
        return ERR_INVALID;
    return (ssize_t)perhaps_less(t, want < room ? want : room, t->conn->world->config.write_split);
}

static void wrote(struct sim_tcp *t, size_t size)
{
    outbound(t)->written += size;
    sim_flow_push(outbound(t));
}

ssize_t sim_tcp_writev(struct env_tcp *face, const struct iovec *iov, int count, bool more)
{
    struct sim_tcp *t = tcp_of(face);
    (void)more; /* segments are cut as the line is free; holding back would save nothing */
    ssize_t size = write_room(t, iovec_size(iov, count));
    if (size <= 0)
        return size;
    size_t left = (size_t)size;
    for (int i = 0; left > 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        sim_ring_put(&outbound(t)->ring, iov[i].iov_base, part);
        left -= part;
    }
    wrote(t, (size_t)size);
    return size;
}
