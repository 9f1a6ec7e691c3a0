/* The whole of a node, for the files of node/ only.
 *
 *   node.c             birth, stopping and death; event_queue.c: what waits to be told
 *   real.c             the node in the real world: its loop
 *   inspect.c          what kith.h lets people look at: status, files, peers, links
 *   memory.c           what is remembered from one run to the next
 *   met_peers.c        peers that a download was connected with, for the next run
 *   fetch.c            what the user names by its address on the web
 *   web_seeds.c        fetching for web seeds
 *   named_peers.c      peers that go by a host's name
 *
 * entry/: one torrent of the node
 *   entry.c            born, found by its hashes, removed
 *   entry_add.c        added by a link or a file, or restored; entry_share.c: made of data
 *   entry_select.c     which of its files are wanted
 *   entry_control.c    paused, limited; entry_queue.c: whose turn it is to download
 *   entry_host.c       what the swarm asks of it
 *   entry_index.c      all of them by their hashes
 *   entry_data.c       its data: opened, judged, checked, let go. entry_data.h draws it, and names
 *                      the files that share it
 *   entry_sleep.c      seeds that nobody asks for are put away, and woken
 *
 * net/: connections and datagrams
 *   egress.c           what may leave this machine: every socket is opened there
 *   block_list.c       addresses that nothing is said to
 *   proxy_stream.c, proxy_udp.c   streams and datagrams through a proxy
 *   ports.c            listening: TCP and UDP on one port, and whose a datagram is
 *   stream.c           a byte stream to a peer, whatever carries it; utp_io.c: over uTP
 *   race.c             a connection attempt by both carriers
 *   link.c             between such a stream and the greeting or peer behind it
 *   network.c          the networks that we are on, and their changes
 *   outside.c          how we look from outside
 *   port_mapping.c     our port on the home router
 *
 * discovery/: who has it
 *   trackers.c         announces: carrying out what the announcers decide
 *   tracker_call.c     one question to a tracker and its answer, over HTTP; tracker_call_udp.c: UDP
 *   tracker_calls.c    all that are under way: whose an answer is, whose turn it is
 *   tracker_ids.c      connection ids of trackers over UDP, for all torrents
 *   scrapes.c          what trackers count that do not say so when they are told
 *   dht_io.c           the DHT; dht_hosts.c: its first contacts; dht_api.c: searches of kith.h
 *   dht_members.c      the torrents in it, by dht_queue.c's turns; dht_items.c: items that are kept
 *   lsd_io.c           local service discovery */
#ifndef KITH_NODE_NODE_INTERNAL_H
#define KITH_NODE_NODE_INTERNAL_H

#include "base/address_vote.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text_pool.h"
#include "env/env.h"
#include "format/metainfo.h"
#include "node/discovery/dht_io.h"
#include "node/discovery/tracker_calls.h"
#include "node/entry/entry_index.h"
#include "node/event_queue.h"
#include "node/net/ports.h"
#include "node/net/race.h"
#include "store/chunk.h"
#include "store/create/create.h"
#include "store/file_cache.h"
#include "store/resume.h"
#include "store/state/state.h"
#include "store/storage.h"
#include "swarm/announcer.h"
#include "swarm/lsd_pacer.h"
#include "swarm/peer/greeting.h"
#include "swarm/torrent/torrent.h"
#include <kith.h>
#include <stdlib.h>
#include <string.h>

#define NODE_CONNECTIONS_MAX 500u
#define NODE_NETWORK_SHARE 10u    /* one /24 or /64 may hold such a part of them by coming in */
#define NODE_NETWORK_LINKS_MIN 8u /* but so many at least */
#define NODE_STOP_PATIENCE SECONDS(2)
#define NODE_SAVE_PATIENCE                                                                         \
    SECONDS(3) /* from kith_stop on, with a database that cannot be written */
#define NODE_TEXT_MAX 256u
#define NODE_TRACKERS_MAX 500u   /* of one link: as many as one may have (format/magnet.h) */
#define NODE_WEB_SEEDS_MAX 500u  /* the same */
#define NODE_NAMED_PEERS_MAX 16u /* of a torrent that are looked up at a time; the user is told */

