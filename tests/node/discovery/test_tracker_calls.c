/* Questions to trackers that are under way: found by their numbers, and not asked where nobody
 * answers. It never looks into a call: any address will do for one. */
#include "node/discovery/tracker_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t seed[16] = {5};
static char things[2];

static struct tracker_call *call(int i)
{
    return (struct tracker_call *)(void *)&things[i];
}

static struct bytes host(const char *text)
{
    return bytes_of_str(text);
}

static struct tracker_calls *new_calls(void)
{
    struct tracker_calls *c = malloc(sizeof *c);
    assert_non_null(c);
    assert_int_equal(tracker_calls_init(c, seed), 0);
    return c;
}

static void free_calls(struct tracker_calls *c)
{
    tracker_calls_free(c);
    free(c);
}

static void an_answer_finds_its_call_by_the_number_that_was_sent_last(void **state)
{
    struct tracker_calls *c = new_calls();
    (void)state;
    assert_null(tracker_calls_find(c, 7));
    tracker_calls_renumber(c, call(0), 0, 7);
    tracker_calls_renumber(c, call(1), 0, 8);
    assert_ptr_equal(tracker_calls_find(c, 7), call(0));
    tracker_calls_renumber(c, call(0), 7, 9);
    assert_null(tracker_calls_find(c, 7));
    assert_ptr_equal(tracker_calls_find(c, 9), call(0));
    tracker_calls_forget(c, call(0), 9);
    assert_null(tracker_calls_find(c, 9));
    assert_ptr_equal(tracker_calls_find(c, 8), call(1));
    free_calls(c);
}

static void a_call_never_forgets_a_number_that_is_anothers_now(void **state)
{
    struct tracker_calls *c = new_calls();
    (void)state;
    tracker_calls_renumber(c, call(0), 0, 7);
    tracker_calls_renumber(c, call(1), 0, 7);
    tracker_calls_forget(c, call(0), 7);
    assert_ptr_equal(tracker_calls_find(c, 7), call(1));
    free_calls(c);
}

static void silence(struct tracker_calls *c, const char *name, unsigned times, usec now)
{
    for (unsigned i = 0; i < times; i++)
        tracker_hosts_silent(c, host(name), now);
}

static void who_is_silent_to_several_is_asked_by_one_a_pause(void **state)
{
    struct tracker_calls *c = new_calls();
    usec now = SECONDS(100);
    (void)state;
    silence(c, "dead:80", TRACKER_HOSTS_SILENCES - 1, now);
    assert_true(tracker_hosts_may_ask(c, host("dead:80"), now));
    silence(c, "dead:80", 1, now);
    assert_false(tracker_hosts_may_ask(c, host("dead:80"), now));
    assert_true(tracker_hosts_may_ask(c, host("alive:80"), now));
    now += TRACKER_HOSTS_PAUSE;
    assert_true(tracker_hosts_may_ask(c, host("dead:80"), now));
    assert_false(tracker_hosts_may_ask(c, host("dead:80"), now)); /* one is enough */
    free_calls(c);
}

static void one_answer_is_enough_for_all_to_ask_again(void **state)
{
    struct tracker_calls *c = new_calls();
    (void)state;
    silence(c, "back:80", 10, 0);
    tracker_hosts_answered(c, host("back:80"));
    assert_true(tracker_hosts_may_ask(c, host("back:80"), 1));
    silence(c, "back:80", TRACKER_HOSTS_SILENCES - 1, 1);
    assert_true(tracker_hosts_may_ask(c, host("back:80"), 1)); /* counted from the beginning */
    free_calls(c);
}

static void another_network_is_another_chance(void **state)
{
    struct tracker_calls *c = new_calls();
    (void)state;
    silence(c, "far:80", 10, 0);
    tracker_calls_forget_trackers(c);
    assert_true(tracker_hosts_may_ask(c, host("far:80"), 1));
    free_calls(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_finds_its_call_by_the_number_that_was_sent_last),
        cmocka_unit_test(a_call_never_forgets_a_number_that_is_anothers_now),
        cmocka_unit_test(who_is_silent_to_several_is_asked_by_one_a_pause),
        cmocka_unit_test(one_answer_is_enough_for_all_to_ask_again),
        cmocka_unit_test(another_network_is_another_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
