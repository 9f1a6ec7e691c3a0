/* Creation: the same info-hashes as other makers give the same files, each byte read once, and a
 * clear end when files change, vanish, cannot be read, or the user thinks better of it. */
#include "base/text.h"
#include "create_vectors.h"
#include "crypto/hash.h"
#include "format/metainfo.h"
#include "share_bench.h"
#include "store/create/create_hash.h"
#include "store/state/state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- files --------------------------------------------------------------------------------- */

/* The two shares of make_create_vectors.py. */
static void put_vectors(struct share_bench *b)
{
    share_bench_put(b, "/home/album/a.txt", 0, 0);
    share_bench_put(b, "/home/album/b/c.bin", 100000, 1);
    share_bench_put(b, "/home/album/b/d.bin", 16384, 2);
    share_bench_put(b, "/home/album/b.txt", 5, 3);
    share_bench_put(b, "/home/album/c.txt", 0, 4);
    share_bench_put(b, "/home/album/e.bin", 1500000, 5);
    share_bench_put(b, "/home/album/f/g/h.bin", 65536, 6);
    share_bench_put(b, "/home/album/x.sh", 20, 7);
    share_bench_set_executable(b, "/home/album/x.sh");
    share_bench_put(b, "/home/album/z.txt", 0, 8);
    share_bench_put(b, "/home/movie.bin", 5000003, 99);
}

static void put_many(struct share_bench *b, unsigned count)
{
    char path[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/home/many/%03u/%05u.txt", i / 100, i);
        share_bench_put(b, path, i % 97 * 10, i);
    }
}

static struct metainfo *parsed(const struct share_end *end)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(bytes_of(end->torrent, end->torrent_size), &m, &error);
    if (err != 0)
        print_message("%s\n", error.text);
    assert_int_equal(err, 0);
    return m;
}

/* ---- vectors ------------------------------------------------------------------------------- */

static void check_hash(const uint8_t *hash, size_t size, bool has, const char *expected)
{
    char text[65];
    hex_encode(hash, size, text);
    assert_int_equal(has, expected[0] != '\0');
    if (has)
        assert_string_equal(text, expected);
}

static void the_same_files_get_the_info_hashes_that_other_makers_give_them(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    put_vectors(&b);
    for (size_t i = 0; i < sizeof create_vectors / sizeof *create_vectors; i++) {
        const struct create_vector *v = &create_vectors[i];
        char path[64];
        struct share_end end = {0};
        snprintf(path, sizeof path, "/home/%s", v->name);
        share_bench_create(&b,
            &(struct create_options){
                .path = path, .kind = v->kind, .piece_length = v->piece_length},
            &end);
        assert_int_equal(end.err, 0);
        struct metainfo *m = parsed(&end);
        if (v->pieces != NULL) {
            struct sha1_digest d = sha1(m->v1_pieces, (size_t)m->piece_count * 20);
            check_hash(d.b, sizeof d.b, true, v->pieces);
        } else {
            check_hash(end.result.v1.b, sizeof end.result.v1.b, end.result.has_v1, v->v1);
            check_hash(end.result.v2.b, sizeof end.result.v2.b, end.result.has_v2, v->v2);
        }
        metainfo_unref(m);
        share_end_free(&end);
    }
    share_bench_free(&b);
}

/* ---- the course of it ---------------------------------------------------------------------- */

static void create(struct share_bench *b, enum create_kind kind, const char *path,
    uint32_t piece_length, struct share_end *end)
{
    share_bench_create(
        b, &(struct create_options){.path = path, .kind = kind, .piece_length = piece_length}, end);
}

static void the_same_input_gives_the_same_bytes_whatever_the_order_of_events(void **state)
{
    (void)state;
    for (int kind = CREATE_HYBRID; kind <= CREATE_V2; kind++) {
        struct share_end first = {0};
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct share_bench b;
            struct share_end end = {0};
            share_bench_new(&b, seed);
            put_vectors(&b);
            create(&b, kind, "/home/album", 0, &end);
            assert_int_equal(end.err, 0);
            scan_free(end.scan);
            end.scan = NULL;
            share_bench_free(&b);
            if (seed == 1) {
                first = end;
                continue;
            }
            assert_int_equal(end.torrent_size, first.torrent_size);
            assert_memory_equal(end.torrent, first.torrent, end.torrent_size);
            share_end_free(&end);
        }
        share_end_free(&first);
    }
}

