/* UDP sockets: datagrams in batches, by one system call where the kernel has it. */
#include "env/uv/real.h"

#include "env/uv/socket.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct env_udp {
    const struct env_ops *ops; /* first: env.c */
    struct real_env *env;
    uv_poll_t poll;
    int fd;
    bool closed;
    void (*readable)(void *user);
    void *user;
};

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct env_udp *u = handle->data;
    (void)status;
    (void)events;
    if (!u->closed)
        u->readable(u->user);
}

int real_udp_open(struct env *env, const struct endpoint *at, const struct env_tcp_options *options,
    void (*readable)(void *), void *user, struct env_udp **out)
{
    struct real_env *e = real_env_of(env);
    struct env_udp *u = calloc(1, sizeof *u);
    if (!u)
        return ERR_NOMEM;
    *u = (struct env_udp){.ops = e->ops, .env = e, .fd = -1, .readable = readable, .user = user};
    if (!real_descriptor_take(e)) {
        free(u);
        return ERR_LIMIT;
    }
    int err = socket_open(at->family, SOCK_DGRAM, options, &u->fd);
    if (!err)
        err = socket_bind_at(u->fd, at, options);
    if (!err && uv_poll_init(&e->loop, &u->poll, u->fd) != 0)
        err = ERR_NOMEM;
    if (err) {
        if (u->fd >= 0)
            close(u->fd);
        real_descriptor_give(e);
        free(u);
        return err;
    }
    u->poll.data = u;
    uv_poll_start(&u->poll, UV_READABLE, on_readable);
    real_touch(e);
    *out = u;
    return 0;
}

void real_udp_local(struct env_udp *u, struct endpoint *out)
{
    socket_local(u->fd, out);
}

int real_udp_receive(struct env_udp *u, struct env_datagram *d, int count)
{
    struct mmsghdr messages[REAL_UDP_BATCH] = {0};
    struct sockaddr_storage from[REAL_UDP_BATCH];
    struct iovec iov[REAL_UDP_BATCH];
    if (count > REAL_UDP_BATCH)
        count = REAL_UDP_BATCH;
    for (int i = 0; i < count; i++) {
        iov[i] = (struct iovec){d[i].data, d[i].size};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
            .msg_namelen = sizeof from[i],
            .msg_iov = &iov[i],
            .msg_iovlen = 1};
    }
    int n = recvmmsg(u->fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (n < 0) /* also the errors that ICMP brought for earlier sends: nothing to receive */
        return ERR_AGAIN;
    for (int i = 0; i < n; i++) {
        d[i].size = messages[i].msg_len;
        socket_endpoint(&from[i], &d[i].peer);
    }
    return n;
}

int real_udp_send(struct env_udp *u, const struct env_datagram *d, int count)
{
    int sent = 0;
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage to;
        socklen_t size = socket_address(&d[i].peer, &to);
        sent += size && sendto(u->fd, d[i].data, d[i].size, MSG_DONTWAIT | MSG_NOSIGNAL,
                            (struct sockaddr *)&to, size) >= 0;
    }
    return sent;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void real_udp_close(struct env_udp *u)
{
    u->closed = true;
    uv_poll_stop(&u->poll);
    close(u->fd);
    real_descriptor_give(u->env);
    uv_close((uv_handle_t *)&u->poll, on_closed);
    real_touch(u->env);
}
