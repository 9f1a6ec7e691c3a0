/* Announces over HTTP: what is asked, and how answers of all kinds are read. */
#include "base/err.h"
#include "proto/tracker_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tracker_reply reply;

static int parse(const char *text, size_t size)
{
    return tracker_http_parse(bytes_of(text, size), &reply);
}
#define PARSE(literal) parse(literal, sizeof literal - 1)

static void an_announce_says_all_that_trackers_ask_for(void **state)
{
    (void)state;
    struct tracker_announce a = {.info_hash = {{0x12, 'a', '%'}},
        .peer_id = {"-KI0100-abcdefghijkl"},
        .uploaded = 1,
        .downloaded = 2,
        .left = 3,
        .event = TRACKER_STARTED,
        .key = 0xabc,
        .numwant = 80,
        .port = 6881};
    struct builder b = builder_heap(4096);
    tracker_http_url("http://t/announce", &a, &b);
    assert_string_equal(builder_text(&b),
        "http://t/announce?info_hash=%12a%25%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00"
        "&peer_id=-KI0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2&left=3&key=00000ABC"
        "&numwant=80&compact=1&no_peer_id=1&supportcrypto=1&event=started");
    builder_free(&b);
}

static void a_trackers_own_query_and_id_are_kept(void **state)
{
    (void)state;
    struct tracker_announce a = {.port = 1, .id = "x y"};
    struct builder b = builder_heap(4096);
    tracker_http_url("http://t/a?pass=1#part", &a, &b);
    assert_non_null(strstr(builder_text(&b), "http://t/a?pass=1&info_hash="));
    assert_null(strstr(builder_text(&b), "#part"));
    assert_null(strstr(builder_text(&b), "event="));
    assert_non_null(strstr(builder_text(&b), "&trackerid=x%20y"));
    builder_free(&b);
}

static void compact_peers_of_both_families_are_read(void **state)
{
    (void)state;
    assert_int_equal(PARSE("d8:completei5e10:incompletei7e8:intervali1800e12:min intervali60e"
                           "5:peers12:\x7f\0\0\1\x1a\xe1\1\2\3\4\0\x50"
                           "6:peers618:\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x1a\xe1"
                           "e"),
        0);
    assert_false(reply.failed);
    assert_int_equal(reply.interval, 1800);
    assert_int_equal(reply.min_interval, 60);
    assert_int_equal(reply.seeders, 5);
    assert_int_equal(reply.leechers, 7);
    assert_int_equal(reply.completed, -1);
    assert_int_equal(reply.peer_count, 3);
    assert_int_equal(reply.peers[0].port, 6881);
    assert_int_equal(reply.peers[1].ip[0], 1);
    assert_int_equal(reply.peers[2].family, ADDR_V6);
}

static void peers_as_dictionaries_are_read_and_names_left_out(void **state)
{
    (void)state;
    assert_int_equal(PARSE("d8:intervali9e5:peersl"
                           "d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee"
                           "d2:ip7:example4:porti6881ee"
                           "d2:ip3:::14:porti80ee"
                           "d2:ip9:127.0.0.14:porti70000ee"
                           "ee"),
        0);
    assert_int_equal(reply.peer_count, 2);
    assert_int_equal(reply.peers[1].family, ADDR_V6);
}

static void a_refusal_carries_its_reason_and_when_to_come_back(void **state)
{
    (void)state;
    assert_int_equal(PARSE("d14:failure reason6:go off8:retry in2:15e"), 0);
    assert_true(reply.failed);
    assert_string_equal(reply.failure, "go off");
    assert_int_equal(reply.retry_in, 900);
    assert_int_equal(PARSE("d14:failure reason6:go off8:retry in5:nevere"), 0);
    assert_int_equal(reply.retry_in, TRACKER_NEVER);
    assert_int_equal(PARSE("d14:failure reason0:e"), 0);
    assert_true(reply.failed);
}

static void our_address_and_the_trackers_id_are_taken(void **state)
{
    (void)state;
    assert_int_equal(PARSE("d11:external ip4:\1\2\3\4"
                           "8:intervali1e5:peers0:10:tracker id3:abce"),
        0);
    assert_int_equal(reply.external.family, ADDR_V4);
    assert_string_equal(reply.id, "abc");
}

/* In parts it is another tracker's id, or nobody's. */
static void an_id_that_cannot_be_sent_back_whole_is_not_sent_back(void **state)
{
    (void)state;
    for (unsigned size = TRACKER_ID_MAX; size <= TRACKER_ID_MAX + 1; size++) {
        struct builder b = builder_heap(1 << 10);
        builder_format(&b, "d8:intervali1e10:tracker id%u:", size);
        for (unsigned i = 0; i < size; i++)
            builder_u8(&b, 'x');
        builder_u8(&b, 'e');
        assert_int_equal(tracker_http_parse(builder_bytes(&b), &reply), 0);
        assert_int_equal(strlen(reply.id), size > TRACKER_ID_MAX ? 0 : size);
        builder_free(&b);
    }
    assert_int_equal(PARSE("d8:intervali1e10:tracker id3:a\0be"), 0);
    assert_string_equal(reply.id, "");
}

