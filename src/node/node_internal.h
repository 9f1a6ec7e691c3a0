/* The whole of a node, for the files of node/ only.
 *
 *   node.c     birth, stopping and death; listening; events
 *   real.c     the node in the real world: its loop
 *   entry.c    one torrent of the node: added, shared, opened, checked, removed
 *   link.c     between a TCP connection and the greeting or peer behind it
 *   inspect.c  what kith.h lets people look at: status, files, peers, links */
#ifndef KITH_NODE_NODE_INTERNAL_H
#define KITH_NODE_NODE_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "env/env.h"
#include "format/metainfo.h"
#include "store/chunk.h"
#include "store/create.h"
#include "store/file_cache.h"
#include "store/storage.h"
#include "swarm/greeting.h"
#include "swarm/torrent.h"
#include <kith.h>

#define NODE_CONNECTIONS_MAX 500u
#define NODE_EVENTS_MAX 4096u
#define NODE_LISTENERS 2u /* IPv4 and IPv6 */
#define NODE_STOP_PATIENCE SECONDS(2)
#define NODE_TEXT_MAX 256u

struct kith_event {
    struct list_link link;
    int type, error;
    struct kith_torrent *torrent;
    char text[NODE_TEXT_MAX];
};

struct link;

struct kith_node {
    struct env *env;
    struct log log;
    void (*log_call)(void *user, int level, const char *subsystem, const char *text);
    struct chunk_pool *pool;
    struct file_cache *files;
    struct receiver_scratch *scratch;
    struct rate_limits limits;
    struct timer_heap timers;
    struct peer_id peer_id;
    enum greeting_encryption encryption;
    char *user_agent;
    char error[NODE_TEXT_MAX];

    struct env_listener *listeners[NODE_LISTENERS];
    uint16_t port;
    unsigned connections, connections_max;
    struct list_link links;
    struct list_link dead_links; /* freed between turns */
    struct list_link to_pump;    /* links that have something to do before the loop sleeps */

    struct list_link torrents;
    struct list_link events;
    unsigned event_count;
    struct kith_event *pulled; /* what kith_next_event returned last */

    bool stopping, stopped;
    volatile int woken; /* kith_wake was called */
    struct timer stop_timer;
};

/* One torrent, from being named to being removed. */
struct kith_torrent {
    struct list_link link;
    struct kith_node *node;
    struct timer timer;      /* the torrent's deadline */
    int state;               /* enum kith_state, before the torrent itself has one */
    struct torrent *torrent; /* NULL while a share is hashed */
    struct metainfo *metainfo;
    struct storage *storage;
    struct bitfield have;  /* found by the check */
    uint8_t *file_existed; /* by file: something stood there before us */
    struct create *create;
    struct create_progress create_progress;
    uint64_t check_done, check_total;
    char *folder, *root, *name, *link_text, *files_wanted;
    struct builder torrent_file;
    int existing;        /* enum kith_existing */
    bool complete_known; /* a share, just hashed: needs no check */
    bool paused, sequential, preallocate, metadata_only, removing, stopped, syncing;
    char *trackers[64], *web_seeds[64];
    size_t tracker_count, web_seed_count;
    int error;
    char error_text[NODE_TEXT_MAX];
    uint64_t download_max, upload_max;
    unsigned copies_seen;
    char waiting_for[NODE_TEXT_MAX];
    usec moved_at; /* payload last came or went */
};

/* ---- node.c
 * -------------------------------------------------------------------------------------- */
void node_event(struct kith_node *, int type, struct kith_torrent *, int error, const char *text);
void node_arm(struct kith_node *); /* the env's deadline follows the timer heap */
int node_fail(struct kith_node *, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void node_maybe_stopped(struct kith_node *);

/* ---- entry.c
 * -------------------------------------------------------------------------------------- */
extern const struct swarm_host_ops entry_host_ops;
void entry_free(struct kith_torrent *);
void entry_stop(struct kith_torrent *);
bool entry_find(void *user, const struct handshake *theirs, struct greeting_answer *out);
bool entry_find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent);

/* ---- link.c
 * --------------------------------------------------------------------------------------- */
/* Opens a connection for a torrent; false if there is none to spare. */
bool link_open(struct kith_node *, struct kith_torrent *, const struct endpoint *);
/* A listener's. */
void link_accept(void *user, struct env_tcp *, const struct endpoint *from);
/* From the swarm: see struct swarm_host_ops. */
void link_pump_later(struct kith_node *, struct link *);
void link_hang_up(struct link *);
/* Before the loop sleeps. */
void links_pump(struct kith_node *);
void links_bury(struct kith_node *);
void links_close_all(struct kith_node *, struct kith_torrent *of); /* NULL: of all */

#endif
