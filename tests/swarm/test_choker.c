/* Whom the choker lets have data. */
#include "swarm/choker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PEERS 30u
static struct choker choker;
static struct choker_peer peers[PEERS];
static usec now;

static void begin(uint64_t seed)
{
    now = SECONDS(1000);
    choker_init(&choker, seed);
    memset(peers, 0, sizeof peers);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = (struct choker_peer){.interested = true, .changed_at = (usec)i};
}

/* A round, and what follows from it. */
static void run(bool seeding)
{
    choker_run(&choker, peers, PEERS, seeding, now);
    for (unsigned i = 0; i < PEERS; i++) {
        if (peers[i].unchoked != peers[i].unchoke)
            peers[i].changed_at = now;
        peers[i].unchoked = peers[i].unchoke;
    }
    now += CHOKER_ROUND;
}

static unsigned unchoked(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PEERS; i++)
        count += peers[i].unchoke;
    return count;
}

static void whoever_gives_most_gets_and_one_slot_is_left_to_chance(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].gives_rate = i;
    run(false);
    assert_int_equal(unchoked(), CHOKER_SLOTS);
    for (unsigned i = PEERS - (CHOKER_SLOTS - 1); i < PEERS; i++)
        assert_true(peers[i].unchoke);
}

static void nobody_who_is_not_interested_gets_a_slot(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].interested = i < 3;
    run(false);
    assert_int_equal(unchoked(), 3);
    run(true);
    assert_int_equal(unchoked(), 3);
}

static void whoever_does_not_give_though_asked_comes_last(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i].gives_rate = 100 + i;
        peers[i].snubbed = i == PEERS - 1;
        peers[i].joined_at = now; /* the lot is equal */
    }
    run(false);
    unsigned by_rate = 0;
    for (unsigned i = PEERS - CHOKER_SLOTS; i < PEERS - 1; i++)
        by_rate += peers[i].unchoke;
    assert_int_equal(by_rate, CHOKER_SLOTS - 1);
}

static void the_slot_of_chance_goes_round_and_newcomers_draw_it_more_often(void **state)
{
    unsigned newcomers = 0, others = 0, seen[PEERS] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        begin(seed * 7919);
        for (unsigned i = 0; i < PEERS; i++) {
            peers[i].gives_rate = i < CHOKER_SLOTS - 1 ? 1000 : 0;
            peers[i].joined_at = i % 2 ? now : 0;
        }
        run(false);
        for (unsigned i = CHOKER_SLOTS - 1; i < PEERS; i++) {
            *(i % 2 ? &newcomers : &others) += peers[i].unchoke;
            seen[i] += peers[i].unchoke;
        }
    }
    for (unsigned i = CHOKER_SLOTS - 1; i < PEERS; i++)
        assert_true(seen[i] > 0);
    assert_in_range(newcomers, 2 * others, 5 * others); /* three lots to one */
}

static void the_slot_of_chance_is_held_for_half_a_minute(void **state)
{
    (void)state;
    begin(5);
    for (unsigned i = 0; i < CHOKER_SLOTS - 1; i++)
        peers[i].gives_rate = 1000;
    run(false);
    unsigned holder = CHOKER_SLOTS - 1;
    while (!peers[holder].unchoke)
        holder++;
    run(false);
    assert_true(peers[holder].unchoke);
    run(false);
    assert_true(peers[holder].unchoke);
}

static void expect_turns(unsigned interested)
{
    unsigned turns[PEERS] = {0};
    begin(1);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].interested = i < interested;
    for (unsigned round = 0; round < 6 * 2 * PEERS; round++) {
        run(true);
        assert_true(unchoked() <= CHOKER_SLOTS);
        for (unsigned i = 0; i < PEERS; i++)
            turns[i] += peers[i].unchoke;
    }
    unsigned least = turns[0], most = turns[0];
    for (unsigned i = 0; i < interested; i++) {
        least = turns[i] < least ? turns[i] : least;
        most = turns[i] > most ? turns[i] : most;
    }
    assert_true(least > 0);
    assert_true(most <= least + least / 2);
}

/* Adamsky 2014: a few fast takers must not keep a seed for themselves. */
static void a_fast_taker_cannot_hold_a_seed_everybody_has_a_turn(void **state)
{
    (void)state;
    for (unsigned interested = CHOKER_SLOTS + 1; interested <= PEERS; interested++)
        expect_turns(interested);
}

static void a_slot_is_not_taken_away_while_nobody_waits(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].interested = i < 4;
    for (unsigned round = 0; round < 30; round++) {
        run(true);
        assert_int_equal(unchoked(), 4);
    }
}

/* What follows from a decision between rounds. */
static void fill(bool seeding)
{
    choker_fill(&choker, peers, PEERS, seeding, now);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].unchoked = peers[i].unchoke;
}

static void of_equals_each_has_the_same_chance_wherever_it_stands(void **state)
{
    unsigned seen[PEERS] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        begin(seed * 7919);
        run(false);
        for (unsigned i = 0; i < PEERS; i++)
            seen[i] += peers[i].unchoke;
    }
    for (unsigned i = 0; i < PEERS; i++)
        assert_in_range(seen[i], 600, 1000); /* 800 of 3000 */
}

