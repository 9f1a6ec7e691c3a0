/* Seeds that nobody asks for are put away, and are there when somebody does: whole nodes in the
 * simulated world. */
#include "node/node_internal.h"
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONG_ENOUGH SECONDS(200)

static void begin(struct swarm *s)
{
    swarm_new(
        s, &(struct swarm_config){
               .seed = 5, .file_sizes = {300000, 70000}, .piece_length = 32768, .remember = true});
    swarm_start(swarm_add(s, &(struct swarm_node_config){.seeder = true, .folder = "/d"}));
    assert_true(swarm_run_until(s, SECONDS(60), swarm_all_complete));
    swarm_pass(s, LONG_ENOUGH);
}

static void end(struct swarm *s)
{
    swarm_free(s);
    assert_string_equal(s->why, "");
}

static void a_seed_that_nobody_asks_falls_asleep_and_still_says_what_it_is(void **state)
{
    (void)state;
    struct swarm s;
    struct kith_status st;
    begin(&s);
    struct kith_torrent *k = s.nodes[0].torrent;
    assert_true(k->asleep);
    assert_null(k->torrent);
    assert_null(k->metainfo);
    KITH_INIT(st);
    kith_status(k, &st);
    assert_int_equal(st.state, KITH_STATE_SEEDING);
    assert_int_equal(st.bytes_total, 370000);
    assert_int_equal(st.bytes_done, 370000);
    assert_int_equal(st.pieces_total, s.metainfo->piece_count);
    assert_int_equal(st.file_count, 2);
    assert_true(st.has_v1 && st.has_v2);
    end(&s);
}

static void it_wakes_for_a_peer_serves_it_and_sleeps_again(void **state)
{
    (void)state;
    struct swarm s;
    begin(&s);
    swarm_start(swarm_add(&s, &(struct swarm_node_config){.folder = "/d"}));
    assert_true(swarm_run_until(&s, SECONDS(120), swarm_all_complete));
    assert_false(s.nodes[0].torrent->asleep);
    s.nodes[1].honest = false; /* gone, and not waited for */
    swarm_crash(&s.nodes[1], SIM_KILLED);
    swarm_pass(&s, 4 * LONG_ENOUGH);
    assert_true(s.nodes[0].torrent->asleep);
    assert_true(s.nodes[0].torrent->uploaded_before >= 370000);
    end(&s);
}

static int state_of(struct kith_torrent *k)
{
    struct kith_status st;
    KITH_INIT(st);
    kith_status(k, &st);
    return st.state;
}

static void it_is_paused_and_resumed_in_its_sleep(void **state)
{
    (void)state;
    struct swarm s;
    begin(&s);
    struct kith_torrent *k = s.nodes[0].torrent;
    kith_pause(k);
    assert_true(k->asleep);
    assert_int_equal(state_of(k), KITH_STATE_PAUSED);
    swarm_pass(&s, LONG_ENOUGH);
    assert_true(k->asleep);
    kith_resume(k);
    assert_true(k->asleep);
    assert_int_equal(state_of(k), KITH_STATE_SEEDING);
    swarm_start(swarm_add(&s, &(struct swarm_node_config){.folder = "/d"}));
    assert_true(swarm_run_until(&s, SECONDS(120), swarm_all_complete));
    end(&s);
}

static void after_a_restart_it_is_asleep_at_once_and_nothing_is_hashed(void **state)
{
    (void)state;
    struct swarm s;
    begin(&s);
    swarm_crash(&s.nodes[0], SIM_POWER_LOSS);
    s.nodes[0].hashed_at_ready = UINT64_MAX;
    swarm_start(&s.nodes[0]); /* which adds the torrent again, and so wakes it */
    assert_true(s.nodes[0].torrent->restored);
    assert_true(swarm_run_until(&s, SECONDS(60), swarm_all_complete));
    assert_int_equal(s.nodes[0].hashed_at_ready, 0);
    end(&s);
}

