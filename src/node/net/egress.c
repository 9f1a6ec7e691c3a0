/* See egress.h. */
#include "node/net/egress.h"
#include "node/net/block_list.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct egress {
    struct kith_node *node;
    struct proxy proxy;         /* no kind: none */
    struct endpoint proxy_at;   /* no family: not known yet */
    struct env_resolve *lookup; /* of the proxy's name */
    usec rest, rest_until;
    struct env_http_proxy for_http;
    struct endpoint bind_ip; /* no family: any */
    char bind_device[EGRESS_DEVICE_MAX];
    struct env_tcp_options options;
    char trouble[NODE_TEXT_MAX];
};

/* ---- the policy ---------------------------------------------------------------------------- */

static bool is_bound(const struct egress *e)
{
    return e->bind_device[0] || e->bind_ip.family != ADDR_NONE;
}

bool egress_is_open(const struct kith_node *n)
{
    return !egress_is_proxied(n) && !is_bound(n->egress);
}

bool egress_is_proxied(const struct kith_node *n)
{
    return n->egress->proxy.kind != PROXY_NONE;
}

bool egress_carries_datagrams(const struct kith_node *n)
{
    return n->egress->proxy.kind != PROXY_HTTP;
}

const char *egress_device(const struct kith_node *n)
{
    return n->egress->bind_device[0] ? n->egress->bind_device : NULL;
}

const char *egress_trouble(const struct kith_node *n)
{
    struct egress *e = n->egress;
    if (e->bind_device[0] && env_device_index(n->env, e->bind_device) == 0) {
        snprintf(e->trouble, sizeof e->trouble, "waiting for the interface %s", e->bind_device);
        return e->trouble;
    }
    return egress_is_proxied(n) && e->rest ? e->trouble : NULL;
}

/* The policy's binding, and what a caller wants on top of it. */
static int bind_closer(
    const struct kith_node *n, const struct env_tcp_options *more, struct env_tcp_options *out)
{
    *out = n->egress->options;
    if (more && more->bind_device) {
        if (out->bind_device && strcmp(out->bind_device, more->bind_device) != 0)
            return ERR_BLOCKED;
        out->bind_device = more->bind_device;
    }
    if (more && more->bind_ip) {
        if (out->bind_ip && !endpoint_same_ip(out->bind_ip, more->bind_ip))
            return ERR_BLOCKED;
        out->bind_ip = more->bind_ip;
    }
    return 0;
}

/* ---- what opens ---------------------------------------------------------------------------- */

int egress_connect(struct kith_node *n, const struct endpoint *to,
    const struct env_tcp_events *events, void *user, struct env_tcp **out)
{
    if (egress_is_proxied(n) || block_list_has(n, to))
        return ERR_BLOCKED;
    return env_tcp_connect(n->env, to, &n->egress->options, events, user, out);
}

int egress_listen(struct kith_node *n, const struct endpoint *at,
    const struct env_tcp_options *more,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out)
{
    struct env_tcp_options options;
    int err = egress_is_proxied(n) ? ERR_BLOCKED : bind_closer(n, more, &options);
    return err ? err : env_tcp_listen(n->env, at, &options, accepted, user, out);
}

int egress_udp_open(struct kith_node *n, const struct endpoint *at,
    const struct env_tcp_options *more, void (*readable)(void *user), void *user,
    struct env_udp **out)
{
    struct env_tcp_options options;
    int err = egress_is_proxied(n) ? ERR_BLOCKED : bind_closer(n, more, &options);
    return err ? err : env_udp_open(n->env, at, &options, readable, user, out);
}

/* A numeric address is no question to anybody. */
static bool is_numeric(const char *host)
{
    struct endpoint e;
    return endpoint_parse_ip(&e, bytes_of_str(host), 0) == 0;
}

int egress_resolve(struct kith_node *n, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out)
{
    if (!egress_is_open(n) && !is_numeric(host))
        return ERR_BLOCKED;
    return env_resolve_start(n->env, host, port, done, user, out);
}

int egress_http(struct kith_node *n, struct env_http_request *request,
    const struct env_http_events *events, void *user, struct env_http **out)
{
    struct egress *e = n->egress;
    request->tcp = &e->options;
    request->blocked = block_list_ranges(n);
    if (egress_is_proxied(n)) {
        if (!egress_proxy_address(n, &e->for_http.at))
            return ERR_AGAIN;
        bool here = endpoint_class(&e->for_http.at) == ADDR_LOOPBACK;
        request->tcp = here ? NULL : &e->options;
        request->proxy = &e->for_http;
    } else {
        request->numeric_only = is_bound(e);
    }
    return env_http_start(n->env, request, events, user, out);
}

/* ---- the proxy ----------------------------------------------------------------------------- */

const struct proxy *egress_proxy(const struct kith_node *n)
{
    return egress_is_proxied(n) ? &n->egress->proxy : NULL;
}

/* A proxy on this machine is reached over loopback, which leaves by no interface. */
static const struct env_tcp_options *options_to_proxy(const struct egress *e)
{
    return endpoint_class(&e->proxy_at) == ADDR_LOOPBACK ? NULL : &e->options;
}

