/* Hex, base32, percent-encoding, UTF-8 and the escaping of foreign text; see text.h.
 *
 * Decoders are strict: what they accept has exactly one meaning. Called by the formats (links,
 * tracker URLs, names) and by everything that shows a stranger's words to a person. */
#include "base/text.h"

#include "base/err.h"

#define REPLACEMENT_CHARACTER 0xfffdu

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void hex_encode(const void *data, size_t size, char *out)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        *out++ = hex_lower[p[i] >> 4];
        *out++ = hex_lower[p[i] & 15];
    }
    *out = '\0';
}

/* 0 to 15, or -1. */
static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct bytes text, void *out, size_t size)
{
    uint8_t *to = out;
    if (size > SIZE_MAX / 2 || text.size != size * 2)
        return ERR_SYNTAX;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_SYNTAX;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* 0 to 31, or -1. */
static int base32_digit(uint8_t c)
{
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

int base32_decode(struct bytes text, void *out, size_t size)
{
    uint8_t *to = out;
    if (size > SIZE_MAX / 8 - 1 || text.size != (size * 8 + 4) / 5)
        return ERR_SYNTAX;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit = base32_digit(text.data[i]);
        if (digit < 0)
            return ERR_SYNTAX;
        bits = bits << 5 | (uint32_t)digit;
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            *to++ = (uint8_t)(bits >> bit_count);
        }
    }
    /* Bits past the last byte are padding, and zero in the one true form. */
    return bits & ((1u << bit_count) - 1) ? ERR_SYNTAX : 0;
}

void base32_encode(const void *data, size_t size, struct builder *out)
{
    const uint8_t *p = data;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | p[i];
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            builder_u8(out, (uint8_t)base32_digits[bits >> bit_count & 31]);
        }
    }
    if (bit_count)
        builder_u8(out, (uint8_t)base32_digits[bits << (5 - bit_count) & 31]);
}

static bool is_unreserved(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void percent_encode(struct bytes raw, struct builder *out)
{
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.data[i];
        if (is_unreserved(c)) {
            builder_u8(out, c);
        } else {
            const uint8_t escape[] = {'%', (uint8_t)hex_upper[c >> 4], (uint8_t)hex_upper[c & 15]};
            builder_bytes_put(out, escape, sizeof escape);
        }
    }
}

int percent_decode(struct bytes text, struct builder *out, bool plus_is_space)
{
    struct cursor c = cursor_of(text);
    while (c.left) {
        uint8_t byte = cursor_u8(&c);
        if (byte == '%') {
            int high = hex_digit(cursor_u8(&c)), low = hex_digit(cursor_u8(&c));
            if (high < 0 || low < 0) /* an escape cut short reads as zeros, which are no digits */
                return ERR_SYNTAX;
            byte = (uint8_t)(high << 4 | low);
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        builder_u8(out, byte);
    }
    return builder_ok(out) ? 0 : ERR_LIMIT;
}

/* How long the sequence that `lead` begins should be, and the least code point that needs such a
 * length; 0 if nothing begins so (RFC 3629). */
static size_t utf8_length(uint8_t lead, uint32_t *least)
{
    if (lead < 0x80)
        return *least = 0, 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return *least = 0x80, 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return *least = 0x800, 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return *least = 0x10000, 4;
    return 0;
}

/* The length of the well-formed sequence at the front of the text, or 0. */
static size_t utf8_take(struct bytes text, uint32_t *code_point)
{
    uint32_t least;
    size_t length = text.size ? utf8_length(text.data[0], &least) : 0;
    if (length == 0 || length > text.size)
        return 0;
    uint32_t value = length == 1 ? text.data[0] : text.data[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text.data[i] & 0x3fu);
    }
    bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < least || value > 0x10ffff || surrogate)
        return 0;
    *code_point = value;
    return length;
}

size_t utf8_next(struct bytes text, uint32_t *code_point)
{
    size_t length = utf8_take(text, code_point);
    if (length)
        return length;
    *code_point = REPLACEMENT_CHARACTER;
    return text.size ? 1 : 0;
}

