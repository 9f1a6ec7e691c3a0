/* See http_connect.h. */
#include "proto/http_connect.h"

#include "base/err.h"
#include "base/text.h"
#include <assert.h>

/* ---- what we say --------------------------------------------------------------------------- */

static void put_base64(struct builder *b, struct bytes raw)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < raw.size; i += 3) {
        size_t left = raw.size - i;
        uint32_t bits = (uint32_t)raw.data[i] << 16;
        bits |= left > 1 ? (uint32_t)raw.data[i + 1] << 8 : 0;
        bits |= left > 2 ? raw.data[i + 2] : 0;
        builder_u8(b, (uint8_t)digits[bits >> 18]);
        builder_u8(b, (uint8_t)digits[bits >> 12 & 63]);
        builder_u8(b, left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=');
        builder_u8(b, left > 2 ? (uint8_t)digits[bits & 63] : '=');
    }
}

static void put_authority(struct builder *b, const struct proxy_target *t)
{
    char text[ENDPOINT_TEXT_MAX];
    if (t->name[0])
        builder_format(b, "%s:%u", t->name, t->port);
    else
        builder_str(b, endpoint_text(&t->address, text));
}

static void put_login(struct builder *b, const struct proxy *p)
{
    uint8_t raw[2 * PROXY_TEXT_MAX];
    struct builder pair = builder_fixed(raw, sizeof raw);
    builder_str(&pair, p->user);
    builder_u8(&pair, ':');
    builder_str(&pair, p->password);
    builder_str(b, "Proxy-Authorization: Basic ");
    put_base64(b, builder_bytes(&pair));
    builder_str(b, "\r\n");
}

void http_connect_init(
    struct http_connect *h, const struct proxy *proxy, const struct proxy_target *target)
{
    memset(h, 0, sizeof *h);
    struct builder b = builder_fixed(h->out, sizeof h->out);
    builder_str(&b, "CONNECT ");
    put_authority(&b, target);
    builder_str(&b, " HTTP/1.1\r\nHost: ");
    put_authority(&b, target);
    builder_str(&b, "\r\n");
    if (proxy->has_login)
        put_login(&b, proxy);
    builder_str(&b, "\r\n");
    assert(
        builder_ok(&b)); /* two names, a login in base64 and 80 bytes of words: fewer than 2048 */
    h->out_size = b.size;
}

struct bytes http_connect_output(const struct http_connect *h)
{
    return bytes_of(h->out + h->out_sent, h->out_size - h->out_sent);
}

void http_connect_sent(struct http_connect *h, size_t size)
{
    assert(size <= h->out_size - h->out_sent);
    h->out_sent += size;
}

/* ---- what we hear -------------------------------------------------------------------------- */

/* The end of the head that begins at `used`: past its empty line (lines end in CRLF, or LF as RFC
 * 9112 2.2 lets us take them). 0: not here yet. Each byte is looked at once. */
static size_t find_end(struct http_connect *h)
{
    for (; h->scanned < h->in_size; h->scanned++) {
        size_t at = h->scanned;
        if (h->in[at] != '\n' || at < h->used + 2)
            continue;
        bool empty = h->in[at - 1] == '\n' || (h->in[at - 1] == '\r' && h->in[at - 2] == '\n');
        if (empty)
            return ++h->scanned;
    }
    return 0;
}

/* "HTTP/1.1 200 words", RFC 9112 section 4. 0: it is something else. */
static unsigned status_of(struct bytes head)
{
    const uint8_t *at = head.data;
    if (head.size < 13 || memcmp(at, "HTTP/1.", 7) != 0 || !text_is_digit(at[7]) || at[8] != ' ')
        return 0;
    for (size_t i = 9; i < 12; i++)
        if (!text_is_digit(at[i]))
            return 0;
    if (at[12] != ' ' && at[12] != '\r' && at[12] != '\n')
        return 0;
    return (unsigned)(at[9] - '0') * 100 + (unsigned)(at[10] - '0') * 10 + (unsigned)(at[11] - '0');
}

static int error_of(unsigned status)
{
    switch (status) {
    case 407: /* Proxy Authentication Required */
        return ERR_PERMISSION;
    case 500: /* what tinyproxy says of a host that it cannot reach */
    case 502:
    case 503:
        return ERR_NETWORK;
    case 504:
        return ERR_TIMEOUT;
    default:
        return status >= 200 ? ERR_REFUSED : ERR_PROTOCOL;
    }
}

static int fail(struct http_connect *h, int err)
{
    h->state = HTTP_CONNECT_FAILED;
    return err;
}

uint8_t *http_connect_room(struct http_connect *h, size_t *size)
{
    *size = h->state == HTTP_CONNECT_ASKED ? sizeof h->in - h->in_size : 0;
    return h->in + h->in_size;
}

int http_connect_input(struct http_connect *h, size_t size)
{
    assert(h->state == HTTP_CONNECT_ASKED && size > 0 && size <= sizeof h->in - h->in_size);
    h->in_size += size;
    size_t end;
    while ((end = find_end(h)) > 0) {
        h->status = status_of(bytes_of(h->in + h->used, end - h->used));
        h->used = end;
        if (h->status >= 200 && h->status < 300 && h->out_sent == h->out_size) {
            h->state = HTTP_CONNECT_OPEN;
            return 0;
        }
        if (h->status < 100 || h->status >= 200) /* 1xx: interim, another head follows */
            return fail(h, error_of(h->status));
    }
    return h->in_size == sizeof h->in ? fail(h, ERR_LIMIT) : 0;
}

struct bytes http_connect_leftover(const struct http_connect *h)
{
    return bytes_of(h->in + h->used, h->in_size - h->used);
}
