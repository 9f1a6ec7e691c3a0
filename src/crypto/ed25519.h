/* Ed25519 (RFC 8032), thin calls into libsodium. */
#ifndef KITH_CRYPTO_ED25519_H
#define KITH_CRYPTO_ED25519_H

#include "base/bytes.h"
#include <stdbool.h>

struct ed25519_public {
    uint8_t b[32];
};
/* The seed of 32 bytes from which RFC 8032 derives the rest. */
struct ed25519_seed {
    uint8_t b[32];
};
struct ed25519_signature {
    uint8_t b[64];
};

void ed25519_public_of(const struct ed25519_seed *, struct ed25519_public *out);
void ed25519_sign(const struct ed25519_seed *, struct bytes message, struct ed25519_signature *out);
/* In time that depends only on the sizes. Keys of small order are refused. */
bool ed25519_verify(
    const struct ed25519_public *, struct bytes message, const struct ed25519_signature *);

#endif
