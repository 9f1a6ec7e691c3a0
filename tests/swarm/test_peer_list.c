/* The addresses at which peers may be: judged, bounded, tried in turn. */
#include "swarm/peer_list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct peer_list *list;

static int begin(void **state)
{
    (void)state;
    list = peer_list_new();
    return list ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    peer_list_free(list);
    return 0;
}

static struct endpoint public(uint32_t n)
{
    return endpoint_v4(0x08000000 + n, 6881);
}

static bool add(const struct endpoint *e, enum addr_source source, usec now)
{
    return peer_list_add(list, e, &(struct peer_hint){.source = source}, now);
}

static bool next(usec now, struct endpoint *out)
{
    enum addr_source source;
    return peer_list_next(list, now, out, &source);
}

static void what_a_stranger_may_not_name_is_not_taken(void **state)
{
    static const uint32_t victims[] = {0x7f000001, 0x0a000001, 0xa9fe0001, 0x64400001, 0xe0000001};
    (void)state;
    for (unsigned i = 0; i < sizeof victims / sizeof *victims; i++) {
        struct endpoint e = endpoint_v4(victims[i], 6881);
        assert_false(add(&e, ADDR_FROM_STRANGER, 0));
    }
    struct endpoint loopback = endpoint_v4(0x7f000001, 6881), low = endpoint_v4(0x08080808, 25);
    assert_true(add(&loopback, ADDR_FROM_USER, 0));
    assert_false(add(&low, ADDR_FROM_STRANGER, 0));
}

static void what_failed_on_another_network_is_due_at_once(void **state)
{
    struct endpoint tried = public(1), busy = public(2), banned = public(3), got;
    (void)state;
    assert_true(add(&tried, ADDR_FROM_STRANGER, 0));
    assert_true(add(&banned, ADDR_FROM_STRANGER, 0));
    peer_list_ban(list, &banned);
    for (unsigned i = 1; i < PEER_LIST_FAILURES_MAX; i++)
        peer_list_failed(list, &tried, 0);
    assert_false(next(SECONDS(60), &got));
    peer_list_hurry(list, SECONDS(60));
    assert_true(next(SECONDS(60), &got));
    assert_true(endpoint_equal(&got, &tried));
    /* In use it stays so, and its failures are forgotten: one more does not lose it. */
    peer_list_hurry(list, SECONDS(60));
    assert_false(next(SECONDS(60), &got));
    peer_list_failed(list, &tried, SECONDS(60));
    assert_int_equal(peer_list_waiting(list), 1);
    assert_true(add(&busy, ADDR_FROM_STRANGER, 0));
}

static void one_that_is_in_use_is_not_given_twice(void **state)
{
    struct endpoint e = public(1), got;
    (void)state;
    assert_true(add(&e, ADDR_FROM_STRANGER, 0));
    assert_false(add(&e, ADDR_FROM_STRANGER, 0));
    assert_true(next(0, &got));
    assert_true(endpoint_equal(&e, &got));
    assert_false(next(0, &got));
    peer_list_ended(list, &e, SECONDS(100));
    assert_false(next(SECONDS(100), &got)); /* a pause first */
    assert_true(next(SECONDS(100) + PEER_LIST_RETRY_MIN, &got));
}

static void who_was_met_is_told_the_latest_first_and_not_who_was_only_tried(void **state)
{
    struct endpoint early = public(1), late = public(2), tried = public(3), bad = public(4), got;
    struct peer_met met[3];
    (void)state;
    assert_true(add(&early, ADDR_FROM_STRANGER, 0));
    assert_true(add(&late, ADDR_FROM_LINK, 0));
    assert_true(add(&tried, ADDR_FROM_STRANGER, 0));
    assert_true(add(&bad, ADDR_FROM_STRANGER, 0));
    peer_list_met(list, &bad, SECONDS(9));
    peer_list_ban(list, &bad);
    assert_true(next(0, &got));
    peer_list_failed(list, &tried, 0);
    peer_list_met(list, &early, SECONDS(1));
    peer_list_met(list, &late, SECONDS(2));
    assert_int_equal(peer_list_latest(list, met, 3), 2);
    assert_true(endpoint_equal(&met[0].endpoint, &late));
    assert_int_equal(met[0].source, ADDR_FROM_LINK);
    assert_int_equal(met[0].seen, SECONDS(2));
    assert_true(endpoint_equal(&met[1].endpoint, &early));
    peer_list_met(list, &early, SECONDS(3));
    assert_int_equal(peer_list_latest(list, met, 1), 1);
    assert_true(endpoint_equal(&met[0].endpoint, &early));
}

