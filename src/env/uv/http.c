/* The HTTP client: libcurl, one exchange a thread of a small pool, so that neither names nor TLS
 * nor slow servers hold up the loop. The body is gathered on the thread, within the request's
 * bound, and handed to the loop at the end.
 *
 * Every address that a request or a redirect leads to is judged by the classifier after the name
 * was resolved (threats: SSRF, rebinding). Certificates are always verified. */
#include "env/uv/real.h"

#include "base/list.h"
#include "env/uv/socket.h"
#include "env/uv/workers.h"
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HTTP_THREADS_DEFAULT 16u
#define HTTP_WAITING_MAX 4096u /* exchanges under way or waiting: more is ERR_LIMIT */
#define HTTP_REDIRECTS_MAX 5L
#define HTTP_DETAIL_MAX 160u

struct real_http_client {
    struct real_workers *workers;
    unsigned under_way;
};

struct env_http {
    const struct env_ops *ops; /* first: env.c */
    struct env_job job;
    struct real_http_client *client;
    char *url, *user_agent;
    enum addr_source source;
    uint64_t range_first, range_size, body_max;
    usec timeout;
    struct endpoint bind_ip;
    char bind_device[64];
    const struct env_http_events *events;
    void *user;

    atomic_bool cancelled;
    bool blocked;       /* the classifier refused an address */
    CURL *curl;         /* while it is under way */
    bool began_outside; /* its first address was a global one: then it may not lead inside */
    struct builder body;
    int err, status;
    char detail[HTTP_DETAIL_MAX];
};

/* ---- on the thread
 * ------------------------------------------------------------------------------------ */

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct env_http *h = user;
    builder_bytes_put(&h->body, data, size * count);
    return builder_ok(&h->body) && !atomic_load(&h->cancelled) ? size * count : 0;
}

static int watch(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct env_http *h = user;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(&h->cancelled);
}

/* libcurl asks for a socket for an address that it has resolved: the last gate before a packet. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct env_http *h = user;
    struct sockaddr_storage to = {0};
    struct endpoint endpoint;
    (void)purpose;
    if (address->addrlen > sizeof to)
        return CURL_SOCKET_BAD;
    memcpy(&to, &address->addr, address->addrlen);
    socket_endpoint(&to, &endpoint);
    long redirects = 0;
    curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_COUNT, &redirects);
    if (redirects == 0)
        h->began_outside = endpoint_class(&endpoint) == ADDR_GLOBAL;
    bool led = redirects > 0 && h->began_outside;
    if (!endpoint_allowed(&endpoint, led ? ADDR_FROM_STRANGER : h->source)) {
        h->blocked = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_range(struct env_http *h, CURL *curl)
{
    char range[64];
    if (h->range_size == 0)
        return;
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)h->range_first,
        (unsigned long long)(h->range_first + h->range_size - 1));
    curl_easy_setopt(curl, CURLOPT_RANGE, range);
}

static void set_binding(struct env_http *h, CURL *curl)
{
    char text[ENDPOINT_TEXT_MAX + 8];
    char ip[ENDPOINT_TEXT_MAX];
    if (h->bind_device[0]) {
        snprintf(text, sizeof text, "if!%s", h->bind_device);
        curl_easy_setopt(curl, CURLOPT_INTERFACE, text);
    } else if (h->bind_ip.family != ADDR_NONE) {
        snprintf(text, sizeof text, "host!%s", endpoint_ip_text(&h->bind_ip, ip));
        curl_easy_setopt(curl, CURLOPT_INTERFACE, text);
    }
}

static void set_options(struct env_http *h, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_URL, h->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, HTTP_REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(
        curl, CURLOPT_PROXY, ""); /* the environment's proxy is not the user's choice here */
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, h->range_size ? NULL : "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, h);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->timeout / USEC_PER_MSEC));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(h->timeout / USEC_PER_SEC + 1));
    if (h->user_agent)
        curl_easy_setopt(curl, CURLOPT_USERAGENT, h->user_agent);
    set_range(h, curl);
    set_binding(h, curl);
}

