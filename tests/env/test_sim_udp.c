/* The simulated UDP: datagrams arrive whole or not at all, at the configured rates, within bounds.
 */
#include "env/sim/sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PORT 6881
#define MOST 20000

struct inbox {
    struct env_udp *udp;
    unsigned count;
    uint32_t numbers[MOST];
    struct endpoint from;
    bool broken;
    bool deaf; /* never receives */
};

struct pair {
    struct sim_world *world;
    struct sim_host *a, *b;
    struct inbox *in_a, *in_b;
    struct endpoint to_b;
};

static void came(void *user)
{
    struct inbox *in = user;
    uint8_t room[4][2000];
    struct env_datagram d[4];
    for (int n = 4; n == 4 && !in->deaf;) {
        for (int i = 0; i < 4; i++)
            d[i] = (struct env_datagram){.data = room[i], .size = sizeof room[i]};
        n = env_udp_receive(in->udp, d, 4);
        for (int i = 0; i < n; i++) {
            for (size_t k = 4; k < d[i].size; k++)
                in->broken |= room[i][k] != room[i][3];
            in->from = d[i].peer;
            in->numbers[in->count++ % MOST] = load_u32(room[i]);
        }
    }
}

static void pair_new(struct pair *p, const struct sim_config *config, uint64_t rate)
{
    *p = (struct pair){.world = sim_world_new(config)};
    p->a = sim_host_new(
        p->world, &(struct sim_host_config){
                      .name = "a", .addresses = {"10.0.0.1"}, .up_bytes_per_second = rate});
    p->b = sim_host_new(
        p->world, &(struct sim_host_config){.name = "b", .addresses = {"10.0.0.2", "2001:db8::2"}});
    p->in_a = calloc(1, sizeof *p->in_a);
    p->in_b = calloc(1, sizeof *p->in_b);
    struct endpoint any = endpoint_v4(0, PORT);
    assert_int_equal(env_udp_open(sim_host_env(p->a), &any, NULL, came, p->in_a, &p->in_a->udp), 0);
    assert_int_equal(env_udp_open(sim_host_env(p->b), &any, NULL, came, p->in_b, &p->in_b->udp), 0);
    p->to_b = sim_host_endpoint(p->b, ADDR_V4, PORT);
}

static void pair_free(struct pair *p)
{
    env_udp_close(p->in_a->udp);
    env_udp_close(p->in_b->udp);
    sim_world_free(p->world);
    free(p->in_a);
    free(p->in_b);
}

static int send_number(struct pair *p, uint32_t number, size_t size)
{
    uint8_t data[2000];
    store_u32(data, number);
    memset(data + 4, data[3], size - 4);
    struct env_datagram d = {.peer = p->to_b, .data = data, .size = size};
    return env_udp_send(p->in_a->udp, &d, 1);
}

/* One datagram a millisecond. */
static void send_many(struct pair *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(send_number(p, i, 100), 1);
        sim_world_run_until(p->world, sim_world_now(p->world) + MSECS(1), NULL, NULL);
    }
    sim_world_run_until(p->world, sim_world_now(p->world) + SECONDS(5), NULL, NULL);
}

static void datagrams_arrive_once_in_order_and_whole_in_a_calm_world(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct pair p;
    pair_new(&p, &config, 0);
    send_many(&p, 500);
    assert_int_equal(p.in_b->count, 500);
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(p.in_b->numbers[i], i);
    assert_false(p.in_b->broken);
    struct endpoint from = sim_host_endpoint(p.a, ADDR_V4, PORT);
    assert_true(endpoint_equal(&p.in_b->from, &from));
    pair_free(&p);
}

static void loss_doubles_and_reordering_come_as_often_as_configured(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(2);
    config.packet_loss = 0.1;
    config.udp_duplicate = 0.05;
    config.udp_reorder = 0.2;
    struct pair p;
    pair_new(&p, &config, 0);
    send_many(&p, 10000);
    unsigned late = 0;
    for (unsigned i = 1; i < p.in_b->count; i++)
        late += p.in_b->numbers[i] < p.in_b->numbers[i - 1];
    assert_in_range(p.in_b->count, 9200, 9700); /* 10000 * 1.05 * 0.9 */
    assert_in_range(late, 1000, 2500);
    assert_false(p.in_b->broken);
    pair_free(&p);
}

