/* See announcer.h. */
#include "swarm/announcer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static uint32_t chance(struct announcer *a, uint32_t bound)
{
    a->random = a->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((a->random >> 33) * bound >> 31);
}

/* ---- the list ------------------------------------------------------------------------------ */

void announcer_init(struct announcer *a, uint64_t seed)
{
    memset(a, 0, sizeof *a);
    a->random = seed;
}

void announcer_free(struct announcer *a)
{
    for (uint32_t i = 0; i < a->count; i++)
        free(a->trackers[i].url);
    free(a->trackers);
    free(a->tiers);
    a->trackers = NULL;
    a->tiers = NULL;
    a->count = a->tier_count = 0;
}

#define PLACE_NONE UINT32_MAX

static bool is_spoken(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0 ||
           strncasecmp(url, "udp://", 6) == 0;
}

/* For one more of each. */
static bool make_room(struct announcer *a)
{
    struct announcer_tracker *trackers = realloc(a->trackers, (a->count + 1) * sizeof *a->trackers);
    a->trackers = trackers ? trackers : a->trackers;
    struct announcer_tier *tiers = realloc(a->tiers, (a->tier_count + 1) * sizeof *a->tiers);
    a->tiers = tiers ? tiers : a->tiers;
    return trackers && tiers;
}

void announcer_add(struct announcer *a, const char *url, uint32_t tier)
{
    if (!is_spoken(url) || a->count == ANNOUNCER_TRACKERS_MAX || strlen(url) > ANNOUNCER_URL_MAX)
        return;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->trackers[i].url, url) == 0)
            return;
    char *copy = make_room(a) ? strdup(url) : NULL;
    if (!copy)
        return;
    if (a->tier_count == 0 || a->trackers[a->count - 1].tier != tier)
        a->tiers[a->tier_count++] = (struct announcer_tier){.first = a->count, .due = NEVER};
    a->tiers[a->tier_count - 1].count++;
    a->trackers[a->count++] = (struct announcer_tracker){.url = copy,
        .tier = tier,
        .seeders = -1,
        .leechers = -1,
        .completed = -1,
        .scrape_due = NEVER};
}

static bool is_usable(const struct announcer_url *all, size_t at)
{
    if (!is_spoken(all[at].url) || strlen(all[at].url) > ANNOUNCER_URL_MAX)
        return false;
    for (size_t i = 0; i < at; i++)
        if (strcmp(all[i].url, all[at].url) == 0)
            return false;
    return true;
}

/* Each usable one's place in its tier; PLACE_NONE for the others. How many are usable. */
static size_t find_places(const struct announcer_url *all, size_t count, uint32_t *places)
{
    size_t usable = 0;
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || all[i].tier != all[i - 1].tier)
            next = 0;
        places[i] = is_usable(all, i) ? next++ : PLACE_NONE;
        usable += places[i] != PLACE_NONE;
    }
    return usable;
}

static size_t count_before(const uint32_t *places, size_t count, uint32_t place)
{
    size_t before = 0;
    for (size_t i = 0; i < count; i++)
        before += places[i] < place;
    return before;
}

size_t announcer_add_fairly(struct announcer *a, const struct announcer_url *all, size_t count)
{
    uint32_t *places = calloc(count + 1, sizeof *places), depth = 0;
    size_t usable = places ? find_places(all, count, places) : 0;
    while (places && depth < ANNOUNCER_TRACKERS_MAX &&
           count_before(places, count, depth + 1) <= ANNOUNCER_TRACKERS_MAX)
        depth++;
    /* All places before `depth`, and of the last one as many as there is room for. */
    size_t room = ANNOUNCER_TRACKERS_MAX - (places ? count_before(places, count, depth) : 0);
    for (size_t i = 0; places && i < count; i++) {
        bool last = places[i] == depth && room > 0;
        room -= last;
        if (places[i] < depth || last)
            announcer_add(a, all[i].url, all[i].tier);
    }
    free(places);
    return usable > a->count ? usable - a->count : 0;
}

