/* Trackers over UDP (BEP 15), with the path of the tracker's address behind an announce (BEP 41).
 *
 * One exchange is one small state machine: it is handed datagrams and the time, and gives back the
 * datagram to send next and when it wants to be called. A connection id is asked for first, so that
 * nobody can make a tracker answer a victim; one that another exchange was given will do, and is
 * given up when it brings no answer, because the tracker may have forgotten it. */
#ifndef KITH_PROTO_TRACKER_UDP_H
#define KITH_PROTO_TRACKER_UDP_H

#include "base/time.h"
#include "proto/tracker.h"

#define TRACKER_UDP_PACKET_MAX (16u + 20 * TRACKER_SCRAPE_MAX) /* of ours */
#define TRACKER_UDP_RETRIES 3u /* 15, 30 and 60 s: engines give up earlier than BEP 15's 8 */
#define TRACKER_UDP_PATIENCE SECONDS(15)
#define TRACKER_UDP_ID_LIFE SECONDS(60)
#define TRACKER_UDP_ID_DOUBT SECONDS(5) /* a refusal to a lent id so old may mean the id */
#define TRACKER_UDP_OPTIONS_MAX 255u    /* bytes of path and query */

enum tracker_udp_state {
    TRACKER_UDP_CONNECTING,
    TRACKER_UDP_ASKING,
    TRACKER_UDP_ANSWERED, /* see the reply, which may be a refusal */
    TRACKER_UDP_SILENT    /* it does not answer */
};

struct tracker_udp {
    enum tracker_udp_state state;
    const struct info_hash *scraped; /* NULL: an announce */
    size_t scraped_count;
    struct tracker_counts *counts; /* out, one for each of them */
    enum addr_family family;       /* of the tracker's address: so are the peers' in its answer */
    struct tracker_announce announce;
    char path[TRACKER_UDP_OPTIONS_MAX + 1];
    uint32_t transaction;
    uint64_t connection, random;
    usec connected_at, deadline;
    unsigned tries;
    bool to_send;
    bool lent;    /* `connection` was given to another exchange */
    bool doubted; /* one that was lent was refused */
};

/* `random` makes the transaction ids unguessable. `url` is the tracker's address, of which the path
 * is told. */
void tracker_udp_begin(struct tracker_udp *, const struct tracker_announce *, const char *url,
    enum addr_family, uint64_t random, usec now);
/* A scrape of up to TRACKER_SCRAPE_MAX torrents. `counts` has one entry for each, -1 where the
 * tracker says nothing; both must live as long as the exchange. */
void tracker_udp_begin_scrape(struct tracker_udp *, const struct info_hash *, size_t count,
    struct tracker_counts *counts, enum addr_family, uint64_t random, usec now);
/* It need not ask for an id: another exchange was given this one then, not TRACKER_UDP_ID_LIFE ago.
 * In TRACKER_UDP_CONNECTING only. */
void tracker_udp_lend(struct tracker_udp *, uint64_t connection, usec connected_at, usec now);
/* Appends the datagram that is due; false if none is. */
bool tracker_udp_send(struct tracker_udp *, struct builder *out, usec now);
/* Whose answer it says that it is. ERR_TRUNCATED. */
int tracker_udp_transaction(struct bytes datagram, uint32_t *out);
/* False: not an answer to what we sent last; forged and late ones change nothing. */
bool tracker_udp_receive(
    struct tracker_udp *, struct bytes datagram, struct tracker_reply *out, usec now);
/* Time passed. */
void tracker_udp_tick(struct tracker_udp *, usec now);

#endif
