/* A bitfield of pieces, in the wire's order (BEP 3: bit 7 of byte 0 is piece 0), with its count. */
#ifndef KITH_BASE_BITFIELD_H
#define KITH_BASE_BITFIELD_H

#include "base/bytes.h"

struct bitfield {
    uint8_t *bits;  /* ours; spare bits of the last byte are always zero */
    uint32_t size;  /* bits */
    uint32_t count; /* bits that are set */
};

/* All bits clear. ERR_NOMEM. Size 0 is allowed. */
int bitfield_init(struct bitfield *f, uint32_t size);
void bitfield_free(struct bitfield *f);
static inline size_t bitfield_byte_count(uint32_t size)
{
    return ((size_t)size + 7) / 8;
}
static inline bool bitfield_get(const struct bitfield *f, uint32_t i)
{
    return i < f->size && (f->bits[i >> 3] & (0x80u >> (i & 7))) != 0;
}
/* Return true if the bit changed. Out of range: false. */
bool bitfield_set(struct bitfield *f, uint32_t i);
bool bitfield_clear(struct bitfield *f, uint32_t i);
void bitfield_set_all(struct bitfield *f);
void bitfield_clear_all(struct bitfield *f);
static inline bool bitfield_full(const struct bitfield *f)
{
    return f->count == f->size;
}
/* Replaces all bits by wire bytes. ERR_SYNTAX if the length is wrong or a spare bit is set. */
int bitfield_load(struct bitfield *f, struct bytes wire);
static inline struct bytes bitfield_wire(const struct bitfield *f)
{
    return bytes_of(f->bits, bitfield_byte_count(f->size));
}
/* The first bit at or after `from` that is set (or clear); f->size if none. */
uint32_t bitfield_next_set(const struct bitfield *f, uint32_t from);
uint32_t bitfield_next_clear(const struct bitfield *f, uint32_t from);
/* Bits set in a that are clear in b: is there any? Sizes must agree. */
bool bitfield_any_missing(const struct bitfield *a, const struct bitfield *b);
/* The first of them at or after `from`; a->size if none. */
uint32_t bitfield_next_missing(const struct bitfield *a, const struct bitfield *b, uint32_t from);

#endif
