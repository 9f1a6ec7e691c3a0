/* The peer wire's codecs: handshake, bounds of messages, the allowed-fast set, extensions. */
#include "base/err.h"
#include "base/text.h"
#include "proto/extension.h"
#include "proto/fast.h"
#include "proto/handshake.h"
#include "proto/peer_wire.h"
#include "proto/ut_holepunch.h"
#include "proto/ut_metadata.h"
#include "proto/ut_pex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void the_allowed_fast_set_is_the_one_of_bep_6(void **state)
{
    (void)state;
    static const uint32_t expected[] = {1059, 431, 808, 1217, 287, 376, 1188, 353, 508};
    struct endpoint peer = endpoint_v4(80u << 24 | 4 << 16 | 4 << 8 | 200, 1);
    struct info_hash hash;
    uint32_t set[9];
    memset(hash.b, 0xaa, sizeof hash.b);
    assert_int_equal(fast_allowed_set(&peer, &hash, 1313, set, 9), 9);
    assert_memory_equal(set, expected, sizeof expected);
    assert_int_equal(fast_allowed_set(&peer, &hash, 3, set, 9), 3);
    assert_int_equal(fast_allowed_set(&peer, &hash, 0, set, 9), 0);
}

static void a_handshake_is_read_back_and_can_be_answered_before_its_peer_id(void **state)
{
    (void)state;
    struct handshake h = {.extensions = true,
        .fast = true,
        .info_hash = {"an info-hash........"},
        .peer_id = {"-XX0000-............"}};
    struct handshake got;
    uint8_t bytes[HANDSHAKE_SIZE];
    handshake_encode(&h, bytes);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        int expected = n < HANDSHAKE_HASH_END ? 0
                       : n < HANDSHAKE_SIZE   ? (int)HANDSHAKE_HASH_END
                                              : (int)HANDSHAKE_SIZE;
        assert_int_equal(handshake_decode(bytes_of(bytes, n), &got), expected);
    }
    assert_true(got.extensions && got.fast && !got.dht && !got.v2);
    assert_memory_equal(got.info_hash.b, h.info_hash.b, 20);
    assert_memory_equal(got.peer_id.b, h.peer_id.b, 20);
    bytes[5] ^= 1;
    assert_int_equal(handshake_decode(bytes_of(bytes, 6), &got), ERR_PROTOCOL);
}

static void every_message_has_a_bound_on_its_length(void **state)
{
    (void)state;
    struct wire_limits known = {.metadata_known = true, .piece_count = 17}, unknown = {0};
    assert_int_equal(wire_check_length(WIRE_BITFIELD, 4, &known), 0);
    assert_int_equal(wire_check_length(WIRE_BITFIELD, 5, &known), ERR_PROTOCOL);
    assert_int_equal(wire_check_length(WIRE_BITFIELD, 5, &unknown), 0);
    assert_int_equal(wire_check_length(WIRE_REQUEST, 13, &known), 0);
    assert_int_equal(wire_check_length(WIRE_REQUEST, 14, &known), ERR_PROTOCOL);
    assert_int_equal(wire_check_length(WIRE_PIECE, 9, &known), ERR_PROTOCOL);
    assert_int_equal(wire_check_length(WIRE_PIECE, 9 + 16384, &known), 0);
    for (unsigned id = 0; id < 256; id++)
        assert_true(wire_check_length((uint8_t)id, UINT32_MAX, &unknown) < 0);
}

static void extension_handshakes_update_and_bear_odd_values(void **state)
{
    (void)state;
    static const char text[] =
        "d12:complete_agoi-1e1:md11:ut_metadatai3e6:ut_pexi0ee13:metadata_sizei"
        "31235e4:reqqi250e1:v6:a\x1b[2Jbe";
    struct extension_handshake h = {.ids = {.ut_pex = 9, .lt_donthave = 7}};
    assert_int_equal(extension_handshake_parse(bytes_of(text, sizeof text - 1), &h), 0);
    assert_int_equal(h.ids.ut_metadata, 3);
    assert_int_equal(h.ids.ut_pex, 0);
    assert_int_equal(h.ids.lt_donthave, 7);
    assert_int_equal(h.metadata_size, 31235);
    assert_int_equal(h.reqq, 250);
    assert_int_equal(h.complete_ago, -1);
    assert_null(strchr(h.client, '\x1b'));
    assert_true(extension_handshake_parse(bytes_of("le", 2), &h) < 0);
}

static void metadata_messages_are_read_back_with_their_data(void **state)
{
    (void)state;
    uint8_t buffer[256];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    struct ut_metadata m = {
        .type = UT_METADATA_DATA, .piece = 2, .total_size = 34256, .data = bytes_of("xxxxxxxx", 8)};
    struct ut_metadata got;
    ut_metadata_put(&b, &m);
    assert_int_equal(ut_metadata_parse(builder_bytes(&b), &got), 0);
    assert_int_equal(got.type, UT_METADATA_DATA);
    assert_int_equal(got.piece, 2);
    assert_int_equal(got.total_size, 34256);
    assert_true(bytes_equal(got.data, m.data));
    assert_int_equal(ut_metadata_parse(bytes_of("d8:msg_typei0ee", 15), &got), ERR_SYNTAX);
}

