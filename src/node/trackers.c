/* Carrying out what the announcers decide (swarm/announcer.h): over HTTP by the env's client, over
 * UDP by the node's ports. Peers that a tracker names become candidates of the torrent, judged by
 * where the tracker is. See node_internal.h. */
#include "node/egress.h"
#include "node/node_internal.h"
#include "node/outside.h"

#include "base/err.h"
#include "base/text.h"
#include "proto/tracker_http.h"
#include "proto/tracker_udp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_PATIENCE SECONDS(30)
#define GOODBYE_PATIENCE MSECS(1800) /* a stop does not wait longer for trackers */
#define URL_MAX_HERE (ANNOUNCER_URL_MAX + 1024u)
#define LEFT_UNKNOWN 16384u /* before the metadata is known there is something left */

/* One announce under way. */
struct announce {
    struct list_link link;    /* node->announces */
    struct list_link sibling; /* its torrent's */
    struct kith_torrent *entry;
    unsigned which; /* announcer */
    struct announcer_request request;
    struct tracker_announce words;
    bool local; /* the tracker is on an address of this network */
    struct env_http *http;
    struct builder body;
    struct env_resolve *resolve;
    struct endpoint to;
    struct proxy_target named; /* the tracker's name, while only the proxy knows its address */
    struct tracker_udp udp;
};

static void announce_due(struct kith_torrent *k);

/* ---- beginning and end of one
 * ------------------------------------------------------------------------- */

static struct announcer_tracker *tracker_of(struct announce *a)
{
    return &entry_announcer(a->entry, a->which)->trackers[a->request.tracker];
}

static void announce_free(struct announce *a)
{
    list_remove(&a->link);
    list_remove(&a->sibling);
    if (a->http)
        env_http_cancel(a->http);
    if (a->resolve)
        env_resolve_cancel(a->resolve);
    builder_free(&a->body);
    free(a);
}

static struct bytes host_of(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return bytes_of(host, strcspn(host, "/?#"));
}

/* "tracker.example:6969: what happened", safe for people. */
static void tell(struct kith_torrent *k, const char *url, int err, const char *what)
{
    struct builder b = builder_heap(NODE_TEXT_MAX * 4);
    text_escape(host_of(url), &b);
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
    enum addr_source source = a->local ? ADDR_FROM_LOCAL_TRACKER : ADDR_FROM_STRANGER;
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
        if (r->external.family != ADDR_NONE && !a->local)
            outside_tracker_said(k->node, &r->external);
    }
    announcer_answered(of, &a->request, r, env_now(k->node->env));
    scrapes_want(k);
    announce_free(a);
    announce_due(k);
}

/* ---- HTTP
 * ------------------------------------------------------------------------------------------ */

static bool http_body(void *user, int status, struct bytes chunk)
{
    struct announce *a = user;
    (void)status;
    builder_span(&a->body, chunk);
    return builder_ok(&a->body);
}

static void http_done(void *user, int err, int status, const char *detail)
{
    struct announce *a = user;
    struct tracker_reply reply;
    char text[NODE_TEXT_MAX];
    a->http = NULL;
    if (err) {
        snprintf(text, sizeof text, "%s", *detail ? detail : err_text(err));
        failed(a, err, text);
        return;
    }
    /* Some send a refusal with an error status: its words are worth more than the number. */
    int syntax = tracker_http_parse(builder_bytes(&a->body), &reply);
    if (syntax == 0 && (status == 200 || reply.failed)) {
        answered(a, &reply);
        return;
    }
    snprintf(text, sizeof text, "HTTP status %d%s", status,
        status == 200 ? ", and not an answer of a tracker" : "");
    failed(a, ERR_PROTOCOL, text);
}

static const struct env_http_events http_events = {http_body, http_done};

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

/* A torrent that a stranger made must not make us knock at any door of this network: only what
 * looks like a tracker's (libtorrent's rule for it, too). */
