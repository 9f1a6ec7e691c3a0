/* libkith: a BitTorrent node to embed.
 *
 * One header, a C ABI, no globals: any number of nodes live in one process. A node is driven in one
 * of two ways, and does the same in both:
 *
 *   - by your loop, as curl's multi interface: poll kith_fd() for reading (timers are in it too),
 *     call kith_process() when it is readable, then pull events with kith_next_event();
 *   - by kith_run(), which blocks until something happened or a time has passed.
 *
 * Threads: a node and all its handles belong to one thread at a time. Only kith_wake() may be
 * called from any thread. The library makes worker threads of its own for disk and hashing, never
 * calls back on them, installs no signal handler (but see handle_sigbus), prints nothing, reads no
 * environment variable and never exits.
 *
 * Structs that you fill begin with their size: set it with KITH_INIT, so that a newer library knows
 * what an older caller knew. Strings are UTF-8. Sizes are bytes, rates bytes a second, times
 * milliseconds unless a name says otherwise. Calls that can fail return 0 or a positive value on
 * success and a negative enum kith_error; kith_last_error() then says more in words.
 *
 * What is stable: everything here, from 0.1 on, additions aside. */
#ifndef KITH_H
#define KITH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_API
#endif

#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0

/* The library's version, "0.1.0". */
KITH_API const char *kith_version(void);

/* Negative returns of every call. The numbers never change. */
enum kith_error {
    KITH_E_NOMEM = -1,
    KITH_E_INVALID = -2,
    KITH_E_SYNTAX = -3,
    KITH_E_LIMIT = -4,
    KITH_E_TRUNCATED = -5,
    KITH_E_UNSUPPORTED = -6,
    KITH_E_NOT_FOUND = -7,
    KITH_E_EXISTS = -8,
    KITH_E_PERMISSION = -9,
    KITH_E_NO_SPACE = -10,
    KITH_E_IO = -11,
    KITH_E_ABSENT = -12,
    KITH_E_CHANGED = -13,
    KITH_E_HASH = -14,
    KITH_E_UNSAFE_PATH = -15,
    KITH_E_BUSY = -16,
    KITH_E_CLOSED = -17,
    KITH_E_REFUSED = -18,
    KITH_E_TIMEOUT = -19,
    KITH_E_NETWORK = -20,
    KITH_E_PROTOCOL = -21,
    KITH_E_BLOCKED = -22,
    KITH_E_DATABASE = -23,
    KITH_E_CANCELLED = -24,
    KITH_E_AGAIN = -25,
    KITH_E_MISMATCH = -26
};

/* One short English clause for an error. Never NULL. */
KITH_API const char *kith_strerror(int error);

/* Zeroes a struct and writes its size: struct kith_options o; KITH_INIT(o); */
#define KITH_INIT(s)                                                                               \
    do {                                                                                           \
        unsigned char *kith_init_p = (unsigned char *)&(s);                                        \
        size_t kith_init_i;                                                                        \
        for (kith_init_i = 0; kith_init_i < sizeof(s); kith_init_i++)                              \
            kith_init_p[kith_init_i] = 0;                                                          \
        (s).size = sizeof(s);                                                                      \
    } while (0)

struct kith_node;    /* one node */
struct kith_torrent; /* one torrent of a node; valid until its KITH_EVENT_REMOVED was pulled */
struct kith_event;   /* valid until the next kith_next_event or kith_close */

/* ---- a node -------------------------------------------------------------------------------- */

enum kith_encryption {
    KITH_ENCRYPTION_PREFER = 0,
    KITH_ENCRYPTION_REQUIRE = 1,
    KITH_ENCRYPTION_OFF = 2
};
enum kith_log_level {
    KITH_LOG_ERROR,
    KITH_LOG_WARN,
    KITH_LOG_INFO,
    KITH_LOG_DEBUG,
    KITH_LOG_TRACE
};

enum kith_dht_mode { KITH_DHT_ON = 0, KITH_DHT_OFF = 1, KITH_DHT_READ_ONLY = 2 };

