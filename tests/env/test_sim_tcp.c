/* The simulated TCP keeps what TCP promises, and fails in the ways in which TCP fails. */
#include "sim_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PORT 6881

struct pair {
    struct sim_world *world;
    struct sim_host *a, *b;
    struct endpoint to; /* b, PORT */
    struct stream_source source;
    struct stream_sink sink;
};

static void pair_new(struct pair *p, const struct sim_config *config, uint64_t rate)
{
    *p = (struct pair){.world = sim_world_new(config)};
    p->a = sim_host_new(p->world, &(struct sim_host_config){.name = "a",
                                      .addresses = {"10.0.0.1", "2001:db8::1"},
                                      .up_bytes_per_second = rate,
                                      .clock_start = SECONDS(1000)});
    p->b = sim_host_new(
        p->world, &(struct sim_host_config){
                      .name = "b", .addresses = {"10.0.0.2"}, .down_bytes_per_second = rate});
    p->to = sim_host_endpoint(p->b, ADDR_V4, PORT);
}

static void pair_free(struct pair *p)
{
    stream_source_stop(&p->source);
    stream_sink_stop(&p->sink);
    sim_world_free(p->world);
}

static void pair_send(struct pair *p, uint64_t total)
{
    stream_sink_start(&p->sink, sim_host_env(p->b), PORT, 7);
    stream_source_start(&p->source, sim_host_env(p->a), &p->to, 7, total);
}

static enum sim_end pair_run(struct pair *p, usec until)
{
    return sim_world_run_until(p->world, until, stream_sink_ended, &p->sink);
}

static void assert_whole(const struct pair *p, uint64_t total)
{
    assert_int_equal(p->sink.end, ERR_CLOSED);
    assert_int_equal(p->sink.received, total);
    assert_int_equal(p->sink.mismatches, 0);
}

static void a_stream_arrives_whole_and_ends_with_closed(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct pair p;
    pair_new(&p, &config, 0);
    pair_send(&p, 3000000);
    assert_int_equal(pair_run(&p, SECONDS(60)), SIM_REACHED);
    assert_whole(&p, 3000000);
    pair_free(&p);
}

static void a_stream_survives_any_segmentation_loss_and_back_pressure(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim_config config = sim_config_rough(seed);
        config.connect_refuse = config.connect_silence = 0;
        config.read_split = config.write_split = 0.9;
        config.packet_loss = 0.03;
        config.send_buffer_bytes = 1 + (uint32_t)(seed * 977 % 40000);
        config.receive_buffer_bytes = 1 + (uint32_t)(seed * 7919 % 60000);
        uint64_t total = config.send_buffer_bytes < 2000 ? 3000 : 150000;
        struct pair p;
        pair_new(&p, &config, seed % 3 == 0 ? 0 : 200000);
        pair_send(&p, total);
        p.sink.read_max = 1 + seed * 131 % 5000;
        p.source.write_max = 1 + seed * 61 % 9000;
        assert_int_equal(pair_run(&p, SECONDS(4000)), SIM_REACHED);
        assert_whole(&p, total);
        pair_free(&p);
    }
}

static void a_reader_that_rests_stops_the_writer_at_the_buffers(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(2);
    config.send_buffer_bytes = 50000;
    config.receive_buffer_bytes = 80000;
    struct pair p;
    pair_new(&p, &config, 0);
    pair_send(&p, 1000000);
    p.sink.rest_until = SECONDS(30);
    assert_int_equal(pair_run(&p, SECONDS(29)), SIM_TIME_UP);
    assert_int_equal(p.source.sent, 130000);
    assert_true(p.source.again_count > 0);
    assert_int_equal(pair_run(&p, SECONDS(60)), SIM_REACHED);
    assert_whole(&p, 1000000);
    pair_free(&p);
}

static void assert_near(double value, double wanted, double tolerance)
{
    if (value < wanted * (1 - tolerance) || value > wanted * (1 + tolerance)) {
        print_error("%f is not within %f of %f\n", value, tolerance, wanted);
        fail();
    }
}

