/* When which tracker is told what: tiers, events, intervals, failures. */
#include "swarm/announcer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct announcer a;
static struct announcer_request r;

static struct tracker_reply an_answer(void)
{
    struct tracker_reply reply;
    tracker_reply_init(&reply);
    reply.interval = 1800;
    return reply;
}

static int set_up(void **state)
{
    (void)state;
    announcer_init(&a, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    announcer_free(&a);
    return 0;
}

static void answer_at(usec now)
{
    struct tracker_reply reply = an_answer();
    announcer_answered(&a, &r, &reply, now);
}

static const char *asked(void)
{
    return a.trackers[r.tracker].url;
}

static void only_addresses_that_we_speak_are_taken_once(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_add(&a, "http://a/", 1);
    announcer_add(&a, "wss://b/", 1);
    announcer_add(&a, "UDP://c:1", 1);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.tier_count, 2);
    for (int i = 0; i < 100; i++) {
        char url[32];
        snprintf(url, sizeof url, "http://%d/", i);
        announcer_add(&a, url, 2 + (uint32_t)i);
    }
    assert_int_equal(a.count, ANNOUNCER_TRACKERS_MAX);
}

static void nothing_is_said_before_the_start(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    assert_false(announcer_next(&a, SECONDS(9), &r));
    assert_int_equal(announcer_deadline(&a), NEVER);
}

static void every_tier_is_told_and_of_each_one_tracker(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_add(&a, "http://b/", 0);
    announcer_add(&a, "http://c/", 1);
    announcer_start(&a, false, 0);
    assert_true(announcer_next(&a, 0, &r));
    assert_int_equal(r.event, TRACKER_STARTED);
    assert_int_equal(r.tier, 0);
    answer_at(0);
    assert_true(announcer_next(&a, 0, &r));
    assert_int_equal(r.tier, 1);
    answer_at(0);
    assert_false(announcer_next(&a, 0, &r));
    assert_int_equal(announcer_deadline(&a), SECONDS(1800));
}

static void who_answers_moves_to_the_front_of_its_tier(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_add(&a, "http://b/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    const char *first = asked();
    announcer_failed(&a, &r, "no", 0);
    assert_true(announcer_next(&a, 0, &r)); /* at once */
    const char *second = asked();
    assert_ptr_not_equal(first, second);
    answer_at(0);
    assert_ptr_equal(a.trackers[0].url, second);
    assert_true(announcer_next(&a, SECONDS(1800), &r));
    assert_ptr_equal(asked(), second);
    assert_int_equal(r.event, TRACKER_NONE);
}

static void failures_lengthen_the_pause_up_to_a_bound(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    usec now = 0, last = 0;
    for (int i = 0; i < 12; i++) {
        assert_true(announcer_next(&a, now, &r));
        assert_int_equal(r.event, TRACKER_STARTED);
        announcer_failed(&a, &r, "no", now);
        usec pause = announcer_deadline(&a) - now;
        assert_true(pause >= ANNOUNCER_RETRY_MIN && pause <= ANNOUNCER_RETRY_MAX * 5 / 4);
        assert_true(pause * 2 > last);
        assert_false(announcer_next(&a, now, &r));
        last = pause;
        now += pause;
    }
    assert_true(last >= ANNOUNCER_RETRY_MAX);
}

static void completed_is_said_once_and_never_by_who_began_complete(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    announcer_completed(&a, 0); /* while the first is under way */
    answer_at(0);
    /* "started" said that something was left: the news is told at once. */
    announcer_completed(&a, SECONDS(1));
    (void)announcer_next(&a, SECONDS(1), &r);
    answer_at(SECONDS(1));
    assert_false(announcer_next(&a, SECONDS(2), &r));
    announcer_free(&a);
    announcer_init(&a, 1);
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, true, 0);
    announcer_next(&a, 0, &r);
    answer_at(0);
    announcer_completed(&a, 1);
    if (announcer_next(&a, 1, &r))
        assert_int_equal(r.event, TRACKER_NONE);
}

static void a_goodbye_goes_to_those_that_were_greeted(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_add(&a, "http://b/", 1);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    answer_at(0);
    announcer_next(&a, 0, &r);
    announcer_failed(&a, &r, "no", 0);
    announcer_stop(&a, 1);
    assert_false(announcer_is_silent(&a));
    assert_true(announcer_next(&a, 1, &r));
    assert_int_equal(r.event, TRACKER_STOPPED);
    assert_string_equal(asked(), "http://a/");
    answer_at(1);
    assert_false(announcer_next(&a, 1, &r));
    assert_true(announcer_is_silent(&a));
}

static void a_goodbye_that_fails_is_not_repeated(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    announcer_stop(&a, 0); /* while the greeting is under way */
    assert_false(announcer_is_silent(&a));
    answer_at(0);
    assert_true(announcer_next(&a, 0, &r));
    announcer_failed(&a, &r, "no", 0);
    assert_true(announcer_is_silent(&a));
}

static void a_goodbye_is_due_though_the_announce_before_it_was_never_sent(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    answer_at(0);
    assert_true(announcer_next(&a, SECONDS(1800), &r)); /* waits for its turn */
    announcer_stop(&a, SECONDS(1801));
    announcer_cancelled(&a, &r);
    assert_false(announcer_is_silent(&a));
    assert_true(announcer_next(&a, SECONDS(1801), &r));
    assert_int_equal(r.event, TRACKER_STOPPED);
    answer_at(SECONDS(1801));
    assert_true(announcer_is_silent(&a));
}

