/* Bytes: spans, the cursor that reads foreign bytes, the builder that writes ours.
 *
 * No code outside this module does pointer arithmetic on foreign bytes. A cursor that is asked
 * for more than it has becomes bad, stays bad and returns zeros; the caller checks once, at the
 * end, with cursor_ok. A builder that runs out of room becomes bad likewise. Integers of the wire
 * are big-endian. */
#ifndef KITH_BASE_BYTES_H
#define KITH_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes that somebody else owns. {NULL, 0} is the empty view. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){data, size};
}

static inline struct bytes bytes_of_str(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_str(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of_str(text));
}

/* Lexicographic order of raw bytes (bencode's key order): <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

/* A heap copy, NUL-terminated past its end; NULL without memory. Free with free(). */
char *bytes_dup_str(struct bytes b);

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}

static inline void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)(v >> 32));
    store_u32(p + 4, (uint32_t)v);
}

/* Reads forward over a span. */
struct cursor {
    const uint8_t *at;
    size_t left; /* bytes not yet read */
    bool bad;    /* sticky: a read went past the end */
};

struct cursor cursor_of(struct bytes b);
static inline bool cursor_ok(const struct cursor *c)
{
    return !c->bad;
}
/* True if every byte was read and nothing went wrong. */
static inline bool cursor_done(const struct cursor *c)
{
    return !c->bad && c->left == 0;
}
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* A view of the next `size` bytes, or the empty view and bad. */
struct bytes cursor_take(struct cursor *c, size_t size);
/* A view of all that is left. */
struct bytes cursor_rest(struct cursor *c);
void cursor_skip(struct cursor *c, size_t size);
/* Copies the next `size` bytes to `out`; zeros if there are not so many. */
void cursor_copy(struct cursor *c, void *out, size_t size);

/* Appends to a buffer: a fixed one of the caller's, or one on the heap that grows to a bound. */
struct builder {
    uint8_t *data;
    size_t size;     /* bytes written */
    size_t capacity; /* bytes that fit now */
    size_t max;      /* bytes that may ever fit: equals capacity if fixed */
    bool owned;      /* data is ours, from malloc */
    bool bad;        /* sticky: something did not fit, or memory ran out */
};

/* Writes into `buffer`, which the caller owns; never grows. */
struct builder builder_fixed(void *buffer, size_t capacity);
/* Grows on the heap to at most `max` bytes. Free with builder_free. */
struct builder builder_heap(size_t max);
void builder_free(struct builder *b);
static inline bool builder_ok(const struct builder *b)
{
    return !b->bad;
}
static inline struct bytes builder_bytes(const struct builder *b)
{
    return bytes_of(b->data, b->size);
}
void builder_u8(struct builder *b, uint8_t v);
void builder_u16(struct builder *b, uint16_t v);
void builder_u32(struct builder *b, uint32_t v);
void builder_u64(struct builder *b, uint64_t v);
void builder_bytes_put(struct builder *b, const void *data, size_t size);
void builder_span(struct builder *b, struct bytes span);
void builder_str(struct builder *b, const char *text);
/* In decimal digits. */
void builder_number(struct builder *b, uint64_t v);
void builder_format(struct builder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for `size` bytes that the caller fills; NULL and bad if they do not fit. */
uint8_t *builder_reserve(struct builder *b, size_t size);
/* The text built so far, NUL-terminated (the NUL is not counted); "" when bad. Heap or fixed. */
const char *builder_text(struct builder *b);

#endif
