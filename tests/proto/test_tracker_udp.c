/* Announces over UDP (BEP 15, 41): the exchange, its retries, and forgeries. */
#include "proto/tracker_udp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct tracker_udp t;
static struct tracker_reply reply;
static uint8_t packet[TRACKER_UDP_PACKET_MAX];
static size_t packet_size;

static void begin(void)
{
    struct tracker_announce a = {.info_hash = {{1, 2, 3}},
        .peer_id = {"-KI0100-abcdefghijkl"},
        .downloaded = 5,
        .left = 6,
        .uploaded = 7,
        .event = TRACKER_COMPLETED,
        .key = 8,
        .numwant = 9,
        .port = 0x1ae1};
    tracker_udp_begin(&t, &a, "udp://host:1/announce?k=v", ADDR_V4, 42, 0);
}

static bool send_at(usec now)
{
    struct builder b = builder_fixed(packet, sizeof packet);
    bool sent = tracker_udp_send(&t, &b, now);
    assert_true(builder_ok(&b));
    packet_size = b.size;
    return sent;
}

static bool answer(const void *head, size_t head_size, const void *body, size_t size)
{
    uint8_t d[256];
    memcpy(d, head, head_size);
    memcpy(d + 4, packet + 12, 4); /* its transaction */
    memcpy(d + 8, body, size);
    return tracker_udp_receive(&t, bytes_of(d, 8 + size), &reply, SECONDS(1));
}

static bool connected(void)
{
    return answer("\0\0\0\0", 4, "CONNECTN", 8);
}

static void it_connects_and_then_announces(void **state)
{
    (void)state;
    begin();
    assert_true(send_at(0));
    assert_int_equal(packet_size, 16);
    assert_memory_equal(packet, "\0\0\4\x17\x27\x10\x19\x80\0\0\0\0", 12);
    assert_false(send_at(0));
    assert_true(connected());
    assert_true(send_at(SECONDS(1)));
    assert_memory_equal(packet, "CONNECTN\0\0\0\1", 12);
    assert_int_equal(packet_size, 98 + 2 + strlen("/announce?k=v"));
    assert_memory_equal(packet + 16, "\1\2\3\0", 4);
    assert_int_equal(load_u64(packet + 56), 5);
    assert_int_equal(load_u64(packet + 64), 6);
    assert_int_equal(load_u64(packet + 72), 7);
    assert_int_equal(load_u32(packet + 80), TRACKER_COMPLETED);
    assert_int_equal(load_u32(packet + 92), 9);
    assert_int_equal(load_u16(packet + 96), 0x1ae1);
    assert_memory_equal(packet + 98, "\2\xd/announce?k=v", 15);
    assert_true(
        answer("\0\0\0\1", 4, "\0\0\7\x08\0\0\0\3\0\0\0\4\1\2\3\4\0\x50\5\6\7\x08\0\0", 24));
    assert_int_equal(t.state, TRACKER_UDP_ANSWERED);
    assert_int_equal(reply.interval, 1800);
    assert_int_equal(reply.leechers, 3);
    assert_int_equal(reply.seeders, 4);
    assert_int_equal(reply.peer_count, 1); /* a port of 0 is no peer */
    assert_int_equal(reply.peers[0].port, 80);
}

static void a_scrape_reads_three_numbers_of_each_torrent(void **state)
{
    (void)state;
    struct info_hash hashes[3] = {{"first"}, {"second"}, {"third"}};
    struct tracker_counts counts[3];
    tracker_udp_begin_scrape(&t, hashes, 3, counts, ADDR_V4, 42, 0);
    send_at(0);
    connected();
    assert_true(send_at(0));
    assert_int_equal(packet_size, 16 + 3 * 20);
    assert_memory_equal(packet + 36, "second", 6);
    assert_true(answer("\0\0\0\2", 4, "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6", 24));
    assert_int_equal(counts[0].seeders, 1);
    assert_int_equal(counts[0].completed, 2);
    assert_int_equal(counts[0].leechers, 3);
    assert_int_equal(counts[1].leechers, 6);
    assert_int_equal(counts[2].seeders, -1); /* the answer does not reach it */
}

static void the_longest_scrape_fits_a_packet(void **state)
{
    (void)state;
    static struct info_hash hashes[TRACKER_SCRAPE_MAX];
    static struct tracker_counts counts[TRACKER_SCRAPE_MAX];
    tracker_udp_begin_scrape(&t, hashes, TRACKER_SCRAPE_MAX, counts, ADDR_V4, 42, 0);
    send_at(0);
    connected();
    assert_true(send_at(0));
    assert_int_equal(packet_size, 16 + 20 * TRACKER_SCRAPE_MAX);
}