struct kith_options {
    size_t size;
    const char *listen_address; /* numeric; NULL: every IPv4 and IPv6 address */
    int32_t listen_port;        /* 0: the system chooses; -1: do not listen */
    int32_t encryption;         /* enum kith_encryption */
    uint64_t download_rate_max; /* bytes a second; 0: no limit */
    uint64_t upload_rate_max;
    int32_t connections_max; /* of all torrents; 0: 500 */
    int32_t downloads_max;   /* torrents that download at a time, others queue; 0: no limit */
    uint64_t memory_max;     /* for piece buffers; 0: 32 MiB */
    int32_t worker_threads;  /* 0: as many as cores */
    const char *user_agent;  /* towards trackers and web seeds; NULL: "kith/VERSION" */
    const char *state_file;  /* the database of what is remembered; NULL: nothing is */
    int32_t log_level;       /* enum kith_log_level; used with log */
    void (*log)(void *user, int level, const char *subsystem, const char *text);
    void *log_user;
    int32_t no_lsd; /* 1: do not look for peers on the local network, and do not say that we are
                       there */
    int32_t no_utp; /* 1: no connections over uTP */
    int32_t no_tcp; /* 1: peers are reached, and reach us, over uTP only. Not both */
    /* "socks5://[user:password@]host[:port]" or "http://...": everything goes through it, nobody is
     * listened to, the local network hears nothing; NULL: no proxy. A way out that is away is
     * waited for: there is no other. */
    const char *proxy;
    const char
        *bind_interface;      /* every socket is bound to this interface; NULL: to none. Names are
                               * not looked up then, because the system's resolver cannot be bound */
    const char *bind_address; /* the same, to this numeric address */
    const char *const
        *listen_addresses; /* besides listen_address: numeric, or names of interfaces */
    size_t listen_address_count;
    const char *block_list;  /* a file of addresses to have nothing to do with: eMule .dat, P2P,
                              * CIDR, any of them gzip; NULL: none */
    int32_t no_port_mapping; /* 1: do not ask the router for a port (PCP, NAT-PMP, UPnP) */
    int32_t dht;             /* enum kith_dht_mode; read-only: asks and does not answer (BEP 43) */
    /* Nodes of the DHT to begin with, "host:port". Not needed where an earlier run, a link, a peer
     * or the local network knows one. */
    const char *const *dht_hosts;
    size_t dht_host_count;
    int32_t torrent_connections_max; /* of each torrent; 0: 200, at most 10000 */
    /* 1: files are hashed where they are mapped, which costs a quarter less. A file that somebody
     * cuts meanwhile is a SIGBUS then: its handler becomes kith's, in the whole process and for
     * good, and faults in memory that is not kith's go on to the one that was there. */
    int32_t handle_sigbus;
};

/* Opens a node, brings back the torrents that its state file remembers, and starts to listen.
 * options may be NULL. On failure *out is NULL and the reason is
 * in the return value: KITH_E_BUSY (another process has the state), KITH_E_DATABASE,
 * KITH_E_EXISTS (the port is taken), KITH_E_PERMISSION, KITH_E_NOMEM; KITH_E_SYNTAX and
 * KITH_E_UNSUPPORTED are about the proxy's URL; KITH_E_INVALID about an interface, an address, or
 * the name of a proxy behind an interface; KITH_E_NOT_FOUND may be about the block list. */
KITH_API int kith_open(const struct kith_options *options, struct kith_node **out);
/* Starts a clean stop: tells trackers, finishes writes. KITH_EVENT_STOPPED follows, within
 * about two seconds. Calling it again does nothing. */
KITH_API void kith_stop(struct kith_node *node);
/* Frees everything at once. Safe without kith_stop: what was not saved is checked next time. */
KITH_API void kith_close(struct kith_node *node);

/* A descriptor that is readable when kith_process has something to do. Never read it yourself. */
KITH_API int kith_fd(struct kith_node *node);
/* Milliseconds until kith_process should be called though the descriptor is silent; -1: never. */
KITH_API int64_t kith_timeout(struct kith_node *node);
/* Does what is due, without blocking. */
KITH_API int kith_process(struct kith_node *node);
/* kith_process in a loop until an event waits or `milliseconds` passed (-1: no limit). Returns 1 if
 * an event waits, else 0. */
