/* When a reader of a stream is told, on a clock of our own. */
#include "base/gather.h"
#include "check.h"

#define PLENTY ((size_t)8 << 20)

/* So many bytes a millisecond, for so long, read as they come. */
static usec flow(struct gather *g, size_t bytes, usec from, usec span)
{
    for (usec t = from; t < from + span; t += MSECS(1))
        gather_read(g, bytes, t);
    return from + span;
}

static void a_slow_stream_is_told_of_each_byte(void **state)
{
    struct gather g = {0};
    (void)state;
    gather_expect(&g, PLENTY);
    flow(&g, 20000, SECONDS(1), SECONDS(1));
    gather_expect(&g, PLENTY);
    assert_int_equal(gather_mark(&g), 1);
}

static void a_fast_one_is_told_of_what_comes_in_two_milliseconds(void **state)
{
    struct gather g = {0};
    (void)state;
    usec at = flow(&g, 70000, SECONDS(1), MSECS(20));
    assert_int_equal(gather_mark(&g), 1); /* nothing is expected */
    gather_expect(&g, PLENTY);
    assert_int_equal(gather_mark(&g), 128 << 10);
    flow(&g, 1000000, at, MSECS(20));
    gather_expect(&g, PLENTY);
    assert_int_equal(gather_mark(&g), GATHER_MARK_MAX);
}

static void the_mark_falls_with_what_is_still_to_come(void **state)
{
    struct gather g = {0};
    (void)state;
    usec at = flow(&g, 1000000, SECONDS(1), MSECS(20));
    gather_expect(&g, PLENTY);
    for (size_t left = PLENTY; left > 0; left -= 16384) {
        assert_true(gather_mark(&g) == 1 || gather_mark(&g) <= left / 4);
        gather_read(&g, 16384, at);
    }
    assert_int_equal(gather_mark(&g), 1);
}

static void who_waits_too_long_is_told_of_everything_until_the_stream_is_fast_again(void **state)
{
    struct gather g = {0};
    (void)state;
    usec at = flow(&g, 1000000, SECONDS(1), MSECS(20));
    gather_expect(&g, PLENTY);
    assert_int_equal(gather_deadline(&g), at - MSECS(1) + GATHER_PATIENCE);
    gather_late(&g);
    assert_int_equal(gather_mark(&g), 1);
    at = flow(&g, 1000, at + SECONDS(1), MSECS(20));
    assert_int_equal(gather_mark(&g), 1);
    flow(&g, 1000000, at, MSECS(20));
    gather_expect(&g, PLENTY);
    assert_true(gather_mark(&g) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_stream_is_told_of_each_byte),
        cmocka_unit_test(a_fast_one_is_told_of_what_comes_in_two_milliseconds),
        cmocka_unit_test(the_mark_falls_with_what_is_still_to_come),
        cmocka_unit_test(who_waits_too_long_is_told_of_everything_until_the_stream_is_fast_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
