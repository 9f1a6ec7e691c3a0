/* Carrying out what the announcers decide (swarm/announcer.h): over HTTP by the env's client, over
 * UDP by the node's ports. Peers that a tracker names become candidates of the torrent, judged by
 * where the tracker is. See node_internal.h. */
#include "node/discovery/tracker_call.h"
#include "node/net/outside.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include "proto/tracker_http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOODBYE_PATIENCE MSECS(1800) /* a stop does not wait longer for trackers */
#define LEFT_UNKNOWN 16384u          /* before the metadata is known there is something left */

/* One announce under way. */
struct announce {
    struct list_link sibling; /* its torrent's */
    struct kith_torrent *entry;
    unsigned which; /* announcer */
    struct announcer_request request;
    struct tracker_announce words;
    struct tracker_call call;
};

static struct announce *announce_of(struct tracker_call *call)
{
    return container_of(call, struct announce, call);
}

static void announce_due(struct kith_torrent *k);

/* ---- beginning and end of one -------------------------------------------------------------- */

static struct announcer_tracker *tracker_of(struct announce *a)
{
    return &entry_announcer(a->entry, a->which)->trackers[a->request.tracker];
}

static void announce_free(struct announce *a)
{
    list_remove(&a->sibling);
    tracker_call_end(&a->call);
    free(a);
}

/* "tracker.example:6969: what happened", safe for people. */
static void tell(struct kith_torrent *k, const char *url, int err, const char *what)
{
    struct builder b = builder_heap(NODE_TEXT_MAX * 4);
    text_escape(tracker_call_host(url), &b);
    builder_str(&b, ": ");
    text_escape(bytes_of_str(what), &b);
    node_event(k->node, KITH_EVENT_TRACKER, k, err, builder_text(&b));
    builder_free(&b);
}

static void failed(struct announce *a, int err, const char *why)
{
    struct kith_torrent *k = a->entry;
    struct announcer_tracker *t = tracker_of(a);
    bool news = a->which == 0 && strcmp(t->words, why) != 0;
    if (news && !entry_announcer(k, a->which)->stopping)
        tell(k, t->url, err, why);
    announcer_failed(entry_announcer(k, a->which), &a->request, why, env_now(k->node->env));
    announce_free(a);
    announce_due(k);
}

static void take_peers(struct announce *a, const struct tracker_reply *r)
{
    enum addr_source source = a->call.local ? ADDR_FROM_LOCAL_TRACKER : ADDR_FROM_STRANGER;
    if (r->peer_count > 0 && r->leechers != 0) /* somebody may need us */
        (void)entry_wake(a->entry);
    for (uint32_t i = 0; i < r->peer_count && a->entry->torrent; i++)
        torrent_add_candidate(a->entry->torrent, &r->peers[i], source);
}

static void tell_answer(struct announce *a, const struct tracker_reply *r)
{
    struct announcer_tracker *t = tracker_of(a);
    char text[NODE_TEXT_MAX];
    if (r->failed) {
        if (strcmp(t->words, r->failure) != 0)
            tell(a->entry, t->url, ERR_REFUSED, r->failure);
        return;
    }
    if (t->answered && (!r->warning[0] || strcmp(t->words, r->warning) == 0))
        return;
    snprintf(text, sizeof text, "%u peer%s%s%s", r->peer_count, r->peer_count == 1 ? "" : "s",
        r->warning[0] ? "; " : "", r->warning);
    tell(a->entry, t->url, 0, text);
}

static void answered(struct announce *a, const struct tracker_reply *r)
{
    struct kith_torrent *k = a->entry;
    struct announcer *of = entry_announcer(k, a->which);
    if (!of->stopping) {
        if (a->which == 0)
            tell_answer(a, r);
        take_peers(a, r);
        if (r->external.family != ADDR_NONE && !a->call.local)
            outside_tracker_said(k->node, &r->external);
    }
    announcer_answered(of, &a->request, r, env_now(k->node->env));
    scrapes_want(k);
    announce_free(a);
    announce_due(k);
}

/* ---- the question and its answer ----------------------------------------------------------- */

