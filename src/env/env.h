/* The one seam to the world: time, randomness, TCP, UDP, names, HTTP, worker threads, disk.
 *
 * Everything above this header is deterministic: given the same calls and answers it does the same
 * things. env/uv implements the seam on libuv, POSIX and libcurl; env/sim on a virtual clock, a
 * modelled network and a modelled disk. One struct env is the world as ONE node sees it; many live
 * in one process.
 *
 * Threads: all calls and all callbacks happen on the loop's thread, except env_disk_* (meant for
 * the inside of a job's run(), on any worker) and env_loop_wake (any thread). Callbacks never
 * happen inside the call that asked for them, so no call is re-entered.
 *
 * Ownership: a handle is the caller's from the call that returned it until its close call; after
 * close no callback for it happens. Errors are negative enum kith_err. */
#ifndef KITH_ENV_ENV_H
#define KITH_ENV_ENV_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"
#include <sys/types.h>
#include <sys/uio.h>

struct env;

/* ---- time and randomness ------------------------------------------------------------------- */

/* The monotonic clock, read once per turn of the loop (so that one turn sees one time). */
usec env_now(struct env *);
/* Wall-clock seconds since 1970; for people and files only. */
int64_t env_time_unix(struct env *);
/* Unpredictable bytes (in the simulator: from the run's seed). */
void env_random(struct env *, void *out, size_t size);

/* The node's one deadline: env calls wake(user, now) once when it has passed. NEVER disarms. A
 * later call replaces an earlier one. */
void env_wake_at(struct env *, usec deadline, void (*wake)(void *user, usec now), void *user);

/* ---- TCP ----------------------------------------------------------------------------------- */

struct env_tcp;
struct env_listener;
struct env_file;

struct env_tcp_events {
    void (*connected)(
        void *user, int err);     /* once, for connections that we opened; 0 or an error */
    void (*readable)(void *user); /* while read interest is on: bytes, EOF or an error wait */
    void (*writable)(void *user); /* while write interest is on */
};

/* What a socket is bound to and how it looks on the wire. Zeroed: defaults. */
struct env_tcp_options {
    /* Source address, port 0; NULL: any. An address alone does not choose the way out: the
     * interface that holds it is bound to, too, and if none does, nothing leaves. */
    const struct endpoint *bind_ip;
    const char *bind_device; /* interface name; NULL: any */
};

/* Starts to connect. connected() follows. ERR_NETWORK, ERR_LIMIT (descriptors used up), ERR_NOMEM.
 */
int env_tcp_connect(struct env *, const struct endpoint *to, const struct env_tcp_options *,
    const struct env_tcp_events *, void *user, struct env_tcp **out);
/* Changes who is told, e.g. when a connection passes from the listener's hands to a peer's. */
void env_tcp_set_events(struct env_tcp *, const struct env_tcp_events *, void *user);
/* Level-triggered interest. A new connection wants neither. */
void env_tcp_want(struct env_tcp *, bool read, bool write);
/* So many bytes are to come without a word from us: answers that were asked for. From a fast stream
 * readable() then waits until a good part of them is here, a few milliseconds at most
 * (base/gather.h), and for the end of the stream not at all. 0, as at first: each byte is told. */
void env_tcp_expect(struct env_tcp *, size_t bytes);
/* Bytes moved (> 0); ERR_AGAIN; ERR_CLOSED at orderly end of stream; ERR_NETWORK. */
ssize_t env_tcp_readv(struct env_tcp *, const struct iovec *, int count);
/* `more`: further bytes follow at once (MSG_MORE). Mapped files may be among the vectors:
 * ERR_CHANGED if the first bytes of all are theirs and cannot be read any more. */
ssize_t env_tcp_writev(struct env_tcp *, const struct iovec *, int count, bool more);
void env_tcp_local(struct env_tcp *, struct endpoint *out);
void env_tcp_remote(struct env_tcp *, struct endpoint *out);
void env_tcp_close(struct env_tcp *);

