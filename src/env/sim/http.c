/* HTTP exchanges, without TCP below them: the client asks, after a latency the handler of the
 * longest matching prefix answers (redirects are followed, each address is judged), and the body
 * comes over the host's downlink in chunks of random size. Progress is watched as the real client
 * does. */
#include "env/sim/http.h"
#include "env/sim/names.h"
#include "env/sim/net.h"
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_MOST ((size_t)16384)
#define HOST_MOST 256
#define PORT_HTTP 80
#define PORT_HTTPS 443

struct sim_http_route {
    struct sim_http_route *next;
    char *prefix;
    void (*handler)(void *user, const struct sim_http_request *, struct sim_http_reply *);
    void *user;
};

struct sim_http {
    struct sim_handle handle;
    struct env_http_request request; /* url and user_agent are copies */
    char *url, *user_agent;
    struct env_http_events events;
    void *user;
    struct sim_http_reply reply;
    size_t at;    /* body bytes that were handed over */
    size_t chunk; /* on the line now */
    unsigned redirects;
    bool begun;          /* the body is coming */
    bool paused, landed; /* landed: the chunk waits for the end of the pause */
    int err;             /* for the end */
    const char *detail;
    struct sim_source down;
    struct sim_event step, watchdog;
};

/* ---- servers ------------------------------------------------------------------------------- */

void sim_http_serve(struct sim_world *w, const char *url_prefix,
    void (*handler)(void *user, const struct sim_http_request *, struct sim_http_reply *),
    void *user)
{
    struct sim_http_route *r = w->servers;
    while (r != NULL && strcmp(r->prefix, url_prefix) != 0)
        r = r->next;
    if (r == NULL) {
        r = sim_alloc(sizeof *r);
        r->prefix = sim_dup(url_prefix);
        r->next = w->servers;
        w->servers = r;
    }
    r->handler = handler;
    r->user = user;
}

static const struct sim_http_route *route_find(const struct sim_world *w, const char *url)
{
    const struct sim_http_route *best = NULL;
    for (const struct sim_http_route *r = w->servers; r != NULL; r = r->next) {
        size_t size = strlen(r->prefix);
        if (strncmp(r->prefix, url, size) == 0 && (best == NULL || size > strlen(best->prefix)))
            best = r;
    }
    return best;
}

void sim_http_free(struct sim_world *w)
{
    for (struct sim_http_route *r = w->servers, *next; r != NULL; r = next) {
        next = r->next;
        free(r->prefix);
        free(r);
    }
}

void sim_http_reply_content(
    struct sim_http_reply *reply, const struct sim_http_request *request, struct bytes content)
{
    if (request->range_size == 0) {
        builder_span(&reply->body, content);
    } else if (request->range_first >= content.size) {
        reply->status = 416;
    } else {
        size_t left = content.size - (size_t)request->range_first;
        size_t size = request->range_size < left ? (size_t)request->range_size : left;
        reply->status = 206;
        builder_bytes_put(&reply->body, content.data + request->range_first, size);
    }
}

/* ---- the exchange -------------------------------------------------------------------------- */

static struct sim_world *world_of(const struct sim_http *h)
{
    return h->handle.env->host->world;
}

static void finish(struct sim_http *h)
{
    void (*done)(void *, int, int, const char *) = h->events.done;
    void *user = h->user;
    int err = h->err;
    int status = h->reply.status;
    const char *detail = h->detail == NULL ? "" : h->detail;
    sim_handle_close(&h->handle);
    done(user, err, status, detail);
}

static void finish_soon(struct sim_event *event)
{
    finish(container_of(event, struct sim_http, step));
}

static void end(struct sim_http *h, int err, const char *detail)
{
    h->err = err;
    h->detail = detail;
    h->step.fire = finish_soon;
    list_remove(&h->down.link);
    sim_unschedule(world_of(h), &h->watchdog);
    sim_schedule(world_of(h), &h->step, world_of(h)->now);
}

static void watch(struct sim_http *h)
{
    if (h->request.timeout > 0 && h->request.timeout != NEVER)
        sim_schedule(world_of(h), &h->watchdog, world_of(h)->now + h->request.timeout);
}

