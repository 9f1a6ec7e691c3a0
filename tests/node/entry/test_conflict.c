/* What stands where a torrent's files belong and is somebody else's is never replaced unasked, and
 * what kith left there itself is never taken for it: whole nodes in the simulated world. */
#include "conflict_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void four_changed_bytes_are_somebodys_until_he_says_otherwise(void **state)
{
    (void)state;
    for (int format = KITH_FORMAT_HYBRID; format <= KITH_FORMAT_V2; format++) {
        struct bench b;
        bench_begin(&b, format);
        struct builder mine = bench_content(&b);
        memcpy(mine.data + 5 * PIECE, "mine", 4);
        bench_put(&b, &mine);
        swarm_start(b.getter);
        assert_refuses(&b, &mine, "/a holds something else in 1 of its 10 pieces");
        bench_again_with(&b, KITH_EXISTING_OVERWRITE);
        assert_gets(&b);
        builder_free(&mine);
        bench_end(&b);
    }
}

static void what_was_edited_after_the_download_is_not_fetched_over(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        struct bench b;
        bench_begin(&b, KITH_FORMAT_HYBRID);
        swarm_start(b.getter);
        assert_gets(&b);
        struct builder mine = bench_content(&b);
        memcpy(mine.data, "edited", 6);
        if (killed)
            swarm_crash(b.getter, SIM_KILLED);
        else
            bench_stop(&b);
        swarm_pass(&b.s, SECONDS(1));
        bench_put(&b, &mine);
        swarm_start(b.getter);
        swarm_pass(&b.s, SECONDS(5));
        if (b.getter->torrent->asleep)
            (void)entry_wake(b.getter->torrent);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        bench_stop(&b); /* and not with the next start either */
        swarm_start(b.getter);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        builder_free(&mine);
        bench_end(&b);
    }
}

static void a_file_that_is_too_long_is_refused_or_cut(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_HYBRID);
    struct builder mine = bench_content(&b);
    builder_str(&mine, "and more");
    bench_put(&b, &mine);
    swarm_start(b.getter);
    assert_refuses(&b, &mine, "is longer");
    bench_again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_gets(&b);
    builder_free(&mine);
    bench_end(&b);
}

static void another_clients_unfinished_download_is_gone_on_with(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_V1);
    struct builder mine = bench_content(&b);
    memset(mine.data + 3 * PIECE, 0, 4 * PIECE); /* room that it has reserved */
    bench_put(&b, &mine);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&mine);
    bench_end(&b);
}

static void a_file_that_was_cut_is_completed(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_V1);
    struct builder mine = bench_content(&b);
    mine.size = 4 * PIECE + 100;
    bench_put(&b, &mine);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&mine);
    bench_end(&b);
}

static void begin_half(struct bench *b, int format)
{
    bench_begin(b, format);
    swarm_start(b->getter);
    kith_set_torrent_rates(b->getter->torrent, 20000, 0);
    bool reached = swarm_run_until(&b->s, SECONDS(120), bench_is_half);
    assert_string_equal(b->s.why, "");
    assert_true(reached);
}

static void what_kith_left_half_done_is_its_own_however_it_ended(void **state)
{
    static const enum sim_crash ends[] = {SIM_KILLED, SIM_POWER_LOSS};
    (void)state;
    for (int format = KITH_FORMAT_HYBRID; format <= KITH_FORMAT_V2; format++) {
        for (unsigned i = 0; i < 3; i++) {
            struct bench b;
            begin_half(&b, format);
            if (i < 2)
                swarm_crash(b.getter, ends[i]);
            else
                bench_stop(&b);
            swarm_start(b.getter);
            kith_set_torrent_rates(b.getter->torrent, 0, 0);
            assert_gets(&b);
            bench_end(&b);
        }
    }
}

/* As when it is got by another link, which has another state file. */
static void what_kith_left_half_done_is_gone_on_with_without_a_record(void **state)
{
    struct bench b;
    (void)state;
    struct builder half_done = builder_heap(2 * SIZE_A);
    begin_half(&b, KITH_FORMAT_HYBRID);
    bench_stop(&b);
    assert_int_equal(sim_disk_get(b.getter->host, b.path, &half_done), 0);
    b.getter = swarm_add(&b.s, &(struct swarm_node_config){.folder = "/d"});
    bench_put(&b, &half_done);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&half_done);
    bench_end(&b);
}

static void a_file_that_is_wanted_later_is_judged_then(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_V1);
    struct builder mine = bench_content(&b);
    memcpy(mine.data + 5 * PIECE, "mine", 4);
    bench_put(&b, &mine);
    b.getter->wants = "b/*";
    swarm_start(b.getter);
    assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
    assert_holds(&b, &mine);
    for (unsigned life = 0; life < 2; life++) { /* also after it has stood in a record */
        b.getter->complete = true;
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 4), 0);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 0), 0);
        bench_stop(&b);
        swarm_start(b.getter);
        swarm_pass(&b.s, SECONDS(20));
    }
    builder_free(&mine);
    bench_end(&b);
}