struct link;
struct stream;
struct lsd_io;
struct fetch;
struct dht_io;
struct keeper;
struct network;
struct port_mapping;

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

    struct ports_wish wish;
    struct port ports[PORTS_MAX];
    unsigned port_count;
    uint16_t port;      /* that others can connect to; 0: none */
    uint8_t *datagrams; /* room for those of one call */
    struct egress *egress;
    struct block_list *block_list;
    struct utp_io *utp; /* NULL: there is none */
    bool no_tcp;        /* peers are reached by uTP only */
    struct race_memory race_memory;
    unsigned connections, connections_max;
    unsigned torrent_connections_max; /* 0: the swarm's own */
    unsigned downloads_max;           /* 0: no limit */
    struct list_link links;
    struct list_link dead_links; /* freed between turns */
    struct list_link to_pump;    /* links that have something to do before the loop sleeps */

    struct tracker_calls calls;     /* questions to trackers under way */
    struct list_link scrapes;       /* under way */
    struct timer_heap scrape_order; /* torrents by their scrape_due; it is never run */
    struct timer scrape_timer;
    usec scraped_at; /* the last one began */
    uint32_t tracker_key;
    struct network *network;
    struct port_mapping *port_mapping;    /* NULL: ports are not mapped */
    struct address_vote address_votes[2]; /* what others say of our address: IPv4, IPv6 */
    bool reached_from_outside;
    struct lsd_io *lsd;            /* NULL: local service discovery is off */
    struct fetch *fetch;           /* what kith_fetch was asked for last, or NULL */
    struct dht_io *dht;            /* NULL: it is off */
    struct list_link dht_searches; /* of the embedder */
    struct keeper *keeper;         /* items of the DHT that are kept; NULL: there is no DHT */

    struct list_link torrents;
    unsigned unstopped;                     /* of them */
    int64_t added;                          /* so many ever were: the next one's number */
    struct timer_heap downloading, waiting; /* for their turn, with downloads_max: entry_queue.c */
    uint64_t queue_looks;                   /* torrents it looked at: what a test counts */
    struct list_link *walk_at; /* where kith_torrent_at was last; NULL: the list has changed */
    size_t walk_index;
    unsigned awake;            /* torrents that have their metainfo and storage in memory */
    unsigned greetings;        /* sleepers that will be woken for their trackers */
    struct entry_index *index; /* of them, by hash */
    struct text_pool *folders; /* of them: mostly the same */
    struct event_queue events;
    struct kith_event *pulled; /* what kith_next_event returned last */

    struct state *state; /* NULL: nothing is remembered */
    bool state_quiescing, state_quiet;
    struct timer state_timer;

    bool stopping, stopped;
    usec stopping_since;
    volatile int woken; /* kith_wake was called */
    struct timer stop_timer;
};

struct text_list {
    char **items;
    size_t count;
};

/* What is known of a torrent while its metainfo is not in memory. */
struct entry_outline {
    uint64_t bytes_total;
    uint32_t piece_length, piece_count, file_count; /* 0: nothing is known */
    bool is_private, has_trackers;
};

/* What stood in a file's place when the data was opened. */
struct entry_found {
    uint64_t size;
    uint8_t state; /* enum storage_file_state */
    uint8_t whose; /* enum resume_whose, if it is not absent */
    bool repaired; /* a recheck was asked for: what is wrong is fetched over */
};

/* What only a torrent has that is awake: those that sleep are many. */
struct entry_awake {
    struct kith_torrent *entry;
    struct timer timer; /* the torrent's deadline */
    struct timer turn;  /* its place in node->waiting; in node->downloading if it has its turn */
    bool has_turn;
    struct builder torrent_file;
    struct list_link web_fetches; /* exchanges with web seeds under way */
    struct list_link named_peers; /* whose names are being looked up */