/* accepted() gives the connection away: set its events, or close it. Port 0: the system chooses;
 * see env_listener_local. ERR_EXISTS if the port is taken. An IPv6 listener takes IPv6 only. */
int env_tcp_listen(struct env *, const struct endpoint *at, const struct env_tcp_options *,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out);
void env_listener_local(struct env_listener *, struct endpoint *out);
void env_listener_close(struct env_listener *);

/* ---- UDP ----------------------------------------------------------------------------------- */

/* A socket opened at a multicast group belongs to it on every interface that is up, can multicast
 * and has an address of its family (the options' device or address alone, if they name one), hears
 * nothing else, and shares its port with others of this machine. What it sends to a multicast
 * address without a scope leaves once on each of those interfaces, for one hop, and comes to this
 * machine's own members too. Interfaces that appear later are joined by opening anew. */
struct env_udp;
struct env_datagram {
    struct endpoint peer;
    void *data;
    size_t size; /* in: room (receive) or length (send); out: length */
    /* Out, on bulk sockets only: `data` holds several datagrams of so many bytes each, of which the
     * last may be shorter. 0: it holds one. */
    size_t segment;
};
int env_udp_open(struct env *, const struct endpoint *at, const struct env_tcp_options *,
    void (*readable)(void *user), void *user, struct env_udp **out);
void env_udp_local(struct env_udp *, struct endpoint *out);
/* Fills up to `count` datagrams; how many were. ERR_AGAIN if none. */
int env_udp_receive(struct env_udp *, struct env_datagram *, int count);
/* How many were sent; those that the kernel refuses are dropped silently, as the network would. */
int env_udp_send(struct env_udp *, const struct env_datagram *, int count);

/* Bulk: a socket that carries streams. From now on its buffers are large; what it sends may be cut
 * up on the way (no path MTU is learnt behind our back); and where the system can, received
 * datagrams come several at a time (see `segment`), for which each needs ENV_UDP_BULK_ROOM. */
#define ENV_UDP_BULK_ROOM 65536u
void env_udp_bulk(struct env_udp *);

/* Datagrams of one size to one destination, sent by one call where the system can. */
struct env_udp_run {
    struct endpoint peer;
    struct iovec *iov; /* none crosses from one datagram into the next */
    int iov_count;
    size_t segment;     /* bytes of each datagram, of which the last may be shorter */
    bool dont_fragment; /* a probe of the path's MTU: sent whole or not at all */
    size_t sent;        /* in: 0; in and out: datagrams that are on their way */
    int error;          /* out: ERR_LIMIT if this machine knows that they are too large, else 0 */
};
/* How many runs, from the first, are done with: sent, refused as too large, or dropped silently as
 * the network would. Fewer than `count`: the system's buffer is full; call again later with the
 * rest, `sent` as it stands. */
int env_udp_send_runs(struct env_udp *, struct env_udp_run *, int count);
void env_udp_close(struct env_udp *);

/* ---- names and addresses ------------------------------------------------------------------- */

#define ENV_RESOLVE_MAX 16 /* addresses of one name that are looked at */
struct env_resolve;
/* done() gets 0 and at least one endpoint (with `port`), or an error and none. */
int env_resolve_start(struct env *, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out);
void env_resolve_cancel(struct env_resolve *);

/* This machine's own unicast addresses (up interfaces; loopback included), port 0. How many, at
 * most `max`. */
size_t env_local_addresses(struct env *, struct endpoint *out, size_t max);

/* A network that this machine is directly on: loopback is none. */
struct env_network {
    struct endpoint address; /* this machine's, port 0 */
    uint8_t prefix_bits;     /* of the network, 0 to 32 or 128 */
};
size_t env_local_networks(struct env *, struct env_network *out, size_t max);
/* The routers that lead out, port 0, the one preferred first. How many, at most `max`. */
size_t env_gateways(struct env *, struct endpoint *out, size_t max);

