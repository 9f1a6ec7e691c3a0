/* Two whole nodes that find each other by whichever carrier there is. */
#include "sim/swarm.h"

#include "node/net/stream.h"
#include "node/node_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct swarm s;

static void begin(void)
{
    swarm_new(
        &s, &(struct swarm_config){
                .seed = 5, .file_sizes = {200000}, .piece_length = 32768, .memory_max = 1 << 20});
    swarm_add(&s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    swarm_add(&s, &(struct swarm_node_config){.folder = "/d"});
}

/* With that carrier alone, or CARRIER_NONE: with both. */
static void start(unsigned node, enum carrier only)
{
    s.config.no_tcp = only == CARRIER_UTP;
    s.config.no_utp = only == CARRIER_TCP;
    swarm_start(&s.nodes[node]);
}

/* Who gives has one carrier, who takes has both: it is done in seconds, not after a timeout. */
static void meets(enum carrier giver, enum carrier remembered)
{
    begin();
    start(0, giver);
    start(1, CARRIER_NONE);
    assert_true(swarm_run_until(&s, SECONDS(20), swarm_all_complete));
    swarm_pass(&s, SECONDS(1)); /* the giver calls, too, and may be done before our call is */
    struct endpoint to = sim_host_endpoint(s.nodes[0].host, ADDR_V4, 6881);
    assert_int_equal(race_remembered(s.nodes[1].node, &to), remembered);
    swarm_free(&s);
}

static void who_speaks_only_utp_is_reached(void **state)
{
    (void)state;
    meets(CARRIER_UTP, CARRIER_UTP);
}

static void who_speaks_only_tcp_is_reached_although_utp_goes_first(void **state)
{
    (void)state;
    meets(CARRIER_TCP, CARRIER_TCP);
}

static void on_the_internet_utp_goes_first_because_it_gives_way(void **state)
{
    (void)state;
    meets(CARRIER_NONE, CARRIER_UTP);
}

static void one_who_speaks_only_utp_calls_one_who_speaks_both(void **state)
{
    (void)state;
    begin();
    start(0, CARRIER_NONE);
    start(1, CARRIER_UTP);
    assert_true(swarm_run_until(&s, SECONDS(20), swarm_all_complete));
    swarm_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_speaks_only_utp_is_reached),
        cmocka_unit_test(who_speaks_only_tcp_is_reached_although_utp_goes_first),
        cmocka_unit_test(on_the_internet_utp_goes_first_because_it_gives_way),
        cmocka_unit_test(one_who_speaks_only_utp_calls_one_who_speaks_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
