/* The state database as its users see it: what is saved comes back, acknowledgements mean durable,
 * a full disk is waited out, and nobody else's database is touched. */
#include "fault_vfs.h"
#include "state_bench.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct heard {
    unsigned calls;
    int err;
};

static void hear(void *user, int err)
{
    struct heard *h = user;
    h->calls++;
    h->err = err;
}

static void save_torrent(struct state_bench *b, int64_t id, struct heard *h)
{
    struct state_torrent t = state_bench_torrent(id);
    assert_int_equal(state_save_torrent(b->state, &t, h != NULL ? hear : NULL, h), 0);
}

struct loaded {
    unsigned count;
    int64_t last_id;
};

static bool check_torrent(void *user, const struct state_torrent *t, bool damaged)
{
    struct loaded *l = user;
    struct state_torrent expected = state_bench_torrent(t->id);
    assert_false(damaged);
    assert_true(state_bench_same_torrent(t, &expected));
    assert_true(t->id > l->last_id);
    l->last_id = t->id;
    l->count++;
    return true;
}

static unsigned count_torrents(struct state_bench *b)
{
    struct loaded l = {0};
    assert_int_equal(state_each_torrent(b->state, check_torrent, &l), 0);
    return l.count;
}

static void assert_blob(struct state_bench *b, int64_t id, enum state_blob kind, const char *text)
{
    uint8_t *data;
    size_t size;
    int err = state_load_blob(b->state, id, kind, &data, &size);
    assert_int_equal(err, text != NULL ? 0 : ERR_NOT_FOUND);
    if (text != NULL)
        assert_true(bytes_equal_str(bytes_of(data, size), text));
    free(data);
}

static void what_is_saved_comes_back_after_a_restart(void **state)
{
    (void)state;
    struct state_bench b;
    struct heard h = {0};
    struct state_peer peers[3] = {{.endpoint = endpoint_v4(0x01020304, 6881),
                                      .seen_unix = 1700000000,
                                      .source = ADDR_FROM_LAN},
        {.endpoint = endpoint_v4(0x05060708, 1), .seen_unix = -1}};
    uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, 1};
    peers[2].endpoint = endpoint_from_ip6(ip6, 51413);
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    assert_int_equal(b.report.warning_count, 0);
    for (int64_t id = 1; id <= 40; id++) {
        assert_int_equal(state_torrent_new_id(b.state), id);
        save_torrent(&b, id, &h);
    }
    assert_int_equal(
        state_save_blob(b.state, 7, STATE_METAINFO, bytes_of_str("d4:infoe"), hear, &h), 0);
    assert_int_equal(
        state_save_blob(b.state, 7, STATE_STORAGE, bytes_of_str("record"), hear, &h), 0);
    assert_int_equal(state_save_peers(b.state, 7, peers, 3, hear, &h), 0);
    assert_int_equal(state_save_setting(b.state, "theme", bytes_of_str("dark"), hear, &h), 0);
    assert_int_equal(h.calls, 0);
    state_bench_settle(&b);
    assert_int_equal(h.calls, 44);
    assert_int_equal(h.err, 0);
    state_bench_close(&b);

    assert_int_equal(state_bench_open(&b), 0);
    assert_int_equal(count_torrents(&b), 40);
    assert_int_equal(state_torrent_new_id(b.state), 41);
    assert_blob(&b, 7, STATE_METAINFO, "d4:infoe");
    assert_blob(&b, 7, STATE_STORAGE, "record");
    assert_blob(&b, 7, STATE_TRACKERS, NULL);
    assert_blob(&b, 8, STATE_METAINFO, NULL);
    struct state_peer loaded[5];
    assert_int_equal(state_load_peers(b.state, 7, loaded, 5), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(endpoint_equal(&loaded[i].endpoint, &peers[i].endpoint));
        assert_int_equal(loaded[i].seen_unix, peers[i].seen_unix);
        assert_int_equal(loaded[i].source, peers[i].source);
    }
    assert_int_equal(state_load_peers(b.state, 7, loaded, 2), 2);
    assert_int_equal(state_load_peers(b.state, 8, loaded, 5), 0);
    uint8_t *value;
    size_t size;
    assert_int_equal(state_load_setting(b.state, "theme", &value, &size), 0);
    assert_true(bytes_equal_str(bytes_of(value, size), "dark"));
    free(value);
    assert_int_equal(state_load_setting(b.state, "other", &value, &size), ERR_NOT_FOUND);
    state_bench_free(&b);
}

