/* Tokens prove an address, for five to ten minutes. */
#include "tests/base/check.h"

#include "dht/token.h"

static struct dht_random chance;
static struct token_keys keys;
static uint8_t token[TOKEN_SIZE];
static struct endpoint a, b;

static bool ours(const struct endpoint *from, usec now)
{
    return token_is_ours(&keys, &chance, from, bytes_of(token, sizeof token), now);
}

static int set_up(void **state)
{
    (void)state;
    chance = (struct dht_random){.key = {1}};
    token_keys_init(&keys, &chance, 0);
    a = endpoint_v4(0x08080808, 1000);
    b = endpoint_v4(0x08080809, 1000);
    token_make(&keys, &chance, &a, 0, token);
    return 0;
}

static void a_token_is_good_for_the_address_that_got_it(void **state)
{
    (void)state;
    assert_true(ours(&a, 1));
    assert_false(ours(&b, 1));
    a.port = 2000; /* a NAT gave it another port */
    assert_true(ours(&a, 1));
}

static void a_token_lives_five_to_ten_minutes(void **state)
{
    (void)state;
    assert_true(ours(&a, TOKEN_ROTATION));
    assert_true(ours(&a, 2 * TOKEN_ROTATION - 1));
    assert_false(ours(&a, 2 * TOKEN_ROTATION));
}

static void after_a_long_silence_no_old_key_counts(void **state)
{
    (void)state;
    assert_false(ours(&a, 50 * TOKEN_ROTATION));
}

static void a_forged_token_is_none(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < TOKEN_SIZE * 8; bit++) {
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ours(&a, 1));
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_false(token_is_ours(&keys, &chance, &a, bytes_of(token, TOKEN_SIZE - 1), 1));
    assert_false(token_is_ours(&keys, &chance, &a, bytes_of(NULL, 0), 1));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

RUN(TEST(a_token_is_good_for_the_address_that_got_it), TEST(a_token_lives_five_to_ten_minutes),
    TEST(after_a_long_silence_no_old_key_counts), TEST(a_forged_token_is_none))
