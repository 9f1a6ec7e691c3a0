/* uTP's packets on the wire. */
#include "base/check.h"
#include "utp/utp_packet.h"

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t mask[8] = {1, 2, 3, 4, 5, 6, 7, 128}, out[UTP_STATE_MAX + 3];
    struct utp_packet p = {.type = UTP_STATE,
                          .id = 65535,
                          .timestamp = 0x01020304,
                          .difference = 0xfffffffe,
                          .window = 1048576,
                          .seq = 0,
                          .ack = 65535,
                          .sack = {mask, sizeof mask}},
                      q;
    size_t size = utp_packet_write(&p, out);
    assert_int_equal(size, UTP_HEADER_SIZE + 2 + 8);
    memcpy(out + size, "abc", 3);
    assert_true(utp_packet_parse(&q, bytes_of(out, size + 3)));
    assert_int_equal(q.type, UTP_STATE);
    assert_int_equal(q.id, p.id);
    assert_int_equal(q.timestamp, p.timestamp);
    assert_int_equal(q.difference, p.difference);
    assert_int_equal(q.window, p.window);
    assert_int_equal(q.seq, p.seq);
    assert_int_equal(q.ack, p.ack);
    assert_true(bytes_equal(q.sack, p.sack));
    assert_true(bytes_equal_str(q.payload, "abc"));
}

static void the_header_is_as_bep_29_draws_it(void **state)
{
    (void)state;
    static const uint8_t wire[] = {
        0x41, 0, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0};
    struct utp_packet p;
    assert_true(utp_packet_parse(&p, bytes_of(wire, sizeof wire)));
    assert_int_equal(p.type, UTP_SYN);
    assert_int_equal(p.id, 0x1234);
    assert_int_equal(p.timestamp, 1);
    assert_int_equal(p.difference, 2);
    assert_int_equal(p.window, 65536);
    assert_int_equal(p.seq, 1);
    uint8_t out[UTP_STATE_MAX];
    assert_int_equal(utp_packet_write(&p, out), sizeof wire);
    assert_memory_equal(out, wire, sizeof wire);
}

static void unknown_extensions_are_skipped_by_their_length(void **state)
{
    (void)state;
    uint8_t wire[UTP_HEADER_SIZE + 64] = {0x01, 9};
    static const uint8_t chain[] = {
        3, 2, 'x', 'y', 2, 4, 0, 0, 0, 7, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 'p'};
    struct utp_packet p;
    memcpy(wire + UTP_HEADER_SIZE, chain, sizeof chain);
    assert_true(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE + sizeof chain)));
    assert_int_equal(p.close_reason, 7);
    assert_int_equal(p.sack.size, 4);
    assert_true(bytes_equal_str(p.payload, "p"));
}

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
    uint8_t wire[400] = {0x01, 1};
    struct utp_packet p;
    assert_false(utp_packet_parse(&p, bytes_of(wire, 19)));
    assert_false(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE))); /* no extension there */
    wire[UTP_HEADER_SIZE + 1] = 5;
    assert_false(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE + 6))); /* cut off */
    wire[1] = 0;
    assert_true(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE)));
    wire[0] = 0x02; /* version */
    assert_false(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE)));
    wire[0] = 0x51; /* type */
    assert_false(utp_packet_parse(&p, bytes_of(wire, UTP_HEADER_SIZE)));
    wire[0] = 0x01;
    wire[1] = 9;
    memset(wire + UTP_HEADER_SIZE, 0, 380);
    for (int i = 0; i < 60; i++)
        wire[UTP_HEADER_SIZE + 2 * i] = 9; /* a chain without end */
    assert_false(utp_packet_parse(&p, bytes_of(wire, sizeof wire)));
}

static void sequence_numbers_are_compared_around_the_wrap(void **state)
{
    (void)state;
    assert_int_equal(utp_seq_distance(65535, 0), 1);
    assert_int_equal(utp_seq_distance(0, 65535), -1);
    assert_int_equal(utp_seq_distance(10, 20), 10);
    assert_int_equal(utp_seq_distance(0, 32768), -32768);
}

RUN(T(what_is_written_is_read), T(the_header_is_as_bep_29_draws_it),
    T(unknown_extensions_are_skipped_by_their_length), T(what_is_no_packet_is_refused),
    T(sequence_numbers_are_compared_around_the_wrap))
