/* Whose turn it is to download, by a whole node in the simulated world: those who came first, so
 * many at a time; and what it costs to find out. */
#include "env/sim/sim.h"
#include "node/node_env.h"
#include "node/node_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MANY 1000u
#define SIZE 65536u

static struct sim_world *world;
static struct sim_host *host;
static struct kith_node *node;
static struct kith_torrent *torrents[MANY];

static void begin(int downloads_max)
{
    struct sim_config config = sim_config_calm(1);
    struct kith_options options;
    world = sim_world_new(&config);
    host = sim_host_new(world, &(struct sim_host_config){.name = "h", .addresses = {"40.1.2.3"}});
    KITH_INIT(options);
    options.dht = KITH_DHT_OFF;
    options.downloads_max = downloads_max;
    assert_int_equal(node_open_in(sim_host_env(host), &options, &node), 0);
}

static void pass(usec time)
{
    sim_world_run_until(world, sim_world_now(world) + time, NULL, NULL);
}

/* One file that nobody has, of one piece. */
static void add(unsigned i, bool paused)
{
    struct kith_add add;
    char torrent[256];
    int n = snprintf(torrent, sizeof torrent,
        "d4:infod6:lengthi%ue4:name6:%06u12:piece lengthi%ue6:pieces20:%020uee", SIZE, i, SIZE, i);
    KITH_INIT(add);
    add.torrent = torrent;
    add.torrent_size = (size_t)n;
    add.folder = "/d";
    add.sparse = 1;
    add.paused = paused;
    assert_int_equal(kith_add(node, &add, &torrents[i]), 0);
}

static void add_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        add(i, false);
    pass(SECONDS(1));
}

static void end(void)
{
    kith_stop(node);
    pass(SECONDS(5));
    node_free(node);
    sim_world_free(world);
}

static char letter_of(struct kith_torrent *k)
{
    struct kith_status s;
    KITH_INIT(s);
    kith_status(k, &s);
    return s.state == KITH_STATE_DOWNLOADING ? 'd'
           : s.state == KITH_STATE_QUEUED    ? 'q'
           : s.state == KITH_STATE_PAUSED    ? 'p'
           : s.state == KITH_STATE_TROUBLE   ? 't'
                                             : '?';
}

/* "ddq": the first two download, the third waits. '-': it was removed. */
static void expect(const char *states)
{
    char is[32];
    unsigned count = (unsigned)strlen(states);
    for (unsigned i = 0; i < count; i++)
        is[i] = torrents[i] ? letter_of(torrents[i]) : '-';
    is[count] = 0;
    assert_string_equal(is, states);
}

static void those_who_came_first_download_first(void **state)
{
    (void)state;
    begin(2);
    add_all(5);
    expect("ddqqq");
    kith_pause(torrents[0]);
    expect("pddqq");
    kith_resume(torrents[0]); /* it still came first */
    expect("ddqqq");
    kith_remove(torrents[1]);
    torrents[1] = NULL;
    expect("d-dqq");
    kith_pause(torrents[3]);
    kith_pause(torrents[0]);
    expect("p-dpd");
    kith_resume(torrents[3]);
    expect("p-ddq");
    end();
}

static void who_is_told_to_go_on_waits_for_its_turn_all_the_same(void **state)
{
    (void)state;
    begin(1);
    add_all(3);
    kith_resume(torrents[2]);
    expect("dqq");
    add(3, true);
    pass(SECONDS(1));
    kith_resume(torrents[3]);
    expect("dqqq");
    end();
}

static void who_wants_nothing_more_holds_up_nobody(void **state)
{
    (void)state;
    begin(1);
    add_all(3);
    assert_int_equal(kith_set_file_priority(torrents[0], 0, 0), 0);
    expect("?dq");
    assert_int_equal(kith_set_file_priority(torrents[0], 0, 4), 0);
    expect("dqq");
    entry_trouble(torrents[0], KITH_E_IO, "the disk");
    expect("tdq");
    entry_torrent_recovered(torrents[0]);
    expect("dqq");
    end();
}

static void an_event_looks_at_few_however_many_there_are(void **state)
{
    (void)state;
    begin(5);
    add_all(MANY);
    assert_true(node->queue_looks < 10 * MANY);
    uint64_t before = node->queue_looks;
    for (unsigned i = 0; i < 100; i++) {
        kith_pause(torrents[i]);
        assert_int_equal(letter_of(torrents[i + 5]), 'd');
        assert_int_equal(letter_of(torrents[i + 6]), 'q');
    }
    assert_true(node->queue_looks - before < 1000);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_came_first_download_first),
        cmocka_unit_test(who_is_told_to_go_on_waits_for_its_turn_all_the_same),
        cmocka_unit_test(who_wants_nothing_more_holds_up_nobody),
        cmocka_unit_test(an_event_looks_at_few_however_many_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
