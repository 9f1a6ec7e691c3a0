/* The loop of the real world: one uv_loop_t per env, its clock, its deadlines, its exported
 * descriptor, and the table that makes it a struct env. No socket and no file is touched here.
 *
 * A turn is: wait (or not), let libuv call the handlers of ready descriptors and finished jobs,
 * then fire the deadlines that have passed. Deadlines are not uv_timer_t: libuv 1.44 runs a timer
 * again in the same pass when it is re-armed for "now", and would never come back from it. */
#include "base/list.h"
#include "env/uv/real.h"
#include "env/uv/socket.h"
#include "env/uv/workers.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* ---- clock and randomness ------------------------------------------------------------------ */

static usec read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return SECONDS(t.tv_sec) + t.tv_nsec / 1000;
}

usec real_now(struct real_env *e)
{
    if (e->now_stale) {
        e->now = read_clock();
        e->now_stale = false;
    }
    return e->now;
}

static usec env_now_op(struct env *env)
{
    struct real_env *e = real_env_of(env);
    /* Between turns nobody marks the time stale, and an embedder may have slept for hours. */
    if (!e->in_turn)
        e->now_stale = true;
    return real_now(e);
}

static int64_t env_time_unix_op(struct env *env)
{
    (void)env;
    return (int64_t)time(NULL);
}

static void env_random_op(struct env *env, void *out, size_t size)
{
    (void)env;
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        /* Without randomness no key and no transaction id is safe: there is no going on. */
        if (got <= 0)
            abort();
        at += got;
        size -= (size_t)got;
    }
}

static void arm_timer_fd(struct real_env *e, usec deadline);

/* ---- deadlines ----------------------------------------------------------------------------- */

int real_timer_enter(struct real_env *e)
{
    int err = timer_heap_reserve(&e->timers, e->timer_owners + 1);
    if (err == 0)
        e->timer_owners++;
    return err;
}

void real_timer_leave(struct real_env *e, struct timer *t)
{
    assert(e->timer_owners > 0);
    timer_cancel(&e->timers, t);
    e->timer_owners--;
}

void real_timer_set(struct real_env *e, struct timer *t, usec deadline)
{
    int err = timer_set(&e->timers, t, deadline);
    assert(err == 0); /* room was reserved */
    (void)err;
    /* Inside a turn the exported descriptor is set at the turn's end. */
    if (!e->in_turn && e->timer_fd >= 0 && deadline < e->timer_fd_deadline)
        arm_timer_fd(e, deadline);
}

static void fire_wake(struct timer *t, usec now)
{
    struct real_env *e = container_of(t, struct real_env, wake);
    e->wake_call(e->wake_user, now);
}

static void env_wake_at_op(
    struct env *env, usec deadline, void (*wake)(void *user, usec now), void *user)
{
    struct real_env *e = real_env_of(env);
    e->wake_call = wake;
    e->wake_user = user;
    real_timer_set(e, &e->wake, deadline);
}

/* ---- the exported descriptor --------------------------------------------------------------- */

static void arm_timer_fd(struct real_env *e, usec deadline)
{
    if (deadline == e->timer_fd_deadline && deadline == NEVER)
        return;
    struct itimerspec at = {0};
    if (deadline != NEVER) {
        /* Zero would disarm; a point in the past fires at once. */
        usec when = deadline > 1 ? deadline : 1;
        at.it_value.tv_sec = when / USEC_PER_SEC;
        at.it_value.tv_nsec = (when % USEC_PER_SEC) * 1000;
    }
    /* Setting also clears an expiry that nobody has read. */
    if (timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
        e->timer_fd_deadline = deadline;
}

static bool has_work_now(struct real_env *e)
{
    return e->touched || uv_backend_timeout(&e->loop) == 0;
}

static void rearm_timer_fd(struct real_env *e)
{
    if (e->timer_fd >= 0)
        arm_timer_fd(e, has_work_now(e) ? 0 : timer_heap_deadline(&e->timers));
}

void real_touch(struct real_env *e)
{
    e->touched = true;
    if (!e->in_turn && e->timer_fd >= 0 && e->timer_fd_deadline != 0)
        arm_timer_fd(e, 0);
}

static int watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int uv_env_fd(struct env *env)
{
    struct real_env *e = real_env_of(env);
    if (e->poll_fd >= 0)
        return e->poll_fd;
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0)
        return socket_err(errno);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0 || watch(poll_fd, timer_fd) != 0 ||
        watch(poll_fd, uv_backend_fd(&e->loop)) != 0) {
        int err = socket_err(errno);
        if (poll_fd >= 0)
            close(poll_fd);
        close(timer_fd);
        return err;
    }
    e->poll_fd = poll_fd;
    e->timer_fd = timer_fd;
    e->timer_fd_deadline = NEVER;
    /* What was asked for before now has perhaps not reached the kernel. */
    real_touch(e);
    return poll_fd;
}

