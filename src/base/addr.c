/* Endpoints: their text and compact forms, and the classifier that says which of them may be
 * contacted.
 *
 * Text is read and written here and not by inet_pton and inet_ntop, so that base knows no network
 * headers and every platform reads the same addresses: dotted quads without leading zeros, the
 * forms of RFC 4291 for IPv6, RFC 5952 for output. Names are never resolved here. */
#include "base/addr.h"

#include "base/err.h"
#include "base/map.h"
#include "base/text.h"

#include <assert.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

struct endpoint endpoint_from_ip4(const uint8_t ip[4], uint16_t port)
{
    struct endpoint e = {.family = ADDR_V4, .port = port};
    memcpy(e.ip, ip, 4);
    return e;
}

struct endpoint endpoint_v4(uint32_t ip_host_order, uint16_t port)
{
    uint8_t ip[4];
    store_u32(ip, ip_host_order);
    return endpoint_from_ip4(ip, port);
}

struct endpoint endpoint_from_ip6(const uint8_t ip[16], uint16_t port)
{
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0)
        return endpoint_from_ip4(ip + 12, port);
    struct endpoint e = {.family = ADDR_V6, .port = port};
    memcpy(e.ip, ip, 16);
    return e;
}

bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b)
{
    return a->family == b->family && a->scope == b->scope && memcmp(a->ip, b->ip, 16) == 0;
}

bool endpoint_is_any(const struct endpoint *e)
{
    static const uint8_t any[sizeof e->ip];
    return memcmp(e->ip, any, sizeof any) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && endpoint_same_ip(a, b);
}

uint64_t endpoint_hash(const struct endpoint *e, const uint8_t key[16])
{
    uint8_t packed[16 + 4 + 2 + 1];
    memcpy(packed, e->ip, 16);
    store_u32(packed + 16, e->scope);
    store_u16(packed + 20, e->port);
    packed[22] = e->family;
    return siphash13(packed, sizeof packed, key);
}

/* ---- compact forms (BEP 23, BEP 7) --------------------------------------------------------- */

void endpoint_put_compact(const struct endpoint *e, struct builder *b)
{
    assert(e->family == ADDR_V4 || e->family == ADDR_V6);
    builder_bytes_put(b, e->ip, e->family == ADDR_V4 ? 4 : 16);
    builder_u16(b, e->port);
}

struct endpoint endpoint_take_compact(struct cursor *c, enum addr_family family)
{
    assert(family == ADDR_V4 || family == ADDR_V6);
    uint8_t ip[16];
    cursor_copy(c, ip, family == ADDR_V4 ? 4 : 16);
    uint16_t port = cursor_u16(c);
    if (!cursor_ok(c))
        return (struct endpoint){0};
    return family == ADDR_V4 ? endpoint_from_ip4(ip, port) : endpoint_from_ip6(ip, port);
}

/* ---- reading text -------------------------------------------------------------------------- */

static bool next_is(const struct cursor *c, char wanted)
{
    return c->left && *c->at == (uint8_t)wanted;
}

static bool take_char(struct cursor *c, char wanted)
{
    if (!next_is(c, wanted))
        return false;
    cursor_skip(c, 1);
    return true;
}

