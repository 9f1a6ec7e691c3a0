/* See lsd.h. HTTP's shape, read as a list of lines: nothing else of HTTP is in it. */
#include "proto/lsd.h"

#include "base/err.h"
#include "base/text.h"

#include <assert.h>

static const char request_line[] = "BT-SEARCH * HTTP/1.1";

struct endpoint lsd_group(enum addr_family family)
{
    static const uint8_t v4[4] = {239, 192, 152, 143};
    static const uint8_t v6[16] = {0xff, 0x15, [12] = 0xef, 0xc0, 0x98, 0x8f};
    return family == ADDR_V4 ? endpoint_from_ip4(v4, LSD_PORT) : endpoint_from_ip6(v6, LSD_PORT);
}

/* ---- writing ------------------------------------------------------------------------------- */

void lsd_put(struct builder *b, enum addr_family family, const struct lsd_announce *a)
{
    char group[ENDPOINT_TEXT_MAX], hex[41];
    struct endpoint to = lsd_group(family);
    assert(a->count <= LSD_SEND_MAX);
    /* Some look for these names letter by letter (transmission), so they are BEP 14's. */
    builder_format(b, "%s\r\nHost: %s\r\nPort: %u\r\n", request_line, endpoint_text(&to, group),
        (unsigned)a->port);
    for (unsigned i = 0; i < a->count; i++) {
        hex_encode(a->hashes[i].b, sizeof a->hashes[i].b, hex);
        builder_format(b, "Infohash: %s\r\n", hex);
    }
    if (a->cookie[0])
        builder_format(b, "cookie: %s\r\n", a->cookie);
    builder_str(b, "\r\n\r\n");
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Up to the next line feed; the end of the datagram ends a line, too. */
static struct bytes take_line(struct cursor *c)
{
    struct bytes line = bytes_of(c->at, 0);
    while (c->left > 0) {
        uint8_t byte = cursor_u8(c);
        if (byte == '\n')
            break;
        line.size++;
    }
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool same_name(struct bytes a, const char *lower)
{
    size_t i = 0;
    for (; i < a.size && lower[i]; i++) {
        uint8_t byte = a.data[i];
        if ((byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte) != (uint8_t)lower[i])
            return false;
    }
    return i == a.size && !lower[i];
}

static bool take_header(struct bytes line, struct bytes *name, struct bytes *value)
{
    const uint8_t *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
    if (!colon)
        return false;
    *name = text_trim(bytes_of(line.data, (size_t)(colon - line.data)));
    *value = text_trim(bytes_of(colon + 1, line.size - (size_t)(colon - line.data) - 1));
    return true;
}

static void take_hash(struct bytes text, struct lsd_announce *a)
{
    static const struct info_hash none;
    struct info_hash hash;
    if (a->count < LSD_HASHES_MAX && hex_decode(text, hash.b, sizeof hash.b) == 0 &&
        !info_hash_equal(&hash, &none))
        a->hashes[a->count++] = hash;
}

static void take_cookie(struct bytes text, struct lsd_announce *a)
{
    if (text.size > LSD_COOKIE_MAX) /* not ours, then */
        return;
    memcpy(a->cookie, text.data, text.size);
    a->cookie[text.size] = 0;
}

int lsd_parse(struct bytes datagram, struct lsd_announce *a)
{
    struct cursor c = cursor_of(datagram);
    *a = (struct lsd_announce){0};
    if (datagram.size > LSD_RECEIVE_MAX || !bytes_equal_str(take_line(&c), request_line))
        return ERR_SYNTAX;
    while (c.left > 0) {
        struct bytes line = take_line(&c), name, value;
        uint64_t port;
        if (line.size == 0)
            break;
        if (!take_header(line, &name, &value))
            continue;
        if (same_name(name, "port") && parse_u64(value, UINT16_MAX, &port) == 0)
            a->port = (uint16_t)port;
        else if (same_name(name, "infohash"))
            take_hash(value, a);
        else if (same_name(name, "cookie") && value.size > 0)
            take_cookie(value, a);
    }
    return a->port && a->count ? 0 : ERR_SYNTAX;
}