static void throughput_is_the_configured_bandwidth(void **state)
{
    (void)state;
    static const uint64_t rates[] = {50000, 1250000, 12500000};
    static const usec latencies[] = {MSECS(5), MSECS(60)};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 2; j++) {
            struct sim_config config = sim_config_calm(3);
            config.send_buffer_bytes = config.receive_buffer_bytes = 8 << 20;
            struct pair p;
            pair_new(&p, &config, rates[i]);
            sim_path_set(p.a, p.b, latencies[j], 0);
            pair_send(&p, rates[i] * 20);
            sim_world_run_until(p.world, SECONDS(4), NULL, NULL); /* slow start is over */
            uint64_t before = p.sink.received;
            sim_world_run_until(p.world, SECONDS(14), NULL, NULL);
            assert_near((double)(p.sink.received - before), (double)rates[i] * 10, 0.02);
            assert_int_equal(pair_run(&p, SECONDS(60)), SIM_REACHED);
            assert_whole(&p, rates[i] * 20);
            assert_near((double)sim_world_now(p.world) / 1e6, 20, 0.06);
            pair_free(&p);
        }
    }
}

static void loss_makes_a_long_path_slower_but_does_not_stop_it(void **state)
{
    (void)state;
    usec times[2];
    for (int i = 0; i < 2; i++) {
        struct sim_config config = sim_config_calm(4);
        struct pair p;
        pair_new(&p, &config, 12500000);
        sim_path_set(p.a, p.b, MSECS(50), i == 0 ? 0 : 0.01);
        pair_send(&p, 20000000);
        assert_int_equal(pair_run(&p, SECONDS(600)), SIM_REACHED);
        assert_whole(&p, 20000000);
        times[i] = sim_world_now(p.world);
        pair_free(&p);
    }
    assert_true(times[1] > 2 * times[0]);
}

enum { FLOWS = 12 };

static void flows_share_a_downlink_evenly(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(5);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *b = sim_host_new(
        w, &(struct sim_host_config){
               .name = "b", .addresses = {"10.0.1.0"}, .down_bytes_per_second = 1200000});
    struct stream_sink sinks[FLOWS];
    struct stream_source sources[FLOWS];
    for (int i = 0; i < FLOWS; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
        struct sim_host *a =
            sim_host_new(w, &(struct sim_host_config){.name = ip, .addresses = {ip}});
        struct endpoint to = sim_host_endpoint(b, ADDR_V4, (uint16_t)(PORT + i));
        stream_sink_start(&sinks[i], sim_host_env(b), to.port, 1);
        stream_source_start(&sources[i], sim_host_env(a), &to, 1, 1 << 30);
    }
    sim_world_run_until(w, SECONDS(30), NULL, NULL);
    uint64_t all = 0;
    for (int i = 0; i < FLOWS; i++) {
        assert_near((double)sinks[i].received, 1200000.0 * 30 / FLOWS, 0.1);
        assert_int_equal(sinks[i].mismatches, 0);
        all += sinks[i].received;
    }
    assert_near((double)all, 1200000.0 * 30, 0.03);
    for (int i = 0; i < FLOWS; i++) {
        stream_source_stop(&sources[i]);
        stream_sink_stop(&sinks[i]);
    }
    sim_world_free(w);
}

static void connected_comes_after_a_round_trip_and_refusal_too(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(6);
    struct pair p;
    pair_new(&p, &config, 0);
    sim_path_set(p.a, p.b, MSECS(25), 0);
    stream_source_start(&p.source, sim_host_env(p.a), &p.to, 1, 10);
    sim_world_run_until(p.world, MSECS(49), NULL, NULL);
    assert_int_equal(p.source.connect_result, 1);
    sim_world_run_until(p.world, MSECS(51), NULL, NULL);
    assert_int_equal(p.source.connect_result, ERR_REFUSED);
    stream_source_stop(&p.source);
    stream_sink_start(&p.sink, sim_host_env(p.b), PORT, 1);
    stream_source_start(&p.source, sim_host_env(p.a), &p.to, 1, 10);
    sim_world_run_until(p.world, MSECS(51 + 49), NULL, NULL);
    assert_int_equal(p.source.connect_result, 1);
    sim_world_run_until(p.world, MSECS(51 + 51), NULL, NULL);
    assert_int_equal(p.source.connect_result, 0);
    pair_free(&p);
}

static void dialling_nobody_times_out(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(7);
    struct pair p;
    pair_new(&p, &config, 0);
    struct endpoint nobody = endpoint_v4(0x0a630001, PORT);
    stream_source_start(&p.source, sim_host_env(p.a), &nobody, 1, 10);
    sim_world_run_until(p.world, config.connect_timeout - 1, NULL, NULL);
    assert_int_equal(p.source.connect_result, 1);
    sim_world_run_until(p.world, config.connect_timeout + 1, NULL, NULL);
    assert_int_equal(p.source.connect_result, ERR_TIMEOUT);
    pair_free(&p);
}