static void between_rounds_nobody_loses_a_slot_and_a_free_one_is_given(void **state)
{
    bool had[PEERS];
    (void)state;
    begin(1);
    run(false);
    unsigned leaves = PEERS;
    for (unsigned i = 0; i < PEERS; i++) {
        had[i] = peers[i].unchoke;
        leaves = had[i] ? i : leaves;
        peers[i].gives_rate = had[i] ? 0 : 1000; /* a round would change them all */
    }
    peers[leaves].interested = false;
    fill(false);
    assert_int_equal(unchoked(), CHOKER_SLOTS);
    for (unsigned i = 0; i < PEERS; i++)
        assert_true(!had[i] || peers[i].unchoke || i == leaves);
    assert_false(peers[leaves].unchoke);
}

static void a_slot_that_is_free_between_rounds_goes_to_whoever_gives_most(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < PEERS; i++)
        peers[i].gives_rate = i;
    fill(false);
    assert_int_equal(unchoked(), CHOKER_SLOTS); /* one of them by lot */
    for (unsigned i = PEERS - (CHOKER_SLOTS - 1); i < PEERS; i++)
        assert_true(peers[i].unchoke);
    begin(1);
    fill(true);
    for (unsigned i = 0; i < CHOKER_SLOTS; i++) /* seeding: those who wait longest */
        assert_true(peers[i].unchoke);
}

static void the_slot_of_chance_is_given_between_rounds_too_and_only_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        unsigned by_lot = 0;
        begin(seed * 7919);
        for (unsigned i = 0; i < PEERS; i++)
            peers[i].gives_rate = i;
        run(false);
        for (unsigned i = 0; i < PEERS; i++)
            if (peers[i].by_lot)
                peers[i].interested = false; /* its holder has enough */
        fill(false);
        fill(false);
        for (unsigned i = 0; i < PEERS; i++)
            by_lot += peers[i].by_lot && peers[i].unchoke;
        assert_int_equal(by_lot, 1);
        assert_int_equal(unchoked(), CHOKER_SLOTS);
    }
}

static void who_has_little_to_trade_with_draws_the_slot_of_chance_most_often(void **state)
{
    unsigned poor = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        begin(seed * 7919);
        for (unsigned i = 0; i < PEERS; i++)
            peers[i].gives_rate = i < CHOKER_SLOTS - 1 ? 1000 : 0;
        peers[PEERS - 1].poor = true;
        run(false);
        poor += peers[PEERS - 1].unchoke;
    }
    assert_in_range(poor, 230, 350); /* 9 lots of 31 */
}

static void a_young_torrent_looks_sooner_who_gives(void **state)
{
    (void)state;
    begin(1);
    choker_run(&choker, peers, PEERS, false, now);
    assert_true(choker.next_round == now + CHOKER_ROUND_YOUNG);
    now += CHOKER_YOUTH;
    choker_run(&choker, peers, PEERS, false, now);
    assert_true(choker.next_round == now + CHOKER_ROUND);
    begin(1);
    choker_run(&choker, peers, PEERS, true, now);
    assert_true(choker.next_round == now + CHOKER_ROUND); /* a seed has nothing to learn */
}

/* Four a minute more come than there are turns, and all of them stay, as in a swarm that is new and
 * whose first seed is alone. */
static void who_was_served_is_served_again_though_newcomers_keep_coming(void **state)
{
    enum { ROUNDS = 360 };
    static struct choker_peer crowd[60 + 2 * ROUNDS];
    (void)state;
    begin(1);
    memset(crowd, 0, sizeof crowd);
    size_t count = 0;
    unsigned served_again = 0;
    usec longest = 0;
    while (count < 60 + 2 * ROUNDS) {
        for (unsigned i = 0; i < (count < 60 ? 60 : 2); i++)
            crowd[count++] = (struct choker_peer){.interested = true, .joined_at = now};
        choker_run(&choker, crowd, count, true, now);
        for (size_t i = 0; i < count; i++) {
            struct choker_peer *p = &crowd[i];
            if (p->unchoked == p->unchoke)
                continue;
            if (p->unchoke && p->changed_at != 0) {
                served_again++;
                longest = now - p->changed_at > longest ? now - p->changed_at : longest;
            }
            p->changed_at = now;
            p->unchoked = p->unchoke;
        }
        now += CHOKER_ROUND;
    }
    assert_true(served_again > 0);
    /* As long as the line was when it got in, and the credit of those who came meanwhile. */
    assert_true(longest < ROUNDS * CHOKER_ROUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_gives_most_gets_and_one_slot_is_left_to_chance),
        cmocka_unit_test(nobody_who_is_not_interested_gets_a_slot),
        cmocka_unit_test(whoever_does_not_give_though_asked_comes_last),
        cmocka_unit_test(the_slot_of_chance_goes_round_and_newcomers_draw_it_more_often),
        cmocka_unit_test(the_slot_of_chance_is_held_for_half_a_minute),
        cmocka_unit_test(a_fast_taker_cannot_hold_a_seed_everybody_has_a_turn),
        cmocka_unit_test(a_slot_is_not_taken_away_while_nobody_waits),
        cmocka_unit_test(of_equals_each_has_the_same_chance_wherever_it_stands),
        cmocka_unit_test(between_rounds_nobody_loses_a_slot_and_a_free_one_is_given),
        cmocka_unit_test(a_slot_that_is_free_between_rounds_goes_to_whoever_gives_most),
        cmocka_unit_test(the_slot_of_chance_is_given_between_rounds_too_and_only_once),
        cmocka_unit_test(who_has_little_to_trade_with_draws_the_slot_of_chance_most_often),
        cmocka_unit_test(a_young_torrent_looks_sooner_who_gives),
        cmocka_unit_test(who_was_served_is_served_again_though_newcomers_keep_coming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
