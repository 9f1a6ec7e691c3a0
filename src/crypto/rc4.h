/* RC4, only because MSE/PE uses it (obfuscation, not secrecy). */
#ifndef KITH_CRYPTO_RC4_H
#define KITH_CRYPTO_RC4_H

#include <stddef.h>
#include <stdint.h>

struct rc4 {
    uint32_t s[256]; /* bytes: words of their own are read back sooner after a store */
    uint32_t i, j;
};
void rc4_init(struct rc4 *r, const void *key, size_t key_size); /* 1 to 256 bytes */
void rc4_skip(struct rc4 *r, size_t count);
/* out may equal in. */
void rc4_apply(struct rc4 *r, const void *in, void *out, size_t size);

#endif