static void timed_out(struct sim_event *event)
{
    struct sim_http *h = container_of(event, struct sim_http, watchdog);
    if (h->paused)
        watch(h); /* it rests because we asked for it */
    else
        end(h, ERR_TIMEOUT, "no progress");
}

/* The host and port of a URL. False if it is not one of http or https. */
static bool url_host(const char *url, char host[HOST_MOST], uint16_t *port)
{
    const char *at = strstr(url, "://");
    if (at == NULL || (strncmp(url, "http:", 5) != 0 && strncmp(url, "https:", 6) != 0))
        return false;
    *port = url[4] == 's' ? PORT_HTTPS : PORT_HTTP;
    at += 3;
    size_t size = at[0] == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    if (size == 0 || size >= HOST_MOST)
        return false;
    memcpy(host, at, size);
    host[size] = 0;
    if (at[size] == ':')
        *port = (uint16_t)strtoul(at + size + 1, NULL, 10);
    return true;
}

/* As the real client: every address that would be contacted passes the classifier. */
static int judge(struct sim_http *h)
{
    char host[HOST_MOST];
    uint16_t port;
    struct endpoint found[ENV_RESOLVE_MAX];
    if (!url_host(h->url, host, &port))
        return ERR_UNSUPPORTED;
    int count = sim_names_find(world_of(h), host, port, found);
    if (count == ERR_NOT_FOUND && route_find(world_of(h), h->url) != NULL)
        return 0; /* a scenario need not give every server an address */
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++)
        if (endpoint_allowed(&found[i], h->request.source))
            return 0;
    return ERR_BLOCKED;
}

static bool reply_over(const struct sim_http *h)
{
    return h->at == h->reply.body.size || (h->reply.err != 0 && h->at >= h->reply.break_after);
}

static void next_chunk(struct sim_http *h)
{
    if (reply_over(h))
        end(h, h->reply.err, h->reply.detail);
    else if (!h->paused && h->chunk == 0)
        sim_link_want(&h->handle.env->host->down, &h->down);
}

static size_t down_take(struct sim_source *source, size_t quantum)
{
    struct sim_http *h = container_of(source, struct sim_http, down);
    size_t left = h->reply.body.size - h->at;
    if (h->reply.err != 0 && h->reply.break_after < h->reply.body.size)
        left = (size_t)h->reply.break_after - h->at;
    size_t most = quantum < CHUNK_MOST ? quantum : CHUNK_MOST;
    most = 1 + sim_rng_below(&h->handle.env->host->tcp_rng, most);
    h->chunk = left < most ? left : most;
    return h->chunk;
}

static void hand_over(struct sim_event *event)
{
    struct sim_http *h = container_of(event, struct sim_http, step);
    h->landed = h->paused;
    if (h->paused)
        return;
    size_t size = h->chunk;
    struct bytes chunk = bytes_of(h->reply.body.data + h->at, size);
    h->chunk = 0;
    h->at += size;
    watch(h);
    if (h->at > h->request.body_max) {
        end(h, ERR_LIMIT, "the answer is too large");
        return;
    }
    sim_record(
        world_of(h), h->handle.env->host, "http body", size, sim_fingerprint(chunk.data, size));
    sim_handle_enter(&h->handle);
    bool go_on = h->events.body == NULL || h->events.body(h->user, h->reply.status, chunk);
    if (!sim_handle_leave(&h->handle))
        return;
    if (go_on)
        next_chunk(h);
    else
        end(h, ERR_CANCELLED, "");
}

static void down_sent(struct sim_source *source, usec at)
{
    struct sim_http *h = container_of(source, struct sim_http, down);
    if (h->reply.bytes_per_second > 0)
        at += (usec)(h->chunk * (uint64_t)USEC_PER_SEC / h->reply.bytes_per_second);
    h->step.fire = hand_over;
    sim_schedule(world_of(h), &h->step, at);
}

static void ask(struct sim_event *);

