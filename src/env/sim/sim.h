/* A deterministic simulated world behind env.h: virtual time, a modelled network, modelled disks.
 *
 * One world holds many hosts; each host that is up offers one `struct env`, on which a node, or a
 * test's own state machine, runs unchanged. Nothing here reads a clock, opens a socket or starts a
 * thread: the whole run is a function of `struct sim_config` (with its one seed) and of what the
 * nodes do. sim_world_digest proves that two runs were the same run.
 *
 * For tests/ and sim/ only; never linked into kith. Memory that runs out aborts: a simulation
 * without memory has nothing to say. All times are virtual microseconds since the world began,
 * unless a comment says "host clock" (env_now: the world's time plus the host's clock_start). */
#ifndef KITH_ENV_SIM_SIM_H
#define KITH_ENV_SIM_SIM_H

#include "env/env.h"

struct sim_world;
struct sim_host;
struct sim_nat;
struct sim_volume;

/* ---- the world ----------------------------------------------------------------------------- */

/* Start from sim_config_calm or sim_config_rough and change what the scenario is about.
 * Probabilities are 0 to 1. Every draw comes from `seed`. */
struct sim_config {
    uint64_t seed;
    int64_t start_unix; /* what env_time_unix says at virtual time 0 */

    /* Paths between hosts. A pair's one-way latency is drawn once between the two bounds. */
    usec latency_min, latency_max;
    usec jitter_max;      /* added to each packet, drawn evenly from 0 */
    double packet_loss;   /* per packet of 1448 bytes: UDP loses it, TCP repairs it late */
    double udp_duplicate; /* that a datagram arrives twice */
    double udp_reorder;   /* that a datagram is held back by up to udp_reorder_max */
    usec udp_reorder_max;

    /* TCP's ways of failing. */
    double connect_refuse;  /* that a dial is refused although somebody listens */
    double connect_silence; /* that a dial is never answered */
    double tcp_reset;       /* per segment, that a reset hits both ends */
    double tcp_silence;     /* per segment, that the connection falls silent for ever (half open) */
    double read_split;      /* that a readv gives only a part of what is there */
    double write_split;     /* that a writev takes only a part of what would fit */
    usec connect_timeout;   /* a dial without any answer ends with ERR_TIMEOUT */
    usec stall_timeout;     /* a stream that cannot deliver for so long ends with ERR_NETWORK */
    uint32_t send_buffer_bytes, receive_buffer_bytes; /* of each socket */
    bool send_buffer_tuned; /* it is two windows of the connection, up to that, as Linux has it */
    usec queue_max;         /* a downlink queue longer than this tells the senders to slow down */
    bool mapping_unsupported;

    uint32_t udp_buffer_bytes; /* each way, of each socket: more is dropped */
    uint32_t udp_size_max;     /* larger datagrams are dropped */

    /* Names and HTTP. */
    usec resolve_max;  /* an answer takes up to this long */
    usec http_latency; /* before the first byte of an answer */

    /* The loop and its workers. */
    usec turn; /* a level-triggered callback that is still due comes again this much later */
    usec wake_late_max;             /* env_wake_at fires up to this much late */
    uint64_t events_per_second_max; /* of one host; more is a livelock */
    usec job_time_max;              /* beside its disk calls, a job takes up to this long */
    bool shuffle_jobs; /* workers take jobs of a lane in any order, not first come first served */

    /* Disks. */
    usec disk_latency_min, disk_latency_max; /* of each call */
    usec disk_sync_max;                      /* a sync takes up to this much more */
    uint64_t disk_bytes_per_second;          /* shared by all workers of a host; 0: unlimited */

    /* Called for every event, if not NULL, to find the first difference of two runs. */
    void (*trace)(void *user, usec now, const char *host, const char *what, uint64_t a, uint64_t b);
    void *trace_user;
};

/* A home broadband world in which nothing fails: 10 to 40 ms, no loss. */
struct sim_config sim_config_calm(uint64_t seed);
/* The same world on a bad day: loss, jitter, reordering, splits, shuffled jobs; no deliberate
 * resets. */
struct sim_config sim_config_rough(uint64_t seed);

struct sim_world *sim_world_new(const struct sim_config *config);
/* Frees hosts, disks and every handle that is still open. Nodes must be freed before. */
void sim_world_free(struct sim_world *);
usec sim_world_now(const struct sim_world *);
/* Of everything that has happened so far: times, hosts, kinds, and the bytes moved. */
uint64_t sim_world_digest(const struct sim_world *);
uint64_t sim_world_event_count(const struct sim_world *);
/* Whose event was fired last; NULL: nobody's, as a script's. */
struct sim_host *sim_world_last(const struct sim_world *);

