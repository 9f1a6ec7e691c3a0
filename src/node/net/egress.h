/* What may leave this machine: the one place that decides. Every socket of a node, its HTTP client
 * and its look-ups of names are opened here (tools/check-layers proves it), under what the user
 * set:
 *
 *   an interface or address   every socket is bound to it. The system's resolver cannot be: names
 *                             are not looked up, save by a proxy.
 *   a proxy                   TCP and HTTP go through it, datagrams too if it carries them
 * (SOCKS5); names go to it unresolved; nobody is listened to; the local network hears nothing. a
 * block list              nobody on it is spoken to.
 *
 * When the way out is away, attempts fail and are made again later; there is no other way. */
#ifndef KITH_NODE_EGRESS_H
#define KITH_NODE_EGRESS_H

#include "env/env.h"
#include "proto/proxy.h"
#include <kith.h>

struct kith_node;

#define EGRESS_DEVICE_MAX 16        /* IFNAMSIZ, NUL included */
#define EGRESS_REST_MIN SECONDS(2)  /* after the proxy failed nobody knocks for so long, */
#define EGRESS_REST_MAX SECONDS(60) /* doubling up to this */

/* ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT (the proxy's URL), ERR_INVALID (an interface or address
 * that cannot be one, or a proxy's name that may not be looked up), ERR_NOMEM. */
int egress_start(struct kith_node *, const struct kith_options *);
void egress_stop(struct kith_node *);

/* Neither a proxy nor an interface: libraries that open sockets of their own may run. */
bool egress_is_open(const struct kith_node *);
bool egress_is_proxied(const struct kith_node *);
/* Can datagrams leave at all? Not through a proxy of HTTP. */
bool egress_carries_datagrams(const struct kith_node *);
/* The interface that everything leaves by; NULL: any. */
const char *egress_device(const struct kith_node *);
/* Why nothing leaves, in words; NULL: all is well. Ours, no need to escape. */
const char *egress_trouble(const struct kith_node *);

/* ---- the env's calls, under the policy. Without one they are just those. ERR_BLOCKED: it may not
 * leave. `more` binds closer than the policy; NULL: does not. ------------------------------------
 */
int egress_connect(struct kith_node *, const struct endpoint *to, const struct env_tcp_events *,
    void *user, struct env_tcp **out);
int egress_listen(struct kith_node *, const struct endpoint *at, const struct env_tcp_options *more,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out);
int egress_udp_open(struct kith_node *, const struct endpoint *at,
    const struct env_tcp_options *more, void (*readable)(void *user), void *user,
    struct env_udp **out);
int egress_resolve(struct kith_node *, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out);
/* Fills in how the request has to travel. */
int egress_http(struct kith_node *, struct env_http_request *, const struct env_http_events *,
    void *user, struct env_http **out);

/* ---- for what speaks to the proxy: proxy_stream.c, proxy_udp.c ----------------------------- */

/* Who it is; NULL: there is none. */
const struct proxy *egress_proxy(const struct kith_node *);
/* Where it is. False: not known, or it rests. Its name is looked up then. */
bool egress_proxy_address(struct kith_node *, struct endpoint *out);
int egress_connect_proxy(
    struct kith_node *, const struct env_tcp_events *, void *user, struct env_tcp **out);
/* A socket that reaches the proxy. */
int egress_udp_open_proxy(
    struct kith_node *, void (*readable)(void *user), void *user, struct env_udp **out);
/* It did not answer, or not as it should; or it did what it was asked. */
void egress_proxy_failed(struct kith_node *, int err);
void egress_proxy_works(struct kith_node *);

#endif
