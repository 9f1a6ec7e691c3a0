/* RC4, byte for byte; eight bytes of key stream at a time are put together in a register. */
#include "crypto/rc4.h"

#include <assert.h>
#include <string.h>

void rc4_init(struct rc4 *r, const void *key, size_t key_size)
{
    assert(key_size >= 1 && key_size <= 256);
    const uint8_t *k = key;
    for (unsigned i = 0; i < 256; i++)
        r->s[i] = (uint8_t)i;
    uint8_t j = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t x = r->s[i];
        j = (uint8_t)(j + x + k[i % key_size]);
        r->s[i] = r->s[j];
        r->s[j] = x;
    }
    r->i = r->j = 0;
}

static inline uint8_t next_byte(uint8_t s[256], uint8_t *i, uint8_t *j)
{
    uint8_t x = s[++*i];
    *j = (uint8_t)(*j + x);
    uint8_t y = s[*j];
    s[*i] = y;
    s[*j] = x;
    return s[(uint8_t)(x + y)];
}

void rc4_skip(struct rc4 *r, size_t count)
{
    while (count--)
        next_byte(r->s, &r->i, &r->j);
}

void rc4_apply(struct rc4 *r, const void *in, void *out, size_t size)
{
    const uint8_t *from = in;
    uint8_t *to = out;
    uint8_t i = r->i, j = r->j;
    for (; size >= 8; size -= 8, from += 8, to += 8) {
        uint8_t stream[8];
        for (int n = 0; n < 8; n++)
            stream[n] = next_byte(r->s, &i, &j);
        uint64_t text, mask;
        memcpy(&text, from, 8);
        memcpy(&mask, stream, 8);
        text ^= mask;
        memcpy(to, &text, 8);
    }
    while (size--)
        *to++ = *from++ ^ next_byte(r->s, &i, &j);
    r->i = i;
    r->j = j;
}
