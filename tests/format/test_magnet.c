/* Magnet links: what is read, what is refused and why, and that what is written reads the same. */
#include "base/err.h"
#include "base/text.h"
#include "format/magnet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define V1 "0123456789abcdef0123456789abcdef01234567"
#define V1_BASE32 "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
#define V2 "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"

static void check_round_trip(const struct magnet *m)
{
    struct magnet again;
    struct builder b = builder_heap(MAGNET_LENGTH_MAX * 4);
    assert_int_equal(magnet_write(m, &b), 0);
    assert_int_equal(magnet_parse(&again, builder_bytes(&b), NULL), 0);
    assert_true(magnet_equal(m, &again));
    magnet_free(&again);
    builder_free(&b);
}

static struct magnet parse(const char *text)
{
    struct magnet m;
    struct format_error error;
    int err = magnet_parse(&m, bytes_of_str(text), &error);
    if (err < 0)
        print_error("%s: %s\n", text, error.text);
    assert_int_equal(err, 0);
    assert_string_equal(error.text, "");
    return m;
}

static void a_v1_topic_is_hex_or_base32_in_any_case(void **state)
{
    (void)state;
    static const char *const same[] = {"magnet:?xt=urn:btih:" V1, "magnet:?xt=urn:btih:" V1_BASE32,
        "MAGNET:?XT=URN:BTIH:" V1_BASE32, "magnet:?xt=urn:btih:aerukz4jvpg66ajdivtytk6n54asgrlh",
        " magnet:?xt=urn:btih:" V1 "\n", "magnet:?xt.1=urn:btih:" V1,
        "magnet:?dn=x&amp;xt=urn:btih:" V1, "magnet:?xt=urn%3Abtih%3A" V1,
        "magnet:?xt=urn:btih:" V1 "&xt=urn:btih:" V1, "magnet:?xt=urn:sha1:xyz&xt=urn:btih:" V1,
        "magnet:?&&xt=urn:btih:" V1 "&&="};
    uint8_t want[20];
    hex_decode(bytes_of_str(V1), want, sizeof want);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct magnet m = parse(same[i]);
        assert_true(m.has_v1 && !m.has_v2);
        assert_memory_equal(m.v1.b, want, sizeof want);
        check_round_trip(&m);
        magnet_free(&m);
    }
}

static void hybrids_have_both_topics(void **state)
{
    (void)state;
    uint8_t want[32];
    hex_decode(bytes_of_str(V2), want, sizeof want);
    struct magnet m = parse("magnet:?xt=urn:btih:" V1 "&xt=urn:btmh:1220" V2);
    assert_true(m.has_v1 && m.has_v2);
    assert_memory_equal(m.v2.b, want, sizeof want);
    check_round_trip(&m);
    magnet_free(&m);
    m = parse("magnet:?xt=urn:btmh:1220" V2);
    assert_true(!m.has_v1 && m.has_v2);
    check_round_trip(&m);
    magnet_free(&m);
}

static void everything_that_a_link_carries_is_read(void **state)
{
    (void)state;
    struct magnet m = parse("magnet:?xt=urn:btih:" V1
                            "&dn=a+b%20c%26d%c3%a9&tr=http%3A%2F%2Fa%2Fx%3Fk%3D1%2b2&tr.1=udp://b:1"
                            "&tr.2=udp://c:2&ws=http://d/e%20f&ws=http://d/e%2520f"
                            "&x.pe=1.2.3.4:5&x.pe=[2001:db8::1]:6&x.pe=host.example:7"
                            "&so=9,0,2-4,3-5,6&xs=http://127.0.0.1/&as=file:///etc&mt=x&kt=y&zz=1");
    assert_string_equal(m.name, "a b c&d\xc3\xa9");
    assert_int_equal(m.tracker_count, 3);
    assert_string_equal(m.trackers[0], "http://a/x?k=1+2");
    assert_string_equal(m.trackers[1], "udp://b:1");
    assert_string_equal(m.trackers[2], "udp://c:2");
    assert_int_equal(m.web_seed_count, 1); /* one has a space in it, and is no URL */
    assert_string_equal(m.web_seeds[0], "http://d/e%20f");
    assert_int_equal(m.peer_count, 3);
    assert_int_equal(m.peers[0].endpoint.family, ADDR_V4);
    assert_int_equal(m.peers[1].endpoint.family, ADDR_V6);
    assert_int_equal(m.peers[1].endpoint.port, 6);
    assert_int_equal(m.peers[2].endpoint.family, ADDR_NONE);
    assert_string_equal(m.peers[2].host, "host.example");
    assert_int_equal(m.peers[2].endpoint.port, 7);
    assert_true(m.has_selection);
    assert_int_equal(m.selection_count, 3);
    assert_int_equal(m.selection[1].first, 2);
    assert_int_equal(m.selection[1].last, 6);
    assert_true(magnet_selects(&m, 0) && magnet_selects(&m, 5) && magnet_selects(&m, 9));
    assert_false(magnet_selects(&m, 1) || magnet_selects(&m, 7) || magnet_selects(&m, 10));
    check_round_trip(&m);
    magnet_free(&m);
}