enum addr_source trackers_source(const char *url)
{
    size_t path = strcspn(url, "?#");
    const char *found = strstr(url, "/announce");
    return found && (size_t)(found - url) < path ? ADDR_FROM_LINK : ADDR_FROM_STRANGER;
}

static int ask_http(struct announce *a, const char *url)
{
    struct kith_node *n = a->entry->node;
    struct builder b = builder_heap(URL_MAX_HERE);
    tracker_http_url(url, &a->words, &b);
    struct env_http_request request = {.url = builder_text(&b),
        .user_agent = n->user_agent,
        .source = trackers_source(url),
        .body_max = TRACKER_HTTP_BODY_MAX,
        .timeout = HTTP_PATIENCE};
    a->local = is_local_host(host_of(url));
    a->body = builder_heap(TRACKER_HTTP_BODY_MAX);
    int err = builder_ok(&b) ? egress_http(n, &request, &http_events, a, &a->http) : ERR_LIMIT;
    builder_free(&b);
    return err;
}

/* ---- UDP
 * ------------------------------------------------------------------------------------------- */

static void send_udp(struct announce *a)
{
    struct kith_node *n = a->entry->node;
    uint8_t packet[TRACKER_UDP_PACKET_MAX];
    struct builder b = builder_fixed(packet, sizeof packet);
    if (!tracker_udp_send(&a->udp, &b, env_now(n->env)) || !builder_ok(&b))
        return;
    if (a->to.family != ADDR_NONE)
        ports_send(n, &a->to, bytes_of(packet, b.size));
    else
        ports_send_named(n, &a->named, bytes_of(packet, b.size));
    trackers_arm(a->entry);
}

static bool speaks_udp(const struct announce *a)
{
    return a->to.family != ADDR_NONE || a->named.name[0];
}

/* From where it was asked; or, where only the proxy knows that, whoever knows the transaction's
 * number: he is the tracker from then on. */
static bool comes_from(const struct announce *a, const struct endpoint *from)
{
    if (a->to.family != ADDR_NONE)
        return endpoint_equal(&a->to, from);
    return a->named.name[0] && from->port == a->named.port;
}

static struct announce *addressee(struct kith_node *n, const struct endpoint *from,
    struct bytes datagram, struct tracker_reply *reply)
{
    list_for_each(at, &n->announces)
    {
        struct announce *a = list_entry(at, struct announce, link);
        if (a->http || a->resolve || !comes_from(a, from))
            continue;
        a->udp.family = from->family;
        if (tracker_udp_receive(&a->udp, datagram, reply, env_now(n->env))) {
            a->to = *from;
            return a;
        }
    }
    return NULL;
}

void trackers_datagram(struct kith_node *n, const struct endpoint *from, struct bytes datagram)
{
    if (scrapes_datagram(n, from, datagram) || list_empty(&n->announces))
        return;
    struct tracker_reply *reply = malloc(sizeof *reply);
    struct announce *a = reply ? addressee(n, from, datagram, reply) : NULL;
    if (a && a->udp.state == TRACKER_UDP_ANSWERED)
        answered(a, reply);
    else if (a)
        send_udp(a);
    free(reply);
}

static void begin_udp(struct announce *a, enum addr_family family)
{
    struct kith_node *n = a->entry->node;
    uint64_t random;
    env_random(n->env, &random, sizeof random);
    tracker_udp_begin(&a->udp, &a->words, tracker_of(a)->url, family, random, env_now(n->env));
    send_udp(a);
}

static void resolved(void *user, int err, const struct endpoint *found, size_t count)
{
    struct announce *a = user;
    struct kith_node *n = a->entry->node;
    const char *url = tracker_of(a)->url;
    a->resolve = NULL;
    if (err) {
        failed(a, err, "its name is not known");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!endpoint_allowed(&found[i], trackers_source(url)) ||
            !ports_of(n, (enum addr_family)found[i].family))
            continue;
        a->to = found[i];
        a->local = endpoint_class(&a->to) != ADDR_GLOBAL;
        begin_udp(a, (enum addr_family)a->to.family);
        return;
    }
    failed(a, ERR_BLOCKED, "its address is not one that a tracker may have");
}

