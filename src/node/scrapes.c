/* Scrapes (BEP 48): how many seeders, leechers and completions the trackers count that answer
 * announces without saying so. The announcers say when (swarm/announcer.h); here those of all
 * torrents that name the same tracker are gathered into one question. Torrents stand in a heap by
 * when their next scrape is due: among 100,000 sleepers nobody is looked at who wants none. See
 * node_internal.h. */
#include "node/egress.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "proto/tracker_http.h"
#include "proto/tracker_udp.h"
#include <stdlib.h>
#include <strings.h>

#define SCRAPES_MAX 4u             /* under way */
#define SCRAPE_EVERY SECONDS(2)    /* they begin no faster */
#define SCRAPE_GATHER SECONDS(300) /* what is due so soon is asked along */
#define SCRAPE_PATIENCE SECONDS(30)
#define SCRAPE_URL_MAX 32768u
#define SCRAPE_LOOKS_MAX (4u * TRACKER_SCRAPE_MAX) /* torrents that are asked to come along */

struct scrape {
    struct list_link link; /* node->scrapes */
    struct kith_node *node;
    char *url;
    struct {
        struct kith_torrent *entry; /* NULL: it has gone meanwhile */
        unsigned which;             /* of its announcers */
    } of[TRACKER_SCRAPE_MAX];
    struct info_hash hashes[TRACKER_SCRAPE_MAX];
    struct tracker_counts counts[TRACKER_SCRAPE_MAX];
    size_t count;
    struct env_http *http;
    struct env_resolve *resolve;
    struct builder body;
    struct tracker_udp udp;
    struct endpoint to; /* UDP, once it is known */
};

static void arm(struct kith_node *n);

/* When the next scrape of the torrent is due, and of which tracker. */
static usec due_of(const struct kith_torrent *k, const char **url)
{
    usec next = NEVER;
    for (unsigned i = 0; i < 2; i++) {
        const char *its = NULL;
        usec due =
            entry_announcer(k, i) ? announcer_scrape_deadline(entry_announcer(k, i), &its) : NEVER;
        if (due >= next)
            continue;
        next = due;
        *url = its;
    }
    return next;
}

/* It stands in the heap where its announcers say. Without memory it is not scraped. */
static usec put_in_order(struct kith_torrent *k)
{
    struct timer_heap *order = &k->node->scrape_order;
    const char *url;
    usec due = due_of(k, &url);
    if (k->tracked && timer_heap_reserve(order, order->count + 1) == 0)
        timer_set(order, &k->tracked->scrape_due, due);
    return due;
}

static void scrape_free(struct scrape *s)
{
    list_remove(&s->link);
    if (s->http)
        env_http_cancel(s->http);
    if (s->resolve)
        env_resolve_cancel(s->resolve);
    builder_free(&s->body);
    free(s->url);
    free(s);
}

/* A tracker that speaks but does not count several torrents at once may count them one by one; one
 * that is silent is silent for all. */
enum outcome { COUNTED, REFUSED, SILENT };

static void finish(struct scrape *s, enum outcome outcome)
{
    struct kith_node *n = s->node;
    for (size_t i = 0; i < s->count; i++) {
        struct kith_torrent *k = s->of[i].entry;
        struct announcer *a = k ? entry_announcer(k, s->of[i].which) : NULL;
        if (a)
            announcer_scraped(a, s->url, outcome == COUNTED ? &s->counts[i] : NULL,
                s->count == 1 || outcome == SILENT, env_now(n->env));
        if (k)
            put_in_order(k);
    }
    scrape_free(s);
    arm(n);
}

/* ---- HTTP
 * ------------------------------------------------------------------------------------------ */

static bool http_body(void *user, int status, struct bytes chunk)
{
    struct scrape *s = user;
    (void)status;
    builder_span(&s->body, chunk);
    return builder_ok(&s->body);
}

static void http_done(void *user, int err, int status, const char *detail)
{
    struct scrape *s = user;
    (void)detail;
    s->http = NULL;
    bool counted =
        !err && status == 200 &&
        tracker_http_scrape_parse(builder_bytes(&s->body), s->hashes, s->count, s->counts) == 0;
    finish(s, err ? SILENT : counted ? COUNTED : REFUSED);
}

