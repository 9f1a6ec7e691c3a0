/* A port on the router: both dialects byte for byte, patience, renewal, a router that forgot, and
 * who is believed. */
#include "base/err.h"
#include "proto/port_map.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define PORT 7000

static struct port_map m;
static struct port_map_config config;
static uint8_t sent[PORT_MAP_DATAGRAM_MAX];
static size_t sent_size;
static usec now;

static int set_up(void **state)
{
    (void)state;
    now = SECONDS(100);
    config = (struct port_map_config){.router = endpoint_v4(0xc0a80701, NATPMP_PORT),
        .client = endpoint_v4(0xc0a80702, 0),
        .port = PORT,
        .nonces = {{"nonce of tcp"}, {"nonce of udp"}}};
    port_map_init(&m, &config, now);
    return 0;
}

/* The next datagram that is due; its size. */
static size_t next(void)
{
    struct builder b = builder_fixed(sent, sizeof sent);
    sent_size = port_map_send(&m, &b, now) ? b.size : 0;
    assert_true(builder_ok(&b));
    return sent_size;
}

static unsigned drain(void)
{
    unsigned count = 0;
    while (next() > 0)
        count++;
    return count;
}

static bool hear(const void *data, size_t size)
{
    return port_map_receive(&m, &config.router, bytes_of(data, size), now);
}

/* What a router says to the PCP request in `sent`. */
static bool pcp_grants(uint16_t port, uint32_t lifetime, uint32_t epoch, uint8_t result)
{
    uint8_t a[60] = {2, 0x81, 0, result};
    store_u32(a + 4, lifetime);
    store_u32(a + 8, epoch);
    memcpy(a + 24, sent + 24, 12 + 4 + 2); /* nonce, protocol, our port */
    store_u16(a + 42, port);
    static const uint8_t ip[16] = {[10] = 0xff, 0xff, 5, 5, 5, 1};
    memcpy(a + 44, ip, 16);
    return hear(a, sizeof a);
}

static bool natpmp_grants(uint8_t opcode, uint16_t port, uint32_t lifetime, uint32_t epoch)
{
    uint8_t a[16] = {0, (uint8_t)(0x80 | opcode)};
    store_u32(a + 4, epoch);
    store_u16(a + 8, PORT);
    store_u16(a + 10, port);
    store_u32(a + 12, lifetime);
    return hear(a, sizeof a);
}

static bool natpmp_address(uint32_t epoch)
{
    uint8_t a[12] = {0, 0x80};
    store_u32(a + 4, epoch);
    store_u32(a + 8, 0x05050501);
    return hear(a, sizeof a);
}

static void map_by_pcp(uint32_t lifetime, uint32_t epoch)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(next(), 60);
        assert_true(pcp_grants(PORT, lifetime, epoch, 0));
    }
}

static void a_request_of_pcp_is_the_rfcs_byte_for_byte(void **state)
{
    static const uint8_t expected[60] = {2, 1, 0, 0, 0, 0, 0x1c, 0x20, /* MAP, 7200 s */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 7, 2,      /* client */
        'n', 'o', 'n', 'c', 'e', ' ', 'o', 'f', ' ', 't', 'c', 'p', 6, 0, 0, 0, 0x1b, 0x58, 0x1b,
        0x58};
    (void)state;
    assert_int_equal(next(), sizeof expected);
    assert_memory_equal(sent, expected, sizeof expected);
}

