/* See tracker_call.h. */
#include "node/discovery/tracker_call.h"

#include "base/err.h"
#include "base/text.h"
#include "node/net/egress.h"
#include "node/node_internal.h"
#include "proto/tracker_http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_PATIENCE SECONDS(30)
#define CALL_URL_MAX 32768u /* bytes of what is fetched: a scrape names many torrents */

struct bytes tracker_call_host(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return bytes_of(host, strcspn(host, "/?#"));
}

/* A torrent that a stranger made must not make us knock at any door of this network: only what
 * looks like a tracker's (libtorrent's rule for it, too). */
static enum addr_source source_of(const char *url)
{
    size_t path = strcspn(url, "?#");
    const char *found = strstr(url, "/announce");
    return found && (size_t)(found - url) < path ? ADDR_FROM_LINK : ADDR_FROM_STRANGER;
}

static bool is_local_host(struct bytes host)
{
    struct endpoint e;
    struct bytes name = host;
    for (size_t i = 0; i < host.size && host.data[0] != '['; i++)
        if (host.data[i] == ':')
            name.size = i < name.size ? i : name.size;
    if (bytes_equal_str(name, "localhost"))
        return true;
    bool numeric = endpoint_parse(&e, host) == 0 || endpoint_parse_ip(&e, name, 1) == 0;
    return numeric && endpoint_class(&e) != ADDR_GLOBAL;
}

const char *tracker_call_trouble(struct kith_node *n, int err)
{
    const char *trouble = egress_trouble(n);
    if (err == ERR_BLOCKED && !egress_is_open(n))
        return "names are not looked up while everything is bound to an interface";
    if (err == ERR_TIMEOUT)
        return "does not answer";
    if (err == ERR_UNSUPPORTED && egress_is_proxied(n))
        return "the proxy carries no datagrams";
    return err == ERR_AGAIN && trouble ? trouble : err_text(err);
}

/* ---- turns --------------------------------------------------------------------------------- */

static int ask(struct tracker_call *c);

static unsigned most_of(enum tracker_lane lane)
{
    return lane == TRACKER_LANE_HTTP ? TRACKER_CALLS_HTTP_MAX : TRACKER_CALLS_NAMES_MAX;
}

/* Those whose turn has come begin. From the loop, because one that cannot begin fails at once. */
static void start_waiting(struct timer *timer, usec now)
{
    struct tracker_calls *calls = container_of(timer, struct tracker_calls, start);
    (void)now;
    for (unsigned lane = 0; lane < TRACKER_LANES; lane++)
        while (calls->under_way[lane] < most_of(lane) && !list_empty(&calls->waiting[lane])) {
            struct tracker_call *c =
                list_entry(list_pop_front(&calls->waiting[lane]), struct tracker_call, turn);
            c->has_turn = true;
            calls->under_way[lane]++;
            int err = ask(c);
            if (err)
                c->kind->failed(c, err, tracker_call_trouble(c->node, err));
        }
}

/* True: at once. Else when it is its turn. */
static bool take_turn(struct tracker_call *c)
{
    struct tracker_calls *calls = &c->node->calls;
    if (calls->under_way[c->lane] >= most_of(c->lane) || !list_empty(&calls->waiting[c->lane])) {
        list_push_back(&calls->waiting[c->lane], &c->turn);
        return false;
    }
    c->has_turn = true;
    calls->under_way[c->lane]++;
    return true;
}

static void give_turn(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    list_remove(&c->turn);
    if (!c->has_turn)
        return;
    c->has_turn = false;
    n->calls.under_way[c->lane]--;
    if (list_empty(&n->calls.waiting[c->lane]) || timer_armed(&n->calls.start))
        return;
    timer_set(&n->timers, &n->calls.start, env_now(n->env));
    node_arm(n);
}

bool tracker_call_is_waiting(const struct tracker_call *c)
{
    return c->begun && !list_empty(&c->turn);
}

void tracker_call_end(struct tracker_call *c)
{
    if (c->http)
        env_http_cancel(c->http);
    if (c->resolve)
        env_resolve_cancel(c->resolve);
    builder_free(&c->body);
    c->http = NULL;
    c->resolve = NULL;
    if (!c->begun)
        return;
    c->begun = false;
    timer_cancel(&c->node->timers, &c->timer);
    tracker_calls_forget(&c->node->calls, c, c->transaction);
    give_turn(c);
}

