/* The scan: what is listed and in which order, what is skipped and noted, what makes it fail. */
#include "base/text.h"
#include "share_bench.h"
#include "store/create/scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct scan *scan(struct share_bench *b, const char *path, int expected)
{
    struct scan *s = NULL;
    int err = scan_run(b->env, path, NULL, &s);
    assert_int_equal(err, expected);
    assert_non_null(s);
    return s;
}

static void assert_paths(const struct scan *s, const char *const *paths)
{
    size_t count = 0;
    for (; paths[count] != NULL; count++) {
        assert_true(count < s->count);
        assert_string_equal(s->files[count].path, paths[count]);
    }
    assert_int_equal(s->count, count);
}

static const struct scan_note *note_of(const struct scan *s, const char *path)
{
    for (size_t i = 0; i < s->note_count; i++)
        if (strcmp(s->notes[i].path, path) == 0)
            return &s->notes[i];
    return NULL;
}

static void assert_note(const struct scan *s, const char *path, enum scan_note_kind kind)
{
    const struct scan_note *n = note_of(s, path);
    assert_non_null(n);
    assert_int_equal(n->kind, kind);
    assert_string_not_equal(scan_note_text(n->kind), "");
}

static void files_are_listed_in_the_order_of_the_file_tree(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "a", "b/c", "b/d/e", "b/d.x", "b.txt", "c d", "c.txt", "\xc3\xa9t\xc3\xa9.jpg", NULL};
    struct share_bench b;
    char full[128];
    share_bench_new(&b, 1);
    for (size_t i = 0; paths[i] != NULL; i++) {
        snprintf(full, sizeof full, "/home/s/%s", paths[i]);
        share_bench_put(&b, full, i * 10, 0);
    }
    struct scan *s = scan(&b, "/home/s", 0);
    assert_paths(s, paths);
    assert_string_equal(s->name, "s");
    assert_false(s->single_file);
    assert_int_equal(s->total_size, 280);
    assert_int_equal(s->files[7].size, 70);
    assert_int_equal(s->note_total, 0);
    assert_true(s->files[1].inode != s->files[2].inode);
    scan_free(s);
    share_bench_free(&b);
}

static void hidden_files_and_droppings_are_content_like_any_other(void **state)
{
    (void)state;
    static const char *const paths[] = {
        ".DS_Store", ".git/config", "Thumbs.db", "a.txt~", "desktop.ini", NULL};
    struct share_bench b;
    char full[128];
    share_bench_new(&b, 1);
    for (size_t i = 0; paths[i] != NULL; i++) {
        snprintf(full, sizeof full, "/home/s/%s", paths[i]);
        share_bench_put(&b, full, 1, 0);
    }
    struct scan *s = scan(&b, "/home/s/", 0);
    assert_paths(s, paths);
    scan_free(s);
    share_bench_free(&b);
}

static void one_file_is_a_share_of_its_own(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/movie.mkv", 100, 0);
    share_bench_put(&b, "/home/other", 100, 0);
    share_bench_symlink(&b, "/links/to-file", "../home/movie.mkv");
    share_bench_symlink(&b, "/links/to-link", "/links/to-file");
    static const char *const paths[] = {"movie.mkv", NULL};
    static const struct {
        const char *path, *name;
    } ways[] = {{"/home/movie.mkv", "movie.mkv"}, {"/home/movie.mkv///", "movie.mkv"},
        {"/links/to-file", "to-file"}, {"/links/to-link", "to-link"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct scan *s = scan(&b, ways[i].path, 0);
        assert_true(s->single_file);
        assert_string_equal(s->name, ways[i].name);
        assert_paths(s, paths);
        assert_int_equal(s->total_size, 100);
        scan_free(s);
    }
    share_bench_free(&b);
}

static void a_link_to_a_folder_is_shared_as_the_folder_under_its_own_name(void **state)
{
    (void)state;
    struct share_bench b;
    static const char *const paths[] = {"a", NULL};
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/a", 1, 0);
    share_bench_symlink(&b, "/links/named", "/home/s");
    struct scan *s = scan(&b, "/links/named", 0);
    assert_string_equal(s->name, "named");
    assert_paths(s, paths);
    scan_free(s);
    share_bench_free(&b);
}

static void paths_without_a_name_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", ".", "..", "/home/.", "/home/..", ""};
    struct share_bench b;
    share_bench_new(&b, 1);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        scan_free(scan(&b, paths[i], ERR_INVALID));
    scan_free(scan(&b, "/no/such/thing", ERR_NOT_FOUND));
    share_bench_symlink(&b, "/links/around", "around");
    struct scan *s = NULL;
    assert_true(scan_run(b.env, "/links/around", NULL, &s) < 0);
    scan_free(s);
    share_bench_free(&b);
}

