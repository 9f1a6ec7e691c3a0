/* The simulated world itself: one seed is one run, time moves as the events say, jobs come in
 * order, and a world that hangs or spins is told of. */
#include "base/list.h"
#include "env/sim/sim.h"
#include "sim_stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- a run with a little of everything ----------------------------------------------------- */

enum { HOSTS = 6 };

struct busy_host {
    struct sim_host *host;
    struct stream_sink sink;
    struct stream_source source;
    struct env_udp *udp;
    struct env_job job;
    struct env_dir *dir;
    unsigned writes, datagrams;
    struct busy_host *all;
    int index;
};

static void job_run(struct env_job *job)
{
    struct busy_host *h = list_entry(job, struct busy_host, job);
    struct env *env = sim_host_env(h->host);
    struct env_file *f;
    uint8_t bytes[3000];
    env_random(env, bytes, sizeof bytes);
    if (h->dir == NULL && env_dir_open(env, "/d", true, &h->dir) != 0)
        return;
    if (env_file_open(h->dir, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f) != 0)
        return;
    env_file_pwritev(f, &(struct iovec){bytes, sizeof bytes}, 1, h->writes * 1000u);
    if (h->writes % 4 == 0)
        env_file_sync(f);
    env_file_close(f);
}

static void job_done(struct env_job *job)
{
    struct busy_host *h = list_entry(job, struct busy_host, job);
    h->writes++;
    env_submit(sim_host_env(h->host), h->writes % 2 ? ENV_LANE_DATA : ENV_LANE_BACKGROUND, job);
}

static void datagram_came(void *user)
{
    struct busy_host *h = user;
    uint8_t room[1500];
    struct env_datagram d = {.data = room, .size = sizeof room};
    while (env_udp_receive(h->udp, &d, 1) == 1) {
        h->datagrams++;
        d.size = sizeof room;
    }
}

static void says_hello(void *user, usec now)
{
    struct busy_host *h = user;
    struct env *env = sim_host_env(h->host);
    uint8_t data[900] = {0};
    struct env_datagram d = {.data = data, .size = sizeof data};
    d.peer = sim_host_endpoint(h->all[(h->index + 2) % HOSTS].host, ADDR_V4, 99);
    env_udp_send(h->udp, &d, 1);
    env_wake_at(env, now + MSECS(37), says_hello, h);
}

static uint64_t run_once(uint64_t seed, usec until, uint64_t *events)
{
    struct sim_config config = sim_config_rough(seed);
    config.tcp_reset = 0.0005;
    struct sim_world *w = sim_world_new(&config);
    struct busy_host hosts[HOSTS] = {0};
    for (int i = 0; i < HOSTS; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
        hosts[i].all = hosts;
        hosts[i].index = i;
        hosts[i].host =
            sim_host_new(w, &(struct sim_host_config){
                                .name = ip, .addresses = {ip}, .up_bytes_per_second = 100000});
        stream_sink_start(&hosts[i].sink, sim_host_env(hosts[i].host), 80, 1);
    }
    for (int i = 0; i < HOSTS; i++) {
        struct busy_host *h = &hosts[i];
        struct env *env = sim_host_env(h->host);
        struct endpoint any = endpoint_v4(0, 99);
        assert_int_equal(env_udp_open(env, &any, NULL, datagram_came, h, &h->udp), 0);
        struct endpoint to = sim_host_endpoint(hosts[(i + 1) % HOSTS].host, ADDR_V4, 80);
        stream_source_start(&h->source, env, &to, 1, 1 << 30);
        h->job = (struct env_job){.run = job_run, .done = job_done};
        env_submit(env, ENV_LANE_DATA, &h->job);
        env_wake_at(env, 0, says_hello, h);
    }
    sim_world_run_until(w, until / 2, NULL, NULL);
    sim_host_crash(hosts[sim_world_draw(w, HOSTS)].host, SIM_POWER_LOSS);
    sim_world_run_until(w, until, NULL, NULL);
    uint64_t digest = sim_world_digest(w);
    *events = sim_world_event_count(w);
    for (int i = 0; i < HOSTS; i++) {
        stream_source_stop(&hosts[i].source);
        stream_sink_stop(&hosts[i].sink);
        env_udp_close(hosts[i].udp);
        if (hosts[i].dir != NULL)
            env_dir_close(hosts[i].dir);
    }
    sim_world_free(w);
    return digest;
}