static void a_host_without_a_fitting_address_cannot_dial(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(8);
    struct pair p;
    pair_new(&p, &config, 0);
    struct endpoint v6 = sim_host_endpoint(p.a, ADDR_V6, PORT);
    stream_source_start(&p.source, sim_host_env(p.b), &v6, 1, 10);
    assert_int_equal(p.source.connect_result, ERR_NETWORK);
    struct env_tcp_options options = {.bind_device = "tun0"};
    struct env_tcp_events events = {0};
    struct env_tcp *tcp;
    assert_int_equal(
        env_tcp_connect(sim_host_env(p.a), &p.to, &options, &events, NULL, &tcp), ERR_NETWORK);
    pair_free(&p);
}

static void a_port_is_taken_once(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(9);
    struct pair p;
    pair_new(&p, &config, 0);
    stream_sink_start(&p.sink, sim_host_env(p.b), PORT, 1);
    struct stream_sink other;
    stream_sink_start(&other, sim_host_env(p.b), PORT, 1);
    assert_null(other.listener);
    stream_sink_start(&other, sim_host_env(p.b), 0, 1);
    assert_non_null(other.listener);
    assert_int_not_equal(other.at.port, 0);
    stream_sink_stop(&other);
    pair_free(&p);
}

static void a_partition_stalls_and_its_healing_resumes(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(10);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 1000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    sim_host_set_island(p.b, 1);
    sim_world_run_until(p.world, SECONDS(4), NULL, NULL);
    uint64_t before = p.sink.received;
    sim_world_run_until(p.world, SECONDS(40), NULL, NULL);
    assert_int_equal(p.sink.received, before);
    assert_int_equal(p.source.error, 0);
    sim_world_heal(p.world);
    assert_int_equal(pair_run(&p, SECONDS(400)), SIM_REACHED);
    assert_whole(&p, 1000000);
    pair_free(&p);
}

static void a_partition_that_stays_breaks_the_writer_and_not_the_idle_reader(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(11);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    sim_path_cut(p.a, p.b);
    sim_world_run_until(p.world, SECONDS(3) + config.stall_timeout + SECONDS(200), NULL, NULL);
    assert_int_equal(p.source.error, ERR_NETWORK);
    assert_int_equal(p.sink.end, 0);
    pair_free(&p);
}

static void a_reset_reaches_both_ends(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(12);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    assert_int_equal(sim_path_reset(p.a, p.b), 1);
    assert_int_equal(pair_run(&p, SECONDS(4)), SIM_REACHED);
    assert_int_equal(p.sink.end, ERR_NETWORK);
    sim_world_run_until(p.world, SECONDS(5), NULL, NULL);
    assert_int_equal(p.source.error, ERR_NETWORK);
    assert_int_equal(p.sink.mismatches, 0);
    pair_free(&p);
}

static void a_reader_that_closes_early_resets_the_writer(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(13);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    stream_sink_stop(&p.sink);
    sim_world_run_until(p.world, SECONDS(4), NULL, NULL);
    assert_int_equal(p.source.error, ERR_NETWORK);
    pair_free(&p);
}

static void a_killed_node_says_goodbye_and_what_it_wrote_still_arrives(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(14);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    uint64_t written = p.source.sent;
    sim_host_crash(p.a, SIM_KILLED);
    assert_null(sim_host_env(p.a));
    assert_int_equal(pair_run(&p, SECONDS(60)), SIM_REACHED);
    assert_whole(&p, written);
    pair_free(&p);
}

static void a_power_loss_is_silence_and_a_reset_after_the_return(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(15);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    sim_host_crash(p.b, SIM_POWER_LOSS);
    sim_world_run_until(p.world, SECONDS(30), NULL, NULL);
    assert_int_equal(p.source.error, 0); /* silence */
    assert_non_null(sim_host_restart(p.b));
    sim_world_run_until(p.world, SECONDS(100), NULL, NULL);
    assert_int_equal(p.source.error, ERR_NETWORK);
    pair_free(&p); /* the dead node's handles may still be closed */
}

static void a_connection_that_falls_silent_stays_so(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(16);
    config.tcp_silence = 0.01;
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 10000000);
    sim_world_run_until(p.world, SECONDS(100), NULL, NULL);
    uint64_t before = p.sink.received;
    assert_true(before < 9000000);
    sim_world_calm_down(p.world);
    sim_world_run_until(p.world, SECONDS(600), NULL, NULL);
    assert_int_equal(p.sink.received, before);
    assert_int_equal(p.sink.end, 0);
    pair_free(&p);
}