static void swap(struct announcer_tracker *a, struct announcer_tracker *b)
{
    struct announcer_tracker t = *a;
    *a = *b;
    *b = t;
}

/* BEP 12: the order within a tier is left to chance, to spread the load. */
static void shuffle(struct announcer *a, struct announcer_tier *t)
{
    for (uint32_t i = t->count; i > 1; i--)
        swap(&a->trackers[t->first + i - 1], &a->trackers[t->first + chance(a, i)]);
}

/* ---- its life ------------------------------------------------------------------------------ */

void announcer_start(struct announcer *a, bool complete, usec now)
{
    if (a->running)
        return;
    a->running = true;
    a->complete_at_start = complete;
    for (uint32_t i = 0; i < a->tier_count; i++) {
        shuffle(a, &a->tiers[i]);
        a->tiers[i].due = now;
    }
}

void announcer_completed(struct announcer *a, usec now)
{
    if (a->completed || !a->running || a->stopping)
        return;
    a->completed = true;
    for (uint32_t i = 0; i < a->tier_count; i++)
        if (a->tiers[i].due != NEVER)
            a->tiers[i].due = now;
}

void announcer_hurry(struct announcer *a, usec now)
{
    for (uint32_t i = 0; i < a->tier_count && a->running && !a->stopping; i++) {
        struct announcer_tier *t = &a->tiers[i];
        usec soonest = t->earliest > now ? t->earliest : now;
        if (t->due != NEVER && soonest < t->due)
            t->due = soonest;
    }
}

static struct announcer_tracker *current(struct announcer *a, struct announcer_tier *t)
{
    return &a->trackers[t->first + t->current];
}

/* Somebody in the tier who was greeted and not yet taken leave of; count if there is none. */
static uint32_t to_leave(const struct announcer *a, const struct announcer_tier *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (a->trackers[t->first + i].told_started)
            return i;
    return t->count;
}

void announcer_stop(struct announcer *a, usec now)
{
    if (a->stopping)
        return;
    a->stopping = true;
    for (uint32_t i = 0; i < a->tier_count; i++)
        a->tiers[i].due = to_leave(a, &a->tiers[i]) < a->tiers[i].count ? now : NEVER;
}

void announcer_give_up(struct announcer *a)
{
    a->stopping = true;
    for (uint32_t i = 0; i < a->tier_count; i++) {
        a->tiers[i].due = NEVER;
        a->tiers[i].in_flight = false;
    }
}

bool announcer_is_silent(const struct announcer *a)
{
    for (uint32_t i = 0; i < a->tier_count; i++)
        if (a->tiers[i].due != NEVER || a->tiers[i].in_flight)
            return false;
    return true;
}

usec announcer_deadline(const struct announcer *a)
{
    usec next = NEVER;
    for (uint32_t i = 0; i < a->tier_count && a->running; i++)
        if (!a->tiers[i].in_flight && a->tiers[i].due < next)
            next = a->tiers[i].due;
    return next;
}

static enum tracker_event event_for(const struct announcer *a, const struct announcer_tracker *t)
{
    if (a->stopping)
        return TRACKER_STOPPED;
    if (!t->told_started)
        return TRACKER_STARTED;
    return a->completed && !t->told_completed && !a->complete_at_start ? TRACKER_COMPLETED
                                                                       : TRACKER_NONE;
}

bool announcer_next(struct announcer *a, usec now, struct announcer_request *out)
{
    for (uint32_t i = 0; i < a->tier_count && a->running; i++) {
        struct announcer_tier *t = &a->tiers[i];
        if (t->in_flight || t->due > now)
            continue;
        if (a->stopping)
            t->current = to_leave(a, t);
        assert(t->current < t->count);
        t->in_flight = true;
        *out = (struct announcer_request){i, t->first + t->current, event_for(a, current(a, t))};
        return true;
    }
    return false;
}

/* ---- answers ------------------------------------------------------------------------------- */

