/* What stands where a torrent's files belong and is somebody else's is never replaced unasked, and
 * what kith left there itself is never taken for it: whole nodes in the simulated world. */
#include "node/node_env.h"
#include "node/node_internal.h"
#include "sim/swarm.h"
#include "store/storage_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIECE 32768u
#define SIZE_A (10 * PIECE)
#define SIZE_B 70000u

struct bench {
    struct swarm s;
    struct swarm_node *seed, *getter;
    char path[64]; /* of the getter's file a, or b */
};

/* A seed, and somebody who will get it. */
static void begin(struct bench *b, int format)
{
    swarm_new(&b->s, &(struct swarm_config){.seed = 5,
                         .file_sizes = {SIZE_A, SIZE_B},
                         .piece_length = PIECE,
                         .memory_max = 1 << 20,
                         .format = format,
                         .remember = true});
    b->seed = swarm_add(&b->s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    b->getter = swarm_add(&b->s, &(struct swarm_node_config){.folder = "/d"});
    swarm_file_path(b->path, sizeof b->path, "/d", 0);
    swarm_start(b->seed);
    assert_true(swarm_run_until(&b->s, SECONDS(60), swarm_all_complete));
}

static void end(struct bench *b)
{
    swarm_free(&b->s);
    assert_string_equal(b->s.why, "");
}

static struct builder content(const struct bench *b)
{
    struct builder out = builder_heap(2 * SIZE_A);
    builder_span(&out, builder_bytes(&b->s.content[0]));
    return out;
}

static void put(struct bench *b, struct builder *file)
{
    assert_int_equal(sim_disk_put(b->getter->host, b->path, builder_bytes(file)), 0);
}

static void assert_holds(const struct bench *b, const struct builder *file)
{
    struct builder now = builder_heap(2 * SIZE_A);
    assert_int_equal(sim_disk_get(b->getter->host, b->path, &now), 0);
    assert_int_equal(now.size, file->size);
    assert_memory_equal(now.data, file->data, now.size);
    builder_free(&now);
}

static void assert_gets(struct bench *b)
{
    assert_true(swarm_run_until(&b->s, SECONDS(120), swarm_all_complete));
    assert_holds(b, &b->s.content[0]);
}

/* Time passes, and the node says that something stands in its way; what stands there stays. */
static void assert_refuses(struct bench *b, const struct builder *file, const char *words)
{
    struct kith_status st;
    swarm_pass(&b->s, SECONDS(120));
    KITH_INIT(st);
    kith_status(b->getter->torrent, &st);
    assert_int_equal(st.state, KITH_STATE_TROUBLE);
    assert_int_equal(st.error, KITH_E_EXISTS);
    assert_non_null(strstr(st.error_text, words));
    assert_non_null(strstr(b->s.why, "somebody else's")); /* sim/checks/conflict.c */
    b->s.why[0] = 0;
    assert_holds(b, file);
}

static void stop(struct bench *b)
{
    kith_stop(b->getter->node);
    swarm_pass(&b->s, SECONDS(5));
    node_free(b->getter->node);
    b->getter->node = NULL;
    b->getter->torrent = NULL;
}

static void again_with(struct bench *b, int existing)
{
    struct kith_add add;
    KITH_INIT(add);
    add.torrent = b->s.torrent;
    add.torrent_size = b->s.torrent_size;
    add.folder = "/d";
    add.existing = existing;
    assert_int_equal(kith_add(b->getter->node, &add, &b->getter->torrent), KITH_E_EXISTS);
}

static void four_changed_bytes_are_somebodys_until_he_says_otherwise(void **state)
{
    (void)state;
    for (int format = KITH_FORMAT_HYBRID; format <= KITH_FORMAT_V2; format++) {
        struct bench b;
        begin(&b, format);
        struct builder mine = content(&b);
        memcpy(mine.data + 5 * PIECE, "mine", 4);
        put(&b, &mine);
        swarm_start(b.getter);
        assert_refuses(&b, &mine, "/a holds something else in 1 of its 10 pieces");
        again_with(&b, KITH_EXISTING_OVERWRITE);
        assert_gets(&b);
        builder_free(&mine);
        end(&b);
    }
}

static void what_was_edited_after_the_download_is_not_fetched_over(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        struct bench b;
        begin(&b, KITH_FORMAT_HYBRID);
        swarm_start(b.getter);
        assert_gets(&b);
        struct builder mine = content(&b);
        memcpy(mine.data, "edited", 6);
        if (killed)
            swarm_crash(b.getter, SIM_KILLED);
        else
            stop(&b);
        swarm_pass(&b.s, SECONDS(1));
        put(&b, &mine);
        swarm_start(b.getter);
        swarm_pass(&b.s, SECONDS(5));
        if (b.getter->torrent->asleep)
            (void)entry_wake(b.getter->torrent);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        stop(&b); /* and not with the next start either */
        swarm_start(b.getter);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        builder_free(&mine);
        end(&b);
    }
}

