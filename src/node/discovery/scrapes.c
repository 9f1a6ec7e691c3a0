/* Scrapes (BEP 48): how many seeders, leechers and completions the trackers count that answer
 * announces without saying so. The announcers say when (swarm/announcer.h); here those of all
 * torrents that name the same tracker are gathered into one question. Torrents stand in a heap by
 * when their next scrape is due: among 100,000 sleepers nobody is looked at who wants none. See
 * node_internal.h. */
#include "node/discovery/tracker_call.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "proto/tracker_http.h"
#include "proto/tracker_udp.h"
#include <stdlib.h>

#define SCRAPES_MAX 4u                             /* under way */
#define SCRAPE_EVERY SECONDS(2)                    /* they begin no faster */
#define SCRAPE_GATHER SECONDS(300)                 /* what is due so soon is asked along */
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
    struct tracker_call call;
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
    tracker_call_end(&s->call);
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

/* ---- the question and its answer ----------------------------------------------------------- */

static struct scrape *scrape_of(struct tracker_call *call)
{
    return container_of(call, struct scrape, call);
}

static int http_url(struct tracker_call *call, struct builder *out)
{
    const struct scrape *s = scrape_of(call);
    return tracker_http_scrape_url(s->url, s->hashes, s->count, out);
}

static void http_answered(struct tracker_call *call, int status, struct bytes body)
{
    struct scrape *s = scrape_of(call);
    bool counted =
        status == 200 && tracker_http_scrape_parse(body, s->hashes, s->count, s->counts) == 0;
    finish(s, counted ? COUNTED : REFUSED);
}

static void udp_begin(struct tracker_call *call, enum addr_family family, uint64_t random, usec now)
{
    struct scrape *s = scrape_of(call);
    tracker_udp_begin_scrape(&call->udp, s->hashes, s->count, s->counts, family, random, now);
}

static void udp_answered(struct tracker_call *call, const struct tracker_reply *reply)
{
    finish(scrape_of(call), reply->failed ? REFUSED : COUNTED);
}

static void call_failed(struct tracker_call *call, int err, const char *why)
{
    (void)err;
    (void)why;
    finish(scrape_of(call), SILENT);
}

static const struct tracker_call_kind scraping = {
    http_url, http_answered, udp_begin, udp_answered, call_failed};

/* ---- gathering ----------------------------------------------------------------------------- */

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
    s->call = (struct tracker_call){.kind = &scraping, .node = n, .url = s->url};
    if (!s->url || tracker_call_begin(&s->call) != 0)
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
