/* Continues a SHA-1 or SHA-256 state that a vector kernel began, one message at a time.
 *
 * EVP cannot be given a state from outside; OpenSSL's older interface can, and uses the same code
 * (SHA-NI, ARMv8, ...) beneath. It is marked deprecated since 3.0 for its want of providers, which
 * do not matter to the middle of a message. Called by hash_many.c and hash_group.c. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash_kernel.h"

#include <openssl/sha.h>

static void sha1_serial(uint32_t state[5], const uint8_t *data, size_t size)
{
    SHA_CTX context = {
        .h0 = state[0], .h1 = state[1], .h2 = state[2], .h3 = state[3], .h4 = state[4]};
    SHA1_Update(&context, data, size);
    state[0] = context.h0;
    state[1] = context.h1;
    state[2] = context.h2;
    state[3] = context.h3;
    state[4] = context.h4;
}

static void sha256_serial(uint32_t state[8], const uint8_t *data, size_t size)
{
    SHA256_CTX context = {.md_len = SHA256_DIGEST_LENGTH};
    for (int i = 0; i < 8; i++)
        context.h[i] = state[i];
    SHA256_Update(&context, data, size);
    for (int i = 0; i < 8; i++)
        state[i] = context.h[i];
}

void hash_serial(
    enum hash_algorithm algorithm, uint32_t *state, const uint8_t *data, size_t block_count)
{
    /* Whole blocks only: an update then runs them all and keeps nothing back. */
    if (algorithm == HASH_SHA1)
        sha1_serial(state, data, block_count * HASH_BLOCK_SIZE);
    else
        sha256_serial(state, data, block_count * HASH_BLOCK_SIZE);
}
