/* The picker: rarest first, pieces finished by who began them, every block asked for once until the
 * end-game. */
#include "swarm/pieces/picker.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define PIECES 20u
#define BLOCKS 4u
#define BLOCK 16384u

static uint32_t size_of(const void *user, uint32_t piece)
{
    (void)user;
    return piece == PIECES - 1 ? BLOCK + 1 : BLOCKS * BLOCK;
}

static struct picker *make(uint64_t seed)
{
    struct picker_config config = {
        .piece_count = PIECES, .block_size = BLOCK, .piece_size = size_of, .seed = seed};
    struct picker *p = picker_new(&config);
    assert_non_null(p);
    assert_int_equal(picker_wake(p), 0);
    return p;
}

static struct bitfield everything(void)
{
    struct bitfield f;
    assert_int_equal(bitfield_init(&f, PIECES), 0);
    bitfield_set_all(&f);
    return f;
}

static void rarest_pieces_come_first_after_the_first_few(void **state)
{
    (void)state;
    struct picker *p = make(1);
    struct bitfield all = everything(), some;
    bitfield_init(&some, PIECES);
    for (uint32_t i = 0; i < PIECES; i++)
        if (i != 7)
            bitfield_set(&some, i);
    picker_add_peer(p, &all);
    picker_add_peer(p, &some);
    picker_add_peer(p, &some);
    for (uint32_t i = 0; i < PICKER_RANDOM_FIRST; i++)
        picker_set_have(p, i);
    struct picker_block b;
    struct picker_peer peer = {.id = 1, .have = &all};
    assert_int_equal(picker_pick(p, &peer, 1, &b), 1);
    assert_int_equal(b.piece, 7);
    bitfield_free(&all);
    bitfield_free(&some);
    picker_free(p);
}

static void a_suggestion_counts_among_equals_and_never_before_what_is_rarer(void **state)
{
    (void)state;
    struct picker *p = make(1);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    for (uint32_t i = 0; i < PICKER_RANDOM_FIRST; i++)
        picker_set_have(p, i);
    for (uint32_t i = 0; i < PIECES; i++)
        if (i != 7)
            picker_peer_has(p, i);
    uint32_t suggested[] = {UINT32_MAX, 2, 11}; /* none; one that is here */
    struct picker_block b[BLOCKS * 2];
    struct picker_peer peer = {.id = 1, .have = &all, .suggested = suggested, .suggested_count = 3};
    assert_int_equal(picker_pick(p, &peer, BLOCKS * 2, b), BLOCKS * 2);
    assert_int_equal(b[0].piece, 7);
    assert_int_equal(b[BLOCKS].piece, 11);
    bitfield_free(&all);
    picker_free(p);
}

static void a_piece_that_peers_lose_becomes_the_rarest(void **state)
{
    (void)state;
    struct picker *p = make(4);
    struct bitfield all = everything(), most;
    struct picker_block b;
    struct picker_peer peer = {.id = 1, .have = &all};
    bitfield_init(&most, PIECES);
    for (uint32_t i = 0; i + 1 < PIECES; i++)
        bitfield_set(&most, i);
    picker_add_peer(p, &all);
    picker_add_peer(p, &most);
    picker_add_peer(p, &most);
    picker_peer_has(p, PIECES - 1);
    picker_peer_has(p, PIECES - 1);
    for (uint32_t i = 0; i < PICKER_RANDOM_FIRST; i++)
        picker_set_have(p, i);
    assert_int_equal(picker_pick(p, &peer, 1, &b), 1); /* the order stands from here on */
    uint32_t lost = b.piece == 11 ? 12 : 11;
    picker_peer_lost(p, lost);
    struct picker_peer next = {.id = 2, .have = &all};
    assert_int_equal(picker_pick(p, &next, 1, &b), 1);
    assert_int_equal(b.piece, lost);
    bitfield_free(&all);
    bitfield_free(&most);
    picker_free(p);
}

