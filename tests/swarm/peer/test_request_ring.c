/* The blocks that we asked one peer for, in the order of asking. */
#include "base/err.h"
#include "swarm/peer/request_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct request block(uint32_t n)
{
    return (struct request){
        .piece = n / 4, .begin = n % 4 * 16384, .length = 16384, .state = REQUEST_WAITING};
}

static struct request *find(struct request_ring *r, uint32_t n)
{
    struct request b = block(n);
    return request_ring_find(r, b.piece, b.begin);
}

static void answers_in_order_and_out_of_order_leave_nothing_behind(void **state)
{
    struct request_ring r = {0};
    (void)state;
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(request_ring_push(&r, block(round * 100 + i)), 0);
        assert_int_equal(r.waiting, 100);
        assert_int_equal(r.waiting_bytes, 100 * 16384);
        for (uint32_t i = 0; i < 100; i++)
            request_ring_remove(&r, find(&r, round * 100 + i * 37 % 100));
        assert_int_equal(r.count, 0);
        assert_int_equal(r.waiting, 0);
        assert_int_equal(r.waiting_bytes, 0);
    }
    assert_true(r.capacity <= 256); /* it is a ring, not a list */
    request_ring_free(&r);
}

static void what_waits_is_counted_over_all_rings_that_share_a_count(void **state)
{
    uint32_t all = 0;
    struct request_ring a = {.all_waiting = &all}, b = {.all_waiting = &all};
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        request_ring_push(&a, block(i));
        request_ring_push(&b, block(i));
    }
    assert_int_equal(all, 10);
    request_ring_release(&a, find(&a, 3));
    request_ring_remove(&a, find(&a, 3));
    request_ring_remove(&a, find(&a, 0));
    assert_int_equal(all, 8);
    request_ring_free(&a);
    assert_int_equal(all, 5);
    request_ring_free(&b);
    assert_int_equal(all, 0);
}

static void a_gap_in_the_middle_stays_until_the_front_passes_it(void **state)
{
    struct request_ring r = {0};
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        request_ring_push(&r, block(i));
    request_ring_remove(&r, find(&r, 2));
    assert_int_equal(r.count, 5);
    assert_int_equal(request_ring_at(&r, 2)->state, REQUEST_GAP);
    assert_null(find(&r, 2));
    request_ring_remove(&r, find(&r, 0));
    assert_int_equal(r.count, 4);
    request_ring_remove(&r, find(&r, 1));
    assert_int_equal(r.count, 2);
    assert_int_equal(request_ring_at(&r, 0)->begin, 3 * 16384);
    assert_null(request_ring_at(&r, 2));
    request_ring_free(&r);
}

static void one_that_was_given_to_others_is_still_found_and_not_counted(void **state)
{
    struct request_ring r = {0};
    (void)state;
    request_ring_push(&r, block(0));
    request_ring_push(&r, block(1));
    request_ring_release(&r, find(&r, 0));
    assert_int_equal(r.waiting, 1);
    assert_int_equal(r.waiting_bytes, 16384);
    assert_int_equal(find(&r, 0)->state, REQUEST_RELEASED);
    request_ring_remove(&r, find(&r, 0));
    assert_int_equal(r.waiting, 1);
    request_ring_free(&r);
}

static void it_is_bounded(void **state)
{
    struct request_ring r = {0};
    (void)state;
    for (uint32_t i = 0; i < REQUEST_RING_MAX; i++)
        assert_int_equal(request_ring_push(&r, block(i)), 0);
    assert_int_equal(request_ring_push(&r, block(REQUEST_RING_MAX)), ERR_LIMIT);
    request_ring_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_counted_over_all_rings_that_share_a_count),
        cmocka_unit_test(answers_in_order_and_out_of_order_leave_nothing_behind),
        cmocka_unit_test(a_gap_in_the_middle_stays_until_the_front_passes_it),
        cmocka_unit_test(one_that_was_given_to_others_is_still_found_and_not_counted),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