static void links_inside_are_kept_and_links_that_lead_out_are_noted(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *target; /* target NULL: skipped, as `kind` */
        enum scan_note_kind kind;
    } links[] = {
        {"/home/s/to-file", "sub/f", "sub/f", 0},
        {"/home/s/to-folder", "./sub//", "sub", 0},
        {"/home/s/sub/up", "../top", "top", 0},
        {"/home/s/sub/round", "../sub/deep/../f", "sub/f", 0},
        {"/home/s/sub/parent", "deep/..", "sub", 0},
        {"/home/s/to-link", "to-file", "to-file", 0},
        {"/home/s/absolute", "/home/s/top", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/out", "../secret", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/out-and-in", "../s/top", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/sub/out", "../../secret", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/self", ".", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/sub/root", "..", NULL, SCAN_LINK_OUTSIDE},
        {"/home/s/nowhere", "nothing", NULL, SCAN_LINK_BROKEN},
        {"/home/s/circle-a", "circle-b", NULL, SCAN_LINK_BROKEN},
        {"/home/s/circle-b", "circle-a", NULL, SCAN_LINK_BROKEN},
        {"/home/s/through", "to-folder/f", NULL, SCAN_LINK_BROKEN},
        {"/home/s/through-file", "top/../sub/f", NULL, SCAN_LINK_BROKEN},
        {"/home/s/to-out", "out", NULL, SCAN_LINK_OUTSIDE},
    };
    struct share_bench b;
    size_t kept = 0;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/secret", 1, 0);
    share_bench_put(&b, "/home/s/top", 1, 0);
    share_bench_put(&b, "/home/s/sub/f", 1, 0);
    share_bench_put(&b, "/home/s/sub/deep/g", 1, 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        share_bench_symlink(&b, links[i].path, links[i].text);
    struct scan *s = scan(&b, "/home/s", 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const char *path = links[i].path + strlen("/home/s/");
        if (links[i].target == NULL)
            assert_note(s, path, links[i].kind);
        for (size_t k = 0; k < s->count; k++)
            if (strcmp(s->files[k].path, path) == 0) {
                assert_non_null(links[i].target);
                assert_string_equal(s->files[k].target, links[i].target);
                assert_int_equal(s->files[k].size, 0);
                kept++;
            }
    }
    assert_int_equal(kept, 6);
    assert_int_equal(s->count, 3 + 6);
    scan_free(s);
    share_bench_free(&b);
}

static void empty_folders_are_noted(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/a", 1, 0);
    share_bench_make_folder(&b, "/home/s/empty/inner");
    struct scan *s = scan(&b, "/home/s", 0);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->note_total, 1);
    assert_note(s, "empty/inner", SCAN_EMPTY_FOLDER);
    scan_free(s);
    share_bench_free(&b);
}

