/* What appears where a torrent's file was not, or was not wanted, and what becomes wanted while the
 * others are judged: whole nodes in the simulated world. */
#include "conflict_bench.h"
#include "node/node_env.h"
#include "store/storage_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void begin_with_a_only(struct bench *b)
{
    bench_begin(b, KITH_FORMAT_V1);
    b->getter->wants = "a";
    swarm_start(b->getter);
    assert_true(swarm_run_until(&b->s, SECONDS(120), swarm_all_complete));
}

/* The torrent's files go, and what is left holds this. */
static void assert_outlives_deletion(struct bench *b, const struct builder *file)
{
    char a[64];
    struct env_stat st;
    swarm_file_path(a, sizeof a, "/d", 0);
    struct kith_node *node = b->getter->node;
    b->getter->node = NULL; /* its torrent goes: the checks have nothing to look at */
    kith_remove_with_data(b->getter->torrent);
    swarm_pass(&b->s, SECONDS(10));
    assert_int_not_equal(sim_disk_stat(b->getter->host, a, &st), 0);
    assert_holds(b, file);
    kith_stop(node);
    swarm_pass(&b->s, SECONDS(5));
    node_free(node);
}

static void what_appears_in_an_unwanted_files_place_is_not_deleted(void **state)
{
    struct bench b;
    (void)state;
    begin_with_a_only(&b);
    struct builder own = bench_put_own_b(&b);
    assert_outlives_deletion(&b, &own);
    builder_free(&own);
    bench_end(&b);
}

static void nor_overwritten_when_the_file_is_wanted(void **state)
{
    struct bench b;
    (void)state;
    begin_with_a_only(&b);
    struct builder own = bench_put_own_b(&b);
    b.getter->complete = true;
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
    assert_refuses(&b, &own, "deep holds something else");
    swarm_crash(b.getter, SIM_KILLED); /* nor does the next run take it for its own */
    b.getter->wants = NULL;
    swarm_start(b.getter);
    assert_refuses(&b, &own, "deep holds something else");
    bench_again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
    assert_holds(&b, &b.s.content[1]);
    builder_free(&own);
    bench_end(&b);
}

/* Killed while it wrote: what appeared is ours only where we may have made it. */
static void nor_taken_for_kiths_own_after_a_crash(void **state)
{
    (void)state;
    for (int deleted = 0; deleted < 2; deleted++) {
        struct bench b;
        bench_begin(&b, KITH_FORMAT_V1);
        b.getter->wants = "a";
        swarm_start(b.getter);
        kith_set_torrent_rates(b.getter->torrent, 20000, 0);
        assert_true(swarm_run_until(&b.s, SECONDS(120), bench_is_half));
        swarm_crash(b.getter, SIM_KILLED);
        struct builder own = bench_put_own_b(&b);
        swarm_start(b.getter);
        kith_set_torrent_rates(b.getter->torrent, 0, 0);
        assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
        if (deleted) {
            assert_outlives_deletion(&b, &own);
        } else {
            assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
            assert_refuses(&b, &own, "deep holds something else");
        }
        builder_free(&own);
        bench_end(&b);
    }
}

/* ---- wanted while the others are judged ---------------------------------------------------- */

static bool is_being_looked_at(struct swarm *s)
{
    return s->nodes[1].torrent->awake->suspects;
}

static bool is_being_prepared(struct swarm *s)
{
    struct kith_torrent *k = s->nodes[1].torrent;
    return k->storage && k->storage->prepared && k->saving == 0;
}

static bool is_being_recorded(struct swarm *s)
{
    return s->nodes[1].torrent->saving > 0;
}

static void what_is_wanted_while_the_others_are_judged_is_judged_too(void **state)
{
    bool (*const moments[])(struct swarm *) = {
        is_being_looked_at, is_being_prepared, is_being_recorded};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bench b;
        bench_begin(&b, KITH_FORMAT_V1);
        struct builder room = bench_content(&b);
        memset(room.data + 3 * PIECE, 0, 4 * PIECE);
        bench_put(&b, &room);
        struct builder own = bench_put_own_b(&b);
        b.getter->wants = "a";
        swarm_start(b.getter);
        assert_true(swarm_run_until(&b.s, SECONDS(60), moments[i]));
        assert_null(torrent_storage(b.getter->torrent->torrent));
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
        assert_refuses(&b, &own, "deep holds something else");
        swarm_crash(b.getter, SIM_KILLED); /* nor does a record say that it is kith's */
        b.getter->wants = NULL;
        swarm_start(b.getter);
        assert_refuses(&b, &own, "deep holds something else");
        builder_free(&room);
        builder_free(&own);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_appears_in_an_unwanted_files_place_is_not_deleted),
        cmocka_unit_test(nor_overwritten_when_the_file_is_wanted),
        cmocka_unit_test(nor_taken_for_kiths_own_after_a_crash),
        cmocka_unit_test(what_is_wanted_while_the_others_are_judged_is_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
