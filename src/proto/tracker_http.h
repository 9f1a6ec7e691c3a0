/* Trackers over HTTP: the address that asks, and the bencoded answer. BEP 3, 7, 23, 24, 31, 48.
 * Fetching it is the node's business. */
#ifndef KITH_PROTO_TRACKER_HTTP_H
#define KITH_PROTO_TRACKER_HTTP_H

#include "proto/tracker.h"

#define TRACKER_HTTP_BODY_MAX (1u << 20) /* bytes of an answer */

/* Appends the tracker's address with our question behind it. */
void tracker_http_url(const char *tracker, const struct tracker_announce *, struct builder *out);
/* ERR_SYNTAX: not an answer of a tracker; ERR_LIMIT. A refusal is an answer: out->failed. */
int tracker_http_parse(struct bytes body, struct tracker_reply *out);
/* Appends the scrape address, asking for `count` torrents (up to TRACKER_SCRAPE_MAX):
 * ERR_UNSUPPORTED if the tracker has none (the last part of its path does not begin with
 * "announce", BEP 48). */
int tracker_http_scrape_url(
    const char *tracker, const struct info_hash *, size_t count, struct builder *out);
/* One count for each of those asked for, in their order. ERR_REFUSED: the tracker says no. */
int tracker_http_scrape_parse(
    struct bytes body, const struct info_hash *, size_t count, struct tracker_counts *out);

#endif