/* For a scenario's own decisions (whom to crash, when): from the seed, apart from all other draws.
 */
uint64_t sim_world_draw(struct sim_world *, uint64_t below);

/* Calls act(user) at `when`; the scenario's script. At most SIM_SCRIPT_MAX wait at a time. */
#define SIM_SCRIPT_MAX 65536
void sim_world_at(struct sim_world *, usec when, void (*act)(void *user), void *user);

enum sim_end {
    SIM_REACHED, /* the predicate became true */
    SIM_TIME_UP, /* the time came first */
    SIM_STUCK,   /* nothing will ever happen again, and the predicate is false */
    SIM_LIVELOCK /* a host had more events in one virtual second than events_per_second_max */
};
/* Runs until `reached(user)` (looked at before the first and after every event; NULL: never true)
 * or until virtual time `until` (NEVER: no bound), where the clock then stands. */
enum sim_end sim_world_run_until(
    struct sim_world *, usec until, bool (*reached)(void *user), void *user);
/* One line about the last end that was not SIM_REACHED: which, when, who. */
const char *sim_world_complaint(const struct sim_world *);

/* ---- hosts --------------------------------------------------------------------------------- */

#define SIM_HOST_ADDRESSES_MAX 8
#define SIM_MTU 1500u

struct sim_host_config {
    const char *name;                                    /* for traces; copied */
    const char *addresses[SIM_HOST_ADDRESSES_MAX];       /* "10.0.0.1", "2001:db8::1"; NULL ends */
    uint64_t up_bytes_per_second, down_bytes_per_second; /* shared by all flows; 0: unlimited */
    usec clock_start;                                    /* env_now at virtual time 0 */
    unsigned workers;                                    /* 0: 2 */
    unsigned sockets_max;                                /* 0: no bound; beyond it ERR_LIMIT */
    uint64_t disk_bytes;                                 /* size of the volume at "/"; 0: 1 TiB */
    unsigned lan; /* hosts of one number hear each other's multicasts; 0: none hears it */
    /* Of the access line, each way: one queue for all, as a home's modem has; what does not fit is
     * lost, and TCP slows down. 0: every flow has its fair share, and none waits for another. */
    uint64_t queue_bytes;
    unsigned mtu;        /* of its line, bytes with the IP header; 0: SIM_MTU */
    struct sim_nat *nat; /* its IPv4 addresses are behind this one; NULL: on the open network */
    void *user;          /* the experimenter's own: sim_host_user */
};

/* Up at once, with an empty disk. Loopback addresses come by themselves. */
struct sim_host *sim_host_new(struct sim_world *, const struct sim_host_config *);
void *sim_host_user(const struct sim_host *);
/* The world as the node on this host sees it; NULL while the host is down. */
struct env *sim_host_env(struct sim_host *);
/* The first address of that family, with `port`; ADDR_NONE if it has none. */
struct endpoint sim_host_endpoint(const struct sim_host *, enum addr_family, uint16_t port);
const char *sim_host_name(const struct sim_host *);

enum sim_crash {
    SIM_KILLED,    /* kill -9: the kernel lives on, closes the sockets and keeps its page cache */
    SIM_POWER_LOSS /* peers get silence; what was not synced is lost, torn or kept, by the seed */
};
/* The node is dead from now on: no callback of its env comes any more, every call on that env does
 * nothing and fails, handles may still be closed. May be called inside the host's own callbacks:
 * a crash then takes effect when that callback returns. */
void sim_host_crash(struct sim_host *, enum sim_crash);
/* A new env on the surviving disk. The host must be down. */
struct env *sim_host_restart(struct sim_host *);

/* A closed lid: the node does nothing, its monotonic clock rests, its network is silent; the wall
 * clock goes on. Afterwards everything that was due comes at once. */
void sim_host_suspend(struct sim_host *, usec duration);
/* The wall clock jumps (NTP, a user's hand, a time zone set wrong), forward or back. */
void sim_host_turn_wall_clock(struct sim_host *, int64_t seconds);

/* An interface of that name with that address appears, or goes away with its connections silent. */
void sim_host_add_address(struct sim_host *, const char *ip, const char *device);
void sim_host_remove_address(struct sim_host *, const char *ip);
void sim_host_set_rates(struct sim_host *, uint64_t up_bytes_per_second, uint64_t down);

struct sim_host_stats {
    uint64_t events;
    uint64_t bytes_sent, bytes_received; /* TCP payload and UDP */
    uint64_t datagrams_sent, datagrams_lost;
    uint64_t resets; /* that this host's connections saw */
    uint64_t jobs_run;
    uint64_t disk_calls_on_loop; /* outside of jobs: a real disk would block the loop */
    uint32_t sockets, files;     /* open now */
};
struct sim_host_stats sim_host_stats(const struct sim_host *);