KITH_API int kith_run(struct kith_node *node, int64_t milliseconds);
/* Makes a kith_run in another thread return. The only call that any thread may make. */
KITH_API void kith_wake(struct kith_node *node);
/* What the last failed call on this node was about: a path, a host, a line. Valid until the next
 * call. Never NULL. */
KITH_API const char *kith_last_error(struct kith_node *node);
/* The port that the node listens on; 0 if it does not. */
KITH_API uint16_t kith_listen_port(struct kith_node *node);
/* How the node is reached from outside. */
struct kith_network {
    size_t size;
    char address_v4[64], address_v6[64]; /* with the port; "": not known */
    const char *mapping;   /* how the router gave the port: "PCP", "NAT-PMP", "UPnP"; NULL: it has
                              given none */
    int32_t asking_router; /* 1: and its answer is still awaited */
    int32_t reachable;     /* 1: the port is mapped, or somebody from the internet has connected */
};
KITH_API int kith_network(struct kith_node *node, struct kith_network *network);
/* Changes limits while running; 0: none. */
KITH_API void kith_set_rates(struct kith_node *node, uint64_t download_max, uint64_t upload_max);

/* Reads a block list in the background; it is in force when KITH_EVENT_BLOCK_LIST comes without an
 * error, also for peers that are connected. NULL: no list from now on. KITH_E_AGAIN: one is being
 * read. */
KITH_API int kith_load_block_list(struct kith_node *node, const char *path);
struct kith_block_list {
    size_t size;
    const char *path;       /* NULL: there is no list. Valid until the next event is pulled */
    uint64_t ranges;        /* after merging */
    uint64_t lines_skipped; /* that are no range, comment or empty */
    uint64_t memory_bytes;
    int64_t read_unix;
    uint64_t refused; /* connections, candidates and datagrams that it kept away */
};
KITH_API int kith_block_list(struct kith_node *node, struct kith_block_list *list);

/* Fetches what stands at an http or https address, mostly a .torrent, through the node: at most
 * `size_max` bytes (0: 192 MiB). One at a time: KITH_E_BUSY. KITH_EVENT_FETCHED follows, with an
 * error if it did not work. The address is the user's word; redirects may not lead from outside
 * inside. */
KITH_API int kith_fetch(struct kith_node *node, const char *url, uint64_t size_max);
/* What was fetched; valid until the next kith_fetch or kith_stop. NULL if nothing was. */
KITH_API const void *kith_fetched(struct kith_node *node, size_t *size_out);

/* ---- torrents ------------------------------------------------------------------------------ */

/* What to do with files that stand where the torrent's belong and hold something else, be it in one
 * piece, or are longer. Identical data is always adopted, and so is room that was reserved and
 * never written (zeros): another program's unfinished download is gone on with if it has no begun
 * pieces. What kith left unfinished itself is never taken for something else; what was written to
 * since is. OVERWRITE: what is wrong is fetched over, what is too long is cut; a folder in a file's
 * place stays a conflict. RENAME: the data goes to "name (1)" beside it. Either is said of what
 * stands there now: of what is met once the torrent has started, REFUSE holds. */
enum kith_existing {
    KITH_EXISTING_REFUSE = 0,
    KITH_EXISTING_OVERWRITE = 1,
    KITH_EXISTING_RENAME = 2
};

struct kith_add {
    size_t size;
    /* Exactly one source: */
    const char *link;    /* a magnet link */
    const void *torrent; /* the bytes of a .torrent */
    size_t torrent_size;
    const char *folder;    /* where the data goes or is */
    int32_t paused;        /* 1: add only */
    int32_t existing;      /* enum kith_existing */
    int32_t sequential;    /* 1: in order, for streaming */
    int32_t metadata_only; /* 1: stop when the metadata is there (magnets); kith_resume goes on */
    int32_t sparse;        /* 1: do not preallocate */
    uint64_t download_rate_max, upload_rate_max;
    const char *const *peers; /* "host:port", numeric or a name that is looked up */
    size_t peer_count;
    const char *files_wanted; /* NULL: all; else a glob over paths: "*.jpg" */
};
/* KITH_E_NOT_FOUND: no file matches files_wanted; of a link that is known with its metadata, and
 * KITH_EVENT_TROUBLE says so. */
