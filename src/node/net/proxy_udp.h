/* Datagrams through a SOCKS5 proxy (RFC 1928, UDP ASSOCIATE): a UDP socket to everybody else.
 *
 * A connection to the proxy stands as long as datagrams are to pass; when it ends, or when nothing
 * comes back for long, another is made, with growing pauses. While there is none, what is sent is
 * lost, as the network would lose it (a little waits for the first answer): it leaves by no other
 * way. */
#ifndef KITH_NODE_PROXY_UDP_H
#define KITH_NODE_PROXY_UDP_H

#include "env/env.h"
#include "proto/proxy.h"

struct kith_node;

#define PROXY_UDP_PATIENCE SECONDS(15)   /* with the proxy's answers */
#define PROXY_UDP_PAUSE_MAX SECONDS(300) /* after it refused to pass datagrams on */
#define PROXY_UDP_WAITING_MAX 8192u      /* bytes that wait for its first answer; more is lost */
#define PROXY_UDP_SILENCE SECONDS(90)    /* sending, hearing nothing: perhaps the way is dead */

/* Never fails for want of the proxy. ERR_NOMEM. */
int proxy_udp_open(
    struct kith_node *, void (*readable)(void *user), void *user, struct env_udp **out);
/* To a name, which the proxy looks up. `udp` is one of proxy_udp_open. */
void proxy_udp_send_named(struct env_udp *udp, const struct proxy_target *, struct bytes datagram);

#endif
