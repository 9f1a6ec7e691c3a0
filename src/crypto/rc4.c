/* RC4; eight bytes of key stream at a time are put together in a register. */
#include "crypto/rc4.h"

#include "base/bytes.h"

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

/* One byte of key stream. *x is s[i + 1], read before the stores of the step before: waiting for
 * them is what RC4 spends its time on. */
static inline uint32_t next_byte(uint32_t s[256], uint32_t *i, uint32_t *j, uint32_t *x)
{
    uint32_t now = *x;
    *i = (*i + 1) & 255;
    *j = (*j + now) & 255;
    uint32_t other = s[*j], next = s[(*i + 1) & 255];
    s[*i] = other;
    s[*j] = now;
    *x = *j == ((*i + 1) & 255) ? now : next;
    return s[(now + other) & 255];
}

void rc4_skip(struct rc4 *r, size_t count)
{
    uint32_t x = r->s[(r->i + 1) & 255];
    while (count--)
        next_byte(r->s, &r->i, &r->j, &x);
}

void rc4_apply(struct rc4 *r, const void *in, void *out, size_t size)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint32_t i = r->i, j = r->j, x = r->s[(i + 1) & 255];
    for (; size >= 8; size -= 8, from += 8, to += 8) {
        uint64_t text, mask, stream = 0;
#pragma GCC unroll 8
        for (int n = 0; n < 8; n++)
            stream = stream << 8 | next_byte(r->s, &i, &j, &x);
        store_u64((uint8_t *)&mask, stream); /* the first byte lies first */
        memcpy(&text, from, 8);
        text ^= mask;
        memcpy(to, &text, 8);
    }
    while (size--)
        *to++ = *from++ ^ (uint8_t)next_byte(r->s, &i, &j, &x);
    r->i = i;
    r->j = j;
}