static void both_ports_are_mapped_and_renewed_at_half_their_life(void **state)
{
    (void)state;
    struct endpoint e, outer = endpoint_v4(0x05050501, PORT);
    map_by_pcp(3600, 10);
    assert_true(port_map_external(&m, PORT_MAP_TCP, now, &e) && endpoint_equal(&e, &outer));
    assert_true(port_map_external(&m, PORT_MAP_UDP, now, &e));
    assert_false(port_map_external(&m, PORT_MAP_UDP, now + SECONDS(3600), &e));
    assert_int_equal(m.dialect, PORT_MAP_PCP);
    now += SECONDS(1799);
    /* The clock was asked for meanwhile. */
    while (next() == 24)
        ;
    assert_int_equal(sent_size, 0);
    now += SECONDS(1);
    unsigned renewals = 0;
    while (next() > 0)
        renewals += sent_size == 60 && !pcp_grants(PORT, 3600, 1810, 0);
    assert_int_equal(renewals, 2); /* and nothing has changed by it */
}

static void a_router_of_natpmp_alone_says_so_and_is_asked_in_its_words(void **state)
{
    (void)state;
    static const uint8_t unsupported[8] = {0, 0x81, 0, 1, 0, 0, 0, 10};
    static const uint8_t tcp[12] = {0, 2, 0, 0, 0x1b, 0x58, 0x1b, 0x58, 0, 0, 0x1c, 0x20};
    struct endpoint e;
    assert_int_equal(drain(), 2);
    assert_false(hear(unsupported, sizeof unsupported));
    assert_int_equal(next(), sizeof tcp);
    assert_memory_equal(sent, tcp, sizeof tcp);
    assert_true(natpmp_grants(NATPMP_MAP_TCP, 7001, 7200, 10));
    assert_int_equal(next(), sizeof tcp);
    assert_true(natpmp_grants(NATPMP_MAP_UDP, 7001, 7200, 10));
    assert_true(port_map_external(&m, PORT_MAP_TCP, now, &e));
    assert_int_equal(e.family, ADDR_NONE);
    assert_int_equal(next(), 2); /* its address is asked for, too */
    assert_true(natpmp_address(10));
    assert_true(port_map_external(&m, PORT_MAP_TCP, now, &e));
    struct endpoint outer = endpoint_v4(0x05050501, 7001);
    assert_true(endpoint_equal(&e, &outer));
}

static void a_router_that_is_deaf_to_pcp_hears_natpmp_within_a_second(void **state)
{
    (void)state;
    bool heard = false;
    for (usec end = now + SECONDS(1); now < end; now += MSECS(50))
        while (next() > 0)
            heard |= sent[0] == 0;
    assert_true(heard);
}

static void silence_is_asked_into_at_growing_intervals_and_then_no_more(void **state)
{
    (void)state;
    usec began = now;
    unsigned count = 0;
    while (port_map_deadline(&m) < began + SECONDS(130)) {
        now = port_map_deadline(&m);
        count += drain();
        if (now > began + SECONDS(1))
            assert_true(m.silent);
    }
    assert_int_equal(count, 2 * PORT_MAP_TRIES);
    assert_true(port_map_deadline(&m) >= began + SECONDS(127) + PORT_MAP_REST);
}

static void who_is_not_the_router_or_has_not_our_nonce_is_not_believed(void **state)
{
    (void)state;
    struct endpoint e, stranger = endpoint_v4(0xc0a80703, NATPMP_PORT), port = config.router;
    uint8_t a[60] = {2, 0x81};
    assert_int_equal(next(), 60);
    store_u32(a + 4, 3600);
    memcpy(a + 24, sent + 24, 18);
    store_u16(a + 42, 7000);
    assert_false(port_map_receive(&m, &stranger, bytes_of(a, sizeof a), now));
    port.port = 5350;
    assert_false(port_map_receive(&m, &port, bytes_of(a, sizeof a), now));
    a[24] ^= 1;
    assert_false(hear(a, sizeof a));
    assert_false(port_map_external(&m, PORT_MAP_TCP, now, &e));
    a[24] ^= 1;
    assert_true(hear(a, sizeof a));
}

