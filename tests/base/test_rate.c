/* Rate meter and token bucket, on a clock of our own. */
#include "base/rate.h"
#include "check.h"

static void a_steady_rate_is_measured_exactly_from_the_first_tick_on(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    usec start = SECONDS(1000);
    for (int i = 0; i < 3000; i++) {
        rate_meter_add(&m, 1000, start + MSECS(10) * i);
        if (i >= 10) {
            uint64_t value = rate_meter_value(&m, start + MSECS(10) * i);
            assert_in_range(value, 99990, 100010);
        }
    }
    assert_true(m.total == 3000000);
}

static void a_start_is_divided_by_the_time_that_has_passed(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    rate_meter_add(&m, 1000000, SECONDS(5));
    uint64_t after_a_second = rate_meter_value(&m, SECONDS(6));
    assert_in_range(after_a_second, 800000, 1200000);
}

static void a_meter_without_bytes_reads_zero(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    assert_int_equal(rate_meter_value(&m, SECONDS(9)), 0);
    rate_meter_add(&m, 0, SECONDS(9));
    assert_int_equal(rate_meter_value(&m, SECONDS(10)), 0);
}

static void a_rate_decays_to_zero_in_silence(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    for (int i = 0; i < 1000; i++)
        rate_meter_add(&m, 10000, MSECS(10) * i);
    uint64_t before = rate_meter_value(&m, SECONDS(10));
    uint64_t five_later = rate_meter_value(&m, SECONDS(15));
    assert_true(five_later < before / 2 && five_later > before / 4);
    assert_int_equal(rate_meter_value(&m, SECONDS(200)), 0);
    assert_int_equal(rate_meter_value(&m, SECONDS(1000000000)), 0);
}

static void what_is_shown_ends_ten_seconds_after_the_last_byte(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    assert_int_equal(rate_meter_shown(&m, SECONDS(1)), 0);
    for (int i = 0; i < 100; i++)
        rate_meter_add(&m, 100000, SECONDS(1) + i * MSECS(100));
    usec last = SECONDS(1) + 99 * MSECS(100);
    assert_int_equal(rate_meter_shown(&m, last), rate_meter_value(&m, last));
    assert_true(rate_meter_shown(&m, last + SECONDS(9)) > 0);
    assert_int_equal(rate_meter_shown(&m, last + SECONDS(10)), 0);
    assert_true(rate_meter_value(&m, last + SECONDS(10)) > 0);
    rate_meter_add(&m, 100000, last + SECONDS(11));
    assert_true(rate_meter_shown(&m, last + SECONDS(11)) > 0);
}

static void a_changed_rate_is_followed_in_some_seconds(void **state)
{
    (void)state;
    struct rate_meter m = {0};
    for (int i = 0; i < 2000; i++)
        rate_meter_add(&m, i < 1000 ? 100 : 10000, MSECS(10) * i);
    assert_in_range(rate_meter_value(&m, SECONDS(20)), 800000, 1000000);
}

static void a_bucket_without_a_rate_is_unlimited(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    assert_true(token_bucket_available(&b, UINT64_MAX, 5) == UINT64_MAX);
    token_bucket_take(&b, UINT64_MAX, 5);
    assert_true(token_bucket_ready_at(&b, 5) == 5);
}

static uint64_t drain(struct token_bucket *b, usec from, usec to, usec step, uint64_t want)
{
    uint64_t passed = 0;
    for (usec now = from; now < to; now += step) {
        uint64_t got = token_bucket_available(b, want, now);
        token_bucket_take(b, got, now);
        passed += got;
    }
    return passed;
}

/* Whatever the rate and however often it is asked: ten seconds' worth passes, to the byte. */
static void the_rate_is_kept_to_the_byte_at_every_pace(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 3, 1000, 99999, 1000003, 123456789, 40000000000};
    static const usec steps[] = {997, 1009, 33331, 999983};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            struct token_bucket b = {0};
            token_bucket_set(&b, rates[r], 0);
            token_bucket_take(&b, token_bucket_available(&b, UINT64_MAX, 0), 0);
            usec last = SECONDS(10) / steps[s] * steps[s];
            uint64_t passed = drain(&b, 0, last + 1, steps[s], UINT64_MAX);
            assert_true(passed == (uint64_t)last * rates[r] / USEC_PER_SEC);
        }
    }
}

static void a_debt_is_paid_before_anything_passes(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    token_bucket_set(&b, 100000, 0);
    token_bucket_take(&b, 300000, 0); /* 100,000 were there */
    assert_int_equal(token_bucket_available(&b, 1, SECONDS(2)), 0);
    assert_true(token_bucket_ready_at(&b, SECONDS(2)) == SECONDS(2) + 10);
    assert_int_equal(token_bucket_available(&b, 1000, SECONDS(2) + 10), 1);
}

static void ready_at_is_the_first_moment_at_which_a_byte_passes(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 7, 1000, 99991, 1000000, 3000001, 999999999};
    uint64_t random = 5;
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        struct token_bucket b = {0};
        usec now = 17;
        token_bucket_set(&b, rates[r], now);
        for (int i = 0; i < 200; i++) {
            token_bucket_take(&b, next_random(&random) % (rates[r] * 3 + 20000), now);
            usec ready = token_bucket_ready_at(&b, now);
            struct token_bucket early = b, due = b;
            if (ready > now)
                assert_int_equal(token_bucket_available(&early, 1, ready - 1), 0);
            assert_int_equal(token_bucket_available(&due, 1, ready), 1);
            now = ready + (usec)(next_random(&random) % 50);
        }
    }
}

static void a_burst_is_a_second_and_at_least_a_block(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    token_bucket_set(&b, 10, 0);
    assert_true(token_bucket_available(&b, UINT64_MAX, SECONDS(100000)) >= 16384 + 13);
    token_bucket_set(&b, 1000000, SECONDS(100000));
    assert_int_equal(token_bucket_available(&b, UINT64_MAX, SECONDS(200000)), 1000000);
    token_bucket_set(&b, 50000, SECONDS(200000));
    assert_int_equal(token_bucket_available(&b, UINT64_MAX, SECONDS(200000)), 50000);
}

static void extreme_numbers_do_not_overflow(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    token_bucket_set(&b, UINT64_MAX, 0);
    for (int i = 0; i < 100; i++)
        token_bucket_take(&b, UINT64_MAX, i);
    assert_int_equal(token_bucket_available(&b, 1, 200), 0);
    assert_true(token_bucket_ready_at(&b, 200) > 200);
    assert_true(token_bucket_available(&b, UINT64_MAX, NEVER - 1) > 0);
    token_bucket_set(&b, 1, 0);
    for (int i = 0; i < 100; i++)
        token_bucket_take(&b, UINT64_MAX, NEVER - 1);
    assert_true(token_bucket_ready_at(&b, NEVER - 1) == NEVER - 1);
}

RUN(T(a_steady_rate_is_measured_exactly_from_the_first_tick_on),
    T(a_start_is_divided_by_the_time_that_has_passed), T(a_meter_without_bytes_reads_zero),
    T(a_rate_decays_to_zero_in_silence), T(what_is_shown_ends_ten_seconds_after_the_last_byte),
    T(a_changed_rate_is_followed_in_some_seconds), T(a_bucket_without_a_rate_is_unlimited),
    T(the_rate_is_kept_to_the_byte_at_every_pace), T(a_debt_is_paid_before_anything_passes),
    T(ready_at_is_the_first_moment_at_which_a_byte_passes),
    T(a_burst_is_a_second_and_at_least_a_block), T(extreme_numbers_do_not_overflow))
