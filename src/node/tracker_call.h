/* One question to a tracker and its answer, over HTTP or UDP: the look-up of its name, the
 * datagrams and their repetition, the proxy. What is asked, and what becomes of the answer, is the
 * business of whoever embeds it: announces (trackers.c), scrapes (scrapes.c). */
#ifndef KITH_NODE_TRACKER_CALL_H
#define KITH_NODE_TRACKER_CALL_H

#include "base/bytes.h"
#include "env/env.h"
#include "proto/proxy.h"
#include "proto/tracker_udp.h"

struct kith_node;
struct tracker_call;

/* In each of answered and failed the call may be ended, and freed. */
struct tracker_call_kind {
    /* The address to fetch. An error keeps the call from beginning. */
    int (*http_url)(struct tracker_call *, struct builder *out);
    /* Whatever the server said. */
    void (*http_answered)(struct tracker_call *, int status, struct bytes body);
    /* Fills in call->udp; the tracker's address is of this family. */
    void (*udp_begin)(struct tracker_call *, enum addr_family, uint64_t random, usec now);
    void (*udp_answered)(struct tracker_call *, const struct tracker_reply *);
    /* tracker_call_deadline may be another now. */
    void (*rearm)(struct tracker_call *);
    /* No answer came. `why`: in words. */
    void (*failed)(struct tracker_call *, int err, const char *why);
};

/* Zeroed but for the first three. */
struct tracker_call {
    const struct tracker_call_kind *kind;
    struct kith_node *node;
    const char *url; /* lives as long as the call */
    bool local;      /* the tracker is on an address of this network */
    struct env_http *http;
    struct builder body;
    struct env_resolve *resolve;
    struct endpoint to;        /* UDP: the tracker, once it is known */
    struct proxy_target named; /* its name, while only the proxy knows its address */
    struct tracker_udp udp;
};

/* 0: an answer or a failure follows. Else why it cannot even be asked; end it. */
int tracker_call_begin(struct tracker_call *);
/* No callback follows. */
void tracker_call_end(struct tracker_call *);
/* A datagram. True: it was this call's, and has been dealt with. */
bool tracker_call_hears(struct tracker_call *, const struct endpoint *from, struct bytes datagram);
/* When it wants tracker_call_tick; NEVER. */
usec tracker_call_deadline(const struct tracker_call *);
/* False: it has failed, and may be gone. */
bool tracker_call_tick(struct tracker_call *, usec now);

/* The host, with its port, of a tracker's address. */
struct bytes tracker_call_host(const char *url);
/* What an error of tracker_call_begin means here, in words. */
const char *tracker_call_trouble(struct kith_node *, int err);

#endif