static void names_are_repaired_and_cut(void **state)
{
    (void)state;
    struct magnet m = parse("magnet:?xt=urn:btih:" V1 "&dn=%00a%ff%00b&dn=second");
    assert_string_equal(m.name, "a\xef\xbf\xbd"
                                "b");
    check_round_trip(&m);
    magnet_free(&m);
    char text[8192];
    int size = snprintf(text, sizeof text, "magnet:?xt=urn:btih:" V1 "&dn=");
    memset(text + size, 'x', 5000);
    text[size + 5000] = '\0';
    m = parse(text);
    assert_true(strlen(m.name) <= MAGNET_NAME_MAX);
    magnet_free(&m);
}

static void broken_links_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *reason;
    } bad[] = {
        {"", ERR_SYNTAX, "not a magnet link"},
        {"http://x/", ERR_SYNTAX, "not a magnet link"},
        {"magnet:xt=urn:btih:" V1, ERR_SYNTAX, "not a magnet link"},
        {"magnet:?", ERR_SYNTAX, "no info-hash"},
        {"magnet:?dn=x", ERR_SYNTAX, "no info-hash"},
        {"magnet:?xt=urn:sha1:" V1_BASE32, ERR_UNSUPPORTED, "not a BitTorrent"},
        {"magnet:?xt=urn:btih:", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btih:0123", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btih:" V1 "0", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btih:zz23456789abcdef0123456789abcdef01234567", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btih:1ERUKZ4JVPG66AJDIVTYTK6N54ASGRLH", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btmh:" V2, ERR_SYNTAX, "btmh"},
        {"magnet:?xt=urn:btmh:1114" V2, ERR_SYNTAX, "btmh"},
        {"magnet:?xt=urn:btmh:1220" V2 "00", ERR_SYNTAX, "btmh"},
        {"magnet:?xt=urn:btih:" V1 "&xt=urn:btih:" V1_BASE32 "A", ERR_SYNTAX, "btih"},
        {"magnet:?xt=urn:btih:" V1 "&xt=urn:btih:ffffffffffffffffffffffffffffffffffffffff",
            ERR_MISMATCH, "two different"},
        {"magnet:?xt=urn:btih:" V1 "%zz", ERR_SYNTAX, "hex digits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct magnet m;
        struct format_error error;
        int err = magnet_parse(&m, bytes_of_str(bad[i].text), &error);
        if (err != bad[i].err || strstr(error.text, bad[i].reason) == NULL)
            print_error("%s: %d, %s\n", bad[i].text, err, error.text);
        assert_int_equal(err, bad[i].err);
        assert_non_null(strstr(error.text, bad[i].reason));
        assert_int_equal(magnet_parse(&m, bytes_of_str(bad[i].text), NULL), bad[i].err);
    }
}

static void hints_that_say_nothing_are_left_out_and_counted(void **state)
{
    (void)state;
    static const char *const hints[] = {"x.pe=", "x.pe=1.2.3.4", "x.pe=1.2.3.4:0",
        "x.pe=1.2.3.4:65536", "x.pe=256.2.3.4:5", "x.pe=::1:5", "x.pe=[::1]", "x.pe=a b:5",
        "x.pe=a/b:5", "x.pe=%zz", "so=a", "so=4-2", "so=4294967295", "so=-1", "so=%zz"};
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "magnet:?xt=urn:btih:" V1 "&%s&x.pe=1.2.3.4:5", hints[i]);
        struct magnet m = parse(text);
        assert_int_equal(m.hints_unread, 1);
        assert_int_equal(m.peer_count, 1);
        assert_false(m.has_selection);
        assert_true(magnet_selects(&m, 7));
        check_round_trip(&m);
        magnet_free(&m);
    }
    struct magnet m = parse("magnet:?xt=urn:btih:" V1 "&so=");
    assert_int_equal(m.hints_unread, 0);
    assert_true(magnet_selects(&m, 7));
    magnet_free(&m);
    m = parse("magnet:?xt=urn:btih:" V1 "&so=1,,4-2,3");
    assert_int_equal(m.hints_unread, 2);
    assert_true(magnet_selects(&m, 1) && magnet_selects(&m, 3));
    assert_false(magnet_selects(&m, 2));
    magnet_free(&m);
}