static void one_seed_is_one_run_and_another_seed_another(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        uint64_t events[2];
        uint64_t first = run_once(seed, SECONDS(4), &events[0]);
        uint64_t second = run_once(seed, SECONDS(4), &events[1]);
        assert_int_equal(first, second);
        assert_int_equal(events[0], events[1]);
        assert_true(events[0] > 1000);
        assert_int_not_equal(first, before);
        before = first;
    }
}

/* ---- time ---------------------------------------------------------------------------------- */

struct waker {
    struct env *env;
    unsigned count;
    usec at[8];
};

static void woke(void *user, usec now)
{
    struct waker *k = user;
    k->at[k->count++] = now;
}

static void a_wake_comes_once_at_its_time_on_the_hosts_own_clock(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h =
        sim_host_new(w, &(struct sim_host_config){.name = "h", .clock_start = SECONDS(500)});
    struct waker k = {.env = sim_host_env(h)};
    assert_int_equal(env_now(k.env), SECONDS(500));
    env_wake_at(k.env, SECONDS(503), woke, &k);
    env_wake_at(k.env, SECONDS(502), woke, &k); /* replaces */
    assert_int_equal(sim_world_run_until(w, SECONDS(10), NULL, NULL), SIM_TIME_UP);
    assert_int_equal(k.count, 1);
    assert_int_equal(k.at[0], SECONDS(502));
    assert_int_equal(env_now(k.env), SECONDS(510));
    assert_int_equal(env_time_unix(k.env), config.start_unix + 10);
    env_wake_at(k.env, SECONDS(100), woke, &k); /* long past: at once, but not inside the call */
    assert_int_equal(k.count, 1);
    sim_world_run_until(w, SECONDS(10), NULL, NULL);
    assert_int_equal(k.count, 2);
    env_wake_at(k.env, SECONDS(520), woke, &k);
    env_wake_at(k.env, NEVER, woke, &k);
    assert_int_equal(sim_world_run_until(w, NEVER, NULL, NULL), SIM_STUCK);
    assert_int_equal(k.count, 2);
    sim_world_free(w);
}

static void a_suspended_hosts_clock_rests_and_its_deadlines_wait(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h = sim_host_new(w, &(struct sim_host_config){.name = "h"});
    struct waker k = {.env = sim_host_env(h)};
    env_wake_at(k.env, SECONDS(10), woke, &k);
    sim_world_run_until(w, SECONDS(4), NULL, NULL);
    sim_host_suspend(h, SECONDS(3600));
    sim_world_run_until(w, SECONDS(3600), NULL, NULL);
    assert_int_equal(env_now(k.env), SECONDS(4));
    assert_int_equal(env_time_unix(k.env), config.start_unix + 3600); /* the wall clock goes on */
    sim_world_run_until(w, SECONDS(3605), NULL, NULL);
    assert_int_equal(env_now(k.env), SECONDS(5));
    assert_int_equal(k.count, 0);
    sim_world_run_until(w, SECONDS(3620), NULL, NULL);
    assert_int_equal(k.count, 1);
    assert_int_equal(k.at[0], SECONDS(10));
    sim_host_suspend(h, SECONDS(100)); /* and again */
    sim_world_run_until(w, SECONDS(3800), NULL, NULL);
    assert_int_equal(env_now(k.env), SECONDS(100));
    sim_world_free(w);
}

