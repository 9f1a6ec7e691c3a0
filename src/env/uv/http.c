/* The HTTP client: libcurl, one exchange a thread of a small pool, so that neither names nor TLS
 * nor slow servers hold up the loop. The body is gathered on the thread, within the request's
 * bound, and handed to the loop at the end.
 *
 * Every address that a request or a redirect leads to is judged by the classifier after the name
 * was resolved (threats: SSRF, rebinding); through a proxy, which resolves the names, those that
 * are numeric. Redirects are followed here and not by libcurl, so that each is judged before
 * anything is asked about it. Sockets are made here, bound as the request says. Certificates are
 * always verified. */
#include "env/uv/real.h"

#include "base/ip_ranges.h"
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
#define HTTP_REDIRECTS_MAX 5u
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
    struct env_tcp_options binding;
    bool proxied, numeric_only;
    struct env_http_proxy proxy;
    char *proxy_user, *proxy_password;
    struct ip_ranges *blocked_ranges;
    const struct env_http_events *events;
    void *user;

    atomic_bool cancelled;
    bool blocked;       /* an address or a name was refused */
    CURL *curl;         /* while it is under way */
    unsigned redirects; /* followed so far */
    bool began_outside; /* its first address was a global one: then it may not lead inside */
    struct builder body;
    int err, status;
    char detail[HTTP_DETAIL_MAX];
};

/* ---- on the thread ------------------------------------------------------------------------- */

/* Where it leads is known to libcurl only when the exchange has ended. */
static bool is_redirect(struct env_http *h)
{
    long status = 0;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct env_http *h = user;
    if (!is_redirect(h)) /* whose words are nobody's */
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

static enum addr_source source_now(const struct env_http *h)
{
    return h->redirects > 0 && h->began_outside ? ADDR_FROM_STRANGER : h->source;
}

static bool may_contact(struct env_http *h, const struct endpoint *e)
{
    if (h->redirects == 0)
        h->began_outside = endpoint_class(e) == ADDR_GLOBAL;
    return endpoint_allowed(e, source_now(h)) && !ip_ranges_contain(h->blocked_ranges, e);
}

static int make_socket(struct env_http *h, const struct endpoint *to, int type, int *fd)
{
    int err = socket_open((enum addr_family)to->family, type, &h->binding, fd);
    if (err)
        return err;
    err = socket_bind_source(*fd, (enum addr_family)to->family, &h->binding);
    if (err)
        close(*fd);
    return err;
}

/* libcurl asks for a socket for an address that it has resolved: the last gate before a packet. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct env_http *h = user;
    struct sockaddr_storage to = {0};
    struct endpoint endpoint;
    int fd;
    (void)purpose;
    if (address->addrlen > sizeof to)
        return CURL_SOCKET_BAD;
    memcpy(&to, &address->addr, address->addrlen);
    socket_endpoint(&to, &endpoint);
    bool good = h->proxied ? endpoint_equal(&endpoint, &h->proxy.at) : may_contact(h, &endpoint);
    if (!good) {
        h->blocked = true;
        return CURL_SOCKET_BAD;
    }
    return make_socket(h, &endpoint, address->socktype, &fd) == 0 ? fd : CURL_SOCKET_BAD;
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

/* NOPROXY: the environment has a say in neither. socks5h: the proxy resolves. */
static void set_proxy(struct env_http *h, CURL *curl)
{
    char at[ENDPOINT_TEXT_MAX];
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROXY, h->proxied ? endpoint_text(&h->proxy.at, at) : "");
    if (!h->proxied)
        return;
    curl_easy_setopt(curl, CURLOPT_PROXYTYPE,
        (long)(h->proxy.socks5 ? CURLPROXY_SOCKS5_HOSTNAME : CURLPROXY_HTTP));
    if (h->proxy_user) {
        curl_easy_setopt(curl, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_PROXYUSERNAME, h->proxy_user);
        curl_easy_setopt(curl, CURLOPT_PROXYPASSWORD, h->proxy_password);
    }
}

