/* See ed25519.h. */
#include "crypto/ed25519.h"

#include <sodium.h>

_Static_assert(crypto_sign_PUBLICKEYBYTES == sizeof(struct ed25519_public), "key");
_Static_assert(crypto_sign_SEEDBYTES == sizeof(struct ed25519_seed), "seed");
_Static_assert(crypto_sign_BYTES == sizeof(struct ed25519_signature), "signature");

void ed25519_public_of(const struct ed25519_seed *seed, struct ed25519_public *out)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(out->b, secret, seed->b);
    sodium_memzero(secret, sizeof secret);
}

void ed25519_sign(
    const struct ed25519_seed *seed, struct bytes message, struct ed25519_signature *out)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public[crypto_sign_PUBLICKEYBYTES];
    crypto_sign_seed_keypair(public, secret, seed->b);
    crypto_sign_detached(out->b, NULL, message.data, message.size, secret);
    sodium_memzero(secret, sizeof secret);
}

bool ed25519_verify(const struct ed25519_public *key, struct bytes message,
    const struct ed25519_signature *signature)
{
    return crypto_sign_verify_detached(signature->b, message.data, message.size, key->b) == 0;
}