static void a_peer_gets_the_blocks_of_a_piece_in_their_order(void **state)
{
    (void)state;
    struct picker *p = make(2);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    struct picker_block b[BLOCKS * 3];
    struct picker_peer peer = {.id = 1, .have = &all};
    assert_int_equal(picker_pick(p, &peer, BLOCKS * 2, b), BLOCKS * 2);
    for (uint32_t i = 1; i < BLOCKS * 2; i++)
        if (b[i].piece == b[i - 1].piece)
            assert_int_equal(b[i].block, b[i - 1].block + 1);
    bitfield_free(&all);
    picker_free(p);
}

static void every_block_is_asked_for_once_and_then_by_several_in_the_end_game(void **state)
{
    (void)state;
    struct picker *p = make(3);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    picker_add_peer(p, &all);
    uint32_t total = (PIECES - 1) * BLOCKS + 2, asked = 0;
    unsigned times[PIECES][BLOCKS] = {{0}};
    struct picker_block b[64];
    struct picker_peer one = {.id = 1, .have = &all}, two = {.id = 2, .have = &all};
    while (asked < total) {
        uint32_t n = picker_pick(p, asked % 2 ? &one : &two, 7, b);
        assert_true(n > 0);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(times[b[i].piece][b[i].block]++, 0);
        asked += n;
    }
    assert_int_equal(asked, total);
    assert_true(picker_pick(p, &one, 64, b) > 0);
    uint32_t others[PICKER_ENDGAME_PEERS];
    assert_true(picker_received(p, b[0].piece, b[0].block, 1, others));
    assert_int_equal(others[0], 2);
    assert_false(picker_received(p, b[0].piece, b[0].block, 2, others));
    bitfield_free(&all);
    picker_free(p);
}

static void in_the_end_game_a_peer_is_spared_as_much_as_the_caller_says(void **state)
{
    (void)state;
    struct picker *p = make(3);
    struct bitfield all = everything();
    struct picker_block b[128];
    struct picker_peer one = {.id = 1, .have = &all}, two = {.id = 2, .have = &all};
    picker_add_peer(p, &all);
    picker_add_peer(p, &all);
    two.endgame_spared = 60;
    assert_int_equal(picker_pick(p, &two, 8, b), 8); /* what nobody was asked for is not spared */
    while (picker_pick(p, &one, 64, b) == 64) {
    }
    assert_int_equal(picker_pick(p, &two, 64, b), 4);
    assert_int_equal(picker_pick(p, &two, 60, b), 0);
    bitfield_free(&all);
    picker_free(p);
}

static void what_was_abandoned_is_asked_for_again(void **state)
{
    (void)state;
    struct picker *p = make(4);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    struct picker_block first, again;
    struct picker_peer one = {.id = 1, .have = &all}, two = {.id = 2, .have = &all};
    assert_int_equal(picker_pick(p, &one, 1, &first), 1);
    picker_abandoned(p, first.piece, first.block, 1);
    assert_int_equal(picker_pick(p, &two, 1, &again), 1);
    assert_int_equal(again.piece, first.piece);
    assert_int_equal(again.block, first.block);
    bitfield_free(&all);
    picker_free(p);
}

static void unwanted_pieces_are_left_alone_and_interest_nobody(void **state)
{
    (void)state;
    struct picker *p = make(5);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    for (uint32_t i = 0; i < PIECES; i++)
        picker_set_priority(p, i, i == 11 ? 7 : 0);
    struct picker_block b[64];
    struct picker_peer one = {.id = 1, .have = &all};
    assert_int_equal(picker_left(p), 1);
    assert_true(picker_interesting(p, &all));
    assert_int_equal(picker_pick(p, &one, 64, b), BLOCKS);
    assert_int_equal(b[0].piece, 11);
    picker_set_have(p, 11);
    assert_int_equal(picker_left(p), 0);
    assert_false(picker_interesting(p, &all));
    assert_int_equal(picker_pick(p, &one, 64, b), 0);
    bitfield_free(&all);
    picker_free(p);
}

static void in_sequence_means_in_sequence(void **state)
{
    (void)state;
    struct picker *p = make(6);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    picker_set_sequential(p, true);
    struct picker_block b[12];
    struct picker_peer one = {.id = 1, .have = &all};
    assert_int_equal(picker_pick(p, &one, 12, b), 12);
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(b[i].piece * BLOCKS + b[i].block, i);
    bitfield_free(&all);
    picker_free(p);
}