static void the_uplink_paces_and_a_full_buffer_refuses(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(3);
    struct pair p;
    pair_new(&p, &config, 104000); /* 100 datagrams of 1000 and 40 bytes a second */
    unsigned sent = 0;
    while (send_number(&p, sent, 1000) == 1)
        sent++;
    assert_in_range(sent, 212, 214); /* the socket's buffer, and one on the line */
    sim_world_run_until(p.world, SECONDS(1) + MSECS(50), NULL, NULL);
    assert_in_range(p.in_b->count, 98, 105);
    sim_world_run_until(p.world, SECONDS(5), NULL, NULL);
    assert_int_equal(p.in_b->count, sent);
    pair_free(&p);
}

static void a_node_that_does_not_receive_loses_what_exceeds_its_buffer(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(4);
    struct pair p;
    pair_new(&p, &config, 0);
    p.in_b->deaf = true;
    for (uint32_t i = 0; i < 400; i++)
        send_number(&p, i, 1000);
    sim_world_run_until(p.world, MSECS(200), NULL, NULL); /* longer would be a livelock */
    p.in_b->deaf = false;
    sim_world_run_until(p.world, SECONDS(2), NULL, NULL);
    assert_int_equal(p.in_b->count, config.udp_buffer_bytes / 1000);
    assert_int_equal(sim_host_stats(p.a).datagrams_lost, 400 - p.in_b->count);
    pair_free(&p);
}

static void what_nobody_hears_is_lost_without_a_word(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(5);
    struct pair p;
    pair_new(&p, &config, 0);
    p.to_b.port = 1;
    assert_int_equal(send_number(&p, 0, 100), 1);
    p.to_b = endpoint_v4(0x0a630001, PORT);
    assert_int_equal(send_number(&p, 0, 100), 1);
    p.to_b = sim_host_endpoint(p.b, ADDR_V6, PORT); /* from an IPv4 socket */
    assert_int_equal(send_number(&p, 0, 100), 1);
    p.to_b = sim_host_endpoint(p.b, ADDR_V4, PORT);
    sim_path_cut(p.a, p.b);
    assert_int_equal(send_number(&p, 0, 100), 1);
    sim_world_run_until(p.world, SECONDS(5), NULL, NULL);
    assert_int_equal(p.in_b->count, 0);
    assert_int_equal(sim_host_stats(p.a).datagrams_lost, 4);
    sim_path_heal(p.a, p.b);
    assert_int_equal(send_number(&p, 0, 100), 1);
    sim_world_run_until(p.world, SECONDS(6), NULL, NULL);
    assert_int_equal(p.in_b->count, 1);
    pair_free(&p);
}

static void a_datagram_longer_than_the_room_is_cut(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(6);
    struct pair p;
    pair_new(&p, &config, 0);
    p.in_b->deaf = true;
    send_number(&p, 1, 1000);
    sim_world_run_until(p.world, MSECS(100), NULL, NULL);
    uint8_t small[10];
    struct env_datagram d = {.data = small, .size = sizeof small};
    assert_int_equal(env_udp_receive(p.in_b->udp, &d, 1), 1);
    assert_int_equal(d.size, 10);
    assert_int_equal(env_udp_receive(p.in_b->udp, &d, 1), ERR_AGAIN);
    pair_free(&p);
}

/* Five datagrams of a header and a body; the last is shorter. */
static int send_run(struct pair *p, struct env_udp_run *run, bool dont_fragment)
{
    static uint8_t data[5][1600];
    static struct iovec iov[10];
    for (uint32_t i = 0; i < 5; i++) {
        store_u32(data[i], i);
        memset(data[i] + 4, data[i][3], sizeof data[i] - 4);
        iov[2 * i] = (struct iovec){data[i], 4};
        iov[2 * i + 1] = (struct iovec){data[i] + 4, i < 4 ? 1496 : 300};
    }
    *run = (struct env_udp_run){.peer = p->to_b,
        .iov = iov,
        .iov_count = 10,
        .segment = 1500,
        .dont_fragment = dont_fragment};
    return env_udp_send_runs(p->in_a->udp, run, 1);
}