static void looked_up(void *user, int err, const struct endpoint *found, size_t count)
{
    struct egress *e = user;
    e->lookup = NULL;
    if (!err && count > 0)
        e->proxy_at = found[0];
    else
        egress_proxy_failed(e->node, ERR_NOT_FOUND);
}

bool egress_proxy_address(struct kith_node *n, struct endpoint *out)
{
    struct egress *e = n->egress;
    if (env_now(n->env) < e->rest_until)
        return false;
    if (e->proxy_at.family == ADDR_NONE && !e->lookup &&
        env_resolve_start(n->env, e->proxy.host, e->proxy.port, looked_up, e, &e->lookup) != 0)
        e->lookup = NULL;
    *out = e->proxy_at;
    return out->family != ADDR_NONE;
}

int egress_connect_proxy(
    struct kith_node *n, const struct env_tcp_events *events, void *user, struct env_tcp **out)
{
    struct endpoint at;
    if (!egress_proxy_address(n, &at))
        return ERR_AGAIN;
    int err = env_tcp_connect(n->env, &at, options_to_proxy(n->egress), events, user, out);
    if (err && err != ERR_LIMIT && err != ERR_NOMEM)
        egress_proxy_failed(n, err);
    return err;
}

int egress_udp_open_proxy(
    struct kith_node *n, void (*readable)(void *user), void *user, struct env_udp **out)
{
    struct egress *e = n->egress;
    struct endpoint any = {.family = e->proxy_at.family};
    if (any.family == ADDR_NONE)
        return ERR_AGAIN;
    return env_udp_open(n->env, &any, options_to_proxy(e), readable, user, out);
}

static const char *complaint(int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return "its name is not known";
    case ERR_PERMISSION:
        return "refuses our login";
    case ERR_PROTOCOL:
    case ERR_LIMIT:
        return "answers as no such proxy does";
    case ERR_UNSUPPORTED:
        return "does not carry datagrams";
    default:
        return "does not answer";
    }
}

/* A name may lead elsewhere next time. */
void egress_proxy_failed(struct kith_node *n, int err)
{
    struct egress *e = n->egress;
    char text[PROXY_URL_MAX];
    usec now = env_now(n->env);
    if (now < e->rest_until)
        return; /* one of several that were under way */
    bool news = e->rest == 0;
    e->rest = e->rest ? usec_min(e->rest * 2, EGRESS_REST_MAX) : EGRESS_REST_MIN;
    e->rest_until = now + e->rest;
    snprintf(e->trouble, sizeof e->trouble, "the proxy %.120s %s", proxy_text(&e->proxy, text),
        complaint(err));
    if (!is_numeric(e->proxy.host))
        e->proxy_at.family = ADDR_NONE;
    if (news)
        node_event(n, KITH_EVENT_WARNING, NULL, err, e->trouble);
}

void egress_proxy_works(struct kith_node *n)
{
    n->egress->rest = 0;
    n->egress->rest_until = 0;
}

/* ---- beginning and end --------------------------------------------------------------------- */

static int take_proxy(struct egress *e, const char *url)
{
    int err = proxy_parse(&e->proxy, url);
    if (err)
        return err;
    (void)endpoint_parse_ip(&e->proxy_at, bytes_of_str(e->proxy.host), e->proxy.port);
    /* Bound, there is nobody who could be asked where it is. */
    if (is_bound(e) && e->proxy_at.family == ADDR_NONE)
        return ERR_INVALID;
    e->for_http = (struct env_http_proxy){.socks5 = e->proxy.kind == PROXY_SOCKS5,
        .user = e->proxy.has_login ? e->proxy.user : NULL,
        .password = e->proxy.has_login ? e->proxy.password : NULL};
    return 0;
}

static int take_binding(struct egress *e, const struct kith_options *o)
{
    if (o->bind_address && endpoint_parse_ip(&e->bind_ip, bytes_of_str(o->bind_address), 0) != 0)
        return ERR_INVALID;
    if (o->bind_interface) {
        if (!*o->bind_interface || strlen(o->bind_interface) >= sizeof e->bind_device)
            return ERR_INVALID;
        snprintf(e->bind_device, sizeof e->bind_device, "%s", o->bind_interface);
    }
    e->options.bind_ip = e->bind_ip.family != ADDR_NONE ? &e->bind_ip : NULL;
    e->options.bind_device = e->bind_device[0] ? e->bind_device : NULL;
    return 0;
}

int egress_start(struct kith_node *n, const struct kith_options *o)
{
    struct egress *e = n->egress = calloc(1, sizeof *e);
    if (!e)
        return ERR_NOMEM;
    e->node = n;
    int err = take_binding(e, o);
    return err || !o->proxy ? err : take_proxy(e, o->proxy);
}

void egress_stop(struct kith_node *n)
{
    struct egress *e = n->egress;
    if (!e)
        return;
    if (e->lookup)
        env_resolve_cancel(e->lookup);
    explicit_bzero(&e->proxy, sizeof e->proxy);
    free(e);
    n->egress = NULL;
}