static void what_was_changed_while_it_slept_is_not_given_to_anybody(void **state)
{
    (void)state;
    struct swarm s;
    struct kith_status st;
    static uint8_t other[300000];
    char path[128];
    begin(&s);
    swarm_file_path(path, sizeof path, "/d", 0);
    sim_disk_put(s.nodes[0].host, path, bytes_of(other, sizeof other));
    s.nodes[0].honest = false;
    struct swarm_node *taker = swarm_add(&s, &(struct swarm_node_config){.folder = "/d"});
    taker->honest = false;
    swarm_start(taker);
    swarm_pass(&s, SECONDS(60));
    KITH_INIT(st);
    kith_status(s.nodes[0].torrent, &st);
    assert_true(st.pieces_done < st.pieces_total);
    kith_status(taker->torrent, &st);
    assert_true(st.pieces_done > 0 && st.pieces_done < st.pieces_total);
    assert_int_equal(st.wasted, 0);
    end(&s);
}

static bool is_removed(struct swarm *s)
{
    return s->nodes[0].torrent->stopped;
}

static void a_sleeper_that_is_removed_with_its_data_leaves_nothing(void **state)
{
    (void)state;
    struct swarm s;
    struct env_stat st;
    begin(&s);
    kith_remove_with_data(s.nodes[0].torrent);
    /* The event frees it: look before it is pulled. */
    while (!is_removed(&s))
        sim_world_run_until(s.world, sim_world_now(s.world) + MSECS(10), NULL, NULL);
    assert_true(sim_disk_stat(s.nodes[0].host, "/d/Data", &st) != 0);
    s.nodes[0].torrent = NULL;
    end(&s);
}

static bool is_put_away_next(struct swarm *s)
{
    struct kith_torrent *k = s->nodes[0].torrent;
    return k->falling_asleep && timer_armed(&k->drowsy);
}

static void one_that_is_removed_between_falling_asleep_and_being_put_away_is_removed(void **state)
{
    (void)state;
    struct swarm s;
    swarm_new(
        &s, &(struct swarm_config){
                .seed = 5, .file_sizes = {300000, 70000}, .piece_length = 32768, .remember = true});
    swarm_start(swarm_add(&s, &(struct swarm_node_config){.seeder = true, .folder = "/d"}));
    assert_true(swarm_run_until(&s, LONG_ENOUGH, is_put_away_next));
    struct kith_torrent *k = s.nodes[0].torrent;
    assert_int_equal(kith_recheck(k), KITH_E_AGAIN);
    assert_int_equal(kith_move(k, "/e"), KITH_E_AGAIN);
    kith_remove(k);
    assert_true(is_removed(&s));
    s.nodes[0].torrent = NULL;
    end(&s);
}

/* Its row goes when it is asked to go, not when it is gone: the hashes of rows are unique. */
static void what_is_added_again_while_it_is_being_removed_is_remembered(void **state)
{
    (void)state;
    struct swarm s;
    struct kith_add add;
    begin(&s);
    KITH_INIT(add);
    add.torrent = s.torrent;
    add.torrent_size = s.torrent_size;
    add.folder = "/d";
    struct swarm_node *n = &s.nodes[0];
    assert_int_equal(entry_wake(n->torrent), 0);
    kith_remove(n->torrent);
    assert_false(is_removed(&s));
    assert_int_equal(kith_add(n->node, &add, &n->torrent), 0);
    swarm_pass(&s, SECONDS(30));
    swarm_crash(n, SIM_POWER_LOSS);
    swarm_start(n); /* which adds it once more, and is told that it is there */
    assert_true(n->torrent->restored);
    assert_true(swarm_run_until(&s, SECONDS(60), swarm_all_complete));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_that_nobody_asks_falls_asleep_and_still_says_what_it_is),
        cmocka_unit_test(it_wakes_for_a_peer_serves_it_and_sleeps_again),
        cmocka_unit_test(it_is_paused_and_resumed_in_its_sleep),
        cmocka_unit_test(after_a_restart_it_is_asleep_at_once_and_nothing_is_hashed),
        cmocka_unit_test(what_was_changed_while_it_slept_is_not_given_to_anybody),
        cmocka_unit_test(a_sleeper_that_is_removed_with_its_data_leaves_nothing),
        cmocka_unit_test(one_that_is_removed_between_falling_asleep_and_being_put_away_is_removed),
        cmocka_unit_test(what_is_added_again_while_it_is_being_removed_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