static void a_hybrid_reads_each_byte_once(void **state)
{
    (void)state;
    uint64_t reads[3];
    for (int kind = CREATE_HYBRID; kind <= CREATE_V2; kind++) {
        struct share_bench b;
        struct share_end end = {0};
        share_bench_new(&b, 1);
        share_bench_put(&b, "/home/large.bin", 33 << 20, 1);
        create(&b, kind, "/home/large.bin", 1 << 20, &end);
        assert_int_equal(end.err, 0);
        assert_int_equal(end.last.bytes_hashed, 33 << 20);
        assert_int_equal(end.last.files_hashed, 1);
        reads[kind] = sim_disk_calls(b.host, SIM_DISK_READ);
        share_end_free(&end);
        share_bench_free(&b);
    }
    assert_int_equal(reads[CREATE_HYBRID], reads[CREATE_V1]);
    assert_int_equal(reads[CREATE_HYBRID], 33 * 16); /* 33 MiB in slices of 64 KiB */
    assert_int_equal(reads[CREATE_V2], 9);           /* in units of 4 MiB */
}

static void twenty_thousand_small_files_make_few_jobs_and_one_torrent(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    put_many(&b, 20000);
    for (int kind = CREATE_HYBRID; kind <= CREATE_V2; kind++) {
        struct share_end end = {0};
        uint64_t jobs = sim_host_stats(b.host).jobs_run;
        create(&b, kind, "/home/many", 0, &end);
        assert_int_equal(end.err, 0);
        assert_true(sim_host_stats(b.host).jobs_run - jobs < 100);
        struct metainfo *m = parsed(&end);
        assert_int_equal(m->file_count - m->pad_count, 20000);
        metainfo_unref(m);
        share_end_free(&end);
    }
    share_bench_free(&b);
}

static void links_and_executables_are_part_of_the_torrent(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/s/bin/run", 100, 1);
    share_bench_set_executable(&b, "/home/s/bin/run");
    share_bench_symlink(&b, "/home/s/lib/latest", "../bin/run");
    for (int kind = CREATE_HYBRID; kind <= CREATE_V2; kind++) {
        struct share_end end = {0};
        create(&b, kind, "/home/s", 0, &end);
        assert_int_equal(end.err, 0);
        struct metainfo *m = parsed(&end);
        bool link = false, run = false;
        for (uint32_t i = 0; i < m->file_count; i++) {
            link |= strcmp(m->files[i].path, "lib/latest") == 0 &&
                    m->files[i].flags == METAINFO_SYMLINK &&
                    strcmp(m->files[i].target, "bin/run") == 0;
            run |= strcmp(m->files[i].path, "bin/run") == 0 &&
                   m->files[i].flags == METAINFO_EXECUTABLE && m->files[i].length == 100;
        }
        assert_true(link && run);
        metainfo_unref(m);
        share_end_free(&end);
    }
    share_bench_free(&b);
}

static void options_come_back_out_of_the_torrent(void **state)
{
    (void)state;
    struct share_bench b;
    struct share_end end = {0};
    static const struct create_tracker trackers[] = {
        {"http://a/announce", 0}, {"udp://b:1/announce", 1}};
    static const char *const seeds[] = {"http://w/"};
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/x.bin", 100000, 1);
    share_bench_create(&b,
        &(struct create_options){.path = "/home//x.bin",
            .name = "other name",
            .piece_length = 32768,
            .private_torrent = true,
            .trackers = trackers,
            .tracker_count = 2,
            .web_seeds = seeds,
            .web_seed_count = 1,
            .comment = "c",
            .created_by = "kith",
            .source = "S",
            .creation_unix = 1234567890},
        &end);
    assert_int_equal(end.err, 0);
    struct metainfo *m = parsed(&end);
    assert_string_equal(m->root, "other name");
    assert_int_equal(m->piece_length, 32768);
    assert_true(m->is_private);
    assert_int_equal(m->tracker_count, 2);
    assert_int_equal(m->trackers[1].tier, 1);
    assert_string_equal(m->web_seeds[0], "http://w/");
    assert_true(bytes_equal_str(m->comment, "c") && bytes_equal_str(m->source, "S"));
    assert_int_equal(m->created_unix, 1234567890);
    metainfo_unref(m);
    share_end_free(&end);
    share_bench_free(&b);
}