static void a_file_that_is_too_long_is_refused_or_cut(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID);
    struct builder mine = content(&b);
    builder_str(&mine, "and more");
    put(&b, &mine);
    swarm_start(b.getter);
    assert_refuses(&b, &mine, "is longer");
    again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_gets(&b);
    builder_free(&mine);
    end(&b);
}

static void another_clients_unfinished_download_is_gone_on_with(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_V1);
    struct builder mine = content(&b);
    memset(mine.data + 3 * PIECE, 0, 4 * PIECE); /* room that it has reserved */
    put(&b, &mine);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&mine);
    end(&b);
}

static void a_file_that_was_cut_is_completed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_V1);
    struct builder mine = content(&b);
    mine.size = 4 * PIECE + 100;
    put(&b, &mine);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&mine);
    end(&b);
}

static bool half(struct swarm *s)
{
    struct kith_status st;
    KITH_INIT(st);
    return kith_status(s->nodes[1].torrent, &st) == 0 && st.pieces_done >= 4;
}

static void begin_half(struct bench *b, int format)
{
    begin(b, format);
    swarm_start(b->getter);
    kith_set_torrent_rates(b->getter->torrent, 20000, 0);
    bool reached = swarm_run_until(&b->s, SECONDS(120), half);
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
                stop(&b);
            swarm_start(b.getter);
            kith_set_torrent_rates(b.getter->torrent, 0, 0);
            assert_gets(&b);
            end(&b);
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
    stop(&b);
    assert_int_equal(sim_disk_get(b.getter->host, b.path, &half_done), 0);
    b.getter = swarm_add(&b.s, &(struct swarm_node_config){.folder = "/d"});
    put(&b, &half_done);
    swarm_start(b.getter);
    assert_gets(&b);
    builder_free(&half_done);
    end(&b);
}

static void a_file_that_is_wanted_later_is_judged_then(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_V1);
    struct builder mine = content(&b);
    memcpy(mine.data + 5 * PIECE, "mine", 4);
    put(&b, &mine);
    b.getter->wants = "b/*";
    swarm_start(b.getter);
    assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
    assert_holds(&b, &mine);
    for (unsigned life = 0; life < 2; life++) { /* also after it has stood in a record */
        b.getter->complete = true;
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 4), 0);
        assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 0), 0);
        stop(&b);
        swarm_start(b.getter);
        swarm_pass(&b.s, SECONDS(20));
    }
    builder_free(&mine);
    end(&b);
}

/* Something short of his own stands where file b belongs. */
static struct builder put_own_b(struct bench *b)
{
    struct builder own = builder_heap(64);
    swarm_file_path(b->path, sizeof b->path, "/d", 1);
    builder_str(&own, "his own");
    put(b, &own);
    return own;
}

static void begin_with_a_only(struct bench *b)
{
    begin(b, KITH_FORMAT_V1);
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
    struct builder own = put_own_b(&b);
    assert_outlives_deletion(&b, &own);
    builder_free(&own);
    end(&b);
}

static void nor_overwritten_when_the_file_is_wanted(void **state)
{
    struct bench b;
    (void)state;
    begin_with_a_only(&b);
    struct builder own = put_own_b(&b);
    b.getter->complete = true;
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
    assert_refuses(&b, &own, "deep holds something else");
    swarm_crash(b.getter, SIM_KILLED); /* nor does the next run take it for its own */
    b.getter->wants = NULL;
    swarm_start(b.getter);
    assert_refuses(&b, &own, "deep holds something else");
    again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
    assert_holds(&b, &b.s.content[1]);
    builder_free(&own);
    end(&b);
}

