/* TCP inside the simulated network: a connection has two ends and two flows, one each way.
 *
 *   tcp.c     the handles that a node holds (env_tcp_*)
 *   listen.c  listeners
 *   conn.c    a connection's life: dial, accept, close, reset, silence
 *   flow.c    one direction: a reliable byte stream under a window, over two links, with losses
 *
 * A connection outlives its handles: after a close, what was written still drains. */
#ifndef KITH_ENV_SIM_CONN_H
#define KITH_ENV_SIM_CONN_H

#include "base/gather.h"
#include "env/sim/net.h"
#include "env/sim/ring.h"
#include "env/sim/world.h"

struct sim_conn;
struct sim_segment;

enum sim_fin {
    SIM_FIN_NONE,
    SIM_FIN_WANTED, /* the writer closed; bytes may still have to go first */
    SIM_FIN_SENT,
    SIM_FIN_DELIVERED /* the reader will see the end of the stream */
};

/* Positions count bytes since the stream began: read <= delivered <= sent <= written, and
 * acked <= delivered. The ring holds [read, written): both sockets' buffers in one. */
struct sim_flow {
    struct sim_conn *conn;
    unsigned from; /* the end that writes */
    struct sim_ring ring;
    uint64_t written, sent, delivered, read;
    uint64_t acked;      /* what the writer knows of `delivered` */
    uint64_t read_known; /* what the writer knows of `read`: the receive window's left edge */
    uint64_t read_told;  /* the newest `read` that is on its way to the writer */
    enum sim_fin fin;

    struct sim_source up, down;
    struct sim_segment *leaving, *landing; /* taken from up, from down, this very moment */
    struct list_link queued;               /* at the reader's downlink */
    usec arrive_floor, deliver_floor;      /* the stream stays in order */

    uint64_t window, threshold; /* congestion window and slow-start threshold, bytes */
    usec round_trip;            /* smoothed, queues included */
    usec calm_until;            /* at most one slow-down a round trip */

    uint32_t epoch; /* raised when all that is in flight is given up */
    bool stalled;   /* nothing passes; `retry` will look again */
    usec stalled_since, backoff;
    struct sim_event retry, window_update;
    uint64_t window_news;
};

struct sim_conn_end {
    struct sim_conn *conn;
    struct sim_host *host;
    struct sim_env *env;    /* the life that the end belongs to */
    struct sim_tcp *handle; /* NULL: closed (or not accepted yet) */
    struct endpoint local;  /* as its own host sees it */
    struct endpoint remote; /* how it sees the other end: NATs make a difference */
    bool gone;              /* its kernel knows nothing of the connection any more */
    bool unplugged;         /* its address went away */
    struct sim_event reset;
};

struct sim_conn {
    struct sim_world *world;
    struct list_link link;       /* world->conns */
    struct sim_conn_end ends[2]; /* [0] dialled */
    struct sim_flow flows[2];    /* [i] is written by ends[i] */
    bool established[2];
    bool silent;                /* half open: nothing passes any more, nobody is told */
    bool dead;                  /* waits only for the segments that are still in flight */
    struct list_link in_flight; /* segments (flow.c) */
    struct sim_event dial;
    usec dial_give_up, dial_backoff;
    struct sim_crossing crossing; /* of the NATs */
    usec passed_at;               /* the last packet */
};

/* The node's handle. */
struct sim_tcp {
    struct sim_handle handle;
    struct sim_conn *conn; /* NULL after a crash of the host */
    unsigned side;
    struct endpoint local, remote;
    struct env_tcp_events events;
    void *user;
    bool want_read, want_write, tell_connected;
    int error; /* how it ended; 0 */
    struct sim_event notify;
    struct gather gather;
    struct sim_event late; /* scheduled while the mark is above 1 */
};

struct sim_listener {
    struct sim_handle handle;
    struct list_link bound; /* host->listeners */
    struct endpoint at;
    char device[16];
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from);
    void *user;
};

/* ---- listen.c ------------------------------------------------------------------------------ */
struct sim_listener *sim_listener_find(struct sim_host *, const struct endpoint *to);
/* Gives the connection's end 1 to the listener's owner; callback. */
void sim_listener_accept(struct sim_listener *, struct sim_conn *);

/* ---- tcp.c --------------------------------------------------------------------------------- */
struct sim_tcp *sim_tcp_new(struct sim_env *, struct sim_conn *, unsigned side);
/* Something may have changed for the node: calls it back soon, if it wants to know. */
void sim_tcp_poke(struct sim_tcp *);

/* ---- conn.c -------------------------------------------------------------------------------- */
struct sim_conn *sim_conn_dial(
    struct sim_env *, const struct endpoint *source, const struct endpoint *to);
bool sim_conn_passes(const struct sim_conn *);
/* The node let go of its end. */
void sim_conn_close(struct sim_conn *, unsigned side);
/* The end breaks now; its node sees `err` once it has read what had arrived. */
void sim_conn_break(struct sim_conn *, unsigned side, int err);
/* A reset travels to that end. */
void sim_conn_send_reset(struct sim_conn *, unsigned to_side);
/* Frees the connection when nobody cares any more. The caller must not touch it afterwards. */
void sim_conn_settle(struct sim_conn *);
/* Notes a packet. False, and the connection is silent from now on: a NAT has forgotten it. */
bool sim_conn_remembered(struct sim_conn *);
void sim_conns_forgotten_by(struct sim_nat *);
/* Addresses of the host came or went. */
void sim_conns_replug(struct sim_host *);

/* ---- flow.c -------------------------------------------------------------------------------- */
void sim_flow_init(struct sim_flow *, struct sim_conn *, unsigned from);
/* Stops its events and queues; segments in flight find out by themselves. */
void sim_flow_stop(struct sim_flow *);
void sim_flow_free(struct sim_flow *);
/* Sends what can be sent. */
void sim_flow_push(struct sim_flow *);
size_t sim_flow_send_buffer(const struct sim_flow *);
size_t sim_flow_room(const struct sim_flow *); /* in it */
/* The reader took bytes: perhaps the window must be told. */
void sim_flow_was_read(struct sim_flow *);

#endif
