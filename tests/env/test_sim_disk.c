/* The simulated disk: path rules, space, faults that are counted exactly, and what a power loss may
 * and may not take. */
#include "env/sim/sim.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE 4096
#define SEEDS 200

struct bench {
    struct sim_world *world;
    struct sim_host *host;
    struct env *env;
    struct env_dir *dir; /* /data */
};

static void bench_new(struct bench *b, uint64_t seed, uint64_t disk_bytes)
{
    struct sim_config config = sim_config_calm(seed);
    b->world = sim_world_new(&config);
    b->host =
        sim_host_new(b->world, &(struct sim_host_config){.name = "h", .disk_bytes = disk_bytes});
    b->env = sim_host_env(b->host);
    assert_int_equal(env_dir_open(b->env, "/data", true, &b->dir), 0);
}

static void bench_restart(struct bench *b, enum sim_crash kind)
{
    sim_host_crash(b->host, kind);
    env_dir_close(b->dir);
    b->dir = NULL;
    b->env = sim_host_restart(b->host);
}

static void bench_free(struct bench *b)
{
    if (b->dir != NULL)
        env_dir_close(b->dir);
    sim_world_free(b->world);
}

static struct env_file *open_file(struct bench *b, const char *path, unsigned flags)
{
    struct env_file *f;
    assert_int_equal(env_file_open(b->dir, path, flags, &f), 0);
    return f;
}

static int write_at(struct env_file *f, uint64_t offset, size_t size, uint8_t value)
{
    uint8_t *data = malloc(size + 1);
    memset(data, value, size);
    struct iovec iov[2] = {{data, size / 2}, {data + size / 2, size - size / 2}};
    int err = env_file_pwritev(f, iov, 2, offset);
    free(data);
    return err;
}

/* Does [offset, offset+size) hold only `value`? An error of the read counts as no. */
static bool holds(struct env_file *f, uint64_t offset, size_t size, uint8_t value)
{
    uint8_t *data = malloc(size + 1);
    struct iovec iov = {data, size};
    bool same = env_file_preadv(f, &iov, 1, offset) == 0;
    for (size_t i = 0; same && i < size; i++)
        same = data[i] == value;
    free(data);
    return same;
}

static void files_keep_what_is_written_and_holes_read_as_zeros(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 1, 0);
    struct env_file *f = open_file(&b, "a/b/c", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    assert_int_equal(write_at(f, 10 * PAGE + 100, 5000, 7), 0);
    assert_true(holds(f, 0, 10 * PAGE + 100, 0));
    assert_true(holds(f, 10 * PAGE + 100, 5000, 7));
    struct env_stat st;
    assert_int_equal(env_file_stat(f, &st), 0);
    assert_int_equal(st.size, 10 * PAGE + 5100);
    assert_int_equal(st.allocated, 2 * PAGE);
    assert_true(st.is_file && !st.is_folder && !st.executable);
    uint64_t start, end;
    assert_int_equal(env_file_next_data(f, 0, &start, &end), 0);
    assert_int_equal(start, 10 * PAGE);
    assert_int_equal(end, 10 * PAGE + 5100);
    assert_int_equal(env_file_next_data(f, end, &start, &end), ERR_NOT_FOUND);
    uint8_t byte[2];
    assert_int_equal(
        env_file_preadv(f, &(struct iovec){byte, 2}, 1, 10 * PAGE + 5099), ERR_CHANGED);
    assert_int_equal(env_file_truncate(f, 10 * PAGE + 200), 0);
    assert_int_equal(env_file_truncate(f, 20 * PAGE), 0);
    assert_true(holds(f, 10 * PAGE + 200, 9 * PAGE, 0));
    assert_int_equal(env_file_set_executable(f), 0);
    assert_int_equal(env_path_stat(b.dir, "a/b/c", &st), 0);
    assert_true(st.executable);
    env_file_close(f);
    bench_free(&b);
}

static void a_huge_sparse_file_is_cheap(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 2, 0);
    struct env_file *f = open_file(&b, "big", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    assert_int_equal(env_file_truncate(f, 6ull << 30), 0);
    assert_int_equal(write_at(f, (6ull << 30) - 10, 10, 1), 0);
    uint64_t start, end;
    assert_int_equal(env_file_next_data(f, 0, &start, &end), 0);
    assert_int_equal(start, (6ull << 30) - PAGE);
    struct env_stat st;
    assert_int_equal(env_file_stat(f, &st), 0);
    assert_int_equal(st.allocated, PAGE);
    env_file_close(f);
    bench_free(&b);
}

