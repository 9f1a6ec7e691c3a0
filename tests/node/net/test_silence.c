/* Two whole nodes whose way to each other is cut for a while, in the simulated world, whose TCP
 * doubles its pauses up to two minutes: the download goes on soon after the way is there again. */
#include "sim/swarm.h"

#include "node/node_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define UP (256u << 10) /* of the giver, bytes a second */

static struct swarm s;

static void begin(void)
{
    swarm_new(&s, &(struct swarm_config){.seed = 5,
                      .file_sizes = {16u << 20},
                      .piece_length = 32768,
                      .memory_max = 1 << 20,
                      .no_utp = true});
    swarm_add(&s, &(struct swarm_node_config){.seeder = true, .folder = "/d", .up = UP});
    swarm_add(&s, &(struct swarm_node_config){.folder = "/d"});
    swarm_start(&s.nodes[0]);
    swarm_start(&s.nodes[1]);
    swarm_pass(&s, SECONDS(5));
}

static uint64_t downloaded(void)
{
    struct kith_status status;
    KITH_INIT(status);
    kith_status(s.nodes[1].torrent, &status);
    return status.downloaded;
}

static unsigned connections(void)
{
    return s.nodes[1].node->connections;
}

/* How long after the cut's end something came. */
static usec goes_on_after(usec cut)
{
    begin();
    sim_path_cut(s.nodes[0].host, s.nodes[1].host);
    swarm_pass(&s, cut);
    uint64_t had = downloaded();
    assert_true(had > 0);
    sim_path_heal(s.nodes[0].host, s.nodes[1].host);
    usec healed = sim_world_now(s.world);
    while (downloaded() == had && sim_world_now(s.world) < healed + SECONDS(60))
        swarm_pass(&s, MSECS(100));
    usec took = sim_world_now(s.world) - healed;
    swarm_pass(&s, SECONDS(5));
    assert_true(downloaded() - had > 3 * UP); /* and it stays so */
    assert_int_equal(connections(), 1);
    swarm_free(&s);
    return took;
}

static void a_download_goes_on_soon_after_the_way_is_there_again(void **state)
{
    (void)state;
    for (usec cut = SECONDS(10); cut <= SECONDS(100); cut += SECONDS(15))
        assert_in_range(goes_on_after(cut), 0, SECONDS(4));
}

/* Busy: it says nothing for a while, as one does that has many to serve. */
static void who_is_only_busy_keeps_its_connection(void **state)
{
    (void)state;
    begin();
    kith_set_rates(s.nodes[0].node, 0, 1);
    swarm_pass(&s, SECONDS(5));
    struct peer *was = torrent_peer_at(s.nodes[1].torrent->torrent, 0);
    swarm_pass(&s, SECONDS(50));
    assert_ptr_equal(torrent_peer_at(s.nodes[1].torrent->torrent, 0), was);
    kith_set_rates(s.nodes[0].node, 0, 0);
    uint64_t had = downloaded();
    swarm_pass(&s, SECONDS(5));
    assert_true(downloaded() > had);
    swarm_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_download_goes_on_soon_after_the_way_is_there_again),
        cmocka_unit_test(who_is_only_busy_keeps_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
