/* Inside env/uv only: the real world's state, and the functions that each file gives to the table
 * in loop.c. One file a part of env.h: tcp.c, listen.c, udp.c, resolve.c, http.c, workers.c, and
 * disk.c + page_cache.c + view.c + beneath.c + path.c, which know nothing of the loop. */
#ifndef KITH_ENV_UV_REAL_H
#define KITH_ENV_UV_REAL_H

#include "base/heap.h"
#include "base/list.h"
#include "env/ops.h"
#include "env/uv/disk.h"
#include "env/uv/uv_env.h"
#include <uv.h>

/* Turns that one uv_env_process may take before it gives the thread back: a change of interest made
 * inside a turn reaches the kernel only in the next one. */
#define REAL_TURNS_PER_PROCESS_MAX 4
/* The part of RLIMIT_NOFILE that sockets leave to files, the database and the embedder: 1/4. */
#define REAL_DESCRIPTORS_KEPT_SHARE 4
/* Connections taken from one listener in one turn. */
#define REAL_ACCEPTS_PER_TURN_MAX 64
/* How long a listener rests when not even the reserve descriptor helped. */
#define REAL_ACCEPT_REST MSECS(200)
/* Datagrams moved by one system call. */
#define REAL_UDP_BATCH 32

struct real_workers;
struct real_resolver;
struct real_http_client;

struct real_env {
    const struct env_ops *ops; /* first: env.c */
    uv_loop_t loop;
    uv_async_t async;         /* completions of jobs and resolves; env_loop_wake */
    uv_prepare_t before_poll; /* the clock is read anew after each wait */
    uv_timer_t block_limit;   /* ends a blocking turn at the next deadline */

    usec now; /* valid until now_stale */
    bool now_stale;
    struct timer_heap timers; /* all deadlines: the node's, HTTP's, resting listeners' */
    size_t timer_owners;      /* the heap has room for so many */
    struct timer wake;
    void (*wake_call)(void *user, usec now);
    void *wake_user;

    bool in_turn;
    bool touched; /* the loop has news that the kernel has not been told yet */
    int poll_fd;  /* exported: epoll over the loop's descriptor and timer_fd; -1 until asked for */
    int timer_fd;
    usec timer_fd_deadline; /* what timer_fd is armed to; NEVER: disarmed */

    unsigned descriptors, descriptors_max; /* sockets open; bound */
    int reserve_fd; /* given up for a moment to refuse a connection when descriptors run out */

    struct real_disk disk;
    struct real_workers *workers;
    struct real_resolver *resolver;
    struct real_http_client *http; /* made by the first request */
    unsigned http_max;
    struct list_link upnps; /* under way */
};

static inline struct real_env *real_env_of(struct env *e)
{
    return (struct real_env *)e;
}

/* loop.c */
usec real_now(struct real_env *);
/* To be called after any change to a libuv handle or a timer: an exported descriptor then becomes
 * readable, because libuv tells the kernel only during a turn. */
void real_touch(struct real_env *);
/* Arms a timer of the env's heap, whose room was reserved with real_timer_enter. */
void real_timer_set(struct real_env *, struct timer *, usec deadline);
/* One more timer may be armed from now on, until its owner leaves. ERR_NOMEM. */
int real_timer_enter(struct real_env *);
void real_timer_leave(struct real_env *, struct timer *);

/* Counts a socket against the budget: false when it is used up. */
bool real_descriptor_take(struct real_env *);
void real_descriptor_give(struct real_env *);

/* tcp.c */
int real_tcp_connect(struct env *, const struct endpoint *, const struct env_tcp_options *,
    const struct env_tcp_events *, void *, struct env_tcp **);
/* Wraps a connected, non-blocking descriptor, already counted. Takes it over even on failure. */
int real_tcp_adopt(struct real_env *, int fd, struct env_tcp **out);
void real_tcp_set_events(struct env_tcp *, const struct env_tcp_events *, void *);
void real_tcp_want(struct env_tcp *, bool, bool);
void real_tcp_expect(struct env_tcp *, size_t);
ssize_t real_tcp_readv(struct env_tcp *, const struct iovec *, int);
ssize_t real_tcp_writev(struct env_tcp *, const struct iovec *, int, bool);
void real_tcp_local(struct env_tcp *, struct endpoint *);
void real_tcp_remote(struct env_tcp *, struct endpoint *);
void real_tcp_close(struct env_tcp *);

/* listen.c */
int real_tcp_listen(struct env *, const struct endpoint *, const struct env_tcp_options *,
    void (*)(void *, struct env_tcp *, const struct endpoint *), void *, struct env_listener **);
void real_listener_local(struct env_listener *, struct endpoint *);
void real_listener_close(struct env_listener *);

/* udp.c */
int real_udp_open(struct env *, const struct endpoint *, const struct env_tcp_options *,
    void (*)(void *), void *, struct env_udp **);
void real_udp_local(struct env_udp *, struct endpoint *);
int real_udp_receive(struct env_udp *, struct env_datagram *, int);
int real_udp_send(struct env_udp *, const struct env_datagram *, int);
void real_udp_bulk(struct env_udp *);
int real_udp_send_runs(struct env_udp *, struct env_udp_run *, int);
void real_udp_close(struct env_udp *);

/* network.c */
size_t real_local_networks(struct env *, struct env_network *, size_t);
size_t real_gateways(struct env *, struct endpoint *, size_t);
unsigned real_device_index(struct env *, const char *);
size_t real_device_addresses(struct env *, const char *, struct endpoint *, size_t);
int real_network_watch_start(struct env *, void (*)(void *), void *, struct env_network_watch **);
void real_network_watch_stop(struct env_network_watch *);

/* upnp.c */
/* Hands finished exchanges to their askers; lets go of those that are not. */
void real_upnp_reap(struct real_env *);
void real_upnp_abandon(struct real_env *);
int real_upnp_start(struct env *, const struct env_upnp_request *,
    void (*)(void *, int, const struct env_upnp_result *), void *, struct env_upnp **);
void real_upnp_cancel(struct env_upnp *);

/* resolve.c */
int real_resolver_new(struct real_env *, struct real_resolver **out);
void real_resolver_free(struct real_resolver *);
/* Hands finished look-ups to their askers. */
void real_resolver_reap(struct real_resolver *);
int real_resolve_start(struct env *, const char *, uint16_t,
    void (*)(void *, int, const struct endpoint *, size_t), void *, struct env_resolve **);
void real_resolve_cancel(struct env_resolve *);

/* http.c */
void real_http_free(struct real_http_client *);
/* Hands finished exchanges to their askers. */
void real_http_reap(struct real_http_client *);
int real_http_start(struct env *, const struct env_http_request *, const struct env_http_events *,
    void *, struct env_http **);
void real_http_cancel(struct env_http *);
void real_http_pause(struct env_http *, bool);

#endif
