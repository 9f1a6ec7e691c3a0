/* Block lists as people have them: each kind of line, comments, damage, gzip. */
#include "base/err.h"
#include "format/ip_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

static struct ip_ranges *ranges;
static struct ip_list_counts counts;

/* The result of reading the text, fed `step` bytes at a time. */
static int read_in_steps(struct bytes text, size_t step)
{
    struct ip_list *l = ip_list_new();
    int err = 0;
    ip_ranges_drop(ranges);
    ranges = NULL;
    for (size_t at = 0; at < text.size && !err; at += step)
        err = ip_list_feed(
            l, bytes_of(text.data + at, step < text.size - at ? step : text.size - at));
    if (!err)
        err = ip_list_finish(l, &ranges, &counts);
    ip_list_free(l);
    return err;
}

static int read_list(const char *text)
{
    return read_in_steps(bytes_of_str(text), SIZE_MAX / 2);
}

static bool blocks(const char *address)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse_ip(&e, bytes_of_str(address), 0), 0);
    return ip_ranges_contain(ranges, &e);
}

static int tear_down(void **state)
{
    (void)state;
    ip_ranges_drop(ranges);
    ranges = NULL;
    return 0;
}

static void emule_lists_are_read_with_their_padding_and_levels(void **state)
{
    (void)state;
    assert_int_equal(read_list("# eMule\r\n"
                               "001.002.004.000 - 001.002.004.255 , 000 , Some : org, 5.6.7.8\r\n"
                               "010.011.012.008 - 010.011.012.009 , 127 , just so\r\n"
                               "020.000.000.000 - 020.255.255.255 , 128 , allowed\r\n"),
        0);
    assert_int_equal(counts.ranges, 2);
    assert_int_equal(counts.allowed, 1);
    assert_int_equal(counts.skipped, 0);
    assert_true(blocks("1.2.4.0") && blocks("1.2.4.255"));
    assert_true(blocks("10.11.12.8") && !blocks("10.11.12.10")); /* decimal, not octal */
    assert_false(blocks("20.1.1.1") || blocks("5.6.7.8"));
}

static void p2p_lists_are_read_whatever_their_words_are(void **state)
{
    (void)state;
    assert_int_equal(read_list("Some Org:1.2.4.0-1.2.4.255\n"
                               "With: colons:: and - dashes:3.0.0.0-3.0.0.1\n"
                               ":4.0.0.0-4.0.0.1\n"
                               "9.9.9.9 is its name:5.0.0.0-5.0.0.1\n"
                               "v6 people:2001:db8::1-2001:db8::5\n"
                               "v6 in brackets:[2001:db8:1::]-[2001:db8:1::5]\n"),
        0);
    assert_int_equal(counts.ranges, 6);
    assert_true(blocks("1.2.4.7") && blocks("3.0.0.1") && blocks("4.0.0.0") && blocks("5.0.0.1"));
    assert_true(blocks("2001:db8::3") && blocks("2001:db8:1::4"));
    assert_false(blocks("9.9.9.9") || blocks("::1"));
}

static void prefixes_single_addresses_and_plain_ranges_are_read(void **state)
{
    (void)state;
    assert_int_equal(read_list("\xef\xbb\xbf"
                               "1.2.3.4/24\n2001:db8::/32 # words\n8.8.8.8\n"
                               "  9.0.0.1-9.0.0.3;x\n::2 - ::4\n7.7.7.7 a word\n0.0.0.0/0 \n"),
        0);
    assert_int_equal(counts.ranges, 7);
    assert_true(blocks("2001:db8:ffff::1") && blocks("::3") && blocks("250.1.1.1"));
    assert_int_equal(ip_ranges_count(ranges), 3);
    assert_int_equal(read_list("1.2.3.4/24\n1.2.4.4/31"), 0);
    assert_true(blocks("1.2.3.0") && blocks("1.2.3.255") && blocks("1.2.4.4"));
    assert_false(blocks("1.2.4.6") || blocks("1.2.2.255") || blocks("1.2.4.0"));
}