/* ---- turns --------------------------------------------------------------------------------- */

static int64_t deadline_ms(struct real_env *e)
{
    usec deadline = timer_heap_deadline(&e->timers);
    if (deadline == NEVER)
        return -1;
    e->now_stale = true;
    usec left = deadline - real_now(e);
    return left <= 0 ? 0 : (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
}

int64_t uv_env_timeout_ms(struct env *env)
{
    struct real_env *e = real_env_of(env);
    return has_work_now(e) ? 0 : deadline_ms(e);
}

static void on_before_poll(uv_prepare_t *handle)
{
    struct real_env *e = handle->data;
    e->now_stale = true;
}

static void on_block_limit(uv_timer_t *handle)
{
    (void)handle;
}

static void turn(struct real_env *e, int64_t timeout_ms)
{
    e->in_turn = true;
    e->touched = false;
    e->now_stale = true;
    if (timeout_ms > 0) {
        /* Repeating: uv_run fires what is due before it polls. A limit that passes in between, on a
         * busy machine, would be spent, and the poll would wait without any. */
        uint64_t limit = (uint64_t)timeout_ms;
        uv_update_time(&e->loop);
        uv_timer_start(&e->block_limit, on_block_limit, limit, limit);
    }
    uv_run(&e->loop, timeout_ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    if (timeout_ms > 0)
        uv_timer_stop(&e->block_limit);
    e->now_stale = true;
    timer_heap_run(&e->timers, real_now(e));
    e->in_turn = false;
}

int uv_env_process(struct env *env)
{
    struct real_env *e = real_env_of(env);
    for (int i = 0; i < REAL_TURNS_PER_PROCESS_MAX; i++) {
        turn(e, 0);
        if (!e->touched || e->timer_fd < 0)
            break;
    }
    rearm_timer_fd(e);
    return 0;
}

int uv_env_run(struct env *env, int64_t timeout_ms)
{
    struct real_env *e = real_env_of(env);
    int64_t due_ms = deadline_ms(e);
    if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
        timeout_ms = due_ms;
    turn(e, timeout_ms);
    rearm_timer_fd(e);
    return 0;
}

static void on_async(uv_async_t *handle)
{
    struct real_env *e = handle->data;
    real_workers_reap(e->workers);
    real_resolver_reap(e->resolver);
    real_http_reap(e->http);
    real_upnp_reap(e);
}

static void env_loop_wake_op(struct env *env)
{
    uv_async_send(&real_env_of(env)->async);
}

/* ---- small parts of the table -------------------------------------------------------------- */

bool real_descriptor_take(struct real_env *e)
{
    if (e->descriptors >= e->descriptors_max)
        return false;
    e->descriptors++;
    return true;
}

void real_descriptor_give(struct real_env *e)
{
    assert(e->descriptors > 0);
    e->descriptors--;
}

static size_t env_local_addresses_op(struct env *env, struct endpoint *out, size_t max)
{
    (void)env;
    return socket_local_addresses(NULL, out, max);
}

static void env_submit_op(struct env *env, enum env_lane lane, struct env_job *job)
{
    real_workers_submit(real_env_of(env)->workers, lane, job);
}

static unsigned env_worker_count_op(struct env *env)
{
    return real_workers_count(real_env_of(env)->workers);
}

static int env_real_path_op(struct env *env, const char *path, char **out)
{
    (void)env;
    *out = realpath(path, NULL);
    return *out ? 0 : err_from_errno(errno);
}

static int env_dir_open_op(struct env *env, const char *path, bool create, struct env_dir **out)
{
    return real_dir_open(&real_env_of(env)->disk, real_env_of(env)->ops, path, create, out);
}

/* ---- closing ------------------------------------------------------------------------------- */

static void closing_run(struct env_job *job)
{
    real_file_let_go(container_of(job, struct real_file, closing));
}

static void closing_done(struct env_job *job)
{
    real_file_free(container_of(job, struct real_file, closing));
}

/* close(2) writes out and asks the server where there is one (NFS, FUSE): the loop leaves it to a
 * worker. */
static void close_file(struct env_file *file)
{
    struct real_file *f = (struct real_file *)file;
    if (real_workers_inside()) {
        real_file_close(file);
        return;
    }
    struct real_env *e = container_of(f->dir->disk, struct real_env, disk);
    f->closing = (struct env_job){.run = closing_run, .done = closing_done};
    real_workers_submit(e->workers, ENV_LANE_DATA, &f->closing);
}

static const struct env_ops real_ops = {
    .now = env_now_op,
    .time_unix = env_time_unix_op,
    .random = env_random_op,
    .wake_at = env_wake_at_op,

    .tcp_connect = real_tcp_connect,
    .tcp_set_events = real_tcp_set_events,
    .tcp_want = real_tcp_want,
    .tcp_expect = real_tcp_expect,
    .tcp_readv = real_tcp_readv,
    .tcp_writev = real_tcp_writev,
    .tcp_local = real_tcp_local,
    .tcp_remote = real_tcp_remote,
    .tcp_close = real_tcp_close,
    .tcp_listen = real_tcp_listen,
    .listener_local = real_listener_local,
    .listener_close = real_listener_close,

    .udp_open = real_udp_open,
    .udp_local = real_udp_local,
    .udp_receive = real_udp_receive,
    .udp_send = real_udp_send,
    .udp_bulk = real_udp_bulk,
    .udp_send_runs = real_udp_send_runs,
    .udp_close = real_udp_close,

    .resolve_start = real_resolve_start,
    .resolve_cancel = real_resolve_cancel,
    .local_addresses = env_local_addresses_op,
    .local_networks = real_local_networks,
    .gateways = real_gateways,
    .device_index = real_device_index,
    .device_addresses = real_device_addresses,
    .network_watch_start = real_network_watch_start,
    .network_watch_stop = real_network_watch_stop,

    .upnp_start = real_upnp_start,
    .upnp_cancel = real_upnp_cancel,

    .http_start = real_http_start,
    .http_cancel = real_http_cancel,
    .http_pause = real_http_pause,

    .submit = env_submit_op,
    .worker_count = env_worker_count_op,
    .loop_wake = env_loop_wake_op,

    .dir_open = env_dir_open_op,
    .real_path = env_real_path_op,
    .dir_close = real_dir_close,
    .dir_stat = real_dir_stat,
    .dir_free_space = real_dir_free_space,
    .dir_sync = real_dir_sync,
    .file_open = real_file_open,
    .file_close = close_file,
    .file_preadv = real_file_preadv,
    .file_pwritev = real_file_pwritev,
    .file_sync = real_file_sync,
    .file_stat = real_file_stat,
    .file_truncate = real_file_truncate,
    .file_allocate = real_file_allocate,
    .file_set_executable = real_file_set_executable,
    .file_warm = real_file_warm,
    .file_ahead = real_file_ahead,
    .file_is_warm = real_file_is_warm,
    .file_map = real_file_map,
    .unmap = real_unmap,
    .file_view = real_file_view,
    .view_end = real_view_end,
    .file_next_data = real_file_next_data,
    .path_stat = real_path_stat,
    .path_rename = real_path_rename,
    .path_unlink = real_path_unlink,
    .path_remove_folder = real_path_remove_folder,
    .path_make_folder = real_path_make_folder,
    .path_symlink = real_path_symlink,
    .path_readlink = real_path_readlink,
    .path_list = real_path_list,
};

/* ---- birth and death ----------------------------------------------------------------------- */

static unsigned default_descriptors_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1u << 20)
        return 1u << 20;
    return (unsigned)(limit.rlim_cur - limit.rlim_cur / REAL_DESCRIPTORS_KEPT_SHARE);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes what is in the loop and lets the close callbacks free their owners. */
static void drain_loop(struct real_env *e)
{
    uv_walk(&e->loop, close_handle, NULL);
    while (uv_run(&e->loop, UV_RUN_DEFAULT) != 0)
        ;
    int err = uv_loop_close(&e->loop);
    assert(err == 0);
    (void)err;
}

static int start_loop(struct real_env *e)
{
    if (uv_loop_init(&e->loop) != 0)
        return ERR_LIMIT;
    /* These three fail only if the loop's wake-up descriptor cannot be made. */
    if (uv_async_init(&e->loop, &e->async, on_async) != 0) {
        uv_loop_close(&e->loop);
        return ERR_LIMIT;
    }
    uv_prepare_init(&e->loop, &e->before_poll);
    uv_timer_init(&e->loop, &e->block_limit);
    e->async.data = e->before_poll.data = e;
    uv_prepare_start(&e->before_poll, on_before_poll);
    return 0;
}

int uv_env_new(const struct uv_env_config *config, struct env **out)
{
    static const struct uv_env_config defaults;
    const struct uv_env_config *c = config != NULL ? config : &defaults;
    struct real_env *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ERR_NOMEM;
    e->ops = &real_ops;
    e->now_stale = true;
    e->poll_fd = e->timer_fd = -1;
    e->wake.fire = fire_wake;
    e->http_max = c->http_max;
    e->descriptors_max = c->descriptors_max != 0 ? c->descriptors_max : default_descriptors_max();
    e->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&e->upnps);
    timer_heap_init(&e->timers);
    real_disk_init(&e->disk, &c->fault);
    if (c->handle_sigbus)
        real_views_allow(&e->disk);

    int err = real_timer_enter(e);
    if (err != 0)
        goto fail_memory;
    err = start_loop(e);
    if (err != 0)
        goto fail_memory;
    err = real_workers_new(&e->async, c->workers, &e->workers);
    if (err != 0)
        goto fail_loop;
    err = real_resolver_new(e, &e->resolver);
    if (err != 0)
        goto fail_workers;
    *out = (struct env *)e;
    return 0;

fail_workers:
    real_workers_free(e->workers);
fail_loop:
    drain_loop(e);
fail_memory:
    timer_heap_free(&e->timers);
    real_disk_free(&e->disk);
    if (e->reserve_fd >= 0)
        close(e->reserve_fd);
    free(e);
    return err;
}

void uv_env_free(struct env *env)
{
    if (env == NULL)
        return;
    struct real_env *e = real_env_of(env);
    /* Jobs first: their done() may still close handles or cancel exchanges. */
    real_workers_free(e->workers);
    real_http_free(e->http);
    real_upnp_abandon(e);
    real_resolver_free(e->resolver);
    drain_loop(e);
    assert(e->descriptors == 0);
    timer_heap_free(&e->timers);
    real_disk_free(&e->disk);
    if (e->poll_fd >= 0)
        close(e->poll_fd);
    if (e->timer_fd >= 0)
        close(e->timer_fd);
    if (e->reserve_fd >= 0)
        close(e->reserve_fd);
    free(e);
}

void uv_env_set_fault(struct env *env, const struct uv_env_fault *fault)
{
    static const struct uv_env_fault off;
    real_disk_set_fault(&real_env_of(env)->disk, fault != NULL ? fault : &off);
}

void uv_env_fault_counts(struct env *env, uint64_t *calls, uint64_t *hits)
{
    real_disk_fault_counts(&real_env_of(env)->disk, calls, hits);
}

unsigned uv_env_descriptors_max(struct env *env)
{
    return real_env_of(env)->descriptors_max;
}
