/* One question to a tracker and its answer, over HTTP or UDP: the look-up of its name, the
 * datagrams and their repetition, the proxy. What is asked, and what becomes of the answer, is the
 * business of whoever embeds it: announces (trackers.c), scrapes (scrapes.c). */
#ifndef KITH_NODE_TRACKER_CALL_H
#define KITH_NODE_TRACKER_CALL_H

#include "base/bytes.h"
#include "base/heap.h"
#include "env/env.h"
#include "node/discovery/tracker_calls.h"
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
    uint64_t tracker;          /* in node->calls.ids: whose connection id it needs */
    struct tracker_udp udp;
    struct timer timer;    /* UDP: the next repetition */
    struct list_link turn; /* while it waits for its turn, or for an id: see tracker_calls.h */
    enum tracker_lane lane;
    bool begun, has_turn;
    uint32_t transaction; /* by which it is known to the node; 0: not yet */
};

/* The node's share in them: node->calls. ERR_NOMEM. */
int tracker_call_start(struct kith_node *);
/* 0: an answer or a failure follows, never inside this call. Else why it cannot even be asked
 * (ERR_TIMEOUT: it has not answered others lately); end it. */
int tracker_call_begin(struct tracker_call *);
/* No callback follows. */
void tracker_call_end(struct tracker_call *);
/* It waits for its turn, or for an id: nothing has been asked. */
bool tracker_call_is_waiting(const struct tracker_call *);
/* A datagram that may be an answer to one of the node's calls. */
void tracker_call_datagram(struct kith_node *, const struct endpoint *from, struct bytes datagram);

/* The host, with its port, of a tracker's address. */
struct bytes tracker_call_host(const char *url);
/* What an error of tracker_call_begin means here, in words. */
const char *tracker_call_trouble(struct kith_node *, int err);

#endif
