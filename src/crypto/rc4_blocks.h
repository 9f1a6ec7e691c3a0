/* The inner loop of RC4, for rc4.c, its tests and the bench. */
#ifndef KITH_CRYPTO_RC4_BLOCKS_H
#define KITH_CRYPTO_RC4_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#define RC4_BLOCK 8u

/* `size`, a multiple of RC4_BLOCK and not 0, bytes of `in` with their key stream to `out`, which
 * may equal `in`. `i`, the index of the first step, is a multiple of RC4_BLOCK below 256. Returns
 * j, below 256 as the one given. */
typedef size_t rc4_blocks(
    uint32_t s[256], const uint8_t *in, uint8_t *out, size_t size, size_t j, size_t i);

rc4_blocks rc4_blocks_portable;
#if defined(__x86_64__) && defined(__ELF__)
rc4_blocks rc4_blocks_x86_64; /* rc4_x86_64.S */
#define RC4_BLOCKS rc4_blocks_x86_64
#else
#define RC4_BLOCKS rc4_blocks_portable
#endif

#endif
