/* Folders' descriptors, on the real disk: shared, bounded, and never another folder's. */
#include "env/uv/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY (3 * REAL_FOLDERS_OPEN_MAX)

static char root[64];
static struct real_folders folders;

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static const char *path_of(unsigned i)
{
    static char path[96];
    snprintf(path, sizeof path, "%s/%u", root, i);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/kith-folders-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    for (unsigned i = 0; i < MANY; i++)
        if (mkdir(path_of(i), 0700) != 0)
            return -1;
    real_folders_init(&folders);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    real_folders_free(&folders);
    for (unsigned i = 0; i < MANY; i++)
        rmdir(path_of(i));
    return rmdir(root);
}

static struct real_folder *opened(const char *path)
{
    struct real_folder *d;
    assert_int_equal(real_folder_open(&folders, path, &d), 0);
    return d;
}

/* It leads to the folder of this path. */
static void assert_leads_to(struct real_folder *d, const char *path)
{
    struct stat at, wanted;
    int fd = real_folder_take(&folders, d);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &at), 0);
    assert_int_equal(stat(path, &wanted), 0);
    assert_int_equal(at.st_ino, wanted.st_ino);
    real_folder_give(&folders, d);
}

static void one_folder_costs_one_descriptor_however_often_it_is_opened(void **state)
{
    static struct real_folder *d[1000];
    unsigned before = descriptors();
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        d[i] = opened(path_of(0));
    assert_int_equal(descriptors(), before + 1);
    for (unsigned i = 0; i < 999; i++)
        real_folder_close(&folders, d[i]);
    assert_leads_to(d[999], path_of(0));
    real_folder_close(&folders, d[999]);
    assert_int_equal(descriptors(), before);
}

static void many_folders_cost_so_many_and_all_can_be_used(void **state)
{
    struct real_folder *d[MANY];
    unsigned before = descriptors();
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        d[i] = opened(path_of(i));
    assert_int_equal(descriptors(), before + REAL_FOLDERS_OPEN_MAX);
    for (unsigned i = 0; i < MANY; i++)
        assert_leads_to(d[i], path_of(i));
    assert_int_equal(descriptors(), before + REAL_FOLDERS_OPEN_MAX);
    for (unsigned i = 0; i < MANY; i++)
        real_folder_close(&folders, d[i]);
    assert_int_equal(descriptors(), before);
}

static void what_is_in_use_is_not_closed(void **state)
{
    struct real_folder *d[MANY], *held = opened(path_of(0));
    struct stat st;
    (void)state;
    int fd = real_folder_take(&folders, held);
    for (unsigned i = 1; i < MANY; i++)
        d[i] = opened(path_of(i));
    assert_int_equal(fstat(fd, &st), 0);
    real_folder_give(&folders, held);
    for (unsigned i = 1; i < MANY; i++)
        real_folder_close(&folders, d[i]);
    real_folder_close(&folders, held);
}

static void a_folder_that_was_replaced_meanwhile_is_absent_and_not_the_new_one(void **state)
{
    struct real_folder *d[MANY], *first = opened(path_of(0)), *second;
    char aside[80];
    (void)state;
    for (unsigned i = 1; i < MANY; i++) /* closes the first */
        d[i] = opened(path_of(i));
    snprintf(aside, sizeof aside, "%s/aside", root);
    assert_int_equal(rename(path_of(0), aside), 0);
    assert_int_equal(real_folder_take(&folders, first), -ENOENT);
    assert_int_equal(mkdir(path_of(0), 0700), 0);
    assert_int_equal(real_folder_take(&folders, first), -ENOENT);
    second = opened(path_of(0));
    assert_leads_to(second, path_of(0));
    assert_int_equal(real_folder_take(&folders, first), -ENOENT);
    real_folder_close(&folders, first);
    assert_leads_to(second, path_of(0));
    real_folder_close(&folders, second);
    assert_int_equal(rmdir(aside), 0);
    for (unsigned i = 1; i < MANY; i++)
        real_folder_close(&folders, d[i]);
}

static void a_relative_path_stays_open_because_it_may_lead_elsewhere_later(void **state)
{
    struct real_folder *d[MANY], *here;
    char before[4096];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(root), 0);
    here = opened("0");
    assert_int_equal(chdir(before), 0);
    for (unsigned i = 1; i < MANY; i++)
        d[i] = opened(path_of(i));
    assert_leads_to(here, path_of(0));
    real_folder_close(&folders, here);
    for (unsigned i = 1; i < MANY; i++)
        real_folder_close(&folders, d[i]);
}

static void what_is_not_there_is_said(void **state)
{
    struct real_folder *d;
    (void)state;
    assert_int_equal(real_folder_open(&folders, "/tmp/kith-folders-none/x", &d), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            one_folder_costs_one_descriptor_however_often_it_is_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            many_folders_cost_so_many_and_all_can_be_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_in_use_is_not_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_folder_that_was_replaced_meanwhile_is_absent_and_not_the_new_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_relative_path_stays_open_because_it_may_lead_elsewhere_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
