/* The simulated NATs let in what RFC 4787 says of each kind, forget when their time is over, and
 * stand behind one another. */
#include "sim_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PORT 6881

/* A node with one UDP socket that notes who has written to it last. */
struct talker {
    struct sim_host *host;
    struct env_udp *udp;
    unsigned heard;
    struct endpoint from;
};

static void hears(void *user)
{
    struct talker *t = user;
    uint8_t room[64];
    struct env_datagram d = {.data = room, .size = sizeof room};
    while (env_udp_receive(t->udp, &d, 1) == 1) {
        t->heard++;
        t->from = d.peer;
        d.size = sizeof room;
    }
}

static void talker_open(struct talker *t, struct sim_host *host, uint16_t port)
{
    struct endpoint at = endpoint_v4(0, port);
    *t = (struct talker){.host = host};
    assert_int_equal(env_udp_open(sim_host_env(host), &at, NULL, hears, t, &t->udp), 0);
}

static struct sim_host *host_new(struct sim_world *w, const char *ip, struct sim_nat *nat)
{
    return sim_host_new(w, &(struct sim_host_config){.name = ip, .addresses = {ip}, .nat = nat});
}

static struct endpoint ip4(const char *ip, uint16_t port)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse_ip(&e, bytes_of_str(ip), port), 0);
    return e;
}

static void send_word(struct talker *from, struct endpoint to)
{
    uint8_t word = 'x';
    struct env_datagram d = {.peer = to, .data = &word, .size = 1};
    assert_int_equal(env_udp_send(from->udp, &d, 1), 1);
}

struct street {
    struct sim_world *world;
    struct sim_nat *nat;
    struct talker inside, server, other_port, stranger;
};

static void pass(struct street *s, usec time)
{
    sim_world_run_until(s->world, sim_world_now(s->world) + time, NULL, NULL);
}

/* Says one word and waits until it has come, or not. */
static bool says(struct street *s, struct talker *from, struct talker *to, struct endpoint at)
{
    unsigned before = to->heard;
    send_word(from, at);
    pass(s, SECONDS(1));
    return to->heard > before;
}

/* A home behind a NAT; in the open a server with two ports, and a stranger. */
static void street_new(struct street *s, struct sim_nat_config nat)
{
    struct sim_config config = sim_config_calm(1);
    s->world = sim_world_new(&config);
    nat.address = "1.0.0.1";
    s->nat = sim_nat_new(s->world, &nat);
    talker_open(&s->inside, host_new(s->world, "192.168.1.2", s->nat), PORT);
    struct sim_host *server = host_new(s->world, "2.0.0.2", NULL);
    talker_open(&s->server, server, PORT);
    talker_open(&s->other_port, server, PORT + 1);
    talker_open(&s->stranger, host_new(s->world, "3.0.0.3", NULL), PORT);
}

static void street_free(struct street *s)
{
    env_udp_close(s->inside.udp);
    env_udp_close(s->server.udp);
    env_udp_close(s->other_port.udp);
    env_udp_close(s->stranger.udp);
    sim_world_free(s->world);
}

static void each_kind_lets_in_whom_it_should(void **state)
{
    (void)state;
    static const struct {
        enum sim_nat_kind kind;
        bool other_port, stranger, one_mapping;
    } kinds[] = {
        {SIM_NAT_FULL_CONE, true, true, true},
        {SIM_NAT_ADDRESS_RESTRICTED, true, false, true},
        {SIM_NAT_PORT_RESTRICTED, false, false, true},
        {SIM_NAT_SYMMETRIC, false, false, false},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct street s;
        street_new(&s, (struct sim_nat_config){.kind = kinds[i].kind});
        assert_false(says(&s, &s.server, &s.inside, ip4("1.0.0.1", PORT))); /* nothing is open */
        assert_false(says(&s, &s.server, &s.inside, ip4("192.168.1.2", PORT)));
        assert_true(says(&s, &s.inside, &s.server, ip4("2.0.0.2", PORT)));
        struct endpoint outside = s.server.from;
        assert_true(endpoint_same_ip(&outside, &(struct endpoint){4, {1, 0, 0, 1}, 0, 0}));
        assert_true(says(&s, &s.server, &s.inside, outside));
        struct endpoint server = ip4("2.0.0.2", PORT);
        assert_true(endpoint_equal(&s.inside.from, &server));
        assert_int_equal(says(&s, &s.other_port, &s.inside, outside), kinds[i].other_port);
        assert_int_equal(says(&s, &s.stranger, &s.inside, outside), kinds[i].stranger);
        assert_true(says(&s, &s.inside, &s.stranger, ip4("3.0.0.3", PORT)));
        assert_int_equal(endpoint_equal(&s.stranger.from, &outside), kinds[i].one_mapping);
        assert_true(says(&s, &s.stranger, &s.inside, s.stranger.from));
        street_free(&s);
    }
}

