/* Whole connections over a line that does everything that lines do: streams are compared byte for
 * byte, over many seeds. */
#include "pair.h"

#include "base/err.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MIB (1024u * 1024u)

static const struct pair_line calm = {.delay = MSECS(20), .rate = 2 * MIB, .queue_max = 400000};

static void exchange(uint64_t seed, const struct pair_line *line, uint64_t forth, uint64_t back)
{
    struct pair p;
    pair_new(&p, seed, line);
    p.end[0].clock_rate = 1 + (pair_chance(&p) - 0.5) / 2500; /* up to 200 ppm */
    p.end[1].clock_rate = 1 + (pair_chance(&p) - 0.5) / 2500;
    bool connected = pair_connect(&p);
    bool right = connected && pair_exchange(&p, forth, back, SECONDS(3600));
    if (!right)
        printf("seed %llu: %s at %lld ms\n", (unsigned long long)seed,
            connected ? "not all arrived, or wrong" : "not connected", (long long)p.now / 1000);
    assert_true(right);
    pair_free(&p);
}

static void a_stream_arrives_over_a_calm_line(void **state)
{
    (void)state;
    exchange(1, &calm, 8 * MIB, 0);
    exchange(2, &calm, 0, 8 * MIB);
    exchange(3, &calm, 4 * MIB, 4 * MIB);
}

static void streams_arrive_whatever_the_line_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct pair_line line = {.delay = MSECS(1) + (usec)(seed * 7919 % 200) * 1000,
            .rate = seed % 3 ? (seed % 7 + 1) * 200000 : 0,
            .queue_max = seed % 5 * 40000,
            .loss = (double)(seed % 6) / 100,
            .reorder = (double)(seed % 4) / 10,
            .reorder_max = MSECS(seed % 9 * 5),
            .duplicate = (double)(seed % 3) / 50,
            .mtu = seed % 4 == 0 ? 600 + seed * 13 % 800 : 0};
        exchange(seed, &line, 300000 + seed * 1000, seed % 2 ? 200000 : 0);
    }
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    struct pair_line line = {.delay = MSECS(5), .loss = 0.002};
    exchange(4, &line, 130 * MIB, 0); /* 94,000 packets */
}

static void everything_written_arrives_before_the_end_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct pair_line line = {.delay = MSECS(30),
            .rate = 500000,
            .loss = (double)(seed % 6) / 100,
            .reorder = 0.1,
            .reorder_max = MSECS(40)};
        struct pair p;
        pair_new(&p, seed, &line);
        assert_true(pair_connect(&p));
        struct pair_stream s = {.pair = &p, .from = 0, .size = 50000 + seed};
        usec until = p.now + SECONDS(300);
        while (s.end == 0) {
            pair_stream_move(&s);
            if (s.written == s.size && !s.closed) {
                utp_close(p.end[0].socket, p.end[0].conn, pair_clock(&p, 0));
                s.closed = true;
            }
            if (s.end == 0 && !pair_step(&p, until))
                break;
        }
        assert_int_equal(s.end, ERR_CLOSED);
        assert_int_equal(s.read, s.size);
        assert_false(s.wrong);
        utp_close(p.end[1].socket, p.end[1].conn, pair_clock(&p, 1));
        pair_pass(&p, SECONDS(60));
        assert_int_equal(utp_socket_counts(p.end[0].socket).conns, 0);
        assert_int_equal(utp_socket_counts(p.end[1].socket).conns, 0);
        assert_int_equal(utp_socket_counts(p.end[1].socket).held, 0);
        pair_free(&p);
    }
}

