/* The congestion window and the delays that it is steered by. */
#include "base/check.h"
#include "utp/delay.h"
#include "utp/ledbat.h"

#define PACKET 1452u

/* One round trip in which a whole window is acknowledged. */
static void round_trip(struct ledbat *l, usec queue, bool limited, usec now)
{
    size_t window = (size_t)l->window;
    for (size_t at = 0; at < window; at += PACKET)
        ledbat_acked(l, PACKET, queue, limited, now);
}

static void the_queue_is_what_is_above_the_base(void **state)
{
    (void)state;
    struct delay_history h = {0};
    assert_int_equal(delay_history_queue(&h), 0);
    delay_history_add(&h, 5000000, 0);
    assert_int_equal(delay_history_queue(&h), 0);
    for (int i = 0; i < 3; i++)
        delay_history_add(&h, 5040000, SECONDS(1));
    assert_int_equal(delay_history_queue(&h), 40000);
    delay_history_add(&h, 5010000, SECONDS(1));
    assert_int_equal(delay_history_queue(&h), 10000); /* one late packet is no queue */
}

static void samples_may_wrap(void **state)
{
    (void)state;
    struct delay_history h = {0};
    delay_history_add(&h, 0xffffff00u, 0);
    for (int i = 0; i < 3; i++)
        delay_history_add(&h, 0x00000100u, 0);
    assert_int_equal(delay_history_queue(&h), 0x200);
    delay_history_add(&h, 0xfffffe00u, 0);
    assert_int_equal(delay_history_queue(&h), 0);
}

static void a_base_is_forgotten_after_thirteen_minutes(void **state)
{
    (void)state;
    struct delay_history h = {0};
    delay_history_add(&h, 1000, 0);
    for (int minute = 1; minute <= 12; minute++)
        delay_history_add(&h, 61000, SECONDS(61 * minute));
    assert_int_equal(delay_history_queue(&h), 60000);
    for (int minute = 13; minute <= 14; minute++)
        delay_history_add(&h, 61000, SECONDS(61 * minute));
    assert_int_equal(delay_history_queue(&h), 0);
}

static void a_base_moves_with_the_clocks(void **state)
{
    (void)state;
    struct delay_history h = {0};
    delay_history_add(&h, 1000, 0);
    delay_history_shift(&h, 500);
    for (int i = 0; i < 3; i++)
        delay_history_add(&h, 1700, 0);
    assert_int_equal(delay_history_queue(&h), 200);
}

static void a_larger_packet_raises_the_base_but_only_so_far(void **state)
{
    (void)state;
    struct delay_history h = {0};
    delay_history_raise(&h, 1000, 500); /* nothing to raise yet */
    assert_int_equal(delay_history_queue(&h), 0);
    delay_history_add(&h, 1000, 0);
    delay_history_raise(&h, 1400, 500);
    assert_int_equal(delay_history_queue(&h), 0); /* what came before is no queue below nothing */
    for (int i = 0; i < 3; i++)
        delay_history_add(&h, 1600, 0);
    assert_int_equal(delay_history_queue(&h), 200);
    delay_history_raise(&h, 91000, 500);
    for (int i = 0; i < 3; i++)
        delay_history_add(&h, 91000, 0);
    assert_int_equal(delay_history_queue(&h), 91000 - 1900);
    delay_history_raise(&h, 1700, 500); /* it falls by itself */
    assert_int_equal(h.base, 1900);
}

static void slow_start_doubles(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    double before = l.window;
    round_trip(&l, 0, true, 0);
    assert_true(l.window >= before * 1.9 && l.window <= before * 2.1);
}

static void slow_start_ends_when_a_queue_stands_for_a_round(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    double before = l.window = 400000;
    ledbat_acked(&l, PACKET, MSECS(20), true, 0);
    assert_int_equal(l.phase, LEDBAT_CAREFUL);
    for (int i = 0; i < 100; i++)
        ledbat_acked(&l, PACKET, MSECS(20), true, 0);
    assert_true(l.window > before && l.window < before * 1.15); /* slower meanwhile */
    for (int i = 0; i < 200; i++)
        ledbat_acked(&l, PACKET, MSECS(20), true, 0);
    assert_int_equal(l.phase, LEDBAT_STEADY);
    assert_true(l.window < before * 0.65); /* what stands in the queue was sent with about half */
}

static void slow_start_ends_at_once_when_the_queue_is_long(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 400000;
    ledbat_acked(&l, PACKET, MSECS(20), true, 0);
    ledbat_acked(&l, PACKET, MSECS(80), true, 0);
    assert_int_equal(l.phase, LEDBAT_STEADY);
    assert_true(l.window <= 250000);
}

