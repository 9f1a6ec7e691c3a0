/* See lan.h. */
#include "env/sim/lan.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX_V4 24
#define PREFIX_V6 64

size_t sim_local_networks(struct env *face, struct env_network *out, size_t max)
{
    const struct sim_host *host = sim_env_of(face)->host;
    size_t count = 0;
    for (size_t i = 0; i < host->address_count && count < max; i++) {
        const struct endpoint *ip = &host->addresses[i].ip;
        out[count++] = (struct env_network){*ip, ip->family == ADDR_V4 ? PREFIX_V4 : PREFIX_V6};
    }
    return count;
}

unsigned sim_device_index(struct env *face, const char *device)
{
    const struct sim_host *host = sim_env_of(face)->host;
    for (size_t i = 0; i < host->address_count; i++)
        if (strcmp(host->addresses[i].device, device) == 0)
            return 1;
    return 0;
}

size_t sim_device_addresses(struct env *face, const char *device, struct endpoint *out, size_t max)
{
    const struct sim_host *host = sim_env_of(face)->host;
    size_t count = 0;
    for (size_t i = 0; i < host->address_count && count < max; i++)
        if (strcmp(host->addresses[i].device, device) == 0)
            out[count++] = host->addresses[i].ip;
    return count;
}

size_t sim_gateways(struct env *face, struct endpoint *out, size_t max)
{
    (void)face;
    (void)out;
    (void)max;
    return 0;
}

int sim_upnp_start(struct env *face, const struct env_upnp_request *request,
    void (*done)(void *user, int err, const struct env_upnp_result *), void *user,
    struct env_upnp **out)
{
    (void)face;
    (void)request;
    (void)done;
    (void)user;
    (void)out;
    return ERR_UNSUPPORTED;
}

void sim_upnp_cancel(struct env_upnp *upnp)
{
    (void)upnp;
}

/* ---- watching ------------------------------------------------------------------------------ */

struct sim_watch {
    struct sim_handle handle;
    struct sim_event news;
    void (*changed)(void *user);
    void *user;
};

static void tell(struct sim_event *event)
{
    struct sim_watch *w = container_of(event, struct sim_watch, news);
    sim_handle_enter(&w->handle);
    w->changed(w->user);
    sim_handle_leave(&w->handle);
}

static void watch_crash(struct sim_handle *h, enum sim_crash kind)
{
    struct sim_watch *w = container_of(h, struct sim_watch, handle);
    (void)kind;
    sim_unschedule(h->env->host->world, &w->news);
}

static void watch_destroy(struct sim_handle *h)
{
    free(container_of(h, struct sim_watch, handle));
}

static const struct sim_handle_kind watch_kind = {watch_crash, watch_destroy};

int sim_network_watch_start(
    struct env *face, void (*changed)(void *user), void *user, struct env_network_watch **out)
{
    struct sim_env *env = sim_env_of(face);
    if (!env->alive)
        return ERR_CLOSED;
    struct sim_watch *w = sim_alloc(sizeof *w);
    w->changed = changed;
    w->user = user;
    sim_node_event_init(&w->news, "network changed", env->host, tell);
    sim_handle_open(&w->handle, &watch_kind, env);
    *out = (struct env_network_watch *)(void *)w;
    return 0;
}

void sim_network_watch_stop(struct env_network_watch *face)
{
    struct sim_watch *w = (struct sim_watch *)(void *)face;
    watch_crash(&w->handle, SIM_KILLED);
    sim_handle_close(&w->handle);
}

void sim_lan_changed(struct sim_host *host)
{
    if (host->env == NULL)
        return;
    list_for_each(link, &host->env->handles)
    {
        struct sim_handle *h = list_entry(link, struct sim_handle, link);
        if (h->kind == &watch_kind)
            sim_schedule(
                host->world, &container_of(h, struct sim_watch, handle)->news, host->world->now);
    }
}
