/* Both ways to ask for the page cache say the same (env/uv/page_cache.h). */
#include "env/uv/page_cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HALF (256u << 10)

static int file;

/* The first half was written just now; the second one is a hole that nobody has read. */
static int half_a_file(void **state)
{
    (void)state;
    static uint8_t bytes[HALF];
    char name[] = "page_cache.XXXXXX";
    memset(bytes, 7, sizeof bytes);
    file = mkstemp(name);
    unlink(name);
    return file < 0 || ftruncate(file, HALF * 2L) != 0 ||
           pwrite(file, bytes, HALF, 0) != (ssize_t)HALF;
}

static int close_it(void **state)
{
    (void)state;
    return close(file);
}

static bool counted(uint64_t offset, uint64_t size)
{
    bool warm;
    return real_pages_counted(file, offset, size, &warm) ? warm
                                                         : real_pages_mapped(file, offset, size);
}

static void what_was_written_is_warm(void **state)
{
    (void)state;
    assert_true(counted(0, HALF));
    assert_true(real_pages_mapped(file, 0, HALF));
    assert_true(counted(16384 + 13, 16384));
    assert_true(real_pages_mapped(file, 16384 + 13, 16384));
}

static void one_page_that_nobody_read_is_enough_to_be_cold(void **state)
{
    (void)state;
    assert_false(counted(HALF - 1, 2));
    assert_false(real_pages_mapped(file, HALF - 1, 2));
    assert_false(counted(HALF, HALF));
    assert_false(real_pages_mapped(file, HALF, HALF));
}

static void what_is_behind_the_end_is_cold(void **state)
{
    (void)state;
    assert_false(counted(HALF * 4, 4096));
    assert_false(real_pages_mapped(file, HALF * 4, 4096));
}

static void more_than_one_look_holds_is_not_claimed(void **state)
{
    (void)state;
    assert_false(real_pages_mapped(file, 0, (uint64_t)4096 * (REAL_PAGES_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_warm),
        cmocka_unit_test(one_page_that_nobody_read_is_enough_to_be_cold),
        cmocka_unit_test(what_is_behind_the_end_is_cold),
        cmocka_unit_test(more_than_one_look_holds_is_not_claimed),
    };
    return cmocka_run_group_tests(tests, half_a_file, close_it);
}
