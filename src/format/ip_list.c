/* See ip_list.h. */
#include "format/ip_list.h"

#include "base/err.h"
#include "base/text.h"
#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest window, gzip's frame (zlib.h, inflateInit2) */
#define INFLATE_STEP 65536u
#define DAT_LEVEL_ALLOWED 128u /* from this level on a .dat line allows */
#define P2P_TAIL_MAX 100u /* the range at the end of a P2P line is no longer than two addresses */
#define ADDRESS_MAX 45u   /* characters of the longest numeric address */

struct ip_list {
    struct ip_ranges *ranges;
    struct ip_list_counts counts;
    uint8_t line[IP_LIST_LINE_MAX];
    size_t line_size;
    bool too_long;
    uint64_t text_size;
    uint8_t magic[2]; /* the file's first bytes, until both are here */
    size_t magic_size;
    bool begun, gzip, inflating; /* inflating: inside a gzip member */
    z_stream z;
};

/* ---- addresses ----------------------------------------------------------------------------- */

static void skip_spaces(struct cursor *c)
{
    while (c->left > 0 && text_is_space(*c->at))
        cursor_skip(c, 1);
}

static bool take_byte(struct cursor *c, uint8_t byte)
{
    if (c->left == 0 || *c->at != byte)
        return false;
    cursor_skip(c, 1);
    return true;
}

/* Decimal, at most three digits; leading zeros (.dat pads with them) do not make it octal. */
static bool take_number(struct cursor *c, unsigned max, unsigned *out)
{
    unsigned digits = 0;
    *out = 0;
    for (; c->left > 0 && text_is_digit(*c->at) && digits < 4; digits++)
        *out = *out * 10 + (unsigned)(cursor_u8(c) - '0');
    return digits > 0 && digits < 4 && *out <= max;
}

static bool take_ip4(struct cursor *c, struct endpoint *out)
{
    uint8_t ip[4];
    for (unsigned i = 0; i < 4; i++) {
        unsigned number;
        if ((i > 0 && !take_byte(c, '.')) || !take_number(c, 255, &number))
            return false;
        ip[i] = (uint8_t)number;
    }
    *out = endpoint_from_ip4(ip, 0);
    return true;
}