static void problems_are_all_listed_and_fail_the_scan_unless_skipped(void **state)
{
    (void)state;
    static const char *const paths[] = {"good", NULL};
    struct share_bench b;
    struct scan *s;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/good", 1, 0);
    share_bench_put(&b, "/home/s/latin\xe9.txt", 1, 0);
    share_bench_put(&b, "/home/s/locked", 1, 0);
    share_bench_put(&b, "/home/s/private/x", 1, 0);
    share_bench_make_folder(&b, "/home/s/empty");
    sim_disk_fault_add(b.host, &(struct sim_disk_fault){.call = SIM_DISK_FILE_OPEN,
                                   .path = "/home/s/locked",
                                   .nth = 1,
                                   .times = SIM_FOREVER,
                                   .error = EACCES});
    sim_disk_fault_add(b.host, &(struct sim_disk_fault){.call = SIM_DISK_LIST,
                                   .path = "/home/s/private",
                                   .nth = 1,
                                   .times = SIM_FOREVER,
                                   .error = EACCES});
    assert_true(scan_run(b.env, "/home/s", NULL, &s) < 0);
    assert_int_equal(s->note_total, 4);
    assert_note(s, "latin\xe9.txt", SCAN_BAD_NAME);
    assert_note(s, "locked", SCAN_UNREADABLE);
    assert_note(s, "private", SCAN_UNREADABLE);
    assert_int_equal(note_of(s, "private")->err, ERR_PERMISSION);
    assert_int_equal(s->notes[3].kind, SCAN_EMPTY_FOLDER); /* problems come first */
    scan_free(s);
    struct scan_options skip = {.skip_problems = true};
    assert_int_equal(scan_run(b.env, "/home/s", &skip, &s), 0);
    assert_paths(s, paths);
    assert_int_equal(s->note_total, 4);
    scan_free(s);
    share_bench_free(&b);
}

static void folders_too_deep_are_a_problem_and_no_crash(void **state)
{
    (void)state;
    struct share_bench b;
    char path[1024] = "/home/s";
    share_bench_new(&b, 1);
    for (int i = 0; i < 99; i++)
        strcat(path, "/d");
    strcat(path, "/f");
    share_bench_put(&b, path, 1, 0);
    struct scan *s = scan(&b, "/home/s", 0);
    assert_int_equal(s->count, 1);
    scan_free(s);
    strcpy(path + strlen(path) - 1, "d/f");
    share_bench_put(&b, path, 1, 0);
    s = scan(&b, "/home/s", ERR_LIMIT);
    assert_int_equal(s->notes[0].kind, SCAN_TOO_DEEP);
    scan_free(s);
    share_bench_free(&b);
}

static void a_cancelled_scan_ends(void **state)
{
    (void)state;
    struct share_bench b;
    struct scan *s;
    atomic_bool cancel;
    struct scan_options options = {.cancel = &cancel};
    atomic_init(&cancel, true);
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/a", 1, 0);
    assert_int_equal(scan_run(b.env, "/home/s", &options, &s), ERR_CANCELLED);
    scan_free(s);
    share_bench_free(&b);
}

static void the_digest_changes_with_anything_that_matters(void **state)
{
    (void)state;
    struct share_bench b;
    struct sha256_digest first, again, changed;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/a", 100, 0);
    share_bench_put(&b, "/home/s/b", 100, 0);
    struct scan *s = scan(&b, "/home/s", 0);
    assert_true(scan_digest(s, &first));
    scan_free(s);
    s = scan(&b, "/home/s", 0);
    assert_true(scan_digest(s, &again));
    assert_true(sha256_equal(&first, &again));
    s->files[1].mtime_ns++;
    assert_true(scan_digest(s, &changed));
    assert_false(sha256_equal(&first, &changed));
    s->files[1].mtime_ns--;
    s->files[1].size++;
    assert_true(scan_digest(s, &changed));
    assert_false(sha256_equal(&first, &changed));
    s->files[1].size--;
    s->files[1].path = "c";
    assert_true(scan_digest(s, &changed));
    assert_false(sha256_equal(&first, &changed));
    scan_free(s);
    share_bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_listed_in_the_order_of_the_file_tree),
        cmocka_unit_test(hidden_files_and_droppings_are_content_like_any_other),
        cmocka_unit_test(one_file_is_a_share_of_its_own),
        cmocka_unit_test(a_link_to_a_folder_is_shared_as_the_folder_under_its_own_name),
        cmocka_unit_test(paths_without_a_name_are_refused),
        cmocka_unit_test(links_inside_are_kept_and_links_that_lead_out_are_noted),
        cmocka_unit_test(empty_folders_are_noted),
        cmocka_unit_test(problems_are_all_listed_and_fail_the_scan_unless_skipped),
        cmocka_unit_test(folders_too_deep_are_a_problem_and_no_crash),
        cmocka_unit_test(a_cancelled_scan_ends),
        cmocka_unit_test(the_digest_changes_with_anything_that_matters),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