static usec clamp(usec value, usec low, usec high)
{
    return value < low ? low : value > high ? high : value;
}

/* The trackers of a round that may be asked at all are used up: a longer and longer pause. */
static void end_round(struct announcer *a, struct announcer_tier *t, usec now)
{
    unsigned shift = t->rounds < 8 ? t->rounds : 8;
    usec pause = clamp(ANNOUNCER_RETRY_MIN << shift, ANNOUNCER_RETRY_MIN, ANNOUNCER_RETRY_MAX);
    /* Spread, so that a tracker that comes back is not met by everybody at once. */
    pause += (usec)chance(a, (uint32_t)(pause / USEC_PER_MSEC / 4)) * USEC_PER_MSEC;
    t->rounds++;
    t->failed = 0;
    t->due = now + pause;
}

/* The next one of the tier that has not refused for a while. */
static void try_another(struct announcer *a, struct announcer_tier *t, usec now)
{
    usec soonest = NEVER;
    for (uint32_t i = 0; i < t->count; i++) {
        t->current = (t->current + 1) % t->count;
        if (++t->failed >= t->count) {
            end_round(a, t, now);
            break;
        }
        if (current(a, t)->not_before <= now) {
            t->due = now;
            return;
        }
    }
    for (uint32_t i = 0; i < t->count; i++) {
        usec not_before = a->trackers[t->first + i].not_before;
        if (not_before < soonest) {
            soonest = not_before;
            t->current = i;
        }
    }
    if (t->due < soonest)
        t->due = soonest; /* NEVER: all of them have refused for ever */
}

static void in_vain(struct announcer *a, const struct announcer_request *r, usec now)
{
    struct announcer_tier *t = &a->tiers[r->tier];
    a->trackers[r->tracker].answered = false;
    a->trackers[r->tracker].failures++;
    if (a->stopping) { /* one goodbye is enough */
        a->trackers[r->tracker].told_started = false;
        t->due = to_leave(a, t) < t->count ? now : NEVER;
    } else {
        try_another(a, t, now);
    }
}

void announcer_failed(
    struct announcer *a, const struct announcer_request *r, const char *why, usec now)
{
    struct announcer_tracker *tracker = &a->trackers[r->tracker];
    a->tiers[r->tier].in_flight = false;
    snprintf(tracker->words, sizeof tracker->words, "%s", why);
    in_vain(a, r, now);
}

void announcer_cancelled(struct announcer *a, const struct announcer_request *r)
{
    a->tiers[r->tier].in_flight = false;
}

static void refused(struct announcer *a, const struct announcer_request *r,
    const struct tracker_reply *reply, usec now)
{
    struct announcer_tracker *tracker = &a->trackers[r->tracker];
    snprintf(tracker->words, sizeof tracker->words, "%s", reply->failure);
    if (reply->retry_in == TRACKER_NEVER)
        tracker->not_before = NEVER;
    else if (reply->retry_in > 0)
        tracker->not_before = now + SECONDS(reply->retry_in);
    in_vain(a, r, now);
}

static void note_answer(
    struct announcer *a, const struct announcer_request *r, const struct tracker_reply *reply)
{
    struct announcer_tracker *t = &a->trackers[r->tracker];
    snprintf(t->words, sizeof t->words, "%s", reply->warning);
    t->answered = true;
    t->failures = 0;
    if (reply->id[0])
        memcpy(t->id, reply->id, sizeof t->id);
    if (reply->seeders >= 0)
        t->seeders = reply->seeders;
    if (reply->leechers >= 0)
        t->leechers = reply->leechers;
    if (reply->completed >= 0)
        t->completed = reply->completed;
    t->told_started = r->event != TRACKER_STOPPED;
    t->told_completed |=
        r->event == TRACKER_COMPLETED || (r->event == TRACKER_STARTED && a->completed);
}

