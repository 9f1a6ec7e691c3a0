/* TCP listeners: what is bound on a host, and the hand-over of accepted connections. */
#include "env/sim/conn.h"
#include "env/sim/net.h"
#include "env/sim/tcp.h"
#include <stdlib.h>

static void listener_let_go(struct sim_listener *l)
{
    list_remove(&l->bound);
}

static void listener_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind;
    listener_let_go(container_of(h, struct sim_listener, handle));
}

static void listener_destroy(struct sim_handle *h)
{
    free(container_of(h, struct sim_listener, handle));
}

static const struct sim_handle_kind listener_kind = {listener_crash, listener_destroy};

static bool taken(const struct sim_host *host, const struct endpoint *at)
{
    list_for_each(link, &host->listeners)
    {
        const struct sim_listener *l = list_entry(link, struct sim_listener, bound);
        if (sim_net_conflict(&l->at, at))
            return true;
    }
    return false;
}

int sim_tcp_listen(struct env *face, const struct endpoint *at,
    const struct env_tcp_options *options,
    void (*accepted)(void *user, struct env_tcp *, const struct endpoint *from), void *user,
    struct env_listener **out)
{
    struct sim_env *env = sim_env_of(face);
    struct endpoint bound;
    *out = NULL;
    if (!env->alive)
        return ERR_CLOSED;
    if (sim_sockets_full(env->host))
        return ERR_LIMIT;
    int err = sim_net_bindable(env->host, at, options, &bound);
    if (err != 0)
        return err;
    while (at->port == 0 && (bound.port == 0 || taken(env->host, &bound)))
        bound.port = sim_net_port(env->host);
    if (taken(env->host, &bound))
        return ERR_EXISTS;
    struct sim_listener *l = sim_alloc(sizeof *l);
    l->at = bound;
    l->accepted = accepted;
    l->user = user;
    if (options != NULL && options->bind_device != NULL)
        strncpy(l->device, options->bind_device, sizeof l->device - 1);
    list_push_back(&env->host->listeners, &l->bound);
    sim_handle_open(&l->handle, &listener_kind, env);
    env->host->stats.sockets++;
    *out = (struct env_listener *)(void *)l;
    return 0;
}

void sim_listener_local(struct env_listener *face, struct endpoint *out)
{
    *out = ((struct sim_listener *)(void *)face)->at;
}

void sim_listener_close(struct env_listener *face)
{
    struct sim_listener *l = (struct sim_listener *)(void *)face;
    listener_let_go(l);
    if (l->handle.env->alive)
        l->handle.env->host->stats.sockets--;
    sim_handle_close(&l->handle);
}

struct sim_listener *sim_listener_find(struct sim_host *host, const struct endpoint *to)
{
    list_for_each(link, &host->listeners)
    {
        struct sim_listener *l = list_entry(link, struct sim_listener, bound);
        if (sim_net_hears(host, &l->at, l->device, to))
            return l;
    }
    return NULL;
}

void sim_listener_accept(struct sim_listener *l, struct sim_conn *conn)
{
    if (sim_sockets_full(conn->ends[1].host)) {
        sim_conn_send_reset(conn, 0); /* a real backlog would wait a while, then do the same */
        sim_conn_break(conn, 1, ERR_LIMIT);
        return;
    }
    struct sim_tcp *tcp = sim_tcp_new(conn->ends[1].env, conn, 1);
    struct endpoint from = conn->ends[1].remote;
    sim_handle_enter(&l->handle);
    l->accepted(l->user, (struct env_tcp *)(void *)tcp, &from);
    sim_handle_leave(&l->handle);
}