/* KITH_E_EXISTS with *out set if the node already has it: its new peers are added, and after a
 * KITH_EVENT_CONFLICT it goes on if `existing` says how. Asked for the first time in this run, one
 * that kith_open brought back takes all that stands here, files_wanted included. */
KITH_API int kith_add(
    struct kith_node *node, const struct kith_add *add, struct kith_torrent **out);

enum kith_format { KITH_FORMAT_HYBRID = 0, KITH_FORMAT_V1 = 1, KITH_FORMAT_V2 = 2 };
struct kith_share {
    size_t size;
    const char *path;      /* the file or folder */
    int32_t format;        /* enum kith_format */
    uint32_t piece_length; /* 0: chosen */
    int32_t is_private;    /* BEP 27 */
    const char *const
        *trackers; /* each a tier: "URL", or "URL,URL"; at most 64 URLs, else KITH_E_LIMIT */
    size_t tracker_count;
    const char *const *web_seeds;
    size_t web_seed_count;
    const char *comment;
    const char *source; /* a tag that changes the info-hash; NULL: none */
};
/* Hashes the data where it stands and seeds it. Progress is in kith_status; KITH_EVENT_READY when
 * the link is there. */
KITH_API int kith_share(
    struct kith_node *node, const struct kith_share *share, struct kith_torrent **out);

KITH_API void kith_pause(struct kith_torrent *torrent);
KITH_API void kith_resume(struct kith_torrent *torrent);
/* Forgets the torrent; its files stay. KITH_EVENT_REMOVED follows; the handle is valid until the
 * event after that is pulled. */
KITH_API void kith_remove(struct kith_torrent *torrent);
/* As kith_remove, and deletes what kith wrote or verified, and folders that are empty then. */
KITH_API void kith_remove_with_data(struct kith_torrent *torrent);
/* Moves the data to another folder, also across volumes, while it is shared. KITH_EVENT_MOVED
 * follows, with an error if something stands in the way; the data is whole where it was then.
 * KITH_E_AGAIN: not now. */
KITH_API int kith_move(struct kith_torrent *torrent, const char *folder);
/* Believes nothing and hashes everything again; what is wrong is then fetched over, because it is
 * the torrent's own data (save after a KITH_EVENT_CONFLICT, and in files that are not wanted).
 * KITH_EVENT_READY follows.
 * KITH_E_AGAIN: not now. */
KITH_API int kith_recheck(struct kith_torrent *torrent);
/* `host_port` is numeric, or a name that is looked up: KITH_EVENT_WARNING says if that fails.
 * KITH_E_SYNTAX: it is neither. KITH_E_LIMIT: too many names are being looked up. KITH_E_AGAIN: a
 * share is being hashed. */
KITH_API int kith_add_peer(struct kith_torrent *torrent, const char *host_port);
/* 0: unwanted, 1 to 7: priority, 4 is normal. When all that is wanted is there by that, or once it
 * is there again, KITH_EVENT_COMPLETE follows. */
KITH_API int kith_set_file_priority(struct kith_torrent *torrent, uint32_t file, int priority);
KITH_API void kith_set_torrent_rates(
    struct kith_torrent *torrent, uint64_t download_max, uint64_t upload_max);
KITH_API void kith_set_sequential(struct kith_torrent *torrent, int on);
/* Shows each peer one piece at a time while we have everything (BEP 16), so that a lone seed sends
 * little more than one copy. For peers that join from now on. */
KITH_API void kith_set_super_seeding(struct kith_torrent *torrent, int on);

/* The n-th torrent of the node, NULL past the last. */
KITH_API struct kith_torrent *kith_torrent_at(struct kith_node *node, size_t index);
/* By hex info-hash: v1 (40 digits) or v2 (64 or 40 digits). */
KITH_API struct kith_torrent *kith_torrent_find(struct kith_node *node, const char *hex);

/* A magnet link with both hashes, name, trackers, web seeds and, with_peers, this node's current
 * addresses (x.pe). Valid until the next kith_link of this torrent. NULL while the hashes are not
 * known yet. */
