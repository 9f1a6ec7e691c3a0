/* Arena: alignment, zeroing, bounds. */
#include "base/arena.h"
#include "check.h"

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    uint8_t *blocks[400];
    size_t sizes[400];
    uint64_t random = 1;
    arena_init(&a, (size_t)64 << 20);
    for (size_t i = 0; i < 400; i++) {
        sizes[i] = i % 50 == 0 ? 100000 : next_random(&random) % 3000;
        blocks[i] = arena_alloc(&a, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(blocks[i][n], 0);
        memset(blocks[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < 400; i++)
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(blocks[i][n], i & 0xff);
    arena_free(&a);
}

static void the_bound_holds_to_the_byte(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    assert_non_null(arena_alloc(&a, 4080));
    assert_null(arena_alloc(&a, 17));
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, 0));
    assert_int_equal(a.used, 4096);
    arena_free(&a);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 15));
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_dup(&a, (struct bytes){(const uint8_t *)"", SIZE_MAX}));
    assert_int_equal(a.used, 0);
    arena_free(&a);
}

static void an_arena_can_be_used_again_after_it_was_freed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 96));
    arena_free(&a);
    assert_non_null(arena_alloc(&a, 96));
    arena_free(&a);
}

static void a_copy_is_terminated(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    assert_string_equal(arena_dup(&a, bytes_of("abcd", 3)), "abc");
    assert_string_equal(arena_dup(&a, (struct bytes){0}), "");
    arena_free(&a);
}

RUN(T(allocations_are_zeroed_aligned_and_apart), T(the_bound_holds_to_the_byte),
    T(sizes_that_overflow_are_refused), T(an_arena_can_be_used_again_after_it_was_freed),
    T(a_copy_is_terminated))