static void a_queue_that_is_gone_within_a_round_does_not_end_slow_start(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    for (int i = 0; i < 6; i++) {
        double before = l.window;
        ledbat_acked(&l, PACKET, MSECS(40), true, 0);
        round_trip(&l, 0, true, 0);
        assert_int_equal(l.phase, LEDBAT_SLOW_START);
        assert_true(l.window > before * 1.8);
    }
}

static void what_slow_start_overfilled_is_not_cut_for_twice(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 400000;
    ledbat_acked(&l, PACKET, MSECS(20), true, SECONDS(1));
    ledbat_lost(&l, MSECS(300), SECONDS(1)); /* short of a round, but the queue was full */
    assert_true(l.window == 250000);
    ledbat_lost(&l, MSECS(300), SECONDS(1) + MSECS(299));
    assert_true(l.window == 250000);
    ledbat_lost(&l, MSECS(300), SECONDS(1) + MSECS(300));
    assert_true(l.window == 125000);
}

static void the_queue_of_what_was_in_flight_at_a_cut_counts_no_more(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 400000;
    ledbat_acked(&l, PACKET, MSECS(20), true, 0);
    ledbat_acked(&l, PACKET, MSECS(80), true, 0);
    double cut = l.window;
    for (size_t at = 0; at < 390000; at += PACKET)
        ledbat_acked(&l, PACKET, MSECS(300), true, 0);
    assert_true(l.window == cut);
    round_trip(&l, MSECS(300), true, 0); /* this was sent afterwards */
    assert_true(l.window < cut * 0.9);
}

static void a_line_that_stays_calm_is_filled_faster_and_faster(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    double grown[4], before = l.window = 1000000;
    for (int second = 0; second < 4; second++) {
        round_trip(&l, MSECS(10), true, SECONDS(second * 2));
        grown[second] = l.window - before;
        before = l.window;
    }
    assert_true(grown[0] <= LEDBAT_GAIN);
    assert_true(grown[1] > 3 * grown[0] && grown[2] > 2 * grown[1] && grown[3] > grown[2]);
    assert_true(grown[3] < 1000000 / 8);
    round_trip(&l, MSECS(51), true, SECONDS(8)); /* half of the target: no more */
    before = l.window;
    round_trip(&l, MSECS(10), true, SECONDS(8));
    assert_true(l.window - before <= LEDBAT_GAIN);
    ledbat_lost(&l, MSECS(10), SECONDS(12));
    before = l.window;
    round_trip(&l, MSECS(10), true, SECONDS(12));
    assert_true(l.window - before <= LEDBAT_GAIN);
}

static void below_the_target_it_grows_by_at_most_3000_bytes_a_round_trip(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    l.window = 100000;
    round_trip(&l, 0, true, 0);
    assert_true(l.window > 102500 && l.window <= 103001);
    round_trip(&l, MSECS(50), true, 0);
    assert_true(l.window > 103900 && l.window <= 104600);
}

static void above_the_target_it_shrinks_but_never_below_two_packets(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    l.window = 200000;
    round_trip(&l, MSECS(150), true, 0);
    assert_true(l.window < 190000);
    for (int i = 0; i < 200; i++)
        round_trip(&l, MSECS(400), true, 0);
    assert_true(l.window == LEDBAT_PACKETS_MIN * PACKET);
}

static void a_sender_without_data_does_not_grow(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    double before = l.window;
    round_trip(&l, 0, false, 0);
    l.phase = LEDBAT_STEADY;
    round_trip(&l, 0, false, 0);
    assert_true(l.window == before);
}

static void a_short_buffer_lowers_the_target_for_minutes(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    l.window = 200000;
    round_trip(&l, MSECS(30), true, SECONDS(1));
    ledbat_lost(&l, MSECS(50), SECONDS(1));
    assert_int_equal(l.target, MSECS(15));
    for (int i = 0; i < 3; i++) /* what was in flight */
        round_trip(&l, MSECS(25), true, SECONDS(2));
    double before = l.window;
    round_trip(&l, MSECS(25), true, SECONDS(2));
    assert_true(l.window < before); /* and TCP has the rest */
    for (int i = 0; i < 10; i++)
        round_trip(&l, MSECS(2), true, SECONDS(2));
    assert_true(l.window > before);
    ledbat_lost(&l, MSECS(50), SECONDS(3)); /* hardly a queue: that says nothing of the buffer */
    assert_int_equal(l.target, MSECS(15));
    for (int minute = 1; minute <= 10; minute++)
        round_trip(&l, MSECS(5), true, SECONDS(3 + 61 * minute));
    assert_int_equal(l.target, LEDBAT_TARGET);
}