static void paths_stay_beneath_their_folder(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 3, 0);
    sim_disk_put(b.host, "/secret", bytes_of_str("s"));
    sim_disk_put(b.host, "/data/real/file", bytes_of_str("f"));
    assert_int_equal(env_path_symlink(b.dir, "out", "/"), 0);
    assert_int_equal(env_path_symlink(b.dir, "in", "real"), 0);
    assert_int_equal(env_path_symlink(b.dir, "leaf", "real/file"), 0);
    struct env_file *f;
    static const char *const bad[] = {
        "../secret", "/secret", "real/../../secret", "out/secret", "in/file", "leaf"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(env_file_open(b.dir, bad[i], ENV_OPEN_READ, &f), ERR_UNSAFE_PATH);
        assert_int_equal(
            env_file_open(b.dir, bad[i], ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f), ERR_UNSAFE_PATH);
    }
    assert_int_equal(env_path_make_folder(b.dir, "out/x"), ERR_UNSAFE_PATH);
    assert_int_equal(env_path_rename(b.dir, "real/file", b.dir, "out/x"), ERR_UNSAFE_PATH);
    struct env_stat st;
    assert_int_equal(env_path_stat(b.dir, "leaf", &st), 0); /* the link itself */
    assert_true(st.is_symlink);
    char target[32];
    assert_int_equal(env_path_readlink(b.dir, "leaf", target, sizeof target), 0);
    assert_string_equal(target, "real/file");
    assert_int_equal(env_path_unlink(b.dir, "leaf"), 0);
    assert_int_equal(sim_disk_stat(b.host, "/data/real/file", &st), 0);
    bench_free(&b);
}

static void opening_says_what_stands_in_the_way(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 4, 0);
    sim_disk_put(b.host, "/data/f", bytes_of_str("x"));
    struct env_file *f;
    struct env_dir *d;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(env_file_open(b.dir, "none", ENV_OPEN_READ, &f), ERR_NOT_FOUND);
    assert_int_equal(env_file_open(b.dir, "no/ne", ENV_OPEN_WRITE, &f), ERR_NOT_FOUND);
    assert_int_equal(
        env_file_open(b.dir, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f),
        ERR_EXISTS);
    assert_true(env_file_open(b.dir, "f/g", ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f) < 0);
    assert_true(env_file_open(b.dir, name, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &f) < 0);
    assert_int_equal(env_dir_open(b.env, "/nowhere", false, &d), ERR_ABSENT);
    assert_int_equal(env_path_make_folder(b.dir, "p/q/r"), 0);
    assert_int_equal(env_path_make_folder(b.dir, "p/q/r"), 0);
    assert_int_equal(env_path_make_folder(b.dir, "f"), ERR_EXISTS);
    assert_true(env_file_open(b.dir, "p", ENV_OPEN_WRITE, &f) < 0);
    assert_int_equal(env_path_remove_folder(b.dir, "p"), ERR_EXISTS);
    assert_int_equal(env_path_remove_folder(b.dir, "p/q/r"), 0);
    assert_true(env_path_unlink(b.dir, "p") < 0);
    bench_free(&b);
}

static void rename_never_replaces_and_never_crosses_volumes(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 5, 0);
    sim_volume_mount(b.host, "/data/usb", 1 << 20);
    sim_disk_put(b.host, "/data/a", bytes_of_str("a"));
    sim_disk_put(b.host, "/data/b", bytes_of_str("b"));
    assert_int_equal(env_path_rename(b.dir, "a", b.dir, "b"), ERR_EXISTS);
    assert_int_equal(env_path_rename(b.dir, "a", b.dir, "usb/a"), ERR_UNSUPPORTED);
    assert_int_equal(env_path_rename(b.dir, "none", b.dir, "c"), ERR_NOT_FOUND);
    assert_int_equal(env_path_make_folder(b.dir, "d/e"), 0);
    assert_int_equal(env_path_rename(b.dir, "d", b.dir, "d/e/d"), ERR_INVALID);
    assert_int_equal(env_path_rename(b.dir, "a", b.dir, "d/e/a"), 0);
    struct builder text = builder_heap(16);
    assert_int_equal(sim_disk_get(b.host, "/data/d/e/a", &text), 0);
    assert_string_equal(builder_text(&text), "a");
    builder_free(&text);
    bench_free(&b);
}

