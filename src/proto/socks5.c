/* See socks5.h; section numbers are RFC 1928's unless it says otherwise. */
#include "proto/socks5.h"

#include "base/err.h"
#include <assert.h>

#define VERSION 5
#define LOGIN_VERSION 1 /* RFC 1929 */
#define METHOD_NONE 0
#define METHOD_LOGIN 2
#define METHOD_NO_COMMON 0xff
#define ADDRESS_V4 1
#define ADDRESS_NAME 3
#define ADDRESS_V6 4
#define REPLY_HEAD 5 /* version, reply, reserved, kind of address, its first byte */

/* ---- addresses, section 5 ------------------------------------------------------------------ */

static void put_address(struct builder *b, const struct proxy_target *t)
{
    if (t->name[0]) {
        size_t size = strlen(t->name);
        builder_u8(b, ADDRESS_NAME);
        builder_u8(b, (uint8_t)size);
        builder_bytes_put(b, t->name, size);
        builder_u16(b, t->port);
    } else if (t->address.family == ADDR_V6) {
        builder_u8(b, ADDRESS_V6);
        builder_bytes_put(b, t->address.ip, 16);
        builder_u16(b, t->address.port);
    } else { /* also no address at all: 0.0.0.0:0 */
        builder_u8(b, ADDRESS_V4);
        builder_bytes_put(b, t->address.ip, 4);
        builder_u16(b, t->address.port);
    }
}

/* False if the bytes end early or the kind is unknown. A name leaves the endpoint empty. */
static bool take_address(struct cursor *c, struct endpoint *out)
{
    memset(out, 0, sizeof *out);
    uint8_t kind = cursor_u8(c);
    if (kind == ADDRESS_V4) {
        *out = endpoint_take_compact(c, ADDR_V4);
    } else if (kind == ADDRESS_V6) {
        *out = endpoint_take_compact(c, ADDR_V6);
    } else if (kind == ADDRESS_NAME) {
        cursor_skip(c, cursor_u8(c));
        out->port = cursor_u16(c);
    } else {
        return false;
    }
    return cursor_ok(c);
}

/* ---- what we say --------------------------------------------------------------------------- */

static void say(struct socks5 *s, const struct builder *b)
{
    assert(builder_ok(b));
    s->out_size = b->size;
    s->out_sent = 0;
}

static void expect(struct socks5 *s, enum socks5_state state, size_t size)
{
    s->state = state;
    s->in_size = 0;
    s->in_wanted = size;
}

/* Section 3. Offering "none" as well lets a proxy that knows us by our address have its way. */
static void say_methods(struct socks5 *s)
{
    struct builder b = builder_fixed(s->out, sizeof s->out);
    builder_u8(&b, VERSION);
    builder_u8(&b, s->proxy->has_login ? 2 : 1);
    builder_u8(&b, METHOD_NONE);
    if (s->proxy->has_login)
        builder_u8(&b, METHOD_LOGIN);
    say(s, &b);
    expect(s, SOCKS5_METHOD, 2);
}

/* RFC 1929 section 2. */
static void say_login(struct socks5 *s)
{
    size_t user = strlen(s->proxy->user), password = strlen(s->proxy->password);
    struct builder b = builder_fixed(s->out, sizeof s->out);
    builder_u8(&b, LOGIN_VERSION);
    builder_u8(&b, (uint8_t)user);
    builder_bytes_put(&b, s->proxy->user, user);
    builder_u8(&b, (uint8_t)password);
    builder_bytes_put(&b, s->proxy->password, password);
    say(s, &b);
    expect(s, SOCKS5_LOGIN, 2);
}

/* Section 4. */
static void say_request(struct socks5 *s)
{
    struct builder b = builder_fixed(s->out, sizeof s->out);
    builder_u8(&b, VERSION);
    builder_u8(&b, (uint8_t)s->command);
    builder_u8(&b, 0);
    put_address(&b, &s->target);
    say(s, &b);
    expect(s, SOCKS5_REPLY, REPLY_HEAD);
}

void socks5_init(struct socks5 *s, const struct proxy *proxy, enum socks5_command command,
    const struct proxy_target *target)
{
    memset(s, 0, sizeof *s);
    s->proxy = proxy;
    s->command = command;
    s->target = *target;
    say_methods(s);
}

struct bytes socks5_output(const struct socks5 *s)
{
    return bytes_of(s->out + s->out_sent, s->out_size - s->out_sent);
}

