/* Whose turn it is in the DHT: those that want data first, each when it is due, at a pace. */
#include "node/discovery/dht_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct dht_member new_member(void)
{
    return (struct dht_member){.joined = true};
}

static void new_members(struct dht_queue *q, struct dht_member *m, size_t count)
{
    dht_queue_init(q);
    for (size_t i = 0; i < count; i++) {
        m[i] = new_member();
        list_init(&m[i].link);
    }
}

static void nobody_waits_for_ever_when_nobody_is_there(void **state)
{
    struct dht_queue q;
    (void)state;
    dht_queue_init(&q);
    assert_int_equal(dht_queue_due(&q), NEVER);
    assert_null(dht_queue_next(&q, SECONDS(1000)));
}

static void who_wants_data_goes_before_who_has_it(void **state)
{
    struct dht_queue q;
    struct dht_member m[2];
    (void)state;
    new_members(&q, m, 2);
    dht_queue_put(&q, &m[0], true, SECONDS(1));
    dht_queue_put(&q, &m[1], false, SECONDS(2));
    assert_ptr_equal(dht_queue_next(&q, SECONDS(1)), &m[0]); /* the other is not due */
    assert_ptr_equal(dht_queue_next(&q, SECONDS(2)), &m[1]);
}

static void each_begins_when_it_is_due_whatever_order_they_came_in(void **state)
{
    struct dht_queue q;
    struct dht_member m[3];
    (void)state;
    new_members(&q, m, 3);
    dht_queue_put(&q, &m[0], true, SECONDS(30));
    dht_queue_put(&q, &m[1], true, SECONDS(10));
    dht_queue_put(&q, &m[2], true, SECONDS(20));
    dht_queue_put(&q, &m[0], true, SECONDS(15)); /* again: moved, not doubled */
    static const int order[] = {1, 0, 2};
    for (int i = 0; i < 3; i++) {
        struct dht_member *next = dht_queue_next(&q, SECONDS(100 + i));
        assert_ptr_equal(next, &m[order[i]]);
        dht_queue_began(&q, next, SECONDS(100 + i));
    }
    assert_int_equal(dht_queue_due(&q), NEVER);
}

static void they_begin_at_a_pace(void **state)
{
    struct dht_queue q;
    struct dht_member m[2];
    (void)state;
    new_members(&q, m, 2);
    dht_queue_put(&q, &m[0], true, 0);
    dht_queue_put(&q, &m[1], true, 0);
    dht_queue_began(&q, dht_queue_next(&q, SECONDS(1)), SECONDS(1));
    assert_int_equal(dht_queue_due(&q), SECONDS(1) + DHT_IO_PACE);
    assert_null(dht_queue_next(&q, SECONDS(1) + DHT_IO_PACE - 1));
    assert_ptr_equal(dht_queue_next(&q, SECONDS(1) + DHT_IO_PACE), &m[1]);
}

static void a_newcomer_in_a_small_network_makes_those_due_that_it_has_not_heard_of(void **state)
{
    struct dht_queue q;
    struct dht_member m[1];
    (void)state;
    new_members(&q, m, 1);
    dht_queue_put(&q, &m[0], false, SECONDS(5));
    dht_queue_began(&q, dht_queue_next(&q, SECONDS(5)), SECONDS(5));
    dht_queue_put(&q, &m[0], false, SECONDS(900));
    assert_int_equal(dht_queue_due(&q), SECONDS(900));
    q.grown_at = SECONDS(7);
    assert_int_equal(dht_queue_due(&q), SECONDS(7));
    assert_ptr_equal(dht_queue_next(&q, SECONDS(7)), &m[0]);
    dht_queue_began(&q, &m[0], SECONDS(7));
    dht_queue_put(&q, &m[0], false, SECONDS(907));
    assert_int_equal(dht_queue_due(&q), SECONDS(907)); /* told once */
}

static void who_has_left_never_begins(void **state)
{
    struct dht_queue q;
    struct dht_member m[2];
    (void)state;
    new_members(&q, m, 2);
    dht_queue_put(&q, &m[0], true, 0);
    dht_queue_remove(&m[0]);
    dht_queue_remove(&m[1]); /* was not queued */
    assert_int_equal(dht_queue_due(&q), NEVER);
}

static void pauses_double_while_nobody_is_found_and_end_at_the_common_one(void **state)
{
    struct dht_member m = new_member();
    (void)state;
    assert_int_equal(dht_queue_pause(&m, true, true), DHT_IO_STARVING_EVERY);
    assert_int_equal(dht_queue_pause(&m, true, true), DHT_IO_STARVING_EVERY * 2);
    for (int i = 0; i < 1000; i++)
        dht_queue_pause(&m, true, true);
    assert_int_equal(dht_queue_pause(&m, true, true), DHT_IO_ANNOUNCE_EVERY);
    assert_int_equal(dht_queue_pause(&m, true, false), DHT_IO_ANNOUNCE_EVERY);
    assert_int_equal(dht_queue_pause(&m, false, false), DHT_IO_RETRY); /* from the beginning */
    assert_int_equal(dht_queue_pause(&m, false, false), DHT_IO_RETRY * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_for_ever_when_nobody_is_there),
        cmocka_unit_test(who_wants_data_goes_before_who_has_it),
        cmocka_unit_test(each_begins_when_it_is_due_whatever_order_they_came_in),
        cmocka_unit_test(they_begin_at_a_pace),
        cmocka_unit_test(a_newcomer_in_a_small_network_makes_those_due_that_it_has_not_heard_of),
        cmocka_unit_test(who_has_left_never_begins),
        cmocka_unit_test(pauses_double_while_nobody_is_found_and_end_at_the_common_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
