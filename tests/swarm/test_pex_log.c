/* Who came and who left since somebody was told last. */
#include "swarm/pex_log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct pex_log l;
static struct ut_pex out;
static struct endpoint nobody;

static int set_up(void **state)
{
    (void)state;
    memset(&l, 0, sizeof l);
    return 0;
}

static struct endpoint who(unsigned i)
{
    return endpoint_v4(0x05000000 + i, 7000);
}

static void joined(unsigned i)
{
    struct endpoint e = who(i);
    pex_log_joined(&l, &e, (uint8_t)i);
}

static void left(unsigned i)
{
    struct endpoint e = who(i);
    pex_log_left(&l, &e);
}

static void comers_and_goers_are_told_once(void **state)
{
    (void)state;
    uint64_t position = 0;
    joined(1);
    joined(2);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count, 2);
    assert_int_equal(out.added[1].flags, 2);
    left(1);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count, 0);
    assert_int_equal(out.dropped_count, 1);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count + out.dropped_count, 0);
}

static void what_happened_and_was_undone_is_not_mentioned(void **state)
{
    (void)state;
    uint64_t position = 0;
    joined(1);
    pex_log_since(&l, &position, &nobody, &out);
    left(1);
    joined(1);
    joined(2);
    left(2);
    joined(3);
    left(3);
    joined(3);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count, 1);
    assert_int_equal(out.added[0].flags, 3);
    assert_int_equal(out.dropped_count, 0);
}

static void nobody_is_told_of_himself(void **state)
{
    (void)state;
    uint64_t position = 0;
    struct endpoint me = who(1);
    joined(1);
    joined(2);
    assert_true(pex_log_since(&l, &position, &me, &out));
    assert_int_equal(out.added_count, 1);
    assert_int_equal(out.added[0].flags, 2);
}

static void more_than_a_message_holds_waits_for_the_next(void **state)
{
    (void)state;
    uint64_t position = 0;
    for (unsigned i = 0; i < 60; i++)
        joined(i);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count, UT_PEX_SEND_MAX);
    assert_true(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(out.added_count, 10);
}

static void who_fell_behind_learns_that_it_did(void **state)
{
    (void)state;
    uint64_t position = 0;
    for (unsigned i = 0; i <= PEX_LOG_EVENTS; i++)
        joined(i);
    assert_false(pex_log_since(&l, &position, &nobody, &out));
    assert_int_equal(position, l.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comers_and_goers_are_told_once, set_up),
        cmocka_unit_test_setup(what_happened_and_was_undone_is_not_mentioned, set_up),
        cmocka_unit_test_setup(nobody_is_told_of_himself, set_up),
        cmocka_unit_test_setup(more_than_a_message_holds_waits_for_the_next, set_up),
        cmocka_unit_test_setup(who_fell_behind_learns_that_it_did, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