static int http_url(struct tracker_call *call, struct builder *out)
{
    tracker_http_url(call->url, &announce_of(call)->words, out);
    return builder_ok(out) ? 0 : ERR_LIMIT;
}

static void http_answered(struct tracker_call *call, int status, struct bytes body)
{
    struct announce *a = announce_of(call);
    struct tracker_reply reply;
    char text[NODE_TEXT_MAX];
    /* Some send a refusal with an error status: its words are worth more than the number. */
    int syntax = tracker_http_parse(body, &reply);
    if (syntax == 0 && (status == 200 || reply.failed)) {
        answered(a, &reply);
        return;
    }
    snprintf(text, sizeof text, "HTTP status %d%s", status,
        status == 200 ? ", and not an answer of a tracker" : "");
    failed(a, ERR_PROTOCOL, text);
}

static void udp_begin(struct tracker_call *call, enum addr_family family, uint64_t random, usec now)
{
    tracker_udp_begin(&call->udp, &announce_of(call)->words, call->url, family, random, now);
}

static void udp_answered(struct tracker_call *call, const struct tracker_reply *reply)
{
    answered(announce_of(call), reply);
}

static void call_failed(struct tracker_call *call, int err, const char *why)
{
    failed(announce_of(call), err, why);
}

static const struct tracker_call_kind announcing = {
    http_url, http_answered, udp_begin, udp_answered, call_failed};

/* ---- what we say --------------------------------------------------------------------------- */

/* Of this run of the node, whether it slept in between or not. */
static void count_bytes(const struct kith_torrent *k, struct tracker_announce *w)
{
    struct torrent_stats s = {0};
    if (k->torrent)
        torrent_stats(k->torrent, env_now(k->node->env), &s);
    w->uploaded = k->uploaded_before - k->uploaded_at_start + s.uploaded;
    w->downloaded = k->downloaded_before - k->downloaded_at_start + s.downloaded;
    if (k->asleep)
        w->left = 0;
    else
        w->left = k->torrent && torrent_storage(k->torrent) ? s.bytes_left : LEFT_UNKNOWN;
}

static void fill(struct announce *a, const struct announcer_tracker *t)
{
    struct kith_torrent *k = a->entry;
    struct info_hash names[ENTRY_NAMES_MAX];
    struct tracker_announce *w = &a->words;
    *w = (struct tracker_announce){.peer_id = k->node->peer_id,
        .event = a->request.event,
        .key = k->node->tracker_key,
        .numwant = a->request.event == TRACKER_STOPPED ? 0 : ANNOUNCER_NUMWANT,
        .port = outside_port(k->node),
        .id = t->id};
    count_bytes(k, w);
    unsigned count = entry_names(k, names);
    w->info_hash = names[a->which < count ? a->which : 0];
}

static void begin(struct kith_torrent *k, unsigned which, const struct announcer_request *request)
{
    struct announcer *of = entry_announcer(k, which);
    struct announce *a = calloc(1, sizeof *a);
    if (!a) {
        announcer_failed(of, request, "no memory", env_now(k->node->env));
        return;
    }
    a->entry = k;
    a->which = which;
    a->request = *request;
    list_push_back(&k->tracked->announces, &a->sibling);
    const struct announcer_tracker *t = tracker_of(a);
    fill(a, t);
    a->call = (struct tracker_call){.kind = &announcing, .node = k->node, .url = t->url};
    int err = tracker_call_begin(&a->call);
    if (err) {
        announcer_failed(of, request, tracker_call_trouble(k->node, err), env_now(k->node->env));
        announce_free(a);
    }
}

static bool all_silent(const struct kith_torrent *k)
{
    for (unsigned i = 0; i < 2; i++)
        if (entry_announcer(k, i) && !announcer_is_silent(entry_announcer(k, i)))
            return false;
    return true;
}

static void announce_due(struct kith_torrent *k)
{
    struct announcer_request request;
    usec now = env_now(k->node->env);
    for (unsigned i = 0; i < 2; i++)
        while (entry_announcer(k, i) && (k->torrent || k->asleep) &&
               announcer_next(entry_announcer(k, i), now, &request))
            begin(k, i, &request);
    trackers_arm(k);
    if (k->goodbye && all_silent(k)) {
        k->goodbye = false;
        trackers_said_goodbye(k);
    }
}

