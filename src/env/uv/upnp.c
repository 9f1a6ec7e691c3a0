/* UPnP-IGD through miniupnpc, which blocks: each exchange has a thread of its own, which nobody
 * waits for. A router may take ten seconds for every answer, and a node that closes must not; so
 * what both sides touch is one block of memory, freed by whoever is the last to need it.
 *
 * Anybody on the network may answer a search, and an answer may name any host, as may the
 * description that it leads to. Only URLs of the router's own address are fetched and commanded:
 * otherwise a neighbour makes us send requests into the network of his choice. */
#include "env/uv/real.h"

#include "base/err.h"
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SEARCH_MS 1000
#define SEARCH_TTL 2
#define UPNPS_MAX 4u   /* under way at once */
#define OTHER_PORTS 4u /* tried when the one that is wished for is taken */
#define DESCRIPTION "kith"

struct env_upnp {
    const struct env_ops *ops; /* first: env.c */
    struct list_link link;     /* of the env; the loop's */
    struct env_upnp_request request;
    void (*done)(void *user, int err, const struct env_upnp_result *);
    void *user;

    pthread_mutex_t mutex;
    struct real_env *env; /* NULL: nobody waits any more; the thread frees */
    bool finished;        /* the loop frees */
    int err;
    struct env_upnp_result result;
};

/* ---- whose URL is it? ---------------------------------------------------------------------- */

static bool is_routers(const char *url, const struct endpoint *router)
{
    static const char scheme[] = "http://";
    struct endpoint e;
    if (!url || strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = url + sizeof scheme - 1;
    struct bytes text = bytes_of(host, strcspn(host, "/?#"));
    if (endpoint_parse(&e, text) != 0 && endpoint_parse_ip(&e, text, 80) != 0)
        return false;
    return endpoint_same_ip(&e, router);
}

/* Takes the answers of others off the list. */
static struct UPNPDev *only_routers(struct UPNPDev *list, const struct endpoint *router)
{
    struct UPNPDev *kept = NULL;
    while (list) {
        struct UPNPDev *next = list->pNext;
        if (is_routers(list->descURL, router)) {
            list->pNext = kept;
            kept = list;
        } else {
            list->pNext = NULL;
            freeUPNPDevlist(list);
        }
        list = next;
    }
    return kept;
}

/* ---- one exchange, on its thread ----------------------------------------------------------- */

struct igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
};

static int find(struct env_upnp *u, struct igd *igd)
{
    const struct env_upnp_request *r = &u->request;
    char local[ENDPOINT_TEXT_MAX], lan[64];
    int error = 0, found;
    if (is_routers(r->description, &r->router) &&
        UPNP_GetIGDFromUrl(r->description, &igd->urls, &igd->data, lan, sizeof lan) == 1) {
        if (is_routers(igd->urls.controlURL, &r->router)) {
            memcpy(u->result.description, r->description, sizeof u->result.description);
            return 0;
        }
        FreeUPNPUrls(&igd->urls);
        memset(igd, 0, sizeof *igd);
    }
    endpoint_ip_text(&r->local, local);
    struct UPNPDev *list = only_routers(
        upnpDiscover(SEARCH_MS, local, NULL, UPNP_LOCAL_PORT_ANY, 0, SEARCH_TTL, &error),
        &r->router);
    if (!list)
        return ERR_NOT_FOUND;
    found = UPNP_GetValidIGD(list, &igd->urls, &igd->data, lan, sizeof lan);
    freeUPNPDevlist(list);
    if (found == 0)
        return ERR_NOT_FOUND;
    /* 1: connected, 2: not connected; 3: no gateway at all. */
    if (found <= 2 && is_routers(igd->urls.controlURL, &r->router)) {
        /* Kept where it fits, so that giving the port back needs no search. */
        if (igd->urls.rootdescURL && is_routers(igd->urls.rootdescURL, &r->router) &&
            strlen(igd->urls.rootdescURL) < ENV_UPNP_URL_MAX)
            strcpy(u->result.description, igd->urls.rootdescURL);
        return 0;
    }
    FreeUPNPUrls(&igd->urls);
    return ERR_NOT_FOUND;
}

static int map_at(const struct env_upnp_request *r, const struct igd *igd, const char *protocol,
    uint16_t external, uint32_t *lifetime)
{
    char outer[8], inner[8], lease[16], local[ENDPOINT_TEXT_MAX];
    snprintf(outer, sizeof outer, "%u", (unsigned)external);
    snprintf(inner, sizeof inner, "%u", (unsigned)r->port);
    snprintf(lease, sizeof lease, "%u", (unsigned)*lifetime);
    endpoint_ip_text(&r->local, local);
    int code = UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outer, inner,
        local, DESCRIPTION, protocol, NULL, lease);
    if (code == 725 && *lifetime) { /* OnlyPermanentLeasesSupported */
        *lifetime = 0;
        return map_at(r, igd, protocol, external, lifetime);
    }
    return code;
}