KITH_API const char *kith_link(struct kith_torrent *torrent, int with_peers);
/* The .torrent; valid while the torrent is. NULL until the metadata is known. A hybrid that came by
 * a link is written without `piece layers`, which its link does not bring: good for the v1 half and
 * for clients that fetch them, as kith and libtorrent do, and no whole torrent of v2 (BEP 52). */
KITH_API const void *kith_torrent_file(struct kith_torrent *torrent, size_t *size_out);

enum kith_state {
    KITH_STATE_HASHING = 1,  /* a share is being hashed */
    KITH_STATE_METADATA = 2, /* the info dictionary is being fetched */
    KITH_STATE_CHECKING = 3,
    KITH_STATE_DOWNLOADING = 4,
    KITH_STATE_SEEDING = 5,
    KITH_STATE_PAUSED = 6,
    KITH_STATE_QUEUED = 7, /* waits for its turn: see downloads_max */
    KITH_STATE_TROUBLE = 8 /* stopped by a disk or data problem: see error and error_text */
};

struct kith_status {
    size_t size;
    int32_t state;          /* enum kith_state */
    int32_t error;          /* enum kith_error, 0 if none */
    const char *error_text; /* in words, with the path; "" if none; valid as `name` */
    const char *name;       /* valid until the next kith_status of this torrent */
    const char *folder;
    uint8_t info_hash_v1[20], info_hash_v2[32];
    int32_t has_v1, has_v2;
    uint64_t bytes_total; /* of wanted files; 0 until known, or if none is wanted */
    uint64_t bytes_done;  /* verified, of wanted files */
    uint64_t bytes_left;
    uint64_t work_done, work_total; /* bytes hashed while HASHING, or by the last CHECKING */
    uint64_t downloaded, uploaded;  /* payload, ever */
    uint64_t wasted;                /* payload that came twice or was bad */
    uint64_t download_rate, upload_rate;
    int64_t eta_seconds; /* -1: unknown */
    uint32_t pieces_total, pieces_done;
    uint32_t piece_length;
    uint32_t file_count; /* without the padding of BEP 47 */
    uint32_t peers_connected, peers_known, peers_connecting, seeds_connected;
    uint32_t peers_sending, peers_receiving;
    uint32_t full_copies_elsewhere; /* connected peers that have everything */
    const char *waiting_for;        /* why nothing moves, in words; "" if something does */
    /* As the trackers count, the most that one of them names; -1: none says. */
    int64_t swarm_seeders, swarm_leechers, swarm_completed;
    const char
        *root; /* the file or folder of the data, as it is called in `folder`; "" until known */
};
KITH_API int kith_status(struct kith_torrent *torrent, struct kith_status *status);

struct kith_file {
    size_t size;
    const char *path; /* relative to the folder, '/'-separated; valid while the torrent is */
    uint64_t length, done;
    int32_t priority;
};
/* Files are numbered from 0 to file_count - 1, here and wherever a file is meant: without padding.
 * KITH_E_NOT_FOUND past the last. */
KITH_API int kith_file(struct kith_torrent *torrent, uint32_t index, struct kith_file *file);
/* How many bytes of a file, from `offset` on and without a gap, are verified: what a player may
 * read now. 0 also past its end. */
KITH_API uint64_t kith_file_ready(struct kith_torrent *torrent, uint32_t index, uint64_t offset);

struct kith_peer {
    size_t size;
    char address[64];
    char client[64];
    uint64_t download_rate, upload_rate, downloaded, uploaded;
    double progress;
    int32_t encrypted, incoming, choking_us, interested_in_us, we_choke, we_are_interested;
};
/* The index-th connected peer; KITH_E_NOT_FOUND past the last. */
KITH_API int kith_peer(struct kith_torrent *torrent, uint32_t index, struct kith_peer *peer);

struct kith_tracker {
    size_t size;
    const char *url; /* foreign, as `text`: escape both before showing. Valid until the next turn */
    const char *text; /* what it said last, or why it did not; "" if all is well */
    int32_t tier, works, failures;
    int64_t next_seconds;                 /* until the next announce; -1: none is planned */
    int64_t seeders, leechers, completed; /* as it counts; -1: not said */
};
/* KITH_E_NOT_FOUND past the last. */
KITH_API int kith_tracker(
    struct kith_torrent *torrent, uint32_t index, struct kith_tracker *tracker);