/* Or block lists, and the rules for each kind of address, would be passed by. */
static void addresses_of_ipv4_in_ipv6_are_ipv4(void **state)
{
    (void)state;
    assert_int_equal(PARSE("d11:external ip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"
                           "8:intervali1e"
                           "6:peers618:\0\0\0\0\0\0\0\0\0\0\xff\xff\x8\x8\x8\x8\x1a\xe1"
                           "e"),
        0);
    struct endpoint peer = endpoint_v4(0x08080808, 6881), external = endpoint_v4(0x01020304, 0);
    assert_int_equal(reply.peer_count, 1);
    assert_true(endpoint_equal(&reply.peers[0], &peer));
    assert_true(endpoint_equal(&reply.external, &external));
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("<html>not found</html>"), ERR_SYNTAX);
    assert_int_equal(PARSE(""), ERR_SYNTAX);
    assert_int_equal(PARSE("le"), ERR_SYNTAX);
    assert_int_equal(PARSE("d8:interval"), ERR_SYNTAX);
    char *huge = calloc(1, TRACKER_HTTP_BODY_MAX + 1);
    assert_int_equal(parse(huge, TRACKER_HTTP_BODY_MAX + 1), ERR_LIMIT);
    free(huge);
}

static void absurd_numbers_do_no_harm(void **state)
{
    (void)state;
    assert_int_equal(
        PARSE("d8:completei-5e8:intervali-1e12:min intervali99999999999999e5:peers7:aaaaaaae"), 0);
    assert_int_equal(reply.interval, 0);
    assert_int_equal(reply.min_interval, TRACKER_NEVER - 1);
    assert_int_equal(reply.seeders, -1);
    assert_int_equal(reply.peer_count, 1);
}

static void more_peers_than_the_bound_are_left_out(void **state)
{
    (void)state;
    struct builder b = builder_heap(1 << 20);
    builder_str(&b, "d5:peers6000:");
    for (int i = 0; i < 1000; i++)
        builder_bytes_put(&b, "\1\2\3\4\1\1", 6);
    builder_str(&b, "e");
    assert_int_equal(tracker_http_parse(builder_bytes(&b), &reply), 0);
    assert_int_equal(reply.peer_count, TRACKER_PEERS_MAX);
    builder_free(&b);
}

/* The examples of BEP 48. */
static void a_scrape_address_is_made_of_an_announce_address(void **state)
{
    (void)state;
    static const struct {
        const char *announce, *scrape;
    } cases[] = {
        {"http://example.com/announce", "http://example.com/scrape?info_hash="},
        {"http://example.com/x/announce", "http://example.com/x/scrape?info_hash="},
        {"http://example.com/announce.php", "http://example.com/scrape.php?info_hash="},
        {"http://example.com/a", NULL},
        {"http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644&info_hash="},
        {"http://example.com/announce?x=2/4", "http://example.com/scrape?x=2/4&info_hash="},
        {"http://example.com/x%064announce", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct info_hash hash = {{0}};
        struct builder b = builder_heap(4096);
        int err = tracker_http_scrape_url(cases[i].announce, &hash, 1, &b);
        assert_int_equal(err, cases[i].scrape ? 0 : ERR_UNSUPPORTED);
        if (cases[i].scrape)
            assert_memory_equal(builder_text(&b), cases[i].scrape, strlen(cases[i].scrape));
        builder_free(&b);
    }
}

static void a_scrape_counts_each_torrent_that_it_asks_for(void **state)
{
    (void)state;
    struct info_hash hashes[2];
    struct tracker_counts counts[2];
    memcpy(hashes[0].b, "aaaaaaaaaaaaaaaaaaaa", 20);
    memcpy(hashes[1].b, "bbbbbbbbbbbbbbbbbbbb", 20);
    struct bytes body = bytes_of_str(
        "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei3e10:downloadedi9e10:incompletei4eeee");
    struct builder b = builder_heap(4096);
    assert_int_equal(tracker_http_scrape_url("http://x/announce", hashes, 2, &b), 0);
    assert_string_equal(builder_text(&b),
        "http://x/scrape?info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbbbbbbbbbbbbbbbbbb");
    builder_free(&b);
    assert_int_equal(tracker_http_scrape_parse(body, hashes, 2, counts), 0);
    assert_int_equal(counts[0].seeders, 3);
    assert_int_equal(counts[0].leechers, 4);
    assert_int_equal(counts[0].completed, 9);
    assert_int_equal(counts[1].seeders, -1);
    body = bytes_of_str("d14:failure reason2:noe");
    assert_int_equal(tracker_http_scrape_parse(body, hashes, 2, counts), ERR_REFUSED);
    assert_int_equal(tracker_http_scrape_parse(bytes_of_str("de"), hashes, 2, counts), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announce_says_all_that_trackers_ask_for),
        cmocka_unit_test(a_trackers_own_query_and_id_are_kept),
        cmocka_unit_test(compact_peers_of_both_families_are_read),
        cmocka_unit_test(peers_as_dictionaries_are_read_and_names_left_out),
        cmocka_unit_test(a_refusal_carries_its_reason_and_when_to_come_back),
        cmocka_unit_test(our_address_and_the_trackers_id_are_taken),
        cmocka_unit_test(an_id_that_cannot_be_sent_back_whole_is_not_sent_back),
        cmocka_unit_test(addresses_of_ipv4_in_ipv6_are_ipv4),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(absurd_numbers_do_no_harm),
        cmocka_unit_test(more_peers_than_the_bound_are_left_out),
        cmocka_unit_test(a_scrape_address_is_made_of_an_announce_address),
        cmocka_unit_test(a_scrape_counts_each_torrent_that_it_asks_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