    /* its data: entry_data.h */
    struct bitfield have;      /* found by the check */
    struct entry_found *found; /* by file: what stood there before us */
    uint32_t *content; /* entry_file_at(): the numbers of those that are no pads; NULL: not asked */
    struct storage_part *suspects; /* while it is looked for what they hold: entry_conflict.c */
    struct resume record;          /* what was last remembered of the data */
    struct timer save;             /* the next checkpoint */
    struct list_link checkpoints;  /* under way */
    struct timer retry;            /* after trouble that may pass */
    usec retry_delay;
    uint64_t check_done, check_total;
    struct timer look;     /* the next look at what is read: entry_look.c */
    usec looked_at;        /* the last one */
    uint32_t had;          /* pieces, before files were touched by somebody else ... */
    bool touched;          /* ... which the check that is under way is for */
    uint32_t touched_file; /* the first of them */

    bool peers_recalled,
        peers_saved; /* met_peers.c: of an earlier run; some stand in the database */
    struct memory_wait *remembering; /* it was added, and is not durable yet: memory.c */

    struct create *create; /* a share is being hashed */
    struct create_progress create_progress;
};

/* What only a torrent has that has trackers and has begun to tell them: trackers.c, scrapes.c. */
struct entry_trackers {
    struct kith_torrent *entry;
    struct announcer *announcers[2]; /* of the v1 and the v2 swarm; NULL: no trackers */
    struct list_link announces;      /* under way */
    struct timer announce_timer;
    struct timer scrape_due; /* in node->scrape_order: the next scrape of its trackers */
    usec goodbye_until;
};

/* One torrent, from being named to being removed. */
struct kith_torrent {
    struct list_link link;
    struct kith_node *node;
    int64_t id;                /* in the database; 0: not there */
    int64_t number;            /* who came first has the least */
    struct entry_awake *awake; /* NULL while it sleeps */
    int state;                 /* enum kith_state, before the torrent itself has one */
    int error;                 /* 0: none */
    struct torrent *torrent;   /* NULL while a share is hashed, and while it sleeps */
    bool has_v1, has_v2;       /* which of its hashes are known */
    struct sha1_digest v1;
    struct sha256_digest v2;
    struct metainfo *metainfo;
    const char *folder; /* of node->folders */
    char *root, *name, *link_text, *files_wanted, *magnet;
    uint8_t *priorities; /* by file, of the user's choice; NULL: all normal */
    bool queued;         /* waits for its turn */
    bool paused, sequential, preallocate, metadata_only, super_seeding;
    bool restored, asked_again;           /* from an earlier run; and added in this one, too */
    struct text_list trackers, web_seeds; /* of the link */
    int64_t added_unix, completed_unix;
    uint64_t uploaded_before, downloaded_before; /* in earlier runs, and before it slept */
    uint64_t uploaded_at_start, downloaded_at_start;

    /* its data: entry_data.h */
    struct storage *storage;
    int existing;     /* enum kith_existing */
    unsigned renames; /* names that were taken */
    unsigned saving;  /* checkpoints under way */
    bool has_record;
    bool record_fits;   /* of a clean stop, and the data stands as it says */
    bool forget_record; /* a recheck: believe nothing */
    bool judge_again;   /* more is wanted than when its files were judged, and it has not started */
    bool reopening, moving, complete_told, sync_failed;
    bool stop_waits; /* for what is under way with its data */

    /* sleep: entry_sleep.c */
    bool asleep, falling_asleep;
    bool quiet;             /* woken by the network: the user is not told that it is ready */
    bool delete_when_awake; /* kith_remove_with_data found it asleep */
    struct timer drowsy;
    struct entry_outline outline;

    struct entry_trackers *tracked; /* NULL: none */
    struct lsd_member lsd;
    struct dht_member dht;
    bool trackers_told; /* the user was, of those that are not asked */
    bool nodes_told;    /* likewise, of DHT nodes */
    bool goodbye;       /* trackers are told that we leave */

    bool web_seeds_added;

    bool data_stopped;
    bool removing, delete_data, stopped;
    struct memory_wait *forgetting; /* it is being removed, and that is not durable yet: memory.c */
    char *error_text;               /* NULL: no error */
    uint64_t download_max, upload_max;
    char *waiting_for; /* what kith_status last said; NULL: nothing */
};

/* NULL: that swarm has no trackers. */
static inline struct announcer *entry_announcer(const struct kith_torrent *k, unsigned which)
{
    return k->tracked ? k->tracked->announcers[which] : NULL;
}