/* CVE-2010-1853: a hundred thousand parameters. */
static void floods_meet_a_bound(void **state)
{
    (void)state;
    static const char *const items[] = {
        "&tr=a:b", "&ws=a:b", "&x.pe=1.2.3.4:5", "&a", "&so=1", ("&xt=urn:btih:" V1)};
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        struct builder b = builder_heap(1 << 22);
        builder_str(&b, "magnet:?xt=urn:btih:" V1);
        for (unsigned n = 0; n < 100000; n++)
            builder_str(&b, items[i]);
        struct magnet m;
        struct format_error error;
        assert_int_equal(magnet_parse(&m, builder_bytes(&b), &error), ERR_LIMIT);
        b.size = MAGNET_LENGTH_MAX - MAGNET_LENGTH_MAX % strlen(items[i]);
        int err = magnet_parse(&m, builder_bytes(&b), &error);
        assert_true(err < 0 || i == 5);
        if (err == 0)
            magnet_free(&m);
        builder_free(&b);
    }
}

static void a_link_without_a_hash_is_not_written(void **state)
{
    (void)state;
    char small[20];
    struct magnet m = {0};
    struct builder b = builder_fixed(small, sizeof small);
    assert_int_equal(magnet_write(&m, &b), ERR_INVALID);
    m.has_v1 = true;
    assert_int_equal(magnet_write(&m, &b), ERR_LIMIT);
}

static void scopes_of_link_local_addresses_stay_at_home(void **state)
{
    (void)state;
    struct magnet_peer peer = {0};
    assert_int_equal(endpoint_parse(&peer.endpoint, bytes_of_str("[fe80::1]:9")), 0);
    peer.endpoint.scope = 3;
    struct magnet m = {.has_v1 = true, .peers = &peer, .peer_count = 1}, again;
    struct builder b = builder_heap(4096);
    assert_int_equal(magnet_write(&m, &b), 0);
    assert_null(strchr(builder_text(&b), '%'));
    assert_int_equal(magnet_parse(&again, builder_bytes(&b), NULL), 0);
    assert_int_equal(again.peers[0].endpoint.scope, 0);
    magnet_free(&again);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_v1_topic_is_hex_or_base32_in_any_case),
        cmocka_unit_test(hybrids_have_both_topics),
        cmocka_unit_test(everything_that_a_link_carries_is_read),
        cmocka_unit_test(names_are_repaired_and_cut),
        cmocka_unit_test(broken_links_are_refused_with_a_reason),
        cmocka_unit_test(hints_that_say_nothing_are_left_out_and_counted),
        cmocka_unit_test(floods_meet_a_bound),
        cmocka_unit_test(a_link_without_a_hash_is_not_written),
        cmocka_unit_test(scopes_of_link_local_addresses_stay_at_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