/* An interface by name. 0: there is none; another number than before: it was made anew, and what
 * was bound to the old one is dead. */
unsigned env_device_index(struct env *, const char *device);
/* As env_local_addresses, of one interface. */
size_t env_device_addresses(struct env *, const char *device, struct endpoint *out, size_t max);

/* Tells when addresses, interfaces or routes have changed; several calls for one change are
 * usual. ERR_UNSUPPORTED, ERR_LIMIT, ERR_NOMEM: then nobody tells. */
struct env_network_watch;
int env_network_watch_start(
    struct env *, void (*changed)(void *user), void *user, struct env_network_watch **out);
void env_network_watch_stop(struct env_network_watch *);

/* ---- UPnP-IGD: a port on the home router --------------------------------------------------- */

#define ENV_UPNP_URL_MAX 256u
struct env_upnp;
struct env_upnp_request {
    struct endpoint router; /* the only host whose description and commands are used; port 0 */
    struct endpoint local;  /* our address on its network, port 0 */
    uint16_t port;          /* of ours: TCP and UDP are mapped, or let go */
    uint16_t external_tcp, external_udp; /* the router's ports that are wished for, or let go */
    uint32_t lifetime;                   /* seconds; 0: lets go */
    char description[ENV_UPNP_URL_MAX];  /* where the last result found it; "": it is searched */
};
struct env_upnp_result {
    struct endpoint external;            /* the router's outer address, port 0; or ADDR_NONE */
    uint16_t external_tcp, external_udp; /* that it gave; 0: it did not */
    uint32_t lifetime;                   /* 0: until the router forgets */
    char description[ENV_UPNP_URL_MAX];
};
/* Takes up to half a minute with a router that dawdles. done() gets 0 if one of the two was mapped
 * (or let go), ERR_NOT_FOUND if the router does not speak it, ERR_REFUSED, ERR_NETWORK.
 * ERR_UNSUPPORTED, ERR_LIMIT, ERR_NOMEM. */
int env_upnp_start(struct env *, const struct env_upnp_request *,
    void (*done)(void *user, int err, const struct env_upnp_result *), void *user,
    struct env_upnp **out);
/* No callback follows; what is under way with the router ends by itself, unseen. */
void env_upnp_cancel(struct env_upnp *);

/* ---- HTTP client --------------------------------------------------------------------------- */

struct env_http;
struct ip_ranges;
struct env_http_proxy {
    bool socks5; /* else HTTP */
    struct endpoint at;
    const char *user, *password; /* NULL: no login */
};
struct env_http_request {
    const char *url;         /* http or https only */
    const char *user_agent;  /* NULL: none */
    enum addr_source source; /* judged for every address and every redirect */
    uint64_t range_first;    /* with range_size > 0: bytes=first-(first+size-1) */
    uint64_t range_size;
    uint64_t body_max; /* more is an error: ERR_LIMIT */
    usec timeout;      /* whole exchange without progress for this long: ERR_TIMEOUT */
    const struct env_tcp_options *tcp; /* binding, of connections to the proxy if there is one */
    /* All goes through it, names too: no address is looked up, none but the proxy contacted. */
    const struct env_http_proxy *proxy;
    bool numeric_only;         /* a name would have to be looked up where the binding does not hold:
                                  ERR_BLOCKED */
    struct ip_ranges *blocked; /* these addresses are not contacted; sealed; held while needed */
};
struct env_http_events {
    /* Body bytes in order; status is the final response's (after redirects). Return false to stop:
     * done() then gets ERR_CANCELLED. */
    bool (*body)(void *user, int status, struct bytes chunk);
    /* The end: 0 and the HTTP status, or an error (status 0 if there was none). `detail` is a short
     * English clause for people, "" if nothing more is known. The handle is gone afterwards. */
    void (*done)(void *user, int err, int status, const char *detail);
};
int env_http_start(struct env *, const struct env_http_request *, const struct env_http_events *,
    void *user, struct env_http **out);
