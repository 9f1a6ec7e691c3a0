/* The networks that this machine is on, the routers that lead out of them, and word of changes:
 * getifaddrs, /proc/net and a routing socket. */
#include "env/uv/real.h"

#include "base/text.h"
#include "env/uv/socket.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RTF_UP_BIT 0x1u
#define RTF_GATEWAY_BIT 0x2u
#define ROUTES_READ_MAX 4096u /* lines looked at: a full routing table is not for us */

/* ---- networks ------------------------------------------------------------------------------ */

static uint8_t prefix_bits(const struct sockaddr *mask, enum addr_family family)
{
    const struct sockaddr_in *v4 = (const void *)mask;
    const struct sockaddr_in6 *v6 = (const void *)mask;
    const uint8_t *bytes =
        family == ADDR_V4 ? (const uint8_t *)&v4->sin_addr : (const uint8_t *)&v6->sin6_addr;
    unsigned size = family == ADDR_V4 ? 4 : 16, bits = 0;
    for (unsigned i = 0; mask && i < size; i++)
        bits += (unsigned)__builtin_popcount(bytes[i]);
    return mask ? (uint8_t)bits : (uint8_t)(size * 8);
}

size_t real_local_networks(struct env *env, struct env_network *out, size_t max)
{
    struct ifaddrs *all = NULL;
    size_t count = 0;
    (void)env;
    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *i = all; i && count < max; i = i->ifa_next) {
        struct sockaddr_storage address = {0};
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        if (!(i->ifa_flags & IFF_UP) || (family != AF_INET && family != AF_INET6))
            continue;
        memcpy(&address, i->ifa_addr,
            family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        struct endpoint e;
        socket_endpoint(&address, &e);
        e.port = 0;
        if (endpoint_class(&e) == ADDR_LOOPBACK)
            continue;
        out[count++] = (struct env_network){e, prefix_bits(i->ifa_netmask, e.family)};
    }
    freeifaddrs(all);
    return count;
}

unsigned real_device_index(struct env *env, const char *device)
{
    (void)env;
    return if_nametoindex(device);
}

size_t real_device_addresses(struct env *env, const char *device, struct endpoint *out, size_t max)
{
    (void)env;
    return socket_local_addresses(device, out, max);
}

/* ---- gateways ------------------------------------------------------------------------------ */

struct route {
    struct endpoint gateway;
    unsigned metric;
};

/* Keeps the routes sorted by metric: the kernel takes the smallest. */
static size_t keep(struct route *routes, size_t count, size_t max, struct route r)
{
    size_t at = count;
    for (size_t i = 0; i < count; i++)
        if (endpoint_same_ip(&routes[i].gateway, &r.gateway))
            return count;
    while (at > 0 && routes[at - 1].metric > r.metric)
        at--;
    if (at >= max)
        return count;
    count += count < max;
    memmove(&routes[at + 1], &routes[at], (count - 1 - at) * sizeof *routes);
    routes[at] = r;
    return count;
}

static size_t gateways_v4(struct route *routes, size_t count, size_t max)
{
    char line[256], device[IFNAMSIZ + 1];
    FILE *f = fopen("/proc/net/route", "re");
    for (unsigned n = 0; f && n < ROUTES_READ_MAX && fgets(line, sizeof line, f); n++) {
        unsigned to, gateway, flags, metric, mask;
        if (sscanf(line, "%16s %x %x %x %*s %*s %u %x", device, &to, &gateway, &flags, &metric,
                &mask) != 6)
            continue;
        if (to != 0 || mask != 0 || (flags & RTF_GATEWAY_BIT) == 0 || (flags & RTF_UP_BIT) == 0)
            continue;
        uint8_t ip[4];
        memcpy(ip, &gateway, sizeof ip); /* the file has the bytes as memory has them */
        count = keep(routes, count, max, (struct route){endpoint_from_ip4(ip, 0), metric});
    }
    if (f)
        fclose(f);
    return count;
}

