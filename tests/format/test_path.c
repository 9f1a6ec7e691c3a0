/* Names out of torrents: what they become, and that no two become the same. */
#include "base/err.h"
#include "base/text.h"
#include "format/path.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct name_case {
    const char *raw;
    size_t size; /* 0: strlen(raw) */
    const char *local, *portable;
};

static void check_name(struct bytes raw, enum path_rule rule, const char *want)
{
    char buffer[300];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    path_sanitise(raw, rule, &b);
    assert_string_equal(builder_text(&b), want);
    /* Safe names stay as they are. */
    assert_true(path_is_safe(bytes_of_str(want), rule));
    assert_int_equal(path_is_safe(raw, rule), bytes_equal_str(raw, want));
}

static void hostile_names_become_harmless(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        {"file.txt", 0, "file.txt", "file.txt"},
        {"", 0, "_", "_"},
        {".", 0, "_", "_"},
        {"..", 0, "__", "__"},
        {"...", 0, "...", "___"},
        {".hidden", 0, ".hidden", ".hidden"},
        {"..hidden", 0, "..hidden", "..hidden"},
        {"/", 0, "_", "_"},
        {"/etc/passwd", 0, "_etc_passwd", "_etc_passwd"},
        {"../../x", 0, ".._.._x", ".._.._x"},
        {"..\\..\\x", 0, ".._.._x", ".._.._x"},
        {"\\\\server\\share", 0, "__server_share", "__server_share"},
        {"C:", 0, "C_", "C_"},
        {"c:\\windows", 0, "c:_windows", "c__windows"},
        {"a\0b", 3, "a_b", "a_b"},
        {"\0", 1, "_", "_"},
        {"a\nb\x1b[31m\x7f", 0, "a_b_[31m_", "a_b_[31m_"},
        {"\xc2\x85", 0, "_", "_"},                                   /* C1: next line */
        {"exe\xe2\x80\xaegpj.txt", 0, "exe_gpj.txt", "exe_gpj.txt"}, /* right-to-left override */
        {"\xe2\x81\xa6x\xe2\x81\xa9", 0, "_x_", "_x_"},              /* isolates */
        {"a\xe2\x80\x8b.", 0, "a_.", "a__"},                         /* zero-width space */
        {"\xef\xbb\xbf.", 0, "_.", "__"},                            /* byte order mark */
        {".\xe2\x80\x8b.", 0, "._.",
            "._"
            "_"},                      /* does not become ".." */
        {"\xe2\x80\xa8", 0, "_", "_"}, /* line separator */
        {"\xc0\xae\xc0\xae", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong dots */
        {"\xc0\xaf", 0, "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff", 0, "\xef\xbf\xbd", "\xef\xbf\xbd"},
        {"\xed\xa0\x80", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xd9\x85\xe2\x80\x8c\xd9\x86", 0, "\xd9\x85\xe2\x80\x8c\xd9\x86",
            "\xd9\x85\xe2\x80\x8c\xd9\x86"}, /* Persian needs its non-joiner */
        {"12:30 what?.txt", 0, "12:30 what?.txt", "12_30 what_.txt"},
        {"<>:\"|?*", 0, "<>:\"|?*", "_______"},
        {"name.", 0, "name.", "name_"},
        {"name . .", 0, "name . .", "name____"},
        {" ", 0, " ", "_"},
        {"CON", 0, "CON", "_CON"},
        {"con.txt", 0, "con.txt", "_con.txt"},
        {"aux.c", 0, "aux.c", "_aux.c"},
        {"NUL .tar.gz", 0, "NUL .tar.gz", "_NUL .tar.gz"},
        {"Com1", 0, "Com1", "_Com1"},
        {"lpt9.x", 0, "lpt9.x", "_lpt9.x"},
        {"com10", 0, "com10", "com10"},
        {"conin$", 0, "conin$", "_conin$"},
        {"console", 0, "console", "console"},
        {"aux:stream", 0, "aux:stream", "aux_stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct name_case *c = &cases[i];
        struct bytes raw = bytes_of(c->raw, c->size > 0 ? c->size : strlen(c->raw));
        check_name(raw, PATH_LOCAL, c->local);
        check_name(raw, PATH_PORTABLE, c->portable);
    }
}

static void every_pair_of_bytes_comes_out_safe(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 0x10000; i++) {
        uint8_t raw[2] = {(uint8_t)(i >> 8), (uint8_t)i}, buffer[16];
        struct builder b = builder_fixed(buffer, sizeof buffer);
        path_sanitise(bytes_of(raw, 2), i % 2 == 0 ? PATH_LOCAL : PATH_PORTABLE, &b);
        assert_true(builder_ok(&b) && b.size > 0);
        assert_true(utf8_valid(builder_bytes(&b)));
        assert_null(memchr(buffer, '/', b.size));
        assert_null(memchr(buffer, '\0', b.size));
        assert_false(bytes_equal_str(builder_bytes(&b), ".."));
        assert_false(bytes_equal_str(builder_bytes(&b), "."));
    }
}

