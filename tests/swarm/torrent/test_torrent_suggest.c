/* What a seed suggests (BEP 6), so that its takers do not all take the same. */
#include "torrent_bench.h"

#define PIECE 65536u
static struct bench b;

static const struct bench_config seed = {
    .pieces = 16, .piece_length = PIECE, .v1 = true, .have = 16, .peers_max = 10};

static struct bench_peer *taker(char id)
{
    struct bench_peer *p = bench_join(&b, id);
    bench_say(p, WIRE_HAVE_NONE, 0);
    bench_say(p, WIRE_INTERESTED, 0);
    return p;
}

/* How many pieces are suggested to it, each counted in `times`. */
static unsigned suggestions(struct bench_peer *p, unsigned times[16])
{
    struct bytes m;
    unsigned count = 0;
    for (; bench_heard(p, WIRE_SUGGEST, &m); count++)
        times[load_u32(m.data)]++;
    return count;
}

static void ask(struct bench_peer *p, uint32_t piece)
{
    for (uint32_t begin = 0; begin < PIECE; begin += METAINFO_BLOCK_SIZE)
        bench_say(p, WIRE_REQUEST, 3, piece, begin, METAINFO_BLOCK_SIZE);
}

static void each_piece_is_suggested_once_before_any_is_again(void **state)
{
    unsigned times[16] = {0}, count = 0;
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *one = taker('a'), *other = taker('b');
    for (uint32_t piece = 0; count < 16; piece++) {
        ask(one, piece);
        ask(other, piece + 8);
        count += suggestions(one, times) + suggestions(other, times);
        assert_true(piece < 16);
    }
    for (unsigned i = 0; i < 16; i++)
        assert_in_range(times[i], 1, 1 + (count > 16));
    bench_free(&b);
}

static void with_each_piece_that_is_begun_there_is_one_suggestion_more(void **state)
{
    unsigned times[16] = {0};
    (void)state;
    bench_new(&b, &seed);
    struct bench_peer *p = taker('a');
    assert_int_equal(suggestions(p, times), 3);
    ask(p, 5);
    assert_int_equal(suggestions(p, times), 1);
    bench_free(&b);
}

static void what_others_have_and_what_it_has_itself_is_not_suggested(void **state)
{
    unsigned times[16] = {0};
    (void)state;
    bench_new(&b, &seed);
    for (unsigned i = 0; i < 3; i++) {
        struct bench_peer *p = taker((char)('a' + i));
        for (uint32_t piece = 0; piece < 12; piece++)
            bench_say(p, WIRE_HAVE, 1, piece);
    }
    struct bench_peer *p = taker('z');
    suggestions(p, times); /* of the first words, when little was known of the others */
    memset(times, 0, sizeof times);
    bench_say(p, WIRE_HAVE, 1, 12u);
    for (uint32_t piece = 0; piece < 12; piece++)
        ask(p, piece);
    assert_true(suggestions(p, times) > 0);
    for (unsigned i = 0; i < 13; i++)
        assert_int_equal(times[i], 0);
    bench_free(&b);
}

static void who_is_no_seed_suggests_nothing(void **state)
{
    unsigned times[16] = {0};
    (void)state;
    struct bench_config most = seed;
    most.have = 15;
    bench_new(&b, &most);
    struct bench_peer *p = taker('a');
    ask(p, 3);
    assert_int_equal(suggestions(p, times), 0);
    bench_free(&b);
}

static void of_pieces_as_rare_the_suggested_is_asked_for(void **state)
{
    (void)state;
    struct bench_config none = seed;
    struct bytes r;
    none.have = 4;
    for (uint32_t wish = 4; wish < 16; wish++) {
        bench_new(&b, &none);
        struct bench_peer *p = bench_join(&b, 'a');
        bench_say(p, WIRE_HAVE_ALL, 0);
        bench_say(p, WIRE_SUGGEST, 1, UINT32_MAX - 1); /* a piece that there is not */
        bench_say(p, WIRE_SUGGEST, 1, wish);
        bench_say(p, WIRE_UNCHOKE, 0);
        assert_true(bench_heard(p, WIRE_REQUEST, &r));
        assert_int_equal(load_u32(r.data), wish);
        bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_is_suggested_once_before_any_is_again),
        cmocka_unit_test(with_each_piece_that_is_begun_there_is_one_suggestion_more),
        cmocka_unit_test(what_others_have_and_what_it_has_itself_is_not_suggested),
        cmocka_unit_test(who_is_no_seed_suggests_nothing),
        cmocka_unit_test(of_pieces_as_rare_the_suggested_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