static bool count_entry(void *user, const char *name, enum env_entry kind)
{
    unsigned *seen = user;
    *seen += kind == ENV_ENTRY_FOLDER ? 100 : 1;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    return true;
}

static void a_listing_shows_every_entry_once(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 6, 0);
    for (int i = 0; i < 50; i++) {
        char path[32];
        snprintf(path, sizeof path, "/data/f%d", i);
        sim_disk_put(b.host, path, bytes_of_str("x"));
    }
    assert_int_equal(env_path_make_folder(b.dir, "sub"), 0);
    unsigned seen = 0;
    assert_int_equal(env_path_list(b.dir, "", count_entry, &seen), 0);
    assert_int_equal(seen, 150);
    assert_int_equal(env_path_list(b.dir, "none", count_entry, &seen), ERR_NOT_FOUND);
    bench_free(&b);
}

static void space_is_bounded_and_given_back(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 7, 10 * PAGE);
    uint64_t free_bytes;
    assert_int_equal(env_dir_free_space(b.dir, &free_bytes), 0);
    assert_int_equal(free_bytes, 8 * PAGE); /* two folders */
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    assert_int_equal(env_file_allocate(f, 0, 3 * PAGE), 0);
    assert_int_equal(env_dir_free_space(b.dir, &free_bytes), 0);
    assert_int_equal(free_bytes, 5 * PAGE);
    struct env_stat st;
    assert_int_equal(env_file_stat(f, &st), 0);
    assert_int_equal(st.size, 0); /* KEEP_SIZE */
    assert_int_equal(write_at(f, 0, 3 * PAGE, 1), 0);
    assert_int_equal(env_dir_free_space(b.dir, &free_bytes), 0);
    assert_int_equal(free_bytes, 5 * PAGE);
    assert_int_equal(env_file_allocate(f, 0, 9 * PAGE), ERR_NO_SPACE);
    assert_int_equal(write_at(f, 3 * PAGE, 6 * PAGE, 2), ERR_NO_SPACE);
    assert_int_equal(env_file_stat(f, &st), 0);
    assert_int_equal(st.size, 8 * PAGE); /* what fitted is there */
    env_file_close(f);
    assert_int_equal(env_path_unlink(b.dir, "f"), 0);
    assert_int_equal(env_dir_sync(b.dir, ""), 0);
    assert_int_equal(env_dir_free_space(b.dir, &free_bytes), 0);
    assert_int_equal(free_bytes, 8 * PAGE);
    bench_free(&b);
}

static void an_open_file_outlives_its_name(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 8, 0);
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    assert_int_equal(write_at(f, 0, 100, 3), 0);
    assert_int_equal(env_path_unlink(b.dir, "f"), 0);
    assert_int_equal(env_dir_sync(b.dir, ""), 0);
    assert_true(holds(f, 0, 100, 3));
    env_file_close(f);
    assert_int_equal(sim_disk_dirty_pages(b.host), 0);
    bench_free(&b);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void the_nth_call_fails_and_only_that_one(void **state)
{
    (void)state;
    static const struct {
        int error, mapped;
    } cases[] = {{ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE}, {EIO, ERR_IO},
        {EROFS, ERR_PERMISSION}, {ENOENT, ERR_NOT_FOUND}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (uint64_t nth = 1; nth <= 5; nth++) {
            struct bench b;
            bench_new(&b, 9, 0);
            struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
            int fault = sim_disk_fault_add(b.host,
                &(struct sim_disk_fault){
                    .call = SIM_DISK_WRITE, .nth = nth, .times = 1, .error = cases[c].error});
            assert_int_equal(fault, 0);
            for (uint64_t i = 1; i <= 5; i++)
                assert_int_equal(write_at(f, 0, 10, 1), i == nth ? cases[c].mapped : 0);
            assert_int_equal(sim_disk_fault_hits(b.host, fault), 1);
            assert_int_equal(sim_disk_calls(b.host, SIM_DISK_WRITE), 5);
            env_file_close(f);
            bench_free(&b);
        }
    }
}