static void a_router_that_was_started_anew_is_asked_again_at_once(void **state)
{
    (void)state;
    static const uint8_t announce[24] = {2, 0x80, [11] = 3}; /* its clock stands at 3 */
    map_by_pcp(7200, 5000);
    now += PORT_MAP_CHECK;
    assert_int_equal(next(), 24);
    assert_int_equal(sent[1], PCP_ANNOUNCE);
    hear(announce, sizeof announce);
    assert_int_equal(next(), 60);
    assert_int_equal(next(), 60);
}

static void a_clock_that_runs_as_ours_does_is_no_reason_to_ask(void **state)
{
    (void)state;
    uint8_t announce[24] = {2, 0x80};
    map_by_pcp(7200, 5000);
    now += PORT_MAP_CHECK;
    assert_int_equal(next(), 24);
    store_u32(announce + 8, 5000 + PORT_MAP_CHECK / SECONDS(1));
    hear(announce, sizeof announce);
    assert_int_equal(next(), 0);
}

static void a_refusal_is_respected_for_a_while(void **state)
{
    (void)state;
    assert_int_equal(next(), 60);
    assert_false(pcp_grants(0, 30, 10, 2));
    assert_int_equal(next(), 60);
    assert_false(pcp_grants(0, 3000, 10, 2));
    assert_true(m.refused);
    assert_int_equal(port_map_deadline(&m), now + PORT_MAP_REST);
}

static void the_end_gives_back_what_was_mapped_and_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct endpoint e;
    map_by_pcp(7200, 10);
    port_map_remove(&m, now);
    assert_int_equal(next(), 60);
    assert_int_equal(load_u32(sent + 4), 0);
    assert_int_equal(load_u16(sent + 42), 0);
    assert_false(pcp_grants(PORT, 7200, 11, 0)); /* the late answer to a renewal */
    assert_true(pcp_grants(0, 0, 11, 0));
    assert_false(port_map_external(&m, PORT_MAP_TCP, now, &e));
    assert_false(port_map_is_idle(&m));
    usec began = now;
    while (port_map_deadline(&m) != NEVER) {
        now = port_map_deadline(&m) > now ? port_map_deadline(&m) : now;
        drain();
    }
    assert_true(port_map_is_idle(&m));
    assert_true(now - began < SECONDS(2)); /* a stop waits no longer */
}

static void what_was_never_granted_is_not_given_back(void **state)
{
    (void)state;
    drain();
    port_map_remove(&m, now);
    assert_true(port_map_is_idle(&m));
    assert_int_equal(next(), 0);
}

static void over_ipv6_only_pcp_is_spoken(void **state)
{
    (void)state;
    config.router = endpoint_from_ip6((const uint8_t[16]){0xfe, 0x80, [15] = 1}, NATPMP_PORT);
    config.client = endpoint_from_ip6((const uint8_t[16]){0x26, 0, [15] = 2}, 0);
    port_map_init(&m, &config, now);
    for (usec end = now + SECONDS(60); now < end; now += MSECS(250))
        while (next() > 0)
            assert_int_equal(sent[0], 2);
    assert_memory_equal(sent + 8, config.client.ip, 16);
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_of_pcp_is_the_rfcs_byte_for_byte),
        CASE(both_ports_are_mapped_and_renewed_at_half_their_life),
        CASE(a_router_of_natpmp_alone_says_so_and_is_asked_in_its_words),
        CASE(a_router_that_is_deaf_to_pcp_hears_natpmp_within_a_second),
        CASE(silence_is_asked_into_at_growing_intervals_and_then_no_more),
        CASE(who_is_not_the_router_or_has_not_our_nonce_is_not_believed),
        CASE(a_router_that_was_started_anew_is_asked_again_at_once),
        CASE(a_clock_that_runs_as_ours_does_is_no_reason_to_ask),
        CASE(a_refusal_is_respected_for_a_while),
        CASE(the_end_gives_back_what_was_mapped_and_does_not_wait_for_ever),
        CASE(what_was_never_granted_is_not_given_back),
        CASE(over_ipv6_only_pcp_is_spoken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