/* No callback follows. */
void env_http_cancel(struct env_http *);
/* Lets the body rest (back-pressure) and go on. */
void env_http_pause(struct env_http *, bool paused);

/* ---- work that blocks ---------------------------------------------------------------------- */

/* Intrusive: embed it, allocate nothing. run() is called on a worker, then done() on the loop. A
 * job cannot be taken back; give it a flag of yours. */
struct env_job {
    void (*run)(struct env_job *);
    void (*done)(struct env_job *);
    struct env_job *next; /* env's */
};
enum env_lane {
    ENV_LANE_DATA,      /* a peer or a reader waits for it */
    ENV_LANE_BACKGROUND /* recheck, creation, moving: yields to the other lane */
};
void env_submit(struct env *, enum env_lane, struct env_job *);
/* How many jobs can run at once. */
unsigned env_worker_count(struct env *);

/* ---- disk: blocking, thread-safe, for the inside of jobs ----------------------------------- */

struct env_dir; /* an open folder; everything below is reached relative to it */

enum env_open {
    ENV_OPEN_READ = 0,
    ENV_OPEN_WRITE = 1,    /* read and write */
    ENV_OPEN_CREATE = 2,   /* with WRITE: make it and its folders if they are not there */
    ENV_OPEN_EXCLUSIVE = 4 /* with CREATE: ERR_EXISTS if it is there */
};
struct env_stat {
    uint64_t size;
    int64_t mtime_ns;
    uint64_t device, inode;
    uint64_t allocated; /* bytes on the disk: smaller than size for sparse files */
    uint32_t links;
    bool is_folder, is_file, is_symlink, executable;
};

/* `path` absolute or relative to the process. With `create`, makes it (and its parents). The handle
 * is counted: env_dir_close drops it. ERR_ABSENT if it is not there, ERR_PERMISSION, ERR_NOT... */
int env_dir_open(struct env *, const char *path, bool create, struct env_dir **out);
void env_dir_close(struct env_dir *);
/* The path without links, "." and "..", malloc'd. ERR_NOT_FOUND, ERR_PERMISSION, ERR_NOMEM. */
int env_real_path(struct env *, const char *path, char **out);
/* Identity of the folder's volume and inode, to tell "absent" from "empty" (device 0 never occurs).
 */
int env_dir_stat(struct env_dir *, struct env_stat *out);
int env_dir_free_space(struct env_dir *, uint64_t *bytes_out);

/* All paths below are relative, '/'-separated, already sanitised (format/path.h), and are resolved
 * beneath the folder: no component may be a symlink or lead out (RESOLVE_BENEATH,
 * RESOLVE_NO_SYMLINKS): ERR_UNSAFE_PATH. */
int env_file_open(struct env_dir *, const char *path, unsigned flags, struct env_file **out);
void env_file_close(struct env_file *); /* may be called on the loop: a worker closes it then */
/* All of it, or an error: short reads at the end of a file are ERR_CHANGED; short writes are
 * carried on until the kernel says why. */
int env_file_preadv(struct env_file *, const struct iovec *, int count, uint64_t offset);
int env_file_pwritev(struct env_file *, const struct iovec *, int count, uint64_t offset);
/* Makes the data durable (fdatasync). */
int env_file_sync(struct env_file *);
int env_file_stat(struct env_file *, struct env_stat *out);
int env_file_truncate(struct env_file *, uint64_t size);
/* Reserves room without changing the size that readers see beyond it (fallocate KEEP_SIZE);
 * ERR_UNSUPPORTED where the file system cannot. */