static void a_fault_for_ever_stays_until_it_is_cleared(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 10, 0);
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    sim_disk_fault_add(b.host,
        &(struct sim_disk_fault){
            .call = SIM_DISK_ANY, .path = "/data/f", .nth = 3, .times = SIM_FOREVER, .error = EIO});
    assert_int_equal(write_at(f, 0, 10, 1), 0);
    assert_int_equal(env_file_sync(f), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(i % 2 ? env_file_sync(f) : write_at(f, 0, 10, 1), ERR_IO);
    struct env_file *g = open_file(&b, "g", ENV_OPEN_WRITE | ENV_OPEN_CREATE); /* another path */
    env_file_close(g);
    assert_int_equal(sim_disk_fault_hits(b.host, 0), 10);
    sim_disk_fault_clear(b.host);
    assert_int_equal(env_file_sync(f), 0);
    env_file_close(f);
    bench_free(&b);
}

static void a_short_write_leaves_its_beginning(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 11, 0);
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    assert_int_equal(write_at(f, 0, 2 * PAGE, 1), 0);
    sim_disk_fault_add(b.host,
        &(struct sim_disk_fault){
            .call = SIM_DISK_WRITE, .nth = 1, .times = 1, .error = EIO, .written_bytes = 5000});
    assert_int_equal(write_at(f, 0, 2 * PAGE, 2), ERR_IO);
    assert_true(holds(f, 0, 5000, 2));
    assert_true(holds(f, 5000, 2 * PAGE - 5000, 1));
    env_file_close(f);
    bench_free(&b);
}

/* ---- the loss of power --------------------------------------------------------------------- */

static void what_was_synced_survives_and_every_sector_is_old_or_new(void **state)
{
    (void)state;
    unsigned all_old = 0, all_new = 0, torn = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench b;
        bench_new(&b, seed, 0);
        struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
        assert_int_equal(write_at(f, 0, 4 * PAGE, 1), 0);
        assert_int_equal(env_file_sync(f), 0);
        assert_int_equal(env_dir_sync(b.dir, ""), 0);
        assert_int_equal(sim_disk_dirty_pages(b.host), 0);
        assert_int_equal(write_at(f, PAGE, 2 * PAGE, 2), 0);
        assert_int_equal(sim_disk_dirty_pages(b.host), 2);
        bench_restart(&b, SIM_POWER_LOSS);
        env_file_close(f); /* the dead life's handle */
        assert_int_equal(env_dir_open(b.env, "/data", false, &b.dir), 0);
        f = open_file(&b, "f", ENV_OPEN_READ);
        assert_true(holds(f, 0, PAGE, 1) && holds(f, 3 * PAGE, PAGE, 1));
        unsigned new_sectors = 0;
        for (uint64_t at = PAGE; at < 3 * PAGE; at += 512) {
            bool is_new = holds(f, at, 512, 2);
            assert_true(is_new || holds(f, at, 512, 1));
            new_sectors += is_new;
        }
        all_old += new_sectors == 0;
        all_new += new_sectors == 16;
        torn += new_sectors > 0 && new_sectors < 16;
        env_file_close(f);
        bench_free(&b);
    }
    assert_true(all_old > 20 && all_new > 20 && torn > 40);
}

static void a_kill_keeps_the_page_cache(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct bench b;
        bench_new(&b, seed, 0);
        struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
        assert_int_equal(write_at(f, 0, 3 * PAGE, 9), 0);
        bench_restart(&b, SIM_KILLED);
        assert_int_equal(write_at(f, 0, 1, 8), ERR_IO); /* the dead write nothing */
        env_file_close(f);
        assert_int_equal(env_dir_open(b.env, "/data", false, &b.dir), 0);
        f = open_file(&b, "f", ENV_OPEN_READ);
        assert_true(holds(f, 0, 3 * PAGE, 9));
        env_file_close(f);
        bench_free(&b);
    }
}

static void unsynced_names_may_be_lost_but_only_the_latest_ones(void **state)
{
    (void)state;
    unsigned kept_at[11] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench b;
        bench_new(&b, seed, 0);
        for (int i = 0; i < 10; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%d", i);
            struct env_file *f = open_file(&b, name, ENV_OPEN_WRITE | ENV_OPEN_CREATE);
            assert_int_equal(env_file_sync(f), 0);
            env_file_close(f);
            if (i == 2)
                assert_int_equal(env_dir_sync(b.dir, ""), 0);
        }
        bench_restart(&b, SIM_POWER_LOSS);
        assert_int_equal(env_dir_open(b.env, "/data", false, &b.dir), 0);
        int kept = 0;
        for (int i = 0; i < 10; i++) {
            char name[16];
            struct env_stat st;
            snprintf(name, sizeof name, "f%d", i);
            bool there = env_path_stat(b.dir, name, &st) == 0;
            assert_true(there || kept <= i);
            assert_true(!there || kept == i); /* a prefix of what was done */
            kept += there;
        }
        assert_true(kept >= 3); /* the sync's promise */
        kept_at[kept]++;
        bench_free(&b);
    }
    for (int i = 3; i <= 10; i++)
        assert_true(kept_at[i] > 0);
}

