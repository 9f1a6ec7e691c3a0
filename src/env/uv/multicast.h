/* Inside env/uv: a UDP socket that belongs to a multicast group on every interface that can carry
 * it. See env_udp_open. */
#ifndef KITH_ENV_UV_MULTICAST_H
#define KITH_ENV_UV_MULTICAST_H

#include "env/env.h"

#define MULTICAST_INTERFACES_MAX 32u

struct multicast;

/* Binds the socket to the group and its port, and joins it. Free with free(). ERR_NETWORK if no
 * interface can carry the group, ERR_EXISTS if somebody keeps the port for himself, ERR_NOMEM. */
int multicast_join(
    int fd, const struct endpoint *group, const struct env_tcp_options *, struct multicast **out);
/* To every interface, or to that of the peer's scope. Did any take it? */
bool multicast_send(int fd, const struct multicast *, const struct env_datagram *);

#endif
