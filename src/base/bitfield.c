/* The bitfield of pieces: what a peer or we have. Bits are searched a word at a time, in the
 * wire's order, so that the wire's bytes need no conversion. Called by the picker, the peer state
 * and the store; says nothing about which pieces are wanted. */
#include "base/bitfield.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

int bitfield_init(struct bitfield *f, uint32_t size)
{
    size_t bytes = bitfield_byte_count(size);
    *f = (struct bitfield){.bits = calloc(bytes ? bytes : 1, 1)};
    if (!f->bits)
        return ERR_NOMEM;
    f->size = size;
    return 0;
}

void bitfield_free(struct bitfield *f)
{
    free(f->bits);
    *f = (struct bitfield){0};
}

bool bitfield_set(struct bitfield *f, uint32_t i)
{
    if (i >= f->size || bitfield_get(f, i))
        return false;
    f->bits[i >> 3] |= (uint8_t)(0x80u >> (i & 7));
    f->count++;
    return true;
}

bool bitfield_clear(struct bitfield *f, uint32_t i)
{
    if (!bitfield_get(f, i))
        return false;
    f->bits[i >> 3] &= (uint8_t) ~(0x80u >> (i & 7));
    f->count--;
    return true;
}

/* The bits of the last byte that stand for no piece. */
static uint8_t spare_mask(uint32_t size)
{
    return size & 7 ? (uint8_t)(0xffu >> (size & 7)) : 0;
}

void bitfield_set_all(struct bitfield *f)
{
    size_t bytes = bitfield_byte_count(f->size);
    if (bytes == 0)
        return;
    memset(f->bits, 0xff, bytes);
    f->bits[bytes - 1] &= (uint8_t)~spare_mask(f->size);
    f->count = f->size;
}

void bitfield_clear_all(struct bitfield *f)
{
    if (f->size)
        memset(f->bits, 0, bitfield_byte_count(f->size));
    f->count = 0;
}

static uint32_t count_bits(const uint8_t *bits, size_t bytes)
{
    uint32_t count = 0;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8)
        count += (uint32_t)__builtin_popcountll(load_u64(bits + i));
    for (; i < bytes; i++)
        count += (uint32_t)__builtin_popcount(bits[i]);
    return count;
}

int bitfield_load(struct bitfield *f, struct bytes wire)
{
    size_t bytes = bitfield_byte_count(f->size);
    if (wire.size != bytes)
        return ERR_SYNTAX;
    if (bytes == 0)
        return 0;
    if (wire.data[bytes - 1] & spare_mask(f->size)) /* BEP 3: spare bits are zero */
        return ERR_SYNTAX;
    memcpy(f->bits, wire.data, bytes);
    f->count = count_bits(f->bits, bytes);
    return 0;
}

/* The first bit at or after `from` that differs from the bits of `background` (all 0 or all 1). */
static uint32_t next_unlike(const struct bitfield *f, uint32_t from, uint64_t background)
{
    if (from >= f->size)
        return f->size;
    size_t bytes = bitfield_byte_count(f->size);
    size_t at = from >> 3;
    uint8_t first = (uint8_t)((f->bits[at] ^ background) & (0xffu >> (from & 7)));
    while (first == 0) {
        at++;
        while (at + 8 <= bytes && load_u64(f->bits + at) == background)
            at += 8;
        if (at >= bytes)
            return f->size;
        first = (uint8_t)(f->bits[at] ^ background);
    }
    uint32_t found = (uint32_t)at * 8 + (uint32_t)__builtin_clz(first) - 24;
    return found < f->size ? found : f->size; /* spare bits look clear */
}

uint32_t bitfield_next_set(const struct bitfield *f, uint32_t from)
{
    return next_unlike(f, from, 0);
}

uint32_t bitfield_next_clear(const struct bitfield *f, uint32_t from)
{
    return next_unlike(f, from, UINT64_MAX);
}

bool bitfield_any_missing(const struct bitfield *a, const struct bitfield *b)
{
    assert(a->size == b->size);
    size_t bytes = bitfield_byte_count(a->size);
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8)
        if (load_u64(a->bits + i) & ~load_u64(b->bits + i))
            return true;
    for (; i < bytes; i++)
        if (a->bits[i] & ~b->bits[i])
            return true;
    return false;
}

uint32_t bitfield_next_missing(const struct bitfield *a, const struct bitfield *b, uint32_t from)
{
    assert(a->size == b->size);
    if (from >= a->size)
        return a->size;
    size_t bytes = bitfield_byte_count(a->size), at = from >> 3;
    uint8_t first = (uint8_t)(a->bits[at] & ~b->bits[at] & (0xffu >> (from & 7)));
    while (first == 0) {
        at++;
        while (at + 8 <= bytes && (load_u64(a->bits + at) & ~load_u64(b->bits + at)) == 0)
            at += 8;
        if (at >= bytes)
            return a->size;
        first = (uint8_t)(a->bits[at] & ~b->bits[at]);
    }
    return (uint32_t)at * 8 + (uint32_t)__builtin_clz(first) - 24;
}
