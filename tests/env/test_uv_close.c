/* A file that the loop closes is closed by a worker: close(2) may wait for a server. Real disk. */
#include "base/list.h"
#include "env/uv/uv_env.h"

#include <dirent.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

struct waiter {
    struct env_job job;
    sem_t begun, go_on;
};

static void wait_for_the_test(struct env_job *job)
{
    struct waiter *w = container_of(job, struct waiter, job);
    sem_post(&w->begun);
    sem_wait(&w->go_on);
}

static void nothing(struct env_job *job)
{
    (void)job;
}

static void the_loop_does_not_close_files_itself(void **state)
{
    (void)state;
    char folder[] = "/tmp/kith-close-XXXXXX", path[64];
    struct env *env;
    struct env_dir *dir;
    struct env_file *file;
    struct waiter w = {.job = {.run = wait_for_the_test, .done = nothing}};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    sem_init(&w.begun, 0, 0);
    sem_init(&w.go_on, 0, 0);
    assert_int_equal(uv_env_new(&(struct uv_env_config){.workers = 1}, &env), 0);
    assert_int_equal(env_dir_open(env, folder, false, &dir), 0);
    assert_int_equal(env_file_open(dir, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), 0);
    env_submit(env, ENV_LANE_DATA, &w.job); /* the only worker of this lane */
    sem_wait(&w.begun);
    unsigned open = descriptors();
    env_file_close(file);
    assert_int_equal(descriptors(), open);
    sem_post(&w.go_on);
    while (descriptors() == open)
        uv_env_run(env, 10);
    env_dir_close(dir);
    uv_env_free(env);
    unlink(path);
    rmdir(folder);
}

static void what_was_not_closed_yet_is_when_the_world_ends(void **state)
{
    (void)state;
    struct env *env;
    struct env_dir *dir;
    struct env_file *file[20];
    char folder[] = "/tmp/kith-close-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    unsigned before = descriptors();
    assert_int_equal(uv_env_new(&(struct uv_env_config){.workers = 1}, &env), 0);
    assert_int_equal(env_dir_open(env, folder, false, &dir), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(env_file_open(dir, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file[i]), 0);
    for (unsigned i = 0; i < 20; i++)
        env_file_close(file[i]);
    env_dir_close(dir);
    uv_env_free(env);
    assert_int_equal(descriptors(), before);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_does_not_close_files_itself),
        cmocka_unit_test(what_was_not_closed_yet_is_when_the_world_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
