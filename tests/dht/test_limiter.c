/* Budgets: what strangers can make us send. */
#include "tests/base/check.h"

#include "dht/limiter.h"

static struct limiter *l;

static int set_up(void **state)
{
    (void)state;
    uint8_t key[16] = {1};
    l = limiter_new(key);
    return l ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    limiter_free(l);
    return 0;
}

/* How many bytes go to an address in `seconds` if it asks for all it can get. */
static uint64_t flood(uint32_t first, uint32_t addresses, unsigned seconds, usec start)
{
    uint64_t sent = 0;
    for (usec t = 0; t < SECONDS(seconds); t += MSECS(10)) {
        struct endpoint e = endpoint_v4(first + (uint32_t)(t / MSECS(10)) % addresses, 1000);
        if (limiter_heard(l, &e, start + t) && limiter_spend(l, &e, 400, start + t))
            sent += 400;
    }
    return sent;
}

static void an_address_gets_its_budget_and_no_more(void **state)
{
    (void)state;
    uint64_t sent = flood(0x08080808, 1, 100, SECONDS(1000));
    assert_true(sent <= (100 + LIMITER_BURST_SECONDS) * LIMITER_ADDRESS_BYTES);
    assert_true(sent >= 100 * LIMITER_ADDRESS_BYTES * 9 / 10);
}

static void a_prefix_gets_its_budget_and_no_more(void **state)
{
    (void)state;
    uint64_t sent = flood(0x08080800, 256, 100, SECONDS(1000));
    assert_true(sent <= (100 + LIMITER_BURST_SECONDS) * LIMITER_PREFIX_BYTES);
}

static void packets_are_counted_even_if_nothing_is_sent(void **state)
{
    (void)state;
    struct endpoint e = endpoint_v4(0x08080808, 1000);
    unsigned heard = 0;
    for (unsigned i = 0; i < 1000; i++)
        heard += limiter_heard(l, &e, SECONDS(1000));
    assert_int_equal(heard, LIMITER_ADDRESS_PACKETS * LIMITER_BURST_SECONDS);
    e.ip[0] = 9;
    assert_true(limiter_heard(l, &e, SECONDS(1000)));
}

static void a_budget_fills_up_again(void **state)
{
    (void)state;
    struct endpoint e = endpoint_v4(0x08080808, 1000);
    while (limiter_heard(l, &e, SECONDS(1000)))
        ;
    assert_true(limiter_heard(l, &e, SECONDS(1001)));
    assert_true(limiter_heard(l, &e, SECONDS(1100)));
}

/* Many strangers cost bounded memory, and do not buy one another fresh budgets without end. */
static void a_crowd_does_not_free_a_flooder(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct endpoint flooder = endpoint_v4(0x08080808, 1000);
    unsigned heard = 0;
    usec now = SECONDS(1000);
    for (unsigned i = 0; i < 5000; i++, now += USEC_PER_MSEC) {
        struct endpoint other = endpoint_v4((uint32_t)next_random(&random) | 0x40000000, 1000);
        limiter_heard(l, &other, now);
        heard += limiter_heard(l, &flooder, now);
    }
    assert_true(heard <= LIMITER_ADDRESS_PACKETS * (LIMITER_BURST_SECONDS + 5) * 3);
}

static void the_whole_has_a_budget_too(void **state)
{
    (void)state;
    uint64_t sent = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        struct endpoint e = endpoint_v4(0x08000000 + i * 257, 1000);
        if (limiter_spend(l, &e, 1000, SECONDS(1000)))
            sent += 1000;
    }
    assert_true(sent <= (uint64_t)LIMITER_TOTAL_BYTES * LIMITER_BURST_SECONDS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(an_address_gets_its_budget_and_no_more), TEST(a_prefix_gets_its_budget_and_no_more),
    TEST(packets_are_counted_even_if_nothing_is_sent), TEST(a_budget_fills_up_again),
    TEST(a_crowd_does_not_free_a_flooder), TEST(the_whole_has_a_budget_too))
