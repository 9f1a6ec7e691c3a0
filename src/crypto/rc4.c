/* RC4. Its time goes in waiting: j needs s[i], which the step before may have stored to, and a
 * processor that does not know yet where a store goes holds back the loads behind it. So what eight
 * steps find at their index is read before the first of them stores; j then costs an addition a
 * step. In one block of nine a step stores into what was read ahead; each step looks, and the rest
 * of the block goes step by step. */
#include "crypto/rc4.h"

#include "base/bytes.h"
#include "crypto/rc4_blocks.h"

#include <assert.h>
#include <string.h>

void rc4_init(struct rc4 *r, const void *key, size_t key_size)
{
    assert(key_size >= 1 && key_size <= 256);
    const uint8_t *k = key;
    for (unsigned i = 0; i < 256; i++)
        r->s[i] = i;
    uint32_t j = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t x = r->s[i];
        j = (j + x + k[i % key_size]) & 255;
        r->s[i] = r->s[j];
        r->s[j] = x;
    }
    r->i = r->j = 0;
}

static inline uint32_t swap(uint32_t s[256], size_t i, size_t j, uint32_t x)
{
    uint32_t y = s[j];
    s[i] = y;
    s[j] = x;
    return s[(x + y) & 255];
}

static inline uint8_t next_byte(struct rc4 *r)
{
    r->i = (r->i + 1) & 255;
    uint32_t x = r->s[r->i];
    r->j = (r->j + x) & 255;
    return (uint8_t)swap(r->s, r->i, r->j, x);
}

/* The rest of a block, from step k on. */
__attribute__((noinline)) static uint64_t end_block(
    uint32_t s[256], size_t i, size_t *j, uint64_t stream, unsigned k)
{
    for (; k < RC4_BLOCK; k++) {
        uint32_t x = s[i + k];
        *j = (*j + x) & 255;
        stream = stream << 8 | swap(s, i + k, *j, x);
    }
    return stream;
}

/* Eight bytes of key stream, the first one highest. */
static inline uint64_t block(uint32_t s[256], size_t i, size_t *j)
{
    uint32_t x[RC4_BLOCK];
    uint64_t stream = 0;
#pragma GCC unroll 8
    for (unsigned k = 0; k < RC4_BLOCK; k++)
        x[k] = s[i + k];
#pragma GCC unroll 8
    for (unsigned k = 0; k < RC4_BLOCK; k++) {
        if (__builtin_expect(s[i + k] != x[k], 0))
            return end_block(s, i, j, stream, k);
        *j = (*j + x[k]) & 255;
        stream = stream << 8 | swap(s, i + k, *j, x[k]);
    }
    return stream;
}

size_t rc4_blocks_portable(
    uint32_t s[256], const uint8_t *in, uint8_t *out, size_t size, size_t j, size_t i)
{
    for (; size > 0; size -= RC4_BLOCK, in += RC4_BLOCK, out += RC4_BLOCK) {
        uint64_t text, mask;
        store_u64((uint8_t *)&mask, block(s, i, &j));
        memcpy(&text, in, RC4_BLOCK);
        text ^= mask;
        memcpy(out, &text, RC4_BLOCK);
        i = (i + RC4_BLOCK) & 255;
    }
    return j;
}

void rc4_skip(struct rc4 *r, size_t count)
{
    while (count--)
        next_byte(r);
}

void rc4_apply(struct rc4 *r, const void *in, void *out, size_t size)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    for (; size > 0 && (r->i + 1) % RC4_BLOCK != 0; size--)
        *to++ = *from++ ^ next_byte(r);
    size_t whole = size - size % RC4_BLOCK;
    if (whole > 0) {
        r->j = (uint32_t)RC4_BLOCKS(r->s, from, to, whole, r->j, (r->i + 1) & 255);
        r->i = (uint32_t)(r->i + whole) & 255;
    }
    for (size_t n = whole; n < size; n++)
        to[n] = from[n] ^ next_byte(r);
}