static void a_rename_is_done_or_not_and_never_half(void **state)
{
    (void)state;
    unsigned old_names = 0, new_names = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench b;
        bench_new(&b, seed, 0);
        struct env_file *f = open_file(&b, "part", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
        assert_int_equal(write_at(f, 0, PAGE, 5), 0);
        assert_int_equal(env_file_sync(f), 0);
        env_file_close(f);
        assert_int_equal(env_path_make_folder(b.dir, "done"), 0);
        assert_int_equal(env_dir_sync(b.dir, ""), 0);
        assert_int_equal(env_path_rename(b.dir, "part", b.dir, "done/whole"), 0);
        bench_restart(&b, SIM_POWER_LOSS);
        assert_int_equal(env_dir_open(b.env, "/data", false, &b.dir), 0);
        struct env_stat st;
        bool is_old = env_path_stat(b.dir, "part", &st) == 0;
        bool is_new = env_path_stat(b.dir, "done/whole", &st) == 0;
        assert_true(is_old != is_new);
        old_names += is_old;
        new_names += is_new;
        f = open_file(&b, is_old ? "part" : "done/whole", ENV_OPEN_READ);
        assert_true(holds(f, 0, PAGE, 5));
        env_file_close(f);
        bench_free(&b);
    }
    assert_true(old_names > 20 && new_names > 20);
}

static void space_is_counted_right_after_any_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bench b;
        bench_new(&b, seed, 64 * PAGE);
        for (int i = 0; i < 6; i++) {
            char name[16];
            snprintf(name, sizeof name, "d%d/f", i % 3);
            struct env_file *f = open_file(&b, name, ENV_OPEN_WRITE | ENV_OPEN_CREATE);
            assert_int_equal(write_at(f, (uint64_t)i * PAGE, 3 * PAGE, 1), 0);
            if (i % 2 == 0)
                assert_int_equal(env_file_allocate(f, 8 * PAGE, 2 * PAGE), 0);
            if (i == 3)
                assert_int_equal(env_file_truncate(f, 100), 0);
            env_file_close(f);
        }
        assert_int_equal(env_path_unlink(b.dir, "d1/f"), 0);
        bench_restart(&b, SIM_POWER_LOSS);
        /* Whatever survived, taking it all away leaves the two folders. */
        static const char *const gone[] = {
            "/data/d0/f", "/data/d1/f", "/data/d2/f", "/data/d0", "/data/d1", "/data/d2", "/data"};
        for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
            sim_disk_remove(b.host, gone[i]);
        assert_int_equal(sim_volume_used(sim_host_volume(b.host)), PAGE);
        bench_free(&b);
    }
}

static void a_crash_can_come_at_any_call(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 12, 0);
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    sim_disk_fault_add(b.host, &(struct sim_disk_fault){.call = SIM_DISK_SYNC,
                                   .nth = 2,
                                   .times = 1,
                                   .crash = true,
                                   .crash_kind = SIM_POWER_LOSS});
    assert_int_equal(env_file_sync(f), 0);
    assert_int_equal(env_file_sync(f), ERR_IO);
    assert_null(sim_host_env(b.host));
    env_file_close(f);
    bench_free(&b);
}

/* ---- volumes ------------------------------------------------------------------------------- */

