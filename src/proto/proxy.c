/* See proxy.h. */
#include "proto/proxy.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <strings.h>

#define SOCKS5_PORT 1080
#define HTTP_PORT 3128 /* squid's, and what curl would not guess better */

/* Control characters would end a header line of HTTP, and belong to nobody's name or password. */
static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return true;
}

static int copy_decoded(struct bytes text, char out[PROXY_TEXT_MAX])
{
    struct builder b = builder_fixed(out, PROXY_TEXT_MAX);
    if (percent_decode(text, &b, false) != 0)
        return builder_ok(&b) ? ERR_SYNTAX : ERR_LIMIT;
    if (!builder_ok(&b) || b.size >= PROXY_TEXT_MAX)
        return ERR_LIMIT;
    out[b.size] = 0;
    return is_plain(bytes_of(out, b.size)) ? 0 : ERR_SYNTAX;
}

static size_t find_last(struct bytes text, uint8_t byte)
{
    size_t at = text.size;
    while (at > 0 && text.data[at - 1] != byte)
        at--;
    return at > 0 ? at - 1 : text.size;
}

static size_t find_first(struct bytes text, uint8_t byte)
{
    const uint8_t *at = text.size > 0 ? memchr(text.data, byte, text.size) : NULL;
    return at ? (size_t)(at - text.data) : text.size;
}

static struct bytes part(struct bytes text, size_t from, size_t to)
{
    return bytes_of(text.data + from, to - from);
}

static int parse_login(struct proxy *p, struct bytes login)
{
    size_t colon = find_first(login, ':');
    p->has_login = true;
    int err = copy_decoded(part(login, 0, colon), p->user);
    if (err || colon == login.size)
        return err;
    return copy_decoded(part(login, colon + 1, login.size), p->password);
}

static bool is_host(struct bytes host)
{
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] <= 0x20 || host.data[i] >= 0x7f || strchr("/?#@[]\\%\"<>", host.data[i]))
            return false;
    return host.size > 0;
}

/* "host", "host:port", "[v6]", "[v6]:port". */
static int parse_authority(struct proxy *p, struct bytes text)
{
    struct bytes host = text, port = {0};
    size_t close = text.size > 0 && text.data[0] == '[' ? find_first(text, ']') : text.size;
    size_t colon = find_last(text, ':');
    if (close < text.size) {
        host = part(text, 1, close);
        if (close + 1 < text.size && text.data[close + 1] != ':')
            return ERR_SYNTAX;
        if (close + 1 < text.size)
            port = part(text, close + 2, text.size);
    } else if (colon < text.size) {
        host = part(text, 0, colon);
        port = part(text, colon + 1, text.size);
    }
    uint64_t number = p->kind == PROXY_SOCKS5 ? SOCKS5_PORT : HTTP_PORT;
    if (port.data && (parse_u64(port, 65535, &number) != 0 || number == 0))
        return ERR_SYNTAX;
    if (host.size >= sizeof p->host)
        return ERR_LIMIT;
    if (!is_host(host) || (close == text.size && find_first(host, ':') < host.size))
        return ERR_SYNTAX;
    memcpy(p->host, host.data, host.size);
    p->host[host.size] = 0;
    p->port = (uint16_t)number;
    return 0;
}

int proxy_parse(struct proxy *p, const char *url)
{
    memset(p, 0, sizeof *p);
    const char *rest = strstr(url, "://");
    if (!rest)
        return ERR_SYNTAX;
    size_t scheme = (size_t)(rest - url);
    if ((scheme == 6 && strncasecmp(url, "socks5", 6) == 0) ||
        (scheme == 7 && strncasecmp(url, "socks5h", 7) == 0))
        p->kind = PROXY_SOCKS5;
    else if (scheme == 4 && strncasecmp(url, "http", 4) == 0)
        p->kind = PROXY_HTTP;
    else
        return ERR_UNSUPPORTED;
    struct bytes text = bytes_of_str(rest + 3);
    if (text.size > 0 && text.data[text.size - 1] == '/')
        text.size--;
    size_t at = find_last(text, '@');
    int err = 0;
    if (at < text.size) {
        err = parse_login(p, part(text, 0, at));
        text = part(text, at + 1, text.size);
    }
    if (!err && p->kind == PROXY_HTTP && strchr(p->user, ':'))
        err = ERR_SYNTAX; /* RFC 7617: the first colon ends the user's name */
    return err ? err : parse_authority(p, text);
}

const char *proxy_text(const struct proxy *p, char buffer[PROXY_URL_MAX])
{
    bool v6 = strchr(p->host, ':') != NULL;
    snprintf(buffer, PROXY_URL_MAX, "%s://%s%s%s:%u", p->kind == PROXY_HTTP ? "http" : "socks5",
        v6 ? "[" : "", p->host, v6 ? "]" : "", p->port);
    return buffer;
}

struct proxy_target proxy_target_of(const struct endpoint *e)
{
    return (struct proxy_target){.address = *e};
}

bool proxy_target_name(struct proxy_target *out, const char *name, uint16_t port)
{
    struct bytes text = bytes_of_str(name);
    memset(out, 0, sizeof *out);
    if (text.size >= sizeof out->name || !is_host(text) || find_first(text, ':') < text.size)
        return false;
    memcpy(out->name, name, text.size + 1);
    out->port = port;
    return true;
}
