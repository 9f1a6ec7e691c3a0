/* Texts that are kept once. */
#include "base/text_pool.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t seed[16] = {9};

static void the_same_text_is_kept_once(void **state)
{
    struct text_pool *p = text_pool_new(seed);
    char other[] = "/home/ana/films";
    (void)state;
    const char *a = text_pool_take(p, "/home/ana/films"), *b = text_pool_take(p, other);
    const char *c = text_pool_take(p, "/home/ana/music");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_string_equal(c, "/home/ana/music");
    text_pool_give(p, a);
    text_pool_give(p, c);
    assert_string_equal(b, "/home/ana/films"); /* one still holds it */
    text_pool_give(p, b);
    text_pool_free(p);
}

static void what_was_given_back_may_be_taken_again(void **state)
{
    struct text_pool *p = text_pool_new(seed);
    (void)state;
    for (int i = 0; i < 100; i++) {
        const char *a = text_pool_take(p, "again");
        assert_string_equal(a, "again");
        text_pool_give(p, a);
    }
    text_pool_give(p, NULL);
    text_pool_free(p); /* which asserts that nothing is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_kept_once),
        cmocka_unit_test(what_was_given_back_may_be_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
