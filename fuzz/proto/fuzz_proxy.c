/* Answers of proxies: the first byte chooses what the rest is fed to. Whatever a proxy says, in any
 * portions, the machines stay within their buffers, end or wait, and open only after an answer. */
#include "proto/http_connect.h"
#include "proto/socks5.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Feeds portions whose lengths the input chooses. */
static size_t portion(struct cursor *c, uint8_t *at, size_t room)
{
    size_t size = (size_t)cursor_u8(c) + 1;
    size = size < room ? size : room;
    size = size < c->left ? size : c->left;
    cursor_copy(c, at, size);
    return size;
}

static void fuzz_socks5(struct cursor c, bool login)
{
    struct proxy p = {.kind = PROXY_SOCKS5, .has_login = login, .user = "u", .password = "p"};
    struct endpoint e = endpoint_v4(0x01020304, 5);
    struct proxy_target t = proxy_target_of(&e);
    struct socks5 s;
    socks5_init(&s, &p, login ? SOCKS5_UDP_ASSOCIATE : SOCKS5_CONNECT, &t);
    int err = 0;
    while (!err && c.left > 1) {
        size_t room;
        socks5_sent(&s, socks5_output(&s).size);
        uint8_t *at = socks5_room(&s, &room);
        check(at >= s.in && at + room <= s.in + sizeof s.in);
        check((room == 0) == (s.state == SOCKS5_OPEN));
        if (room == 0)
            return;
        size_t got = portion(&c, at, room);
        err = got > 0 ? socks5_input(&s, got) : -1;
    }
}

static void fuzz_http(struct cursor c)
{
    struct proxy p = {.kind = PROXY_HTTP};
    struct endpoint e = endpoint_v4(0x01020304, 5);
    struct proxy_target t = proxy_target_of(&e);
    static struct http_connect h;
    http_connect_init(&h, &p, &t);
    http_connect_sent(&h, http_connect_output(&h).size);
    int err = 0;
    while (!err && c.left > 1) {
        size_t room;
        uint8_t *at = http_connect_room(&h, &room);
        check((room == 0) == (h.state == HTTP_CONNECT_OPEN));
        if (room == 0) {
            check(h.status / 100 == 2 && http_connect_leftover(&h).size <= h.in_size);
            return;
        }
        size_t got = portion(&c, at, room);
        err = got > 0 ? http_connect_input(&h, got) : -1;
        check(!err || h.state == HTTP_CONNECT_FAILED || got == 0);
    }
}

static void fuzz_datagram(struct bytes datagram)
{
    struct endpoint from;
    struct bytes payload;
    if (!socks5_take_header(datagram, &from, &payload))
        return;
    check(from.family != ADDR_NONE && from.port != 0 && payload.size <= datagram.size - 10);
}

static void fuzz_url(struct bytes text)
{
    struct proxy p;
    char *url = bytes_dup_str(text), shown[PROXY_URL_MAX];
    if (url && proxy_parse(&p, url) == 0) {
        check(p.kind != PROXY_NONE && p.port != 0 && p.host[0]);
        struct proxy again;
        check(proxy_parse(&again, proxy_text(&p, shown)) == 0);
        check(strcmp(again.host, p.host) == 0 && again.port == p.port && !again.has_login);
    }
    free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(bytes_of(data, size));
    switch (cursor_u8(&c) % 5) {
    case 0:
        fuzz_socks5(c, false);
        break;
    case 1:
        fuzz_socks5(c, true);
        break;
    case 2:
        fuzz_http(c);
        break;
    case 3:
        fuzz_datagram(cursor_rest(&c));
        break;
    default:
        fuzz_url(cursor_rest(&c));
        break;
    }
    return 0;
}