/* ---- paths between hosts ------------------------------------------------------------------- */

/* One-way latency and loss of a pair, both ways, instead of the drawn ones. */
void sim_path_set(struct sim_host *, struct sim_host *, usec latency, double packet_loss);
/* The same for one direction; the other stays as it is. */
void sim_path_set_one_way(
    struct sim_host *from, struct sim_host *to, usec latency, double packet_loss);
/* Larger packets do not pass between the two, whatever their lines take: a tunnel on the way. */
void sim_path_set_mtu(struct sim_host *, struct sim_host *, unsigned mtu);
/* Silence between the two, or not. */
void sim_path_cut(struct sim_host *, struct sim_host *);
void sim_path_heal(struct sim_host *, struct sim_host *);
/* Hosts on different islands do not hear each other. All start on island 0. */
void sim_host_set_island(struct sim_host *, unsigned island);
/* All on island 0, no pair cut. Connections that fell silent by tcp_silence stay so. */
void sim_world_heal(struct sim_world *);
/* Resets every connection between the two (both ends see ERR_NETWORK); how many. */
unsigned sim_path_reset(struct sim_host *, struct sim_host *);
/* No more random misfortunes from now on: sets every network probability to 0 (liveness mode). */
void sim_world_calm_down(struct sim_world *);

/* ---- NATs ---------------------------------------------------------------------------------- */

/* Who is let in through a mapping that a packet from inside has made. */
enum sim_nat_kind {
    SIM_NAT_FULL_CONE,          /* everybody */
    SIM_NAT_ADDRESS_RESTRICTED, /* every port of the addresses that were spoken to */
    SIM_NAT_PORT_RESTRICTED,    /* only the endpoints that were spoken to */
    SIM_NAT_SYMMETRIC /* only the endpoint that was spoken to; another port for every one */
};
struct sim_nat_config {
    const char *name;       /* copied */
    const char *address;    /* its own on the outer side, IPv4 */
    struct sim_nat *behind; /* another NAT (a carrier's); NULL: the open network */
    enum sim_nat_kind kind;
    bool hairpin;      /* what those inside send to its own address comes back in */
    bool random_ports; /* a mapping's outer port is by lot; else the inner one, if it is free */
    usec udp_lifetime; /* of a mapping after the last packet that went out; 0: 2 minutes */
    usec tcp_lifetime; /* of a silent connection; 0: 2 h 4 min */
};
/* Hosts go behind it by sim_host_config.nat. Those behind one NAT are a LAN: 300 us, no loss. IPv6
 * is not touched. */
struct sim_nat *sim_nat_new(struct sim_world *, const struct sim_nat_config *);
/* As the owner's hand or port mapping does: UDP and TCP to this port go to `inner`, from anybody.
 */
void sim_nat_forward(struct sim_nat *, uint16_t outer_port, const struct endpoint *inner);
/* It restarts: mappings are gone, forwarded ports stay, connections through it are silent. */
void sim_nat_forget(struct sim_nat *);

/* ---- names and HTTP servers ---------------------------------------------------------------- */

/* The name has this address too. */
void sim_name_add(struct sim_world *, const char *name, const char *ip);
/* Asking for the name fails with `err`, negative; 0 heals. */
void sim_name_fail(struct sim_world *, const char *name, int err);

struct sim_http_request {
    const char *url, *user_agent; /* user_agent NULL: none */
    uint64_t range_first, range_size;
    struct sim_host *client;
    struct endpoint client_address; /* port 0 */
};
/* What a handler answers. Zeroed save status 200 when the handler gets it. */
struct sim_http_reply {
    int status;
    struct builder body;       /* heap, append to it; bounded by SIM_HTTP_BODY_MAX */
    const char *redirect;      /* static text: follow to this URL (up to SIM_HTTP_REDIRECTS_MAX) */
    usec delay;                /* before the answer begins; NEVER: silence until the timeout */
    int err;                   /* negative: the exchange fails so, after delay and break_after */
    const char *detail;        /* static text for done(); NULL: "" */
    uint64_t break_after;      /* with err: so many body bytes come first */
    uint64_t bytes_per_second; /* of the server; 0: as fast as the client's downlink */
};
#define SIM_HTTP_BODY_MAX ((size_t)256 << 20)
#define SIM_HTTP_REDIRECTS_MAX 10
/* Serves every URL that begins with `url_prefix`; the longest prefix wins; the same prefix again
 * replaces. Without any, a URL is ERR_REFUSED. */
void sim_http_serve(struct sim_world *, const char *url_prefix,
    void (*handler)(void *user, const struct sim_http_request *, struct sim_http_reply *),
    void *user);