static void a_reader_that_rests_stops_the_writer_and_no_byte_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct pair_line line = {.delay = MSECS(10), .loss = (double)(seed % 3) / 50};
        struct pair p;
        pair_new(&p, seed, &line);
        assert_true(pair_connect(&p));
        struct pair_stream s = {
            .pair = &p, .from = 0, .size = 6 * MIB, .read_from = p.now + SECONDS(120)};
        usec until = p.now + SECONDS(600);
        while (s.read < s.size && pair_step(&p, until)) {
            pair_stream_move(&s);
            assert_true(utp_inbox_size(&p.end[1].conn->in) + p.end[1].conn->reorder.bytes <=
                        UTP_ROOM_MAX + UTP_RECEIVE_SLACK);
        }
        assert_int_equal(s.read, s.size);
        assert_false(s.wrong);
        pair_free(&p);
    }
}

static void nobody_who_does_not_answer_is_waited_for_for_ever(void **state)
{
    (void)state;
    struct pair p;
    int err = 0;
    pair_new(&p, 1, &calm);
    p.end[0].corked = true;
    utp_connect(p.end[0].socket, &p.end[1].address, pair_clock(&p, 0), &p.end[0].conn);
    pair_pass(&p, SECONDS(8));
    assert_true(utp_take_connected(p.end[0].conn, &err));
    assert_int_equal(err, ERR_TIMEOUT);
    assert_int_equal(p.end[0].packets_out, UTP_SYN_TRIES);
    pair_free(&p);
}

static void who_falls_silent_while_data_is_under_way_is_given_up(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    p.end[1].corked = true;
    struct pair_stream s = {.pair = &p, .from = 0, .size = 100000};
    pair_stream_move(&s);
    uint8_t byte;
    struct iovec v = {&byte, 1};
    pair_pass(&p, SECONDS(15)); /* a router that starts anew is waited for */
    assert_int_equal(utp_readv(p.end[0].socket, p.end[0].conn, &v, 1), ERR_AGAIN);
    pair_pass(&p, SECONDS(10));
    assert_int_equal(utp_readv(p.end[0].socket, p.end[0].conn, &v, 1), ERR_TIMEOUT);
    pair_free(&p);
}

static void an_idle_connection_stays_and_says_so_to_the_router(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    pair_pass(&p, SECONDS(1));
    uint64_t before = p.end[0].packets_out;
    pair_pass(&p, SECONDS(600));
    uint64_t said = p.end[0].packets_out - before;
    assert_true(said >= 600 / 30 && said <= 600 / 29 + 1);
    assert_true(pair_exchange(&p, 100000, 100000, SECONDS(60)));
    pair_free(&p);
}

static void rings_outlast_a_moment_without_bytes_but_not_an_idle_time(void **state)
{
    (void)state;
    struct pair p;
    pair_new(&p, 1, &calm);
    assert_true(pair_connect(&p));
    assert_true(pair_exchange(&p, 100000, 0, SECONDS(60)));
    struct pair_stream late = {
        .pair = &p, .from = 0, .size = 100000, .read_from = p.now + MSECS(100)};
    while (late.read < late.size && pair_step(&p, p.now + SECONDS(10)))
        pair_stream_move(&late);
    pair_pass(&p, MSECS(100));
    assert_int_equal(p.end[0].conn->out.size, 0);
    assert_non_null(p.end[0].conn->out.data);
    assert_non_null(p.end[1].conn->in.ring.data);
    pair_pass(&p, 3 * UTP_RINGS_REST);
    assert_null(p.end[0].conn->out.data);
    assert_null(p.end[1].conn->in.ring.data);
    assert_int_equal(p.end[0].conn->rest_at, NEVER);
    assert_int_equal(p.end[1].conn->rest_at, NEVER);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_over_a_calm_line),
        cmocka_unit_test(streams_arrive_whatever_the_line_does),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(everything_written_arrives_before_the_end_does),
        cmocka_unit_test(a_reader_that_rests_stops_the_writer_and_no_byte_is_lost),
        cmocka_unit_test(nobody_who_does_not_answer_is_waited_for_for_ever),
        cmocka_unit_test(who_falls_silent_while_data_is_under_way_is_given_up),
        cmocka_unit_test(an_idle_connection_stays_and_says_so_to_the_router),
        cmocka_unit_test(rings_outlast_a_moment_without_bytes_but_not_an_idle_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