static size_t gateways_v6(struct route *routes, size_t count, size_t max)
{
    char line[256], to[33], gateway[33], device[IFNAMSIZ + 1];
    FILE *f = fopen("/proc/net/ipv6_route", "re");
    for (unsigned n = 0; f && n < ROUTES_READ_MAX && fgets(line, sizeof line, f); n++) {
        unsigned bits, metric, flags;
        uint8_t ip[16];
        if (sscanf(line, "%32s %x %*s %*s %32s %x %*s %*s %x %16s", to, &bits, gateway, &metric,
                &flags, device) != 6)
            continue;
        if (bits != 0 || (flags & RTF_GATEWAY_BIT) == 0 || (flags & RTF_UP_BIT) == 0 ||
            hex_decode(bytes_of_str(gateway), ip, sizeof ip) != 0)
            continue;
        struct endpoint e = endpoint_from_ip6(ip, 0);
        if (endpoint_class(&e) == ADDR_LINK_LOCAL)
            e.scope = if_nametoindex(device);
        count = keep(routes, count, max, (struct route){e, metric});
    }
    if (f)
        fclose(f);
    return count;
}

#define GATEWAYS_MAX 16u

size_t real_gateways(struct env *env, struct endpoint *out, size_t max)
{
    struct route routes[2][GATEWAYS_MAX];
    size_t counts[2] = {
        gateways_v4(routes[0], 0, GATEWAYS_MAX), gateways_v6(routes[1], 0, GATEWAYS_MAX)};
    size_t count = 0;
    (void)env;
    for (unsigned family = 0; family < 2; family++)
        for (size_t i = 0; i < counts[family] && count < max; i++)
            out[count++] = routes[family][i].gateway;
    return count;
}

/* ---- changes ------------------------------------------------------------------------------- */

struct env_network_watch {
    const struct env_ops *ops; /* first: env.c */
    struct real_env *env;
    uv_poll_t poll;
    int fd;
    bool closed;
    void (*changed)(void *user);
    void *user;
};

/* What the messages say is not looked at: who is told looks for itself. */
static void on_change(uv_poll_t *handle, int status, int events)
{
    struct env_network_watch *w = handle->data;
    uint8_t buffer[8192];
    bool any = false;
    (void)status;
    (void)events;
    /* ENOBUFS: more has changed than the socket could hold. */
    for (ssize_t n; (n = recv(w->fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0 || errno == ENOBUFS;)
        any = true;
    if (any && !w->closed)
        w->changed(w->user);
}

static int open_routing(void)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return socket_err(errno);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return ERR_UNSUPPORTED;
}

int real_network_watch_start(
    struct env *env, void (*changed)(void *user), void *user, struct env_network_watch **out)
{
    struct real_env *e = real_env_of(env);
    struct env_network_watch *w = calloc(1, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    int err = real_descriptor_take(e) ? 0 : ERR_LIMIT;
    if (err)
        goto fail_memory;
    *w = (struct env_network_watch){
        .ops = e->ops, .env = e, .fd = open_routing(), .changed = changed, .user = user};
    if (w->fd < 0) {
        err = w->fd;
        goto fail_descriptor;
    }
    if (uv_poll_init(&e->loop, &w->poll, w->fd) != 0) {
        err = ERR_NOMEM;
        goto fail_socket;
    }
    w->poll.data = w;
    uv_poll_start(&w->poll, UV_READABLE, on_change);
    real_touch(e);
    *out = w;
    return 0;

fail_socket:
    close(w->fd);
fail_descriptor:
    real_descriptor_give(e);
fail_memory:
    free(w);
    return err;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void real_network_watch_stop(struct env_network_watch *w)
{
    w->closed = true;
    uv_poll_stop(&w->poll);
    close(w->fd);
    real_descriptor_give(w->env);
    uv_close((uv_handle_t *)&w->poll, on_closed);
    real_touch(w->env);
}
