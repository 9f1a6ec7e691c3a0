/* The info dictionary, assembled from peers of whom some lie (BEP 9). */
#include "base/err.h"
#include "swarm/torrent/metadata_fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIZE 40000u
static struct metadata_fetch *fetch;
static uint8_t data[SIZE];

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 31);
    fetch = metadata_fetch_new();
    return fetch ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    metadata_fetch_free(fetch);
    return 0;
}

static int give(uint32_t peer, uint32_t piece)
{
    size_t at = (size_t)piece * METADATA_FETCH_PIECE, left = SIZE - at;
    return metadata_fetch_data(fetch, peer, piece,
        bytes_of(data + at, left < METADATA_FETCH_PIECE ? left : METADATA_FETCH_PIECE));
}

static void pieces_of_several_peers_make_the_whole(void **state)
{
    uint32_t a, b, c, d;
    (void)state;
    assert_true(metadata_fetch_next(fetch, 1, SIZE, 0, &a));
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &b));
    assert_true(metadata_fetch_next(fetch, 1, SIZE, 0, &c));
    assert_false(metadata_fetch_next(fetch, 2, SIZE, 0, &d)); /* all three are asked for */
    assert_int_equal(give(1, c), 0);
    assert_int_equal(give(2, b), 0);
    assert_int_equal(give(1, a), 1);
    struct bytes whole = metadata_fetch_whole(fetch);
    assert_int_equal(whole.size, SIZE);
    assert_memory_equal(whole.data, data, SIZE);
}

static void a_size_past_the_bound_is_not_believed(void **state)
{
    uint32_t piece;
    (void)state;
    assert_false(metadata_fetch_next(fetch, 1, METADATA_FETCH_SIZE_MAX + 1, 0, &piece));
    assert_false(metadata_fetch_next(fetch, 1, UINT64_MAX, 0, &piece));
    assert_false(metadata_fetch_next(fetch, 1, 0, 0, &piece));
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &piece));
}

/* Liars that give a little of much. */
static void a_false_size_does_not_keep_the_true_one_away(void **state)
{
    uint32_t piece, big = METADATA_FETCH_SIZE_MAX;
    (void)state;
    for (uint32_t peer = 1; peer <= 3 * METADATA_FETCH_ATTEMPTS; peer++) {
        if (!metadata_fetch_next(fetch, peer, big - peer, 0, &piece))
            continue;
        assert_int_equal(
            metadata_fetch_data(fetch, peer, piece, bytes_of((uint8_t[16384]){0}, 16384)), 0);
    }
    usec now = METADATA_FETCH_TURN;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(metadata_fetch_next(fetch, 100, SIZE, now, &piece));
        assert_int_equal(give(100, piece), i == 2);
    }
    assert_int_equal(metadata_fetch_whole(fetch).size, SIZE);
}

static void what_a_liar_and_an_honest_peer_gave_together_is_asked_of_each_alone(void **state)
{
    uint32_t a, b, c;
    (void)state;
    assert_true(metadata_fetch_next(fetch, 1, SIZE, 0, &a));
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &b));
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &c));
    give(1, a);
    give(2, b);
    assert_int_equal(give(2, c), 1);
    assert_int_equal(metadata_fetch_wrong(fetch), 0); /* nobody is known to have lied */
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(metadata_fetch_next(fetch, 1, SIZE, 0, &a));
        assert_int_equal(give(1, a), i == 2);
        if (i == 1) /* the other has an attempt of its own */
            assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &b));
    }
    assert_int_equal(metadata_fetch_wrong(fetch), 1);
    assert_int_equal(give(2, b), 0);
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &b));
    assert_int_equal(give(2, b), 0);
    assert_true(metadata_fetch_next(fetch, 2, SIZE, 0, &b));
    assert_int_equal(give(2, b), 1);
}

/* However often it is the first to be asked. */
static void who_refuses_lets_others_be_asked(void **state)
{
    uint32_t piece;
    bool honest = false;
    (void)state;
    for (usec now = 0; now < SECONDS(60) && !honest; now += SECONDS(1)) {
        for (uint32_t liar = 1; liar <= 3; liar++)
            if (metadata_fetch_next(fetch, liar, 100, now, &piece))
                metadata_fetch_rejected(fetch, liar, piece);
        honest = metadata_fetch_next(fetch, 9, 100, now, &piece);
    }
    assert_true(honest);
}