/* Peers come, gain pieces and go in any order; a model counts along. */
static void availability_is_what_a_slow_count_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct picker *p = make(seed);
        struct bitfield peers[5];
        uint64_t r = seed;
        for (unsigned i = 0; i < 5; i++) {
            bitfield_init(&peers[i], PIECES);
            picker_add_peer(p, &peers[i]);
        }
        for (unsigned step = 0; step < 200; step++) {
            r = r * 6364136223846793005ull + 1442695040888963407ull;
            struct bitfield *f = &peers[(r >> 33) % 5];
            uint32_t piece = (uint32_t)((r >> 40) % (PIECES - 1)); /* never full: seeds are apart */
            struct picker_block b;
            struct picker_peer view = {.id = 9, .have = f};
            if (r >> 62 == 0)
                picker_pick(p, &view, 1, &b);
            else if (r >> 62 == 1 && bitfield_clear(f, piece))
                picker_peer_lost(p, piece);
            else if (bitfield_set(f, piece))
                picker_peer_has(p, piece);
        }
        for (uint32_t i = 0; i < PIECES; i++) {
            uint32_t count = 0;
            for (unsigned k = 0; k < 5; k++)
                count += bitfield_get(&peers[k], i);
            assert_int_equal(picker_availability(p, i), count);
        }
        for (unsigned i = 0; i < 5; i++) {
            picker_remove_peer(p, &peers[i]);
            bitfield_free(&peers[i]);
        }
        picker_free(p);
    }
}

static bool anybody(void *user, uint32_t piece, uint32_t alone_of)
{
    (void)user;
    (void)piece;
    return alone_of != 0;
}

/* ---- bounded decisions --------------------------------------------------------------------- */

#define MANY 20000u

static uint32_t two_blocks(const void *user, uint32_t piece)
{
    (void)user;
    (void)piece;
    return 2 * BLOCK;
}

static void in_a_large_torrent_the_one_piece_that_a_peer_has_is_found(void **state)
{
    (void)state;
    struct picker_config config = {
        .piece_count = MANY, .block_size = BLOCK, .piece_size = two_blocks, .seed = 9};
    struct picker *p = picker_new(&config);
    struct bitfield one;
    assert_non_null(p);
    assert_int_equal(picker_wake(p), 0);
    for (uint32_t piece = 3; piece < MANY; piece += 1999) {
        uint32_t allowed[] = {17, piece};
        struct picker_block b[2];
        struct picker_peer peer = {.id = 1, .have = &one};
        struct picker_peer choking = {
            .id = 2, .have = &one, .allowed_only = allowed, .allowed_count = 2};
        bitfield_init(&one, MANY);
        bitfield_set(&one, piece);
        picker_add_peer(p, &one);
        assert_int_equal(picker_pick(p, &choking, 1, b), 1);
        assert_int_equal(b[0].piece, piece);
        picker_abandoned(p, piece, 0, 2);
        picker_restart_piece(p, piece);
        assert_int_equal(picker_pick(p, &peer, 2, b), 2);
        assert_int_equal(b[1].piece, piece);
        bitfield_free(&one);
    }
    picker_free(p);
}

static void pieces_begun_are_shared_before_more_than_are_wanted_are_begun(void **state)
{
    (void)state;
    struct picker_config config = {.piece_count = PIECES,
        .block_size = BLOCK,
        .piece_size = size_of,
        .seed = 5,
        .partials_wanted = 2};
    struct picker *p = picker_new(&config);
    struct bitfield all = everything();
    struct picker_block b[2];
    assert_non_null(p);
    assert_int_equal(picker_wake(p), 0);
    picker_add_peer(p, &all);
    for (uint32_t id = 1; id <= 2 * BLOCKS; id++) {
        struct picker_peer peer = {.id = id, .have = &all};
        assert_int_equal(picker_pick(p, &peer, 1, b), 1);
        assert_true(picker_partial_count(p) <= 2);
    }
    struct picker_peer late = {.id = 100, .have = &all}; /* but nobody is left without work */
    assert_int_equal(picker_pick(p, &late, 1, b), 1);
    assert_int_equal(picker_partial_count(p), 3);
    bitfield_free(&all);
    picker_free(p);
}