static void who_was_met_in_an_earlier_run_is_tried_before_who_was_not(void **state)
{
    struct endpoint unknown = public(1), got;
    struct peer_met old = {
        .endpoint = public(2), .source = ADDR_FROM_STRANGER, .seen = -SECONDS(9)};
    struct peer_met forbidden = {.endpoint = endpoint_v4(0x7f000001, 6881),
                        .source = ADDR_FROM_STRANGER},
                    met[2];
    (void)state;
    assert_true(add(&unknown, ADDR_FROM_STRANGER, 0));
    assert_false(peer_list_meet_again(list, &forbidden, 0));
    assert_true(peer_list_meet_again(list, &old, 0));
    assert_true(next(0, &got));
    assert_true(endpoint_equal(&got, &old.endpoint));
    assert_int_equal(peer_list_latest(list, met, 2), 1); /* and is not forgotten meanwhile */
    assert_int_equal(met[0].seen, -SECONDS(9));
}

static void who_came_by_himself_is_tried_when_somebody_names_him(void **state)
{
    struct endpoint caller = public(1), got;
    struct peer_met met[1];
    (void)state;
    peer_list_called(list, &caller, ADDR_FROM_STRANGER, SECONDS(1));
    assert_int_equal(peer_list_latest(list, met, 1), 1);
    assert_int_equal(peer_list_waiting(list), 0);
    peer_list_hurry(list, SECONDS(1));
    assert_false(next(SECONDS(10000), &got));
    assert_true(add(&caller, ADDR_FROM_STRANGER, SECONDS(2)));
    assert_true(next(SECONDS(2), &got));
    assert_false(add(&caller, ADDR_FROM_STRANGER, SECONDS(2)));
}

static void callers_take_the_place_of_those_who_were_seen_longest_ago(void **state)
{
    struct peer_met met[PEER_LIST_CALLERS_MAX + 2];
    (void)state;
    for (uint32_t i = 0; i < PEER_LIST_CALLERS_MAX + 2; i++) {
        struct endpoint e = public(i);
        peer_list_called(list, &e, ADDR_FROM_STRANGER, SECONDS(i));
    }
    assert_int_equal(peer_list_latest(list, met, PEER_LIST_CALLERS_MAX + 2), PEER_LIST_CALLERS_MAX);
    assert_int_equal(met[PEER_LIST_CALLERS_MAX - 1].seen, SECONDS(2));
}

static void pauses_grow_with_failures_and_one_that_strangers_named_is_forgotten(void **state)
{
    struct endpoint e = public(1), mine = public(2), got;
    usec now = 0, last = 0;
    (void)state;
    add(&e, ADDR_FROM_STRANGER, 0);
    for (unsigned i = 1; i < PEER_LIST_FAILURES_MAX; i++) {
        assert_true(next(now, &got));
        peer_list_failed(list, &e, now);
        usec pause = peer_list_due(list) - now;
        assert_true(pause >= last && pause <= PEER_LIST_RETRY_MAX);
        last = pause;
        now += pause;
    }
    assert_true(next(now, &got));
    peer_list_failed(list, &e, now);
    assert_int_equal(peer_list_count(list), 0);
    add(&mine, ADDR_FROM_USER, now);
    for (unsigned i = 0; i < 40; i++) {
        assert_true(next(now, &got));
        peer_list_failed(list, &mine, now);
        now = peer_list_due(list);
    }
    assert_int_equal(peer_list_count(list), 1); /* what the user said is kept */
}

static void whom_the_user_named_comes_first_and_who_failed_last(void **state)
{
    struct endpoint stranger = public(1), other = public(2), mine = public(3), got;
    (void)state;
    add(&stranger, ADDR_FROM_STRANGER, 0);
    next(0, &got);
    peer_list_failed(list, &stranger, 0);
    add(&other, ADDR_FROM_STRANGER, 0);
    add(&mine, ADDR_FROM_USER, 0);
    usec now = SECONDS(3600);
    assert_true(next(now, &got) && endpoint_equal(&got, &mine));
    assert_true(next(now, &got) && endpoint_equal(&got, &other));
    assert_true(next(now, &got) && endpoint_equal(&got, &stranger));
    assert_false(next(now, &got));
}

