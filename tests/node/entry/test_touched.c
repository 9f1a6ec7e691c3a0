/* A seed's file that somebody else has written to is not vouched for, whatever happens to the
 * torrent before it is looked at: whole nodes in the simulated world. */
#include "node/node_internal.h"
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct swarm_node *begin(struct swarm *s)
{
    swarm_new(
        s, &(struct swarm_config){
               .seed = 5, .file_sizes = {300000, 70000}, .piece_length = 32768, .remember = true});
    struct swarm_node *n =
        swarm_add(s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    swarm_start(n);
    assert_true(swarm_run_until(s, SECONDS(60), swarm_all_complete));
    swarm_pass(s, SECONDS(5)); /* and that is remembered */
    n->honest = false;         /* nobody waits for it */
    return n;
}

static void end(struct swarm *s)
{
    assert_string_equal(s->why, "");
    swarm_free(s);
}

static struct kith_status status_of(struct swarm_node *n)
{
    struct kith_status st;
    KITH_INIT(st);
    kith_status(n->torrent, &st);
    return st;
}

static void write_to(struct swarm_node *n, const char *folder)
{
    static const uint8_t other[70000];
    char path[128];
    swarm_file_path(path, sizeof path, folder, 1);
    sim_disk_put(n->host, path, bytes_of(other, sizeof other));
}

static void what_was_changed_before_a_move_is_hashed_again_after_it(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    write_to(n, "/d");
    assert_int_equal(kith_move(n->torrent, "/e"), 0);
    swarm_pass(&s, SECONDS(20));
    assert_string_equal(status_of(n).folder, "/e");
    assert_int_equal(status_of(n).state, KITH_STATE_TROUBLE);
    assert_int_equal(status_of(n).error, KITH_E_CHANGED);
    end(&s);
}

/* Killed before anything was hashed: the record that came with the move is the next run's. */
static void nor_does_the_next_run_believe_it(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    write_to(n, "/d");
    assert_int_equal(kith_move(n->torrent, "/e"), 0);
    swarm_pass(&s, SECONDS(20));
    swarm_crash(n, SIM_KILLED);
    swarm_start_again(n);
    assert_int_equal(entry_wake(n->torrent), 0);
    swarm_pass(&s, SECONDS(20));
    assert_true(status_of(n).pieces_done < status_of(n).pieces_total);
    end(&s);
}

static void what_was_moved_untouched_is_believed(void **state)
{
    (void)state;
    struct swarm s;
    struct swarm_node *n = begin(&s);
    assert_int_equal(kith_move(n->torrent, "/e"), 0);
    swarm_pass(&s, SECONDS(20));
    assert_int_equal(status_of(n).state, KITH_STATE_SEEDING);
    swarm_crash(n, SIM_KILLED);
    swarm_start_again(n);
    assert_int_equal(entry_wake(n->torrent), 0);
    swarm_pass(&s, SECONDS(20));
    assert_int_equal(status_of(n).pieces_done, status_of(n).pieces_total);
    assert_int_equal(status_of(n).work_total, 0); /* nothing was hashed */
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_changed_before_a_move_is_hashed_again_after_it),
        cmocka_unit_test(nor_does_the_next_run_believe_it),
        cmocka_unit_test(what_was_moved_untouched_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
