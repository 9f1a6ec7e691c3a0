/* Who had a hand in bad pieces, and is cleared. */
#include "swarm/pieces/suspects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct endpoint at(uint32_t n, uint16_t port)
{
    return endpoint_v4(0x08080000 + n, port);
}

static void a_hand_in_a_bad_piece_makes_a_suspect_and_a_good_one_clears_it(void **state)
{
    (void)state;
    struct suspects s = {0};
    struct endpoint a = at(1, 5000), b = at(2, 5000);
    suspects_add(&s, &a);
    assert_true(suspects_hold(&s, &a));
    assert_false(suspects_hold(&s, &b));
    suspects_clear(&s, &a);
    assert_false(suspects_hold(&s, &a));
    suspects_add(&s, &a);
    assert_true(suspects_hold(&s, &a));
    assert_int_equal(suspects_bad_pieces(&s, &a), 2); /* clearing does not make them undone */
    suspects_free(&s);
}

static void a_suspect_that_comes_back_by_another_port_is_the_same(void **state)
{
    (void)state;
    struct suspects s = {0};
    struct endpoint a = at(1, 5000), again = at(1, 6000);
    suspects_add(&s, &a);
    assert_true(suspects_hold(&s, &again));
    suspects_free(&s);
}

static void the_oldest_gives_way(void **state)
{
    (void)state;
    struct suspects s = {0};
    for (uint32_t i = 0; i <= SUSPECTS_MAX; i++) {
        struct endpoint e = at(i, 5000);
        suspects_add(&s, &e);
    }
    struct endpoint first = at(0, 5000), second = at(1, 5000), last = at(SUSPECTS_MAX, 5000);
    assert_false(suspects_hold(&s, &first));
    assert_true(suspects_hold(&s, &second));
    assert_true(suspects_hold(&s, &last));
    suspects_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_in_a_bad_piece_makes_a_suspect_and_a_good_one_clears_it),
        cmocka_unit_test(a_suspect_that_comes_back_by_another_port_is_the_same),
        cmocka_unit_test(the_oldest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