/* A decimal number of at most `max`, without leading zeros. */
static bool take_decimal(struct cursor *c, uint32_t max, uint32_t *out)
{
    struct cursor start = *c;
    while (c->left && *c->at >= '0' && *c->at <= '9')
        cursor_skip(c, 1);
    struct bytes digits = bytes_of(start.at, start.left - c->left);
    if (digits.size > 1 && digits.data[0] == '0')
        return false;
    uint64_t value;
    if (parse_u64(digits, max, &value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool take_v4(struct cursor *c, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        uint32_t octet;
        if ((i > 0 && !take_char(c, '.')) || !take_decimal(c, 255, &octet))
            return false;
        ip[i] = (uint8_t)octet;
    }
    return true;
}

/* One to four hex digits. */
static bool take_group(struct cursor *c, uint16_t *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = 0, value = 0;
    for (; c->left && count < 4; count++) {
        uint8_t byte = *c->at;
        if (byte >= 'A' && byte <= 'F')
            byte |= 0x20;
        const char *digit = byte ? strchr(digits, byte) : NULL;
        if (!digit)
            break;
        value = value << 4 | (unsigned)(digit - digits);
        cursor_skip(c, 1);
    }
    *out = (uint16_t)value;
    return count > 0;
}

/* The forms of RFC 4291 section 2.2: eight groups, one run of them as "::", the last two perhaps
 * as a dotted quad. Ends at the first byte that cannot go on. */
static bool take_v6(struct cursor *c, uint8_t ip[16])
{
    size_t size = 0, gap = SIZE_MAX; /* bytes read; how many of them stand before the "::" */
    memset(ip, 0, 16);
    if (next_is(c, ':')) {
        cursor_skip(c, 1);
        if (!take_char(c, ':'))
            return false;
        gap = 0;
    }
    while (size < 16) {
        struct cursor start = *c;
        uint16_t group;
        if (!take_group(c, &group)) {
            if (size != gap) /* only right after "::" may there be nothing */
                return false;
            break;
        }
        if (next_is(c, '.')) {
            *c = start;
            if (size > 12 || !take_v4(c, ip + size))
                return false;
            size += 4;
            break;
        }
        store_u16(ip + size, group);
        size += 2;
        if (size == 16 || !take_char(c, ':'))
            break;
        if (take_char(c, ':')) {
            if (gap != SIZE_MAX)
                return false;
            gap = size;
        }
    }
    if (gap == SIZE_MAX)
        return size == 16;
    if (size > 14) /* "::" stands for at least one group */
        return false;
    memmove(ip + 16 - (size - gap), ip + gap, size - gap);
    memset(ip + gap, 0, 16 - size);
    return true;
}

static bool is_link_local_v6(const uint8_t ip[16])
{
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

/* An IPv6 address and perhaps "%scope", a number, which only a link-local address has. */
static bool take_v6_scoped(struct cursor *c, struct endpoint *out)
{
    uint8_t ip[16];
    uint32_t scope = 0;
    if (!take_v6(c, ip))
        return false;
    if (take_char(c, '%') &&
        (!is_link_local_v6(ip) || !take_decimal(c, UINT32_MAX, &scope) || scope == 0))
        return false;
    *out = endpoint_from_ip6(ip, 0);
    out->scope = scope;
    return true;
}

static bool take_ip(struct cursor *c, struct endpoint *out)
{
    if (take_char(c, '['))
        return take_v6_scoped(c, out) && take_char(c, ']');
    uint8_t ip[4];
    struct cursor start = *c;
    if (take_v4(c, ip)) {
        *out = endpoint_from_ip4(ip, 0);
        return true;
    }
    *c = start;
    return take_v6_scoped(c, out);
}

int endpoint_parse_ip(struct endpoint *out, struct bytes text, uint16_t port)
{
    struct cursor c = cursor_of(text);
    struct endpoint e;
    if (!take_ip(&c, &e) || !cursor_done(&c))
        return ERR_SYNTAX;
    e.port = port;
    *out = e;
    return 0;
}

int endpoint_parse(struct endpoint *out, struct bytes text)
{
    struct cursor c = cursor_of(text);
    struct endpoint e;
    uint32_t port;
    /* An IPv6 address without brackets swallows its port and then lacks one. */
    if (!take_ip(&c, &e) || !take_char(&c, ':') || !take_decimal(&c, 65535, &port) || port == 0 ||
        !cursor_done(&c))
        return ERR_SYNTAX;
    e.port = (uint16_t)port;
    *out = e;
    return 0;
}

static bool is_host_name(struct bytes host)
{
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.data[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        bool inner = i > 0 && i + 1 < host.size;
        if (!word && !(inner && c == '-') && !(i > 0 && c == '.'))
            return false;
    }
    return host.size > 0 && host.size <= ADDR_HOST_MAX;
}

/* "256.1.1.1" is a wrong address, not a name. */
static bool looks_numeric(struct bytes host)
{
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] != '.' && (host.data[i] < '0' || host.data[i] > '9'))
            return false;
    return true;
}

int host_port_parse(struct bytes text, struct bytes *host, uint16_t *port)
{
    const uint8_t *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;
    if (!colon)
        return ERR_SYNTAX;
    struct cursor c = cursor_of(text);
    struct bytes name = cursor_take(&c, (size_t)(colon - text.data));
    cursor_skip(&c, 1);
    uint64_t number;
    if (!is_host_name(name) || looks_numeric(name) ||
        parse_u64(cursor_rest(&c), 0xffff, &number) != 0 || number == 0)
        return ERR_SYNTAX;
    *host = name;
    *port = (uint16_t)number;
    return 0;
}

/* ---- writing text -------------------------------------------------------------------------- */

/* The longest run of at least two zero groups, the first of equals (RFC 5952 section 4.2). */
static void longest_zero_run(const uint8_t ip[16], int *start, int *length)
{
    *start = *length = 0;
    for (int i = 0; i < 8; i++) {
        int end = i;
        while (end < 8 && load_u16(ip + 2 * end) == 0)
            end++;
        if (end - i >= 2 && end - i > *length) {
            *start = i;
            *length = end - i;
        }
    }
}

static void put_v6(struct builder *b, const uint8_t ip[16])
{
    int start, length;
    longest_zero_run(ip, &start, &length);
    for (int i = 0; i < 8; i++) {
        if (length && i == start) {
            builder_str(b, "::");
            i += length - 1;
            continue;
        }
        if (i > 0 && !(length && i == start + length))
            builder_u8(b, ':');
        builder_format(b, "%x", load_u16(ip + 2 * i));
    }
}

static void put_ip(struct builder *b, const struct endpoint *e)
{
    if (e->family == ADDR_V4) {
        builder_format(b, "%u.%u.%u.%u", e->ip[0], e->ip[1], e->ip[2], e->ip[3]);
    } else if (e->family == ADDR_V6) {
        put_v6(b, e->ip);
        if (e->scope)
            builder_format(b, "%%%u", (unsigned)e->scope);
    } else {
        builder_str(b, "none");
    }
}

const char *endpoint_ip_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_MAX])
{
    struct builder b = builder_fixed(buffer, ENDPOINT_TEXT_MAX);
    put_ip(&b, e);
    builder_text(&b);
    assert(builder_ok(&b));
    return buffer;
}

