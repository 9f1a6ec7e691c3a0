/* Our address by the word of others: who has a vote, and what wins. */
#include "base/bytes.h"
#include "swarm/external_ip.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct external_ip x;

static int set_up(void **state)
{
    (void)state;
    external_ip_forget(&x);
    return 0;
}

static struct endpoint ip(const char *text)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse_ip(&e, bytes_of_str(text), 0), 0);
    return e;
}

static void vote(const char *voter, const char *says, usec now)
{
    struct endpoint v = ip(voter), s = ip(says);
    v.port = 6881;
    external_ip_vote(&x, &v, &s, now);
}

static void expect(enum addr_family family, const char *wanted, usec now)
{
    struct endpoint got, e;
    bool known = external_ip_get(&x, family, now, &got);
    assert_int_equal(known, wanted != NULL);
    if (!wanted)
        return;
    e = ip(wanted);
    assert_true(endpoint_equal(&got, &e));
}

static void one_network_alone_is_not_believed_however_often_it_says_so(void **state)
{
    (void)state;
    vote("5.5.5.1", "9.9.9.9", 0);
    vote("5.5.5.2", "9.9.9.9", 0);
    vote("5.5.5.200", "9.9.9.9", 0);
    expect(ADDR_V4, NULL, 0);
    vote("5.5.6.1", "9.9.9.9", 0);
    expect(ADDR_V4, "9.9.9.9", 0);
}

static void the_families_are_voted_for_apart_and_by_their_own(void **state)
{
    (void)state;
    vote("2600::1", "9.9.9.9", 0);
    vote("2601::1", "9.9.9.9", 0);
    expect(ADDR_V4, NULL, 0);
    vote("2600:0:1::1", "2a00::1", 0);
    vote("2600:0:1:7::1", "2a00::1", 0); /* the same /48 */
    expect(ADDR_V6, NULL, 0);
    vote("2600:0:2::1", "2a00::1", 0);
    expect(ADDR_V6, "2a00::1", 0);
}

static void neighbours_have_no_vote_and_local_addresses_are_none(void **state)
{
    (void)state;
    vote("192.168.1.1", "9.9.9.9", 0);
    vote("10.0.0.1", "9.9.9.9", 0);
    vote("5.5.5.5", "192.168.1.7", 0);
    vote("5.6.5.5", "192.168.1.7", 0);
    vote("5.7.5.5", "127.0.0.1", 0);
    vote("5.8.5.5", "127.0.0.1", 0);
    expect(ADDR_V4, NULL, 0);
}

static void a_tie_is_no_answer_and_the_majority_is(void **state)
{
    (void)state;
    vote("5.1.1.1", "9.9.9.9", 0);
    vote("5.2.1.1", "9.9.9.9", 0);
    vote("5.3.1.1", "8.8.8.8", 0);
    vote("5.4.1.1", "8.8.8.8", 0);
    expect(ADDR_V4, NULL, 0);
    vote("5.5.1.1", "8.8.8.8", 0);
    expect(ADDR_V4, "8.8.8.8", 0);
}

static void who_votes_again_has_changed_his_mind(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        char voter[16] = "5.0.1.1";
        voter[2] = (char)('1' + i);
        vote(voter, "9.9.9.9", 0);
        vote(voter, "8.8.8.8", SECONDS(1));
    }
    expect(ADDR_V4, "8.8.8.8", SECONDS(1));
}

static void votes_grow_old(void **state)
{
    (void)state;
    vote("5.1.1.1", "9.9.9.9", 0);
    vote("5.2.1.1", "9.9.9.9", SECONDS(10));
    expect(ADDR_V4, "9.9.9.9", EXTERNAL_IP_AGE_MAX);
    expect(ADDR_V4, NULL, EXTERNAL_IP_AGE_MAX + SECONDS(1));
}

static void a_crowd_of_voters_takes_the_oldest_places_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint voter = endpoint_v4(0x05000000 | i << 8, 1), says = ip("9.9.9.9");
        external_ip_vote(&x, &voter, &says, SECONDS(i));
    }
    assert_int_equal(x.ballots[0].count, EXTERNAL_IP_VOTES);
    expect(ADDR_V4, "9.9.9.9", SECONDS(1000));
}

static void all_trackers_together_are_one_voter(void **state)
{
    (void)state;
    struct endpoint says = ip("9.9.9.9");
    external_ip_vote_of_trackers(&x, &says, 0);
    external_ip_vote_of_trackers(&x, &says, 1);
    expect(ADDR_V4, NULL, 1);
    vote("5.5.5.5", "9.9.9.9", 1);
    expect(ADDR_V4, "9.9.9.9", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_network_alone_is_not_believed_however_often_it_says_so, set_up),
        cmocka_unit_test_setup(the_families_are_voted_for_apart_and_by_their_own, set_up),
        cmocka_unit_test_setup(neighbours_have_no_vote_and_local_addresses_are_none, set_up),
        cmocka_unit_test_setup(a_tie_is_no_answer_and_the_majority_is, set_up),
        cmocka_unit_test_setup(who_votes_again_has_changed_his_mind, set_up),
        cmocka_unit_test_setup(votes_grow_old, set_up),
        cmocka_unit_test_setup(all_trackers_together_are_one_voter, set_up),
        cmocka_unit_test_setup(a_crowd_of_voters_takes_the_oldest_places_and_no_more, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
