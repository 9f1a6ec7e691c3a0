/* Whose block was wrong: known once the piece has come right. */
#include "swarm/pieces/blame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCKS 4u

static struct endpoint named[8];
static unsigned named_count;

static void is_liar(void *user, const struct endpoint *e)
{
    (void)user;
    named[named_count++] = *e;
}

/* A piece whose blocks are filled with these bytes. */
static struct piece_buffer *make(struct chunk_pool *pool, uint32_t piece, const char *fill)
{
    struct piece_buffer *pb = piece_buffer_new(pool, piece, BLOCKS * PIECE_BLOCK_SIZE);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        memset(piece_buffer_place(pb, i), fill[i], PIECE_BLOCK_SIZE);
        piece_buffer_mark(pb, i, i + 1);
    }
    return pb;
}

static void the_giver_of_the_block_that_differs_is_named_and_nobody_else(void **state)
{
    struct chunk_pool *pool = chunk_pool_new(1 << 20);
    struct blame blame = {0};
    struct endpoint from[BLOCKS];
    (void)state;
    named_count = 0;
    for (uint32_t i = 0; i < BLOCKS; i++)
        from[i] = endpoint_v4(0x0a000001 + i, 1);
    struct piece_buffer *bad = make(pool, 5, "abXd"), *other = make(pool, 6, "abcd");
    struct piece_buffer *good = make(pool, 5, "abcd");
    blame_bad(&blame, bad, from, 0);
    blame_good(&blame, other, is_liar, NULL);
    assert_int_equal(named_count, 0);
    blame_good(&blame, good, is_liar, NULL);
    assert_int_equal(named_count, 1);
    assert_true(endpoint_equal(&named[0], &from[2]));
    blame_good(&blame, good, is_liar, NULL); /* it is remembered once */
    assert_int_equal(named_count, 1);
    piece_buffer_free(bad);
    piece_buffer_free(other);
    piece_buffer_free(good);
    blame_free(&blame);
    chunk_pool_free(pool);
}

static void a_giver_that_is_not_known_any_more_is_not_named(void **state)
{
    struct chunk_pool *pool = chunk_pool_new(1 << 20);
    struct blame blame = {0};
    struct endpoint from[BLOCKS] = {{0}};
    (void)state;
    named_count = 0;
    struct piece_buffer *bad = make(pool, 5, "XXXX"), *good = make(pool, 5, "abcd");
    for (unsigned i = 0; i < 3 * BLAME_PIECES_MAX; i++) /* bounded */
        blame_bad(&blame, bad, from, 0);
    blame_good(&blame, good, is_liar, NULL);
    assert_int_equal(named_count, 0);
    piece_buffer_free(bad);
    piece_buffer_free(good);
    blame_free(&blame);
    chunk_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_giver_of_the_block_that_differs_is_named_and_nobody_else),
        cmocka_unit_test(a_giver_that_is_not_known_any_more_is_not_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
