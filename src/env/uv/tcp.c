/* TCP connections of the real world: a descriptor of our own under a uv_poll_t. Never uv_tcp_t,
 * which reads into one buffer only. Listeners are in listen.c.
 *
 * Interest is lazy. libuv 1.44 pays two epoll_ctl for each change of interest, so a wish that ends
 * stays registered until an event comes that nobody wants; most often the wish is back before.
 *
 * A fast stream from which much is expected is told in parts of the size that base/gather.h says:
 * that is its SO_RCVLOWAT. The kernel tells an end, an error or a full buffer all the same, and all
 * that is there when the mark falls. */
#include "base/gather.h"
#include "base/list.h"
#include "env/uv/real.h"
#include "env/uv/socket.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__) && !defined(TCP_RTO_MAX_MS)
#define TCP_RTO_MAX_MS 44 /* Linux 6.15; headers are older than kernels */
#endif
#define TCP_PAUSE_MAX_MS 3000
#define TCP_TRIES_MS 150000 /* the swarm hangs up on who is silent for so long */

struct real_tcp {
    const struct env_ops *ops;
    struct real_env *env;
    uv_poll_t poll;
    int fd;
    int connect_errno;  /* connect() failed at once: told when the loop turns */
    uint8_t wanted;     /* UV_READABLE, UV_WRITABLE: as the owner said */
    uint8_t registered; /* as the kernel knows */
    bool connecting;
    bool closed; /* the memory lives until libuv has let go of the handle */
    struct env_tcp_events events;
    void *user;
    struct gather gather;
    size_t mark;       /* SO_RCVLOWAT */
    struct timer late; /* armed while the mark is above 1 */
};

/* The kernel makes a buffer larger for a mark that does not fit, and then no longer by what it
 * measures: the mark stays at a part of it. */
#define BUFFER_MARKS 4

static struct real_tcp *tcp_of(struct env_tcp *t)
{
    return (struct real_tcp *)t;
}

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_late(struct timer *, usec now);

static void register_interest(struct real_tcp *t, int interest)
{
    if (interest == 0)
        uv_poll_stop(&t->poll);
    else
        uv_poll_start(&t->poll, interest, on_poll);
    t->registered = (uint8_t)interest;
    real_touch(t->env);
}

/* Tells the kernel what is wanted and not yet watched. */
static void follow_wishes(struct real_tcp *t)
{
    if ((t->wanted & ~t->registered) != 0)
        register_interest(t, t->wanted);
}

static void finish_connect(struct real_tcp *t)
{
    int error = t->connect_errno;
    socklen_t size = sizeof error;
    if (error == 0 && getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    t->connecting = false;
    /* "Could not" is one thing for a caller that tries addresses in turn; a local EPERM (a firewall
     * rule) is no different from a remote one. */
    int err = error == 0 ? 0 : socket_err(error);
    if (err == ERR_PERMISSION || err == ERR_AGAIN)
        err = ERR_NETWORK;
    t->events.connected(t->user, err);
    if (!t->closed && t->registered != t->wanted)
        register_interest(t, t->wanted);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct real_tcp *t = handle->data;
    if (status < 0) {
        /* libuv has stopped the handle: an error waits, which the next read or write will tell. */
        t->registered = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (t->connecting) {
        finish_connect(t);
        return;
    }
    if ((events & t->wanted & UV_READABLE) != 0)
        t->events.readable(t->user);
    if (!t->closed && (events & t->wanted & UV_WRITABLE) != 0)
        t->events.writable(t->user);
    if (t->closed)
        return;
    if ((events & t->registered & ~t->wanted) != 0)
        register_interest(t, t->wanted);
    else
        follow_wishes(t);
}

static void free_tcp(uv_handle_t *handle)
{
    free(handle->data);
}

/* Linux doubles the pause between two attempts up to two minutes: after half a minute without the
 * way it may be as long until the way is used again. Since 6.15 that can be bounded; then it also
 * gives up after fewer seconds, unless it is told for how long to try. On other systems
 * swarm/torrent/torrent_silence.c has to do alone. */
static void bound_pauses(int fd)
{
#ifdef __linux__
    int pause_max_ms = TCP_PAUSE_MAX_MS, tries_ms = TCP_TRIES_MS;
    if (setsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &pause_max_ms, sizeof pause_max_ms) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &tries_ms, sizeof tries_ms);
#else
    (void)fd;
#endif
}

/* Takes over a descriptor that is counted already; gives both back on failure. */
static int new_tcp(struct real_env *e, int fd, struct real_tcp **out)
{
    struct real_tcp *t = calloc(1, sizeof *t);
    int err = t == NULL ? ERR_NOMEM : real_timer_enter(e);
    if (err == 0 && uv_poll_init(&e->loop, &t->poll, fd) != 0) {
        real_timer_leave(e, &t->late);
        err = ERR_NOMEM;
    }
    if (err != 0) {
        free(t);
        close(fd);
        real_descriptor_give(e);
        return err;
    }
    int on = 1;
    /* Nagle delays the last piece of a message until the one before is acknowledged; we gather
     * whole messages ourselves and say MSG_MORE where more follows. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bound_pauses(fd);
    t->ops = e->ops;
    t->env = e;
    t->fd = fd;
    t->mark = 1;
    t->late.fire = on_late;
    t->poll.data = t;
    *out = t;
    return 0;
}

int real_tcp_adopt(struct real_env *e, int fd, struct env_tcp **out)
{
    struct real_tcp *t;
    int err = new_tcp(e, fd, &t);
    if (err == 0)
        *out = (struct env_tcp *)t;
    return err;
}

/* A refusal by the other side, or one that looks like it: reported as every other, by connected().
 * All else (no route, no such source address) is known now and returned now. */
static bool is_late_error(int error)
{
    return error == ECONNREFUSED || error == ECONNRESET || error == ETIMEDOUT;
}

static int begin_connect(int fd, const struct endpoint *to, int *late_errno)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address(to, &address);
    if (connect(fd, (struct sockaddr *)&address, size) == 0 || errno == EINPROGRESS ||
        errno == EINTR)
        return 0;
    if (is_late_error(errno)) {
        *late_errno = errno;
        return 0;
    }
    return ERR_NETWORK;
}

int real_tcp_connect(struct env *env, const struct endpoint *to,
    const struct env_tcp_options *options, const struct env_tcp_events *events, void *user,
    struct env_tcp **out)
{
    struct real_env *e = real_env_of(env);
    if (to->family == ADDR_NONE || to->port == 0)
        return ERR_INVALID;
    if (!real_descriptor_take(e))
        return ERR_LIMIT;
    int fd, late_errno = 0;
    int err = socket_open(to->family, SOCK_STREAM, options, &fd);
    if (err != 0) {
        real_descriptor_give(e);
        return err;
    }
    err = socket_bind_source(fd, to->family, options);
    if (err == 0)
        err = begin_connect(fd, to, &late_errno);
    if (err != 0) {
        close(fd);
        real_descriptor_give(e);
        return err;
    }
    struct real_tcp *t;
    err = new_tcp(e, fd, &t);
    if (err != 0)
        return err;
    t->events = *events;
    t->user = user;
    t->connecting = true;
    t->connect_errno = late_errno;
    register_interest(t, UV_WRITABLE);
    *out = (struct env_tcp *)t;
    return 0;
}

void real_tcp_set_events(struct env_tcp *tcp, const struct env_tcp_events *events, void *user)
{
    struct real_tcp *t = tcp_of(tcp);
    t->events = *events;
    t->user = user;
}

void real_tcp_want(struct env_tcp *tcp, bool read, bool write)
{
    struct real_tcp *t = tcp_of(tcp);
    t->wanted = (uint8_t)((read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0));
    if (!t->connecting)
        follow_wishes(t);
}

/* ---- fast streams -------------------------------------------------------------------------- */

static size_t buffer_size(int fd)
{
    int size = 0;
    socklen_t length = sizeof size;
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length);
    return size > 0 ? (size_t)size : 0;
}