/* Without memory there is no text. */
static inline void node_replace_text(char **at, const char *text)
{
    free(*at);
    *at = text ? strdup(text) : NULL;
}

/* A struct of kith.h from a caller whose idea of it is older or newer: what both know is taken,
 * what only we know stays as `own` has it. */
static inline void node_take(void *own, size_t size, const void *given, size_t given_size)
{
    memcpy(own, given, given_size < size ? given_size : size);
}

/* One for such a caller: what both know is filled in,
 * what only the caller knows is zero. `out` has the caller's size in it. */
static inline void node_fill(void *given, size_t given_size, const void *out, size_t size)
{
    memcpy(given, out, given_size < size ? given_size : size);
    if (given_size > size)
        memset((char *)given + size, 0, given_size - size);
}

/* ---- node.c -------------------------------------------------------------------------------- */
void node_event(struct kith_node *, int type, struct kith_torrent *, int error, const char *text);
void node_arm(struct kith_node *); /* the env's deadline follows the timer heap */
int node_fail(struct kith_node *, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void node_maybe_stopped(struct kith_node *);

/* ---- entry.c ------------------------------------------------------------------------------- */
extern const struct swarm_host_ops entry_host_ops;
struct magnet;
struct kith_torrent *entry_new(struct kith_node *, const char *folder); /* NULL: no memory */
void entry_free(struct kith_torrent *);
/* What only awake torrents have: made (again: nothing happens; false: no memory), and let go. */
bool entry_make_awake(struct kith_torrent *);
void entry_free_awake(struct kith_torrent *);
/* One that was restored begins to live. */
void entry_revive(struct kith_torrent *);
void entry_stop(struct kith_torrent *);
void entry_stopped(struct kith_torrent *);            /* nothing of it is under way any more */
void entry_forgotten(struct kith_torrent *, int err); /* the next run will not know it; 0, or why */
/* The swarm's half; `m` if there is no metadata yet. ERR_NOMEM. */
int entry_make_torrent(struct kith_torrent *, const struct magnet *m);
/* What the torrent knows of its hashes, the node knows. ERR_NOMEM. */
int entry_learn_hashes(struct kith_torrent *);
/* The swarm has fetched a link's metadata. */
void entry_metadata_known(struct kith_torrent *);
/* Some of its hashes are known, or one more of them is: it can be found by them. ERR_NOMEM. */
int entry_make_known(struct kith_torrent *);
/* Its info-hashes as the network names them; how many. */
unsigned entry_names(const struct kith_torrent *, struct info_hash out[ENTRY_NAMES_MAX]);
/* By v1's hash, or v2's cut to 20 bytes; not one that is being removed. */
struct kith_torrent *entry_find_hash(struct kith_node *, const struct info_hash *);
/* By any of the hashes that are known (NULL: is not). */
struct kith_torrent *entry_find_same(
    struct kith_node *, const struct sha1_digest *v1, const struct sha256_digest *v2);
/* Of an incoming connection: see greeting_config. */
bool entry_find(void *user, const struct handshake *theirs, struct greeting_answer *out);
bool entry_find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent);

/* ---- entry_select.c ------------------------------------------------------------------------ */
/* By the glob of whoever added it, or by his link. ERR_NOT_FOUND: no file matches. ERR_NOMEM. */
int entry_select_files(struct kith_torrent *);
/* To those whom the metadata told too late: it rests in trouble until somebody wants a file. */
void entry_nothing_selected(struct kith_torrent *);
/* The swarm's half is told. */
void entry_apply_files(struct kith_torrent *);
/* Otherwise than in an earlier run; a glob of NULL: as the link (NULL: there is none) says, or all.
 * ERR_NOT_FOUND, ERR_NOMEM: nothing has changed. */
int entry_select_again(struct kith_torrent *, const char *glob, const struct magnet *link);
/* The metainfo's number of what kith.h calls this file: there are no pads. UINT32_MAX: none. */
uint32_t entry_file_at(struct kith_torrent *, uint32_t index);
uint64_t entry_bytes_wanted(const struct kith_torrent *);