static void a_mapping_ends_with_silence_and_only_outgoing_packets_keep_it(void **state)
{
    (void)state;
    struct street s;
    street_new(&s, (struct sim_nat_config){.kind = SIM_NAT_FULL_CONE, .udp_lifetime = SECONDS(30)});
    says(&s, &s.inside, &s.server, ip4("2.0.0.2", PORT));
    for (int i = 0; i < 5; i++) { /* 100 s in all */
        pass(&s, SECONDS(20));
        assert_true(says(&s, &s.stranger, &s.inside, ip4("1.0.0.1", PORT)));
        says(&s, &s.inside, &s.server, ip4("2.0.0.2", PORT));
    }
    pass(&s, SECONDS(20));
    assert_true(says(&s, &s.stranger, &s.inside, ip4("1.0.0.1", PORT)));
    pass(&s, SECONDS(20)); /* incoming alone did not keep it */
    assert_false(says(&s, &s.stranger, &s.inside, ip4("1.0.0.1", PORT)));
    street_free(&s);
}

static void a_nat_that_restarts_has_forgotten_all_but_what_its_owner_forwarded(void **state)
{
    (void)state;
    struct street s;
    street_new(&s, (struct sim_nat_config){.kind = SIM_NAT_FULL_CONE});
    struct talker second;
    talker_open(&second, host_new(s.world, "192.168.1.3", s.nat), PORT);
    struct endpoint inner = ip4("192.168.1.3", PORT);
    sim_nat_forward(s.nat, 7000, &inner);
    assert_true(says(&s, &s.stranger, &second, ip4("1.0.0.1", 7000)));
    says(&s, &second, &s.server, ip4("2.0.0.2", PORT));
    assert_int_equal(s.server.from.port, 7000); /* one port both ways */
    says(&s, &s.inside, &s.server, ip4("2.0.0.2", PORT));
    assert_true(says(&s, &s.stranger, &s.inside, s.server.from));
    sim_nat_forget(s.nat);
    assert_false(says(&s, &s.stranger, &s.inside, s.server.from));
    assert_true(says(&s, &s.stranger, &second, ip4("1.0.0.1", 7000)));
    env_udp_close(second.udp);
    street_free(&s);
}

static void two_homes_with_the_same_inner_addresses_do_not_meet(void **state)
{
    (void)state;
    struct street s;
    street_new(&s, (struct sim_nat_config){.kind = SIM_NAT_FULL_CONE});
    struct sim_nat *second = sim_nat_new(
        s.world, &(struct sim_nat_config){.address = "1.0.0.9", .kind = SIM_NAT_FULL_CONE});
    struct talker twin, neighbour;
    talker_open(&twin, host_new(s.world, "192.168.1.2", second), PORT);
    talker_open(&neighbour, host_new(s.world, "192.168.1.3", s.nat), PORT);
    assert_true(says(&s, &neighbour, &s.inside, ip4("192.168.1.2", PORT)));
    assert_int_equal(twin.heard, 0);
    struct endpoint plain = ip4("192.168.1.3", PORT);
    assert_true(endpoint_equal(&s.inside.from, &plain)); /* the LAN is not translated */
    env_udp_close(twin.udp);
    env_udp_close(neighbour.udp);
    street_free(&s);
}