static void a_run_is_its_datagrams(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(3);
    struct env_udp_run run;
    struct pair p;
    pair_new(&p, &config, 0);
    assert_int_equal(send_run(&p, &run, false), 1);
    assert_int_equal(run.sent, 5);
    sim_world_run_until(p.world, SECONDS(1), NULL, NULL);
    assert_int_equal(p.in_b->count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(p.in_b->numbers[i], i);
    assert_false(p.in_b->broken);
    pair_free(&p);
}

static void what_must_not_be_cut_up_and_is_larger_than_the_mtu_is_lost(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(3);
    struct env_udp_run run;
    struct pair p;
    pair_new(&p, &config, 0);
    assert_int_equal(send_run(&p, &run, true), 1);
    sim_world_run_until(p.world, SECONDS(1), NULL, NULL);
    assert_int_equal(p.in_b->count, 1);
    assert_int_equal(p.in_b->numbers[0], 4);
    pair_free(&p);
}

static void count_change(void *user)
{
    ++*(unsigned *)user;
}

static void multicasts_reach_the_members_of_one_lan_and_nobody_else(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(9);
    struct sim_world *w = sim_world_new(&config);
    static const char *const ips[] = {"10.0.0.1", "10.0.0.2", "10.0.1.3", "10.0.0.4"};
    static const unsigned lans[] = {1, 1, 2, 0};
    struct endpoint group = endpoint_v4(0xefc0988f, PORT);
    struct inbox *in = calloc(4, sizeof *in);
    for (unsigned i = 0; i < 4; i++) {
        struct sim_host *h = sim_host_new(
            w, &(struct sim_host_config){.name = ips[i], .addresses = {ips[i]}, .lan = lans[i]});
        assert_int_equal(env_udp_open(sim_host_env(h), &group, NULL, came, &in[i], &in[i].udp), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t data[4];
        store_u32(data, i);
        struct env_datagram d = {.peer = group, .data = data, .size = sizeof data};
        env_udp_send(in[i].udp, &d, 1);
    }
    sim_world_run_until(w, SECONDS(1), NULL, NULL);
    assert_int_equal(in[0].count, 2); /* its own, too */
    assert_int_equal(in[1].count, 2);
    assert_int_equal(in[2].count, 1);
    assert_int_equal(in[3].count, 0);
    for (unsigned i = 0; i < 4; i++)
        env_udp_close(in[i].udp);
    sim_world_free(w);
    free(in);
}

static void a_change_of_addresses_is_told_to_who_watches(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(9);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h =
        sim_host_new(w, &(struct sim_host_config){.name = "a", .addresses = {"10.0.0.1"}});
    struct env_network_watch *watch;
    struct env_network networks[4];
    unsigned told = 0;
    assert_int_equal(env_network_watch_start(sim_host_env(h), count_change, &told, &watch), 0);
    sim_world_run_until(w, SECONDS(1), NULL, NULL);
    assert_int_equal(told, 0);
    sim_host_add_address(h, "fd00::7", "eth1");
    sim_world_run_until(w, SECONDS(2), NULL, NULL);
    assert_int_equal(told, 1);
    assert_int_equal(env_local_networks(sim_host_env(h), networks, 4), 2);
    assert_int_equal(networks[0].prefix_bits, 24);
    env_network_watch_stop(watch);
    sim_host_remove_address(h, "10.0.0.1");
    sim_world_run_until(w, SECONDS(3), NULL, NULL);
    assert_int_equal(told, 1);
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_once_in_order_and_whole_in_a_calm_world),
        cmocka_unit_test(loss_doubles_and_reordering_come_as_often_as_configured),
        cmocka_unit_test(the_uplink_paces_and_a_full_buffer_refuses),
        cmocka_unit_test(a_node_that_does_not_receive_loses_what_exceeds_its_buffer),
        cmocka_unit_test(what_nobody_hears_is_lost_without_a_word),
        cmocka_unit_test(a_datagram_longer_than_the_room_is_cut),
        cmocka_unit_test(a_run_is_its_datagrams),
        cmocka_unit_test(multicasts_reach_the_members_of_one_lan_and_nobody_else),
        cmocka_unit_test(a_change_of_addresses_is_told_to_who_watches),
        cmocka_unit_test(what_must_not_be_cut_up_and_is_larger_than_the_mtu_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