/* ---- entry_data.c -------------------------------------------------------------------------- */
void entry_open_data(struct kith_torrent *);
void entry_open_hashed(struct kith_torrent *);
void entry_reopen(struct kith_torrent *);
/* Are the files that peers are given still as they were? entry_look.c. Now; soon, if any were read.
 */
void entry_look(struct timer *, usec now);
void entry_look_soon(struct kith_torrent *);
void entry_swarm_stopped(struct kith_torrent *); /* the swarm tells, as below */

/* ---- entry_record.c ------------------------------------------------------------------------ */
void entry_checkpoint(struct timer *, usec now);
/* They end without a word: their entry goes. */
void entry_forget_checkpoints(struct kith_torrent *);
void entry_piece_written(struct kith_torrent *);
void entry_complete(struct kith_torrent *);
/* Saves what a clean stop saves, if it is not saved yet. done() comes later, or at once. */
void entry_save_clean(struct kith_torrent *, void (*done)(struct kith_torrent *, int err));

/* ---- entry_trouble.c ----------------------------------------------------------------------- */
void entry_trouble(struct kith_torrent *, int err, const char *text);
void entry_retry(struct timer *, usec now);
void entry_torrent_failed(struct kith_torrent *, int err, const char *text);
void entry_torrent_recovered(struct kith_torrent *);

/* ---- entry_queue.c ------------------------------------------------------------------------- */
/* Whether it wants a turn to download may have changed: whose turn is it now? */
void entry_queue(struct kith_torrent *);
void entry_leave_queue(struct kith_torrent *); /* without a word: it is put away or freed */

/* ---- entry_files.c ------------------------------------------------------------------------- */
bool entry_delete_data(struct kith_torrent *);

/* ---- entry_sleep.c ------------------------------------------------------------------------- */
/* Of the metainfo that is in memory. */
void entry_take_outline(struct kith_torrent *);
/* Nothing happens at it: if that goes on, it is put away. */
void entry_drowse(struct kith_torrent *);
/* It was remembered as complete: it starts its life asleep. */
void entry_begin_asleep(struct kith_torrent *, const struct entry_outline *);
/* The swarm has stopped because it falls asleep; true: it does. */
bool entry_fall_asleep(struct kith_torrent *);
/* Somebody needs it. 0 if it is awake, or wakes: its data is being opened; else why it cannot be
 * (ERR_DATABASE, ERR_NOMEM). */
int entry_wake(struct kith_torrent *);
void entry_sleep_timer(struct timer *, usec now);

/* ---- trackers.c ---------------------------------------------------------------------------- */
/* Once the swarm exists; again after a stop and trackers_free. */
void trackers_start(struct kith_torrent *);
void trackers_completed(struct kith_torrent *);
/* Says goodbye; true: trackers_said_goodbye follows. */
bool trackers_stop(struct kith_torrent *);
void trackers_said_goodbye(struct kith_torrent *); /* entry.c */
void trackers_arm(struct kith_torrent *);
void trackers_free(struct kith_torrent *);
/* What the first tracker that does not work says; NULL if all is well. Foreign: escape. */
const char *trackers_trouble(const struct kith_torrent *);

/* Those who wait for data tell the trackers where they are now, as soon as these allow. */
void trackers_network_changed(struct kith_node *);
/* The most that one of the trackers counts; -1: none says. */
void trackers_counts(
    const struct kith_torrent *, int64_t *seeders, int64_t *leechers, int64_t *completed);

/* ---- scrapes.c ----------------------------------------------------------------------------- */
void scrapes_init(struct kith_node *);
void scrapes_close(struct kith_node *);
/* Its announcers may want to know something. */
void scrapes_want(struct kith_torrent *);
/* Its announcers are gone. */
void scrapes_forget(struct kith_torrent *);

/* ---- web_seeds.c --------------------------------------------------------------------------- */
void web_seeds_add(struct kith_torrent *);
bool web_fetch_start(struct kith_torrent *, uint32_t seed, const char *url, uint64_t first,
    uint64_t range, uint64_t size);
/* Before the swarm is paused or stopped. */
void web_seeds_cancel(struct kith_torrent *);

