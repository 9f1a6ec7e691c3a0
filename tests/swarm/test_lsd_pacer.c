/* When local service discovery speaks: at once, again, every five minutes, in answer; and never
 * more than its bounds. */
#include "swarm/lsd_pacer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define MANY 1000u

static struct lsd_pacer p;
static struct lsd_member members[MANY];
static struct info_hash out[LSD_SEND_MAX];

static int set_up(void **state)
{
    static const uint8_t seed[16] = "a seed of sorts";
    (void)state;
    memset(members, 0, sizeof members);
    return lsd_pacer_init(&p, seed, 0);
}

static int tear_down(void **state)
{
    (void)state;
    lsd_pacer_free(&p);
    return 0;
}

static struct info_hash hash_of(unsigned i)
{
    struct info_hash h = {{0}};
    h.b[0] = (uint8_t)(i >> 8);
    h.b[1] = (uint8_t)i;
    h.b[19] = 1;
    return h;
}

static void join(unsigned i, enum lsd_haste haste, usec now)
{
    static struct info_hash hashes[MANY];
    hashes[i] = hash_of(i);
    const uint8_t *bytes = hashes[i].b;
    assert_int_equal(lsd_pacer_join(&p, &members[i], &bytes, 1, haste, now), 0);
}

static void ask(unsigned i, usec now)
{
    struct info_hash h = hash_of(i);
    assert_ptr_equal(lsd_pacer_asked(&p, &h, now), &members[i]);
}

/* Lets time pass until `until`; how many datagrams were sent. */
static unsigned sent_until(usec until)
{
    unsigned datagrams = 0;
    for (usec at; (at = lsd_pacer_deadline(&p)) <= until;)
        while (lsd_pacer_next(&p, out, at) > 0)
            datagrams++;
    return datagrams;
}

static void a_member_is_announced_at_once_twice_more_and_then_every_five_minutes(void **state)
{
    (void)state;
    struct info_hash h = hash_of(7);
    join(7, LSD_SERVES, 0);
    assert_int_equal(lsd_pacer_next(&p, out, 0), 1);
    assert_true(info_hash_equal(&out[0], &h));
    assert_int_equal(lsd_pacer_next(&p, out, SECONDS(1)), 0);
    assert_int_equal(sent_until(SECONDS(60)), 2);
    usec next = lsd_pacer_deadline(&p);
    assert_true(next > SECONDS(270) && next <= SECONDS(6) + LSD_EVERY);
    assert_int_equal(sent_until(SECONDS(3600)), 12);
}

static void an_announce_is_answered_but_not_right_after_an_own_one(void **state)
{
    (void)state;
    join(1, LSD_SERVES, 0);
    sent_until(SECONDS(60));
    ask(1, SECONDS(60));
    assert_int_equal(sent_until(SECONDS(60) + LSD_ANSWER_SPREAD), 1);
    for (usec at = SECONDS(61); at < SECONDS(64); at += MSECS(100))
        ask(1, at);
    assert_int_equal(sent_until(SECONDS(100)), 0);
    struct info_hash foreign = hash_of(2);
    assert_null(lsd_pacer_asked(&p, &foreign, SECONDS(100)));
}

/* Two nodes that have the same torrent do not answer each other's answers. */
static void two_that_hear_each_other_fall_silent(void **state)
{
    static const uint8_t seed[16] = "another";
    struct lsd_pacer other;
    struct lsd_member its = {0};
    struct info_hash h = hash_of(1);
    unsigned said = 0;
    (void)state;
    assert_int_equal(lsd_pacer_init(&other, seed, 0), 0);
    join(1, LSD_SERVES, 0);
    sent_until(SECONDS(20));
    const uint8_t *bytes = h.b;
    lsd_pacer_join(&other, &its, &bytes, 1, LSD_SEEKS, SECONDS(20));
    for (usec at = SECONDS(20); at < SECONDS(250); at += MSECS(10)) {
        if (lsd_pacer_next(&p, out, at) > 0) {
            said++;
            lsd_pacer_asked(&other, &h, at);
        }
        if (lsd_pacer_next(&other, out, at) > 0) {
            said++;
            lsd_pacer_asked(&p, &h, at);
        }
    }
    assert_in_range(said, 4, 6);
    lsd_pacer_free(&other);
}