/* Killed while it wrote: what appeared is ours only where we may have made it. */
static void nor_taken_for_kiths_own_after_a_crash(void **state)
{
    (void)state;
    for (int deleted = 0; deleted < 2; deleted++) {
        struct bench b;
        begin(&b, KITH_FORMAT_V1);
        b.getter->wants = "a";
        swarm_start(b.getter);
        kith_set_torrent_rates(b.getter->torrent, 20000, 0);
        assert_true(swarm_run_until(&b.s, SECONDS(120), half));
        swarm_crash(b.getter, SIM_KILLED);
        struct builder own = put_own_b(&b);
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
        end(&b);
    }
}

/* ---- what its user says of a conflict ------------------------------------------------------ */

/* Under a name of its own, which file a is looked at by from now on. */
static void assert_gets_by_another_name(struct bench *b)
{
    b->getter->honest = false; /* the checks look at the torrent's own name */
    again_with(b, KITH_EXISTING_RENAME);
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
    begin(&b, KITH_FORMAT_HYBRID);
    swarm_start(b.getter);
    assert_gets(&b);
    struct builder mine = content(&b);
    memcpy(mine.data, "edited", 6);
    stop(&b);
    put(&b, &mine);
    swarm_start(b.getter);
    swarm_pass(&b.s, SECONDS(5));
    if (b.getter->torrent->asleep)
        (void)entry_wake(b.getter->torrent);
    assert_refuses(&b, &mine, "holds something else in 1 of its 10 pieces");
    assert_gets_by_another_name(&b);
    swarm_file_path(b.path, sizeof b.path, "/d", 0);
    assert_holds(&b, &mine);
    builder_free(&mine);
    end(&b);
}

static void to_overwrite_is_said_once_and_not_of_what_is_edited_later(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID);
    struct builder mine = content(&b);
    memcpy(mine.data + 5 * PIECE, "mine", 4);
    put(&b, &mine);
    swarm_start(b.getter);
    assert_refuses(&b, &mine, "holds something else");
    again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_gets(&b);
    builder_free(&mine);
    mine = content(&b);
    builder_str(&mine, "and more");
    put(&b, &mine);
    assert_int_equal(kith_move(b.getter->torrent, "/e"), 0);
    swarm_pass(&b.s, SECONDS(20));
    swarm_file_path(b.path, sizeof b.path, "/e", 0);
    assert_refuses(&b, &mine, "is longer");
    builder_free(&mine);
    end(&b);
}

static void to_repair_is_said_of_what_is_wanted_then_and_not_for_good(void **state)
{
    struct bench b;
    (void)state;
    for (int during = 0; during < 2; during++) {
        begin(&b, KITH_FORMAT_V1);
        struct builder own = put_own_b(&b);
        b.getter->wants = "a";
        swarm_start(b.getter);
        assert_true(swarm_run_until(&b.s, SECONDS(120), swarm_all_complete));
        assert_int_equal(kith_recheck(b.getter->torrent), 0);
        if (!during)
            swarm_pass(&b.s, SECONDS(20));
        assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 4), 0);
        assert_refuses(&b, &own, "deep holds something else");
        builder_free(&own);
        end(&b);
    }
}

static void a_folder_in_a_files_place_is_a_conflict_and_cannot_be_overwritten(void **state)
{
    struct bench b;
    struct builder own = builder_heap(64);
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID);
    strcat(b.path, "/inside");
    builder_str(&own, "his own");
    put(&b, &own);
    swarm_start(b.getter);
    assert_refuses(&b, &own, "/a is not a file");
    again_with(&b, KITH_EXISTING_OVERWRITE);
    assert_refuses(&b, &own, "/a is not a file");
    assert_gets_by_another_name(&b);
    builder_free(&own);
    end(&b);
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
        begin(&b, KITH_FORMAT_V1);
        struct builder room = content(&b);
        memset(room.data + 3 * PIECE, 0, 4 * PIECE);
        put(&b, &room);
        struct builder own = put_own_b(&b);
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
        end(&b);
    }
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
        cmocka_unit_test(what_appears_in_an_unwanted_files_place_is_not_deleted),
        cmocka_unit_test(nor_overwritten_when_the_file_is_wanted),
        cmocka_unit_test(nor_taken_for_kiths_own_after_a_crash),
        cmocka_unit_test(what_was_edited_is_gone_round_by_another_name),
        cmocka_unit_test(to_overwrite_is_said_once_and_not_of_what_is_edited_later),
        cmocka_unit_test(to_repair_is_said_of_what_is_wanted_then_and_not_for_good),
        cmocka_unit_test(a_folder_in_a_files_place_is_a_conflict_and_cannot_be_overwritten),
        cmocka_unit_test(what_is_wanted_while_the_others_are_judged_is_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
