/* The name table and the resolver. See names.h. */
#include "env/sim/names.h"
#include <stdlib.h>
#include <strings.h>

struct sim_name {
    struct sim_name *next;
    char *name;
    int err;
    size_t count;
    struct endpoint addresses[ENV_RESOLVE_MAX];
};

struct sim_resolve {
    struct sim_handle handle;
    struct sim_event answer;
    char *host;
    uint16_t port;
    void (*done)(void *user, int err, const struct endpoint *, size_t count);
    void *user;
};

/* ---- the table ----------------------------------------------------------------------------- */

static struct sim_name *name_find(struct sim_world *w, const char *name)
{
    struct sim_name *n = w->names;
    while (n != NULL && strcasecmp(n->name, name) != 0)
        n = n->next;
    return n;
}

static struct sim_name *name_make(struct sim_world *w, const char *name)
{
    struct sim_name *n = name_find(w, name);
    if (n != NULL)
        return n;
    n = sim_alloc(sizeof *n);
    n->name = sim_dup(name);
    n->next = w->names;
    w->names = n;
    return n;
}

void sim_name_add(struct sim_world *w, const char *name, const char *ip)
{
    struct sim_name *n = name_make(w, name);
    if (n->count == ENV_RESOLVE_MAX ||
        endpoint_parse_ip(&n->addresses[n->count], bytes_of_str(ip), 0) != 0)
        abort(); /* the scenario is wrong */
    n->count++;
}

void sim_name_fail(struct sim_world *w, const char *name, int err)
{
    name_make(w, name)->err = err;
}

void sim_names_free(struct sim_world *w)
{
    for (struct sim_name *n = w->names, *next; n != NULL; n = next) {
        next = n->next;
        free(n->name);
        free(n);
    }
}

int sim_names_find(struct sim_world *w, const char *host, uint16_t port, struct endpoint *out)
{
    if (endpoint_parse_ip(&out[0], bytes_of_str(host), port) == 0)
        return 1;
    const struct sim_name *n = name_find(w, host);
    if (n == NULL)
        return ERR_NOT_FOUND;
    if (n->err != 0)
        return n->err;
    for (size_t i = 0; i < n->count; i++) {
        out[i] = n->addresses[i];
        out[i].port = port;
    }
    return n->count == 0 ? ERR_NOT_FOUND : (int)n->count;
}

/* ---- the resolver -------------------------------------------------------------------------- */

static void resolve_crash(struct sim_handle *h, enum sim_crash kind)
{
    (void)kind;
    sim_unschedule(h->env->host->world, &container_of(h, struct sim_resolve, handle)->answer);
}

static void resolve_destroy(struct sim_handle *h)
{
    struct sim_resolve *r = container_of(h, struct sim_resolve, handle);
    sim_unschedule(h->env->host->world, &r->answer);
    free(r->host);
    free(r);
}

static const struct sim_handle_kind resolve_kind = {resolve_crash, resolve_destroy};

static void answer(struct sim_event *event)
{
    struct sim_resolve *r = container_of(event, struct sim_resolve, answer);
    struct endpoint found[ENV_RESOLVE_MAX];
    int count = sim_names_find(r->handle.env->host->world, r->host, r->port, found);
    void (*done)(void *, int, const struct endpoint *, size_t) = r->done;
    void *user = r->user;
    sim_handle_close(&r->handle);
    done(user, count < 0 ? count : 0, found, count < 0 ? 0 : (size_t)count);
}

int sim_resolve_start(struct env *face, const char *host, uint16_t port,
    void (*done)(void *user, int err, const struct endpoint *, size_t count), void *user,
    struct env_resolve **out)
{
    struct sim_env *env = sim_env_of(face);
    struct sim_world *w = env->host->world;
    *out = NULL;
    if (!env->alive)
        return ERR_CLOSED;
    struct sim_resolve *r = sim_alloc(sizeof *r);
    r->host = sim_dup(host);
    r->port = port;
    r->done = done;
    r->user = user;
    sim_handle_open(&r->handle, &resolve_kind, env);
    sim_node_event_init(&r->answer, "name answered", env->host, answer);
    sim_schedule(
        w, &r->answer, w->now + sim_rng_between(&env->host->loop_rng, 0, w->config.resolve_max));
    *out = (struct env_resolve *)(void *)r;
    return 0;
}

void sim_resolve_cancel(struct env_resolve *face)
{
    sim_handle_close(&((struct sim_resolve *)(void *)face)->handle);
}