/* However close it comes behind an announce of ours that it could not hear. */
static void a_newcomer_is_always_answered_within_seven_seconds(void **state)
{
    (void)state;
    for (usec late = 0; late < SECONDS(8); late += MSECS(100)) {
        usec begin = SECONDS(100), came = begin + MSECS(1) + late, heard_us = NEVER;
        tear_down(NULL);
        set_up(NULL);
        join(1, LSD_SERVES, 0);
        sent_until(begin);
        ask(1, begin); /* somebody else made us announce it just now */
        sent_until(begin + LSD_ANSWER_SPREAD > came ? came : begin + LSD_ANSWER_SPREAD);
        static const usec announces[] = {0, LSD_REPEAT_FIRST, LSD_REPEAT_FIRST + LSD_REPEAT_SECOND};
        for (usec at = came; at < came + SECONDS(8); at += MSECS(10)) {
            for (unsigned i = 0; i < 3; i++)
                if (at == came + announces[i])
                    ask(1, at);
            if (lsd_pacer_next(&p, out, at) > 0 && heard_us == NEVER)
                heard_us = at;
        }
        assert_true(heard_us - came <= SECONDS(7));
    }
}

static void many_members_share_datagrams_and_these_are_spread(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        join(i, LSD_SERVES, 0);
    unsigned at_once = 0;
    while (lsd_pacer_next(&p, out, 0) > 0)
        at_once++;
    assert_int_equal(at_once, LSD_BURST);
    assert_in_range(sent_until(SECONDS(20)), 15, 20);
}

static void who_seeks_does_not_wait_behind_who_serves(void **state)
{
    (void)state;
    struct info_hash h = hash_of(MANY - 1);
    for (unsigned i = 0; i + 1 < MANY; i++)
        join(i, LSD_SERVES, 0);
    while (lsd_pacer_next(&p, out, 0) > 0)
        ;
    join(MANY - 1, LSD_SEEKS, MSECS(10));
    assert_true(lsd_pacer_next(&p, out, LSD_DATAGRAM_EVERY) > 0);
    assert_true(info_hash_equal(&out[0], &h));
}

static void floods_of_strangers_cost_us_no_more_than_the_bounds(void **state)
{
    (void)state;
    unsigned looked_at = 0, sent = 0;
    for (unsigned i = 0; i < MANY; i++)
        join(i, LSD_SERVES, 0);
    for (usec at = 0; at < SECONDS(10); at += MSECS(1)) {
        looked_at += lsd_pacer_hears(&p, at);
        ask((unsigned)(at / MSECS(1)) % MANY, at);
        while (lsd_pacer_next(&p, out, at) > 0)
            sent++;
    }
    assert_int_equal(looked_at, 10 * LSD_HEARD_MAX);
    assert_in_range(sent, 1, LSD_BURST + 10);
}

static void on_another_network_everybody_is_announced_anew(void **state)
{
    (void)state;
    join(1, LSD_SERVES, 0);
    sent_until(SECONDS(60));
    lsd_pacer_restart(&p, SECONDS(60));
    assert_int_equal(sent_until(SECONDS(70)), 3);
}

static void who_left_is_neither_announced_nor_known(void **state)
{
    (void)state;
    struct info_hash h = hash_of(1);
    join(1, LSD_SERVES, 0);
    lsd_pacer_leave(&p, &members[1]);
    assert_int_equal(lsd_pacer_deadline(&p), NEVER);
    assert_null(lsd_pacer_asked(&p, &h, 0));
    join(1, LSD_SERVES, 0);
    assert_int_equal(lsd_pacer_next(&p, out, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_member_is_announced_at_once_twice_more_and_then_every_five_minutes, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            an_announce_is_answered_but_not_right_after_an_own_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_that_hear_each_other_fall_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_newcomer_is_always_answered_within_seven_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            many_members_share_datagrams_and_these_are_spread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            who_seeks_does_not_wait_behind_who_serves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            floods_of_strangers_cost_us_no_more_than_the_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            on_another_network_everybody_is_announced_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_left_is_neither_announced_nor_known, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
