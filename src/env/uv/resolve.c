/* Names to addresses: getaddrinfo on two threads of its own, so that a slow server holds up neither
 * the loop nor the disk. It cannot be interrupted and may take half a minute where no server
 * answers, so nobody waits for the threads either: what they share with the loop is one block of
 * memory, freed by whoever is the last to need it. */
#include "env/uv/real.h"

#include "base/err.h"
#include "base/list.h"
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVER_THREADS 2u
#define RESOLVES_MAX 256u /* under way at once: more is ERR_LIMIT */

struct real_resolver {
    unsigned under_way; /* the loop's */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list_link waiting, found; /* of struct env_resolve */
    uv_async_t *finished;            /* NULL: the loop is gone */
    unsigned threads, idle, waiting_count;
};

struct env_resolve {
    const struct env_ops *ops; /* first: env.c */
    struct list_link link;     /* in the resolver's waiting or found */
    struct real_resolver *resolver;
    char host[256];
    uint16_t port;
    bool runs; /* a thread has it, or has had it; under the lock */
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

static void look_up(struct env_resolve *r)
{
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

/* ---- the threads --------------------------------------------------------------------------- */

/* With the lock, which it gives back. The last one frees. */
static void leave(struct real_resolver *resolver)
{
    bool last = resolver->threads == 0 && !resolver->finished;
    pthread_mutex_unlock(&resolver->lock);
    if (!last)
        return;
    pthread_cond_destroy(&resolver->work);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

/* With the lock, before and after. */
static void serve(struct real_resolver *resolver, struct env_resolve *r)
{
    resolver->waiting_count--;
    r->runs = true;
    pthread_mutex_unlock(&resolver->lock);
    look_up(r);
    pthread_mutex_lock(&resolver->lock);
    if (!resolver->finished) {
        free(r);
        return;
    }
    list_push_back(&resolver->found, &r->link);
    uv_async_send(resolver->finished);
}

static void *thread_main(void *argument)
{
    struct real_resolver *resolver = argument;
    pthread_setname_np(pthread_self(), "kith-names");
    pthread_mutex_lock(&resolver->lock);
    while (resolver->finished) {
        struct list_link *at = list_pop_front(&resolver->waiting);
        if (at) {
            serve(resolver, list_entry(at, struct env_resolve, link));
            continue;
        }
        resolver->idle++;
        pthread_cond_wait(&resolver->work, &resolver->lock);
        resolver->idle--;
    }
    resolver->threads--;
    leave(resolver);
    return NULL;
}

/* With the lock. Signals are the embedder's business. */
static bool start_thread(struct real_resolver *resolver)
{
    pthread_t id;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&id, NULL, thread_main, resolver) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_detach(id);
        resolver->threads++;
    }
    return started;
}

/* ---- the loop ------------------------------------------------------------------------------ */

int real_resolver_new(struct real_env *e, struct real_resolver **out)
{
    struct real_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return ERR_NOMEM;
    list_init(&resolver->waiting);
    list_init(&resolver->found);
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->work, NULL);
    resolver->finished = &e->async;
    *out = resolver;
    return 0;
}

static void drop_all(struct list_link *list)
{
    struct list_link *at;
    while ((at = list_pop_front(list)) != NULL)
        free(list_entry(at, struct env_resolve, link));
}

void real_resolver_free(struct real_resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->finished = NULL;
    drop_all(&resolver->waiting);
    drop_all(&resolver->found);
    pthread_cond_broadcast(&resolver->work);
    leave(resolver);
}

void real_resolver_reap(struct real_resolver *resolver)
{
    struct list_link *at;
    while (resolver) {
        pthread_mutex_lock(&resolver->lock);
        at = list_pop_front(&resolver->found);
        pthread_mutex_unlock(&resolver->lock);
        if (!at)
            return;
        struct env_resolve *r = list_entry(at, struct env_resolve, link);
        resolver->under_way--;
        if (!r->cancelled)
            r->done(r->user, r->err, r->found, r->err ? 0 : r->count);
        free(r);
    }
}

static int submit(struct real_resolver *resolver, struct env_resolve *r)
{
    pthread_mutex_lock(&resolver->lock);
    bool more = resolver->waiting_count >= resolver->idle && resolver->threads < RESOLVER_THREADS;
    bool served = (more && start_thread(resolver)) || resolver->threads > 0;
    if (served) {
        list_push_back(&resolver->waiting, &r->link);
        resolver->waiting_count++;
        pthread_cond_signal(&resolver->work);
    }
    pthread_mutex_unlock(&resolver->lock);
    return served ? 0 : ERR_LIMIT;
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
        .resolver = resolver,
        .port = port,
        .done = done,
        .user = user};
    snprintf(r->host, sizeof r->host, "%s", host);
    int err = submit(resolver, r);
    if (err) {
        free(r);
        return err;
    }
    resolver->under_way++;
    *out = r;
    return 0;
}

/* One that no thread has begun is forgotten at once. */
void real_resolve_cancel(struct env_resolve *r)
{
    struct real_resolver *resolver = r->resolver;
    r->cancelled = true;
    pthread_mutex_lock(&resolver->lock);
    bool runs = r->runs;
    if (!runs) {
        list_remove(&r->link);
        resolver->waiting_count--;
    }
    pthread_mutex_unlock(&resolver->lock);
    if (runs)
        return;
    resolver->under_way--;
    free(r);
}