/* A name that is for the proxy to look up, or for us. */
static int find_udp(struct announce *a, const char *name, uint16_t port)
{
    struct kith_node *n = a->entry->node;
    struct endpoint numeric;
    bool is_name = endpoint_parse_ip(&numeric, bytes_of_str(name), port) != 0;
    if (!egress_carries_datagrams(n))
        return ERR_UNSUPPORTED;
    if (!egress_is_proxied(n) || !is_name)
        return egress_resolve(n, name, port, resolved, a, &a->resolve);
    if (!proxy_target_name(&a->named, name, port))
        return ERR_SYNTAX;
    begin_udp(a, ADDR_V4);
    return 0;
}

int trackers_udp_host(const char *url, char **name, uint16_t *port)
{
    struct bytes all = host_of(url), host = all;
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

static int ask_udp(struct announce *a, const char *url)
{
    char *name;
    uint16_t port;
    int err = trackers_udp_host(url, &name, &port);
    if (err)
        return err;
    err = find_udp(a, name, port);
    free(name);
    return err;
}

/* ---- what we say
 * ---------------------------------------------------------------------------------- */

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
        w->left = k->metainfo && s.pieces_total > 0 ? s.bytes_left : LEFT_UNKNOWN;
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

/* Why it could not even be asked. */
static const char *no_way(struct kith_node *n, int err)
{
    const char *trouble = egress_trouble(n);
    if (err == ERR_BLOCKED && !egress_is_open(n))
        return "names are not looked up while everything is bound to an interface";
    if (err == ERR_UNSUPPORTED && egress_is_proxied(n))
        return "the proxy carries no datagrams";
    return err == ERR_AGAIN && trouble ? trouble : err_text(err);
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
    list_push_back(&k->node->announces, &a->link);
    list_push_back(&k->tracked->announces, &a->sibling);
    const struct announcer_tracker *t = tracker_of(a);
    fill(a, t);
    int err = strncasecmp(t->url, "udp:", 4) == 0 ? ask_udp(a, t->url) : ask_http(a, t->url);
    if (err) {
        announcer_failed(of, request, no_way(k->node, err), env_now(k->node->env));
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

/* ---- the clock
 * ------------------------------------------------------------------------------------ */

void trackers_arm(struct kith_torrent *k)
{
    usec next = NEVER;
    if (!k->tracked)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (entry_announcer(k, i) && announcer_deadline(entry_announcer(k, i)) < next)
            next = announcer_deadline(entry_announcer(k, i));
    list_for_each(at, &k->tracked->announces)
    {
        struct announce *a = list_entry(at, struct announce, sibling);
        if (speaks_udp(a) && a->udp.deadline < next)
            next = a->udp.deadline;
    }
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

static void tick_udp(struct kith_torrent *k, usec now)
{
    list_for_each_safe(at, &k->tracked->announces)
    {
        struct announce *a = list_entry(at, struct announce, sibling);
        if (!speaks_udp(a))
            continue;
        tracker_udp_tick(&a->udp, now);
        if (a->udp.state == TRACKER_UDP_SILENT) {
            failed(a, ERR_TIMEOUT, "does not answer");
            return; /* the list has changed: the timer comes back */
        }
        send_udp(a);
    }
}

static void fired(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_trackers, announce_timer)->entry;
    if (k->goodbye && now >= k->tracked->goodbye_until) {
        cancel_all(k);
        k->goodbye = false;
        trackers_said_goodbye(k);
        return;
    }
    tick_udp(k, now);
    announce_due(k);
}

/* ---- a torrent's trackers
 * -------------------------------------------------------------------------- */

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

/* ---- looking
 * ----------------------------------------------------------------------------------------- */

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
