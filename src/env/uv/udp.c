/* UDP sockets: datagrams in batches, by one system call where the kernel has it. */
#include "env/uv/real.h"

#include "env/uv/multicast.h"
#include "env/uv/socket.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT /* Linux 4.18 */
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO /* Linux 5.0 */
#define UDP_GRO 104
#endif

#define BULK_BUFFER (4 << 20) /* asked for; the system's own bound is often smaller */
#define GSO_SEGMENTS_MAX 64u  /* the kernel's UDP_MAX_SEGMENTS */
#define GSO_BYTES_MAX 65000u  /* of an IP packet with its headers */
#define GSO_REST 1000u

/* Room for one int, aligned as control messages must be. */
union control {
    struct cmsghdr align;
    uint8_t room[CMSG_SPACE(sizeof(int))];
};

struct env_udp {
    const struct env_ops *ops; /* first: env.c */
    struct real_env *env;
    uv_poll_t poll;
    int fd;
    enum addr_family family;
    bool closed;
    bool coalesces;     /* the kernel hands over several datagrams at a time (UDP_GRO) */
    unsigned gso_rests; /* runs that go datagram by datagram before UDP_SEGMENT is tried again */
    struct multicast *multicast; /* NULL: an ordinary socket */
    void (*readable)(void *user);
    void *user;
};

static void on_readable(uv_poll_t *handle, int status, int events)
{
    struct env_udp *u = handle->data;
    (void)events;
    if (u->closed)
        return;
    if (status <
        0) { /* libuv has stopped the handle: an error waits, and to receive takes it away */
        uv_poll_start(&u->poll, UV_READABLE, on_readable);
        real_touch(u->env);
    }
    u->readable(u->user);
}