static void a_later_save_takes_the_place_of_one_that_waits(void **state)
{
    (void)state;
    struct state_bench b;
    struct heard first = {0}, second = {0};
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    save_torrent(&b, 1, NULL); /* the job is under way with this one */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(
            state_save_blob(b.state, 1, STATE_STORAGE, bytes_of_str("old"), hear, &first), 0);
    assert_int_equal(
        state_save_blob(b.state, 1, STATE_STORAGE, bytes_of_str("new"), hear, &second), 0);
    assert_int_equal(state_waiting(b.state), 2);
    state_bench_settle(&b);
    assert_int_equal(first.calls, 1000);
    assert_int_equal(first.err, 0);
    assert_int_equal(second.calls, 1);
    assert_blob(&b, 1, STATE_STORAGE, "new");
    assert_int_equal(state_save_blob(b.state, 1, STATE_STORAGE, bytes_of(NULL, 0), NULL, NULL), 0);
    state_bench_settle(&b);
    assert_blob(&b, 1, STATE_STORAGE, NULL);
    state_bench_free(&b);
}

static void a_removed_torrent_takes_everything_with_it_and_its_id_never_returns(void **state)
{
    (void)state;
    struct state_bench b;
    struct heard dropped = {0}, removed = {0};
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    for (int i = 0; i < 3; i++)
        save_torrent(&b, state_torrent_new_id(b.state), NULL);
    state_save_blob(b.state, 3, STATE_METAINFO, bytes_of_str("m"), NULL, NULL);
    state_bench_settle(&b);
    save_torrent(&b, 1, NULL);
    state_save_blob(b.state, 3, STATE_STORAGE, bytes_of_str("s"), hear, &dropped);
    assert_int_equal(state_remove_torrent(b.state, 3, hear, &removed), 0);
    state_bench_settle(&b);
    assert_int_equal(removed.calls, 1);
    assert_int_equal(dropped.calls, 1);
    assert_blob(&b, 3, STATE_METAINFO, NULL);
    assert_int_equal(count_torrents(&b), 2);
    state_bench_close(&b);
    assert_int_equal(state_bench_open(&b), 0);
    assert_int_equal(state_torrent_new_id(b.state), 4);
    state_bench_free(&b);
}

static void a_record_that_cannot_be_saved_fails_alone(void **state)
{
    (void)state;
    struct state_bench b;
    struct heard good = {0}, orphan = {0}, twin = {0};
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    save_torrent(&b, 1, NULL);
    save_torrent(&b, 2, &good);
    struct state_torrent same = state_bench_torrent(2);
    same.id = 3;
    assert_int_equal(state_save_torrent(b.state, &same, hear, &twin), 0);
    assert_int_equal(
        state_save_blob(b.state, 99, STATE_STORAGE, bytes_of_str("x"), hear, &orphan), 0);
    state_bench_settle(&b);
    assert_int_equal(good.err, 0);
    assert_int_equal(twin.err, ERR_EXISTS);
    assert_int_equal(orphan.err, ERR_NOT_FOUND);
    assert_int_equal(state_trouble(b.state), 0);
    assert_int_equal(count_torrents(&b), 2);
    state_bench_free(&b);
}

