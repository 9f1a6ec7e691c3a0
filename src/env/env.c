/* The dispatch behind env.h: finds the implementation in a handle's first word and calls it.
 *
 * Nothing is decided here. Every handle, and struct env itself, begins with a pointer to the table
 * of the implementation that made it (ops.h), so that one process can hold real and simulated
 * worlds side by side and no caller knows which one it is in. */
#include "env/ops.h"

/* The first word of any handle. */
static const struct env_ops *ops_of(const void *handle)
{
    return *(const struct env_ops *const *)handle;
}

/* ---- time and randomness ------------------------------------------------------------------- */

usec env_now(struct env *e)
{
    return ops_of(e)->now(e);
}

int64_t env_time_unix(struct env *e)
{
    return ops_of(e)->time_unix(e);
}

void env_random(struct env *e, void *out, size_t size)
{
    ops_of(e)->random(e, out, size);
}

void env_wake_at(struct env *e, usec deadline, void (*wake)(void *user, usec now), void *user)
{
    ops_of(e)->wake_at(e, deadline, wake, user);
}

/* ---- TCP ----------------------------------------------------------------------------------- */

int env_tcp_connect(struct env *e, const struct endpoint *to, const struct env_tcp_options *options,
    const struct env_tcp_events *events, void *user, struct env_tcp **out)
{
    return ops_of(e)->tcp_connect(e, to, options, events, user, out);
}

void env_tcp_set_events(struct env_tcp *t, const struct env_tcp_events *events, void *user)
{
    ops_of(t)->tcp_set_events(t, events, user);
}

void env_tcp_want(struct env_tcp *t, bool read, bool write)
{
    ops_of(t)->tcp_want(t, read, write);
}

void env_tcp_expect(struct env_tcp *t, size_t bytes)
{
    ops_of(t)->tcp_expect(t, bytes);
}

ssize_t env_tcp_readv(struct env_tcp *t, const struct iovec *iov, int count)
{
    return ops_of(t)->tcp_readv(t, iov, count);
}

ssize_t env_tcp_writev(struct env_tcp *t, const struct iovec *iov, int count, bool more)
{
    return ops_of(t)->tcp_writev(t, iov, count, more);
}

void env_tcp_local(struct env_tcp *t, struct endpoint *out)
{
    ops_of(t)->tcp_local(t, out);
}

void env_tcp_remote(struct env_tcp *t, struct endpoint *out)
{
    ops_of(t)->tcp_remote(t, out);
}

void env_tcp_close(struct env_tcp *t)
{
    ops_of(t)->tcp_close(t);
}

int env_tcp_listen(struct env *e, const struct endpoint *at, const struct env_tcp_options *options,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out)
{
    return ops_of(e)->tcp_listen(e, at, options, accepted, user, out);
}

void env_listener_local(struct env_listener *l, struct endpoint *out)
{
    ops_of(l)->listener_local(l, out);
}

void env_listener_close(struct env_listener *l)
{
    ops_of(l)->listener_close(l);
}

/* ---- UDP ----------------------------------------------------------------------------------- */

int env_udp_open(struct env *e, const struct endpoint *at, const struct env_tcp_options *options,
    void (*readable)(void *user), void *user, struct env_udp **out)
{
    return ops_of(e)->udp_open(e, at, options, readable, user, out);
}

void env_udp_local(struct env_udp *u, struct endpoint *out)
{
    ops_of(u)->udp_local(u, out);
}

int env_udp_receive(struct env_udp *u, struct env_datagram *datagrams, int count)
{
    return ops_of(u)->udp_receive(u, datagrams, count);
}

int env_udp_send(struct env_udp *u, const struct env_datagram *datagrams, int count)
{
    return ops_of(u)->udp_send(u, datagrams, count);
}

void env_udp_bulk(struct env_udp *u)
{
    ops_of(u)->udp_bulk(u);
}

int env_udp_send_runs(struct env_udp *u, struct env_udp_run *runs, int count)
{
    return ops_of(u)->udp_send_runs(u, runs, count);
}

void env_udp_close(struct env_udp *u)
{
    ops_of(u)->udp_close(u);
}

/* ---- names, HTTP, work --------------------------------------------------------------------- */

int env_resolve_start(struct env *e, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out)
{
    return ops_of(e)->resolve_start(e, host, port, done, user, out);
}

void env_resolve_cancel(struct env_resolve *r)
{
    ops_of(r)->resolve_cancel(r);
}

size_t env_local_addresses(struct env *e, struct endpoint *out, size_t max)
{
    return ops_of(e)->local_addresses(e, out, max);
}

size_t env_local_networks(struct env *e, struct env_network *out, size_t max)
{
    return ops_of(e)->local_networks(e, out, max);
}

size_t env_gateways(struct env *e, struct endpoint *out, size_t max)
{
    return ops_of(e)->gateways(e, out, max);
}

unsigned env_device_index(struct env *e, const char *device)
{
    return ops_of(e)->device_index(e, device);
}

size_t env_device_addresses(struct env *e, const char *device, struct endpoint *out, size_t max)
{
    return ops_of(e)->device_addresses(e, device, out, max);
}

int env_network_watch_start(
    struct env *e, void (*changed)(void *user), void *user, struct env_network_watch **out)
{
    return ops_of(e)->network_watch_start(e, changed, user, out);
}

int env_upnp_start(struct env *e, const struct env_upnp_request *request,
    void (*done)(void *user, int err, const struct env_upnp_result *), void *user,
    struct env_upnp **out)
{
    return ops_of(e)->upnp_start(e, request, done, user, out);
}