static void wrong_options_are_refused_at_once(void **state)
{
    (void)state;
    struct share_bench b;
    struct create *c;
    static const struct create_events events = {0};
    static const struct create_options wrong[] = {{.path = ""}, {.path = NULL},
        {.path = "/x", .piece_length = 20000}, {.path = "/x", .piece_length = 8192},
        {.path = "/x", .piece_length = 1u << 30}, {.path = "/x", .name = "a/b"},
        {.path = "/x", .name = ".."}, {.path = "/x", .name = "\xff"}, {.path = "/x", .name = ""}};
    share_bench_new(&b, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(create_start(b.env, &wrong[i], &events, NULL, &c), ERR_INVALID);
    share_bench_free(&b);
}

static void a_dry_run_scans_and_reads_nothing(void **state)
{
    (void)state;
    struct share_bench b;
    struct share_end end = {0};
    share_bench_new(&b, 1);
    put_vectors(&b);
    share_bench_create(
        &b, &(struct create_options){.path = "/home/album", .scan_only = true}, &end);
    assert_int_equal(end.err, 0);
    assert_null(end.torrent);
    assert_int_equal(end.scan->count, 9);
    assert_true(end.result.piece_length >= 16384);
    assert_int_equal(sim_disk_calls(b.host, SIM_DISK_READ), 0);
    share_end_free(&end);
    share_bench_free(&b);
}

/* ---- what can go wrong --------------------------------------------------------------------- */

static void an_empty_folder_is_not_found_and_says_so(void **state)
{
    (void)state;
    struct share_bench b;
    struct share_end end = {0};
    share_bench_new(&b, 1);
    share_bench_make_folder(&b, "/home/empty/inner");
    create(&b, CREATE_HYBRID, "/home/empty", 0, &end);
    assert_int_equal(end.err, ERR_NOT_FOUND);
    assert_string_equal(end.detail, "/home/empty: there is no file in it");
    assert_null(end.torrent);
    share_end_free(&end);
    create(&b, CREATE_HYBRID, "/home/nothing", 0, &end);
    assert_int_equal(end.err, ERR_NOT_FOUND);
    assert_non_null(strstr(end.detail, "/home/nothing"));
    share_end_free(&end);
    share_bench_free(&b);
}

static void empty_files_alone_make_a_torrent_or_a_clear_error(void **state)
{
    (void)state;
    struct share_bench b;
    share_bench_new(&b, 1);
    share_bench_put(&b, "/home/hollow/a", 0, 1);
    share_bench_put(&b, "/home/hollow/b", 0, 1);
    for (int kind = CREATE_HYBRID; kind <= CREATE_V2; kind++) {
        struct share_end end = {0};
        create(&b, kind, "/home/hollow", 0, &end);
        if (end.err == 0)
            metainfo_unref(parsed(&end));
        else
            assert_string_not_equal(end.detail, "");
        share_end_free(&end);
    }
    share_bench_free(&b);
}

static void an_unreadable_file_is_named_before_anything_is_hashed(void **state)
{
    (void)state;
    struct share_bench b;
    struct share_end end = {0};
    share_bench_new(&b, 1);
    put_vectors(&b);
    sim_disk_fault_add(b.host, &(struct sim_disk_fault){.call = SIM_DISK_FILE_OPEN,
                                   .path = "/home/album/b/d.bin",
                                   .nth = 1,
                                   .times = SIM_FOREVER,
                                   .error = EACCES});
    create(&b, CREATE_HYBRID, "/home/album", 0, &end);
    assert_int_equal(end.err, ERR_PERMISSION);
    assert_string_equal(end.detail, "b/d.bin: cannot be read: permission denied");
    assert_int_equal(sim_disk_calls(b.host, SIM_DISK_READ), 0);
    assert_int_equal(end.scan->note_count, 1);
    share_end_free(&end);
    share_bench_create(
        &b, &(struct create_options){.path = "/home/album", .skip_problems = true}, &end);
    assert_int_equal(end.err, 0);
    assert_int_equal(end.scan->count, 8);
    assert_int_equal(end.scan->notes[0].kind, SCAN_UNREADABLE);
    share_end_free(&end);
    share_bench_free(&b);
}

static void a_disk_error_at_any_read_is_reported_with_the_file(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 6; nth++) {
        struct share_bench b;
        struct share_end end = {0};
        share_bench_new(&b, nth);
        share_bench_put(&b, "/home/s/l\x1b.bin", 20 << 20, 1);
        int fault = sim_disk_fault_add(b.host,
            &(struct sim_disk_fault){.call = SIM_DISK_READ, .nth = nth, .times = 1, .error = EIO});
        create(&b, CREATE_HYBRID, "/home/s", 0, &end);
        assert_int_equal(end.err, sim_disk_fault_hits(b.host, fault) > 0 ? ERR_IO : 0);
        if (end.err != 0) {
            assert_non_null(strstr(end.detail, "l\\x1b.bin"));
            assert_int_equal(sim_host_stats(b.host).files, 0);
        }
        share_end_free(&end);
        share_bench_free(&b);
    }
}

