/* TCP listeners of the real world: accept in bounded runs, and stay alive when descriptors run out.
 *
 * A listener that cannot accept stays readable, and a loop that asks only "is it readable" then
 * spins for ever. So: a descriptor is held in reserve; when the process has none left, the reserve
 * is closed, the waiting connection accepted and closed at once (its peer learns of it instead of
 * waiting), and the reserve opened again. Where even that fails, the listener rests for a while. */
#include "base/list.h"
#include "env/uv/real.h"
#include "env/uv/socket.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections that the kernel holds for us; it cuts this to net.core.somaxconn. */
#define LISTEN_BACKLOG 512

struct real_listener {
    const struct env_ops *ops;
    struct real_env *env;
    uv_poll_t poll;
    struct timer rest;
    int fd;
    bool closed;
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from);
    void *user;
};

static struct real_listener *listener_of(struct env_listener *l)
{
    return (struct real_listener *)l;
}

static int accept_one(struct real_listener *l, struct sockaddr_storage *from)
{
    socklen_t size = sizeof *from;
    memset(from, 0, sizeof *from);
    return accept4(l->fd, (struct sockaddr *)from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void rest_a_while(struct real_listener *l)
{
    uv_poll_stop(&l->poll);
    real_timer_set(l->env, &l->rest, real_now(l->env) + REAL_ACCEPT_REST);
}

/* False when the listener has to rest. */
static bool refuse_with_reserve(struct real_listener *l)
{
    struct real_env *e = l->env;
    if (e->reserve_fd < 0)
        return false;
    close(e->reserve_fd);
    struct sockaddr_storage from;
    int fd = accept_one(l, &from);
    if (fd >= 0)
        close(fd);
    e->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return e->reserve_fd >= 0;
}

static void hand_over(struct real_listener *l, int fd, const struct sockaddr_storage *address)
{
    if (!real_descriptor_take(l->env)) {
        close(fd);
        return;
    }
    struct endpoint from;
    struct env_tcp *tcp;
    socket_endpoint(address, &from);
    if (real_tcp_adopt(l->env, fd, &tcp) == 0)
        l->accepted(l->user, tcp, &from);
}

/* What accept() says about the connection and not about the listener: that one is gone, go on. */
static bool is_about_one_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

static void on_connections(uv_poll_t *handle, int status, int events)
{
    struct real_listener *l = handle->data;
    (void)events;
    for (int i = 0; i < REAL_ACCEPTS_PER_TURN_MAX && !l->closed; i++) {
        struct sockaddr_storage from;
        int fd = accept_one(l, &from);
        if (fd >= 0) {
            hand_over(l, fd, &from);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        if (is_about_one_connection(errno))
            continue;
        bool used_up = errno == EMFILE || errno == ENFILE;
        if (used_up && refuse_with_reserve(l))
            continue;
        rest_a_while(l);
        return;
    }
    if (status < 0 && !l->closed) /* libuv has stopped the handle */
        rest_a_while(l);
}

static void end_rest(struct timer *t, usec now)
{
    struct real_listener *l = container_of(t, struct real_listener, rest);
    (void)now;
    if (l->env->reserve_fd < 0)
        l->env->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_poll_start(&l->poll, UV_READABLE, on_connections);
    real_touch(l->env);
}

static int open_listening(
    const struct endpoint *at, const struct env_tcp_options *options, int *fd_out)
{
    int fd;
    int err = socket_open(at->family, SOCK_STREAM, options, &fd);
    if (err != 0)
        return err;
    int on = 1;
    /* A restarted node wants its port back while old connections are in TIME_WAIT. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    err = socket_bind_at(fd, at, options);
    if (err == 0 && listen(fd, LISTEN_BACKLOG) != 0)
        err = socket_err(errno);
    if (err != 0) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return 0;
}

int real_tcp_listen(struct env *env, const struct endpoint *at,
    const struct env_tcp_options *options,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out)
{
    struct real_env *e = real_env_of(env);
    if (at->family == ADDR_NONE)
        return ERR_INVALID;
    struct real_listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ERR_NOMEM;
    int err = real_timer_enter(e);
    if (err != 0)
        goto fail_memory;
    err = ERR_LIMIT;
    if (!real_descriptor_take(e))
        goto fail_timer;
    err = open_listening(at, options, &l->fd);
    if (err != 0)
        goto fail_descriptor;
    err = ERR_NOMEM;
    if (uv_poll_init(&e->loop, &l->poll, l->fd) != 0)
        goto fail_socket;
    l->ops = e->ops;
    l->env = e;
    l->rest.fire = end_rest;
    l->accepted = accepted;
    l->user = user;
    l->poll.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_connections);
    real_touch(e);
    *out = (struct env_listener *)l;
    return 0;

fail_socket:
    close(l->fd);
fail_descriptor:
    real_descriptor_give(e);
fail_timer:
    real_timer_leave(e, &l->rest);
fail_memory:
    free(l);
    return err;
}

void real_listener_local(struct env_listener *listener, struct endpoint *out)
{
    socket_local(listener_of(listener)->fd, out);
}

static void free_listener(uv_handle_t *handle)
{
    free(handle->data);
}

void real_listener_close(struct env_listener *listener)
{
    struct real_listener *l = listener_of(listener);
    assert(!l->closed);
    l->closed = true;
    real_timer_leave(l->env, &l->rest);
    uv_close((uv_handle_t *)&l->poll, free_listener);
    close(l->fd);
    real_descriptor_give(l->env);
    real_touch(l->env);
}