static void set_options(struct env_http *h, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name that is still being looked up is not waited for: libcurl's thread frees what it has.
     */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
#endif
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
    set_proxy(h, curl);
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

/* The host and port that an address names; the host numeric, or a name. */
static CURLUcode read_host(const char *url, char **host, struct endpoint *numeric)
{
    char *port = NULL;
    CURLU *u = curl_url();
    *host = NULL;
    memset(numeric, 0, sizeof *numeric);
    CURLUcode code = u ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        code = curl_url_get(u, CURLUPART_HOST, host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        (void)endpoint_parse_ip(numeric, bytes_of_str(*host), (uint16_t)strtoul(port, NULL, 10));
    curl_free(port);
    curl_url_cleanup(u);
    return code;
}

/* Before anything is asked about an address. Bound, a name may not be looked up; through a proxy
 * nobody here sees what a name leads to, but what is plainly written is judged all the same. */
static bool may_ask(struct env_http *h, const char *url)
{
    char *host;
    struct endpoint numeric;
    if (!h->proxied && !h->numeric_only)
        return true;
    bool good = read_host(url, &host, &numeric) == CURLUE_OK;
    bool is_name = numeric.family == ADDR_NONE;
    if (good && is_name && strcmp(host, "localhost") == 0)
        numeric = endpoint_v4(0x7f000001, 80);
    if (good && h->proxied && numeric.family != ADDR_NONE)
        good = may_contact(h, &numeric);
    else if (good && h->proxied && h->redirects == 0)
        h->began_outside = true;
    else if (good && !h->proxied)
        good = !is_name;
    curl_free(host);
    if (!good && !h->proxied && is_name)
        snprintf(h->detail, sizeof h->detail,
            "names are not looked up while everything is bound to an interface");
    h->blocked |= !good;
    return good;
}

/* One exchange after another, as redirects lead. */
static CURLcode follow(struct env_http *h, CURL *curl)
{
    char *next = NULL;
    CURLcode code = CURLE_OK;
    if (!may_ask(h, h->url))
        return CURLE_COULDNT_CONNECT;
    curl_easy_setopt(curl, CURLOPT_URL, h->url);
    for (;;) {
        code = curl_easy_perform(curl);
        if (code == CURLE_OK)
            code = curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &next);
        if (code != CURLE_OK || !next)
            return code;
        if (h->redirects++ == HTTP_REDIRECTS_MAX)
            return CURLE_TOO_MANY_REDIRECTS;
        if (!may_ask(h, next))
            return CURLE_COULDNT_CONNECT;
        code = curl_easy_setopt(curl, CURLOPT_URL, next);
        if (code != CURLE_OK)
            return code;
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
    CURLcode code = follow(h, curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    h->status = (int)status;
    h->err = error_of(h, code);
    if (h->blocked && !h->detail[0])
        snprintf(h->detail, sizeof h->detail, "the address it leads to may not be contacted");
    else if (code != CURLE_OK && !h->blocked)
        snprintf(h->detail, sizeof h->detail, "%s", curl_easy_strerror(code));
    curl_easy_cleanup(curl);
}

/* ---- on the loop --------------------------------------------------------------------------- */

static void http_free(struct env_http *h)
{
    builder_free(&h->body);
    free(h->url);
    free(h->user_agent);
    free(h->proxy_user);
    free(h->proxy_password);
    ip_ranges_drop(h->blocked_ranges);
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

static void copy_binding(struct env_http *h, const struct env_tcp_options *tcp)
{
    if (tcp && tcp->bind_ip) {
        h->bind_ip = *tcp->bind_ip;
        h->binding.bind_ip = &h->bind_ip;
    }
    if (tcp && tcp->bind_device) {
        snprintf(h->bind_device, sizeof h->bind_device, "%s", tcp->bind_device);
        h->binding.bind_device = h->bind_device;
    }
}

/* False: no memory. */
static bool copy_proxy(struct env_http *h, const struct env_http_proxy *proxy)
{
    if (!proxy)
        return true;
    h->proxied = true;
    h->proxy = *proxy;
    h->proxy.user = h->proxy.password = NULL;
    if (!proxy->user)
        return true;
    h->proxy_user = strdup(proxy->user);
    h->proxy_password = strdup(proxy->password ? proxy->password : "");
    return h->proxy_user && h->proxy_password;
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
    bool copied = h->url && (!request->user_agent || h->user_agent);
    if (!copied || !copy_proxy(h, request->proxy)) {
        http_free(h);
        return ERR_NOMEM;
    }
    h->numeric_only = request->numeric_only;
    h->blocked_ranges = ip_ranges_hold(request->blocked);
    copy_binding(h, request->tcp);
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
