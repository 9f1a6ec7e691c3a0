/* The Diffie-Hellman exchange of MSE/PE with OpenSSL's big numbers.
 *
 * 768 bits are no secrecy today; the protocol only hides from filters. The exponent is handled in
 * constant time nevertheless, because it costs nothing. Called by the MSE handshake alone. */
#include "crypto/dh768.h"

#include "base/err.h"

#include <openssl/bn.h>
#include <stdbool.h>

/* The prime of the MSE specification: 0x90564 above that of RFC 2409, section 6.1, for which it is
 * often mistaken. Only this one is spoken on the wire. */
/* clang-format off */
static const uint8_t prime[DH768_SIZE] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68, 0xc2, 0x34,
    0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08, 0x8a, 0x67, 0xcc, 0x74,
    0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a, 0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd,
    0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b, 0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37,
    0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51, 0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6,
    0xf4, 0x4c, 0x42, 0xe9, 0xa6, 0x3a, 0x36, 0x21, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x05, 0x63,
};
/* clang-format on */

/* base^private mod P, in 96 bytes. */
static int power(const BIGNUM *base, const BIGNUM *p, const uint8_t *private_key, uint8_t *out)
{
    int err = ERR_NOMEM;
    BN_CTX *context = BN_CTX_new();
    BIGNUM *exponent = BN_bin2bn(private_key, DH768_PRIVATE_SIZE, NULL);
    BIGNUM *result = BN_new();
    if (!context || !exponent || !result)
        goto done;
    BN_set_flags(exponent, BN_FLG_CONSTTIME);
    if (BN_mod_exp(result, base, exponent, p, context) == 1 &&
        BN_bn2binpad(result, out, DH768_SIZE) == DH768_SIZE)
        err = 0;
done:
    BN_clear_free(result);
    BN_clear_free(exponent);
    BN_CTX_free(context);
    return err;
}

int dh768_public(const uint8_t private_key[DH768_PRIVATE_SIZE], uint8_t out[DH768_SIZE])
{
    int err = ERR_NOMEM;
    BIGNUM *p = BN_bin2bn(prime, sizeof prime, NULL);
    BIGNUM *generator = BN_new();
    if (p && generator && BN_set_word(generator, 2) == 1)
        err = power(generator, p, private_key, out);
    BN_free(generator);
    BN_free(p);
    return err;
}

/* 2 to P-2. The other values let anybody on the path know the secret: 0, 1, or plus or minus 1. */
static int check_public(const BIGNUM *theirs, const BIGNUM *p)
{
    BIGNUM *highest = BN_dup(p);
    if (!highest || BN_sub_word(highest, 2) != 1) {
        BN_free(highest);
        return ERR_NOMEM;
    }
    bool good = !BN_is_zero(theirs) && !BN_is_one(theirs) && BN_cmp(theirs, highest) <= 0;
    BN_free(highest);
    return good ? 0 : ERR_PROTOCOL;
}

int dh768_shared(const uint8_t private_key[DH768_PRIVATE_SIZE], const uint8_t theirs[DH768_SIZE],
    uint8_t out[DH768_SIZE])
{
    int err = ERR_NOMEM;
    BIGNUM *p = BN_bin2bn(prime, sizeof prime, NULL);
    BIGNUM *their_value = BN_bin2bn(theirs, DH768_SIZE, NULL);
    if (p && their_value)
        err = check_public(their_value, p);
    if (err == 0)
        err = power(their_value, p, private_key, out);
    BN_free(their_value);
    BN_free(p);
    return err;
}