/* ---- what its user says of a conflict ------------------------------------------------------ */

/* Under a name of its own, which file a is looked at by from now on. */
static void assert_gets_by_another_name(struct bench *b)
{
    b->getter->honest = false; /* the checks look at the torrent's own name */
    bench_again_with(b, KITH_EXISTING_RENAME);
    swarm_pass(&b->s, SECONDS(120));
    assert_string_equal(b->getter->torrent->root, "Data (1)");
    assert_string_equal(b->s.why, "");
    snprintf(b->path, sizeof b->path, "/d/Data (1)/a");
    assert_holds(b, &b->s.content[0]);
}

/* What is remembered is of the files by the torrent's own name. */
static void what_was_edited_is_gone_round_by_another_name(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_HYBRID);
    swarm_start(b.getter);
    assert_gets(&b);
    struct builder mine = bench_content(&b);
    memcpy(mine.data, "edited", 6);
    bench_stop(&b);
    bench_put(&b, &mine);
    swarm_start(b.getter);
    swarm_pass(&b.s, SECONDS(5));
    if (b.getter->torrent->asleep)
        (void)entry_wake(b.getter->torrent);
    assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
    assert_gets_by_another_name(&b);
    swarm_file_path(b.path, sizeof b.path, "/d", 0);
    assert_holds(&b, &mine);
    builder_free(&mine);
    bench_end(&b);
}

static void to_overwrite_is_said_once_and_not_of_what_is_edited_later(void **state)
{
    struct bench b;
    (void)state;
    bench_begin(&b, KITH_FORMAT_HYBRID);
    struct builder mine = bench_content(&b);
    memcpy(mine.data + 5 * PIECE, "mine", 4);
    bench_put(&b, &mine);
    swarm_start(b.getter);
    assert_refuses(&b, &mine, "holds something else");
    bench_again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_gets(&b);
    builder_free(&mine);
    mine = bench_content(&b);
    builder_str(&mine, "and more");
    bench_put(&b, &mine);
    assert_int_equal(kith_move(b.getter->torrent, "/e"), 0);
    swarm_pass(&b.s, SECONDS(20));
    swarm_file_path(b.path, sizeof b.path, "/e", 0);
    assert_refuses(&b, &mine, "is longer");
    builder_free(&mine);
    bench_end(&b);
}

static void to_repair_is_said_of_what_is_wanted_then_and_not_for_good(void **state)
{
    struct bench b;
    (void)state;
    for (int during = 0; during < 2; during++) {
        bench_begin(&b, KITH_FORMAT_V1);
        struct builder own = bench_put_own_b(&b);
        b.getter->wants = "a";
        swarm_start(b.getter);
        assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
        assert_int_equal(kith_recheck(b.getter->torrent), 0);
        if (!during)
            swarm_pass(&b.s, SECONDS(20));
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
        assert_refuses(&b, &own, "deep holds something else");
        builder_free(&own);
        bench_end(&b);
    }
}

static void a_folder_in_a_files_place_is_a_conflict_and_cannot_be_overwritten(void **state)
{
    struct bench b;
    struct builder own = builder_heap(64);
    (void)state;
    bench_begin(&b, KITH_FORMAT_HYBRID);
    strcat(b.path, "/inside");
    builder_str(&own, "his own");
    bench_put(&b, &own);
    swarm_start(b.getter);
    assert_refuses(&b, &own, "/a is not a file");
    bench_again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_refuses(&b, &own, "/a is not a file");
    assert_gets_by_another_name(&b);
    builder_free(&own);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_changed_bytes_are_somebodys_until_he_says_otherwise),
        cmocka_unit_test(what_was_edited_after_the_download_is_not_fetched_over),
        cmocka_unit_test(a_file_that_is_too_long_is_refused_or_cut),
        cmocka_unit_test(another_clients_unfinished_download_is_gone_on_with),
        cmocka_unit_test(a_file_that_was_cut_is_completed),
        cmocka_unit_test(what_kith_left_half_done_is_its_own_however_it_ended),
        cmocka_unit_test(what_kith_left_half_done_is_gone_on_with_without_a_record),
        cmocka_unit_test(a_file_that_is_wanted_later_is_judged_then),
        cmocka_unit_test(what_was_edited_is_gone_round_by_another_name),
        cmocka_unit_test(to_overwrite_is_said_once_and_not_of_what_is_edited_later),
        cmocka_unit_test(to_repair_is_said_of_what_is_wanted_then_and_not_for_good),
        cmocka_unit_test(a_folder_in_a_files_place_is_a_conflict_and_cannot_be_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
