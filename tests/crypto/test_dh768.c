/* The exchange of MSE, against numbers computed with another implementation of big integers. */
#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "check.h"
#include "crypto/dh768.h"

static const char prime[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbe"
                            "a63b139b22514a08798e3404dd"
                            "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42"
                            "e9a63a36210000000000090563";
static const char public_a[] = "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556b09"
                               "18db2b4c658e02a87f7e5fb14b18a"
                               "553e084cbf3dad2d30f16596ccb982d406258c61b30c5c1dae2ddc60bdbd48d7989"
                               "6312aad63238c39e1a633821eb693";
static const char public_b[] = "3fb3ca9049057a1659bd34104f168f043f3134ba12accb73bb5c1cabb3b6843e902"
                               "07f96145177fcb33b7a5b864e0db4"
                               "c98281cb5bea128883167b6600eedcc90f13566ab4a26a3ce15ca31482c9ed51260"
                               "c44d1c64fba9cb8c9b69b8972b204";
static const char shared[] = "9b0db87e5c33504ffe3c58b1e09a014229dde09d8e657ea1eb34124f1b3911afdb3c8"
                             "7a229193140579ceec48567597f"
                             "8cf991dfb4c1ad1393d3e40892ef432fe3556cd7e8ac76d666d090a27dd52b0ed260a"
                             "28d9f751434895e82f79354a52b";

static void counted_key(uint8_t key[DH768_PRIVATE_SIZE], unsigned first)
{
    for (unsigned i = 0; i < DH768_PRIVATE_SIZE; i++)
        key[i] = (uint8_t)(first + i);
}

static void assert_hex(const uint8_t value[DH768_SIZE], const char *hex)
{
    char text[2 * DH768_SIZE + 1];
    hex_encode(value, DH768_SIZE, text);
    assert_string_equal(text, hex);
}

static void both_sides_reach_the_same_secret(void **state)
{
    (void)state;
    uint8_t a[DH768_PRIVATE_SIZE], b[DH768_PRIVATE_SIZE];
    uint8_t a_public[DH768_SIZE], b_public[DH768_SIZE], secret[DH768_SIZE];
    counted_key(a, 1);
    counted_key(b, 201);
    assert_int_equal(dh768_public(a, a_public), 0);
    assert_int_equal(dh768_public(b, b_public), 0);
    assert_hex(a_public, public_a);
    assert_hex(b_public, public_b);
    assert_int_equal(dh768_shared(a, b_public, secret), 0);
    assert_hex(secret, shared);
    assert_int_equal(dh768_shared(b, a_public, secret), 0);
    assert_hex(secret, shared);
}

static void small_values_are_padded_on_the_left(void **state)
{
    (void)state;
    uint8_t one[DH768_PRIVATE_SIZE] = {[DH768_PRIVATE_SIZE - 1] = 1};
    uint8_t three[DH768_SIZE] = {[DH768_SIZE - 1] = 3}, out[DH768_SIZE];
    uint8_t two[DH768_SIZE] = {[DH768_SIZE - 1] = 2};
    assert_int_equal(dh768_public(one, out), 0);
    assert_memory_equal(out, two, sizeof out);
    assert_int_equal(dh768_shared(one, three, out), 0);
    assert_memory_equal(out, three, sizeof out);
}

static void values_that_give_the_secret_away_are_refused(void **state)
{
    (void)state;
    uint8_t key[DH768_PRIVATE_SIZE], value[DH768_SIZE] = {0}, out[DH768_SIZE];
    counted_key(key, 1);
    assert_int_equal(dh768_shared(key, value, out), ERR_PROTOCOL); /* 0 */
    value[DH768_SIZE - 1] = 1;
    assert_int_equal(dh768_shared(key, value, out), ERR_PROTOCOL); /* 1 */
    assert_int_equal(hex_decode(bytes_of_str(prime), value, sizeof value), 0);
    assert_int_equal(dh768_shared(key, value, out), ERR_PROTOCOL); /* P */
    value[DH768_SIZE - 1]--;
    assert_int_equal(dh768_shared(key, value, out), ERR_PROTOCOL); /* P - 1 */
    value[DH768_SIZE - 1]--;
    assert_int_equal(dh768_shared(key, value, out), 0); /* P - 2 */
    memset(value, 0xff, sizeof value);
    assert_int_equal(dh768_shared(key, value, out), ERR_PROTOCOL);
}

RUN(T(both_sides_reach_the_same_secret), T(small_values_are_padded_on_the_left),
    T(values_that_give_the_secret_away_are_refused))
