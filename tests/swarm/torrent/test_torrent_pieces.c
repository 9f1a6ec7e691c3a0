/* How long a whole piece waits for others to be hashed side by side with. */
#include "torrent_bench.h"

#include "crypto/hash.h"

#define PIECE (1u << 20)
static struct bench b;

/* Of 16 pieces a giver sends so many, all at once; then the time passes. Has the torrent told of
 * one? */
static bool told(uint32_t pieces, usec after)
{
    struct bench_config config = {
        .pieces = 16, .piece_length = PIECE, .v1 = true, .memory = 32u << 20, .peers_max = 10};
    struct bytes m;
    bench_new(&b, &config);
    struct bench_peer *giver = bench_join(&b, 'G'), *other = bench_join(&b, 'O');
    bench_say(giver, WIRE_HAVE_ALL, 0);
    bench_say(giver, WIRE_UNCHOKE, 0);
    while (b.torrent->finishing < pieces && bench_heard(giver, WIRE_REQUEST, &m)) {
        struct cursor c = cursor_of(m);
        uint32_t piece = cursor_u32(&c);
        bench_say_block(giver, piece, cursor_u32(&c), true);
    }
    assert_int_equal(b.torrent->finishing, pieces);
    bench_pass(&b, after);
    bool has = bench_heard(other, WIRE_HAVE, &m);
    bench_free(&b);
    return has;
}

static void a_piece_that_comes_alone_is_told_soon(void **state)
{
    (void)state;
    assert_true(told(1, MSECS(300)));
}

static void where_much_comes_pieces_wait_until_the_lanes_are_full_but_not_for_long(void **state)
{
    (void)state;
    bool lanes_are_full = hash_lanes(HASH_SHA1) <= 5;
    assert_int_equal(told(5, MSECS(300)), lanes_are_full);
    assert_true(told(5, MSECS(600)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_that_comes_alone_is_told_soon),
        cmocka_unit_test(where_much_comes_pieces_wait_until_the_lanes_are_full_but_not_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