static void misfortunes_of_dials_come_as_often_as_configured(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(17);
    config.connect_refuse = 0.25;
    config.connect_silence = 0.25;
    struct pair p;
    pair_new(&p, &config, 0);
    stream_sink_start(&p.sink, sim_host_env(p.b), PORT, 1);
    enum { DIALS = 400 };
    static struct stream_source sources[DIALS];
    unsigned refused = 0, silent = 0, fine = 0;
    for (int i = 0; i < DIALS; i++)
        stream_source_start(&sources[i], sim_host_env(p.a), &p.to, 1, 1);
    sim_world_run_until(p.world, SECONDS(200), NULL, NULL);
    for (int i = 0; i < DIALS; i++) {
        refused += sources[i].connect_result == ERR_REFUSED;
        silent += sources[i].connect_result == ERR_TIMEOUT;
        fine += sources[i].connect_result == 0;
        stream_source_stop(&sources[i]);
    }
    assert_int_equal(refused + silent + fine, DIALS);
    assert_near(silent, DIALS / 4.0, 0.25);
    assert_near(refused, DIALS * 3 / 16.0, 0.3);
    assert_int_equal(p.sink.accepted, fine);
    pair_free(&p);
}

static void sockets_have_their_bound(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(18);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *a = sim_host_new(
        w, &(struct sim_host_config){.name = "a", .addresses = {"10.0.0.1"}, .sockets_max = 3});
    struct endpoint to = endpoint_v4(0x0a000002, PORT);
    struct stream_source s[4];
    for (int i = 0; i < 4; i++)
        stream_source_start(&s[i], sim_host_env(a), &to, 1, 1);
    assert_int_equal(s[2].connect_result, 1);
    assert_int_equal(s[3].connect_result, ERR_LIMIT);
    stream_source_stop(&s[0]);
    stream_source_start(&s[3], sim_host_env(a), &to, 1, 1);
    assert_int_equal(s[3].connect_result, 1);
    for (int i = 1; i < 4; i++)
        stream_source_stop(&s[i]);
    sim_world_free(w);
}

static void an_address_that_goes_away_takes_its_connections_along(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(19);
    struct pair p;
    pair_new(&p, &config, 100000);
    pair_send(&p, 1000000);
    sim_world_run_until(p.world, SECONDS(3), NULL, NULL);
    sim_host_remove_address(p.a, "10.0.0.1");
    sim_world_run_until(p.world, SECONDS(4), NULL, NULL);
    uint64_t before = p.sink.received;
    sim_world_run_until(p.world, SECONDS(20), NULL, NULL);
    assert_int_equal(p.sink.received, before);
    sim_host_add_address(p.a, "10.0.0.1", "eth0");
    assert_int_equal(pair_run(&p, SECONDS(100)), SIM_REACHED);
    assert_whole(&p, 1000000);
    pair_free(&p);
}

static void loopback_reaches_only_the_host_itself(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(20);
    struct pair p;
    pair_new(&p, &config, 1000);
    struct endpoint loop = endpoint_v4(0x7f000001, PORT);
    stream_sink_start(&p.sink, sim_host_env(p.b), PORT, 3);
    struct stream_source stranger;
    stream_source_start(&stranger, sim_host_env(p.a), &loop, 3, 100000);
    stream_source_start(&p.source, sim_host_env(p.b), &loop, 3, 100000);
    assert_int_equal(pair_run(&p, SECONDS(1)), SIM_REACHED); /* no line limits it */
    assert_whole(&p, 100000);
    assert_int_equal(stranger.connect_result, ERR_REFUSED);
    stream_source_stop(&stranger);
    pair_free(&p);
}

/* ---- mapped files -------------------------------------------------------------------------- */

