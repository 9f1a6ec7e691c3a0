/* What a tracker is told and what it answers, whichever way it is spoken to: HTTP (tracker_http.h)
 * or UDP (tracker_udp.h). BEP 3, 7, 15, 23, 24, 31. */
#ifndef KITH_PROTO_TRACKER_H
#define KITH_PROTO_TRACKER_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/ids.h"

#define TRACKER_PEERS_MAX 200u /* of one answer; the rest is left out */
#define TRACKER_TEXT_MAX 200u  /* bytes of a failure or warning: escape before showing */
#define TRACKER_ID_MAX 128u    /* longer ones are not sent back, nor those that hold a NUL */
#define TRACKER_NEVER UINT32_MAX
#define TRACKER_SCRAPE_MAX                                                                         \
    60u /* torrents of one scrape: transmission's bound; opentracker's is 64 */

enum tracker_event { /* BEP 15's numbers */
    TRACKER_NONE = 0,
    TRACKER_COMPLETED = 1,
    TRACKER_STARTED = 2,
    TRACKER_STOPPED = 3
};

/* What a scrape says of one torrent; -1: nothing. */
struct tracker_counts {
    int64_t seeders, leechers, completed;
};

struct tracker_announce {
    struct info_hash info_hash;
    struct peer_id peer_id;
    uint64_t uploaded, downloaded, left; /* payload bytes of this session */
    enum tracker_event event;
    uint32_t key; /* the same all session: tells us apart when our address changes */
    uint32_t numwant;
    uint16_t port;
    const char *id; /* that the tracker gave last; NULL: none */
};

struct tracker_reply {
    bool failed;
    char failure[TRACKER_TEXT_MAX + 1], warning[TRACKER_TEXT_MAX + 1]; /* "": none */
    uint32_t retry_in;               /* seconds until a refused announce may be repeated (BEP 31);
                                        0: not said; TRACKER_NEVER */
    uint32_t interval, min_interval; /* seconds; 0: not said */
    int64_t seeders, leechers, completed; /* -1: not said */
    char id[TRACKER_ID_MAX + 1];          /* to be sent back; "": none */
    struct endpoint external;             /* our address as it saw it (BEP 24); ADDR_NONE */
    struct endpoint peers[TRACKER_PEERS_MAX];
    uint32_t peer_count;
};

/* An empty answer, in which nothing was said. */
void tracker_reply_init(struct tracker_reply *);
/* Adds peers from compact lists of 6 (IPv4, BEP 23) or 18 (IPv6, BEP 7) bytes each. */
void tracker_reply_compact(struct tracker_reply *, struct bytes list, enum addr_family);

#endif