static void a_volume_that_vanishes_is_absent_and_not_empty(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct bench b;
        bench_new(&b, 13, 0);
        struct sim_volume *usb = sim_volume_mount(b.host, "/mnt/usb", 1 << 20);
        sim_disk_put(b.host, "/mnt/usb/films/a", bytes_of_str("film"));
        struct env_dir *dir, *again;
        assert_int_equal(env_dir_open(b.env, "/mnt/usb/films", false, &dir), 0);
        struct env_stat before, after;
        assert_int_equal(env_dir_stat(dir, &before), 0);
        struct env_file *f;
        assert_int_equal(env_file_open(dir, "a", ENV_OPEN_READ, &f), 0);
        sim_volume_vanish(usb, (enum sim_vanish)how);
        assert_false(holds(f, 0, 4, 'f'));
        assert_int_equal(env_file_sync(f), ERR_ABSENT);
        assert_int_equal(env_dir_stat(dir, &after), ERR_ABSENT);
        assert_int_equal(env_path_stat(dir, "a", &after), ERR_ABSENT);
        assert_int_equal(env_dir_open(b.env, "/mnt/usb/films", false, &again), ERR_ABSENT);
        int err = env_dir_open(b.env, "/mnt/usb", false, &again);
        assert_int_equal(err, how == SIM_VANISH_EMPTY_FOLDER ? 0 : ERR_ABSENT);
        if (err == 0) { /* the trap: an empty folder on another device */
            assert_int_equal(env_dir_stat(again, &after), 0);
            assert_int_not_equal(after.device, before.device);
            env_dir_close(again);
        }
        sim_volume_return(usb);
        assert_int_equal(env_dir_stat(dir, &after), ERR_ABSENT); /* old handles stay lost */
        assert_int_equal(env_dir_open(b.env, "/mnt/usb/films", false, &again), 0);
        assert_int_equal(env_dir_stat(again, &after), 0);
        assert_int_equal(after.device, before.device);
        assert_int_equal(after.inode, before.inode);
        env_dir_close(again);
        env_file_close(f);
        env_dir_close(dir);
        bench_free(&b);
    }
}

static void a_read_only_volume_refuses_changes(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 14, 0);
    struct env_file *f = open_file(&b, "f", ENV_OPEN_WRITE | ENV_OPEN_CREATE);
    sim_volume_set_access(sim_host_volume(b.host), SIM_READ_ONLY);
    assert_int_equal(write_at(f, 0, 1, 1), ERR_PERMISSION);
    assert_int_equal(env_path_unlink(b.dir, "f"), ERR_PERMISSION);
    assert_int_equal(env_path_make_folder(b.dir, "d"), ERR_PERMISSION);
    struct env_file *g;
    assert_int_equal(env_file_open(b.dir, "f", ENV_OPEN_WRITE, &g), ERR_PERMISSION);
    assert_int_equal(env_file_open(b.dir, "f", ENV_OPEN_READ, &g), 0);
    env_file_close(g);
    env_file_close(f);
    bench_free(&b);
}

static void bit_rot_changes_one_bit_and_no_date(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 15, 0);
    sim_disk_put(b.host, "/data/f", bytes_of_str("AAAA"));
    struct env_stat before, after;
    assert_int_equal(sim_disk_stat(b.host, "/data/f", &before), 0);
    assert_int_equal(sim_disk_rot(b.host, "/data/f", 2), 0);
    assert_int_equal(sim_disk_stat(b.host, "/data/f", &after), 0);
    assert_memory_equal(&before, &after, sizeof before);
    struct builder text = builder_heap(16);
    assert_int_equal(sim_disk_get(b.host, "/data/f", &text), 0);
    assert_string_equal(builder_text(&text), "AA@A");
    builder_free(&text);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_keep_what_is_written_and_holes_read_as_zeros),
        cmocka_unit_test(a_huge_sparse_file_is_cheap),
        cmocka_unit_test(paths_stay_beneath_their_folder),
        cmocka_unit_test(opening_says_what_stands_in_the_way),
        cmocka_unit_test(rename_never_replaces_and_never_crosses_volumes),
        cmocka_unit_test(a_listing_shows_every_entry_once),
        cmocka_unit_test(space_is_bounded_and_given_back),
        cmocka_unit_test(an_open_file_outlives_its_name),
        cmocka_unit_test(the_nth_call_fails_and_only_that_one),
        cmocka_unit_test(a_fault_for_ever_stays_until_it_is_cleared),
        cmocka_unit_test(a_short_write_leaves_its_beginning),
        cmocka_unit_test(what_was_synced_survives_and_every_sector_is_old_or_new),
        cmocka_unit_test(a_kill_keeps_the_page_cache),
        cmocka_unit_test(unsynced_names_may_be_lost_but_only_the_latest_ones),
        cmocka_unit_test(a_rename_is_done_or_not_and_never_half),
        cmocka_unit_test(space_is_counted_right_after_any_crash),
        cmocka_unit_test(a_crash_can_come_at_any_call),
        cmocka_unit_test(a_volume_that_vanishes_is_absent_and_not_empty),
        cmocka_unit_test(a_read_only_volume_refuses_changes),
        cmocka_unit_test(bit_rot_changes_one_bit_and_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