static int error_of(const struct env_http *h, CURLcode code)
{
    if (code == CURLE_OK)
        return 0;
    if (h->blocked)
        return ERR_BLOCKED;
    if (atomic_load(&h->cancelled))
        return ERR_CANCELLED;
    switch (code) {
    case CURLE_WRITE_ERROR:
        return builder_ok(&h->body) ? ERR_IO : ERR_LIMIT;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
        return ERR_NOT_FOUND;
    case CURLE_COULDNT_CONNECT:
        return ERR_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_SYNTAX;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_NETWORK;
    }
}

static void http_run(struct env_job *job)
{
    struct env_http *h = container_of(job, struct env_http, job);
    CURL *curl = h->curl = atomic_load(&h->cancelled) ? NULL : curl_easy_init();
    if (!curl) {
        h->err = ERR_NOMEM;
        return;
    }
    set_options(h, curl);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    h->status = (int)status;
    h->err = error_of(h, code);
    if (h->blocked)
        snprintf(h->detail, sizeof h->detail, "the address it leads to may not be contacted");
    else if (code != CURLE_OK)
        snprintf(h->detail, sizeof h->detail, "%s", curl_easy_strerror(code));
    curl_easy_cleanup(curl);
}

/* ---- on the loop
 * ---------------------------------------------------------------------------------------- */

static void http_free(struct env_http *h)
{
    builder_free(&h->body);
    free(h->url);
    free(h->user_agent);
    free(h);
}

static void http_done(struct env_job *job)
{
    struct env_http *h = container_of(job, struct env_http, job);
    h->client->under_way--;
    bool cancelled = atomic_load(&h->cancelled);
    if (!cancelled && h->body.size > 0 && builder_ok(&h->body) &&
        !h->events->body(h->user, h->status, builder_bytes(&h->body)))
        h->err = ERR_CANCELLED;
    if (!cancelled)
        h->events->done(h->user, h->err, h->status, h->detail);
    http_free(h);
}

static int client_of(struct real_env *e, struct real_http_client **out)
{
    if (!e->http) {
        struct real_http_client *c = calloc(1, sizeof *c);
        if (!c)
            return ERR_NOMEM;
        int err = real_workers_new(
            &e->async, e->http_max ? e->http_max : HTTP_THREADS_DEFAULT, &c->workers);
        if (err) {
            free(c);
            return err;
        }
        e->http = c;
    }
    *out = e->http;
    return 0;
}

int real_http_start(struct env *env, const struct env_http_request *request,
    const struct env_http_events *events, void *user, struct env_http **out)
{
    struct real_http_client *client;
    int err = client_of(real_env_of(env), &client);
    if (err)
        return err;
    if (client->under_way >= HTTP_WAITING_MAX)
        return ERR_LIMIT;
    struct env_http *h = calloc(1, sizeof *h);
    if (!h)
        return ERR_NOMEM;
    *h = (struct env_http){.ops = real_env_of(env)->ops,
        .job = {.run = http_run, .done = http_done},
        .client = client,
        .url = strdup(request->url),
        .user_agent = request->user_agent ? strdup(request->user_agent) : NULL,
        .source = request->source,
        .range_first = request->range_first,
        .range_size = request->range_size,
        .timeout = request->timeout,
        .body = builder_heap(request->body_max),
        .events = events,
        .user = user};
    if (!h->url || (request->user_agent && !h->user_agent)) {
        http_free(h);
        return ERR_NOMEM;
    }
    if (request->tcp && request->tcp->bind_ip)
        h->bind_ip = *request->tcp->bind_ip;
    if (request->tcp && request->tcp->bind_device)
        snprintf(h->bind_device, sizeof h->bind_device, "%s", request->tcp->bind_device);
    client->under_way++;
    real_workers_submit(client->workers, ENV_LANE_DATA, &h->job);
    *out = h;
    return 0;
}

void real_http_cancel(struct env_http *h)
{
    atomic_store(&h->cancelled, true);
}

/* The body waits in memory, within its bound, until the exchange ends: there is nothing to hold
 * back. */
void real_http_pause(struct env_http *h, bool paused)
{
    (void)h;
    (void)paused;
}

void real_http_reap(struct real_http_client *c)
{
    if (c)
        real_workers_reap(c->workers);
}

void real_http_free(struct real_http_client *c)
{
    if (!c)
        return;
    real_workers_free(c->workers);
    free(c);
}
