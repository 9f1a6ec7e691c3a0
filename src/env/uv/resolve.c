/* Names to addresses: getaddrinfo on two threads of its own, so that a slow server holds up neither
 * the loop nor the disk. */
#include "env/uv/real.h"

#include "base/list.h"
#include "env/uv/workers.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVER_THREADS 2u
#define RESOLVES_MAX 256u /* under way at once: more is ERR_LIMIT */

struct real_resolver {
    struct real_workers *workers;
    unsigned under_way;
};

struct env_resolve {
    const struct env_ops *ops; /* first: env.c */
    struct env_job job;
    struct real_resolver *resolver;
    char host[256];
    uint16_t port;
    bool cancelled;
    int err;
    size_t count;
    struct endpoint found[ENV_RESOLVE_MAX];
    void (*done)(void *user, int err, const struct endpoint *, size_t);
    void *user;
};

static int error_of(int code)
{
    switch (code) {
    case EAI_NONAME:
        return ERR_NOT_FOUND;
    case EAI_MEMORY:
        return ERR_NOMEM;
    case EAI_AGAIN:
        return ERR_TIMEOUT;
    default:
        return ERR_NETWORK;
    }
}

static void take(struct env_resolve *r, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    if (r->count == ENV_RESOLVE_MAX)
        return;
    if (address->sa_family == AF_INET)
        r->found[r->count++] = endpoint_from_ip4((const uint8_t *)&v4->sin_addr, r->port);
    else if (address->sa_family == AF_INET6)
        r->found[r->count++] = endpoint_from_ip6(v6->sin6_addr.s6_addr, r->port);
}

static void resolve_run(struct env_job *job)
{
    struct env_resolve *r = container_of(job, struct env_resolve, job);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int code = getaddrinfo(r->host, NULL, &hints, &list);
    if (code == EAI_NONAME || code == EAI_BADFLAGS || code == EAI_NODATA) {
        /* Without a configured interface AI_ADDRCONFIG hides numeric loopback addresses. */
        hints.ai_flags = AI_NUMERICHOST;
        int numeric = getaddrinfo(r->host, NULL, &hints, &list);
        code = numeric == 0 ? 0 : code;
    }
    for (struct addrinfo *a = code == 0 ? list : NULL; a; a = a->ai_next)
        take(r, a->ai_addr);
    if (code == 0)
        freeaddrinfo(list);
    r->err = code ? error_of(code) : r->count ? 0 : ERR_NOT_FOUND;
}

static void resolve_done(struct env_job *job)
{
    struct env_resolve *r = container_of(job, struct env_resolve, job);
    r->resolver->under_way--;
    if (!r->cancelled)
        r->done(r->user, r->err, r->found, r->err ? 0 : r->count);
    free(r);
}

int real_resolver_new(struct real_env *e, struct real_resolver **out)
{
    struct real_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return ERR_NOMEM;
    int err = real_workers_new(&e->async, RESOLVER_THREADS, &resolver->workers);
    if (err) {
        free(resolver);
        return err;
    }
    *out = resolver;
    return 0;
}

void real_resolver_free(struct real_resolver *resolver)
{
    if (!resolver)
        return;
    real_workers_free(resolver->workers);
    free(resolver);
}

void real_resolver_reap(struct real_resolver *resolver)
{
    if (resolver)
        real_workers_reap(resolver->workers);
}

int real_resolve_start(struct env *env, const char *host, uint16_t port,
    void (*done)(void *, int, const struct endpoint *, size_t), void *user,
    struct env_resolve **out)
{
    struct real_resolver *resolver = real_env_of(env)->resolver;
    if (strlen(host) >= sizeof((struct env_resolve *)0)->host)
        return ERR_INVALID;
    if (resolver->under_way >= RESOLVES_MAX)
        return ERR_LIMIT;
    struct env_resolve *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    *r = (struct env_resolve){.ops = real_env_of(env)->ops,
        .job = {.run = resolve_run, .done = resolve_done},
        .resolver = resolver,
        .port = port,
        .done = done,
        .user = user};
    snprintf(r->host, sizeof r->host, "%s", host);
    resolver->under_way++;
    real_workers_submit(resolver->workers, ENV_LANE_DATA, &r->job);
    *out = r;
    return 0;
}

void real_resolve_cancel(struct env_resolve *r)
{
    r->cancelled = true;
}