const char *endpoint_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_MAX])
{
    struct builder b = builder_fixed(buffer, ENDPOINT_TEXT_MAX);
    if (e->family == ADDR_V6)
        builder_u8(&b, '[');
    put_ip(&b, e);
    if (e->family == ADDR_V6)
        builder_u8(&b, ']');
    builder_format(&b, ":%u", e->port);
    builder_text(&b);
    assert(builder_ok(&b));
    return buffer;
}

/* ---- classes (IANA special-purpose address registries, RFC 6890 and successors) ------------ */

struct prefix4 {
    uint32_t address;
    uint8_t bits, class;
};

/* The first that matches decides. */
static const struct prefix4 classes4[] = {
    {0x00000000, 8, ADDR_UNUSABLE},    /* 0/8, this network */
    {0x0a000000, 8, ADDR_PRIVATE},     /* 10/8 */
    {0x64400000, 10, ADDR_CGNAT},      /* 100.64/10, RFC 6598 */
    {0x7f000000, 8, ADDR_LOOPBACK},    /* 127/8 */
    {0xa9fe0000, 16, ADDR_LINK_LOCAL}, /* 169.254/16 */
    {0xac100000, 12, ADDR_PRIVATE},    /* 172.16/12 */
    {0xc0000000, 24, ADDR_UNUSABLE},   /* 192.0.0/24, IETF protocols */
    {0xc0000200, 24, ADDR_UNUSABLE},   /* 192.0.2/24, documentation */
    {0xc0586300, 24, ADDR_UNUSABLE},   /* 192.88.99/24, 6to4 relay anycast, RFC 7526 */
    {0xc0a80000, 16, ADDR_PRIVATE},    /* 192.168/16 */
    {0xc6120000, 15, ADDR_UNUSABLE},   /* 198.18/15, benchmarking */
    {0xc6336400, 24, ADDR_UNUSABLE},   /* 198.51.100/24, documentation */
    {0xcb007100, 24, ADDR_UNUSABLE},   /* 203.0.113/24, documentation */
    {0xe0000000, 4, ADDR_MULTICAST},   /* 224/4 */
    {0xf0000000, 4, ADDR_UNUSABLE},    /* 240/4, reserved, and broadcast */
};

static enum addr_class class_of_v4(uint32_t ip)
{
    for (size_t i = 0; i < sizeof classes4 / sizeof *classes4; i++) {
        const struct prefix4 *p = &classes4[i];
        if (((ip ^ p->address) >> (32 - p->bits)) == 0)
            return (enum addr_class)p->class;
    }
    return ADDR_GLOBAL;
}

/* Where an IPv6 prefix hides IPv4 addresses, the class is theirs. */
enum embedding {
    EMBEDS_NOTHING,
    EMBEDS_AT_END,  /* ::/96, NAT64 (RFC 6052) */
    EMBEDS_IN_6TO4, /* 2002:V4::/48 (RFC 3056) */
    EMBEDS_TEREDO   /* 2001:0:server:...:client, the client inverted (RFC 4380) */
};

struct prefix6 {
    uint8_t bits, class, embedding;
    uint8_t address[16];
};