static void a_wall_clock_jumps_alone(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h = sim_host_new(w, &(struct sim_host_config){.name = "h"});
    sim_world_run_until(w, SECONDS(4), NULL, NULL);
    sim_host_turn_wall_clock(h, -7200);
    assert_int_equal(env_time_unix(sim_host_env(h)), config.start_unix + 4 - 7200);
    sim_host_turn_wall_clock(h, 86400);
    assert_int_equal(env_time_unix(sim_host_env(h)), config.start_unix + 4 - 7200 + 86400);
    assert_int_equal(env_now(sim_host_env(h)), SECONDS(4));
    sim_world_free(w);
}

static bool never_true(void *user)
{
    (void)user;
    return false;
}

static bool counted(void *user)
{
    return ((struct waker *)user)->count > 0;
}

static void a_world_where_nothing_is_left_says_stuck(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(2);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h = sim_host_new(w, &(struct sim_host_config){.name = "h"});
    struct waker k = {.env = sim_host_env(h)};
    env_wake_at(k.env, SECONDS(1), woke, &k);
    assert_int_equal(sim_world_run_until(w, SECONDS(50), counted, &k), SIM_REACHED);
    assert_int_equal(sim_world_now(w), SECONDS(1));
    assert_int_equal(sim_world_run_until(w, SECONDS(50), never_true, NULL), SIM_STUCK);
    assert_non_null(strstr(sim_world_complaint(w), "stuck"));
    sim_world_free(w);
}

static void spins(void *user, usec now)
{
    struct waker *k = user;
    env_wake_at(k->env, now, spins, k);
}

static void a_host_that_spins_is_a_livelock_with_its_name(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(3);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h = sim_host_new(w, &(struct sim_host_config){.name = "spinner"});
    struct waker k = {.env = sim_host_env(h)};
    env_wake_at(k.env, SECONDS(1), spins, &k);
    assert_int_equal(sim_world_run_until(w, SECONDS(50), NULL, NULL), SIM_LIVELOCK);
    assert_non_null(strstr(sim_world_complaint(w), "spinner"));
    sim_world_free(w);
}

static void mark(void *user)
{
    ++*(int *)user;
}

static void the_script_is_played_at_its_times(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(4);
    struct sim_world *w = sim_world_new(&config);
    int marks = 0;
    sim_world_at(w, SECONDS(2), mark, &marks);
    sim_world_at(w, SECONDS(1), mark, &marks);
    sim_world_at(w, SECONDS(9), mark, &marks);
    sim_world_run_until(w, SECONDS(1), NULL, NULL);
    assert_int_equal(marks, 1);
    sim_world_run_until(w, SECONDS(3), NULL, NULL);
    assert_int_equal(marks, 2);
    sim_world_free(w);
}

/* ---- lives --------------------------------------------------------------------------------- */