struct meddler {
    struct share_bench *bench;
    struct share_end *end;
    void (*meddle)(struct meddler *);
};

static void meddle_now(void *user)
{
    struct meddler *m = user;
    m->meddle(m);
}

static void write_other_bytes(struct meddler *m)
{
    share_bench_put(m->bench, "/home/s/a.bin", 9 << 20, 77);
}

static void grow(struct meddler *m)
{
    share_bench_put(m->bench, "/home/s/a.bin", (9 << 20) + 1, 1);
}

static void shrink(struct meddler *m)
{
    share_bench_put(m->bench, "/home/s/a.bin", (5 << 20) + 1, 1);
}

static void take_away(struct meddler *m)
{
    assert_int_equal(sim_disk_remove(m->bench->host, "/home/s/a.bin"), 0);
}

static void cancel(struct meddler *m)
{
    if (m->end->create != NULL)
        create_cancel(m->end->create);
}

static void put_meddled(struct share_bench *b)
{
    share_bench_put(b, "/home/s/a.bin", 9 << 20, 1);
    share_bench_put(b, "/home/s/b.bin", 9 << 20, 2);
    /* Old enough that a change shows in the time. */
    share_bench_wait(b, SECONDS(10));
}

/* The torrent of the share with or without somebody who meddles at virtual time `at` after the
 * start (NEVER: nobody; 0: before it). */
static void create_meddled(
    void (*meddle)(struct meddler *), usec at, struct share_end *end, usec *took)
{
    struct share_bench b;
    struct meddler m = {&b, end, meddle};
    share_bench_new(&b, 5);
    put_meddled(&b);
    usec start = sim_world_now(b.world);
    if (at == 0)
        meddle(&m);
    else if (at != NEVER)
        sim_world_at(b.world, start + at, meddle_now, &m);
    create(&b, CREATE_HYBRID, "/home/s", 65536, end);
    *took = sim_world_now(b.world) - start;
    assert_int_equal(sim_host_stats(b.host).files, 0);
    scan_free(end->scan);
    end->scan = NULL;
    share_bench_free(&b);
}

static bool same_torrent(const struct share_end *a, const struct share_end *b)
{
    return bytes_equal(
        bytes_of(a->torrent, a->torrent_size), bytes_of(b->torrent, b->torrent_size));
}

static void a_file_that_changes_at_any_moment_never_gives_a_torrent_of_a_mixture(void **state)
{
    (void)state;
    void (*const meddlers[])(struct meddler *) = {write_other_bytes, grow, shrink, take_away};
    for (size_t k = 0; k < sizeof meddlers / sizeof *meddlers; k++) {
        struct share_end before = {0}, after = {0};
        unsigned changed = 0;
        usec took, unused;
        create_meddled(NULL, NEVER, &before, &took);
        create_meddled(meddlers[k], 0, &after, &unused);
        assert_int_equal(before.err, 0);
        for (usec at = 1; at < took + took / 20; at += took / 25 + 1) {
            struct share_end end = {0};
            create_meddled(meddlers[k], at, &end, &unused);
            if (end.err != 0) {
                assert_true(end.err == ERR_CHANGED || end.err == ERR_NOT_FOUND);
                assert_non_null(strstr(end.detail, "a.bin"));
                changed++;
            } else {
                assert_true(same_torrent(&end, &before) || same_torrent(&end, &after));
            }
            share_end_free(&end);
        }
        assert_true(changed > 5);
        share_end_free(&before);
        share_end_free(&after);
    }
}

static void cancelling_at_any_moment_ends_it_soon(void **state)
{
    (void)state;
    struct share_end whole = {0};
    unsigned cancelled = 0;
    usec took, unused;
    create_meddled(NULL, NEVER, &whole, &took);
    for (usec at = 1; at < took; at += took / 25 + 1) {
        struct share_end end = {0};
        create_meddled(cancel, at, &end, &unused);
        assert_true(end.err == ERR_CANCELLED || (end.err == 0 && same_torrent(&end, &whole)));
        cancelled += end.err != 0;
        share_end_free(&end);
    }
    assert_true(cancelled > 15);
    share_end_free(&whole);
}

/* ---- the cache ----------------------------------------------------------------------------- */

