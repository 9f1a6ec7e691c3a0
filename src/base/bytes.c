/* The cursor that reads foreign bytes and the builder that writes ours; see bytes.h.
 *
 * This is the one place where pointers into foreign bytes are moved. Every parser and every
 * encoder of kith calls it; nothing here knows what the bytes mean. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUILDER_CAPACITY_MIN 64 /* the first allocation of a builder on the heap */
#define BUILDER_FORMAT_MAX 512  /* a longer text is formatted on the heap */

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

char *bytes_dup_str(struct bytes b)
{
    size_t room;
    if (__builtin_add_overflow(b.size, (size_t)1, &room))
        return NULL;
    char *copy = malloc(room);
    if (!copy)
        return NULL;
    if (b.size)
        memcpy(copy, b.data, b.size);
    copy[b.size] = '\0';
    return copy;
}

struct cursor cursor_of(struct bytes b)
{
    return (struct cursor){.at = b.data, .left = b.size};
}

/* Steps over `size` bytes and returns where they began; NULL, with nothing left to read, if there
 * are not so many. Never called for 0 bytes, so that an empty view may hold a null pointer. */
static const uint8_t *cursor_step(struct cursor *c, size_t size)
{
    if (c->bad || size > c->left) {
        c->bad = true;
        c->left = 0;
        return NULL;
    }
    const uint8_t *begin = c->at;
    c->at += size;
    c->left -= size;
    return begin;
}

uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_step(c, 1);
    return p ? *p : 0;
}

uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_step(c, 2);
    return p ? load_u16(p) : 0;
}

uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_step(c, 4);
    return p ? load_u32(p) : 0;
}

uint64_t cursor_u64(struct cursor *c)
{
    const uint8_t *p = cursor_step(c, 8);
    return p ? load_u64(p) : 0;
}

struct bytes cursor_take(struct cursor *c, size_t size)
{
    if (size == 0)
        return bytes_of(c->bad ? NULL : c->at, 0);
    const uint8_t *p = cursor_step(c, size);
    return bytes_of(p, p ? size : 0);
}

struct bytes cursor_rest(struct cursor *c)
{
    return cursor_take(c, c->left);
}

void cursor_skip(struct cursor *c, size_t size)
{
    if (size)
        cursor_step(c, size);
}

void cursor_copy(struct cursor *c, void *out, size_t size)
{
    if (size == 0)
        return;
    const uint8_t *p = cursor_step(c, size);
    if (p)
        memcpy(out, p, size);
    else
        memset(out, 0, size);
}

struct builder builder_fixed(void *buffer, size_t capacity)
{
    return (struct builder){.data = buffer, .capacity = capacity, .max = capacity};
}

struct builder builder_heap(size_t max)
{
    return (struct builder){.max = max, .owned = true};
}

void builder_free(struct builder *b)
{
    if (b->owned)
        free(b->data);
    *b = (struct builder){.bad = true};
}

/* Heap buffers hold one byte more than their capacity, for the NUL of builder_text. */
static bool builder_grow(struct builder *b, size_t needed)
{
    if (!b->owned || needed > b->max || needed == SIZE_MAX)
        return false;
    size_t capacity = b->capacity ? b->capacity : BUILDER_CAPACITY_MIN;
    while (capacity < needed)
        capacity = capacity > b->max / 2 ? b->max : capacity * 2;
    if (capacity > b->max)
        capacity = b->max;
    if (capacity == SIZE_MAX)
        capacity--;
    uint8_t *data = realloc(b->data, capacity + 1);
    if (!data)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

uint8_t *builder_reserve(struct builder *b, size_t size)
{
    size_t end;
    bool fits = !b->bad && !__builtin_add_overflow(b->size, size, &end);
    if (fits && (!b->data || end > b->capacity))
        fits = builder_grow(b, end);
    if (!fits) {
        b->bad = true;
        return NULL;
    }
    uint8_t *begin = b->data + b->size;
    b->size = end;
    return begin;
}

void builder_u8(struct builder *b, uint8_t v)
{
    uint8_t *p = builder_reserve(b, 1);
    if (p)
        *p = v;
}

void builder_u16(struct builder *b, uint16_t v)
{
    uint8_t *p = builder_reserve(b, 2);
    if (p)
        store_u16(p, v);
}

void builder_u32(struct builder *b, uint32_t v)
{
    uint8_t *p = builder_reserve(b, 4);
    if (p)
        store_u32(p, v);
}

void builder_u64(struct builder *b, uint64_t v)
{
    uint8_t *p = builder_reserve(b, 8);
    if (p)
        store_u64(p, v);
}

void builder_bytes_put(struct builder *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *p = builder_reserve(b, size);
    if (p)
        memcpy(p, data, size);
}

void builder_span(struct builder *b, struct bytes span)
{
    builder_bytes_put(b, span.data, span.size);
}

void builder_str(struct builder *b, const char *text)
{
    builder_bytes_put(b, text, strlen(text));
}

void builder_number(struct builder *b, uint64_t v)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    builder_bytes_put(b, digits + at, sizeof digits - at);
}

void builder_format(struct builder *b, const char *format, ...)
{
    char small[BUILDER_FORMAT_MAX];
    char *large = NULL;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length >= (int)sizeof small) {
        va_start(args, format);
        length = vasprintf(&large, format, args);
        va_end(args);
        if (length < 0)
            large = NULL;
    }
    if (length < 0)
        b->bad = true;
    else
        builder_bytes_put(b, large ? large : small, (size_t)length);
    free(large);
}

const char *builder_text(struct builder *b)
{
    /* A fixed buffer needs a free byte for the NUL; one on the heap always has it. */
    if (!b->bad && b->size == b->capacity && !b->owned)
        b->bad = true;
    if (b->bad || !b->data)
        return "";
    b->data[b->size] = '\0';
    return (const char *)b->data;
}
