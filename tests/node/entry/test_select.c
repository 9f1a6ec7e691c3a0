/* Which files are wanted, now and otherwise later, and what is said of it: whole nodes in the
 * simulated world. */
#include "node/node_env.h"
#include "node/node_internal.h"
#include "sim/swarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIECE 32768u
#define SIZE_A 300000u /* ends inside a piece, which is b's, too, in v1 */
#define SIZE_B 70000u

struct bench {
    struct swarm s;
    struct swarm_node *seed, *getter;
};

static void begin(struct bench *b, int format, const char *wants)
{
    swarm_new(&b->s, &(struct swarm_config){.seed = 5,
                         .file_sizes = {SIZE_A, SIZE_B},
                         .piece_length = PIECE,
                         .memory_max = 1 << 20,
                         .format = format,
                         .remember = true});
    b->seed = swarm_add(&b->s, &(struct swarm_node_config){.seeder = true, .folder = "/d"});
    b->getter = swarm_add(&b->s, &(struct swarm_node_config){.folder = "/d", .wants = wants});
    swarm_start(b->seed);
    assert_true(swarm_run_until(&b->s, SECONDS(60), swarm_all_complete));
    swarm_start(b->getter);
}

static void end(struct bench *b)
{
    swarm_free(&b->s);
    assert_string_equal(b->s.why, "");
}

static void assert_completes(struct bench *b)
{
    bool completes = swarm_run_until(&b->s, SECONDS(120), swarm_all_complete);
    assert_string_equal(b->s.why, "");
    assert_true(completes);
}

static void stop(struct bench *b)
{
    kith_stop(b->getter->node);
    swarm_pass(&b->s, SECONDS(5));
    node_free(b->getter->node);
    b->getter->node = NULL;
    b->getter->torrent = NULL;
}

static uint64_t size_of(const struct bench *b, unsigned file)
{
    char path[64];
    struct env_stat st;
    swarm_file_path(path, sizeof path, "/d", file);
    return sim_disk_stat(b->getter->host, path, &st) == 0 ? st.size : 0;
}

static void assert_is_there(const struct bench *b, unsigned file)
{
    char path[64];
    struct builder got = builder_heap(SIZE_A + 1);
    swarm_file_path(path, sizeof path, "/d", file);
    assert_int_equal(sim_disk_get(b->getter->host, path, &got), 0);
    assert_int_equal(got.size, b->s.content[file].size);
    assert_memory_equal(got.data, b->s.content[file].data, got.size);
    builder_free(&got);
}

static struct kith_status status_of(const struct bench *b)
{
    struct kith_status st;
    KITH_INIT(st);
    assert_int_equal(kith_status(b->getter->torrent, &st), 0);
    return st;
}

static void what_is_asked_for_now_counts_and_not_what_was_in_an_earlier_run(void **state)
{
    static const int formats[] = {KITH_FORMAT_HYBRID, KITH_FORMAT_V1, KITH_FORMAT_V2};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bench b;
        begin(&b, formats[i], "b/*");
        assert_completes(&b);
        assert_is_there(&b, 1);
        assert_int_equal(size_of(&b, 0), 0);
        stop(&b);
        b.getter->wants = NULL;
        swarm_start(b.getter);
        assert_completes(&b);
        assert_is_there(&b, 0);
        assert_is_there(&b, 1);
        assert_int_equal(status_of(&b).bytes_total, SIZE_A + SIZE_B);
        assert_null(b.getter->torrent->priorities); /* it may sleep */
        end(&b);
    }
}

static void less_may_be_asked_for_than_in_an_earlier_run(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID, NULL);
    kith_set_torrent_rates(b.getter->torrent, 20000, 0);
    swarm_pass(&b.s, SECONDS(5));
    assert_false(b.getter->complete);
    stop(&b);
    b.getter->wants = "b/*";
    swarm_start(b.getter);
    assert_completes(&b);
    assert_is_there(&b, 1);
    assert_int_equal(status_of(&b).bytes_total, SIZE_B);
    end(&b);
}

static int add_with(struct bench *b, const char *wants)
{
    struct kith_add add;
    struct kith_torrent *out;
    KITH_INIT(add);
    add.torrent = b->s.torrent;
    add.torrent_size = b->s.torrent_size;
    add.folder = "/e";
    add.files_wanted = wants;
    return kith_add(b->getter->node, &add, &out);
}

static void a_glob_that_matches_nothing_is_no_success(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID, "b/*");
    assert_completes(&b);
    stop(&b);
    b.getter->wants = "b/*";
    swarm_start(b.getter);
    kith_remove(b.getter->torrent);
    assert_int_equal(add_with(&b, "*.nothing"), KITH_E_NOT_FOUND);
    assert_string_equal(kith_last_error(b.getter->node), "no file in it matches '*.nothing'");
    b.s.nodes[1].node = NULL; /* its torrent is gone: the checks have nothing to look at */
    end(&b);
}