/* The port that it gave; 0: none. */
static uint16_t map(const struct env_upnp_request *r, const struct igd *igd, const char *protocol,
    uint16_t wish, uint32_t *lifetime)
{
    for (unsigned i = 0; i <= OTHER_PORTS; i++) {
        /* A neighbour's kith has the port: not far from it there is a free one. */
        uint16_t port = (uint16_t)(1024 + (wish - 1024u + i * 101u) % (65536u - 1024u));
        int code = map_at(r, igd, protocol, port, lifetime);
        if (code == UPNPCOMMAND_SUCCESS)
            return port;
        if (code != 718) /* ConflictInMappingEntry */
            return 0;
    }
    return 0;
}

static int map_both(struct env_upnp *u, const struct igd *igd)
{
    const struct env_upnp_request *r = &u->request;
    struct env_upnp_result *out = &u->result;
    char outer[64] = "";
    out->lifetime = r->lifetime;
    out->external_tcp = map(r, igd, "TCP", r->external_tcp, &out->lifetime);
    out->external_udp = map(r, igd, "UDP", r->external_udp, &out->lifetime);
    if (UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, outer) ==
        UPNPCOMMAND_SUCCESS)
        (void)endpoint_parse_ip(&out->external, bytes_of_str(outer), 0);
    return out->external_tcp || out->external_udp ? 0 : ERR_REFUSED;
}

static void let_go(const struct env_upnp_request *r, const struct igd *igd)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)r->external_tcp);
    if (r->external_tcp)
        UPNP_DeletePortMapping(
            igd->urls.controlURL, igd->data.first.servicetype, port, "TCP", NULL);
    snprintf(port, sizeof port, "%u", (unsigned)r->external_udp);
    if (r->external_udp)
        UPNP_DeletePortMapping(
            igd->urls.controlURL, igd->data.first.servicetype, port, "UDP", NULL);
}

static void exchange(struct env_upnp *u)
{
    struct igd igd;
    memset(&igd, 0, sizeof igd);
    u->err = find(u, &igd);
    if (u->err)
        return;
    if (u->request.lifetime)
        u->err = map_both(u, &igd);
    else
        let_go(&u->request, &igd);
    FreeUPNPUrls(&igd.urls);
}

static void upnp_free(struct env_upnp *u)
{
    pthread_mutex_destroy(&u->mutex);
    free(u);
}

static void *run(void *argument)
{
    struct env_upnp *u = argument;
    exchange(u);
    pthread_mutex_lock(&u->mutex);
    bool awaited = u->env != NULL;
    u->finished = true;
    if (awaited)
        uv_async_send(&u->env->async);
    pthread_mutex_unlock(&u->mutex);
    if (!awaited)
        upnp_free(u);
    return NULL;
}

/* ---- the loop's side ----------------------------------------------------------------------- */

/* Signals are the embedder's business; and miniupnpc writes to sockets whose router may have closed
 * them, for which SIGPIPE would end the process. */
static int start_thread(struct env_upnp *u)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return ERR_NOMEM;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, run, u);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed ? ERR_LIMIT : 0;
}

int real_upnp_start(struct env *env, const struct env_upnp_request *request,
    void (*done)(void *, int, const struct env_upnp_result *), void *user, struct env_upnp **out)
{
    struct real_env *e = real_env_of(env);
    unsigned count = 0;
    list_for_each(at, &e->upnps) count++;
    if (count >= UPNPS_MAX)
        return ERR_LIMIT;
    struct env_upnp *u = calloc(1, sizeof *u);
    if (!u)
        return ERR_NOMEM;
    *u =
        (struct env_upnp){.ops = e->ops, .request = *request, .done = done, .user = user, .env = e};
    if (pthread_mutex_init(&u->mutex, NULL) != 0) {
        free(u);
        return ERR_NOMEM;
    }
    list_push_back(&e->upnps, &u->link);
    int err = start_thread(u);
    if (err) {
        list_remove(&u->link);
        upnp_free(u);
        return err;
    }
    *out = u;
    return 0;
}

void real_upnp_cancel(struct env_upnp *u)
{
    list_remove(&u->link);
    pthread_mutex_lock(&u->mutex);
    bool finished = u->finished;
    u->env = NULL;
    pthread_mutex_unlock(&u->mutex);
    if (finished)
        upnp_free(u);
}

void real_upnp_reap(struct real_env *e)
{
    for (;;) {
        struct env_upnp *found = NULL;
        list_for_each(at, &e->upnps)
        {
            struct env_upnp *u = list_entry(at, struct env_upnp, link);
            pthread_mutex_lock(&u->mutex);
            bool finished = u->finished;
            pthread_mutex_unlock(&u->mutex);
            if (finished) {
                found = u;
                break;
            }
        }
        if (!found)
            return;
        /* done() may start or cancel others: the list is walked anew. */
        list_remove(&found->link);
        found->done(found->user, found->err, &found->result);
        upnp_free(found);
    }
}

void real_upnp_abandon(struct real_env *e)
{
    list_for_each_safe(at, &e->upnps) real_upnp_cancel(list_entry(at, struct env_upnp, link));
}
