/* The Diffie-Hellman group of MSE/PE: the 768-bit prime of its specification (next to that of RFC
 * 2409's first group, and not the same), generator 2.
 * Values are always 96 bytes, big-endian, padded on the left. */
#ifndef KITH_CRYPTO_DH768_H
#define KITH_CRYPTO_DH768_H

#include <stdint.h>

#define DH768_SIZE 96
#define DH768_PRIVATE_SIZE 20

/* The public value of a private exponent of 160 random bits. ERR_NOMEM. */
int dh768_public(const uint8_t private_key[DH768_PRIVATE_SIZE], uint8_t out[DH768_SIZE]);
/* The shared secret. ERR_PROTOCOL if the other side's value is 0, 1, P-1 or not below P; ERR_NOMEM.
 */
int dh768_shared(const uint8_t private_key[DH768_PRIVATE_SIZE], const uint8_t theirs[DH768_SIZE],
    uint8_t out[DH768_SIZE]);

#endif