/* ---- the clock ----------------------------------------------------------------------------- */

void trackers_arm(struct kith_torrent *k)
{
    usec next = NEVER;
    if (!k->tracked)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (entry_announcer(k, i) && announcer_deadline(entry_announcer(k, i)) < next)
            next = announcer_deadline(entry_announcer(k, i));
    if (k->goodbye && k->tracked->goodbye_until < next)
        next = k->tracked->goodbye_until;
    timer_set(&k->node->timers, &k->tracked->announce_timer, next);
    node_arm(k->node);
}

static void cancel_all(struct kith_torrent *k)
{
    list_for_each_safe(at, &k->tracked->announces)
        announce_free(list_entry(at, struct announce, sibling));
}

static void fired(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_trackers, announce_timer)->entry;
    if (k->goodbye && now >= k->tracked->goodbye_until) {
        cancel_all(k);
        for (unsigned i = 0; i < 2; i++)
            if (entry_announcer(k, i))
                announcer_give_up(entry_announcer(k, i));
        k->goodbye = false;
        trackers_said_goodbye(k);
        return;
    }
    announce_due(k);
}

/* ---- a torrent's trackers ------------------------------------------------------------------ */

static void tell_left_out(struct kith_torrent *k, size_t asked, size_t left_out)
{
    char text[NODE_TEXT_MAX];
    if (left_out == 0 || k->trackers_told)
        return;
    k->trackers_told = true;
    snprintf(text, sizeof text,
        "it names %zu trackers: %zu of them are asked, evenly of each tier; the others are not",
        asked + left_out, asked);
    node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
}

static void add_all(struct kith_torrent *k, struct announcer *a)
{
    const struct metainfo *m = k->metainfo;
    size_t own = m ? m->tracker_count : 0, count = 0;
    struct announcer_url *all = calloc(own + k->trackers.count + 1, sizeof *all);
    for (; all && count < own; count++)
        all[count] = (struct announcer_url){m->trackers[count].url, m->trackers[count].tier};
    uint32_t tiers = count > 0 ? all[count - 1].tier + 1 : 0;
    /* A link's trackers: each a tier of its own, as all engines take them. */
    for (size_t i = 0; all && i < k->trackers.count; i++)
        all[count++] = (struct announcer_url){k->trackers.items[i], tiers + (uint32_t)i};
    size_t left_out = announcer_add_fairly(a, all, count);
    tell_left_out(k, a->count, left_out);
    free(all);
}

static struct announcer *make(struct kith_torrent *k)
{
    struct announcer *a = malloc(sizeof *a);
    uint64_t seed;
    if (!a)
        return NULL;
    env_random(k->node->env, &seed, sizeof seed);
    announcer_init(a, seed);
    add_all(k, a);
    if (a->count > 0)
        return a;
    free(a);
    return NULL;
}

static bool has_any(const struct kith_torrent *k)
{
    return k->trackers.count > 0 || (k->metainfo && k->metainfo->tracker_count > 0);
}

static bool make_tracked(struct kith_torrent *k)
{
    struct entry_trackers *t = has_any(k) && !k->tracked ? calloc(1, sizeof *t) : NULL;
    if (!t)
        return k->tracked != NULL;
    t->entry = k;
    t->announce_timer.fire = fired;
    list_init(&t->announces);
    k->tracked = t;
    return true;
}

void trackers_start(struct kith_torrent *k)
{
    struct torrent_stats s;
    struct info_hash v1;
    struct sha256_digest v2;
    usec now = env_now(k->node->env);
    if (entry_announcer(k, 0) || k->paused || k->node->stopping || k->removing)
        return;
    if (!make_tracked(k))
        return;
    torrent_stats(k->torrent, now, &s);
    /* A hybrid has two swarms: both are told (libtorrent's way, wire.md 5). */
    bool both = torrent_hash_v1(k->torrent, &v1) && torrent_hash_v2(k->torrent, &v2);
    for (unsigned i = 0; i < (both ? 2u : 1u); i++) {
        k->tracked->announcers[i] = make(k);
        if (entry_announcer(k, i))
            announcer_start(entry_announcer(k, i), s.complete, now);
    }
    announce_due(k);
}

