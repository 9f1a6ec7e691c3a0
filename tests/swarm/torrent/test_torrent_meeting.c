/* How peers lead to other peers: exchange (BEP 11), introductions (BEP 55), and the bounds on what
 * one of them can make us do. */
#include "torrent_bench.h"

#include "proto/extension.h"
#include "proto/ut_holepunch.h"
#include "proto/ut_pex.h"
#include <stdlib.h>

#define THEIR_PEX 5
#define THEIR_PUNCH 6

static struct bench b;

static int set_up(void **state)
{
    struct bench_config config = {.pieces = 4, .piece_length = 16384, .v1 = true, .v2 = true};
    (void)state;
    bench_new(&b, &config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bench_free(&b);
    return 0;
}

static void say_extended(struct bench_peer *p, uint8_t id, struct bytes payload)
{
    struct builder m = builder_heap(payload.size + 1);
    builder_u8(&m, id);
    builder_span(&m, payload);
    bench_say_bytes(p, WIRE_EXTENDED, builder_bytes(&m));
    builder_free(&m);
}

/* A peer on the open internet, 5.5.n.1, that listens at 7000 and speaks both extensions. */
static struct bench_peer *meet(char id, bool punches, bool utp)
{
    struct peer_intro intro = bench_intro(&b, id);
    struct extension_handshake h = {
        .ids = {.ut_pex = THEIR_PEX, .ut_holepunch = punches ? THEIR_PUNCH : 0},
        .reqq = -1,
        .port = 7000,
        .metadata_size = -1,
        .upload_only = -1,
        .complete_ago = -1};
    struct builder m = builder_heap(1024);
    intro.address =
        endpoint_v4(0x05050001u + (b.peer_count << 8), (uint16_t)(50000 + b.peer_count));
    intro.utp = utp;
    struct bench_peer *p = bench_join_as(&b, &intro);
    assert_non_null(p->peer);
    extension_handshake_put(&m, &h);
    say_extended(p, EXTENSION_HANDSHAKE, builder_bytes(&m));
    builder_free(&m);
    return p;
}

/* The next extension message under this id of the peer's. */
static bool heard(struct bench_peer *p, uint8_t id, struct bytes *out)
{
    struct bytes m;
    while (bench_heard(p, WIRE_EXTENDED, &m))
        if (m.size > 0 && m.data[0] == id) {
            *out = bytes_of(m.data + 1, m.size - 1);
            return true;
        }
    return false;
}

static bool heard_pex(struct bench_peer *p, struct ut_pex *out)
{
    struct bytes m;
    return heard(p, THEIR_PEX, &m) && ut_pex_parse(m, out) == 0;
}

static bool heard_punch(struct bench_peer *p, struct ut_holepunch *out)
{
    struct bytes m;
    return heard(p, THEIR_PUNCH, &m) && ut_holepunch_parse(m, out) == 0;
}

static void say_punch(struct bench_peer *p, enum ut_holepunch_type type, struct endpoint about)
{
    uint8_t room[UT_HOLEPUNCH_SIZE_MAX];
    struct builder m = builder_fixed(room, sizeof room);
    ut_holepunch_put(&m, &(struct ut_holepunch){type, about, 0});
    say_extended(p, EXTENSION_UT_HOLEPUNCH, builder_bytes(&m));
}

static void say_pex(
    struct bench_peer *p, unsigned first, unsigned count, uint16_t port, uint8_t flags)
{
    struct ut_pex m = {0};
    struct builder out = builder_heap(8192);
    for (unsigned i = 0; i < count; i++)
        m.added[m.added_count++] =
            (struct ut_pex_peer){endpoint_v4(0x08000001 + ((first + i) << 8), port), flags};
    ut_pex_put(&out, &m);
    say_extended(p, EXTENSION_UT_PEX, builder_bytes(&out));
    builder_free(&out);
}

static struct endpoint listens(const struct bench_peer *p)
{
    struct endpoint e = p->peer->address;
    e.port = 7000;
    return e;
}

/* ---- exchange ------------------------------------------------------------------------------ */

static void who_joins_and_who_leaves_is_told_once_a_minute(void **state)
{
    (void)state;
    struct ut_pex m;
    struct bench_peer *a = meet('a', false, false), *c = meet('c', true, false);
    bench_pass(&b, SECONDS(4));
    assert_true(heard_pex(a, &m));
    assert_int_equal(m.added_count, 1);
    struct endpoint at = listens(c);
    assert_true(endpoint_equal(&m.added[0].endpoint, &at));
    assert_int_equal(m.added[0].flags, UT_PEX_HOLEPUNCH);
    meet('d', false, false);
    bench_pass(&b, SECONDS(30));
    assert_false(heard_pex(a, &m));
    bench_pass(&b, SECONDS(35));
    assert_true(heard_pex(a, &m));
    assert_int_equal(m.added_count, 1);
    assert_int_equal(m.dropped_count, 0);
    peer_link_lost(c->peer, ERR_CLOSED);
    bench_pass(&b, SECONDS(65));
    assert_true(heard_pex(a, &m));
    assert_int_equal(m.added_count, 0);
    assert_int_equal(m.dropped_count, 1);
    assert_true(endpoint_equal(&m.dropped[0], &at));
}

static void a_peer_by_utp_is_named_with_the_port_that_its_router_shows(void **state)
{
    (void)state;
    struct ut_pex m;
    struct bench_peer *a = meet('a', false, false), *c = meet('c', true, true);
    bench_pass(&b, SECONDS(4));
    assert_true(heard_pex(a, &m));
    assert_int_equal(m.added[0].flags, UT_PEX_HOLEPUNCH | UT_PEX_UTP);
    assert_true(endpoint_equal(&m.added[0].endpoint, &c->peer->address));
}

static void one_peer_may_name_fifty_and_not_more(void **state)
{
    (void)state;
    struct bench_peer *a = meet('a', false, false);
    say_pex(a, 0, 50, 6881, 0);
    assert_int_equal(peer_list_count(b.torrent->candidates), 50);
    bench_pass(&b, SECONDS(61));
    say_pex(a, 100, 50, 6881, 0);
    assert_int_equal(peer_list_count(b.torrent->candidates), 50);
    struct bench_peer *c = meet('c', false, false);
    say_pex(c, 200, 5, 6881, 0);
    assert_int_equal(peer_list_count(b.torrent->candidates), 55);
}

static void exchange_more_often_than_a_minute_does_not_count_and_a_flood_ends(void **state)
{
    (void)state;
    struct bench_peer *a = meet('a', false, false);
    say_pex(a, 0, 1, 6881, 0);
    say_pex(a, 1, 1, 6881, 0);
    assert_int_equal(peer_list_count(b.torrent->candidates), 1);
    for (unsigned i = 0; i < 4; i++)
        say_pex(a, 2 + i, 1, 6881, 0);
    assert_non_null(a->peer);
    say_pex(a, 9, 1, 6881, 0);
    assert_null(a->peer);
}

static void servers_and_neighbours_are_not_to_be_had_from_strangers(void **state)
{
    (void)state;
    struct bench_peer *a = meet('a', false, false), *c = meet('c', false, false);
    struct ut_pex m = {
        .added = {{endpoint_v4(0xc0a80101, 6881), 0}, {endpoint_v4(0x7f000001, 6881), 0}},
        .added_count = 2};
    struct builder out = builder_heap(1024);
    say_pex(a, 0, 5, 443, 0);
    ut_pex_put(&out, &m);
    say_extended(c, EXTENSION_UT_PEX, builder_bytes(&out));
    builder_free(&out);
    assert_int_equal(peer_list_count(b.torrent->candidates), 0);
}

static void of_one_machine_only_a_few_ports_are_tried(void **state)
{
    (void)state;
    for (uint16_t port = 2000; port < 2010; port++) {
        struct endpoint e = endpoint_v4(0x08080808, port);
        torrent_add_candidate(b.torrent, &e, ADDR_FROM_STRANGER);
    }
    assert_int_equal(peer_list_count(b.torrent->candidates), PEER_LIST_PORTS_MAX);
}

/* ---- introductions ------------------------------------------------------------------------- */

static void a_relay_tells_each_of_the_other(void **state)
{
    (void)state;
    struct ut_holepunch m;
    struct bench_peer *a = meet('a', true, true), *c = meet('c', true, true);
    struct endpoint a_at = a->peer->address, c_at = c->peer->address;
    say_punch(a, UT_HOLEPUNCH_RENDEZVOUS, c_at);
    assert_true(heard_punch(a, &m));
    assert_int_equal(m.type, UT_HOLEPUNCH_CONNECT);
    assert_true(endpoint_equal(&m.address, &c_at));
    assert_true(heard_punch(c, &m));
    assert_int_equal(m.type, UT_HOLEPUNCH_CONNECT);
    assert_true(endpoint_equal(&m.address, &a_at));
    assert_int_equal(b.punch_count, 0);
}

static void expect_failure(struct bench_peer *p, struct endpoint to, uint32_t error)
{
    struct ut_holepunch m;
    say_punch(p, UT_HOLEPUNCH_RENDEZVOUS, to);
    assert_true(heard_punch(p, &m));
    assert_int_equal(m.type, UT_HOLEPUNCH_FAILED);
    assert_int_equal(m.error, error);
    assert_true(endpoint_equal(&m.address, &to));
}

static void a_relay_says_why_it_cannot(void **state)
{
    (void)state;
    struct bench_peer *a = meet('a', true, true), *mute = meet('m', false, true);
    expect_failure(a, endpoint_v4(0x08080808, 7000), UT_HOLEPUNCH_NOT_CONNECTED);
    expect_failure(a, mute->peer->address, UT_HOLEPUNCH_NO_SUPPORT);
    expect_failure(a, a->peer->address, UT_HOLEPUNCH_NO_SELF);
}

static void who_does_not_speak_it_is_not_answered(void **state)
{
    (void)state;
    struct bytes m;
    struct bench_peer *mute = meet('m', false, true), *c = meet('c', true, true);
    say_punch(mute, UT_HOLEPUNCH_RENDEZVOUS, c->peer->address);
    say_punch(mute, UT_HOLEPUNCH_CONNECT, endpoint_v4(0x08080808, 7000));
    assert_false(heard(mute, THEIR_PUNCH, &m));
    assert_false(heard(c, THEIR_PUNCH, &m));
    assert_int_equal(b.punch_count, 0);
}

static void one_who_asks_too_often_is_ignored_and_one_target_is_not_sent_about(void **state)
{
    (void)state;
    struct ut_holepunch m;
    struct bench_peer *c = meet('c', true, true);
    unsigned told = 0, answered = 0;
    for (char id = 'd'; id < 'g'; id++) {
        struct bench_peer *a = meet(id, true, true);
        for (unsigned i = 0; i < 40; i++)
            say_punch(a, UT_HOLEPUNCH_RENDEZVOUS, c->peer->address);
        while (heard_punch(a, &m))
            answered++;
    }
    while (heard_punch(c, &m))
        told++;
    assert_int_equal(told, 12);
    assert_int_equal(answered, 12);
}

static void told_to_connect_both_sides_do_and_only_where_they_may(void **state)
{
    (void)state;
    struct bench_peer *relay = meet('r', true, true), *c = meet('c', true, true);
    struct endpoint there = endpoint_v4(0x08080808, 7000);
    say_punch(relay, UT_HOLEPUNCH_CONNECT, there);
    assert_int_equal(b.punch_count, 1);
    assert_true(endpoint_equal(&b.punches[0], &there));
    assert_int_equal(b.torrent->connecting, 1);
    torrent_connect_failed(b.torrent, &there, ERR_TIMEOUT);
    assert_int_equal(b.torrent->connecting, 0);
    say_punch(relay, UT_HOLEPUNCH_CONNECT, endpoint_v4(0xc0a80101, 7000)); /* a neighbour */
    say_punch(relay, UT_HOLEPUNCH_CONNECT, endpoint_v4(0x08080808, 443));  /* a server */
    say_punch(relay, UT_HOLEPUNCH_CONNECT, c->peer->address);              /* is here already */
    assert_int_equal(b.punch_count, 1);
    for (unsigned i = 0; i < 40; i++)
        say_punch(relay, UT_HOLEPUNCH_CONNECT, endpoint_v4(0x09000001 + (i << 8), 7000));
    assert_int_equal(b.punch_count, 9); /* 12 messages a minute, four of them above */
}

static void who_could_not_be_reached_is_asked_for_where_he_was_named(void **state)
{
    (void)state;
    struct ut_holepunch m;
    struct bench_peer *relay = meet('r', true, true);
    say_pex(relay, 0, 1, 7000, UT_PEX_HOLEPUNCH | UT_PEX_REACHABLE);
    say_pex(relay, 1, 1, 7000, 0);
    bench_pass(&b, SECONDS(2));
    assert_int_equal(b.connect_count, 1);
    assert_false(heard_punch(relay, &m));
    torrent_connect_failed(b.torrent, &b.connects[0], ERR_TIMEOUT);
    assert_true(heard_punch(relay, &m));
    assert_int_equal(m.type, UT_HOLEPUNCH_RENDEZVOUS);
    assert_true(endpoint_equal(&m.address, &b.connects[0]));
    bench_pass(&b, SECONDS(10));
    assert_int_equal(b.connect_count, 2);
    torrent_connect_failed(b.torrent, &b.connects[1], ERR_TIMEOUT);
    assert_false(heard_punch(relay, &m)); /* not again so soon */
}

static void who_is_behind_a_router_is_asked_for_at_once(void **state)
{
    (void)state;
    struct ut_holepunch m;
    struct bench_peer *relay = meet('r', true, true);
    say_pex(relay, 0, 1, 7000, UT_PEX_HOLEPUNCH);
    bench_pass(&b, SECONDS(2));
    assert_int_equal(b.connect_count, 1);
    assert_true(heard_punch(relay, &m));
    assert_true(endpoint_equal(&m.address, &b.connects[0]));
    /* And the answer finds the first attempt still under way. */
    say_punch(relay, UT_HOLEPUNCH_CONNECT, m.address);
    assert_int_equal(b.punch_count, 1);
    assert_int_equal(b.torrent->connecting, 2);
    torrent_connect_failed(b.torrent, &b.connects[0], ERR_TIMEOUT);
    torrent_connect_failed(b.torrent, &b.punches[0], ERR_TIMEOUT);
    assert_int_equal(b.torrent->connecting, 0);
}

static void our_address_is_passed_on_as_a_peer_sees_it(void **state)
{
    (void)state;
    static const char text[] = "d6:yourip4:\x09\x09\x09\x09"
                               "e";
    struct bench_peer *a = meet('a', false, false);
    say_extended(a, EXTENSION_HANDSHAKE, bytes_of(text, sizeof text - 1));
    struct endpoint nine = endpoint_v4(0x09090909, 0);
    assert_true(endpoint_equal(&b.seen_at, &nine));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(who_joins_and_who_leaves_is_told_once_a_minute),
        CASE(a_peer_by_utp_is_named_with_the_port_that_its_router_shows),
        CASE(one_peer_may_name_fifty_and_not_more),
        CASE(exchange_more_often_than_a_minute_does_not_count_and_a_flood_ends),
        CASE(servers_and_neighbours_are_not_to_be_had_from_strangers),
        CASE(of_one_machine_only_a_few_ports_are_tried),
        CASE(a_relay_tells_each_of_the_other),
        CASE(a_relay_says_why_it_cannot),
        CASE(who_does_not_speak_it_is_not_answered),
        CASE(one_who_asks_too_often_is_ignored_and_one_target_is_not_sent_about),
        CASE(told_to_connect_both_sides_do_and_only_where_they_may),
        CASE(who_is_behind_a_router_is_asked_for_at_once),
        CASE(who_could_not_be_reached_is_asked_for_where_he_was_named),
        CASE(our_address_is_passed_on_as_a_peer_sees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
