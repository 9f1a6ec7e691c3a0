/* Sockets as POSIX has them: see socket.h. Used by tcp.c, listen.c, udp.c and http.c; knows nothing
 * of the loop. */
#include "env/uv/socket.h"
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

socklen_t socket_address(const struct endpoint *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (e->family == ADDR_V4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(e->port);
        memcpy(&v4->sin_addr, e->ip, 4);
        return sizeof *v4;
    }
    if (e->family == ADDR_V6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(e->port);
        v6->sin6_scope_id = e->scope;
        memcpy(&v6->sin6_addr, e->ip, 16);
        return sizeof *v6;
    }
    return 0;
}

void socket_endpoint(const struct sockaddr_storage *address, struct endpoint *out)
{
    memset(out, 0, sizeof *out);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        *out = endpoint_from_ip4((const uint8_t *)&v4->sin_addr, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        *out = endpoint_from_ip6((const uint8_t *)&v6->sin6_addr, ntohs(v6->sin6_port));
        if (out->family == ADDR_V6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            out->scope = v6->sin6_scope_id;
    }
}

void socket_local(int fd, struct endpoint *out)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    memset(out, 0, sizeof *out);
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        socket_endpoint(&address, out);
}

int socket_err(int e)
{
    switch (e) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return ERR_AGAIN;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EADDRINUSE:
        return ERR_EXISTS;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    case ENOMEM:
    case ENOBUFS:
        return ERR_NOMEM;
    case EACCES:
    case EPERM:
        return ERR_PERMISSION;
    default:
        return ERR_NETWORK;
    }
}

/* An interface's address, port 0. False: of another family. */
static bool take_address(const struct sockaddr *from, struct endpoint *out)
{
    struct sockaddr_storage address = {0};
    if (from != NULL && from->sa_family == AF_INET)
        memcpy(&address, from, sizeof(struct sockaddr_in));
    else if (from != NULL && from->sa_family == AF_INET6)
        memcpy(&address, from, sizeof(struct sockaddr_in6));
    else
        return false;
    socket_endpoint(&address, out);
    out->port = 0;
    return true;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static int bind_device(int fd, const char *device)
{
    size_t size = strlen(device);
    if (size == 0 || size >= IFNAMSIZ)
        return ERR_INVALID;
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)size + 1) != 0)
        return errno == ENODEV ? ERR_BLOCKED : socket_err(errno);
    return 0;
}

/* The interface that holds the address. False: none does. */
static bool find_device(const struct endpoint *ip, char device[IFNAMSIZ])
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        struct endpoint its;
        if (!take_address(i->ifa_addr, &its) || !endpoint_same_ip(&its, ip))
            continue;
        snprintf(device, IFNAMSIZ, "%s", i->ifa_name);
        found = true;
    }
    freeifaddrs(all);
    return found;
}

static int bind_way(int fd, const struct env_tcp_options *options)
{
    char device[IFNAMSIZ];
    if (options->bind_device != NULL)
        return bind_device(fd, options->bind_device);
    if (options->bind_ip == NULL)
        return 0;
    return find_device(options->bind_ip, device) ? bind_device(fd, device) : ERR_BLOCKED;
}

int socket_open(
    enum addr_family family, int type, const struct env_tcp_options *options, int *fd_out)
{
    int domain = family == ADDR_V6 ? AF_INET6 : AF_INET;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return socket_err(errno);
    int err = 0;
    /* v4-mapped addresses would give every IPv4 peer a second name. */
    if (domain == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
        err = socket_err(errno);
    if (err == 0 && options != NULL)
        err = bind_way(fd, options);
    if (err != 0) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return 0;
}

static int bind_to(int fd, const struct endpoint *at)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address(at, &address);
    if (size == 0)
        return ERR_INVALID;
    return bind(fd, (struct sockaddr *)&address, size) == 0 ? 0 : socket_err(errno);
}

int socket_bind_source(int fd, enum addr_family family, const struct env_tcp_options *options)
{
    if (options == NULL || options->bind_ip == NULL)
        return 0;
    if (options->bind_ip->family != family)
        return ERR_BLOCKED;
    /* The port is chosen at connect, when the whole 4-tuple is known: otherwise the bind itself
     * would use one of 28,000 ports up per connection. */
    (void)set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    struct endpoint source = *options->bind_ip;
    source.port = 0;
    return bind_to(fd, &source);
}

int socket_bind_at(int fd, const struct endpoint *at, const struct env_tcp_options *options)
{
    struct endpoint where = *at;
    if (options != NULL && options->bind_ip != NULL) {
        const struct endpoint *only = options->bind_ip;
        if (only->family != at->family || (!endpoint_is_any(at) && !endpoint_same_ip(at, only)))
            return ERR_BLOCKED;
        where = *only;
        where.port = at->port;
    }
    return bind_to(fd, &where);
}

size_t socket_local_addresses(const char *device, struct endpoint *out, size_t max)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return 0;
    size_t count = 0;
    for (const struct ifaddrs *i = all; i != NULL && count < max; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
            (device != NULL && strcmp(device, i->ifa_name) != 0))
            continue;
        if (!take_address(i->ifa_addr, &out[count]))
            continue;
        if (endpoint_class(&out[count]) == ADDR_MULTICAST)
            continue;
        count++;
    }
    freeifaddrs(all);
    return count;
}