void socks5_sent(struct socks5 *s, size_t size)
{
    assert(size <= s->out_size - s->out_sent);
    s->out_sent += size;
}

/* ---- what we hear -------------------------------------------------------------------------- */

/* Section 6. */
static int error_of_reply(uint8_t reply)
{
    switch (reply) {
    case 2: /* not allowed by ruleset */
    case 5: /* connection refused */
        return ERR_REFUSED;
    case 6: /* TTL expired */
        return ERR_TIMEOUT;
    case 7: /* command not supported */
    case 8: /* address type not supported */
        return ERR_UNSUPPORTED;
    default: /* general failure, network or host unreachable, unassigned */
        return ERR_NETWORK;
    }
}

static int hear_method(struct socks5 *s)
{
    uint8_t method = s->in[1];
    if (s->in[0] != VERSION)
        return ERR_PROTOCOL;
    if (method == METHOD_NO_COMMON)
        return ERR_PERMISSION;
    if (method == METHOD_NONE)
        say_request(s);
    else if (method == METHOD_LOGIN && s->proxy->has_login)
        say_login(s);
    else
        return ERR_PROTOCOL;
    return 0;
}

/* Some answer with the version of SOCKS instead of the login's: only the verdict counts. */
static int hear_login(struct socks5 *s)
{
    if (s->in[1] != 0)
        return ERR_PERMISSION;
    say_request(s);
    return 0;
}

/* The head tells how long the rest is: an address and a port, of which one byte is here. */
static int hear_reply_head(struct socks5 *s)
{
    if (s->in[0] != VERSION)
        return ERR_PROTOCOL;
    if (s->in[1] != 0) {
        s->reply = s->in[1];
        return error_of_reply(s->reply);
    }
    size_t rest = s->in[3] == ADDRESS_V4     ? 4 - 1 + 2
                  : s->in[3] == ADDRESS_V6   ? 16 - 1 + 2
                  : s->in[3] == ADDRESS_NAME ? (size_t)s->in[4] + 2
                                             : 0;
    if (rest == 0)
        return ERR_PROTOCOL;
    s->state = SOCKS5_REPLY_REST;
    s->in_wanted = REPLY_HEAD + rest;
    return 0;
}

static int hear_reply_rest(struct socks5 *s)
{
    struct cursor c = cursor_of(bytes_of(s->in + 3, s->in_size - 3));
    if (!take_address(&c, &s->bound))
        return ERR_PROTOCOL;
    expect(s, SOCKS5_OPEN, 0);
    return 0;
}

static int hear(struct socks5 *s)
{
    /* An answer to what was not wholly sent yet is an answer to something else. */
    if (s->out_sent < s->out_size)
        return ERR_PROTOCOL;
    switch (s->state) {
    case SOCKS5_METHOD:
        return hear_method(s);
    case SOCKS5_LOGIN:
        return hear_login(s);
    case SOCKS5_REPLY:
        return hear_reply_head(s);
    case SOCKS5_REPLY_REST:
        return hear_reply_rest(s);
    case SOCKS5_OPEN:
    case SOCKS5_FAILED:
        break;
    }
    return ERR_PROTOCOL;
}

uint8_t *socks5_room(struct socks5 *s, size_t *size)
{
    *size = s->in_wanted - s->in_size;
    return s->in + s->in_size;
}

int socks5_input(struct socks5 *s, size_t size)
{
    assert(size > 0 && size <= s->in_wanted - s->in_size);
    s->in_size += size;
    if (s->in_size < s->in_wanted)
        return 0;
    int err = hear(s);
    if (err)
        expect(s, SOCKS5_FAILED, 0);
    return err;
}

bool socks5_is_proxys_fault(int err)
{
    return err == ERR_PROTOCOL || err == ERR_PERMISSION;
}

/* ---- datagrams, section 7 ------------------------------------------------------------------ */

void socks5_put_header(struct builder *b, const struct proxy_target *t)
{
    builder_u16(b, 0);
    builder_u8(b, 0); /* whole, not a fragment */
    put_address(b, t);
}

bool socks5_take_header(struct bytes datagram, struct endpoint *from, struct bytes *payload)
{
    struct cursor c = cursor_of(datagram);
    cursor_skip(&c, 2);
    if (cursor_u8(&c) != 0 || !take_address(&c, from) || from->family == ADDR_NONE ||
        from->port == 0)
        return false;
    *payload = cursor_rest(&c);
    return true;
}