static void comments_and_empty_lines_are_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_list(""), 0);
    assert_int_equal(read_list("\n\n# a\n; b\n// c\n   \t\n"), 0);
    assert_int_equal(counts.ranges + counts.skipped, 0);
}

static void damaged_lines_are_skipped_and_the_rest_holds(void **state)
{
    (void)state;
    char text[4 * IP_LIST_LINE_MAX] = {0};
    memset(text, '1', 3 * IP_LIST_LINE_MAX);
    strcat(text, "\n256.1.1.1\n1.2.3\n1.2.3.4/33\n1.2.3.4-\n9.9.9.9-1.1.1.1\n1.1.1.1-::1\nwords\n"
                 "1.2.3.4.5\n[::1\n6.6.6.6\n\n:\n0001.2.3.4");
    assert_int_equal(read_list(text), 0);
    assert_int_equal(counts.ranges, 1);
    assert_int_equal(counts.skipped, 12);
    assert_true(blocks("6.6.6.6"));
}

static void what_is_no_list_at_all_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_list("<html>\n<body>404</body>\n</html>\n"), ERR_SYNTAX);
    assert_null(ranges);
}

static struct bytes packed(const char *text, uint8_t *out, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = room - z.avail_out;
    deflateEnd(&z);
    return bytes_of(out, size);
}

static void gzip_is_recognised_in_any_portions_and_in_members(void **state)
{
    (void)state;
    uint8_t out[1024];
    struct bytes first = packed("1.0.0.0/8\nmore:2.0.0", out, 512);
    struct bytes second = packed(".0-2.0.0.9\n", out + first.size, 512);
    struct bytes both = bytes_of(out, first.size + second.size);
    for (size_t step = 1; step < 64; step += 3) {
        assert_int_equal(read_in_steps(both, step), 0);
        assert_int_equal(counts.ranges, 2);
        assert_true(blocks("1.1.1.1") && blocks("2.0.0.9") && !blocks("3.0.0.0"));
    }
}

static void a_cut_or_damaged_gzip_is_refused(void **state)
{
    (void)state;
    uint8_t out[512];
    struct bytes all = packed("1.0.0.0/8\n2.0.0.0/8\n", out, sizeof out);
    assert_int_equal(read_in_steps(bytes_of(out, all.size - 3), 5), ERR_TRUNCATED);
    out[all.size / 2] ^= 0xff;
    assert_int_equal(read_in_steps(all, 512), ERR_SYNTAX);
    assert_null(ranges);
}

static void a_bomb_ends_at_the_bound(void **state)
{
    (void)state;
    /* One member of 4 MiB of comments, again and again: 4 KiB become 4 MiB. */
    static char lines[4 << 20];
    static uint8_t out[1 << 16];
    for (size_t i = 0; i < sizeof lines - 1; i++)
        lines[i] = i % 512 ? '#' : '\n';
    struct bytes member = packed(lines, out, sizeof out);
    struct ip_list *l = ip_list_new();
    uint64_t fed = 0;
    int err = 0;
    while (!err && fed < 2 * IP_LIST_TEXT_MAX) {
        err = ip_list_feed(l, member);
        fed += sizeof lines - 1;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(fed <= IP_LIST_TEXT_MAX + sizeof lines);
    ip_list_free(l);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(emule_lists_are_read_with_their_padding_and_levels),
        TEST(p2p_lists_are_read_whatever_their_words_are),
        TEST(prefixes_single_addresses_and_plain_ranges_are_read),
        TEST(comments_and_empty_lines_are_nothing),
        TEST(damaged_lines_are_skipped_and_the_rest_holds),
        TEST(what_is_no_list_at_all_is_refused),
        TEST(gzip_is_recognised_in_any_portions_and_in_members),
        TEST(a_cut_or_damaged_gzip_is_refused),
        TEST(a_bomb_ends_at_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