static void a_mapped_file_is_written_like_memory(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(21);
    struct pair p;
    pair_new(&p, &config, 0);
    uint8_t content[10000];
    stream_fill(7, 0, content, sizeof content);
    assert_int_equal(sim_disk_put(p.a, "/f", bytes_of(content, sizeof content)), 0);
    pair_send(&p, 0);
    p.source.keep_open = true;
    sim_world_run_until(p.world, SECONDS(1), NULL, NULL);
    struct env_dir *dir;
    struct env_file *file;
    struct env_mapping m;
    assert_int_equal(env_dir_open(sim_host_env(p.a), "/", false, &dir), 0);
    assert_int_equal(env_file_open(dir, "f", ENV_OPEN_READ, &file), 0);
    assert_int_equal(env_file_map(file, 4000, 6001, &m), ERR_CHANGED);
    assert_int_equal(env_file_map(file, 4000, 6000, &m), 0);
    env_file_close(file);
    env_dir_close(dir);
    struct iovec iov[2] = {{content, 4000}, {(void *)(uintptr_t)m.data, 6000}};
    assert_int_equal(env_tcp_writev(p.source.tcp, iov, 2, false), 10000);
    env_unmap(&m);
    stream_source_stop(&p.source);
    assert_int_equal(pair_run(&p, SECONDS(5)), SIM_REACHED);
    assert_whole(&p, 10000);
    pair_free(&p);
}

static void a_hundred_hosts_with_twenty_connections_each_all_finish(void **state)
{
    (void)state;
    enum { HOSTS = 100, EACH = 20 };
    struct sim_config config = sim_config_calm(22);
    struct sim_world *w = sim_world_new(&config);
    static struct stream_sink sinks[HOSTS][EACH];
    static struct stream_source sources[HOSTS][EACH];
    struct sim_host *hosts[HOSTS];
    for (int i = 0; i < HOSTS; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.1.0.%d", i + 1);
        hosts[i] = sim_host_new(w, &(struct sim_host_config){.name = ip,
                                       .addresses = {ip},
                                       .up_bytes_per_second = 2000000,
                                       .down_bytes_per_second = 10000000});
        for (int j = 0; j < EACH; j++)
            stream_sink_start(&sinks[i][j], sim_host_env(hosts[i]), (uint16_t)(PORT + j), 5);
    }
    for (int i = 0; i < HOSTS; i++) {
        for (int j = 0; j < EACH; j++) {
            struct endpoint to =
                sim_host_endpoint(hosts[(i + j + 1) % HOSTS], ADDR_V4, (uint16_t)(PORT + j));
            stream_source_start(&sources[i][j], sim_host_env(hosts[i]), &to, 5, 100000);
        }
    }
    sim_world_run_until(w, SECONDS(20), NULL, NULL);
    for (int i = 0; i < HOSTS; i++) {
        for (int j = 0; j < EACH; j++) {
            assert_int_equal(sinks[i][j].received, 100000);
            assert_int_equal(sinks[i][j].mismatches, 0);
            assert_int_equal(sinks[i][j].end, ERR_CLOSED);
            stream_source_stop(&sources[i][j]);
            stream_sink_stop(&sinks[i][j]);
        }
    }
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_whole_and_ends_with_closed),
        cmocka_unit_test(a_stream_survives_any_segmentation_loss_and_back_pressure),
        cmocka_unit_test(a_reader_that_rests_stops_the_writer_at_the_buffers),
        cmocka_unit_test(throughput_is_the_configured_bandwidth),
        cmocka_unit_test(loss_makes_a_long_path_slower_but_does_not_stop_it),
        cmocka_unit_test(flows_share_a_downlink_evenly),
        cmocka_unit_test(connected_comes_after_a_round_trip_and_refusal_too),
        cmocka_unit_test(dialling_nobody_times_out),
        cmocka_unit_test(a_host_without_a_fitting_address_cannot_dial),
        cmocka_unit_test(a_port_is_taken_once),
        cmocka_unit_test(a_partition_stalls_and_its_healing_resumes),
        cmocka_unit_test(a_partition_that_stays_breaks_the_writer_and_not_the_idle_reader),
        cmocka_unit_test(a_reset_reaches_both_ends),
        cmocka_unit_test(a_reader_that_closes_early_resets_the_writer),
        cmocka_unit_test(a_killed_node_says_goodbye_and_what_it_wrote_still_arrives),
        cmocka_unit_test(a_power_loss_is_silence_and_a_reset_after_the_return),
        cmocka_unit_test(a_connection_that_falls_silent_stays_so),
        cmocka_unit_test(misfortunes_of_dials_come_as_often_as_configured),
        cmocka_unit_test(sockets_have_their_bound),
        cmocka_unit_test(an_address_that_goes_away_takes_its_connections_along),
        cmocka_unit_test(loopback_reaches_only_the_host_itself),
        cmocka_unit_test(a_mapped_file_is_written_like_memory),
        cmocka_unit_test(a_hundred_hosts_with_twenty_connections_each_all_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
