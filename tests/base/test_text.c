/* Hex, base32, percent-encoding, UTF-8, escaping, numbers. */
#include "base/err.h"
#include "base/text.h"
#include "check.h"

static struct builder b;

static int start(void **state)
{
    (void)state;
    b = builder_heap(4096);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    builder_free(&b);
    return 0;
}

static void hex_goes_both_ways_and_is_strict(void **state)
{
    (void)state;
    uint8_t raw[3];
    char text[7];
    hex_encode("\x00\xab\xff", 3, text);
    assert_string_equal(text, "00abff");
    assert_int_equal(hex_decode(bytes_of_str("00aBFf"), raw, 3), 0);
    assert_memory_equal(raw, "\x00\xab\xff", 3);
    static const char *const bad[] = {"", "00abf", "00abff0", "00abfg", "00ab f", "0x00ab",
        "00ab@f", "00ab`f", "00ab/f", "00ab:f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(hex_decode(bytes_of_str(bad[i]), raw, 3), ERR_SYNTAX);
}

/* RFC 4648 section 10, without padding */
static void base32_agrees_with_the_rfc(void **state)
{
    (void)state;
    static const char *const raw[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const text[] = {
        "", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        uint8_t out[8];
        size_t size = strlen(raw[i]);
        b.size = 0;
        base32_encode(raw[i], size, &b);
        assert_string_equal(builder_text(&b), text[i]);
        assert_int_equal(base32_decode(bytes_of_str(text[i]), out, size), 0);
        assert_memory_equal(out, raw[i], size);
    }
}

static void base32_refuses_what_has_another_form(void **state)
{
    (void)state;
    uint8_t out[8];
    assert_int_equal(base32_decode(bytes_of_str("my"), out, 1), 0);
    static const char *const bad[] = {"MZ", "M", "MY=", "M1", "M8", "M0", "M[", "MY======", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(base32_decode(bytes_of_str(bad[i]), out, 1), ERR_SYNTAX);
}

static void percent_encoding_keeps_only_unreserved_characters(void **state)
{
    (void)state;
    percent_encode(bytes_of_str("aZ09-._~ /%+\xc3\xa9"), &b);
    assert_string_equal(builder_text(&b), "aZ09-._~%20%2F%25%2B%C3%A9");
}

static void every_byte_survives_percent_encoding(void **state)
{
    (void)state;
    uint8_t all[256];
    struct builder back = builder_heap(256);
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    percent_encode(bytes_of(all, 256), &b);
    assert_int_equal(percent_decode(builder_bytes(&b), &back, true), 0);
    assert_true(bytes_equal(builder_bytes(&back), bytes_of(all, 256)));
    builder_free(&back);
}

static void broken_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%2", "a%", "%%20", "%g0", "%0g", "%-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(percent_decode(bytes_of_str(bad[i]), &b, false), ERR_SYNTAX);
}

static void a_plus_is_a_space_only_where_it_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(percent_decode(bytes_of_str("a+b%2b"), &b, true), 0);
    assert_string_equal(builder_text(&b), "a b+");
    b.size = 0;
    assert_int_equal(percent_decode(bytes_of_str("a+b"), &b, false), 0);
    assert_string_equal(builder_text(&b), "a+b");
}

static void decoding_more_than_fits_is_a_limit(void **state)
{
    (void)state;
    char room[2];
    struct builder small = builder_fixed(room, sizeof room);
    assert_int_equal(percent_decode(bytes_of_str("abc"), &small, false), ERR_LIMIT);
}

static void well_formed_utf8_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid(bytes_of_str(good[i])));
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xe1\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "a\xfe", "\xf0\x90\x80", "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t code_point = 0;
        assert_false(utf8_valid(bytes_of_str(bad[i])));
        if (bad[i][0] == 'a')
            continue;
        assert_int_equal(utf8_next(bytes_of_str(bad[i]), &code_point), 1);
        assert_int_equal(code_point, 0xfffd);
    }
}

static void every_code_point_survives_utf8(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        if (code_point >= 0xd800 && code_point <= 0xdfff)
            continue;
        uint32_t back;
        b.size = 0;
        utf8_put(&b, code_point);
        assert_int_equal(utf8_next(builder_bytes(&b), &back), b.size);
        assert_int_equal(back, code_point);
    }
    b.size = 0;
    utf8_put(&b, 0xd800);
    utf8_put(&b, 0x110000);
    assert_string_equal(builder_text(&b), "\xef\xbf\xbd\xef\xbf\xbd");
}

static void nothing_that_moves_or_hides_text_survives_escaping(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *shown;
    } cases[] = {
        {"Gr\xc3\xbc\xc3\x9f"
         "e.txt",
            "Gr\xc3\xbc\xc3\x9f"
            "e.txt"},
        {"a\x1b[31m\r\n", "a\\x1b[31m\\x0d\\x0a"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "2J",
            "\\u{009b}2J"},
        {"photo\xe2\x80\xaegpj.exe", "photo\\u{202e}gpj.exe"},
        {"\xe2\x81\xa6", "\\u{2066}"},
        {"a\xe2\x80\x8b"
         "b",
            "a\\u{200b}b"},
        {"\xe2\x80\xa8", "\\u{2028}"},
        {"\xef\xbb\xbf", "\\u{feff}"},
        {"\xf3\xa0\x81\x81", "\\u{e0041}"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xe2\x80", "\\xe2\\x80"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        b.size = 0;
        text_escape(bytes_of_str(cases[i].raw), &b);
        assert_string_equal(builder_text(&b), cases[i].shown);
    }
}

static void escaped_text_is_always_printable_utf8(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (int round = 0; round < 2000; round++) {
        uint8_t noise[64];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(next_random(&random) >> (round % 5));
        b.size = 0;
        text_escape(bytes_of(noise, sizeof noise), &b);
        assert_true(utf8_valid(builder_bytes(&b)));
        for (size_t i = 0; i < b.size; i++)
            assert_true(b.data[i] >= 0x20 && b.data[i] != 0x7f);
    }
}

static void numbers_are_digits_within_their_limit(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(parse_u64(bytes_of_str("18446744073709551615"), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(parse_u64(bytes_of_str("0010"), 10, &value), 0);
    assert_int_equal(value, 10);
    assert_int_equal(parse_u64(bytes_of_str("11"), 10, &value), ERR_LIMIT);
    assert_int_equal(
        parse_u64(bytes_of_str("18446744073709551616"), UINT64_MAX, &value), ERR_LIMIT);
    assert_int_equal(
        parse_u64(bytes_of_str("99999999999999999999999"), UINT64_MAX, &value), ERR_LIMIT);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1a", "0x1", "111111111111111111111x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse_u64(bytes_of_str(bad[i]), UINT64_MAX, &value), ERR_SYNTAX);
    assert_int_equal(value, 10);
}

#define B(name) cmocka_unit_test_setup_teardown(name, start, stop)
RUN(T(hex_goes_both_ways_and_is_strict), B(base32_agrees_with_the_rfc),
    T(base32_refuses_what_has_another_form), B(percent_encoding_keeps_only_unreserved_characters),
    B(every_byte_survives_percent_encoding), B(broken_escapes_are_refused),
    B(a_plus_is_a_space_only_where_it_is_asked_for), T(decoding_more_than_fits_is_a_limit),
    T(well_formed_utf8_is_accepted), T(malformed_utf8_is_refused),
    B(every_code_point_survives_utf8), B(nothing_that_moves_or_hides_text_survives_escaping),
    B(escaped_text_is_always_printable_utf8), T(numbers_are_digits_within_their_limit))
