/* Open files: who gets which, and what becomes of those that are in use when they are forgotten. */
#include "base/err.h"
#include "env/ops.h"
#include "share_bench.h"
#include "store/file_cache.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

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

/* ---- a disk that sleeps -------------------------------------------------------------------- */

/* A folder whose files are opened when the test says so. */
struct asleep {
    const struct env_ops *ops;
    sem_t asked, awake;
    unsigned opened, closed;
};

struct asleep_file {
    const struct env_ops *ops;
    struct asleep *folder;
};

static int open_asleep(struct env_dir *d, const char *path, unsigned flags, struct env_file **out)
{
    struct asleep *a = (struct asleep *)d;
    struct asleep_file *f = malloc(sizeof *f);
    (void)path;
    (void)flags;
    sem_post(&a->asked);
    sem_wait(&a->awake);
    *f = (struct asleep_file){a->ops, a};
    a->opened++;
    *out = (struct env_file *)f;
    return 0;
}

static void close_asleep(struct env_file *file)
{
    struct asleep_file *f = (struct asleep_file *)file;
    f->folder->closed++;
    free(f);
}

static const struct env_ops asleep_ops = {.file_open = open_asleep, .file_close = close_asleep};

static void fall_asleep(struct asleep *a)
{
    *a = (struct asleep){.ops = &asleep_ops};
    sem_init(&a->asked, 0, 0);
    sem_init(&a->awake, 0, 0);
}

struct taker {
    struct cache_bench *bench;
    struct asleep *folder;
    struct env_file *file;
    pthread_t thread;
};

static void *take_asleep(void *argument)
{
    struct taker *t = argument;
    if (file_cache_take(t->bench->cache, t->folder, 0, (struct env_dir *)t->folder, "slow",
            ENV_OPEN_READ, &t->file) != 0)
        t->file = NULL;
    return NULL;
}

static void start(struct taker *t, struct cache_bench *b, struct asleep *a)
{
    *t = (struct taker){.bench = b, .folder = a};
    assert_int_equal(pthread_create(&t->thread, NULL, take_asleep, t), 0);
}

/* The loop would: a call that waits for the disk never returns here. */
static void nobody_waits_for_a_file_that_somebody_else_opens(void **state)
{
    (void)state;
    struct cache_bench b;
    struct asleep a;
    struct taker t;
    begin(&b);
    fall_asleep(&a);
    struct env_file *open = take(&b, 0, "a");
    start(&t, &b, &a);
    sem_wait(&a.asked);
    assert_null(file_cache_take_open(b.cache, &a, 0));
    assert_ptr_equal(file_cache_take_open(b.cache, &b, 0), open);
    file_cache_give(b.cache, open);
    file_cache_give(b.cache, open);
    file_cache_give(b.cache, take(&b, 1, "b"));
    file_cache_forget(b.cache, &b);
    sem_post(&a.awake);
    pthread_join(t.thread, NULL);
    assert_ptr_equal(file_cache_take_open(b.cache, &a, 0), t.file);
    file_cache_give(b.cache, t.file);
    file_cache_give(b.cache, t.file);
    end(&b);
    assert_int_equal(a.closed, 1);
}

static void two_who_want_the_same_file_open_it_once(void **state)
{
    (void)state;
    struct cache_bench b;
    struct asleep a;
    struct taker first, second;
    begin(&b);
    fall_asleep(&a);
    start(&first, &b, &a);
    sem_wait(&a.asked);
    start(&second, &b, &a);
    sem_post(&a.awake);
    sem_post(&a.awake); /* for a second time that must not be */
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_int_equal(a.opened, 1);
    assert_non_null(first.file);
    assert_ptr_equal(first.file, second.file);
    file_cache_give(b.cache, first.file);
    file_cache_give(b.cache, second.file);
    end(&b);
}

static void a_file_that_is_forgotten_while_it_is_opened_is_its_openers_alone(void **state)
{
    (void)state;
    struct cache_bench b;
    struct asleep a;
    struct taker t;
    begin(&b);
    fall_asleep(&a);
    start(&t, &b, &a);
    sem_wait(&a.asked);
    file_cache_forget(b.cache, &a);
    sem_post(&a.awake);
    pthread_join(t.thread, NULL);
    assert_non_null(t.file);
    assert_null(file_cache_take_open(b.cache, &a, 0));
    file_cache_give(b.cache, t.file);
    assert_int_equal(a.closed, 1);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_open_is_taken_without_opening),
        cmocka_unit_test(a_file_in_use_that_was_forgotten_is_nobody_elses),
        cmocka_unit_test(nobody_waits_for_a_file_that_somebody_else_opens),
        cmocka_unit_test(two_who_want_the_same_file_open_it_once),
        cmocka_unit_test(a_file_that_is_forgotten_while_it_is_opened_is_its_openers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