static void arguments_past_their_bounds_are_refused(void **state)
{
    (void)state;
    struct state_bench b;
    struct state_torrent t = state_bench_torrent(1);
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    char *text = malloc(STATE_TEXT_MAX + 2);
    memset(text, 'x', STATE_TEXT_MAX + 1);
    text[STATE_TEXT_MAX + 1] = '\0';
    t.name = text;
    assert_int_equal(state_save_torrent(b.state, &t, NULL, NULL), ERR_LIMIT);
    t = state_bench_torrent(0);
    assert_int_equal(state_save_torrent(b.state, &t, NULL, NULL), ERR_INVALID);
    assert_int_equal(
        state_save_blob(b.state, 1, STATE_STORAGE, bytes_of(text, STATE_BLOB_MAX + 1), NULL, NULL),
        ERR_LIMIT);
    assert_int_equal(
        state_save_blob(b.state, 1, STATE_BLOB_COUNT, bytes_of_str("x"), NULL, NULL), ERR_INVALID);
    struct state_peer many[STATE_PEERS_MAX + 50] = {{.seen_unix = 1}};
    save_torrent(&b, 1, NULL);
    assert_int_equal(state_save_peers(b.state, 1, many, STATE_PEERS_MAX + 50, NULL, NULL), 0);
    state_bench_settle(&b);
    assert_int_equal(
        state_load_peers(b.state, 1, many, STATE_PEERS_MAX + 50), (int)STATE_PEERS_MAX);
    free(text);
    state_bench_free(&b);
}

static void the_share_cache_forgets_the_oldest(void **state)
{
    (void)state;
    struct state_bench b;
    struct sha256_digest key = {{0}};
    uint8_t *out;
    size_t size;
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    for (uint32_t i = 0; i < STATE_SHARES_MAX + 10; i++) {
        store_u32(key.b, i);
        assert_int_equal(
            state_save_share(b.state, &key, "/p", bytes_of(key.b, sizeof key.b), NULL, NULL), 0);
    }
    state_bench_settle(&b);
    for (uint32_t i = 0; i < STATE_SHARES_MAX + 10; i++) {
        store_u32(key.b, i);
        assert_int_equal(state_load_share(b.state, &key, &out, &size), i < 10 ? ERR_NOT_FOUND : 0);
        free(out);
    }
    state_bench_free(&b);
}

static void a_second_user_of_the_same_state_is_told_who_has_it(void **state)
{
    (void)state;
    struct state_bench b;
    struct state *second;
    struct state_report report = {0};
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    struct state_config config = {.path = b.path};
    assert_int_equal(state_open(b.env, &config, &second, &report), ERR_BUSY);
    assert_int_equal(report.lock_pid, getpid());
    assert_non_null(strstr(report.error, b.path));
    state_report_free(&report);
    state_bench_close(&b);
    assert_int_equal(state_bench_open(&b), 0);
    state_bench_free(&b);
}

static struct {
    ino_t inode;
    bool has_state; /* the database stood by then */
} synced[64];
static unsigned synced_count;
static char awaited_path[128];

/* In the place of libc's, to see what is synced: power losses of folders cannot be had otherwise.
 */
int fsync(int fd)
{
    struct stat st;
    if (synced_count < 64 && fstat(fd, &st) == 0) {
        synced[synced_count].inode = st.st_ino;
        synced[synced_count++].has_state = access(awaited_path, F_OK) == 0;
    }
    return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path, bool has_state)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (unsigned i = 0; i < synced_count; i++)
        if (synced[i].inode == st.st_ino && synced[i].has_state == has_state)
            return true;
    return false;
}

/* Else a power loss could take the state whole, with what was acknowledged in it. */
static void folders_that_are_made_for_a_state_are_durable_before_it_is(void **state)
{
    (void)state;
    struct state_bench b;
    char outer[80], inner[90];
    state_bench_new(&b);
    snprintf(outer, sizeof outer, "%s/outer", b.folder);
    snprintf(inner, sizeof inner, "%s/inner", outer);
    snprintf(awaited_path, sizeof awaited_path, "%s/state.db", inner);
    synced_count = 0;
    struct state_config config = {.path = awaited_path};
    assert_int_equal(state_open(b.env, &config, &b.state, NULL), 0);
    assert_true(was_synced("/tmp", false));
    assert_true(was_synced(b.folder, false));
    assert_true(was_synced(outer, false));
    assert_true(was_synced(inner, true));
    state_bench_close(&b);
    unlink(awaited_path);
    snprintf(awaited_path, sizeof awaited_path, "%s/state.db.lock", inner);
    unlink(awaited_path);
    assert_int_equal(rmdir(inner) | rmdir(outer), 0);
    state_bench_free(&b);
}

