/* BEP 14's datagram, written and read. */
#include "base/err.h"
#include "proto/lsd.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct lsd_announce got;

static int parse(const char *text)
{
    return lsd_parse(bytes_of_str(text), &got);
}

static void an_announce_is_written_letter_by_letter_as_bep_14_has_it(void **state)
{
    (void)state;
    char packet[LSD_PACKET_MAX];
    struct lsd_announce a = {.port = 6881, .count = 1, .cookie = "1f"};
    struct builder b = builder_fixed(packet, sizeof packet);
    memset(a.hashes[0].b, 0xab, 20);
    lsd_put(&b, ADDR_V6, &a);
    assert_true(bytes_equal_str(builder_bytes(&b),
        "BT-SEARCH * HTTP/1.1\r\nHost: [ff15::efc0:988f]:6771\r\nPort: 6881\r\n"
        "Infohash: abababababababababababababababababababab\r\ncookie: 1f\r\n\r\n\r\n"));
    b = builder_fixed(packet, sizeof packet);
    lsd_put(&b, ADDR_V4, &a);
    assert_non_null(strstr(builder_text(&b), "Host: 239.192.152.143:6771\r\n"));
}

static void a_full_announce_fits_into_one_packet_and_is_read_back(void **state)
{
    (void)state;
    uint8_t packet[LSD_PACKET_MAX];
    struct lsd_announce a = {.port = 65535, .count = LSD_SEND_MAX, .cookie = "7fffffff"};
    struct builder b = builder_fixed(packet, sizeof packet);
    for (unsigned i = 0; i < a.count; i++)
        memset(a.hashes[i].b, (int)i + 1, 20);
    lsd_put(&b, ADDR_V6, &a);
    assert_true(builder_ok(&b));
    assert_int_equal(lsd_parse(builder_bytes(&b), &got), 0);
    assert_int_equal(got.port, 65535);
    assert_int_equal(got.count, LSD_SEND_MAX);
    assert_memory_equal(got.hashes, a.hashes, sizeof a.hashes[0] * a.count);
    assert_string_equal(got.cookie, "7fffffff");
}

static void names_of_headers_are_read_in_any_case_and_strange_lines_passed_over(void **state)
{
    (void)state;
    assert_int_equal(parse("BT-SEARCH * HTTP/1.1\r\nX-New: :::\r\nno colon\r\n"
                           "PORT:\t7\r\ninfohash:ABABABABABABABABABABABABABABABABABABABAB \r\n"
                           "Infohash: short\r\n"
                           "Infohash: 0000000000000000000000000000000000000000\r\n"),
        0);
    assert_int_equal(got.port, 7);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.cookie, "");
}

static void what_lacks_its_port_or_hash_or_is_something_else_is_refused(void **state)
{
    (void)state;
    static const char hash[] = "Infohash: abababababababababababababababababababab\r\n";
    char text[256];
    static const char *const heads[] = {"BT-SEARCH * HTTP/1.1\r\nPort: 0\r\n",
        "BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\n", "BT-SEARCH * HTTP/1.1\r\nPort: -1\r\n",
        "BT-SEARCH * HTTP/1.1\r\n", "M-SEARCH * HTTP/1.1\r\nPort: 1\r\n", ""};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        strcpy(text, heads[i]);
        strcat(text, hash);
        assert_int_equal(parse(text), ERR_SYNTAX);
    }
    assert_int_equal(parse("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n"), ERR_SYNTAX);
    assert_int_equal(parse("BT-SEARCH * HTTP/1.1\r\n\r\nPort: 1\r\n"), ERR_SYNTAX);
}

static void a_cookie_longer_than_any_of_ours_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(parse("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n"
                           "Infohash: abababababababababababababababababababab\r\n"
                           "cookie: 0123456789012345678901234567890123456789\r\n\r\n"),
        0);
    assert_string_equal(got.cookie, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announce_is_written_letter_by_letter_as_bep_14_has_it),
        cmocka_unit_test(a_full_announce_fits_into_one_packet_and_is_read_back),
        cmocka_unit_test(names_of_headers_are_read_in_any_case_and_strange_lines_passed_over),
        cmocka_unit_test(what_lacks_its_port_or_hash_or_is_something_else_is_refused),
        cmocka_unit_test(a_cookie_longer_than_any_of_ours_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