static void peer_exchange_takes_no_more_than_its_bound(void **state)
{
    (void)state;
    struct builder b = builder_heap(65536);
    struct ut_pex *m = malloc(sizeof *m);
    builder_format(&b, "d5:added%u:", 6 * 500);
    for (unsigned i = 0; i < 500; i++) {
        builder_u32(&b, 0x01020300 + i);
        builder_u16(&b, 6881);
    }
    builder_str(&b, "e");
    assert_int_equal(ut_pex_parse(builder_bytes(&b), m), 0);
    assert_int_equal(m->added_count, UT_PEX_ADDED_MAX);
    assert_int_equal(m->added[3].endpoint.port, 6881);
    builder_free(&b);
    free(m);
}

static void introductions_are_read_with_and_without_the_code_that_means_nothing(void **state)
{
    (void)state;
    static const uint8_t with[] = {1, 0, 5, 6, 7, 8, 0x1b, 0x58, 0, 0, 0, 0};
    static const uint8_t failed[] = {2, 0, 5, 6, 7, 8, 0x1b, 0x58, 0, 0, 0, 3};
    struct endpoint e = endpoint_v4(5u << 24 | 6 << 16 | 7 << 8 | 8, 7000);
    struct ut_holepunch m;
    uint8_t room[UT_HOLEPUNCH_SIZE_MAX], wrong[sizeof with];
    struct builder b = builder_fixed(room, sizeof room);
    ut_holepunch_put(&b, &(struct ut_holepunch){UT_HOLEPUNCH_CONNECT, e, 9});
    assert_true(bytes_equal(builder_bytes(&b), bytes_of(with, sizeof with)));
    assert_int_equal(ut_holepunch_parse(bytes_of(with, sizeof with), &m), 0);
    assert_int_equal(ut_holepunch_parse(bytes_of(with, 8), &m), 0);
    assert_true(m.type == UT_HOLEPUNCH_CONNECT && endpoint_equal(&m.address, &e));
    assert_int_equal(ut_holepunch_parse(bytes_of(failed, sizeof failed), &m), 0);
    assert_int_equal(m.error, UT_HOLEPUNCH_NO_SUPPORT);
    assert_int_equal(ut_holepunch_parse(bytes_of(failed, 8), &m), ERR_SYNTAX);
    for (size_t n = 0; n < sizeof with; n++)
        if (n != 8)
            assert_int_equal(ut_holepunch_parse(bytes_of(with, n), &m), ERR_SYNTAX);
    for (size_t at = 0; at < 2; at++) { /* an unknown type, an unknown family */
        memcpy(wrong, with, sizeof with);
        wrong[at] = 7;
        assert_int_equal(ut_holepunch_parse(bytes_of(wrong, sizeof wrong), &m), ERR_SYNTAX);
    }
}

static void a_clients_name_is_cut_between_characters(void **state)
{
    (void)state;
    struct extension_handshake h = {0};
    struct builder b = builder_heap(1 << 10);
    builder_str(&b, "d1:v61:\x01"); /* four bytes once escaped; then three for each character */
    for (unsigned i = 0; i < 20; i++)
        builder_str(&b, "\xe2\x82\xac");
    builder_str(&b, "e");
    assert_int_equal(extension_handshake_parse(builder_bytes(&b), &h), 0);
    assert_true(utf8_valid(bytes_of_str(h.client)));
    assert_int_equal(strlen(h.client), 4 + 19 * 3);
    b.size = 0;
    builder_str(&b, "d1:v100:");
    for (unsigned i = 0; i < 100; i++)
        builder_u8(&b, '\x02');
    builder_str(&b, "e");
    assert_int_equal(extension_handshake_parse(builder_bytes(&b), &h), 0);
    assert_int_equal(strlen(h.client), EXTENSION_CLIENT_MAX / 4 * 4); /* whole escapes */
    assert_int_equal(extension_handshake_parse(bytes_of("de", 2), &h), 0);
    assert_string_equal(h.client, "");
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_allowed_fast_set_is_the_one_of_bep_6),
        cmocka_unit_test(a_handshake_is_read_back_and_can_be_answered_before_its_peer_id),
        cmocka_unit_test(every_message_has_a_bound_on_its_length),
        cmocka_unit_test(introductions_are_read_with_and_without_the_code_that_means_nothing),
        cmocka_unit_test(extension_handshakes_update_and_bear_odd_values),
        cmocka_unit_test(a_clients_name_is_cut_between_characters),
        cmocka_unit_test(metadata_messages_are_read_back_with_their_data),
        cmocka_unit_test(peer_exchange_takes_no_more_than_its_bound),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
