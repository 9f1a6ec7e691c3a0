/* Inside the simulated world: what its files share. The world owns time, the event queue and the
 * hosts; a host owns its links, ports, volumes and the envs it has had (one for each life); an env
 * owns the handles that the node opened through it. Only src/env/sim includes this. */
#ifndef KITH_ENV_SIM_WORLD_H
#define KITH_ENV_SIM_WORLD_H

#include "base/list.h"
#include "base/map.h"
#include "env/ops.h"
#include "env/sim/link.h"
#include "env/sim/queue.h"
#include "env/sim/rng.h"
#include "env/sim/sim.h"

struct sim_http_route;
struct sim_name;

/* The misfortunes that a world deals out have a stream of draws each. */
enum sim_stream {
    SIM_STREAM_NET,
    SIM_STREAM_SCRIPT,
    SIM_STREAM_RANDOM,
    SIM_STREAM_LOOP,
    SIM_STREAM_DISK,
    SIM_STREAM_PAIR,
    SIM_STREAM_MAP,
    SIM_STREAM_TCP,
    SIM_STREAM_NAT
};

struct sim_world {
    struct sim_config config;
    usec now;
    struct sim_queue queue;
    uint64_t digest, event_count;
    struct sim_host **hosts;
    uint32_t host_count;
    struct sim_nat **nats;
    uint32_t nat_count;
    struct sim_host *firing; /* whose event is being fired */
    struct sim_host *fired;  /* whose was the last */
    struct sim_rng net_rng, script_rng;
    struct map *routes;         /* network and address -> who owns it (net.c) */
    struct map *paths;          /* pair of hosts -> struct sim_path (net.c) */
    struct list_link conns;     /* every TCP connection (conn.c) */
    struct list_link datagrams; /* every datagram in flight (udp.c) */
    struct list_link scripts;   /* what sim_world_at left to do */
    size_t script_count;
    struct sim_name *names;         /* names.c */
    struct sim_http_route *servers; /* http.c */
    uint64_t second, second_events; /* the world's own, for the livelock bound */
    char complaint[256];
};

struct sim_address {
    struct endpoint ip; /* port 0 */
    char device[16];
};

struct sim_disk; /* disk.h */

struct sim_host {
    struct sim_world *world;
    uint32_t number;
    char *name;
    struct sim_host_config config;
    struct sim_address addresses[SIM_HOST_ADDRESSES_MAX];
    size_t address_count;
    unsigned island;
    struct sim_link up, down, loop;
    struct sim_env *env;    /* this life; NULL while down */
    struct sim_env **lives; /* all envs there were: a dead node may still close its handles */
    uint32_t life_count;
    usec sleep_began, wakes_at; /* the last suspension */
    usec slept;                 /* in all suspensions before it */
    int64_t wall_clock_ahead;   /* seconds */
    bool powered;               /* its kernel answers; false after a power loss */
    bool crash_pending;
    enum sim_crash crash_kind;
    uint16_t next_port;
    struct list_link listeners, udps; /* what is bound (listen.c, udp.c) */
    struct sim_rng loop_rng, tcp_rng;
    struct sim_disk *disk;
    struct sim_host_stats stats;
    uint64_t second, second_events;
};

/* What all handles begin with (ops first: env.c dispatches through it). */
struct sim_handle_kind;
struct sim_handle {
    const struct env_ops *ops;
    const struct sim_handle_kind *kind;
    struct sim_env *env;
    struct list_link link; /* in env->handles */
    bool busy;             /* inside a callback of its own: freeing waits */
    bool closed;           /* the node has let go of it */
};
struct sim_handle_kind {
    /* The node died: stop all events, let go of the world; the handle itself stays for close. */
    void (*crash)(struct sim_handle *, enum sim_crash);
    /* Free the memory; nothing of the world points to it any more. */
    void (*destroy)(struct sim_handle *);
};

struct sim_jobs {                       /* jobs.c */
    struct env_job *first[2], *last[2]; /* a queue for each lane */
    size_t count[2];
    unsigned busy;
    struct sim_event dispatch;
    struct list_link working;
};

struct sim_env {
    const struct env_ops *ops;
    struct sim_host *host;
    bool alive;
    struct list_link handles;
    struct sim_event wake, loop_wake;
    void (*wake_call)(void *user, usec now);
    void *wake_user;
    struct sim_rng random;
    struct sim_jobs jobs;
    usec *job_clock; /* inside a job's run(): when its work so far will be done; else NULL */
};

static inline bool sim_asleep(const struct sim_host *host)
{
    return host->world->now < host->wakes_at;
}

extern const struct env_ops sim_ops;

static inline struct sim_env *sim_env_of(struct env *env)
{
    return (struct sim_env *)(void *)env;
}
static inline struct env *sim_env_face(struct sim_env *env)
{
    return (struct env *)(void *)env;
}

/* ---- memory: zeroed, or the process ends --------------------------------------------------- */
void *sim_alloc(size_t size);
void *sim_realloc(void *old, size_t size);
char *sim_dup(const char *text);

/* ---- events -------------------------------------------------------------------------------- */
static inline void sim_event_init(
    struct sim_event *e, const char *what, struct sim_host *host, void (*fire)(struct sim_event *))
{
    *e = (struct sim_event){.what = what, .host = host, .fire = fire};
}
/* The same for what the node does, not the network. */
static inline void sim_node_event_init(
    struct sim_event *e, const char *what, struct sim_host *host, void (*fire)(struct sim_event *))
{
    *e = (struct sim_event){.what = what, .host = host, .fire = fire, .of_node = true};
}
/* Not before now. */
void sim_schedule(struct sim_world *, struct sim_event *, usec at);
void sim_unschedule(struct sim_world *, struct sim_event *);
/* Folds a fact into the digest, and shows it to the trace. */
void sim_record(struct sim_world *, struct sim_host *, const char *what, uint64_t a, uint64_t b);
/* A fingerprint of bytes for sim_record: fast, not cryptographic. */
uint64_t sim_fingerprint(const void *data, size_t size);

/* ---- handles (host.c) ---------------------------------------------------------------------- */
void sim_handle_open(struct sim_handle *, const struct sim_handle_kind *, struct sim_env *);
/* Frees it, now or when its callback returns. */
void sim_handle_close(struct sim_handle *);
/* Around every callback of a handle; leave() says whether it is still there. */
static inline void sim_handle_enter(struct sim_handle *h)
{
    h->busy = true;
}
bool sim_handle_leave(struct sim_handle *h);

/* ---- the parts of an env's life that other files do ---------------------------------------- */
void sim_jobs_init(struct sim_env *);
void sim_jobs_crash(struct sim_env *);
void sim_crash_now(struct sim_host *, enum sim_crash);
void sim_names_free(struct sim_world *);
void sim_http_free(struct sim_world *);
void sim_conns_lose_power(struct sim_env *);
void sim_conns_free(struct sim_world *);
void sim_datagrams_free(struct sim_world *);

#endif
