/* Text: hex, base32, percent-encoding, UTF-8 and the escaping of foreign strings for people. */
#ifndef KITH_BASE_TEXT_H
#define KITH_BASE_TEXT_H

#include "base/bytes.h"

/* Lower-case hex and a NUL: out holds 2*size+1. */
void hex_encode(const void *data, size_t size, char *out);
/* Exactly `size` bytes from exactly 2*size digits, either case. ERR_SYNTAX. */
int hex_decode(struct bytes text, void *out, size_t size);
/* RFC 4648 without padding, either case; exactly `size` bytes. ERR_SYNTAX. */
int base32_decode(struct bytes text, void *out, size_t size);
void base32_encode(const void *data, size_t size, struct builder *out);
/* Percent-encodes all but RFC 3986 unreserved characters. */
void percent_encode(struct bytes raw, struct builder *out);
/* Decodes %XX (and '+' to a space if plus_is_space). ERR_SYNTAX on a bad escape. */
int percent_decode(struct bytes text, struct builder *out, bool plus_is_space);
/* Well-formed UTF-8 (no surrogates, no overlong forms)? */
bool utf8_valid(struct bytes text);
/* One code point from well-formed or broken text: its length in bytes (1 and U+FFFD if broken). */
size_t utf8_next(struct bytes text, uint32_t *code_point);
void utf8_put(struct builder *b, uint32_t code_point);
/* Appends foreign text for a terminal or log: control characters, DEL, C1, bidi controls,
 * zero-width and line-separator characters and broken UTF-8 come out as \xNN or \u{NNNN}. */
void text_escape(struct bytes foreign, struct builder *out);
/* Is it a control, a bidi control or another character that is not seen and may mislead? */
bool text_is_unseen(uint32_t code_point);
/* Without the white space around it. */
struct bytes text_trim(struct bytes text);
static inline bool text_is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}
static inline bool text_is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}
/* Unsigned decimal, digits only, at most max. ERR_SYNTAX, ERR_LIMIT. */
int parse_u64(struct bytes text, uint64_t max, uint64_t *out);

#endif