/* For handlers: answers 200, 206 or 416 out of `content`, as a server that honours ranges. */
void sim_http_reply_content(
    struct sim_http_reply *, const struct sim_http_request *, struct bytes content);

/* ---- disks --------------------------------------------------------------------------------- */

/* Kinds of disk calls, to count them and to make them fail. */
enum sim_disk_call {
    SIM_DISK_ANY, /* every kind, counted together */
    SIM_DISK_DIR_OPEN,
    SIM_DISK_DIR_STAT,
    SIM_DISK_FREE_SPACE,
    SIM_DISK_DIR_SYNC,
    SIM_DISK_FILE_OPEN,
    SIM_DISK_READ,
    SIM_DISK_WRITE,
    SIM_DISK_SYNC,
    SIM_DISK_FILE_STAT,
    SIM_DISK_TRUNCATE,
    SIM_DISK_ALLOCATE,
    SIM_DISK_SET_EXECUTABLE,
    SIM_DISK_WARM,
    SIM_DISK_NEXT_DATA,
    SIM_DISK_PATH_STAT,
    SIM_DISK_RENAME,
    SIM_DISK_UNLINK,
    SIM_DISK_REMOVE_FOLDER,
    SIM_DISK_MAKE_FOLDER,
    SIM_DISK_SYMLINK,
    SIM_DISK_READLINK,
    SIM_DISK_LIST,
    SIM_DISK_MAP,
    SIM_DISK_CALLS /* how many kinds */
};
const char *sim_disk_call_name(enum sim_disk_call);

/* A misfortune that waits for its call. Calls are counted from the moment it is added. */
struct sim_disk_fault {
    enum sim_disk_call call;
    const char *path;       /* only calls whose absolute path begins so (copied); NULL: all */
    uint64_t nth;           /* the first call that is hit, from 1 */
    uint64_t times;         /* how many in a row are hit; SIM_FOREVER */
    int error;              /* an errno (ENOSPC, EIO, ...); 0: the call only hangs, then succeeds */
    uint64_t written_bytes; /* SIM_DISK_WRITE: a short write, so many bytes get through first */
    usec hang;              /* the call takes this much longer; NEVER: it never returns */
    bool crash;             /* the host crashes at this call, which has no effect, ... */
    enum sim_crash crash_kind; /* ... in this way */
};
#define SIM_FOREVER UINT64_MAX
#define SIM_DISK_FAULTS_MAX 16 /* on one host */
/* Its number, for sim_disk_fault_hits; ERR_LIMIT. */
int sim_disk_fault_add(struct sim_host *, const struct sim_disk_fault *);
uint64_t sim_disk_fault_hits(const struct sim_host *, int fault);
void sim_disk_fault_clear(struct sim_host *);
/* How many calls of that kind the host has made since it was created. */
uint64_t sim_disk_calls(const struct sim_host *, enum sim_disk_call);

/* Another volume, mounted at a folder (which is made). Its device number differs. */
struct sim_volume *sim_volume_mount(struct sim_host *, const char *path, uint64_t size_bytes);
/* The volume at "/". */
struct sim_volume *sim_host_volume(struct sim_host *);
enum sim_vanish {
    SIM_VANISH_EMPTY_FOLDER, /* as umount: the mount point is there, empty, on the other device */
    SIM_VANISH_NO_FOLDER     /* as a desktop's automounter: the mount point is gone too */
};
/* Open handles on it get ERR_ABSENT from now on, also after its return. */
void sim_volume_vanish(struct sim_volume *, enum sim_vanish);
void sim_volume_return(struct sim_volume *);
void sim_volume_set_size(struct sim_volume *, uint64_t size_bytes);
uint64_t sim_volume_used(const struct sim_volume *);
enum sim_access { SIM_READ_WRITE, SIM_READ_ONLY };
void sim_volume_set_access(struct sim_volume *, enum sim_access);

/* The experimenter's own hands: no faults, no counting, no virtual time, durable at once. Absolute
 * paths without symlinks. */
int sim_disk_put(struct sim_host *, const char *path, struct bytes content); /* makes folders */
int sim_disk_get(struct sim_host *, const char *path, struct builder *out);  /* appends */
int sim_disk_stat(struct sim_host *, const char *path, struct env_stat *out);
int sim_disk_remove(struct sim_host *, const char *path);
/* Flips one bit on the platter and in the cache; size and times stay: bit rot. */
int sim_disk_rot(struct sim_host *, const char *path, uint64_t offset);
/* How many 4 KiB pages hold writes that were not synced. */
uint64_t sim_disk_dirty_pages(const struct sim_host *);

#endif
