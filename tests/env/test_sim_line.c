/* The simulated access lines: a modem's one queue with its bound, packets that are too large,
 * directions that differ, and hosts that sleep. */
#include "sim_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PORT 6881
#define MOST 4096

/* Notes when each datagram came; its first four bytes are its number. */
struct inbox {
    struct env *env;
    struct env_udp *udp;
    unsigned count;
    usec came[MOST];
};

struct line {
    struct sim_world *world;
    struct sim_host *a, *b;
    struct env_udp *from;
    struct inbox in;
    struct endpoint to;
};

static void came(void *user)
{
    struct inbox *in = user;
    uint8_t room[65536];
    struct env_datagram d = {.data = room, .size = sizeof room};
    for (; env_udp_receive(in->udp, &d, 1) == 1; d.size = sizeof room) {
        in->came[load_u32(room) % MOST] = env_now(in->env);
        in->count++;
    }
}

static void nothing(void *user)
{
    (void)user;
}

/* `a` sends to `b`; the bottleneck is a's uplink. */
static void line_new(
    struct line *l, const struct sim_config *config, uint64_t rate, uint64_t queue_bytes)
{
    struct endpoint any = endpoint_v4(0, PORT);
    *l = (struct line){.world = sim_world_new(config)};
    l->a = sim_host_new(l->world, &(struct sim_host_config){.name = "a",
                                      .addresses = {"10.0.0.1"},
                                      .up_bytes_per_second = rate,
                                      .queue_bytes = queue_bytes});
    l->b =
        sim_host_new(l->world, &(struct sim_host_config){.name = "b", .addresses = {"10.0.0.2"}});
    l->in.env = sim_host_env(l->b);
    l->to = sim_host_endpoint(l->b, ADDR_V4, PORT);
    assert_int_equal(env_udp_open(sim_host_env(l->a), &any, NULL, nothing, NULL, &l->from), 0);
    assert_int_equal(env_udp_open(l->in.env, &any, NULL, came, &l->in, &l->in.udp), 0);
    sim_path_set(l->a, l->b, MSECS(20), 0);
}

static void line_free(struct line *l)
{
    env_udp_close(l->from);
    env_udp_close(l->in.udp);
    sim_world_free(l->world);
}

static void send_number(struct line *l, uint32_t number, size_t size)
{
    uint8_t data[65536] = {0};
    struct env_datagram d = {.peer = l->to, .data = data, .size = size};
    store_u32(data, number);
    assert_int_equal(env_udp_send(l->from, &d, 1), 1);
}

static void pass(struct line *l, usec time)
{
    sim_world_run_until(l->world, sim_world_now(l->world) + time, NULL, NULL);
}

static void a_modems_queue_delays_what_fits_and_drops_the_rest(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct line l;
    line_new(&l, &config, 104000, 52000); /* half a second of queue */
    for (uint32_t i = 0; i < 100; i++)
        send_number(&l, i, 1000);
    pass(&l, MSECS(100));
    send_number(&l, 100, 1000); /* behind those that are still there */
    pass(&l, SECONDS(5));
    assert_int_equal(l.in.count, 51);
    assert_int_equal(sim_host_stats(l.a).datagrams_lost, 50);
    assert_int_equal(l.in.came[49], MSECS(520));
    assert_in_range(l.in.came[100], MSECS(525), MSECS(535));
    send_number(&l, 101, 1000); /* alone */
    usec at = sim_world_now(l.world);
    pass(&l, SECONDS(1));
    assert_int_equal(l.in.came[101] - at, MSECS(30));
    line_free(&l);
}

/* The lowest and highest delay of a small datagram every 100 ms beside a TCP upload. */
static void probe(struct line *l, usec *least, usec *most)
{
    struct stream_sink sink;
    struct stream_source source;
    struct endpoint to = sim_host_endpoint(l->b, ADDR_V4, 80);
    stream_sink_start(&sink, sim_host_env(l->b), 80, 7);
    stream_source_start(&source, sim_host_env(l->a), &to, 7, 1 << 30);
    pass(l, SECONDS(10));
    uint64_t before = sink.received;
    *least = NEVER;
    *most = 0;
    for (uint32_t i = 0; i < 100; i++) {
        l->in.came[i] = 0;
        send_number(l, i, 100);
        pass(l, MSECS(100));
    }
    pass(l, SECONDS(1));
    for (uint32_t i = 0; i < 100; i++) {
        if (l->in.came[i] == 0)
            continue;
        usec delay = l->in.came[i] - (SECONDS(10) + MSECS(100) * (usec)i);
        *least = usec_min(*least, delay);
        *most = delay > *most ? delay : *most;
    }
    assert_in_range(sink.received - before, 1000000, 1400000); /* TCP keeps the line busy */
    stream_source_stop(&source);
    stream_sink_stop(&sink);
}