/* The first that matches decides; what lies outside 2000::/3 and is not listed is unallocated. */
static const struct prefix6 classes6[] = {
    {128, ADDR_UNUSABLE, EMBEDS_NOTHING, {0}},                          /* :: */
    {128, ADDR_LOOPBACK, EMBEDS_NOTHING, {[15] = 1}},                   /* ::1 */
    {96, ADDR_GLOBAL, EMBEDS_AT_END, {[10] = 0xff, 0xff}},              /* v4-mapped */
    {96, ADDR_GLOBAL, EMBEDS_AT_END, {0x00, 0x64, 0xff, 0x9b}},         /* NAT64 */
    {48, ADDR_PRIVATE, EMBEDS_NOTHING, {0x00, 0x64, 0xff, 0x9b, 0, 1}}, /* RFC 8215 */
    {32, ADDR_GLOBAL, EMBEDS_TEREDO, {0x20, 0x01, 0x00, 0x00}},         /* 2001::/32 */
    {23, ADDR_UNUSABLE, EMBEDS_NOTHING, {0x20, 0x01, 0x00, 0x00}},      /* IETF protocols */
    {32, ADDR_UNUSABLE, EMBEDS_NOTHING, {0x20, 0x01, 0x0d, 0xb8}},      /* documentation */
    {16, ADDR_GLOBAL, EMBEDS_IN_6TO4, {0x20, 0x02}},                    /* 6to4 */
    {20, ADDR_UNUSABLE, EMBEDS_NOTHING, {0x3f, 0xff, 0x00}},            /* RFC 9637 */
    {3, ADDR_GLOBAL, EMBEDS_NOTHING, {0x20}},                           /* 2000::/3 */
    {7, ADDR_PRIVATE, EMBEDS_NOTHING, {0xfc}},                          /* ULA */
    {10, ADDR_LINK_LOCAL, EMBEDS_NOTHING, {0xfe, 0x80}},                /* fe80::/10 */
    {10, ADDR_PRIVATE, EMBEDS_NOTHING, {0xfe, 0xc0}},                   /* site-local, RFC 3879 */
    {8, ADDR_MULTICAST, EMBEDS_NOTHING, {0xff}},                        /* ff00::/8 */
};

static bool has_prefix(const uint8_t ip[16], const struct prefix6 *p)
{
    size_t whole = p->bits / 8;
    unsigned rest = p->bits % 8;
    if (memcmp(ip, p->address, whole) != 0)
        return false;
    return rest == 0 || ((ip[whole] ^ p->address[whole]) >> (8 - rest)) == 0;
}

/* Teredo names a server and a client; the worse of the two decides. */
static enum addr_class class_of_teredo(const uint8_t ip[16])
{
    enum addr_class client = class_of_v4(~load_u32(ip + 12));
    return client != ADDR_GLOBAL ? client : class_of_v4(load_u32(ip + 4));
}

static enum addr_class class_of_v6(const uint8_t ip[16])
{
    for (size_t i = 0; i < sizeof classes6 / sizeof *classes6; i++) {
        if (!has_prefix(ip, &classes6[i]))
            continue;
        switch ((enum embedding)classes6[i].embedding) {
        case EMBEDS_NOTHING:
            return (enum addr_class)classes6[i].class;
        case EMBEDS_AT_END:
            return class_of_v4(load_u32(ip + 12));
        case EMBEDS_IN_6TO4:
            return class_of_v4(load_u32(ip + 2));
        case EMBEDS_TEREDO:
            return class_of_teredo(ip);
        }
    }
    return ADDR_UNUSABLE;
}

enum addr_class endpoint_class(const struct endpoint *e)
{
    switch (e->family) {
    case ADDR_V4:
        return class_of_v4(load_u32(e->ip));
    case ADDR_V6:
        return class_of_v6(e->ip);
    default:
        return ADDR_UNUSABLE;
    }
}

static bool class_allowed(enum addr_class class, enum addr_source source)
{
    switch (source) {
    case ADDR_FROM_USER:
    case ADDR_FROM_LINK:
    case ADDR_FROM_LOCAL_TRACKER:
        return class != ADDR_MULTICAST && class != ADDR_UNUSABLE;
    case ADDR_FROM_LAN:
        return class == ADDR_GLOBAL || class == ADDR_PRIVATE || class == ADDR_LINK_LOCAL;
    case ADDR_FROM_STRANGER:
        return class == ADDR_GLOBAL;
    }
    return false;
}

/* Well-known services are not to be knocked at because a stranger said so; web seeds and trackers
 * do live at 80 and 443. */
static bool port_allowed(uint16_t port, enum addr_source source)
{
    if (source == ADDR_FROM_USER || source == ADDR_FROM_LINK)
        return port != 0;
    return port >= 1024 || port == 80 || port == 443;
}

bool endpoint_allowed(const struct endpoint *e, enum addr_source source)
{
    return class_allowed(endpoint_class(e), source) && port_allowed(e->port, source);
}
