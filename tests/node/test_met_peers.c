/* A download goes on after a restart with the peers that it was connected with before: no tracker,
 * no DHT, nobody on the local network, no word of the user. Whole nodes in the simulated world. */
#include "node/node_env.h"
#include "node/node_internal.h"
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIZE 3000000u
#define RATE 40000u /* bytes a second: there is time for a record in between */

/* The seed does not know who will come, so it calls nobody; the other one is told of it once. */
static struct swarm_node *begin(struct swarm *s)
{
    swarm_new(s, &(struct swarm_config){.seed = 7,
                     .file_sizes = {SIZE},
                     .piece_length = 32768,
                     .memory_max = 4u << 20,
                     .remember = true,
                     .no_dht = true});
    swarm_start(
        swarm_add(s, &(struct swarm_node_config){.seeder = true, .up = RATE, .folder = "/d"}));
    assert_true(swarm_run_until(s, SECONDS(60), swarm_all_complete));
    struct swarm_node *n = swarm_add(s, &(struct swarm_node_config){.folder = "/d"});
    swarm_start(n);
    return n;
}

static void end(struct swarm *s)
{
    assert_string_equal(s->why, "");
    swarm_free(s);
}

static bool is_half_way(struct swarm *s)
{
    struct kith_status st;
    KITH_INIT(st);
    kith_status(s->nodes[1].torrent, &st);
    return 2 * st.pieces_done > st.pieces_total;
}

static bool has_stopped(struct swarm *s)
{
    return s->nodes[1].node->stopped;
}

static void stop(struct swarm *s)
{
    struct swarm_node *n = &s->nodes[1];
    kith_stop(n->node);
    assert_true(swarm_run_until(s, SECONDS(10), has_stopped));
    node_free(n->node);
    n->node = NULL;
}

static void a_download_that_was_stopped_goes_on_by_itself(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    assert_true(swarm_run_until(&s, SECONDS(120), is_half_way));
    stop(&s);
    swarm_start_again(n);
    assert_true(n->torrent->restored);
    assert_true(swarm_run_until(&s, SECONDS(120), swarm_all_complete));
    end(&s);
}

static void one_that_was_killed_goes_on_by_itself(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    assert_true(swarm_run_until(&s, SECONDS(120), is_half_way));
    swarm_crash(n, SIM_POWER_LOSS);
    swarm_start_again(n);
    assert_true(swarm_run_until(&s, SECONDS(120), swarm_all_complete));
    end(&s);
}

static int kept(struct swarm_node *n)
{
    struct state_peer peers[STATE_PEERS_MAX];
    return state_load_peers(n->node->state, n->torrent->id, peers, STATE_PEERS_MAX);
}

static bool has_kept_somebody(struct swarm *s)
{
    return kept(&s->nodes[1]) > 0;
}

static void what_is_complete_keeps_nobody(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    assert_true(swarm_run_until(&s, SECONDS(120), has_kept_somebody));
    assert_true(swarm_run_until(&s, SECONDS(120), swarm_all_complete));
    swarm_pass(&s, SECONDS(10));
    assert_int_equal(kept(n), 0);
    end(&s);
}

/* ---- where everything goes by a proxy ------------------------------------------------------ */

static struct kith_node *open_node(struct sim_host *host, const char *state_file, const char *proxy)
{
    struct kith_node *node;
    struct kith_options o;
    KITH_INIT(o);
    o.state_file = state_file;
    o.dht = KITH_DHT_OFF;
    o.proxy = proxy;
    assert_int_equal(node_open_in(sim_host_env(host), &o, &node), 0);
    return node;
}

static void stop_node(struct sim_world *world, struct kith_node *node)
{
    kith_stop(node);
    sim_world_run_until(world, sim_world_now(world) + SECONDS(5), NULL, NULL);
    node_free(node);
}

static unsigned peers_known(struct kith_node *node)
{
    struct kith_status st;
    KITH_INIT(st);
    kith_status(kith_torrent_at(node, 0), &st);
    return st.peers_known;
}

static void a_proxy_is_not_told_of_peers_on_the_local_network(void **state)
{
    (void)state;
    struct sim_config config = sim_config_calm(1);
    struct sim_world *world = sim_world_new(&config);
    struct sim_host *host =
        sim_host_new(world, &(struct sim_host_config){.name = "h", .addresses = {"40.1.2.3"}});
    const struct state_peer peers[] = {
        {.endpoint = endpoint_v4(0x0a010203, 6881), .seen_unix = 1, .source = ADDR_FROM_LAN},
        {.endpoint = endpoint_v4(0x08080808, 6881), .seen_unix = 1, .source = ADDR_FROM_STRANGER}};
    char state_file[] = "/tmp/kith-met-XXXXXX", command[64];
    struct kith_add add;
    struct kith_torrent *k;
    assert_true(mkstemp(state_file) >= 0);
    struct kith_node *node = open_node(host, state_file, NULL);
    KITH_INIT(add);
    add.link = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";
    add.folder = "/d";
    assert_int_equal(kith_add(node, &add, &k), 0);
    stop_node(world, node);
    node = open_node(host, state_file, NULL);
    k = kith_torrent_at(node, 0);
    assert_int_equal(state_save_peers(node->state, k->id, peers, 2, NULL, NULL), 0);
    stop_node(world, node);
    node = open_node(host, state_file, NULL);
    assert_int_equal(peers_known(node), 2);
    stop_node(world, node);
    node = open_node(host, state_file, "socks5://50.1.2.3");
    assert_int_equal(peers_known(node), 1);
    stop_node(world, node);
    sim_world_free(world);
    snprintf(command, sizeof command, "rm -f %s*", state_file);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_download_that_was_stopped_goes_on_by_itself),
        cmocka_unit_test(one_that_was_killed_goes_on_by_itself),
        cmocka_unit_test(what_is_complete_keeps_nobody),
        cmocka_unit_test(a_proxy_is_not_told_of_peers_on_the_local_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