static void long_names_keep_their_extension_and_whole_characters(void **state)
{
    (void)state;
    char raw[1000];
    uint8_t buffer[300];
    for (size_t stem = 200; stem < 990; stem += 7) {
        memset(raw, 'a', stem);
        memcpy(raw + stem, ".torrent", 8);
        struct builder b = builder_fixed(buffer, sizeof buffer);
        path_sanitise(bytes_of(raw, stem + 8), PATH_LOCAL, &b);
        size_t want = stem + 8 < PATH_COMPONENT_MAX ? stem + 8 : PATH_COMPONENT_MAX;
        assert_int_equal(b.size, want);
        assert_memory_equal(buffer + b.size - 8, ".torrent", 8);
    }
    for (size_t i = 0; i < 999; i += 3)
        memcpy(raw + i, "\xe6\x96\x87", 3);
    struct builder b = builder_fixed(buffer, sizeof buffer);
    path_sanitise(bytes_of(raw, 999), PATH_LOCAL, &b);
    assert_int_equal(b.size, 255);
    assert_true(utf8_valid(builder_bytes(&b)));
    memset(raw, '.', sizeof raw);
    b.size = 0;
    path_sanitise(bytes_of(raw, sizeof raw), PATH_PORTABLE, &b);
    assert_true(b.size > 0 && b.size <= 255);
}

static void check_fold(const char *a, const char *b, bool same)
{
    uint8_t left[64], right[64];
    struct builder l = builder_fixed(left, sizeof left), r = builder_fixed(right, sizeof right);
    path_fold(bytes_of_str(a), &l);
    path_fold(bytes_of_str(b), &r);
    assert_int_equal(bytes_equal(builder_bytes(&l), builder_bytes(&r)), same);
}

static void names_that_a_file_system_may_confuse_fold_to_the_same(void **state)
{
    (void)state;
    check_fold("README", "readme", true);
    check_fold("\xc3\x89", "e\xcc\x81", true);     /* É, e + acute */
    check_fold("\xc3\x84ra", "a\xcc\x88RA", true); /* Ära */
    check_fold("\xce\xa3", "\xcf\x82", true);      /* capital and final sigma */
    check_fold("\xd0\x96", "\xd0\xb6", true);      /* Cyrillic zhe */
    check_fold("\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", true); /* Hangul gag */
    check_fold("stra\xc3\x9f"
               "e",
        "STRASSE", true);
    check_fold("\xe2\x84\xab", "\xc3\xa5", true); /* angstrom sign, å */
    check_fold("a", "b", false);
    check_fold("e", "\xc3\xa9", false);
}

static void check_add(struct path_set *s, const char *path, const char *want)
{
    char buffer[PATH_LENGTH_MAX + 1];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    assert_int_equal(path_set_add_file(s, path, &b), 0);
    assert_string_equal(builder_text(&b), want);
}

static const unsigned char seed[16] = {1, 2, 3};