static void tcp_fills_a_modems_queue_but_not_a_fair_one(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(2);
    struct line l;
    usec least, most;
    line_new(&l, &config, 125000, 62500);
    probe(&l, &least, &most);
    assert_true(most > MSECS(250)); /* bufferbloat */
    assert_true(most < MSECS(1000));
    line_free(&l);
    line_new(&l, &config, 125000, 0);
    probe(&l, &least, &most);
    assert_true(most < MSECS(60));
    line_free(&l);
}

static void directions_of_a_path_can_differ(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(3);
    struct line l;
    line_new(&l, &config, 0, 0);
    sim_path_set_one_way(l.a, l.b, MSECS(150), 0);
    sim_path_set_one_way(l.b, l.a, MSECS(10), 1);
    send_number(&l, 1, 100);
    pass(&l, SECONDS(1));
    assert_int_equal(l.in.came[1], MSECS(150));
    sim_path_set_one_way(l.a, l.b, MSECS(150), 1);
    send_number(&l, 2, 100);
    pass(&l, SECONDS(1));
    assert_int_equal(l.in.count, 1);
    line_free(&l);
}

static void what_is_cut_into_fragments_is_lost_more_often(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(4);
    struct line l;
    line_new(&l, &config, 0, 0);
    sim_path_set(l.a, l.b, MSECS(20), 0.1);
    for (uint32_t i = 0; i < 1000; i++) {
        send_number(&l, i, 14000); /* ten fragments: 0.9 ^ 10 = 0.35 */
        pass(&l, MSECS(1));
    }
    pass(&l, SECONDS(1));
    assert_in_range(l.in.count, 300, 400);
    line_free(&l);
}

static void send_whole(struct line *l, uint32_t number, size_t size)
{
    uint8_t data[2000] = {0};
    struct iovec iov = {data, size};
    struct env_udp_run run = {
        .peer = l->to, .iov = &iov, .iov_count = 1, .segment = size, .dont_fragment = true};
    store_u32(data, number);
    assert_int_equal(env_udp_send_runs(l->from, &run, 1), 1);
    pass(l, MSECS(100));
}

static void a_tunnel_on_the_way_swallows_what_must_not_be_cut_up(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(4);
    struct line l;
    line_new(&l, &config, 0, 0);
    send_whole(&l, 1, 1472);
    assert_int_equal(l.in.count, 1);
    send_whole(&l, 2, 1473);
    assert_int_equal(l.in.count, 1);
    sim_path_set_mtu(l.a, l.b, 1280);
    send_whole(&l, 3, 1253);
    assert_int_equal(l.in.count, 1);
    send_whole(&l, 4, 1252);
    assert_int_equal(l.in.count, 2);
    send_number(&l, 5, 1400); /* may be cut */
    pass(&l, MSECS(100));
    assert_int_equal(l.in.count, 3);
    line_free(&l);
}

static void a_sleeping_host_hears_nothing_and_its_streams_go_on_afterwards(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(5);
    struct line l;
    struct stream_sink sink;
    struct stream_source source;
    line_new(&l, &config, 100000, 0);
    struct endpoint to = sim_host_endpoint(l.b, ADDR_V4, 80);
    stream_sink_start(&sink, sim_host_env(l.b), 80, 7);
    stream_source_start(&source, sim_host_env(l.a), &to, 7, 1000000);
    pass(&l, SECONDS(2));
    sim_host_suspend(l.b, SECONDS(60));
    uint64_t before = sink.received;
    send_number(&l, 1, 100);
    pass(&l, SECONDS(60) - 1);
    assert_int_equal(l.in.count, 0);
    assert_int_equal(sink.received, before);
    assert_int_equal(
        sim_world_run_until(l.world, SECONDS(300), stream_sink_ended, &sink), SIM_REACHED);
    assert_int_equal(sink.received, 1000000);
    assert_int_equal(sink.mismatches, 0);
    assert_int_equal(l.in.count, 0); /* the datagram is gone */
    stream_source_stop(&source);
    stream_sink_stop(&sink);
    line_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_modems_queue_delays_what_fits_and_drops_the_rest),
        cmocka_unit_test(tcp_fills_a_modems_queue_but_not_a_fair_one),
        cmocka_unit_test(directions_of_a_path_can_differ),
        cmocka_unit_test(what_is_cut_into_fragments_is_lost_more_often),
        cmocka_unit_test(a_tunnel_on_the_way_swallows_what_must_not_be_cut_up),
        cmocka_unit_test(a_sleeping_host_hears_nothing_and_its_streams_go_on_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
