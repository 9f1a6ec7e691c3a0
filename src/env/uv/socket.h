/* Inside env/uv: sockets as POSIX has them. Addresses to and from struct sockaddr, the options that
 * every socket of ours gets, errno to enum kith_err. */
#ifndef KITH_ENV_UV_SOCKET_H
#define KITH_ENV_UV_SOCKET_H

#include "env/env.h"
#include <sys/socket.h>

/* Length of the sockaddr, or 0 if the endpoint has no family. */
socklen_t socket_address(const struct endpoint *, struct sockaddr_storage *out);
/* v4-mapped addresses come out as IPv4. Zeroed for other families. */
void socket_endpoint(const struct sockaddr_storage *, struct endpoint *out);
/* The socket's own address; zeroed if it has none. */
void socket_local(int fd, struct endpoint *out);

/* A non-blocking, close-on-exec socket (SOCK_STREAM, SOCK_DGRAM), IPv6-only if IPv6, bound to the
 * device that the options name. ERR_LIMIT, ERR_NOMEM, ERR_PERMISSION, ERR_NETWORK. */
int socket_open(enum addr_family, int type, const struct env_tcp_options *, int *fd_out);
/* Binds to where a connection to `family` is to come from; nothing to do without options.
 * ERR_BLOCKED if the bound address is of another family: then no packet may leave. */
int socket_bind_source(int fd, enum addr_family, const struct env_tcp_options *);
/* Where a listener or UDP socket stands: `at`, or the options' address with at's port. ERR_EXISTS,
 * ERR_BLOCKED, ERR_PERMISSION, ERR_NETWORK. */
int socket_bind_at(int fd, const struct endpoint *at, const struct env_tcp_options *);

int socket_err(int errno_value);

/* Up interfaces' unicast addresses, or those of one: see env_local_addresses. */
size_t socket_local_addresses(const char *device, struct endpoint *out, size_t max);

#endif