static void paths_that_are_taken_get_a_number(void **state)
{
    (void)state;
    struct path_set *s = path_set_new(PATH_LOCAL, seed);
    assert_int_equal(path_set_add_parents(s, "dir/sub/file"), 0);
    check_add(s, "a.txt", "a.txt");
    check_add(s, "a.txt", "a (2).txt");
    check_add(s, "a.txt", "a (3).txt");
    check_add(s, "A.txt", "A.txt");
    check_add(s, "a (2).txt", "a (2) (2).txt");
    check_add(s, "dir", "dir (2)");
    check_add(s, "dir/sub", "dir/sub (2)");
    check_add(s, "dir/sub/file", "dir/sub/file");
    check_add(s, "dir/.rc", "dir/.rc");
    check_add(s, "dir/.rc", "dir/.rc (2)");
    path_set_free(s);
}

static void portable_paths_collide_when_they_fold_to_the_same(void **state)
{
    (void)state;
    struct path_set *s = path_set_new(PATH_PORTABLE, seed);
    assert_int_equal(path_set_add_parents(s, "Dir/file"), 0);
    check_add(s, "a.txt", "a.txt");
    check_add(s, "A.TXT", "A (2).TXT");
    check_add(s, "\xc3\xa9", "\xc3\xa9");
    check_add(s, "E\xcc\x81", "E\xcc\x81 (2)");
    check_add(s, "dir", "dir (2)");
    path_set_free(s);
}

static void marked_names_stay_within_their_bound(void **state)
{
    (void)state;
    char name[PATH_COMPONENT_MAX + 1], buffer[PATH_LENGTH_MAX + 1];
    struct path_set *s = path_set_new(PATH_LOCAL, seed);
    memset(name, 'n', PATH_COMPONENT_MAX);
    memcpy(name + PATH_COMPONENT_MAX - 4, ".mkv", 5);
    check_add(s, name, name);
    for (unsigned i = 0; i < 300; i++) {
        struct builder b = builder_fixed(buffer, sizeof buffer);
        assert_int_equal(path_set_add_file(s, name, &b), 0);
        assert_true(b.size <= PATH_COMPONENT_MAX);
        assert_memory_equal(buffer + b.size - 4, ".mkv", 4);
    }
    path_set_free(s);
}

/* Names that differ only where they would be cut compete for the same numbers. */
static void many_long_names_with_one_stem_stay_cheap(void **state)
{
    (void)state;
    char name[PATH_COMPONENT_MAX + 1], buffer[PATH_LENGTH_MAX + 1];
    struct path_set *s = path_set_new(PATH_LOCAL, seed);
    memset(name, 'n', PATH_COMPONENT_MAX);
    name[PATH_COMPONENT_MAX] = '\0';
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned digit = 0, rest = i; digit < 5; digit++, rest /= 10)
            name[PATH_COMPONENT_MAX - 1 - digit] = (char)('0' + rest % 10);
        for (unsigned twice = 0; twice < 2; twice++) {
            struct builder b = builder_fixed(buffer, sizeof buffer);
            assert_int_equal(path_set_add_file(s, name, &b), 0);
            assert_true(b.size <= PATH_COMPONENT_MAX);
        }
    }
    path_set_free(s);
}

static void relative_paths_are_judged_as_a_whole(void **state)
{
    (void)state;
    assert_true(path_is_safe_relative(bytes_of_str("a/b/c.txt"), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str(""), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str("/a"), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str("a/"), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str("a//b"), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str("a/../b"), PATH_LOCAL));
    assert_true(path_is_safe_relative(bytes_of_str("a/aux.c"), PATH_LOCAL));
    assert_false(path_is_safe_relative(bytes_of_str("a/aux.c"), PATH_PORTABLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_names_become_harmless),
        cmocka_unit_test(every_pair_of_bytes_comes_out_safe),
        cmocka_unit_test(long_names_keep_their_extension_and_whole_characters),
        cmocka_unit_test(names_that_a_file_system_may_confuse_fold_to_the_same),
        cmocka_unit_test(paths_that_are_taken_get_a_number),
        cmocka_unit_test(portable_paths_collide_when_they_fold_to_the_same),
        cmocka_unit_test(marked_names_stay_within_their_bound),
        cmocka_unit_test(many_long_names_with_one_stem_stay_cheap),
        cmocka_unit_test(relative_paths_are_judged_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