void trackers_completed(struct kith_torrent *k)
{
    for (unsigned i = 0; i < 2; i++)
        if (entry_announcer(k, i))
            announcer_completed(entry_announcer(k, i), env_now(k->node->env));
    announce_due(k);
}

/* What was not asked yet need not be any more; a goodbye is due where there was a greeting. */
static void cancel_waiting(struct kith_torrent *k)
{
    list_for_each_safe(at, &k->tracked->announces)
    {
        struct announce *a = list_entry(at, struct announce, sibling);
        if (!tracker_call_is_waiting(&a->call))
            continue;
        announcer_cancelled(entry_announcer(k, a->which), &a->request);
        announce_free(a);
    }
}

bool trackers_stop(struct kith_torrent *k)
{
    bool any = false;
    usec now = env_now(k->node->env);
    for (unsigned i = 0; i < 2; i++) {
        if (!entry_announcer(k, i))
            continue;
        announcer_stop(entry_announcer(k, i), now);
        any = true;
    }
    if (!any || k->goodbye)
        return any && k->goodbye;
    cancel_waiting(k);
    k->goodbye = true;
    k->tracked->goodbye_until = now + GOODBYE_PATIENCE;
    announce_due(k);
    return k->goodbye;
}

void trackers_free(struct kith_torrent *k)
{
    struct entry_trackers *t = k->tracked;
    k->goodbye = false;
    if (!t)
        return;
    cancel_all(k);
    scrapes_forget(k);
    timer_cancel(&k->node->timers, &t->announce_timer);
    for (unsigned i = 0; i < 2; i++) {
        if (t->announcers[i])
            announcer_free(t->announcers[i]);
        free(t->announcers[i]);
    }
    free(t);
    k->tracked = NULL;
}

void trackers_network_changed(struct kith_node *n)
{
    usec now = env_now(n->env);
    tracker_calls_forget_trackers(&n->calls);
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        if (!k->torrent || torrent_is_complete(k->torrent))
            continue;
        for (unsigned i = 0; i < 2; i++)
            if (entry_announcer(k, i))
                announcer_hurry(entry_announcer(k, i), now);
        if (entry_announcer(k, 0) || entry_announcer(k, 1))
            trackers_arm(k);
    }
}

/* ---- looking ------------------------------------------------------------------------------- */

int kith_tracker(struct kith_torrent *k, uint32_t index, struct kith_tracker *given)
{
    struct announcer *a = entry_announcer(k, 0);
    if (!a || index >= a->count)
        return ERR_NOT_FOUND;
    const struct announcer_tracker *t = &a->trackers[index];
    usec next = NEVER;
    for (uint32_t i = 0; i < a->tier_count; i++)
        if (index == a->tiers[i].first + a->tiers[i].current)
            next = a->tiers[i].due;
    struct kith_tracker out = {.size = given->size,
        .url = t->url,
        .text = t->words,
        .tier = (int32_t)t->tier,
        .works = t->answered,
        .failures = (int32_t)t->failures,
        .next_seconds = next == NEVER ? -1 : (next - env_now(k->node->env)) / USEC_PER_SEC,
        .seeders = t->seeders,
        .leechers = t->leechers,
        .completed = t->completed};
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}

const char *trackers_trouble(const struct kith_torrent *k)
{
    const struct announcer *a = entry_announcer(k, 0);
    for (uint32_t i = 0; a && i < a->count; i++)
        if (!a->trackers[i].answered && a->trackers[i].words[0])
            return a->trackers[i].words;
    return NULL;
}

void trackers_counts(
    const struct kith_torrent *k, int64_t *seeders, int64_t *leechers, int64_t *completed)
{
    *seeders = *leechers = *completed = -1;
    for (unsigned i = 0; i < 2; i++) {
        const struct announcer *a = entry_announcer(k, i);
        for (uint32_t j = 0; a && j < a->count; j++) {
            const struct announcer_tracker *t = &a->trackers[j];
            *seeders = t->seeders > *seeders ? t->seeders : *seeders;
            *leechers = t->leechers > *leechers ? t->leechers : *leechers;
            *completed = t->completed > *completed ? t->completed : *completed;
        }
    }
}