static void a_short_buffer_is_filled_no_faster_than_it_is_left(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    l.window = 20000;
    round_trip(&l, MSECS(30), true, SECONDS(1));
    ledbat_lost(&l, MSECS(50), SECONDS(1));
    assert_true(l.target < LEDBAT_TARGET);
    double before = l.window;
    ledbat_acked(&l, (size_t)before, 0, true, SECONDS(1));
    assert_true(l.window > before + 2000 && l.window <= before * 1.25);
    before = l.window = 3 * PACKET;
    ledbat_acked(&l, (size_t)before, 0, true, SECONDS(1));
    assert_true(l.window > before + 1000 && l.window <= before + PACKET); /* but by a packet */
}

/* Of a line of 4 Mbit/s others have left it a twentieth: two packets a round trip say how large its
 * share is, not how long the line takes for one. */
static void who_has_a_small_share_gives_way_as_before(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.phase = LEDBAT_STEADY;
    l.window = 25000;
    round_trip(&l, MSECS(30), true, SECONDS(1));
    ledbat_lost(&l, MSECS(50), SECONDS(1));
    assert_int_equal(l.target, MSECS(15));
    l.window = LEDBAT_PACKETS_MIN * PACKET;
    for (int i = 0; i < 10; i++)
        round_trip(&l, MSECS(28), true, SECONDS(2));
    ledbat_lost(&l, MSECS(50), SECONDS(3));
    assert_int_equal(l.target, MSECS(15));
}

static void losses_of_one_round_trip_are_one(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 100000;
    ledbat_lost(&l, MSECS(300), SECONDS(1));
    assert_true(l.window == 50000);
    ledbat_lost(&l, MSECS(300), SECONDS(1) + MSECS(299));
    assert_true(l.window == 50000);
    ledbat_lost(&l, MSECS(300), SECONDS(1) + MSECS(300));
    assert_true(l.window == 25000);
    ledbat_lost(&l, MSECS(1), SECONDS(1) + MSECS(399)); /* and at least 100 ms are */
    assert_true(l.window == 25000);
}

static void a_loss_that_was_none_is_taken_back(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 100000;
    ledbat_lost(&l, MSECS(10), SECONDS(1));
    ledbat_not_lost(&l);
    assert_true(l.window == 100000);
    ledbat_lost(&l, MSECS(10), SECONDS(2));
    ledbat_not_lost(&l);
    ledbat_not_lost(&l); /* once only */
    assert_true(l.window == 100000);
}

static void a_timeout_and_a_rest_begin_anew_up_to_where_it_was(void **state)
{
    (void)state;
    struct ledbat l;
    ledbat_init(&l, PACKET);
    l.window = 400000;
    l.phase = LEDBAT_STEADY;
    ledbat_timeout(&l, 0);
    assert_true(l.phase == LEDBAT_SLOW_START && l.window == LEDBAT_PACKETS_MIN * PACKET);
    for (int i = 0; i < 20; i++)
        round_trip(&l, 0, true, 0);
    assert_true(l.window > 190000 && l.window < 300000); /* doubled to half, then slowly */
    double before = l.window;
    ledbat_rested(&l);
    assert_true(l.phase == LEDBAT_SLOW_START && l.window == LEDBAT_PACKETS_FIRST * PACKET);
    assert_true(l.threshold == before);
}

RUN(T(the_queue_is_what_is_above_the_base), T(samples_may_wrap),
    T(a_base_is_forgotten_after_thirteen_minutes), T(a_base_moves_with_the_clocks),
    T(a_larger_packet_raises_the_base_but_only_so_far), T(slow_start_doubles),
    T(slow_start_ends_when_a_queue_stands_for_a_round),
    T(slow_start_ends_at_once_when_the_queue_is_long),
    T(the_queue_of_what_was_in_flight_at_a_cut_counts_no_more),
    T(a_queue_that_is_gone_within_a_round_does_not_end_slow_start),
    T(a_line_that_stays_calm_is_filled_faster_and_faster),
    T(what_slow_start_overfilled_is_not_cut_for_twice),
    T(below_the_target_it_grows_by_at_most_3000_bytes_a_round_trip),
    T(above_the_target_it_shrinks_but_never_below_two_packets),
    T(a_sender_without_data_does_not_grow), T(a_short_buffer_lowers_the_target_for_minutes),
    T(a_short_buffer_is_filled_no_faster_than_it_is_left),
    T(who_has_a_small_share_gives_way_as_before), T(losses_of_one_round_trip_are_one),
    T(a_loss_that_was_none_is_taken_back), T(a_timeout_and_a_rest_begin_anew_up_to_where_it_was))
