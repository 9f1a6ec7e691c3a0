/* Our address by the word of others: who has a vote, and what wins. */
#include "base/address_vote.h"
#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct address_vote x[2]; /* IPv4, IPv6 */

static int set_up(void **state)
{
    (void)state;
    memset(x, 0, sizeof x);
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
    address_vote_cast(&x[s.family == ADDR_V6], &v, &s, now);
}

static void expect(enum addr_family family, const char *wanted, usec now)
{
    struct address_tally t = address_vote_count(&x[family == ADDR_V6], now);
    assert_int_equal(t.votes >= 2 && t.address.family != ADDR_NONE, wanted != NULL);
    if (!wanted)
        return;
    struct endpoint e = ip(wanted);
    assert_true(endpoint_equal(&t.address, &e));
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
    expect(ADDR_V4, "9.9.9.9", ADDRESS_VOTE_AGE_MAX);
    expect(ADDR_V4, NULL, ADDRESS_VOTE_AGE_MAX + SECONDS(1));
}

static void a_crowd_of_voters_takes_the_oldest_places_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint voter = endpoint_v4(0x05000000 | i << 8, 1), says = ip("9.9.9.9");
        address_vote_cast(&x[0], &voter, &says, SECONDS(i));
    }
    assert_int_equal(x[0].count, ADDRESS_VOTERS_MAX);
    expect(ADDR_V4, "9.9.9.9", SECONDS(1000));
}

static void all_trackers_together_are_one_voter(void **state)
{
    (void)state;
    struct endpoint says = ip("9.9.9.9");
    address_vote_cast_by_trackers(&x[0], &says, 0);
    address_vote_cast_by_trackers(&x[0], &says, 1);
    expect(ADDR_V4, NULL, 1);
    vote("5.5.5.5", "9.9.9.9", 1);
    expect(ADDR_V4, "9.9.9.9", 1);
}

static void it_is_told_how_many_agree_and_how_many_voted(void **state)
{
    (void)state;
    vote("5.1.1.1", "9.9.9.9", 0);
    vote("5.2.1.1", "9.9.9.9", 0);
    vote("5.3.1.1", "8.8.8.8", 0);
    struct address_tally t = address_vote_count(&x[0], 0);
    assert_int_equal(t.votes, 2);
    assert_int_equal(t.voters, 3);
}

static bool is_firm(usec now)
{
    struct address_tally t = address_vote_count(&x[0], now);
    return address_tally_is_firm(&t, 5);
}

static void an_address_is_firm_when_enough_networks_agree_on_it(void **state)
{
    (void)state;
    struct endpoint us = endpoint_v4(0x09090909, 1), lie = endpoint_v4(0x05060708, 1);
    for (unsigned i = 0; i < 100; i++) { /* one network has one vote, however often it says it */
        struct endpoint by = endpoint_v4(0x13090900 + i, 1000);
        address_vote_cast(&x[0], &by, &lie, 0);
        assert_false(is_firm(0));
    }
    for (unsigned i = 0; i < 5; i++) {
        struct endpoint by = endpoint_v4(0x14000000u + i * 65536, 1000);
        assert_false(is_firm(0));
        address_vote_cast(&x[0], &by, &us, 0);
    }
    assert_true(is_firm(0));
}

static void a_split_vote_is_never_firm(void **state)
{
    (void)state;
    struct endpoint said[2] = {endpoint_v4(0x09090909, 1), endpoint_v4(0x05060708, 1)};
    for (unsigned i = 0; i < 100; i++) {
        struct endpoint by = endpoint_v4(0x14000000 + i * 65536, 1000);
        address_vote_cast(&x[0], &by, &said[i % 2], SECONDS(i));
        assert_false(is_firm(SECONDS(i)));
    }
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
        cmocka_unit_test_setup(an_address_is_firm_when_enough_networks_agree_on_it, set_up),
        cmocka_unit_test_setup(a_split_vote_is_never_firm, set_up),
        cmocka_unit_test_setup(it_is_told_how_many_agree_and_how_many_voted, set_up),
        cmocka_unit_test_setup(all_trackers_together_are_one_voter, set_up),
        cmocka_unit_test_setup(a_crowd_of_voters_takes_the_oldest_places_and_no_more, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
