/* The order of pieces: always the one that a sort would make, whatever came in whatever order, and
 * at a cost that is counted here. */
#include "swarm/pieces/piece_order.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define PIECES 500u
#define NORMAL 4u

static uint64_t state = 88172645463325252u;
static uint32_t chance(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % bound;
}

static struct piece_order *full_order(uint32_t pieces)
{
    struct piece_order *o = piece_order_new(pieces, NORMAL, 5);
    assert_non_null(o);
    for (uint32_t i = 0; i < pieces; i++)
        piece_order_put(o, i);
    return o;
}

static struct bitfield some(uint32_t pieces, uint32_t one_in)
{
    struct bitfield f;
    assert_int_equal(bitfield_init(&f, pieces), 0);
    for (uint32_t i = 0; i < pieces; i++)
        if (chance(one_in) == 0)
            bitfield_set(&f, i);
    return f;
}

/* Many decisions, all of them without a change between: then all is in order. */
static void let_it_settle(struct piece_order *o, uint32_t pieces)
{
    for (uint32_t i = 0; i < 64 + pieces / 4; i++)
        piece_order_tidy(o);
}

static uint32_t capped(const struct piece_order *o, uint32_t piece)
{
    uint32_t copies = piece_order_copies(o, piece);
    return copies < PIECE_ORDER_COPIES ? copies : PIECE_ORDER_COPIES;
}

static void assert_in_order(struct piece_order *o, uint32_t pieces)
{
    uint32_t count = piece_order_count(o), held = 0;
    for (uint32_t i = 0; i < pieces; i++)
        held += piece_order_holds(o, i);
    assert_int_equal(held, count);
    for (uint32_t i = 1; i < count; i++) {
        uint32_t a = piece_order_at(o, i - 1), b = piece_order_at(o, i);
        assert_true(piece_order_holds(o, a) && piece_order_before(o, a, b));
        unsigned pa = piece_order_priority(o, a), pb = piece_order_priority(o, b);
        assert_true(pa > pb || (pa == pb && capped(o, a) <= capped(o, b)));
    }
}

static void a_change(struct piece_order *o, struct bitfield *peers, unsigned count)
{
    uint32_t piece = chance(PIECES);
    struct bitfield *peer = &peers[chance(count)];
    switch (chance(6)) {
    case 0:
        piece_order_take(o, piece);
        break;
    case 1:
        piece_order_put(o, piece);
        break;
    case 2:
        if (bitfield_set(peer, piece))
            piece_order_add_copy(o, piece);
        break;
    case 3:
        if (bitfield_clear(peer, piece))
            piece_order_remove_copy(o, piece);
        break;
    case 4:
        piece_order_remove_peer(o, peer);
        bitfield_free(peer);
        *peer = some(PIECES, 1 + chance(4));
        piece_order_add_peer(o, peer);
        break;
    default:
        piece_order_tidy(o);
        break;
    }
}

static void whatever_happens_the_order_is_what_a_sort_would_make(void **ignored)
{
    (void)ignored;
    enum { PEERS = 400 }; /* more than there are groups of copies */
    struct bitfield peers[PEERS];
    struct piece_order *o = full_order(PIECES);
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = some(PIECES, 1 + chance(4));
        piece_order_add_peer(o, &peers[i]);
    }
    for (uint32_t i = 0; i < PIECES; i += 3)
        piece_order_set_priority(o, i, 1 + chance(7));
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 50; i++)
            a_change(o, peers, PEERS);
        let_it_settle(o, PIECES);
        assert_in_order(o, PIECES);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        piece_order_remove_peer(o, &peers[i]);
        bitfield_free(&peers[i]);
    }
    for (uint32_t i = 0; i < PIECES; i++)
        assert_int_equal(piece_order_copies(o, i), 0);
    piece_order_free(o);
}

/* What the newcomers have is counted at once; who looks at the front finds the rarest there. */
static void the_rarest_is_found_right_after_many_came(void **ignored)
{
    (void)ignored;
    struct piece_order *o = full_order(PIECES);
    struct bitfield most = some(PIECES, 1);
    bitfield_clear(&most, 321);
    piece_order_tidy(o);
    for (unsigned i = 0; i < 3; i++)
        piece_order_add_peer(o, &most);
    assert_int_equal(piece_order_settled_at(o, 0), 321);
    bitfield_free(&most);
    piece_order_free(o);
}

static void a_peer_that_comes_and_goes_makes_no_decision_long(void **ignored)
{
    (void)ignored;
    enum { MANY = 100000, DECISIONS = 300 };
    struct piece_order *o = full_order(MANY);
    struct bitfield half = some(MANY, 2);
    piece_order_tidy(o);
    uint64_t worst = 0;
    for (unsigned i = 0; i < DECISIONS; i++) {
        uint64_t before = piece_order_work(o);
        if (i % 2 == 0)
            piece_order_add_peer(o, &half);
        else
            piece_order_remove_peer(o, &half);
        piece_order_tidy(o);
        (void)piece_order_settled_at(o, 0);
        uint64_t work = piece_order_work(o) - before;
        worst = work > worst ? work : worst;
    }
    assert_true(worst < MANY / 30);
    bitfield_free(&half);
    piece_order_free(o);
}

static void among_equals_chance_decides_and_the_seed_repeats_it(void **ignored)
{
    (void)ignored;
    struct piece_order *a = full_order(PIECES), *b = full_order(PIECES);
    uint32_t in_place = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        assert_int_equal(piece_order_at(a, i), piece_order_at(b, i));
        in_place += piece_order_at(a, i) == i;
    }
    assert_true(in_place < PIECES / 10);
    piece_order_free(a);
    piece_order_free(b);
}

static void what_nobody_wants_is_never_put(void **ignored)
{
    (void)ignored;
    struct piece_order *o = full_order(PIECES);
    piece_order_tidy(o);
    piece_order_set_priority(o, 7, 0);
    piece_order_put(o, 7);
    assert_false(piece_order_holds(o, 7));
    assert_int_equal(piece_order_count(o), PIECES - 1);
    piece_order_set_priority(o, 7, 1);
    piece_order_put(o, 7);
    assert_int_equal(piece_order_at(o, PIECES - 1), 7);
    piece_order_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_the_order_is_what_a_sort_would_make),
        cmocka_unit_test(the_rarest_is_found_right_after_many_came),
        cmocka_unit_test(a_peer_that_comes_and_goes_makes_no_decision_long),
        cmocka_unit_test(among_equals_chance_decides_and_the_seed_repeats_it),
        cmocka_unit_test(what_nobody_wants_is_never_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
