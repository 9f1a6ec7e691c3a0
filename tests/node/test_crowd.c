/* Many who come from one network: a whole node in the simulated world. */
#include "node/node_internal.h"
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CALLERS 300u

static struct swarm s;
static struct env_tcp *calls[CALLERS];

static void nothing(void *user)
{
    (void)user;
}

static void connected(void *user, int err)
{
    (void)user;
    (void)err;
}

/* So many connections from a host with that address, that say nothing. */
static void crowd(const char *address, unsigned count)
{
    static const struct env_tcp_events events = {connected, nothing, nothing};
    struct env_tcp_options options = {0};
    struct sim_host *host =
        sim_host_new(s.world, &(struct sim_host_config){.name = "crowd", .addresses = {address}});
    struct endpoint to = sim_host_endpoint(s.nodes[0].host, ADDR_V4, 6881);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(
            env_tcp_connect(sim_host_env(host), &to, &options, &events, NULL, &calls[i]), 0);
    swarm_pass(&s, SECONDS(2));
}

static void begin(void)
{
    swarm_new(
        &s, &(struct swarm_config){
                .seed = 5, .file_sizes = {200000}, .piece_length = 32768, .memory_max = 1 << 20});
    swarm_add(&s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    swarm_start(&s.nodes[0]);
    swarm_pass(&s, SECONDS(2));
}

static void one_network_holds_a_part_of_the_connections_and_others_get_in(void **state)
{
    (void)state;
    begin();
    crowd("30.1.2.3", CALLERS);
    assert_int_equal(s.nodes[0].node->connections, NODE_CONNECTIONS_MAX / NODE_NETWORK_SHARE);
    crowd("30.1.2.99", 20); /* of the same network: theirs give way */
    assert_int_equal(s.nodes[0].node->connections, NODE_CONNECTIONS_MAX / NODE_NETWORK_SHARE);
    crowd("30.1.3.4", 20); /* of the next */
    assert_int_equal(s.nodes[0].node->connections, NODE_CONNECTIONS_MAX / NODE_NETWORK_SHARE + 20);
    swarm_start(swarm_add(&s, &(struct swarm_node_config){.folder = "/d"}));
    assert_true(swarm_run_until(&s, SECONDS(60), swarm_all_complete));
    swarm_free(&s);
}

static void a_household_may_hold_as_many_as_there_are(void **state)
{
    (void)state;
    begin();
    crowd("10.1.2.3", CALLERS);
    assert_int_equal(s.nodes[0].node->connections, CALLERS);
    swarm_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_network_holds_a_part_of_the_connections_and_others_get_in),
        cmocka_unit_test(a_household_may_hold_as_many_as_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
