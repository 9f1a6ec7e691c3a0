/* The questions to trackers that are under way, of all torrents: whose an answer is, who may ask
 * now, and which trackers are not asked for a while because they do not answer. With 10,000
 * torrents of one tracker none of this may walk them, nor begin them all at once: names are looked
 * up, and HTTP spoken, by a few threads that others wait for, too. */
#ifndef KITH_NODE_TRACKER_CALLS_H
#define KITH_NODE_TRACKER_CALLS_H

#include "base/bytes.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/time.h"
#include "node/discovery/tracker_ids.h"
#include "proto/proxy.h"
#include <stdbool.h>
#include <stdint.h>

/* Fewer than the env has threads for HTTP: web seeds have theirs beside dead trackers. */
#define TRACKER_CALLS_HTTP_MAX 12u
#define TRACKER_CALLS_NAMES_MAX 64u     /* given to the env to look up at a time */
#define TRACKER_HOSTS 256u              /* whose silence is remembered; newer ones replace others */
#define TRACKER_HOSTS_SILENCES 3u       /* in a row, of all torrents: then it is not asked ... */
#define TRACKER_HOSTS_PAUSE SECONDS(60) /* ... for so long, but by one that tries */

struct map;
struct tracker_call;

enum tracker_lane { TRACKER_LANE_HTTP, TRACKER_LANE_NAMES, TRACKER_LANES };

struct tracker_host {
    uint64_t key;
    unsigned silences;
    usec until;
};

struct tracker_calls {
    struct map *by_transaction;
    struct list_link waiting[TRACKER_LANES]; /* struct tracker_call, by `turn` */
    unsigned under_way[TRACKER_LANES];
    struct timer start; /* somebody's turn has come */
    struct tracker_ids ids;
    struct timer go;   /* the next of those that waited for an id */
    unsigned go_place; /* see tracker_ids_next */
    uint8_t seed[16];
    struct tracker_host hosts[TRACKER_HOSTS];
};

/* ERR_NOMEM. */
int tracker_calls_init(struct tracker_calls *, const uint8_t seed[16]);
/* No call is under way, and the timer is the caller's to cancel. Zeroed: nothing happens. */
void tracker_calls_free(struct tracker_calls *);

/* Who sent this transaction's number last; NULL. Two calls may choose the same: then the first is
 * not found, and asks again. */
struct tracker_call *tracker_calls_find(const struct tracker_calls *, uint32_t transaction);
/* It has another number now (0: none was known). Without memory it hears nothing, and asks again.
 */
void tracker_calls_renumber(
    struct tracker_calls *, struct tracker_call *, uint32_t before, uint32_t now);
void tracker_calls_forget(struct tracker_calls *, struct tracker_call *, uint32_t transaction);

/* Of a tracker over UDP in `ids`: by its address, or where only the proxy knows that, its name. */
uint64_t tracker_calls_key(
    const struct tracker_calls *, const struct endpoint *at, const struct proxy_target *named);

/* False: it does not answer anybody, and this is not the one that tries again. */
bool tracker_hosts_may_ask(struct tracker_calls *, struct bytes host, usec now);
void tracker_hosts_answered(struct tracker_calls *, struct bytes host);
void tracker_hosts_silent(struct tracker_calls *, struct bytes host, usec now);
/* Our network is another: nothing is known of anybody. */
void tracker_calls_forget_trackers(struct tracker_calls *);

#endif