/* ---- the DHT -----------------------------------------------------------------------------------
 * Torrents use it by themselves. This is for what else can be stored there (BEP 44), and for those
 * who want to see. KITH_E_UNSUPPORTED where it is off. */

struct kith_dht_search; /* one that is under way; gone when done() was called or it was cancelled */

struct kith_dht_result {
    size_t size;
    int32_t error;   /* 0; KITH_E_NETWORK: no node answered */
    int32_t refusal; /* the last error that a node gave when asked to store, e.g. 301; 0: none */
    uint32_t asked, answered, stored; /* nodes */
    int64_t seq;                      /* of the newest item that was found or put */
    uint8_t target[20];               /* where the item lies */
    uint32_t crowd;                   /* nodes that somebody has put around the target; 0: none */
};

enum kith_dht_kind { KITH_DHT_PEERS = 1, KITH_DHT_GET = 2, KITH_DHT_PUT = 3 };

/* All that it points to is copied. Callbacks come from inside kith_process and kith_run, and may
 * start searches, but not cancel. */
struct kith_dht_request {
    size_t size;
    int32_t kind;           /* enum kith_dht_kind */
    int32_t announce_port;  /* PEERS: also say that we have it, at this port; 0: do not */
    const void *target;     /* PEERS: the info-hash; GET of an immutable item: its hash. 20 bytes */
    const void *public_key; /* GET of a mutable item: its key, 32 bytes */
    const void *secret;     /* PUT of a mutable item: the seed of an Ed25519 key, 32 bytes */
    const void *salt;       /* of a mutable item, at most 64 bytes */
    size_t salt_size;
    const void *value; /* PUT: bencoded, at most 1000 bytes */
    size_t value_size;
    int64_t seq;              /* PUT of a mutable item; 0: one more than what is found */
    int32_t compare_and_swap; /* PUT: 1: nodes that hold another than what was found refuse */
    void (*peer)(void *user, const char *address);
    /* Genuine items, each newer than the one before. */
    void (*item)(void *user, const void *value, size_t value_size, int64_t seq);
    void (*done)(void *user, const struct kith_dht_result *result);
    void *user;
    int32_t keep; /* PUT: 1: and keep it, as kith_dht_keep does. Not where no node answered and the
                     seq is left to us; the result's error says so */
};
KITH_API int kith_dht_start(
    struct kith_node *node, const struct kith_dht_request *request, struct kith_dht_search **out);
KITH_API void kith_dht_cancel(struct kith_dht_search *search);

/* Items that the node keeps alive. Nodes of the DHT forget an item two hours after it was put; what
 * is kept is looked for and put again every hour, with the signed bytes: the private key is not
 * needed, and not stored. The newest value that the network has wins: an older one never takes its
 * place. Kept over restarts where there is a state file. */
struct kith_dht_keep {
    size_t size;
    const void *target;     /* an immutable item: its hash, 20 bytes */
    const void *public_key; /* or a mutable one: its key, 32 bytes */
    const void *salt;       /* at most 64 bytes */
    size_t salt_size;
};
/* Follows an item and keeps it, from now on and until kith_dht_forget; nothing need lie there yet.
 * What one has to put oneself is kept by kith_dht_request's `keep`. KITH_EVENT_DHT_ITEM tells of
 * its first and of newer values. Keeping it already is no error. KITH_E_LIMIT: 256 are kept. */
KITH_API int kith_dht_keep(struct kith_node *node, const struct kith_dht_keep *keep);
/* By its target: 20 bytes. The network forgets it in its own time. KITH_E_NOT_FOUND. */
KITH_API int kith_dht_forget(struct kith_node *node, const void *target);
struct kith_dht_item {
    size_t size;
    uint8_t target[20], public_key[32];
    int32_t is_mutable;
    const void *salt; /* this and the value are valid until the node is used again */
    size_t salt_size;
    const void *value; /* bencoded; NULL: nothing was found yet */
    size_t value_size;
    int64_t seq;
    uint32_t found_at, stored_at; /* nodes, in the last round */
    int32_t spared;               /* 1: nothing was stored, because others keep it */
    int32_t refusal;              /* an error that a node gave, e.g. 302: it has a newer one; 0 */
    int64_t put_seconds_ago;      /* since it was last known to be stored; -1: never in this run */
    int64_t next_seconds;         /* until the next round; -1: it is under way */
};
/* The index-th item that is kept; KITH_E_NOT_FOUND past the last. */
KITH_API int kith_dht_item(struct kith_node *node, size_t index, struct kith_dht_item *item);