/* ---- named_peers.c ------------------------------------------------------------------------- */
/* A peer of that name; what it leads to is judged as `source`'s. ERR_LIMIT: too many wait.
 * ERR_AGAIN: a share is being hashed. */
int named_peers_add(struct kith_torrent *, struct bytes host, uint16_t port, enum addr_source);
/* "HOST:PORT" of the user's, a number or a name. ERR_SYNTAX: it is neither. */
int named_peers_meet(struct kith_torrent *, struct bytes text);
/* Where a peer is that a link or the user named. */
void named_peers_found(struct kith_torrent *, const struct endpoint *, enum addr_source);
/* It is not paused any more: what waited for that is looked up. */
void named_peers_resume(struct kith_torrent *);
void named_peers_cancel(struct kith_torrent *);
bool named_peers_wait(const struct kith_torrent *); /* some are being looked up */

/* ---- fetch.c ------------------------------------------------------------------------------- */
void fetch_free(struct kith_node *);

/* ---- memory.c ------------------------------------------------------------------------------ */
int memory_open(struct kith_node *, const char *path);
/* Torrents are made while the database is walked, and begin to live when that has worked. */
int memory_restore(struct kith_node *);
void memory_arm(struct kith_node *);
/* Everything is written; if not, node_maybe_stopped is called again when it is. */
bool memory_is_quiet(struct kith_node *);
void memory_save_entry(struct kith_torrent *);
/* Reads its metainfo and its record back. ERR_DATABASE, ERR_NOT_FOUND, ERR_NOMEM. */
int memory_load(struct kith_torrent *);
void memory_save_metainfo(struct kith_torrent *);
/* The glob of files that are wanted, of a torrent that waits for its metadata. */
void memory_save_wanted(struct kith_torrent *);
/* Both; KITH_EVENT_REMEMBERED follows when they are durable. */
void memory_save_new(struct kith_torrent *);
/* It is not waited for any more. */
void memory_forget_wait(struct memory_wait **);
/* ERR_CLOSED: nothing is remembered, and done() is not called. */
int memory_save_record(struct kith_torrent *, struct bytes record, state_done *, void *user);
/* entry_forgotten follows, unless it was not remembered. ERR_NOMEM, ERR_NO_SPACE, ERR_CLOSED: it
 * still is. */
int memory_forget(struct kith_torrent *);

/* ---- met_peers.c --------------------------------------------------------------------------- */
/* Whom it was connected with, with its record or before it stops. */
void met_peers_save(struct kith_torrent *);
/* It wants data, perhaps for the first time in this run. */
void met_peers_recall(struct kith_torrent *);

/* ---- link.c -------------------------------------------------------------------------------- */
/* Opens a connection for a torrent. ERR_LIMIT: there is none to spare; ERR_NOMEM; ERR_BLOCKED;
 * what is wrong with this address. */
int link_open(struct kith_node *, struct kith_torrent *, const struct endpoint *);
/* The same by uTP alone: the other side does it at this moment, too (BEP 55). */
int link_punch(struct kith_node *, struct kith_torrent *, const struct endpoint *);
/* To a peer that has fallen silent: with little patience. False: not now. */
bool link_recall(struct kith_node *, struct kith_torrent *, const struct endpoint *);
/* A stream that somebody else began. */
void link_take(struct kith_node *, struct stream *, const struct endpoint *from);
/* The same, for a listener of TCP. */
void link_accept(void *user, struct env_tcp *, const struct endpoint *from);
/* From the swarm: see struct swarm_host_ops. */
void link_pump_later(struct kith_node *, struct link *);
void link_hang_up(struct link *);
/* Those whose addresses are blocked now. */
void links_hang_up_blocked(struct kith_node *);
/* The way out is another: nobody of old can be reached. */
void links_hang_up_all(struct kith_node *);
/* Before the loop sleeps. */
void links_pump(struct kith_node *);
/* Bytes a second that a peer gets from us over TCP, on the average of those that get any. */
uint64_t links_tcp_upload_rate(struct kith_node *);
void links_bury(struct kith_node *);
/* Those that have no peer yet, of one torrent, or (NULL) of all: who goes would leave them pointing
 * at freed memory. */
void links_close_greetings(struct kith_node *, const struct kith_torrent *of);

#endif