static void hairpins_turn_round_only_where_the_nat_does_so(void **state)
{
    (void)state;
    for (int hairpin = 0; hairpin < 2; hairpin++) {
        struct street s;
        street_new(&s, (struct sim_nat_config){.kind = SIM_NAT_FULL_CONE, .hairpin = hairpin != 0});
        struct talker neighbour;
        talker_open(&neighbour, host_new(s.world, "192.168.1.3", s.nat), PORT);
        says(&s, &s.inside, &s.server, ip4("2.0.0.2", PORT));
        assert_int_equal(says(&s, &neighbour, &s.inside, s.server.from), hairpin);
        if (hairpin) {
            struct endpoint outer = ip4("1.0.0.1", s.inside.from.port);
            assert_true(endpoint_equal(&s.inside.from, &outer)); /* RFC 4787, REQ-9 */
        }
        env_udp_close(neighbour.udp);
        street_free(&s);
    }
}

/* Two homes, each behind its NAT; both have told the server; each then writes to where the server
 * saw the other, as BEP 55 has it. */
static bool punch(enum sim_nat_kind a, enum sim_nat_kind b, struct sim_nat_config *carrier)
{
    struct sim_config config = sim_config_calm(1);
    struct street s = {.world = sim_world_new(&config)};
    struct sim_nat *above = carrier == NULL ? NULL : sim_nat_new(s.world, carrier);
    struct sim_nat *na = sim_nat_new(
        s.world, &(struct sim_nat_config){
                     .address = above ? "100.64.0.1" : "1.0.0.1", .kind = a, .behind = above});
    struct sim_nat *nb = sim_nat_new(
        s.world, &(struct sim_nat_config){
                     .address = above ? "100.64.0.2" : "1.0.0.2", .kind = b, .behind = above});
    struct talker ta, tb, server;
    talker_open(&ta, host_new(s.world, "192.168.1.2", na), PORT);
    talker_open(&tb, host_new(s.world, "192.168.1.2", nb), PORT);
    talker_open(&server, host_new(s.world, "2.0.0.2", NULL), PORT);
    says(&s, &ta, &server, ip4("2.0.0.2", PORT));
    struct endpoint at_a = server.from;
    says(&s, &tb, &server, ip4("2.0.0.2", PORT));
    struct endpoint at_b = server.from;
    for (int i = 0; i < 3; i++) {
        send_word(&ta, at_b);
        send_word(&tb, at_a);
        pass(&s, SECONDS(1));
    }
    bool met = ta.heard > 0 && tb.heard > 0;
    env_udp_close(ta.udp);
    env_udp_close(tb.udp);
    env_udp_close(server.udp);
    sim_world_free(s.world);
    return met;
}

static void holes_can_be_punched_through_all_but_symmetric_pairs(void **state)
{
    (void)state;
    static const enum sim_nat_kind cones[] = {
        SIM_NAT_FULL_CONE, SIM_NAT_ADDRESS_RESTRICTED, SIM_NAT_PORT_RESTRICTED};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            assert_true(punch(cones[i], cones[j], NULL));
    assert_false(punch(SIM_NAT_SYMMETRIC, SIM_NAT_SYMMETRIC, NULL));
    assert_false(punch(SIM_NAT_SYMMETRIC, SIM_NAT_PORT_RESTRICTED, NULL));
}

static void a_carriers_nat_stands_above_those_of_homes(void **state)
{
    (void)state;
    struct sim_nat_config carrier = {.address = "9.0.0.1", .kind = SIM_NAT_PORT_RESTRICTED};
    assert_false(punch(SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED, &carrier));
    carrier.hairpin = true; /* RFC 6888, REQ-1: both see each other's outer side */
    assert_true(punch(SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED, &carrier));
    carrier.kind = SIM_NAT_SYMMETRIC;
    assert_false(punch(SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED, &carrier));
}

/* ---- TCP ----------------------------------------------------------------------------------- */

struct call {
    struct sim_world *world;
    struct sim_nat *nat;
    struct sim_host *inside, *outside;
    struct stream_source source;
    struct stream_sink sink;
};

static void call_new(struct call *c, struct sim_nat_config nat)
{
    struct sim_config config = sim_config_calm(3);
    *c = (struct call){.world = sim_world_new(&config)};
    nat.address = "1.0.0.1";
    c->nat = sim_nat_new(c->world, &nat);
    c->inside = host_new(c->world, "192.168.1.2", c->nat);
    c->outside = host_new(c->world, "2.0.0.2", NULL);
}

static void call_free(struct call *c)
{
    stream_source_stop(&c->source);
    stream_sink_stop(&c->sink);
    sim_world_free(c->world);
}

