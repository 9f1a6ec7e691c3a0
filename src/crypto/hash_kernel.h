/* Inside src/crypto only: what hash.c, hash_many.c and the vector kernels share. */
#ifndef KITH_CRYPTO_HASH_KERNEL_H
#define KITH_CRYPTO_HASH_KERNEL_H

#include "crypto/hash.h"

#define HASH_DIGEST_MAX 32

static inline size_t hash_digest_size(enum hash_algorithm algorithm)
{
    return algorithm == HASH_SHA1 ? 20 : 32;
}

/* One job through OpenSSL on this thread's context. */
void hash_job_openssl(enum hash_algorithm algorithm, const struct hash_job *job);

#endif