static void a_long_end_game_offers_every_block_in_the_end(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct picker_config config = {
        .piece_count = COUNT, .block_size = BLOCK, .piece_size = two_blocks, .seed = 6};
    struct picker *p = picker_new(&config);
    struct bitfield all;
    static struct picker_block b[2 * COUNT];
    static bool offered[COUNT][2];
    uint32_t total = 0;
    assert_non_null(p);
    assert_int_equal(picker_wake(p), 0);
    assert_int_equal(bitfield_init(&all, COUNT), 0);
    bitfield_set_all(&all);
    picker_add_peer(p, &all);
    struct picker_peer first = {.id = 1, .have = &all};
    struct picker_peer second = {.id = 2, .have = &all, .now = PICKER_DOUBLES_AFTER};
    assert_int_equal(picker_pick(p, &first, 2 * COUNT, b), 2 * COUNT);
    for (uint32_t n; (n = picker_pick(p, &second, 7, b)) > 0; total += n)
        for (uint32_t i = 0; i < n; i++) {
            assert_false(offered[b[i].piece][b[i].block]);
            offered[b[i].piece][b[i].block] = true;
        }
    assert_int_equal(total, 2 * COUNT);
    bitfield_free(&all);
    picker_free(p);
}

static uint32_t pick_all(struct picker *p, const struct picker_peer *peer, struct picker_block *out)
{
    uint32_t total = 0;
    for (uint32_t n; (n = picker_pick(p, peer, 7, out + total)) > 0; total += n) {
    }
    return total;
}

static void only_a_part_of_what_is_missing_is_asked_for_twice_until_it_is_late(void **state)
{
    (void)state;
    enum { TOTAL = (PIECES - 1) * BLOCKS + 2, PART = TOTAL / PICKER_DOUBLES_SHARE + 4 };
    struct picker *p = make(5);
    struct bitfield all = everything();
    static struct picker_block b[TOTAL + 7], more[TOTAL + 7];
    uint32_t others[PICKER_ENDGAME_PEERS];
    picker_add_peer(p, &all);
    struct picker_peer one = {.id = 1, .have = &all}, two = {.id = 2, .have = &all},
                       three = {.id = 3, .have = &all};
    assert_int_equal(pick_all(p, &one, b), TOTAL);
    assert_int_equal(pick_all(p, &two, b), PART);
    assert_int_equal(pick_all(p, &three, more), 0);
    /* What came, and what was given back, makes room for as many. */
    assert_true(picker_received(p, b[0].piece, b[0].block, 1, others));
    assert_int_equal(others[0], 2);
    assert_int_equal(pick_all(p, &three, more), 1);
    picker_abandoned(p, b[1].piece, b[1].block, 2);
    picker_abandoned(p, b[2].piece, b[2].block, 2);
    assert_int_equal(pick_all(p, &three, more), 2);
    three.now = PICKER_DOUBLES_AFTER - MSECS(1);
    assert_int_equal(pick_all(p, &three, more), 0);
    three.now = PICKER_DOUBLES_AFTER;
    assert_int_equal(pick_all(p, &three, more), TOTAL - 1 - 3);
    bitfield_free(&all);
    picker_free(p);
}

static void who_must_be_alone_shares_no_piece_but_may_lose_one(void **state)
{
    (void)state;
    struct picker *p = make(7);
    struct bitfield all = everything();
    picker_add_peer(p, &all);
    struct picker_block b[PIECES * BLOCKS];
    struct picker_peer apart = {.id = 1, .have = &all, .alone = true};
    struct picker_peer other = {.id = 2, .have = &all};
    assert_int_equal(picker_pick(p, &apart, 1, b), 1);
    uint32_t its = b[0].piece;
    uint32_t count = picker_pick(p, &other, PIECES * BLOCKS, b);
    assert_true(count > (PIECES - 2) * BLOCKS); /* all but the rest of its piece */
    for (uint32_t i = 0; i < count; i++)
        assert_int_not_equal(b[i].piece, its);
    assert_int_equal(picker_pick(p, &other, 64, b), 0); /* nor in the end-game */
    assert_int_equal(picker_pick(p, &apart, 64, b), BLOCKS - 1);
    assert_int_equal(picker_pick(p, &apart, 64, b), 0);
    assert_int_equal(picker_take_over(p, &other, anybody, NULL), its);
    picker_restart_piece(p, its);
    assert_int_equal(picker_pick(p, &other, 64, b), BLOCKS);
    assert_int_equal(b[0].piece, its);
    bitfield_free(&all);
    picker_free(p);
}