static void what_was_not_asked_for_or_has_the_wrong_size_is_a_breach(void **state)
{
    uint32_t piece;
    (void)state;
    assert_int_equal(give(1, 0), ERR_PROTOCOL);
    assert_true(metadata_fetch_next(fetch, 1, SIZE, 0, &piece));
    assert_int_equal(give(2, piece), ERR_PROTOCOL);
    assert_int_equal(metadata_fetch_data(fetch, 1, piece, bytes_of(data, METADATA_FETCH_PIECE - 1)),
        ERR_PROTOCOL);
    assert_int_equal(metadata_fetch_data(fetch, 1, 1000, bytes_of(data, 1)), ERR_PROTOCOL);
    assert_int_equal(give(1, piece), 0);
}

static void a_piece_that_does_not_come_is_asked_of_another(void **state)
{
    uint32_t first, piece;
    (void)state;
    assert_true(metadata_fetch_next(fetch, 1, 100, 0, &first));
    assert_false(metadata_fetch_next(fetch, 2, 100, SECONDS(1), &piece));
    assert_true(metadata_fetch_next(fetch, 2, 100, METADATA_FETCH_PATIENCE, &piece));
    assert_int_equal(piece, first);
    metadata_fetch_left(fetch, 2);
    assert_true(metadata_fetch_next(fetch, 3, 100, METADATA_FETCH_PATIENCE, &piece));
}

/* Endless reject: a peer that only says no is asked every few seconds, not in a loop. */
static void a_reject_makes_a_pause(void **state)
{
    uint32_t piece, asked = 0;
    (void)state;
    for (usec now = 0; now < SECONDS(60); now += MSECS(100)) {
        if (!metadata_fetch_next(fetch, 1, 100, now, &piece))
            continue;
        asked++;
        metadata_fetch_rejected(fetch, 1, piece);
    }
    assert_in_range(asked, 2, 60 / 5 + 1);
    metadata_fetch_rejected(fetch, 1, 1u << 30);
}

static void givers_of_a_wrong_whole_are_left_out_of_the_next_attempt(void **state)
{
    uint32_t piece;
    (void)state;
    assert_true(metadata_fetch_next(fetch, 1, 100, 0, &piece));
    assert_int_equal(metadata_fetch_data(fetch, 1, 0, bytes_of(data, 100)), 1);
    metadata_fetch_wrong(fetch);
    assert_false(metadata_fetch_next(fetch, 1, 100, SECONDS(100), &piece));
    assert_true(metadata_fetch_next(fetch, 2, 100, SECONDS(100), &piece));
    for (uint32_t peer = 2; peer < 3 * METADATA_FETCH_WITNESSES_MAX; peer++) { /* bounded */
        if (peer > 2 && !metadata_fetch_next(fetch, peer, 100, SECONDS(100), &piece))
            continue;
        assert_int_equal(metadata_fetch_data(fetch, peer, 0, bytes_of(data, 100)), 1);
        metadata_fetch_wrong(fetch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_several_peers_make_the_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_size_past_the_bound_is_not_believed, begin, end),
        cmocka_unit_test_setup_teardown(a_false_size_does_not_keep_the_true_one_away, begin, end),
        cmocka_unit_test_setup_teardown(
            what_a_liar_and_an_honest_peer_gave_together_is_asked_of_each_alone, begin, end),
        cmocka_unit_test_setup_teardown(who_refuses_lets_others_be_asked, begin, end),
        cmocka_unit_test_setup_teardown(
            what_was_not_asked_for_or_has_the_wrong_size_is_a_breach, begin, end),
        cmocka_unit_test_setup_teardown(a_piece_that_does_not_come_is_asked_of_another, begin, end),
        cmocka_unit_test_setup_teardown(a_reject_makes_a_pause, begin, end),
        cmocka_unit_test_setup_teardown(
            givers_of_a_wrong_whole_are_left_out_of_the_next_attempt, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
