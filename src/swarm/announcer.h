/* When to tell which tracker what, for one info-hash: tiers (BEP 12), events, intervals, failures.
 *
 * Of each tier one tracker is told, the one that answered last; the others stand in for it. All
 * tiers are told. Pure: facts and the time come in, the next announce and deadline go out; the node
 * (node/discovery/trackers.c) carries them out. */
#ifndef KITH_SWARM_ANNOUNCER_H
#define KITH_SWARM_ANNOUNCER_H

#include "base/time.h"
#include "proto/tracker.h"

#define ANNOUNCER_TRACKERS_MAX 64u
#define ANNOUNCER_URL_MAX 8192u
#define ANNOUNCER_INTERVAL SECONDS(1800)   /* when a tracker does not say */
#define ANNOUNCER_INTERVAL_MIN SECONDS(60) /* whatever it says */
#define ANNOUNCER_INTERVAL_MAX SECONDS(7200)
#define ANNOUNCER_RETRY_MIN SECONDS(15)
#define ANNOUNCER_RETRY_MAX SECONDS(1800)
#define ANNOUNCER_NUMWANT 80u
#define ANNOUNCER_SCRAPE_AFTER                                                                     \
    SECONDS(10) /* an answer that did not count: others gather meanwhile */
#define ANNOUNCER_SCRAPE_EVERY SECONDS(3600)
#define ANNOUNCER_SCRAPE_FAILURES_MAX 3u

struct announcer_tracker {
    char *url;
    uint32_t tier;
    unsigned failures; /* in a row */
    bool told_started, told_completed;
    usec not_before;                      /* it refused for so long (BEP 31); NEVER: for ever */
    char id[TRACKER_ID_MAX + 1];          /* that it gave us */
    char words[TRACKER_TEXT_MAX + 1];     /* what it said last, or why it did not: escape */
    bool answered;                        /* its last answer was one */
    int64_t seeders, leechers, completed; /* -1: unknown */
    usec scrape_due;                      /* the next scrape; NEVER: none */
    unsigned scrape_failures;             /* in a row */
    bool scrape_alone;                    /* it does not answer for several torrents at once */
};

struct announcer_tier {
    uint32_t first, count; /* in `trackers` */
    uint32_t current;      /* the one to ask next, 0 to count - 1 */
    uint32_t failed;       /* how many were tried in vain in this round */
    unsigned rounds;       /* in vain */
    usec due, earliest;    /* the next announce; earlier than `earliest` only to say goodbye */
    bool in_flight;
};

struct announcer {
    struct announcer_tracker *trackers; /* at most ANNOUNCER_TRACKERS_MAX; most torrents have one */
    uint32_t count;
    struct announcer_tier *tiers;
    uint32_t tier_count;
    uint64_t random;
    bool running, stopping;
    bool complete_at_start, completed;
};

struct announcer_request {
    uint32_t tier, tracker; /* `tracker` indexes announcer->trackers */
    enum tracker_event event;
};

void announcer_init(struct announcer *, uint64_t seed);
void announcer_free(struct announcer *);
/* Before the start; tiers ascending. Addresses that are not http, https or udp, repeated ones and
 * those past the bound are left out. */
void announcer_add(struct announcer *, const char *url, uint32_t tier);
/* The same of many, and fairly where they are too many: the first of each tier, then the second of
 * each, and so on. How many the bound left out. */
struct announcer_url {
    const char *url;
    uint32_t tier;
};
size_t announcer_add_fairly(struct announcer *, const struct announcer_url *, size_t count);
/* Shuffles within the tiers and begins. `complete`: we have everything already. */
void announcer_start(struct announcer *, bool complete, usec now);
void announcer_completed(struct announcer *, usec now);
/* Asks again as soon as the trackers' own bounds allow: no peers, or the network changed. */
void announcer_hurry(struct announcer *, usec now);
/* From now on only goodbyes, to those that were greeted. */
void announcer_stop(struct announcer *, usec now);
/* An announce that is due; it counts as under way until answered, failed or
 * cancelled. */
bool announcer_next(struct announcer *, usec now, struct announcer_request *out);
usec announcer_deadline(const struct announcer *);
/* The answer, refusals included. */
void announcer_answered(
    struct announcer *, const struct announcer_request *, const struct tracker_reply *, usec now);
/* None came; `why` in words. */
void announcer_failed(
    struct announcer *, const struct announcer_request *, const char *why, usec now);
/* It was never sent, and says nothing of the tracker: what was due is due. */
void announcer_cancelled(struct announcer *, const struct announcer_request *);
/* The next scrape of one of the trackers: those that answer announces and leave out how many there
 * are (BEP 48). NEVER: none. */
usec announcer_scrape_deadline(const struct announcer *, const char **url);
/* The tracker of this address has to be asked for each torrent by itself. */
bool announcer_scrapes_alone(const struct announcer *, const char *url);
/* Is a scrape of the tracker of this address due by then? It counts as under way from now on. */
bool announcer_scrape_begin(struct announcer *, const char *url, usec by);
/* What came of it; NULL: nothing. `alone`: it was asked for this torrent only. */
void announcer_scraped(
    struct announcer *, const char *url, const struct tracker_counts *, bool alone, usec now);
/* No goodbye is said or waited for any more. */
void announcer_give_up(struct announcer *);
/* All goodbyes are said, or came to nothing. */
bool announcer_is_silent(const struct announcer *);

#endif