static void the_dead_hear_nothing_and_a_new_life_draws_other_randomness(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(5);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *h =
        sim_host_new(w, &(struct sim_host_config){.name = "h", .addresses = {"10.0.0.1"}});
    struct waker k = {.env = sim_host_env(h)};
    uint8_t before[16], after[16];
    env_random(k.env, before, sizeof before);
    env_wake_at(k.env, SECONDS(1), woke, &k);
    sim_host_crash(h, SIM_KILLED);
    env_wake_at(k.env, SECONDS(1), woke, &k);
    struct endpoint any = endpoint_v4(0, 0);
    struct env_udp *udp;
    assert_int_equal(env_udp_open(k.env, &any, NULL, mark, NULL, &udp), ERR_CLOSED);
    sim_world_run_until(w, SECONDS(5), NULL, NULL);
    assert_int_equal(k.count, 0);
    struct env *reborn = sim_host_restart(h);
    assert_ptr_not_equal(reborn, k.env);
    env_random(reborn, after, sizeof after);
    assert_memory_not_equal(before, after, sizeof before);
    struct endpoint mine[8];
    assert_int_equal(env_local_addresses(reborn, mine, 8), 3);
    sim_world_free(w);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

enum { JOBS = 40 };

struct work {
    struct env_job job;
    int number;
    struct ledger *ledger;
};

struct ledger {
    struct sim_world *world;
    struct sim_host *host;
    struct work works[JOBS];
    int ran[JOBS], run_count, done[JOBS], done_count;
    usec done_at[JOBS];
    bool touches_disk;
};

static void work_runs(struct env_job *job)
{
    struct work *work = list_entry(job, struct work, job);
    struct ledger *l = work->ledger;
    l->ran[l->run_count++] = work->number;
    struct env_dir *dir;
    if (l->touches_disk && env_dir_open(sim_host_env(l->host), "/", false, &dir) == 0)
        env_dir_close(dir);
}

static void work_done(struct env_job *job)
{
    struct work *work = list_entry(job, struct work, job);
    struct ledger *l = work->ledger;
    l->done_at[l->done_count] = sim_world_now(l->world);
    l->done[l->done_count++] = work->number;
}

static struct ledger *ledger_new(struct sim_config config, unsigned workers)
{
    struct ledger *l = calloc(1, sizeof *l);
    l->world = sim_world_new(&config);
    l->host = sim_host_new(l->world, &(struct sim_host_config){.name = "h", .workers = workers});
    for (int i = 0; i < JOBS; i++)
        l->works[i] =
            (struct work){.job = {.run = work_runs, .done = work_done}, .number = i, .ledger = l};
    return l;
}

static void ledger_free(struct ledger *l)
{
    sim_world_free(l->world);
    free(l);
}

static void jobs_start_in_order_and_the_background_yields(void **state)
{
    (void)state;
    struct ledger *l = ledger_new(sim_config_calm(6), 1);
    struct env *env = sim_host_env(l->host);
    assert_int_equal(env_worker_count(env), 1);
    for (int i = 0; i < JOBS; i++)
        env_submit(env, i < 10 ? ENV_LANE_BACKGROUND : ENV_LANE_DATA, &l->works[i].job);
    assert_int_equal(l->run_count, 0); /* never inside the call */
    sim_world_run_until(l->world, SECONDS(1), NULL, NULL);
    assert_int_equal(l->done_count, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(l->ran[i], (i + 10) % JOBS);
        assert_int_equal(l->done[i], l->ran[i]);
    }
    ledger_free(l);
}

static void workers_bound_how_many_jobs_are_under_way(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(7);
    config.disk_latency_min = config.disk_latency_max = MSECS(10);
    config.job_time_max = 0;
    struct ledger *l = ledger_new(config, 4);
    l->touches_disk = true;
    for (int i = 0; i < JOBS; i++)
        env_submit(sim_host_env(l->host), ENV_LANE_DATA, &l->works[i].job);
    sim_world_run_until(l->world, SECONDS(1), NULL, NULL);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(l->done_at[i], MSECS(10) * (i / 4 + 1));
    assert_int_equal(sim_host_stats(l->host).disk_calls_on_loop, 0);
    assert_int_equal(sim_host_stats(l->host).jobs_run, JOBS);
    ledger_free(l);
}

static void shuffled_jobs_all_run_in_an_order_of_the_seed(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(8);
    config.shuffle_jobs = true;
    int moved = 0, seen[JOBS] = {0};
    struct ledger *l = ledger_new(config, 1);
    for (int i = 0; i < JOBS; i++)
        env_submit(sim_host_env(l->host), ENV_LANE_DATA, &l->works[i].job);
    sim_world_run_until(l->world, SECONDS(1), NULL, NULL);
    for (int i = 0; i < JOBS; i++) {
        moved += l->ran[i] != i;
        seen[l->ran[i]]++;
    }
    assert_true(moved > JOBS / 2);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(seen[i], 1);
    ledger_free(l);
}

static void a_call_that_hangs_holds_its_worker_and_no_other(void **state)
{
    (void)state;
    struct ledger *l = ledger_new(sim_config_calm(9), 2);
    l->touches_disk = true;
    sim_disk_fault_add(
        l->host, &(struct sim_disk_fault){
                     .call = SIM_DISK_DIR_OPEN, .nth = 1, .times = 1, .hang = SECONDS(60)});
    for (int i = 0; i < JOBS; i++)
        env_submit(sim_host_env(l->host), ENV_LANE_DATA, &l->works[i].job);
    sim_world_run_until(l->world, SECONDS(59), NULL, NULL);
    assert_int_equal(l->done_count, JOBS - 1);
    sim_world_run_until(l->world, SECONDS(61), NULL, NULL);
    assert_int_equal(l->done_count, JOBS);
    assert_int_equal(l->done[JOBS - 1], 0);
    ledger_free(l);
}

static void a_call_that_never_returns_never_finishes_its_job(void **state)
{
    (void)state;
    struct ledger *l = ledger_new(sim_config_calm(10), 2);
    l->touches_disk = true;
    sim_disk_fault_add(
        l->host, &(struct sim_disk_fault){
                     .call = SIM_DISK_DIR_OPEN, .nth = 1, .times = SIM_FOREVER, .hang = NEVER});
    for (int i = 0; i < JOBS; i++)
        env_submit(sim_host_env(l->host), ENV_LANE_DATA, &l->works[i].job);
    assert_int_equal(sim_world_run_until(l->world, NEVER, NULL, NULL), SIM_STUCK);
    assert_int_equal(l->run_count, 2); /* both workers are lost */
    assert_int_equal(l->done_count, 0);
    sim_host_crash(l->host, SIM_KILLED);
    ledger_free(l);
}

static void a_crash_inside_a_job_freezes_the_disk_and_tells_nobody(void **state)
{
    (void)state;
    struct ledger *l = ledger_new(sim_config_calm(11), 2);
    l->touches_disk = true;
    sim_disk_fault_add(l->host, &(struct sim_disk_fault){.call = SIM_DISK_DIR_OPEN,
                                    .nth = 3,
                                    .times = 1,
                                    .crash = true,
                                    .crash_kind = SIM_POWER_LOSS});
    for (int i = 0; i < JOBS; i++)
        env_submit(sim_host_env(l->host), ENV_LANE_DATA, &l->works[i].job);
    sim_world_run_until(l->world, SECONDS(10), NULL, NULL);
    assert_null(sim_host_env(l->host));
    assert_int_equal(l->run_count, 3);
    assert_true(l->done_count < 3);
    struct env *reborn = sim_host_restart(l->host);
    for (int i = 0; i < JOBS; i++)
        env_submit(reborn, ENV_LANE_DATA, &l->works[i].job);
    l->run_count = l->done_count = 0;
    sim_world_run_until(l->world, SECONDS(20), NULL, NULL);
    assert_int_equal(l->done_count, JOBS);
    ledger_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_is_one_run_and_another_seed_another),
        cmocka_unit_test(a_wake_comes_once_at_its_time_on_the_hosts_own_clock),
        cmocka_unit_test(a_suspended_hosts_clock_rests_and_its_deadlines_wait),
        cmocka_unit_test(a_wall_clock_jumps_alone),
        cmocka_unit_test(a_world_where_nothing_is_left_says_stuck),
        cmocka_unit_test(a_host_that_spins_is_a_livelock_with_its_name),
        cmocka_unit_test(the_script_is_played_at_its_times),
        cmocka_unit_test(the_dead_hear_nothing_and_a_new_life_draws_other_randomness),
        cmocka_unit_test(jobs_start_in_order_and_the_background_yields),
        cmocka_unit_test(workers_bound_how_many_jobs_are_under_way),
        cmocka_unit_test(shuffled_jobs_all_run_in_an_order_of_the_seed),
        cmocka_unit_test(a_call_that_hangs_holds_its_worker_and_no_other),
        cmocka_unit_test(a_call_that_never_returns_never_finishes_its_job),
        cmocka_unit_test(a_crash_inside_a_job_freezes_the_disk_and_tells_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