/* A node that knows nothing of the torrent but its link. */
static void begin_with_link(struct bench *b, const char *wants)
{
    struct kith_add add;
    KITH_INIT(add);
    begin(b, KITH_FORMAT_HYBRID, "nothing");
    stop(b);
    b->getter = swarm_add(&b->s, &(struct swarm_node_config){.folder = "/d"});
    swarm_start_again(b->getter);
    assert_null(b->getter->torrent);
    b->s.nodes[1].honest = false;
    add.folder = "/d";
    add.files_wanted = wants;
    add.link = kith_link(b->seed->torrent, 0);
    assert_int_equal(kith_add(b->getter->node, &add, &b->getter->torrent), 0);
}

static void meet_seed(struct bench *b)
{
    char text[64];
    struct endpoint e = sim_host_endpoint(b->seed->host, ADDR_V4, 6881);
    endpoint_text(&e, text);
    assert_int_equal(kith_add_peer(b->getter->torrent, text), 0);
}

static void what_a_glob_says_of_a_link_counts_after_a_restart_too(void **state)
{
    struct bench b;
    (void)state;
    begin_with_link(&b, "b/*");
    swarm_pass(&b.s, SECONDS(2));
    assert_null(b.getter->torrent->metainfo);
    stop(&b);
    swarm_start_again(b.getter);
    meet_seed(&b);
    assert_completes(&b);
    assert_is_there(&b, 1);
    assert_int_equal(size_of(&b, 0), 0);
    stop(&b);
    swarm_start_again(b.getter);
    swarm_pass(&b.s, SECONDS(20));
    assert_int_equal(size_of(&b, 0), 0);
    end(&b);
}

static void nor_does_a_restart_get_all_where_a_glob_matched_nothing(void **state)
{
    struct bench b;
    (void)state;
    begin_with_link(&b, "*.nothing");
    meet_seed(&b);
    swarm_pass(&b.s, SECONDS(20));
    assert_int_equal(status_of(&b).error, KITH_E_NOT_FOUND);
    stop(&b);
    swarm_start_again(b.getter);
    meet_seed(&b);
    swarm_pass(&b.s, SECONDS(60));
    assert_int_equal(size_of(&b, 0) + size_of(&b, 1), 0);
    end(&b);
}

static void nor_is_one_over_what_was_brought_back(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID, "b/*");
    assert_completes(&b);
    stop(&b);
    b.getter->wants = "*";
    swarm_start(b.getter);
    b.getter->torrent->asked_again = false; /* as if nobody had asked yet */
    assert_int_equal(add_with(&b, "*.nothing"), KITH_E_NOT_FOUND);
    assert_completes(&b);
    assert_is_there(&b, 0);
    end(&b);
}

static void complete_is_told_again_when_more_was_wanted_and_when_less_is(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID, "b/*");
    assert_completes(&b);
    b.getter->complete = false;
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 4), 0);
    assert_int_equal(status_of(&b).state, KITH_STATE_DOWNLOADING);
    assert_completes(&b);
    assert_is_there(&b, 0);
    end(&b);

    begin(&b, KITH_FORMAT_HYBRID, "b/*");
    assert_completes(&b);
    swarm_crash(b.seed, SIM_KILLED);
    b.seed->honest = b.getter->complete = false;
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 4), 0);
    swarm_pass(&b.s, SECONDS(10));
    assert_false(b.getter->complete);
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 0), 0);
    assert_completes(&b);
    assert_int_equal(status_of(&b).state, KITH_STATE_SEEDING);
    end(&b);
}

static void files_are_numbered_without_padding_and_counted_as_they_are_wanted(void **state)
{
    struct bench b;
    struct kith_file f;
    (void)state;
    begin(&b, KITH_FORMAT_HYBRID, NULL);
    assert_true(b.s.metainfo->pad_count > 0);
    assert_completes(&b);
    assert_int_equal(status_of(&b).file_count, 2);
    KITH_INIT(f);
    assert_int_equal(kith_file(b.getter->torrent, 0, &f), 0);
    assert_string_equal(f.path, "a");
    assert_int_equal(kith_file(b.getter->torrent, 1, &f), 0);
    assert_string_equal(f.path, "b/deep");
    assert_int_equal(f.done, SIZE_B);
    assert_int_equal(kith_file_ready(b.getter->torrent, 1, 0), SIZE_B);
    assert_int_equal(kith_file(b.getter->torrent, 2, &f), KITH_E_NOT_FOUND);
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 2, 4), KITH_E_INVALID);
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 1, 0), 0);
    assert_int_equal(status_of(&b).bytes_total, SIZE_A);
    assert_int_equal(kith_set_file_priority(b.getter->torrent, 0, 0), 0);
    assert_int_equal(status_of(&b).bytes_total, 0);
    assert_int_equal(status_of(&b).bytes_left, 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_now_counts_and_not_what_was_in_an_earlier_run),
        cmocka_unit_test(less_may_be_asked_for_than_in_an_earlier_run),
        cmocka_unit_test(a_glob_that_matches_nothing_is_no_success),
        cmocka_unit_test(what_a_glob_says_of_a_link_counts_after_a_restart_too),
        cmocka_unit_test(nor_does_a_restart_get_all_where_a_glob_matched_nothing),
        cmocka_unit_test(nor_is_one_over_what_was_brought_back),
        cmocka_unit_test(complete_is_told_again_when_more_was_wanted_and_when_less_is),
        cmocka_unit_test(files_are_numbered_without_padding_and_counted_as_they_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