static void redirect(struct sim_http *h)
{
    if (h->redirects++ == SIM_HTTP_REDIRECTS_MAX) {
        end(h, ERR_LIMIT, "too many redirects");
        return;
    }
    free(h->url);
    h->url = sim_dup(h->reply.redirect);
    h->step.fire = ask;
    sim_schedule(world_of(h), &h->step, world_of(h)->now + world_of(h)->config.http_latency);
}

/* The answer begins. */
static void begin(struct sim_event *event)
{
    struct sim_http *h = container_of(event, struct sim_http, step);
    watch(h);
    if (h->reply.redirect != NULL)
        redirect(h);
    else
        next_chunk(h);
    h->begun = h->reply.redirect == NULL;
}

/* The request reaches its server. */
static void ask(struct sim_event *event)
{
    struct sim_http *h = container_of(event, struct sim_http, step);
    struct sim_world *w = world_of(h);
    struct sim_host *host = h->handle.env->host;
    int err = judge(h);
    const struct sim_http_route *r = err == 0 ? route_find(w, h->url) : NULL;
    if (r == NULL) {
        end(h, err == 0 ? ERR_REFUSED : err, "");
        return;
    }
    struct sim_http_request request = {.url = h->url,
        .user_agent = h->user_agent,
        .range_first = h->request.range_first,
        .range_size = h->request.range_size,
        .client = host};
    if (host->address_count > 0)
        request.client_address = host->addresses[0].ip;
    builder_free(&h->reply.body);
    h->reply = (struct sim_http_reply){.status = 200, .body = builder_heap(SIM_HTTP_BODY_MAX)};
    r->handler(r->user, &request, &h->reply);
    if (h->reply.delay == NEVER)
        return; /* the watchdog will end it */
    h->step.fire = begin;
    sim_schedule(w, &h->step, w->now + h->reply.delay);
}

/* ---- the calls ----------------------------------------------------------------------------- */

static void http_crash(struct sim_handle *handle, enum sim_crash kind)
{
    struct sim_http *h = container_of(handle, struct sim_http, handle);
    (void)kind;
    sim_unschedule(world_of(h), &h->step);
    sim_unschedule(world_of(h), &h->watchdog);
    list_remove(&h->down.link);
}

static void http_destroy(struct sim_handle *handle)
{
    struct sim_http *h = container_of(handle, struct sim_http, handle);
    http_crash(handle, SIM_KILLED);
    builder_free(&h->reply.body);
    free(h->url);
    free(h->user_agent);
    free(h);
}

static const struct sim_handle_kind http_kind = {http_crash, http_destroy};

int sim_http_start(struct env *face, const struct env_http_request *request,
    const struct env_http_events *events, void *user, struct env_http **out)
{
    struct sim_env *env = sim_env_of(face);
    struct sim_world *w = env->host->world;
    *out = NULL;
    if (!env->alive)
        return ERR_CLOSED;
    struct sim_http *h = sim_alloc(sizeof *h);
    h->request = *request;
    h->url = sim_dup(request->url);
    h->user_agent = request->user_agent == NULL ? NULL : sim_dup(request->user_agent);
    h->events = *events;
    h->user = user;
    h->reply.body = builder_heap(SIM_HTTP_BODY_MAX);
    sim_source_init(&h->down, down_take, down_sent);
    sim_node_event_init(&h->step, "http", env->host, ask);
    sim_node_event_init(&h->watchdog, "http timeout", env->host, timed_out);
    sim_handle_open(&h->handle, &http_kind, env);
    sim_schedule(w, &h->step, w->now + w->config.http_latency);
    watch(h);
    *out = (struct env_http *)(void *)h;
    return 0;
}

void sim_http_cancel(struct env_http *face)
{
    sim_handle_close(&((struct sim_http *)(void *)face)->handle);
}

void sim_http_pause(struct env_http *face, bool paused)
{
    struct sim_http *h = (struct sim_http *)(void *)face;
    h->paused = paused;
    if (paused || !h->begun || h->step.slot != 0 || h->handle.busy || !h->handle.env->alive)
        return;
    if (h->landed)
        sim_schedule(world_of(h), &h->step, world_of(h)->now);
    else
        next_chunk(h);
}