static void tcp_goes_out_through_a_nat_and_sees_translated_addresses(void **state)
{
    (void)state;
    struct call c;
    struct endpoint to = ip4("2.0.0.2", PORT), seen;
    call_new(&c, (struct sim_nat_config){.kind = SIM_NAT_SYMMETRIC});
    stream_sink_start(&c.sink, sim_host_env(c.outside), PORT, 7);
    stream_source_start(&c.source, sim_host_env(c.inside), &to, 7, 5000000);
    sim_world_run_until(c.world, MSECS(300), NULL, NULL);
    env_tcp_remote(c.sink.tcp, &seen);
    assert_int_equal(load_u32(seen.ip), 0x01000001);
    env_tcp_local(c.source.tcp, &seen);
    assert_int_equal(load_u32(seen.ip), 0xc0a80102);
    env_tcp_remote(c.source.tcp, &seen);
    assert_true(endpoint_equal(&seen, &to));
    assert_int_equal(
        sim_world_run_until(c.world, SECONDS(60), stream_sink_ended, &c.sink), SIM_REACHED);
    assert_int_equal(c.sink.received, 5000000);
    assert_int_equal(c.sink.mismatches, 0);
    call_free(&c);
}

static void tcp_comes_in_only_through_a_forwarded_port(void **state)
{
    (void)state;
    for (int forwarded = 0; forwarded < 2; forwarded++) {
        struct call c;
        struct endpoint to = ip4("1.0.0.1", 7000), inner = ip4("192.168.1.2", PORT), seen;
        call_new(&c, (struct sim_nat_config){.kind = SIM_NAT_PORT_RESTRICTED});
        if (forwarded)
            sim_nat_forward(c.nat, 7000, &inner);
        stream_sink_start(&c.sink, sim_host_env(c.inside), PORT, 7);
        stream_source_start(&c.source, sim_host_env(c.outside), &to, 7, 50000);
        enum sim_end end = sim_world_run_until(c.world, SECONDS(200), stream_sink_ended, &c.sink);
        assert_int_equal(end == SIM_REACHED, forwarded);
        assert_int_equal(c.source.connect_result, forwarded ? 0 : ERR_TIMEOUT);
        if (forwarded) {
            env_tcp_local(c.sink.tcp, &seen);
            assert_true(endpoint_equal(&seen, &inner));
        }
        call_free(&c);
    }
}

static void a_connection_that_its_nat_forgot_is_silent(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct call c;
        struct endpoint to = ip4("2.0.0.2", PORT);
        call_new(
            &c, (struct sim_nat_config){.kind = SIM_NAT_FULL_CONE, .tcp_lifetime = SECONDS(100)});
        stream_sink_start(&c.sink, sim_host_env(c.outside), PORT, 7);
        stream_source_start(&c.source, sim_host_env(c.inside), &to, 7, 20000000);
        c.sink.rest_until = restart ? 0 : SECONDS(200);
        sim_world_run_until(c.world, restart ? MSECS(300) : SECONDS(150), NULL, NULL);
        if (restart)
            sim_nat_forget(c.nat);
        uint64_t before = c.source.sent;
        sim_world_run_until(c.world, SECONDS(900), NULL, NULL);
        assert_true(before > 0 && c.source.sent < 20000000);
        assert_int_equal(c.sink.end, 0); /* nobody tells the reader */
        call_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_lets_in_whom_it_should),
        cmocka_unit_test(a_mapping_ends_with_silence_and_only_outgoing_packets_keep_it),
        cmocka_unit_test(a_nat_that_restarts_has_forgotten_all_but_what_its_owner_forwarded),
        cmocka_unit_test(two_homes_with_the_same_inner_addresses_do_not_meet),
        cmocka_unit_test(hairpins_turn_round_only_where_the_nat_does_so),
        cmocka_unit_test(holes_can_be_punched_through_all_but_symmetric_pairs),
        cmocka_unit_test(a_carriers_nat_stands_above_those_of_homes),
        cmocka_unit_test(tcp_goes_out_through_a_nat_and_sees_translated_addresses),
        cmocka_unit_test(tcp_comes_in_only_through_a_forwarded_port),
        cmocka_unit_test(a_connection_that_its_nat_forgot_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