static void follow_mark(struct real_tcp *t)
{
    size_t mark = gather_mark(&t->gather);
    if (mark == t->mark)
        return;
    if (mark > t->mark && buffer_size(t->fd) < BUFFER_MARKS * mark)
        return;
    int value = (int)mark;
    if (setsockopt(t->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) != 0)
        return;
    t->mark = mark;
    if (mark == 1)
        timer_cancel(&t->env->timers, &t->late);
    else if (!timer_armed(&t->late))
        real_timer_set(t->env, &t->late, gather_deadline(&t->gather));
}

static void on_late(struct timer *timer, usec now)
{
    struct real_tcp *t = container_of(timer, struct real_tcp, late);
    usec deadline = gather_deadline(&t->gather);
    if (deadline > now) {
        real_timer_set(t->env, timer, deadline);
        return;
    }
    gather_late(&t->gather);
    follow_mark(t);
}

void real_tcp_expect(struct env_tcp *tcp, size_t bytes)
{
    struct real_tcp *t = tcp_of(tcp);
    gather_expect(&t->gather, bytes);
    follow_mark(t);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static int clamp_count(int count)
{
    return count < IOV_MAX ? count : IOV_MAX;
}

/* The contract knows no more than these: what went wrong with a stream helps nobody. */
static ssize_t stream_err(int error)
{
    if (error == EFAULT) /* a mapped file that was cut, or whose disk fails */
        return ERR_CHANGED;
    return error == EAGAIN || error == EWOULDBLOCK ? ERR_AGAIN : ERR_NETWORK;
}

ssize_t real_tcp_readv(struct env_tcp *tcp, const struct iovec *iov, int count)
{
    struct real_tcp *t = tcp_of(tcp);
    ssize_t got;
    do
        got = readv(t->fd, iov, clamp_count(count));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return stream_err(errno);
    if (got == 0)
        return ERR_CLOSED;
    gather_read(&t->gather, (size_t)got, real_now(t->env));
    return got;
}

ssize_t real_tcp_writev(struct env_tcp *tcp, const struct iovec *iov, int count, bool more)
{
    struct real_tcp *t = tcp_of(tcp);
    struct msghdr message = {
        .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)clamp_count(count)};
    ssize_t sent;
    do
        sent = sendmsg(t->fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return stream_err(errno);
    return sent;
}

void real_tcp_local(struct env_tcp *tcp, struct endpoint *out)
{
    socket_local(tcp_of(tcp)->fd, out);
}

void real_tcp_remote(struct env_tcp *tcp, struct endpoint *out)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    memset(out, 0, sizeof *out);
    if (getpeername(tcp_of(tcp)->fd, (struct sockaddr *)&address, &size) == 0)
        socket_endpoint(&address, out);
}

void real_tcp_close(struct env_tcp *tcp)
{
    struct real_tcp *t = tcp_of(tcp);
    assert(!t->closed);
    t->closed = true;
    real_timer_leave(t->env, &t->late);
    uv_close((uv_handle_t *)&t->poll, free_tcp);
    close(t->fd);
    real_descriptor_give(t->env);
    real_touch(t->env);
}