/* An answer that says how many there are makes a scrape useless. */
static void plan_scrape(struct announcer_tracker *t, const struct tracker_reply *reply, usec now)
{
    bool told = reply->seeders >= 0 && reply->leechers >= 0 && reply->completed >= 0;
    if (told)
        t->scrape_due = NEVER;
    else if (t->scrape_due == NEVER && t->scrape_failures < ANNOUNCER_SCRAPE_FAILURES_MAX)
        t->scrape_due = now + ANNOUNCER_SCRAPE_AFTER;
}

static void plan_next(
    struct announcer *a, struct announcer_tier *t, const struct tracker_reply *reply, usec now)
{
    usec interval = reply->interval ? SECONDS(reply->interval) : ANNOUNCER_INTERVAL;
    usec least = SECONDS(reply->min_interval);
    interval = clamp(interval, ANNOUNCER_INTERVAL_MIN, ANNOUNCER_INTERVAL_MAX);
    least = clamp(least, ANNOUNCER_INTERVAL_MIN, interval);
    t->earliest = now + least;
    t->due = now + interval;
    t->rounds = t->failed = 0;
    /* The news came while this announce was under way. */
    if (event_for(a, current(a, t)) == TRACKER_COMPLETED)
        t->due = now;
}

void announcer_answered(struct announcer *a, const struct announcer_request *r,
    const struct tracker_reply *reply, usec now)
{
    struct announcer_tier *t = &a->tiers[r->tier];
    t->in_flight = false;
    if (reply->failed) {
        refused(a, r, reply, now);
        return;
    }
    note_answer(a, r, reply);
    plan_scrape(&a->trackers[r->tracker], reply, now);
    if (a->stopping) {
        t->due = to_leave(a, t) < t->count ? now : NEVER;
        return;
    }
    /* BEP 12: who answers moves to the front of its tier. */
    swap(&a->trackers[t->first], &a->trackers[r->tracker]);
    t->current = 0;
    plan_next(a, t, reply, now);
}

/* ---- scrapes ------------------------------------------------------------------------------- */

usec announcer_scrape_deadline(const struct announcer *a, const char **url)
{
    usec next = NEVER;
    for (uint32_t i = 0; i < a->count && a->running && !a->stopping; i++) {
        if (a->trackers[i].scrape_due >= next)
            continue;
        next = a->trackers[i].scrape_due;
        *url = a->trackers[i].url;
    }
    return next;
}

static struct announcer_tracker *by_url(const struct announcer *a, const char *url)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->trackers[i].url, url) == 0)
            return (struct announcer_tracker *)&a->trackers[i];
    return NULL;
}

bool announcer_scrapes_alone(const struct announcer *a, const char *url)
{
    const struct announcer_tracker *t = by_url(a, url);
    return t && t->scrape_alone;
}

bool announcer_scrape_begin(struct announcer *a, const char *url, usec by)
{
    struct announcer_tracker *t = a->running && !a->stopping ? by_url(a, url) : NULL;
    if (!t || t->scrape_due > by)
        return false;
    t->scrape_due = NEVER;
    return true;
}

void announcer_scraped(
    struct announcer *a, const char *url, const struct tracker_counts *c, bool alone, usec now)
{
    struct announcer_tracker *t = by_url(a, url);
    if (!t)
        return;
    if (c && (c->seeders >= 0 || c->leechers >= 0 || c->completed >= 0)) {
        t->seeders = c->seeders >= 0 ? c->seeders : t->seeders;
        t->leechers = c->leechers >= 0 ? c->leechers : t->leechers;
        t->completed = c->completed >= 0 ? c->completed : t->completed;
        t->scrape_failures = 0;
        t->scrape_due = now + ANNOUNCER_SCRAPE_EVERY;
    } else if (!alone) {
        t->scrape_alone = true;
        t->scrape_due = now + ANNOUNCER_SCRAPE_AFTER;
    } else if (++t->scrape_failures < ANNOUNCER_SCRAPE_FAILURES_MAX) {
        t->scrape_due = now + ANNOUNCER_SCRAPE_EVERY;
    }
}
