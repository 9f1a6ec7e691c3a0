/* How many blocks are kept asked for: enough for the path, no more than the peer takes. */
#include "swarm/peer/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct pipeline p;
static usec now;

/* A path of this rate and delay, kept full with as many requests as the pipeline says; the far end
 * sends blocks one after the other. */
static void transfer(double bytes_per_usec, usec delay, unsigned blocks)
{
    static usec sent[PIPELINE_DEPTH_MAX];
    unsigned asked = 0, came = 0;
    usec service = (usec)(16384.0 / bytes_per_usec), free_at = now;
    while (came < blocks) {
        while (asked - came < pipeline_depth(&p))
            sent[asked++ % PIPELINE_DEPTH_MAX] = now;
        usec asked_at = sent[came++ % PIPELINE_DEPTH_MAX];
        free_at = (asked_at + delay > free_at ? asked_at + delay : free_at) + service;
        now = free_at;
        pipeline_block(&p, 16384, now - asked_at, now);
    }
}

static void begin(void)
{
    now = SECONDS(1);
    pipeline_init(&p, now);
}

static void it_grows_to_fill_a_fast_and_distant_path(void **state)
{
    (void)state;
    begin();
    transfer(10.0, MSECS(200), 5000); /* 10 MB/s, 200 ms: 2 MB are under way */
    assert_true(pipeline_depth(&p) * 16384.0 >= 10.0 * 200e3);
    assert_true(pipeline_depth(&p) <= PIPELINE_DEPTH_MAX);
}

static void it_stays_small_for_a_slow_peer(void **state)
{
    (void)state;
    begin();
    transfer(0.02, MSECS(50), 500); /* 20 kB/s */
    assert_true(pipeline_depth(&p) >= PIPELINE_DEPTH_MIN);
    assert_true(pipeline_depth(&p) <= 8);
}

static void a_slow_and_distant_peer_that_becomes_fast_is_asked_for_more_again(void **state)
{
    (void)state;
    begin();
    transfer(0.01, SECONDS(1), 200);
    assert_true(pipeline_depth(&p) <= 8);
    transfer(10.0, SECONDS(1), 5000);
    assert_true(pipeline_depth(&p) > 200);
}

static void it_never_asks_for_more_than_the_peer_takes(void **state)
{
    (void)state;
    begin();
    pipeline_set_max(&p, 20);
    transfer(100.0, MSECS(100), 5000);
    assert_int_equal(pipeline_depth(&p), 20);
    pipeline_set_max(&p, 2); /* even where that is less than we like */
    assert_true(pipeline_depth(&p) <= 2);
    pipeline_set_max(&p, 0); /* unknown */
    pipeline_set_max(&p, UINT32_MAX);
    transfer(100.0, MSECS(100), 50000);
    assert_int_equal(pipeline_depth(&p), PIPELINE_DEPTH_MAX);
}

static void a_block_that_does_not_come_makes_it_careful_until_one_does(void **state)
{
    (void)state;
    begin();
    transfer(10.0, MSECS(100), 2000);
    pipeline_timed_out(&p, now);
    assert_true(p.snubbed);
    assert_int_equal(pipeline_depth(&p), 1);
    pipeline_block(&p, 16384, MSECS(100), now);
    assert_false(p.snubbed);
    assert_true(pipeline_depth(&p) >= PIPELINE_DEPTH_MIN);
    transfer(10.0, MSECS(100), 2000);
    assert_true(pipeline_depth(&p) > 50);
}

static void patience_follows_the_peer_within_bounds(void **state)
{
    (void)state;
    begin();
    transfer(10.0, MSECS(10), 100);
    assert_int_equal(pipeline_timeout(&p), PIPELINE_TIMEOUT_MIN);
    transfer(0.001, SECONDS(30), 100);
    assert_int_equal(pipeline_timeout(&p), PIPELINE_TIMEOUT_MAX);
}

static void a_long_way_is_filled_at_once_and_a_slow_peer_is_not_asked_for_much(void **state)
{
    (void)state;
    begin();
    pipeline_block(&p, 16384, SECONDS(2), now + SECONDS(2));
    assert_int_equal(pipeline_depth(&p), PIPELINE_DEPTH_FAR);
    begin();
    pipeline_block(&p, 16384, MSECS(200), now + MSECS(200));
    assert_int_equal(pipeline_depth(&p), PIPELINE_DEPTH_START);
}

static void slow_start_is_fast_where_nothing_waits_at_the_peer(void **state)
{
    (void)state;
    for (unsigned waits = 0; waits < 2; waits++) {
        begin();
        for (usec i = 1; i <= PIPELINE_DEPTH_START; i++)
            pipeline_block(&p, 16384, MSECS(100) * (waits ? i : 1), now + MSECS(100) * i);
        assert_int_equal(pipeline_depth(&p), PIPELINE_DEPTH_START * (waits ? 2 : 4));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_to_fill_a_fast_and_distant_path),
        cmocka_unit_test(it_stays_small_for_a_slow_peer),
        cmocka_unit_test(a_slow_and_distant_peer_that_becomes_fast_is_asked_for_more_again),
        cmocka_unit_test(it_never_asks_for_more_than_the_peer_takes),
        cmocka_unit_test(a_block_that_does_not_come_makes_it_careful_until_one_does),
        cmocka_unit_test(a_long_way_is_filled_at_once_and_a_slow_peer_is_not_asked_for_much),
        cmocka_unit_test(slow_start_is_fast_where_nothing_waits_at_the_peer),
        cmocka_unit_test(patience_follows_the_peer_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