struct cached {
    struct share_bench bench;
    struct state *state;
};

static void cached_new(struct cached *c)
{
    share_bench_new(&c->bench, 3);
    put_vectors(&c->bench);
    assert_int_equal(
        state_open(c->bench.env, &(struct state_config){.path = ":memory:"}, &c->state, NULL), 0);
}

static bool no_saves_wait(void *user)
{
    return state_waiting(user) == 0;
}

static void cached_free(struct cached *c)
{
    assert_int_equal(state_close(c->state), 0);
    share_bench_free(&c->bench);
}

/* True if it came out of the cache; then nothing may have been read. */
static bool share_cached(struct cached *c, const struct create_options *options)
{
    struct share_end end = {0};
    struct create_options with = *options;
    uint64_t reads = sim_disk_calls(c->bench.host, SIM_DISK_READ);
    with.cache = c->state;
    share_bench_create(&c->bench, &with, &end);
    assert_int_equal(end.err, 0);
    metainfo_unref(parsed(&end));
    bool cached = end.result.cached;
    assert_true(!cached || sim_disk_calls(c->bench.host, SIM_DISK_READ) == reads);
    share_end_free(&end);
    sim_world_run_until(c->bench.world, NEVER, no_saves_wait, c->state);
    return cached;
}

static void sharing_unchanged_data_again_hashes_nothing(void **state)
{
    (void)state;
    struct cached c;
    const struct create_options album = {.path = "/home/album"},
                                v1 = {.path = "/home/album", .kind = CREATE_V1};
    cached_new(&c);
    share_bench_wait(&c.bench, SECONDS(10));
    assert_false(share_cached(&c, &album));
    assert_true(share_cached(&c, &album));
    assert_true(share_cached(&c, &album));
    assert_false(share_cached(&c, &v1));
    assert_true(share_cached(&c, &v1));
    assert_true(share_cached(&c, &album));
    cached_free(&c);
}

static void changed_data_is_hashed_again(void **state)
{
    (void)state;
    struct cached c;
    const struct create_options album = {.path = "/home/album"};
    cached_new(&c);
    share_bench_wait(&c.bench, SECONDS(10));
    assert_false(share_cached(&c, &album));
    share_bench_put(&c.bench, "/home/album/b.txt", 5, 1);
    share_bench_wait(&c.bench, SECONDS(10));
    assert_false(share_cached(&c, &album));
    share_bench_put(&c.bench, "/home/album/new.txt", 0, 1);
    share_bench_wait(&c.bench, SECONDS(10));
    assert_false(share_cached(&c, &album));
    assert_true(share_cached(&c, &album));
    cached_free(&c);
}

static void data_that_was_written_just_now_is_not_trusted_to_be_unchanged(void **state)
{
    (void)state;
    struct cached c;
    const struct create_options album = {.path = "/home/album"};
    cached_new(&c);
    assert_false(share_cached(&c, &album));
    assert_false(share_cached(&c, &album));
    cached_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_files_get_the_info_hashes_that_other_makers_give_them),
        cmocka_unit_test(the_same_input_gives_the_same_bytes_whatever_the_order_of_events),
        cmocka_unit_test(a_hybrid_reads_each_byte_once),
        cmocka_unit_test(twenty_thousand_small_files_make_few_jobs_and_one_torrent),
        cmocka_unit_test(links_and_executables_are_part_of_the_torrent),
        cmocka_unit_test(options_come_back_out_of_the_torrent),
        cmocka_unit_test(wrong_options_are_refused_at_once),
        cmocka_unit_test(a_dry_run_scans_and_reads_nothing),
        cmocka_unit_test(an_empty_folder_is_not_found_and_says_so),
        cmocka_unit_test(empty_files_alone_make_a_torrent_or_a_clear_error),
        cmocka_unit_test(an_unreadable_file_is_named_before_anything_is_hashed),
        cmocka_unit_test(a_disk_error_at_any_read_is_reported_with_the_file),
        cmocka_unit_test(a_file_that_changes_at_any_moment_never_gives_a_torrent_of_a_mixture),
        cmocka_unit_test(cancelling_at_any_moment_ends_it_soon),
        cmocka_unit_test(sharing_unchanged_data_again_hashes_nothing),
        cmocka_unit_test(changed_data_is_hashed_again),
        cmocka_unit_test(data_that_was_written_just_now_is_not_trusted_to_be_unchanged),
    };
    return cmocka_run_group_tests_name("create", tests, NULL, NULL);
}