static void only_the_owner_may_read_the_files(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    snprintf(b.path, sizeof b.path, "%s/new/folder/state.db", b.folder);
    assert_int_equal(state_bench_open(&b), 0);
    save_torrent(&b, 1, NULL);
    state_bench_settle(&b);
    state_bench_copy(&b);
    static const char *const suffixes[] = {"", "-wal", ".1", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof path, "%s%s", b.path, suffixes[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    state_bench_free(&b);
}

static void run_sql(const char *path, const char *script)
{
    sqlite3 *sql;
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, script, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sql);
}

static void assert_refused_untouched(struct state_bench *b, const char *words)
{
    size_t before_size, after_size;
    uint8_t *before = state_bench_read(b->path, &before_size);
    assert_int_equal(state_bench_open(b), ERR_DATABASE);
    assert_non_null(strstr(b->report.error, words));
    uint8_t *after = state_bench_read(b->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    assert_int_equal(state_bench_count(b, "state.db.damaged"), 0);
    free(before);
    free(after);
}

static void a_newer_state_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    save_torrent(&b, 1, NULL);
    state_bench_settle(&b);
    state_bench_copy(&b);
    state_bench_close(&b);
    run_sql(b.path, "PRAGMA user_version = 2; CREATE TABLE future (x)");
    assert_refused_untouched(&b, "newer");
    state_bench_free(&b);
}

static void a_database_of_somebody_else_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    run_sql(b.path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
    assert_refused_untouched(&b, "not kith's");
    state_bench_free(&b);
}

static void a_state_in_memory_makes_no_files(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    strcpy(b.path, ":memory:");
    assert_int_equal(state_bench_open(&b), 0);
    save_torrent(&b, 1, NULL);
    state_bench_settle(&b);
    assert_int_equal(count_torrents(&b), 1);
    assert_int_equal(state_deadline(b.state), NEVER);
    assert_int_equal(state_bench_count(&b, "state"), 0);
    state_bench_free(&b);
}

static void copies_are_taken_at_start_and_daily_and_rotate(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    assert_true(state_deadline(b.state) <= env_now(b.env));
    save_torrent(&b, 1, NULL);
    state_bench_settle(&b);
    state_bench_copy(&b);
    assert_int_equal(state_bench_count(&b, "state.db.1"), 1);
    assert_int_equal(state_bench_count(&b, "state.db.2"), 0);
    state_bench_run(&b, SECONDS(3600));
    assert_int_equal(state_bench_count(&b, "state.db.2"), 0);
    state_bench_run(&b, STATE_COPY_EVERY);
    assert_int_equal(state_bench_count(&b, "state.db.2"), 1);
    assert_int_equal(state_bench_count(&b, "state.db.copying"), 0);
    state_bench_free(&b);
}

static void a_full_disk_is_waited_out_and_nothing_is_lost(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_FULL, FAULT_IO};
    static const int errors[] = {ERR_NO_SPACE, ERR_IO};
    for (int k = 0; k < 2; k++) {
        struct state_bench b;
        struct heard row = {0}, blob = {0}, newer = {0};
        state_bench_new(&b);
        assert_int_equal(state_bench_open(&b), 0);
        fault_vfs_plan(&(struct fault_plan){.kind = kinds[k], .first = 1, .times = UINT64_MAX});
        save_torrent(&b, 1, &row);
        state_save_blob(b.state, 1, STATE_STORAGE, bytes_of_str("a"), hear, &blob);
        state_bench_run(&b, SECONDS(100));
        assert_int_equal(state_trouble(b.state), errors[k]);
        assert_int_equal(state_waiting(b.state), 2);
        assert_int_equal(row.calls + blob.calls, 0);
        /* What is saved meanwhile replaces and joins. */
        state_save_blob(b.state, 1, STATE_STORAGE, bytes_of_str("b"), hear, &newer);
        save_torrent(&b, 2, NULL);
        state_bench_run(&b, SECONDS(100));
        assert_int_equal(state_waiting(b.state), 3);
        fault_vfs_plan(&(struct fault_plan){0});
        state_bench_run(&b, STATE_RETRY_MAX + SECONDS(1));
        assert_int_equal(state_trouble(b.state), 0);
        assert_int_equal(state_waiting(b.state), 0);
        assert_int_equal(row.calls + blob.calls + newer.calls, 3);
        assert_int_equal(row.err | blob.err | newer.err, 0);
        assert_int_equal(count_torrents(&b), 2);
        assert_blob(&b, 1, STATE_STORAGE, "b");
        state_bench_free(&b);
    }
}