struct kith_dht_status {
    size_t size;
    uint32_t nodes_v4, nodes_v6, good;
    uint32_t hashes, peers, items; /* that others stored here */
    uint64_t sent_bytes, received_bytes;
    uint8_t id_v4[20], id_v6[20];
    char external_v4[64], external_v6[64]; /* our address, as enough of them say; "": unknown */
    uint32_t good_v4, good_v6;             /* nodes that answered lately */
    uint32_t votes_v4, votes_v6;           /* networks that say that this is our address */
    uint32_t asking;                       /* addresses that wait to be asked for the first time */
    uint32_t searches;                     /* under way, or waiting */
    uint64_t searches_done;
    uint64_t crowds;   /* of them, that found nodes put around their target by somebody */
    uint64_t answers;  /* that we gave */
    uint64_t refused;  /* questions that were over their asker's budget */
    uint32_t kept;     /* items: see kith_dht_keep */
    int32_t read_only; /* 1: we ask and do not answer */
};
KITH_API int kith_dht_status(struct kith_node *node, struct kith_dht_status *status);

/* ---- events -------------------------------------------------------------------------------- */

enum kith_event_type {
    KITH_EVENT_ADDED = 1,
    KITH_EVENT_METADATA = 2,    /* name, files and sizes are known now */
    KITH_EVENT_READY = 3,       /* checked or hashed: the link is there, transfer begins */
    KITH_EVENT_COMPLETE = 4,    /* every wanted file is verified and written */
    KITH_EVENT_TROUBLE = 5,     /* see kith_event_error and kith_event_text */
    KITH_EVENT_RECOVERED = 6,   /* the trouble has passed by itself */
    KITH_EVENT_REMOVED = 7,     /* and not in the state file any more: it does not come back after a
                                   crash; with an error it does, because it cannot be forgotten */
    KITH_EVENT_MOVED = 8,       /* the data is in another folder (text), or error says why not */
    KITH_EVENT_PEER = 9,        /* a first, or one more, peer is connected; text: its address */
    KITH_EVENT_COPY = 10,       /* a connected peer has everything now */
    KITH_EVENT_TRACKER = 11,    /* a tracker answered or failed; text: in words */
    KITH_EVENT_CONFLICT = 12,   /* existing files hold something else, and nothing was written: see
                                   enum kith_existing. text: the first of them; kith_status says in
                                   words what is the matter */
    KITH_EVENT_WARNING = 13,    /* something was repaired; text: in words */
    KITH_EVENT_STOPPED = 14,    /* the clean stop is done: call kith_close */
    KITH_EVENT_BLOCK_LIST = 15, /* a block list was read, or error says why not; text: in words */
    KITH_EVENT_FETCHED = 16,    /* kith_fetch has ended; error: 0, or why; text: in words */
    KITH_EVENT_DHT_ITEM = 17,  /* an item that is kept has a newer value; text: target, 40 digits */
    KITH_EVENT_DHT_CROWD = 18, /* somebody has put nodes around this torrent in the DHT, as one does
                                  who wants it not to be found; text: in words */
    KITH_EVENT_REMEMBERED = 19 /* one that was added or shared is in the state file, where there is
                                  one: it survives a crash from now on */
};
/* The next event, or NULL. While 4096 wait, of repeated ones (one torrent's, of one type) only the
 * newest is kept, and goes to the end: what was true last is heard last. */
KITH_API const struct kith_event *kith_next_event(struct kith_node *node);
KITH_API int kith_event_type(const struct kith_event *event);
/* NULL for events of the node. */
KITH_API struct kith_torrent *kith_event_torrent(const struct kith_event *event);
KITH_API int kith_event_error(const struct kith_event *event);
KITH_API const char *kith_event_text(const struct kith_event *event); /* never NULL */

#ifdef __cplusplus
}
#endif
#endif