static void an_error_is_an_answer(void **state)
{
    (void)state;
    begin();
    send_at(0);
    assert_true(answer("\0\0\0\3", 4, "go away", 7));
    assert_int_equal(t.state, TRACKER_UDP_ANSWERED);
    assert_true(reply.failed);
    assert_string_equal(reply.failure, "go away");
}

static void forged_late_and_short_datagrams_change_nothing(void **state)
{
    (void)state;
    begin();
    send_at(0);
    uint8_t forged[16] = {0};
    memcpy(forged + 4, packet + 12, 4);
    forged[7] ^= 1;
    assert_false(tracker_udp_receive(&t, bytes_of(forged, sizeof forged), &reply, 0));
    assert_false(tracker_udp_receive(&t, bytes_of(NULL, 0), &reply, 0));
    assert_false(answer("\0\0\0\0", 4, "SHORT", 5));
    assert_false(answer("\0\0\0\1", 4, "not asked for yet......", 23));
    assert_int_equal(t.state, TRACKER_UDP_CONNECTING);
    assert_true(connected());
    /* The answer to the connect, once more: its transaction is over. */
    assert_false(connected());
}

static void a_silent_tracker_is_asked_three_times(void **state)
{
    (void)state;
    begin();
    usec now = 0;
    unsigned sent = 0;
    while (t.state != TRACKER_UDP_SILENT) {
        sent += send_at(now);
        assert_true(t.deadline > now || t.state == TRACKER_UDP_SILENT);
        now = t.deadline;
        tracker_udp_tick(&t, now);
    }
    assert_int_equal(sent, TRACKER_UDP_RETRIES);
    assert_int_equal(now, SECONDS(15 + 30 + 60));
    assert_false(send_at(now));
}

static void a_connection_id_is_not_used_for_longer_than_a_minute(void **state)
{
    (void)state;
    begin();
    send_at(0);
    connected();
    send_at(SECONDS(1));
    tracker_udp_tick(&t, SECONDS(16));
    assert_int_equal(t.state, TRACKER_UDP_ASKING);
    send_at(SECONDS(40));
    tracker_udp_tick(&t, SECONDS(40) + SECONDS(30));
    assert_int_equal(t.state, TRACKER_UDP_CONNECTING);
}

static void a_lent_id_needs_no_connecting_and_is_given_up_when_it_brings_no_answer(void **state)
{
    (void)state;
    begin();
    tracker_udp_lend(&t, 0x4c454e54, SECONDS(0), SECONDS(1));
    assert_int_equal(t.state, TRACKER_UDP_ASKING);
    assert_true(send_at(SECONDS(1)));
    assert_memory_equal(packet, "\0\0\0\0LENT\0\0\0\1", 12);
    tracker_udp_tick(&t, t.deadline);
    assert_int_equal(t.state, TRACKER_UDP_CONNECTING);
    send_at(SECONDS(20));
    assert_true(connected());
    send_at(SECONDS(20));
    tracker_udp_tick(&t, t.deadline);
    assert_int_equal(t.state, TRACKER_UDP_ASKING); /* its own is known to be good */
}

static void refuse_lent(usec given, enum tracker_udp_state state)
{
    begin(); /* answers come at one second */
    tracker_udp_lend(&t, 1, given, SECONDS(1));
    send_at(SECONDS(1));
    assert_true(answer("\0\0\0\3", 4, "go away", 7));
    assert_int_equal(t.state, state);
}

static void a_refusal_to_a_lent_id_that_is_old_is_believed_when_it_is_repeated(void **state)
{
    (void)state;
    refuse_lent(SECONDS(1) - TRACKER_UDP_ID_DOUBT + 1, TRACKER_UDP_ANSWERED);
    refuse_lent(SECONDS(1) - TRACKER_UDP_ID_DOUBT, TRACKER_UDP_CONNECTING);
    tracker_udp_lend(&t, 2, SECONDS(1) - TRACKER_UDP_ID_DOUBT, SECONDS(1));
    send_at(SECONDS(1));
    assert_true(answer("\0\0\0\3", 4, "go away", 7));
    assert_int_equal(t.state, TRACKER_UDP_ANSWERED);
    assert_string_equal(reply.failure, "go away");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_connects_and_then_announces),
        cmocka_unit_test(a_scrape_reads_three_numbers_of_each_torrent),
        cmocka_unit_test(the_longest_scrape_fits_a_packet),
        cmocka_unit_test(an_error_is_an_answer),
        cmocka_unit_test(forged_late_and_short_datagrams_change_nothing),
        cmocka_unit_test(a_silent_tracker_is_asked_three_times),
        cmocka_unit_test(a_connection_id_is_not_used_for_longer_than_a_minute),
        cmocka_unit_test(a_lent_id_needs_no_connecting_and_is_given_up_when_it_brings_no_answer),
        cmocka_unit_test(a_refusal_to_a_lent_id_that_is_old_is_believed_when_it_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