static void heard_of(struct tracker_call *c, int err)
{
    struct bytes host = tracker_call_host(c->url);
    if (err == 0)
        tracker_hosts_answered(&c->node->calls, host);
    else if (err == ERR_TIMEOUT)
        tracker_hosts_silent(&c->node->calls, host, env_now(c->node->env));
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

static bool http_body(void *user, int status, struct bytes chunk)
{
    struct tracker_call *c = user;
    (void)status;
    builder_span(&c->body, chunk);
    return builder_ok(&c->body);
}

static void http_done(void *user, int err, int status, const char *detail)
{
    struct tracker_call *c = user;
    char why[NODE_TEXT_MAX];
    c->http = NULL;
    heard_of(c, err);
    if (!err) {
        c->kind->http_answered(c, status, builder_bytes(&c->body));
        return;
    }
    snprintf(why, sizeof why, "%s", *detail ? detail : err_text(err));
    c->kind->failed(c, err, why);
}

static const struct env_http_events http_events = {http_body, http_done};

static int ask_http(struct tracker_call *c)
{
    struct builder b = builder_heap(CALL_URL_MAX);
    int err = c->kind->http_url(c, &b);
    struct env_http_request request = {.url = builder_text(&b),
        .user_agent = c->node->user_agent,
        .source = source_of(c->url),
        .body_max = TRACKER_HTTP_BODY_MAX,
        .timeout = HTTP_PATIENCE};
    c->local = is_local_host(tracker_call_host(c->url));
    c->body = builder_heap(TRACKER_HTTP_BODY_MAX);
    if (!err)
        err =
            builder_ok(&b) ? egress_http(c->node, &request, &http_events, c, &c->http) : ERR_LIMIT;
    builder_free(&b);
    return err;
}

/* ---- UDP ----------------------------------------------------------------------------------- */

/* The number by which it is known, and its next repetition, follow. */
static void rearm(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    if (c->transaction != c->udp.transaction)
        tracker_calls_renumber(&n->calls, c, c->transaction, c->udp.transaction);
    c->transaction = c->udp.transaction;
    if (timer_heap_reserve(&n->timers, n->timers.count + 64) == 0)
        timer_set(&n->timers, &c->timer, c->udp.deadline);
    node_arm(n);
}

static void send_udp(struct tracker_call *c)
{
    uint8_t packet[TRACKER_UDP_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    if (!tracker_udp_send(&c->udp, &b, env_now(c->node->env)) || !builder_ok(&b))
        return;
    if (c->to.family != ADDR_NONE)
        ports_send(c->node, &c->to, bytes_of(packet, b.size));
    else
        ports_send_named(c->node, &c->named, bytes_of(packet, b.size));
    rearm(c);
}

/* From where it was asked; or, where only the proxy knows that, whoever knows the transaction's
 * number: he is the tracker from then on. */
static bool comes_from(const struct tracker_call *c, const struct endpoint *from)
{
    if (c->to.family != ADDR_NONE)
        return endpoint_equal(&c->to, from);
    return c->named.name[0] && from->port == c->named.port;
}

static void hear(struct tracker_call *c, const struct endpoint *from, struct bytes datagram)
{
    struct tracker_reply *reply = malloc(sizeof *reply);
    if (!reply)
        return;
    c->udp.family = from->family;
    if (tracker_udp_receive(&c->udp, datagram, reply, env_now(c->node->env))) {
        c->to = *from;
        heard_of(c, 0);
        if (c->udp.state == TRACKER_UDP_ANSWERED)
            c->kind->udp_answered(c, reply);
        else
            send_udp(c);
    }
    free(reply);
}

void tracker_call_datagram(struct kith_node *n, const struct endpoint *from, struct bytes datagram)
{
    uint32_t transaction;
    if (tracker_udp_transaction(datagram, &transaction) != 0)
        return;
    struct tracker_call *c = tracker_calls_find(&n->calls, transaction);
    if (c && comes_from(c, from))
        hear(c, from, datagram);
}

static void fired(struct timer *timer, usec now)
{
    struct tracker_call *c = container_of(timer, struct tracker_call, timer);
    tracker_udp_tick(&c->udp, now);
    if (c->udp.state == TRACKER_UDP_SILENT) {
        heard_of(c, ERR_TIMEOUT);
        c->kind->failed(c, ERR_TIMEOUT, "does not answer");
    } else {
        send_udp(c);
    }
}

static void begin_udp(struct tracker_call *c, enum addr_family family)
{
    struct env *env = c->node->env;
    uint64_t random;
    env_random(env, &random, sizeof random);
    c->kind->udp_begin(c, family, random, env_now(env));
    send_udp(c);
}

static void resolved(void *user, int err, const struct endpoint *found, size_t count)
{
    struct tracker_call *c = user;
    c->resolve = NULL;
    give_turn(c);
    if (err) {
        heard_of(c, err); /* a name whose servers are silent holds up the other names */
        c->kind->failed(c, err, "its name is not known");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!endpoint_allowed(&found[i], source_of(c->url)) ||
            !ports_of(c->node, (enum addr_family)found[i].family))
            continue;
        c->to = found[i];
        c->local = endpoint_class(&c->to) != ADDR_GLOBAL;
        begin_udp(c, (enum addr_family)c->to.family);
        return;
    }
    c->kind->failed(c, ERR_BLOCKED, "its address is not one that a tracker may have");
}

/* A name that is for the proxy to look up, or for us. */
static int find_udp(struct tracker_call *c, const char *name, uint16_t port)
{
    struct kith_node *n = c->node;
    struct endpoint numeric;
    bool is_name = endpoint_parse_ip(&numeric, bytes_of_str(name), port) != 0;
    if (!egress_carries_datagrams(n))
        return ERR_UNSUPPORTED;
    if (!egress_is_proxied(n) || !is_name)
        return egress_resolve(n, name, port, resolved, c, &c->resolve);
    if (!proxy_target_name(&c->named, name, port))
        return ERR_SYNTAX;
    begin_udp(c, ADDR_V4);
    give_turn(c);
    return 0;
}

/* "udp://name:port/...": the name is the caller's. ERR_SYNTAX, ERR_NOMEM. */
static int udp_host(const char *url, char **name, uint16_t *port)
{
    struct bytes all = tracker_call_host(url), host = all;
    uint64_t number = 0;
    size_t colon = all.size;
    while (colon > 0 && all.data[colon - 1] != ':' && all.data[colon - 1] != ']')
        colon--;
    if (colon == 0 || all.data[colon - 1] != ':' ||
        parse_u64(bytes_of(all.data + colon, all.size - colon), 65535, &number) != 0 || number == 0)
        return ERR_SYNTAX;
    host.size = colon - 1;
    if (host.size >= 2 && host.data[0] == '[')
        host = bytes_of(host.data + 1, host.size - 2);
    *port = (uint16_t)number;
    *name = bytes_dup_str(host);
    return *name ? 0 : ERR_NOMEM;
}

static int ask_udp(struct tracker_call *c)
{
    char *name;
    uint16_t port;
    int err = udp_host(c->url, &name, &port);
    if (err)
        return err;
    err = find_udp(c, name, port);
    free(name);
    return err;
}

/* Whoever waited for a turn learns only here what others found out meanwhile; and once, because to
 * ask whether it may be asked takes the place of the one that tries. */
static int ask(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    if (!tracker_hosts_may_ask(&n->calls, tracker_call_host(c->url), env_now(n->env)))
        return ERR_TIMEOUT;
    return c->lane == TRACKER_LANE_NAMES ? ask_udp(c) : ask_http(c);
}

int tracker_call_start(struct kith_node *n)
{
    uint8_t seed[16];
    env_random(n->env, seed, sizeof seed);
    int err = tracker_calls_init(&n->calls, seed);
    n->calls.start.fire = start_waiting;
    return err;
}

int tracker_call_begin(struct tracker_call *c)
{
    c->lane = strncasecmp(c->url, "udp:", 4) == 0 ? TRACKER_LANE_NAMES : TRACKER_LANE_HTTP;
    c->timer.fire = fired;
    c->begun = true;
    list_init(&c->turn);
    return take_turn(c) ? ask(c) : 0;
}