void env_upnp_cancel(struct env_upnp *u)
{
    ops_of(u)->upnp_cancel(u);
}

void env_network_watch_stop(struct env_network_watch *w)
{
    ops_of(w)->network_watch_stop(w);
}

int env_http_start(struct env *e, const struct env_http_request *request,
    const struct env_http_events *events, void *user, struct env_http **out)
{
    return ops_of(e)->http_start(e, request, events, user, out);
}

void env_http_cancel(struct env_http *h)
{
    ops_of(h)->http_cancel(h);
}

void env_http_pause(struct env_http *h, bool paused)
{
    ops_of(h)->http_pause(h, paused);
}

void env_submit(struct env *e, enum env_lane lane, struct env_job *job)
{
    ops_of(e)->submit(e, lane, job);
}

unsigned env_worker_count(struct env *e)
{
    return ops_of(e)->worker_count(e);
}

void env_loop_wake(struct env *e)
{
    ops_of(e)->loop_wake(e);
}

/* ---- disk ---------------------------------------------------------------------------------- */

int env_dir_open(struct env *e, const char *path, bool create, struct env_dir **out)
{
    return ops_of(e)->dir_open(e, path, create, out);
}

int env_real_path(struct env *e, const char *path, char **out)
{
    *out = NULL;
    return ops_of(e)->real_path(e, path, out);
}

void env_dir_close(struct env_dir *d)
{
    ops_of(d)->dir_close(d);
}

int env_dir_stat(struct env_dir *d, struct env_stat *out)
{
    return ops_of(d)->dir_stat(d, out);
}

int env_dir_free_space(struct env_dir *d, uint64_t *bytes_out)
{
    return ops_of(d)->dir_free_space(d, bytes_out);
}

int env_dir_sync(struct env_dir *d, const char *path)
{
    return ops_of(d)->dir_sync(d, path);
}

int env_file_open(struct env_dir *d, const char *path, unsigned flags, struct env_file **out)
{
    return ops_of(d)->file_open(d, path, flags, out);
}

void env_file_close(struct env_file *f)
{
    ops_of(f)->file_close(f);
}

int env_file_preadv(struct env_file *f, const struct iovec *iov, int count, uint64_t offset)
{
    return ops_of(f)->file_preadv(f, iov, count, offset);
}

int env_file_pwritev(struct env_file *f, const struct iovec *iov, int count, uint64_t offset)
{
    return ops_of(f)->file_pwritev(f, iov, count, offset);
}

int env_file_sync(struct env_file *f)
{
    return ops_of(f)->file_sync(f);
}

int env_file_stat(struct env_file *f, struct env_stat *out)
{
    return ops_of(f)->file_stat(f, out);
}

int env_file_truncate(struct env_file *f, uint64_t size)
{
    return ops_of(f)->file_truncate(f, size);
}

int env_file_allocate(struct env_file *f, uint64_t offset, uint64_t size)
{
    return ops_of(f)->file_allocate(f, offset, size);
}

int env_file_set_executable(struct env_file *f)
{
    return ops_of(f)->file_set_executable(f);
}

int env_file_warm(struct env_file *f, uint64_t offset, uint64_t size)
{
    return ops_of(f)->file_warm(f, offset, size);
}

void env_file_ahead(struct env_file *f, uint64_t offset, uint64_t size)
{
    ops_of(f)->file_ahead(f, offset, size);
}

bool env_file_is_warm(struct env_file *f, uint64_t offset, uint64_t size)
{
    return ops_of(f)->file_is_warm(f, offset, size);
}

int env_file_map(struct env_file *f, uint64_t offset, size_t size, struct env_mapping *out)
{
    out->ops = ops_of(f);
    return out->ops->file_map(f, offset, size, out);
}

void env_unmap(struct env_mapping *m)
{
    m->ops->unmap(m);
}

int env_file_view(struct env_file *f, uint64_t offset, size_t size, struct env_view *out)
{
    out->ops = ops_of(f);
    return out->ops->file_view(f, offset, size, out);
}

int env_view_end(struct env_view *view)
{
    return view->ops->view_end(view);
}

int env_file_next_data(struct env_file *f, uint64_t from, uint64_t *start, uint64_t *end)
{
    return ops_of(f)->file_next_data(f, from, start, end);
}

int env_path_stat(struct env_dir *d, const char *path, struct env_stat *out)
{
    return ops_of(d)->path_stat(d, path, out);
}

int env_path_rename(
    struct env_dir *from_dir, const char *from, struct env_dir *to_dir, const char *to)
{
    return ops_of(from_dir)->path_rename(from_dir, from, to_dir, to);
}

int env_path_unlink(struct env_dir *d, const char *path)
{
    return ops_of(d)->path_unlink(d, path);
}

int env_path_remove_folder(struct env_dir *d, const char *path)
{
    return ops_of(d)->path_remove_folder(d, path);
}

int env_path_make_folder(struct env_dir *d, const char *path)
{
    return ops_of(d)->path_make_folder(d, path);
}

int env_path_symlink(struct env_dir *d, const char *path, const char *target)
{
    return ops_of(d)->path_symlink(d, path, target);
}

int env_path_readlink(struct env_dir *d, const char *path, char *out, size_t size)
{
    return ops_of(d)->path_readlink(d, path, out, size);
}

int env_path_list(struct env_dir *d, const char *path,
    bool (*each)(void *user, const char *name, enum env_entry), void *user)
{
    return ops_of(d)->path_list(d, path, each, user);
}
