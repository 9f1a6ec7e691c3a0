/* Files as memory that jobs read, on the real disk: what they hold, and what becomes of the reader
 * when they are cut. */
#include "base/err.h"
#include "base/list.h"
#include "env/uv/uv_env.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE ((size_t)300000)
#define FROM ((size_t)5000) /* within a page */

struct world {
    struct env *env;
    char folder[32];
    struct env_dir *dir;
    struct env_file *file;
    uint8_t *bytes;
};

static void begin(struct world *w, bool allowed)
{
    assert_int_equal(uv_env_new(&(struct uv_env_config){.handle_sigbus = allowed}, &w->env), 0);
    w->bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        w->bytes[i] = (uint8_t)(i * 7 + i / 4096 + 1);
    snprintf(w->folder, sizeof w->folder, "/tmp/kith-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(env_dir_open(w->env, w->folder, false, &w->dir), 0);
    unsigned flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    assert_int_equal(env_file_open(w->dir, "f", flags, &w->file), 0);
    assert_int_equal(env_file_pwritev(w->file, &(struct iovec){w->bytes, SIZE}, 1, 0), 0);
}

static void end(struct world *w)
{
    env_path_unlink(w->dir, "f");
    env_file_close(w->file);
    env_dir_close(w->dir);
    rmdir(w->folder);
    uv_env_free(w->env);
    free(w->bytes);
}

static void a_view_holds_the_bytes_of_the_file(void **state)
{
    (void)state;
    struct world w;
    struct env_view a, b;
    begin(&w, true);
    assert_int_equal(env_file_view(w.file, FROM, SIZE - FROM, &a), 0);
    assert_int_equal(env_file_view(w.file, 0, 1, &b), 0);
    assert_memory_equal(a.data, w.bytes + FROM, SIZE - FROM);
    assert_int_equal(b.data[0], w.bytes[0]);
    assert_int_equal(env_view_end(&a), 0);
    assert_int_equal(env_view_end(&b), 0);
    assert_int_equal(env_file_view(w.file, FROM, SIZE, &a), ERR_CHANGED);
    end(&w);
}

static void there_are_none_where_the_process_does_not_want_its_signal_handled(void **state)
{
    (void)state;
    struct world w;
    struct env_view view;
    begin(&w, false);
    assert_int_equal(env_file_view(w.file, 0, SIZE, &view), ERR_UNSUPPORTED);
    end(&w);
}

struct cut_job {
    struct env_job job;
    struct world *world;
    bool ended;
    uint8_t kept, cut, other; /* as they were read */
    int cut_view, other_view; /* as they ended */
};

/* In a worker, whose signals are blocked but for this one. */
static void cut_run(struct env_job *job)
{
    struct cut_job *j = container_of(job, struct cut_job, job);
    struct env_view view, other;
    if (env_file_view(j->world->file, FROM, SIZE - FROM, &view) != 0 ||
        env_file_view(j->world->file, 0, 4096, &other) != 0)
        return;
    env_file_truncate(j->world->file, 100000);
    j->cut = *(const volatile uint8_t *)(view.data + SIZE - FROM - 1);
    j->kept = *(const volatile uint8_t *)(view.data + 1);
    j->other = *(const volatile uint8_t *)(other.data + 9);
    j->cut_view = env_view_end(&view);
    j->other_view = env_view_end(&other);
}

static void cut_done(struct env_job *job)
{
    container_of(job, struct cut_job, job)->ended = true;
}

static void a_file_that_is_cut_under_a_view_reads_as_zeros_and_is_told_in_the_end(void **state)
{
    (void)state;
    struct world w;
    begin(&w, true);
    struct cut_job j = {
        .job = {.run = cut_run, .done = cut_done}, .world = &w, .kept = 9, .cut = 9};
    env_submit(w.env, ENV_LANE_BACKGROUND, &j.job);
    while (!j.ended)
        uv_env_run(w.env, -1);
    assert_int_equal(j.cut, 0);
    assert_int_equal(j.kept, 0);
    assert_int_equal(j.cut_view, ERR_CHANGED);
    assert_int_equal(j.other, w.bytes[9]);
    assert_int_equal(j.other_view, 0);
    end(&w);
}

static sigjmp_buf elsewhere;

static void own_handler(int number)
{
    (void)number;
    siglongjmp(elsewhere, 1);
}

static void a_fault_in_other_memory_goes_to_the_handler_that_was_there(void **state)
{
    (void)state;
    struct world w;
    struct env_view view;
    signal(SIGBUS, own_handler); /* cmocka puts its own in place for each test */
    begin(&w, true);
    assert_int_equal(env_file_view(w.file, 0, SIZE, &view), 0);
    FILE *f = tmpfile();
    volatile uint8_t *cut = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
    assert_ptr_not_equal((void *)cut, MAP_FAILED);
    if (sigsetjmp(elsewhere, 1) == 0) {
        (void)cut[0];
        fail();
    }
    assert_int_equal(view.data[1], w.bytes[1]);
    assert_int_equal(env_view_end(&view), 0);
    munmap((void *)cut, 4096);
    fclose(f);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_holds_the_bytes_of_the_file),
        cmocka_unit_test(there_are_none_where_the_process_does_not_want_its_signal_handled),
        cmocka_unit_test(a_file_that_is_cut_under_a_view_reads_as_zeros_and_is_told_in_the_end),
        cmocka_unit_test(a_fault_in_other_memory_goes_to_the_handler_that_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
