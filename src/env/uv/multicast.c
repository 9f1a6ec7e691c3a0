/* See multicast.h. Interfaces are named by index: an address would not do for IPv6, and an
 * interface without a route for the group (a LAN without a router) is named all the same. */
#include "env/uv/multicast.h"

#include "base/err.h"
#include "env/uv/socket.h"
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

struct multicast {
    enum addr_family family;
    unsigned count;
    unsigned interfaces[MULTICAST_INTERFACES_MAX];
};

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static bool is_chosen(const struct ifaddrs *i, const struct env_tcp_options *options)
{
    struct sockaddr_storage address = {0};
    struct endpoint its;
    if (options && options->bind_device && strcmp(options->bind_device, i->ifa_name) != 0)
        return false;
    if (!options || !options->bind_ip)
        return true;
    bool v4 = i->ifa_addr->sa_family == AF_INET;
    memcpy(&address, i->ifa_addr, v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    socket_endpoint(&address, &its);
    return memcmp(its.ip, options->bind_ip->ip, sizeof its.ip) == 0;
}

static bool join(int fd, const struct endpoint *group, unsigned interface)
{
    if (group->family == ADDR_V4) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface};
        memcpy(&request.imr_multiaddr, group->ip, 4);
        return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0;
    }
    struct ipv6_mreq request = {.ipv6mr_interface = interface};
    memcpy(&request.ipv6mr_multiaddr, group->ip, 16);
    return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) == 0;
}

static bool is_joined(const struct multicast *m, unsigned interface)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->interfaces[i] == interface)
            return true;
    return false;
}

static void join_all(int fd, const struct endpoint *group, const struct env_tcp_options *options,
    struct multicast *m)
{
    const unsigned needed = IFF_UP | IFF_MULTICAST;
    int family = group->family == ADDR_V4 ? AF_INET : AF_INET6;
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i && m->count < MULTICAST_INTERFACES_MAX; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
            (i->ifa_flags & (needed | IFF_LOOPBACK)) != needed || !is_chosen(i, options))
            continue;
        unsigned interface = if_nametoindex(i->ifa_name);
        if (interface && !is_joined(m, interface) && join(fd, group, interface))
            m->interfaces[m->count++] = interface;
    }
    freeifaddrs(all);
}

/* One hop; our own machine's other members hear it; nothing comes in from groups or interfaces that
 * only others have joined. */
static void set_manners(int fd, enum addr_family family)
{
    if (family == ADDR_V4) {
        (void)set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 1);
        (void)set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
        (void)set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    } else {
        (void)set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1);
        (void)set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
#ifdef IPV6_MULTICAST_ALL
        (void)set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
#endif
    }
}

int multicast_join(int fd, const struct endpoint *group, const struct env_tcp_options *options,
    struct multicast **out)
{
    struct sockaddr_storage at;
    socklen_t size = socket_address(group, &at);
    /* Other programs of this machine listen to the same group, under other users, too. */
    (void)set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (struct sockaddr *)&at, size) != 0)
        return socket_err(errno);
    struct multicast *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NOMEM;
    m->family = group->family;
    set_manners(fd, group->family);
    join_all(fd, group, options, m);
    if (m->count == 0) {
        free(m);
        return ERR_NETWORK;
    }
    *out = m;
    return 0;
}

static bool send_on(int fd, const struct env_datagram *d, unsigned interface)
{
    struct sockaddr_storage to;
    socklen_t size = socket_address(&d->peer, &to);
    if (d->peer.family == ADDR_V4) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface};
        if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) != 0)
            return false;
    } else {
        ((struct sockaddr_in6 *)&to)->sin6_scope_id = interface;
    }
    return sendto(fd, d->data, d->size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
               size) >= 0;
}

bool multicast_send(int fd, const struct multicast *m, const struct env_datagram *d)
{
    bool any = false;
    if (d->peer.family != m->family)
        return false;
    if (d->peer.scope)
        return send_on(fd, d, d->peer.scope);
    for (unsigned i = 0; i < m->count; i++)
        any |= send_on(fd, d, m->interfaces[i]);
    return any;
}