static void what_it_learns_at_rest_counts_when_it_wakes(void **state)
{
    struct picker *p = make(1);
    struct bitfield all = everything();
    struct picker_block b[PIECES * BLOCKS];
    struct picker_peer peer = {.id = 1, .have = &all};
    (void)state;
    picker_add_peer(p, &all);
    assert_int_equal(picker_pick(p, &peer, 1, b), 1);
    uint32_t begun = b[0].piece, others[PICKER_ENDGAME_PEERS];
    picker_remove_peer(p, &all);
    picker_rest(p);
    assert_non_null(picker_blocks(p, begun)); /* it has something to do */
    for (uint32_t i = 0; i < BLOCKS; i++)
        picker_received(p, begun, i, 1, others);
    picker_set_have(p, begun);
    picker_rest(p);
    assert_int_equal(picker_pick(p, &peer, 1, b), 0);
    for (uint32_t i = 1; i < PICKER_RANDOM_FIRST; i++)
        picker_set_have(p, (begun + i) % PIECES);
    assert_int_equal(picker_left(p), PIECES - PICKER_RANDOM_FIRST);
    uint32_t first = (begun + PICKER_RANDOM_FIRST) % PIECES, unwanted = (first + 1) % PIECES;
    assert_int_equal(picker_set_priority(p, first, 7), 0);
    assert_int_equal(picker_set_priority(p, unwanted, 0), 0);
    assert_int_equal(picker_availability(p, first), 0);
    assert_int_equal(picker_wake(p), 0);
    picker_add_peer(p, &all);
    assert_int_equal(picker_availability(p, first), 1);
    uint32_t count = picker_pick(p, &peer, PIECES * BLOCKS, b);
    assert_in_range(count, (PIECES - PICKER_RANDOM_FIRST - 2) * BLOCKS, PIECES * BLOCKS);
    assert_int_equal(b[0].piece, first);
    for (uint32_t i = 0; i < count; i++)
        assert_true((b[i].piece + PIECES - begun) % PIECES >= PICKER_RANDOM_FIRST &&
                    b[i].piece != unwanted);
    bitfield_free(&all);
    picker_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rarest_pieces_come_first_after_the_first_few),
        cmocka_unit_test(a_suggestion_counts_among_equals_and_never_before_what_is_rarer),
        cmocka_unit_test(a_piece_that_peers_lose_becomes_the_rarest),
        cmocka_unit_test(a_peer_gets_the_blocks_of_a_piece_in_their_order),
        cmocka_unit_test(every_block_is_asked_for_once_and_then_by_several_in_the_end_game),
        cmocka_unit_test(in_the_end_game_a_peer_is_spared_as_much_as_the_caller_says),
        cmocka_unit_test(what_was_abandoned_is_asked_for_again),
        cmocka_unit_test(unwanted_pieces_are_left_alone_and_interest_nobody),
        cmocka_unit_test(in_sequence_means_in_sequence),
        cmocka_unit_test(who_must_be_alone_shares_no_piece_but_may_lose_one),
        cmocka_unit_test(in_a_large_torrent_the_one_piece_that_a_peer_has_is_found),
        cmocka_unit_test(pieces_begun_are_shared_before_more_than_are_wanted_are_begun),
        cmocka_unit_test(a_long_end_game_offers_every_block_in_the_end),
        cmocka_unit_test(only_a_part_of_what_is_missing_is_asked_for_twice_until_it_is_late),
        cmocka_unit_test(availability_is_what_a_slow_count_says),
        cmocka_unit_test(what_it_learns_at_rest_counts_when_it_wakes),
    };
    return cmocka_run_group_tests_name("picker", tests, NULL, NULL);
}
