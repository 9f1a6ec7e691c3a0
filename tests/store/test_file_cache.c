/* Open files: who gets which, and what becomes of those that are in use when they are forgotten. */
#include "base/err.h"
#include "share_bench.h"
#include "store/file_cache.h"

static uint8_t first_byte(struct env_file *f)
{
    uint8_t byte = 0;
    struct iovec v = {&byte, 1};
    assert_int_equal(env_file_preadv(f, &v, 1, 0), 0);
    return byte;
}

struct cache_bench {
    struct share_bench share;
    struct file_cache *cache;
    struct env_dir *dir;
};

static void begin(struct cache_bench *b)
{
    share_bench_new(&b->share, 1);
    share_bench_put(&b->share, "/home/a", 10, 'a');
    share_bench_put(&b->share, "/home/b", 10, 'b');
    b->cache = file_cache_new();
    assert_int_equal(env_dir_open(b->share.env, "/home", false, &b->dir), 0);
}

static void end(struct cache_bench *b)
{
    file_cache_free(b->cache);
    env_dir_close(b->dir);
    share_bench_free(&b->share);
}

static struct env_file *take(struct cache_bench *b, uint32_t number, const char *path)
{
    struct env_file *f = NULL;
    assert_int_equal(file_cache_take(b->cache, b, number, b->dir, path, ENV_OPEN_READ, &f), 0);
    return f;
}

static void only_what_is_open_is_taken_without_opening(void **state)
{
    (void)state;
    struct cache_bench b;
    begin(&b);
    assert_null(file_cache_take_open(b.cache, &b, 0));
    struct env_file *f = take(&b, 0, "a");
    assert_ptr_equal(file_cache_take_open(b.cache, &b, 0), f);
    assert_null(file_cache_take_open(b.cache, &b, 1));
    assert_null(file_cache_take_open(b.cache, &b.cache, 0));
    file_cache_give(b.cache, f);
    file_cache_give(b.cache, f);
    end(&b);
}

static void a_file_in_use_that_was_forgotten_is_nobody_elses(void **state)
{
    (void)state;
    struct cache_bench b;
    begin(&b);
    struct env_file *old = take(&b, 0, "a");
    uint8_t before = first_byte(old);
    file_cache_forget(b.cache, &b);
    assert_null(file_cache_take_open(b.cache, &b, 0));
    struct env_file *now = take(&b, 0, "b"); /* what stands there after a move */
    assert_ptr_not_equal(now, old);
    assert_int_equal(first_byte(old), before); /* its user is not disturbed */
    file_cache_give(b.cache, old);
    assert_ptr_equal(take(&b, 0, "b"), now);
    file_cache_give(b.cache, now);
    file_cache_give(b.cache, now);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_open_is_taken_without_opening),
        cmocka_unit_test(a_file_in_use_that_was_forgotten_is_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