bool utf8_valid(struct bytes text)
{
    struct cursor c = cursor_of(text);
    while (c.left) {
        uint32_t code_point;
        size_t length = utf8_take(bytes_of(c.at, c.left), &code_point);
        if (length == 0)
            return false;
        cursor_skip(&c, length);
    }
    return true;
}

void utf8_put(struct builder *b, uint32_t code_point)
{
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff))
        code_point = REPLACEMENT_CHARACTER;
    if (code_point < 0x80) {
        builder_u8(b, (uint8_t)code_point);
    } else if (code_point < 0x800) {
        builder_u8(b, (uint8_t)(0xc0 | code_point >> 6));
        builder_u8(b, (uint8_t)(0x80 | (code_point & 0x3f)));
    } else if (code_point < 0x10000) {
        builder_u8(b, (uint8_t)(0xe0 | code_point >> 12));
        builder_u8(b, (uint8_t)(0x80 | (code_point >> 6 & 0x3f)));
        builder_u8(b, (uint8_t)(0x80 | (code_point & 0x3f)));
    } else {
        builder_u8(b, (uint8_t)(0xf0 | code_point >> 18));
        builder_u8(b, (uint8_t)(0x80 | (code_point >> 12 & 0x3f)));
        builder_u8(b, (uint8_t)(0x80 | (code_point >> 6 & 0x3f)));
        builder_u8(b, (uint8_t)(0x80 | (code_point & 0x3f)));
    }
}

/* Code points that move the cursor, reorder the line, or are not seen: a name that holds one is
 * shown as something that it is not. Sorted. */
static const struct {
    uint32_t first, last;
} unseen[] = {
    {0x0000, 0x001f},   /* C0 */
    {0x007f, 0x009f},   /* DEL, C1 */
    {0x00ad, 0x00ad},   /* soft hyphen */
    {0x061c, 0x061c},   /* Arabic letter mark */
    {0x180e, 0x180e},   /* Mongolian vowel separator */
    {0x200b, 0x200f},   /* zero-width space, joiners; directional marks */
    {0x2028, 0x202e},   /* line and paragraph separator; bidi embeddings and overrides */
    {0x2060, 0x206f},   /* word joiner, invisible operators; bidi isolates */
    {0xfeff, 0xfeff},   /* zero-width no-break space */
    {0xfff9, 0xfffb},   /* interlinear annotation */
    {0xe0000, 0xe007f}, /* tags */
};

bool text_is_unseen(uint32_t code_point)
{
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
        if (code_point >= unseen[i].first && code_point <= unseen[i].last)
            return true;
    return false;
}

void text_escape(struct bytes foreign, struct builder *out)
{
    struct cursor c = cursor_of(foreign);
    while (c.left) {
        uint32_t code_point;
        size_t length = utf8_take(bytes_of(c.at, c.left), &code_point);
        struct bytes raw = cursor_take(&c, length ? length : 1);
        bool broken = length == 0;
        if (broken || (text_is_unseen(code_point) && code_point < 0x80))
            builder_format(out, "\\x%02x", raw.data[0]);
        else if (text_is_unseen(code_point))
            builder_format(out, "\\u{%04x}", (unsigned)code_point);
        else
            builder_span(out, raw);
    }
}

struct bytes text_trim(struct bytes text)
{
    struct cursor c = cursor_of(text);
    while (c.left > 0 && text_is_space(*c.at))
        cursor_skip(&c, 1);
    struct bytes rest = cursor_rest(&c);
    while (rest.size > 0 && text_is_space(rest.data[rest.size - 1]))
        rest.size--;
    return rest;
}

int parse_u64(struct bytes text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    bool above = false;
    if (text.size == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < '0' || c > '9')
            return ERR_SYNTAX;
        above = above || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
                __builtin_add_overflow(value, (uint64_t)(c - '0'), &value) || value > max;
    }
    if (above)
        return ERR_LIMIT;
    *out = value;
    return 0;
}