static bool is_of_ip6(uint8_t c)
{
    return text_is_digit(c) || c == ':' || c == '.' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool take_ip6(struct cursor *c, struct endpoint *out)
{
    bool bracket = take_byte(c, '[');
    size_t size = 0;
    while (size < c->left && size <= ADDRESS_MAX && is_of_ip6(c->at[size]))
        size++;
    struct bytes text = cursor_take(c, size);
    if (!memchr(text.data, ':', text.size) || endpoint_parse_ip(out, text, 0) != 0)
        return false;
    return !bracket || take_byte(c, ']');
}

static bool take_address(struct cursor *c, struct endpoint *out)
{
    struct cursor v4 = *c;
    if (take_ip4(&v4, out)) {
        *c = v4;
        return true;
    }
    return c->left > 0 && take_ip6(c, out);
}

/* ---- lines --------------------------------------------------------------------------------- */

struct range {
    struct endpoint first, last;
};

/* Clears or sets all bits behind the prefix. */
static struct endpoint edge_of(struct endpoint e, unsigned prefix, bool set)
{
    unsigned bits = e.family == ADDR_V4 ? 32 : 128;
    for (unsigned i = prefix; i < bits; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        e.ip[i / 8] = (uint8_t)(set ? e.ip[i / 8] | bit : e.ip[i / 8] & ~bit);
    }
    return e;
}

/* One address, one with a prefix length, or two. */
static bool take_range(struct cursor *c, struct range *r)
{
    unsigned prefix;
    if (!take_address(c, &r->first))
        return false;
    r->last = r->first;
    struct cursor after = *c;
    skip_spaces(&after);
    if (take_byte(&after, '/')) {
        if (!take_number(&after, r->first.family == ADDR_V4 ? 32 : 128, &prefix))
            return false;
        r->last = edge_of(r->first, prefix, true);
        r->first = edge_of(r->first, prefix, false);
        *c = after;
    } else if (take_byte(&after, '-')) {
        skip_spaces(&after);
        if (!take_address(&after, &r->last))
            return false;
        *c = after;
    }
    return true;
}

enum rest {
    REST_NOTHING, /* or a comment: the line is this range */
    REST_LEVEL,   /* .dat's: and it blocks */
    REST_ALLOWED, /* .dat's: and it does not */
    REST_WORDS,   /* after a space: perhaps they only begin with an address */
    REST_WRONG
};

/* What follows a range at the beginning of a line. */
static enum rest rest_of(struct cursor *c)
{
    bool apart = c->left > 0 && text_is_space(*c->at);
    unsigned level;
    skip_spaces(c);
    if (c->left == 0 || *c->at == '#' || *c->at == ';')
        return REST_NOTHING;
    if (!take_byte(c, ','))
        return apart ? REST_WORDS : REST_WRONG;
    skip_spaces(c);
    return take_number(c, 999, &level) && level >= DAT_LEVEL_ALLOWED ? REST_ALLOWED : REST_LEVEL;
}

/* The range behind one of the colons. The words may hold colons, and so may the range (IPv6): the
 * first colon behind which everything is a range is the one. */
static bool parse_p2p(struct bytes line, struct range *r)
{
    size_t from = line.size > P2P_TAIL_MAX ? line.size - P2P_TAIL_MAX : 0;
    for (size_t i = from; i < line.size; i++) {
        if (line.data[i] != ':')
            continue;
        struct cursor c = cursor_of(bytes_of(line.data + i + 1, line.size - i - 1));
        skip_spaces(&c);
        if (take_range(&c, r) && c.left == 0)
            return true;
    }
    return false;
}

static bool is_comment(struct bytes line)
{
    return line.size == 0 || line.data[0] == '#' || line.data[0] == ';' ||
           (line.size > 1 && line.data[0] == '/' && line.data[1] == '/');
}

static struct bytes trimmed(struct bytes line)
{
    if (line.size >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        line = bytes_of(line.data + 3, line.size - 3);
    return text_trim(line);
}

static enum rest parse_line(struct bytes line, struct range *r)
{
    struct range behind;
    struct cursor c = cursor_of(line);
    enum rest rest = take_range(&c, r) ? rest_of(&c) : REST_WRONG;
    if (rest != REST_WORDS && rest != REST_WRONG)
        return rest;
    if (!parse_p2p(line, &behind))
        return rest;
    *r = behind;
    return REST_NOTHING;
}

static int take_line(struct ip_list *l, struct bytes line)
{
    struct range r;
    line = trimmed(line);
    if (is_comment(line))
        return 0;
    enum rest rest = parse_line(line, &r);
    if (rest == REST_ALLOWED) {
        l->counts.allowed++;
        return 0;
    }
    int err = rest != REST_WRONG ? ip_ranges_add(l->ranges, &r.first, &r.last) : ERR_INVALID;
    if (err == ERR_INVALID) {
        l->counts.skipped++;
        return 0;
    }
    l->counts.ranges += err == 0;
    return err;
}

static int end_line(struct ip_list *l)
{
    struct bytes line = bytes_of(l->line, l->line_size);
    bool too_long = l->too_long;
    l->line_size = 0;
    l->too_long = false;
    if (!too_long)
        return take_line(l, line);
    l->counts.skipped++;
    return 0;
}

/* ---- bytes of text ------------------------------------------------------------------------- */

static void keep(struct ip_list *l, struct bytes text)
{
    if (l->too_long || text.size > sizeof l->line - l->line_size) {
        l->too_long = true;
        return;
    }
    if (text.size > 0)
        memcpy(l->line + l->line_size, text.data, text.size);
    l->line_size += text.size;
}

static int feed_text(struct ip_list *l, struct bytes text)
{
    struct cursor c = cursor_of(text);
    l->text_size += text.size;
    if (l->text_size > IP_LIST_TEXT_MAX)
        return ERR_LIMIT;
    while (c.left > 0) {
        const uint8_t *end = memchr(c.at, '\n', c.left);
        keep(l, cursor_take(&c, end ? (size_t)(end - c.at) : c.left));
        if (!end)
            break;
        cursor_skip(&c, 1);
        int err = end_line(l);
        if (err)
            return err;
    }
    return 0;
}

/* ---- gzip ---------------------------------------------------------------------------------- */

/* RFC 1952 2.2: a file is one member or several; each begins with its own header. */
static int begin_member(struct ip_list *l)
{
    int code = l->inflating || l->z.state ? inflateReset(&l->z) : inflateInit2(&l->z, GZIP_WINDOW);
    l->inflating = code == Z_OK;
    return code == Z_OK ? 0 : ERR_NOMEM;
}

static int inflate_step(struct ip_list *l, uint8_t *out)
{
    l->z.next_out = out;
    l->z.avail_out = INFLATE_STEP;
    int code = inflate(&l->z, Z_NO_FLUSH);
    int err = feed_text(l, bytes_of(out, INFLATE_STEP - l->z.avail_out));
    if (err)
        return err;
    if (code == Z_STREAM_END)
        l->inflating = false;
    else if (code == Z_MEM_ERROR)
        return ERR_NOMEM;
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return ERR_SYNTAX;
    return 0;
}

static int feed_gzip(struct ip_list *l, struct bytes packed)
{
    uint8_t out[INFLATE_STEP];
    l->z.next_in = (uint8_t *)(uintptr_t)packed.data;
    l->z.avail_in = (uInt)packed.size;
    bool full = false; /* more may come out of what zlib has taken in */
    while (l->z.avail_in > 0 || full) {
        int err = l->inflating ? 0 : begin_member(l);
        if (!err)
            err = inflate_step(l, out);
        if (err)
            return err;
        full = l->inflating && l->z.avail_out == 0;
    }
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------ */

struct ip_list *ip_list_new(void)
{
    struct ip_list *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->ranges = ip_ranges_new();
    if (!l->ranges) {
        free(l);
        return NULL;
    }
    return l;
}

void ip_list_free(struct ip_list *l)
{
    if (!l)
        return;
    if (l->z.state)
        inflateEnd(&l->z);
    ip_ranges_drop(l->ranges);
    free(l);
}

static int feed(struct ip_list *l, struct bytes data)
{
    return l->gzip ? feed_gzip(l, data) : feed_text(l, data);
}

static int begin(struct ip_list *l)
{
    l->begun = true;
    l->gzip = l->magic_size == 2 && l->magic[0] == 0x1f && l->magic[1] == 0x8b;
    return feed(l, bytes_of(l->magic, l->magic_size));
}

int ip_list_feed(struct ip_list *l, struct bytes data)
{
    struct cursor c = cursor_of(data);
    while (!l->begun && c.left > 0 && l->magic_size < sizeof l->magic)
        l->magic[l->magic_size++] = cursor_u8(&c);
    int err = !l->begun && l->magic_size == sizeof l->magic ? begin(l) : 0;
    while (!err && c.left > 0) /* zlib counts in 32 bits */
        err = feed(l, cursor_take(&c, c.left < (1u << 30) ? c.left : 1u << 30));
    return err;
}

int ip_list_finish(struct ip_list *l, struct ip_ranges **out, struct ip_list_counts *counts)
{
    *out = NULL;
    int err = l->begun ? 0 : begin(l);
    if (!err && l->line_size + l->too_long > 0)
        err = end_line(l);
    if (!err && l->inflating)
        err = ERR_TRUNCATED;
    *counts = l->counts;
    if (!err && l->counts.ranges + l->counts.allowed == 0 && l->counts.skipped > 0)
        err = ERR_SYNTAX;
    if (err)
        return err;
    ip_ranges_seal(l->ranges);
    *out = l->ranges;
    l->ranges = NULL;
    return 0;
}