int env_file_allocate(struct env_file *, uint64_t offset, uint64_t size);
int env_file_set_executable(struct env_file *);
/* Asks for a range to be read into the page cache and waits until it is. */
int env_file_warm(struct env_file *, uint64_t offset, uint64_t size);
/* Asks for a range to be read into the page cache soon, and does not wait. */
void env_file_ahead(struct env_file *, uint64_t offset, uint64_t size);
/* Is all of a range in the page cache, as far as can be told at once? False may only mean that the
 * system does not say. May be called on the loop. */
bool env_file_is_warm(struct env_file *, uint64_t offset, uint64_t size);

/* A range of a file as memory, for env_tcp_writev and for nobody else: the kernel copies straight
 * out of the page cache and finds out by itself if the file was cut meanwhile, where a read of ours
 * would be a SIGBUS. Outlives the file's handle; stands until env_unmap. A write may block if the
 * range is not in the page cache: warm it with a job first. May be called on the loop. ERR_LIMIT
 * (too many stand), ERR_CHANGED (the file is shorter), ERR_UNSUPPORTED, ERR_NOMEM. */
struct env_mapping {
    const uint8_t *data; /* the range's first byte */
    const struct env_ops *ops;
    void *base; /* env's */
    size_t size;
    void *owner;
};
int env_file_map(struct env_file *, uint64_t offset, size_t size, struct env_mapping *out);
void env_unmap(struct env_mapping *);

/* A range of a file as memory that a job reads itself, where that is allowed and cheaper than
 * copying it out: worth it from VIEW_WORTH bytes on. Its pages come in as they are read. Belongs to
 * the thread that made it, and stands where it is (`view` must not move) until env_view_end;
 * outlives the file's handle. ERR_UNSUPPORTED: read instead. ERR_CHANGED (the file is shorter),
 * ERR_IO, ERR_NOMEM. */
#define VIEW_WORTH ((size_t)128 << 10)
struct env_view {
    const uint8_t *data; /* the range's first byte */
    const struct env_ops *ops;
    void *base; /* env's, all below */
    size_t size;
    volatile bool torn;
    struct env_view *next;
};
int env_file_view(struct env_file *, uint64_t offset, size_t size, struct env_view *out);
/* 0, or ERR_CHANGED: some of what was read was zeros, because the file was cut meanwhile or its
 * disk failed; reading the file tells which. */
int env_view_end(struct env_view *);
/* The next range with data at or after `from` (SEEK_DATA/SEEK_HOLE); ERR_NOT_FOUND past the last.
 */
int env_file_next_data(struct env_file *, uint64_t from, uint64_t *start, uint64_t *end);

int env_path_stat(
    struct env_dir *, const char *path, struct env_stat *out); /* does not follow links */
int env_path_rename(struct env_dir *from_dir, const char *from, struct env_dir *to_dir,
    const char *to); /* never replaces: ERR_EXISTS; ERR_UNSUPPORTED across volumes */
int env_path_unlink(struct env_dir *, const char *path);
int env_path_remove_folder(struct env_dir *, const char *path); /* only if empty: else ERR_EXISTS */
int env_path_make_folder(struct env_dir *, const char *path);   /* and its parents; fine if there */
int env_path_symlink(struct env_dir *, const char *path, const char *target);
int env_path_readlink(struct env_dir *, const char *path, char *out, size_t size);
int env_dir_sync(struct env_dir *, const char *path); /* makes names durable */
/* Calls `each` for every entry (not "." and ".."), in any order, until it returns false. */
enum env_entry { ENV_ENTRY_FILE, ENV_ENTRY_FOLDER, ENV_ENTRY_SYMLINK, ENV_ENTRY_SPECIAL };
int env_path_list(struct env_dir *, const char *path,
    bool (*each)(void *user, const char *name, enum env_entry), void *user);

/* ---- the loop, as its owner sees it (node/ and the embedder) ------------------------------- */

void env_loop_wake(struct env *); /* from any thread: makes a blocked loop turn once */

#endif