int real_udp_open(struct env *env, const struct endpoint *at, const struct env_tcp_options *options,
    void (*readable)(void *), void *user, struct env_udp **out)
{
    struct real_env *e = real_env_of(env);
    struct env_udp *u = calloc(1, sizeof *u);
    if (!u)
        return ERR_NOMEM;
    *u = (struct env_udp){.ops = e->ops,
        .env = e,
        .fd = -1,
        .family = at->family,
        .readable = readable,
        .user = user};
    if (!real_descriptor_take(e)) {
        free(u);
        return ERR_LIMIT;
    }
    int err = socket_open(at->family, SOCK_DGRAM, options, &u->fd);
    if (!err)
        err = endpoint_class(at) == ADDR_MULTICAST
                  ? multicast_join(u->fd, at, options, &u->multicast)
                  : socket_bind_at(u->fd, at, options);
    if (!err && uv_poll_init(&e->loop, &u->poll, u->fd) != 0)
        err = ERR_NOMEM;
    if (err) {
        if (u->fd >= 0)
            close(u->fd);
        real_descriptor_give(e);
        free(u->multicast);
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

/* Whether what we send may be cut up on its way. Not a property of one message in IPv4, so that a
 * probe costs two calls more; there are few. */
static void fragment(struct env_udp *u, bool may)
{
    bool v6 = u->family == ADDR_V6;
    int how = v6 ? (may ? IPV6_PMTUDISC_WANT : IPV6_PMTUDISC_PROBE)
                 : (may ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
    setsockopt(u->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
        &how, sizeof how);
    if (v6) {
        int whole = !may;
        setsockopt(u->fd, IPPROTO_IPV6, IPV6_DONTFRAG, &whole, sizeof whole);
    }
}

void real_udp_bulk(struct env_udp *u)
{
    int room = BULK_BUFFER, on = 1;
    setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* as far as the system lets us */
    setsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    u->coalesces = setsockopt(u->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
    fragment(u, true);
}

/* What UDP_GRO says about a message: the size of the datagrams that it was made of. */
static size_t coalesced_size(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        int size;
        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        return size > 0 ? (size_t)size : 0;
    }
    return 0;
}

int real_udp_receive(struct env_udp *u, struct env_datagram *d, int count)
{
    struct mmsghdr messages[REAL_UDP_BATCH];
    struct sockaddr_storage from[REAL_UDP_BATCH];
    struct iovec iov[REAL_UDP_BATCH];
    union control control[REAL_UDP_BATCH];
    if (count > REAL_UDP_BATCH)
        count = REAL_UDP_BATCH;
    for (int i = 0; i < count; i++) {
        iov[i] = (struct iovec){d[i].data, d[i].size};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
            .msg_namelen = sizeof from[i],
            .msg_iov = &iov[i],
            .msg_iovlen = 1,
            .msg_control = u->coalesces ? &control[i] : NULL,
            .msg_controllen = u->coalesces ? sizeof control[i] : 0};
    }
    int n = recvmmsg(u->fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (n < 0) /* also the errors that ICMP brought for earlier sends: nothing to receive */
        return ERR_AGAIN;
    for (int i = 0; i < n; i++) {
        size_t segment = u->coalesces ? coalesced_size(&messages[i].msg_hdr) : 0;
        d[i].size = messages[i].msg_len;
        d[i].segment = segment < d[i].size ? segment : 0;
        socket_endpoint(&from[i], &d[i].peer);
    }
    return n;
}

int real_udp_send(struct env_udp *u, const struct env_datagram *d, int count)
{
    int sent = 0;
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage to;
        if (u->multicast) {
            sent += multicast_send(u->fd, u->multicast, &d[i]);
            continue;
        }
        socklen_t size = socket_address(&d[i].peer, &to);
        sent += size && sendto(u->fd, d[i].data, d[i].size, MSG_DONTWAIT | MSG_NOSIGNAL,
                            (struct sockaddr *)&to, size) >= 0;
    }
    return sent;
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* The system's buffer is full, now. */
static bool is_full(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK || e == ENOBUFS;
}

/* All of a run by one call: UDP_SEGMENT cuts it up. 0, or the errno. */
static int send_segmented(struct env_udp *u, const struct env_udp_run *run,
    struct sockaddr_storage *to, socklen_t to_size, bool several)
{
    union control control = {0};
    struct msghdr m = {.msg_name = to,
        .msg_namelen = to_size,
        .msg_iov = run->iov,
        .msg_iovlen = (size_t)run->iov_count};
    if (several) {
        uint16_t segment = (uint16_t)run->segment;
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof segment);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    return sendmsg(u->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

/* Lays out the run's datagrams that have not been sent, one message each; how many. */
static int lay_out(struct env_udp_run *run, struct sockaddr_storage *to, socklen_t to_size,
    struct mmsghdr *messages, int max)
{
    size_t skip = run->sent * run->segment;
    int count = 0, at = 0;
    while (at < run->iov_count && skip > 0)
        skip -= run->iov[at++].iov_len;
    while (at < run->iov_count && count < max) {
        struct iovec *first = &run->iov[at];
        for (size_t size = 0; at < run->iov_count && size < run->segment; at++)
            size += run->iov[at].iov_len;
        messages[count++].msg_hdr = (struct msghdr){.msg_name = to,
            .msg_namelen = to_size,
            .msg_iov = first,
            .msg_iovlen = (size_t)(&run->iov[at] - first)};
    }
    return count;
}

/* 0, or the errno of the first that could not be sent. */
static int send_one_by_one(
    struct env_udp *u, struct env_udp_run *run, struct sockaddr_storage *to, socklen_t to_size)
{
    struct mmsghdr messages[REAL_UDP_BATCH];
    int count;
    while ((count = lay_out(run, to, to_size, messages, REAL_UDP_BATCH)) > 0) {
        int n = sendmmsg(u->fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno;
        run->sent += (size_t)n;
    }
    return 0;
}

static size_t run_bytes(const struct env_udp_run *run)
{
    size_t size = 0;
    for (int i = 0; i < run->iov_count; i++)
        size += run->iov[i].iov_len;
    return size;
}

static int send_run(struct env_udp *u, struct env_udp_run *run)
{
    struct sockaddr_storage to;
    socklen_t to_size = socket_address(&run->peer, &to);
    size_t size = run_bytes(run), count = (size + run->segment - 1) / run->segment;
    if (!to_size)
        return EINVAL;
    if (count > 1 &&
        (u->gso_rests > 0 || run->sent > 0 || count > GSO_SEGMENTS_MAX || size > GSO_BYTES_MAX)) {
        u->gso_rests -= u->gso_rests > 0;
        return send_one_by_one(u, run, &to, to_size);
    }
    int e = send_segmented(u, run, &to, to_size, count > 1);
    if (e == 0)
        run->sent = count;
    if (e == 0 || is_full(e) || count == 1)
        return e;
    /* A device that cannot (EIO), a path with a smaller MTU (EINVAL), an old kernel. */
    u->gso_rests = GSO_REST;
    return send_one_by_one(u, run, &to, to_size);
}

int real_udp_send_runs(struct env_udp *u, struct env_udp_run *runs, int count)
{
    for (int i = 0; i < count; i++) {
        if (runs[i].dont_fragment)
            fragment(u, false);
        int e = send_run(u, &runs[i]);
        if (runs[i].dont_fragment)
            fragment(u, true);
        if (is_full(e))
            return i;
        runs[i].error = e == EMSGSIZE ? ERR_LIMIT : 0;
    }
    return count;
}

static void on_closed(uv_handle_t *handle)
{
    struct env_udp *u = handle->data;
    free(u->multicast);
    free(u);
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