static void now_idle(void *user)
{
    *(bool *)user = true;
}

static void closing_on_a_full_disk_tells_whom_it_lost(void **state)
{
    (void)state;
    struct state_bench b;
    struct heard h = {0};
    bool idle = false;
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    fault_vfs_plan(&(struct fault_plan){.kind = FAULT_FULL, .first = 1, .times = UINT64_MAX});
    save_torrent(&b, 1, &h);
    state_bench_run(&b, SECONDS(3));
    state_quiesce(b.state, now_idle, &idle);
    state_bench_run(&b, SECONDS(3));
    assert_true(idle);
    assert_int_equal(h.calls, 0);
    assert_int_equal(state_save_setting(b.state, "a", bytes_of_str("b"), NULL, NULL), ERR_CLOSED);
    assert_int_equal(state_close(b.state), ERR_NO_SPACE);
    b.state = NULL;
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.err, ERR_NO_SPACE);
    fault_vfs_plan(&(struct fault_plan){0});
    assert_int_equal(state_bench_open(&b), 0);
    assert_int_equal(b.report.warning_count, 0);
    assert_int_equal(count_torrents(&b), 0);
    state_bench_free(&b);
}

static void any_single_disk_error_is_survived(void **state)
{
    (void)state;
    bool reached = true;
    for (uint64_t nth = 1; reached; nth++) {
        struct state_bench b;
        struct heard h = {0};
        state_bench_new(&b);
        assert_int_equal(state_bench_open(&b), 0);
        fault_vfs_plan(&(struct fault_plan){
            .kind = nth % 2 ? FAULT_FULL : FAULT_IO, .first = nth, .times = 1});
        for (int64_t id = 1; id <= 8; id++) {
            save_torrent(&b, id, &h);
            state_save_blob(b.state, id, STATE_STORAGE, bytes_of_str("r"), hear, &h);
            state_bench_run(&b, SECONDS(5));
        }
        reached = fault_vfs_calls() >= nth;
        fault_vfs_plan(&(struct fault_plan){0});
        assert_int_equal(h.calls, 16);
        assert_int_equal(h.err, 0);
        state_bench_close(&b);
        assert_int_equal(state_bench_open(&b), 0);
        assert_int_equal(b.report.warning_count, 0);
        assert_int_equal(count_torrents(&b), 8);
        state_bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_comes_back_after_a_restart),
        cmocka_unit_test(a_later_save_takes_the_place_of_one_that_waits),
        cmocka_unit_test(a_removed_torrent_takes_everything_with_it_and_its_id_never_returns),
        cmocka_unit_test(a_record_that_cannot_be_saved_fails_alone),
        cmocka_unit_test(arguments_past_their_bounds_are_refused),
        cmocka_unit_test(the_share_cache_forgets_the_oldest),
        cmocka_unit_test(a_second_user_of_the_same_state_is_told_who_has_it),
        cmocka_unit_test(folders_that_are_made_for_a_state_are_durable_before_it_is),
        cmocka_unit_test(only_the_owner_may_read_the_files),
        cmocka_unit_test(a_newer_state_is_refused_and_left_alone),
        cmocka_unit_test(a_database_of_somebody_else_is_refused_and_left_alone),
        cmocka_unit_test(a_state_in_memory_makes_no_files),
        cmocka_unit_test(copies_are_taken_at_start_and_daily_and_rotate),
        cmocka_unit_test(a_full_disk_is_waited_out_and_nothing_is_lost),
        cmocka_unit_test(closing_on_a_full_disk_tells_whom_it_lost),
        cmocka_unit_test(any_single_disk_error_is_survived),
    };
    fault_vfs_install();
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
