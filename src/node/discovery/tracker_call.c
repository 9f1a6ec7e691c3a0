/* See tracker_call.h. */
#include "node/discovery/tracker_call_internal.h"

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
enum addr_source tracker_call_source(const char *url)
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
    if (err == ERR_INVALID)
        return "its address is not one that a tracker may have";
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

void tracker_call_give_turn(struct tracker_call *c)
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
    tracker_call_end_udp(c);
    tracker_call_give_turn(c);
}

void tracker_call_heard(struct tracker_call *c, int err)
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
    tracker_call_heard(c, err);
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
        .source = tracker_call_source(c->url),
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

/* Whoever waited for a turn learns only here what others found out meanwhile; and once, because to
 * ask whether it may be asked takes the place of the one that tries. */
static int ask(struct tracker_call *c)
{
    struct kith_node *n = c->node;
    if (!tracker_hosts_may_ask(&n->calls, tracker_call_host(c->url), env_now(n->env)))
        return ERR_TIMEOUT;
    return c->lane == TRACKER_LANE_NAMES ? tracker_call_ask_udp(c) : ask_http(c);
}

int tracker_call_start(struct kith_node *n)
{
    uint8_t seed[16];
    env_random(n->env, seed, sizeof seed);
    int err = tracker_calls_init(&n->calls, seed);
    n->calls.start.fire = start_waiting;
    n->calls.go.fire = tracker_call_let_go;
    return err;
}

int tracker_call_begin(struct tracker_call *c)
{
    bool is_udp = strncasecmp(c->url, "udp:", 4) == 0;
    c->lane = is_udp ? TRACKER_LANE_NAMES : TRACKER_LANE_HTTP;
    c->begun = true;
    list_init(&c->turn);
    bool at_once = is_udp && !tracker_call_looks_up(c);
    return at_once || take_turn(c) ? ask(c) : 0;
}