static void a_ban_is_of_the_address_whatever_the_port(void **state)
{
    struct endpoint bad = public(1), again = public(1), got;
    (void)state;
    again.port = 1234;
    add(&bad, ADDR_FROM_STRANGER, 0);
    peer_list_ban(list, &bad);
    assert_true(peer_list_banned(list, &again));
    assert_false(add(&again, ADDR_FROM_STRANGER, 0));
    assert_false(next(SECONDS(100000), &got));
    assert_int_equal(peer_list_waiting(list), 0);
    /* But loopback is everybody on this machine. */
    struct endpoint here = endpoint_v4(0x7f000001, 1000), neighbour = endpoint_v4(0x7f000001, 2000);
    peer_list_ban(list, &here);
    assert_true(peer_list_banned(list, &here));
    assert_false(peer_list_banned(list, &neighbour));
}

static void a_flood_of_addresses_is_bounded_and_drives_out_only_what_failed(void **state)
{
    struct endpoint got;
    (void)state;
    for (uint32_t i = 0; i < 3 * PEER_LIST_MAX; i++) {
        struct endpoint e = public(i);
        add(&e, ADDR_FROM_STRANGER, 0);
    }
    assert_int_equal(peer_list_count(list), PEER_LIST_MAX);
    assert_true(next(0, &got));
    struct endpoint fresh = public(5 * PEER_LIST_MAX);
    assert_false(add(&fresh, ADDR_FROM_STRANGER, 0));
    peer_list_failed(list, &got, 0);
    assert_true(add(&fresh, ADDR_FROM_STRANGER, 0));
    assert_int_equal(peer_list_count(list), PEER_LIST_MAX);
}

static void a_full_list_lets_go_of_who_failed_most_and_of_nobody_else(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PEER_LIST_MAX; i++) {
        struct endpoint e = public(i + 1);
        assert_true(add(&e, i == 500 ? ADDR_FROM_USER : ADDR_FROM_STRANGER, 0));
    }
    struct endpoint late = public(5000), user = public(501), once = public(11), often = public(21);
    assert_false(add(&late, ADDR_FROM_STRANGER, 0)); /* nobody is worse than it */
    for (unsigned i = 0; i < 4; i++)
        peer_list_failed(list, &user, 0);
    assert_false(add(&late, ADDR_FROM_STRANGER, 0)); /* whom the user named stays */
    peer_list_failed(list, &once, 0);
    for (unsigned i = 0; i < 3; i++)
        peer_list_failed(list, &often, 0);
    assert_true(add(&late, ADDR_FROM_STRANGER, 0));
    assert_int_equal(peer_list_count(list), PEER_LIST_MAX);
    assert_false(peer_list_take(list, &often, ADDR_FROM_STRANGER));
    assert_true(peer_list_take(list, &once, ADDR_FROM_STRANGER));
    assert_true(peer_list_take(list, &user, ADDR_FROM_USER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_stranger_may_not_name_is_not_taken, begin, end),
        cmocka_unit_test_setup_teardown(what_failed_on_another_network_is_due_at_once, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_in_use_is_not_given_twice, begin, end),
        cmocka_unit_test_setup_teardown(
            who_was_met_is_told_the_latest_first_and_not_who_was_only_tried, begin, end),
        cmocka_unit_test_setup_teardown(
            who_was_met_in_an_earlier_run_is_tried_before_who_was_not, begin, end),
        cmocka_unit_test_setup_teardown(
            who_came_by_himself_is_tried_when_somebody_names_him, begin, end),
        cmocka_unit_test_setup_teardown(
            callers_take_the_place_of_those_who_were_seen_longest_ago, begin, end),
        cmocka_unit_test_setup_teardown(
            pauses_grow_with_failures_and_one_that_strangers_named_is_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(
            whom_the_user_named_comes_first_and_who_failed_last, begin, end),
        cmocka_unit_test_setup_teardown(
            a_full_list_lets_go_of_who_failed_most_and_of_nobody_else, begin, end),
        cmocka_unit_test_setup_teardown(a_ban_is_of_the_address_whatever_the_port, begin, end),
        cmocka_unit_test_setup_teardown(
            a_flood_of_addresses_is_bounded_and_drives_out_only_what_failed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