static const struct env_http_events http_events = {http_body, http_done};

static int ask_http(struct scrape *s)
{
    struct builder b = builder_heap(SCRAPE_URL_MAX);
    int err = tracker_http_scrape_url(s->url, s->hashes, s->count, &b);
    struct env_http_request request = {.url = builder_text(&b),
        .user_agent = s->node->user_agent,
        .source = trackers_source(s->url),
        .body_max = TRACKER_HTTP_BODY_MAX,
        .timeout = SCRAPE_PATIENCE};
    s->body = builder_heap(TRACKER_HTTP_BODY_MAX);
    if (!err)
        err =
            builder_ok(&b) ? egress_http(s->node, &request, &http_events, s, &s->http) : ERR_LIMIT;
    builder_free(&b);
    return err;
}

/* ---- UDP
 * ------------------------------------------------------------------------------------------- */

static void send_udp(struct scrape *s)
{
    uint8_t packet[TRACKER_UDP_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    if (tracker_udp_send(&s->udp, &b, env_now(s->node->env)) && builder_ok(&b))
        ports_send(s->node, &s->to, builder_bytes(&b));
    arm(s->node);
}

static void resolved(void *user, int err, const struct endpoint *found, size_t count)
{
    struct scrape *s = user;
    struct kith_node *n = s->node;
    uint64_t random;
    s->resolve = NULL;
    for (size_t i = 0; !err && i < count; i++) {
        if (!endpoint_allowed(&found[i], trackers_source(s->url)) ||
            !ports_of(n, (enum addr_family)found[i].family))
            continue;
        s->to = found[i];
        env_random(n->env, &random, sizeof random);
        tracker_udp_begin_scrape(&s->udp, s->hashes, s->count, s->counts,
            (enum addr_family)s->to.family, random, env_now(n->env));
        send_udp(s);
        return;
    }
    finish(s, SILENT);
}

static int ask_udp(struct scrape *s)
{
    char *name;
    uint16_t port;
    int err = trackers_udp_host(s->url, &name, &port);
    if (err)
        return err;
    err = egress_resolve(s->node, name, port, resolved, s, &s->resolve);
    free(name);
    return err;
}

bool scrapes_datagram(struct kith_node *n, const struct endpoint *from, struct bytes datagram)
{
    struct tracker_reply reply;
    list_for_each(at, &n->scrapes)
    {
        struct scrape *s = list_entry(at, struct scrape, link);
        if (s->to.family == ADDR_NONE || !endpoint_equal(&s->to, from) ||
            !tracker_udp_receive(&s->udp, datagram, &reply, env_now(n->env)))
            continue;
        if (s->udp.state == TRACKER_UDP_ANSWERED)
            finish(s, reply.failed ? REFUSED : COUNTED);
        else
            send_udp(s);
        return true;
    }
    return false;
}

static void tick_udp(struct kith_node *n, usec now)
{
    list_for_each_safe(at, &n->scrapes)
    {
        struct scrape *s = list_entry(at, struct scrape, link);
        if (s->to.family == ADDR_NONE)
            continue;
        tracker_udp_tick(&s->udp, now);
        if (s->udp.state == TRACKER_UDP_SILENT)
            finish(s, SILENT);
        else
            send_udp(s);
    }
}

/* ---- gathering
 * -------------------------------------------------------------------------------------- */

/* Both swarms of a torrent, if they want to know of this tracker by then. True: the question is
 * whole. */
static bool take(struct scrape *s, struct kith_torrent *k, usec by)
{
    struct info_hash names[ENTRY_NAMES_MAX];
    unsigned known = entry_names(k, names);
    for (unsigned i = 0; i < 2 && s->count < TRACKER_SCRAPE_MAX; i++) {
        struct announcer *a = entry_announcer(k, i);
        bool alone = a && announcer_scrapes_alone(a, s->url);
        if (!a || known == 0 || (alone && s->count > 0) || !announcer_scrape_begin(a, s->url, by))
            continue;
        s->hashes[s->count] = names[i < known ? i : 0];
        s->of[s->count].entry = k;
        s->of[s->count++].which = i;
        if (alone)
            return true;
    }
    return s->count == TRACKER_SCRAPE_MAX;
}

/* Takes along whoever wants to know of this tracker soon, beginning with who wants it first. */
static void gather(struct scrape *s, usec now)
{
    struct timer_heap *order = &s->node->scrape_order;
    struct kith_torrent *looked_at[SCRAPE_LOOKS_MAX];
    size_t count = 0;
    bool whole = false;
    while (
        !whole && count < SCRAPE_LOOKS_MAX && timer_heap_deadline(order) <= now + SCRAPE_GATHER) {
        struct kith_torrent *k =
            container_of(timer_heap_first(order), struct entry_trackers, scrape_due)->entry;
        timer_cancel(order, &k->tracked->scrape_due);
        looked_at[count++] = k;
        whole = take(s, k, now + SCRAPE_GATHER);
    }
    for (size_t i = 0; i < count; i++)
        put_in_order(looked_at[i]);
}

static void begin(struct kith_node *n, const char *url, usec now)
{
    struct scrape *s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->node = n;
    s->url = strdup(url);
    list_push_back(&n->scrapes, &s->link);
    if (s->url)
        gather(s, now);
    int err = !s->url ? ERR_NOMEM : strncasecmp(s->url, "udp:", 4) == 0 ? ask_udp(s) : ask_http(s);
    if (err)
        finish(s, SILENT);
}

static size_t under_way(const struct kith_node *n)
{
    size_t count = 0;
    list_for_each(at, &n->scrapes) count++;
    return count;
}

/* When the next scrape of any torrent is due, and of which tracker. Announcers that were stopped
 * meanwhile want none any more. */
static usec next_due(struct kith_node *n, const char **url)
{
    struct timer *first;
    while ((first = timer_heap_first(&n->scrape_order)) != NULL) {
        struct kith_torrent *k = container_of(first, struct entry_trackers, scrape_due)->entry;
        usec due = due_of(k, url);
        if (due == first->deadline)
            return due;
        timer_set(&n->scrape_order, first, due);
    }
    return NEVER;
}

static void arm(struct kith_node *n)
{
    usec next = NEVER;
    const char *url = NULL;
    if (!n->stopping && under_way(n) < SCRAPES_MAX) {
        next = next_due(n, &url);
        usec soonest = n->scraped_at + SCRAPE_EVERY;
        next = next != NEVER && next < soonest ? soonest : next;
    }
    list_for_each(at, &n->scrapes)
    {
        struct scrape *s = list_entry(at, struct scrape, link);
        if (s->to.family != ADDR_NONE)
            next = usec_min(next, s->udp.deadline);
    }
    timer_set(&n->timers, &n->scrape_timer, next);
    node_arm(n);
}

void scrapes_want(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    usec due = put_in_order(k);
    if (due != NEVER && (!timer_armed(&n->scrape_timer) || due < n->scrape_timer.deadline))
        timer_set(&n->timers, &n->scrape_timer, due);
}

static void fired(struct timer *timer, usec now)
{
    struct kith_node *n = container_of(timer, struct kith_node, scrape_timer);
    const char *url = NULL;
    tick_udp(n, now);
    if (!n->stopping && under_way(n) < SCRAPES_MAX && now >= n->scraped_at + SCRAPE_EVERY &&
        next_due(n, &url) <= now) {
        n->scraped_at = now;
        begin(n, url, now);
    }
    arm(n);
}

void scrapes_init(struct kith_node *n)
{
    list_init(&n->scrapes);
    timer_heap_init(&n->scrape_order);
    n->scrape_timer.fire = fired;
    n->scraped_at = -SCRAPE_EVERY;
}

void scrapes_forget(struct kith_torrent *k)
{
    timer_cancel(&k->node->scrape_order, &k->tracked->scrape_due);
    list_for_each(at, &k->node->scrapes)
    {
        struct scrape *s = list_entry(at, struct scrape, link);
        for (size_t i = 0; i < s->count; i++)
            if (s->of[i].entry == k)
                s->of[i].entry = NULL;
    }
}

void scrapes_close(struct kith_node *n)
{
    timer_cancel(&n->timers, &n->scrape_timer);
    list_for_each_safe(at, &n->scrapes) scrape_free(list_entry(at, struct scrape, link));
    timer_heap_free(&n->scrape_order);
}