static void a_greeting_that_was_never_sent_needs_no_goodbye(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    announcer_stop(&a, 1);
    announcer_cancelled(&a, &r);
    assert_true(announcer_is_silent(&a));
    assert_int_equal(a.trackers[r.tracker].failures, 0);
}

static void nothing_is_said_or_waited_for_once_goodbyes_are_given_up(void **state)
{
    (void)state;
    announcer_add(&a, "http://a/", 0);
    announcer_add(&a, "http://b/", 1);
    announcer_start(&a, false, 0);
    for (int i = 0; i < 2; i++) {
        assert_true(announcer_next(&a, 0, &r));
        answer_at(0);
    }
    announcer_stop(&a, 1);
    assert_true(announcer_next(&a, 1, &r)); /* one is under way, one is due */
    announcer_give_up(&a);
    assert_true(announcer_is_silent(&a));
    assert_int_equal(announcer_deadline(&a), NEVER);
    announcer_stop(&a, 2);
    assert_true(announcer_is_silent(&a));
}

static void a_refusal_for_ever_is_respected(void **state)
{
    (void)state;
    struct tracker_reply reply = an_answer();
    reply.failed = true;
    reply.retry_in = TRACKER_NEVER;
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    announcer_answered(&a, &r, &reply, 0);
    assert_int_equal(announcer_deadline(&a), NEVER);
    announcer_hurry(&a, SECONDS(99));
    assert_false(announcer_next(&a, SECONDS(100000), &r));
}

static void a_trackers_intervals_are_kept_within_reason(void **state)
{
    (void)state;
    struct tracker_reply reply = an_answer();
    announcer_add(&a, "http://a/", 0);
    announcer_start(&a, false, 0);
    announcer_next(&a, 0, &r);
    reply.interval = 1;
    announcer_answered(&a, &r, &reply, 0);
    assert_int_equal(announcer_deadline(&a), ANNOUNCER_INTERVAL_MIN);
    announcer_next(&a, ANNOUNCER_INTERVAL_MIN, &r);
    reply.interval = TRACKER_NEVER - 1;
    reply.min_interval = 600;
    announcer_answered(&a, &r, &reply, 0);
    assert_int_equal(announcer_deadline(&a), ANNOUNCER_INTERVAL_MAX);
    announcer_hurry(&a, SECONDS(5));
    assert_int_equal(announcer_deadline(&a), SECONDS(600));
}

static void of_too_many_trackers_each_tier_gets_its_share(void **state)
{
    (void)state;
    struct announcer_url all[200];
    char urls[200][40];
    /* One tier of 100, one of 98, two of 1 each; and what nobody can ask does not count. */
    for (unsigned i = 0; i < 200; i++) {
        snprintf(urls[i], sizeof urls[i], i == 7 ? "wss://t%u/" : "udp://t%u:1/", i);
        all[i] = (struct announcer_url){urls[i], i < 100 ? 0u : i < 198 ? 1u : i - 196};
    }
    assert_int_equal(announcer_add_fairly(&a, all, 200), 199 - ANNOUNCER_TRACKERS_MAX);
    assert_int_equal(a.count, ANNOUNCER_TRACKERS_MAX);
    assert_int_equal(a.tier_count, 4);
    assert_int_equal(a.tiers[0].count, 31);
    assert_int_equal(a.tiers[1].count, 31);
    assert_int_equal(a.tiers[2].count, 1);
    assert_int_equal(a.tiers[3].count, 1);
}

static void no_tracker_is_left_out_where_there_is_room_for_all(void **state)
{
    (void)state;
    struct announcer_url all[ANNOUNCER_TRACKERS_MAX];
    char urls[ANNOUNCER_TRACKERS_MAX][40];
    for (unsigned i = 0; i < ANNOUNCER_TRACKERS_MAX; i++) {
        snprintf(urls[i], sizeof urls[i], "udp://t%u:1/", i);
        all[i] = (struct announcer_url){urls[i], i / 40};
    }
    assert_int_equal(announcer_add_fairly(&a, all, ANNOUNCER_TRACKERS_MAX), 0);
    assert_int_equal(a.count, ANNOUNCER_TRACKERS_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_addresses_that_we_speak_are_taken_once),
        TEST(of_too_many_trackers_each_tier_gets_its_share),
        TEST(no_tracker_is_left_out_where_there_is_room_for_all),
        TEST(nothing_is_said_before_the_start),
        TEST(every_tier_is_told_and_of_each_one_tracker),
        TEST(who_answers_moves_to_the_front_of_its_tier),
        TEST(failures_lengthen_the_pause_up_to_a_bound),
        TEST(completed_is_said_once_and_never_by_who_began_complete),
        TEST(a_goodbye_goes_to_those_that_were_greeted),
        TEST(a_goodbye_that_fails_is_not_repeated),
        TEST(a_goodbye_is_due_though_the_announce_before_it_was_never_sent),
        TEST(a_greeting_that_was_never_sent_needs_no_goodbye),
        TEST(nothing_is_said_or_waited_for_once_goodbyes_are_given_up),
        TEST(a_refusal_for_ever_is_respected),
        TEST(a_trackers_intervals_are_kept_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
