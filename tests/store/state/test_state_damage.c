/* The state database after accidents: flipped bits, cuts, lost files, kills and power losses at
 * every write. Never a crash, never silently less than was acknowledged. */
#include "fault_vfs.h"
#include "state_bench.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TORRENTS 30
#define RECORD_SIZE 3000 /* larger than a leaf cell keeps: overflow pages are damaged too */

static struct bytes record_of(int64_t id)
{
    static uint8_t record[RECORD_SIZE];
    for (size_t i = 0; i < sizeof record; i++)
        record[i] = (uint8_t)(i * 7 + (size_t)id);
    return bytes_of(record, sizeof record);
}

static void save(struct state_bench *b, int64_t first, int64_t last)
{
    for (int64_t id = first; id <= last; id++) {
        struct state_torrent t = state_bench_torrent(id);
        assert_int_equal(state_save_torrent(b->state, &t, NULL, NULL), 0);
        assert_int_equal(
            state_save_blob(b->state, id, STATE_STORAGE, record_of(id), NULL, NULL), 0);
    }
    assert_int_equal(state_save_setting(b->state, "name", bytes_of_str("value"), NULL, NULL), 0);
    state_bench_settle(b);
}

/* What a look at an opened state found. */
struct found {
    struct state_bench *bench;
    unsigned intact, damaged;
    unsigned blobs, blobs_damaged;
};

static bool look(void *user, const struct state_torrent *t, bool damaged)
{
    struct found *f = user;
    uint8_t *blob;
    size_t size;
    if (damaged) {
        f->damaged++;
        return true;
    }
    struct state_torrent expected = state_bench_torrent(t->id);
    assert_true(state_bench_same_torrent(t, &expected));
    f->intact++;
    int err = state_load_blob(f->bench->state, t->id, STATE_STORAGE, &blob, &size);
    if (err == 0) {
        assert_true(bytes_equal(bytes_of(blob, size), record_of(t->id)));
        f->blobs++;
    } else {
        f->blobs_damaged += err == ERR_DATABASE;
    }
    free(blob);
    return true;
}

static struct found look_at(struct state_bench *b)
{
    struct found f = {.bench = b};
    assert_int_equal(state_each_torrent(b->state, look, &f), 0);
    return f;
}

/* A closed database with TORRENTS in it, and a copy of all of them if wanted. */
static void prepare(struct state_bench *b, bool with_copy)
{
    state_bench_new(b);
    assert_int_equal(state_bench_open(b), 0);
    save(b, 1, TORRENTS);
    if (with_copy)
        state_bench_copy(b);
    state_bench_close(b);
}

static void remove_all_but_copies(struct state_bench *b)
{
    char command[256];
    snprintf(command, sizeof command,
        "cd %s && rm -rf state.db state.db-wal state.db-shm state.db.damaged* state.db.new*"
        " state.db.building*",
        b->folder);
    assert_int_equal(system(command), 0);
}

/* Opens a damaged database and checks that nothing is missing without a word. */
enum outcome { TAKEN, REPAIRED, REFUSED, OUTCOMES };

static enum outcome open_damaged(struct state_bench *b, bool with_copy)
{
    int err = state_bench_open(b);
    if (err != 0) {
        assert_int_equal(err, ERR_DATABASE);
        assert_string_not_equal(b->report.error, "");
        return REFUSED;
    }
    struct found f = look_at(b);
    if (b->report.warning_count == 0) {
        /* Taken as it is: every torrent is there, or is said to be damaged. */
        assert_int_equal(f.intact + f.damaged, TORRENTS);
        assert_int_equal(f.blobs + f.blobs_damaged, f.intact);
    } else {
        assert_int_equal(state_bench_count(b, "state.db.damaged") > 0, 1);
        assert_int_equal(f.damaged, 0);
        if (with_copy) {
            assert_int_equal(f.intact, TORRENTS);
            assert_int_equal(f.blobs, TORRENTS);
        }
    }
    state_bench_close(b);
    /* Once repaired it stays so. */
    if (b->report.warning_count == 0)
        return TAKEN;
    assert_int_equal(state_bench_open(b), 0);
    assert_int_equal(b->report.warning_count, 0);
    state_bench_close(b);
    return REPAIRED;
}

static void flip_bits(bool with_copy)
{
    struct state_bench b;
    size_t size;
    unsigned outcomes[OUTCOMES] = {0}, tried = 0;
    prepare(&b, with_copy);
    uint8_t *good = state_bench_read(b.path, &size);
    /* Every page, at its header and at places that wander; the first page more closely. */
    for (size_t page = 0; page * 4096 < size; page++) {
        size_t step = page == 0 ? 29 : 593;
        for (size_t at = page * 13 % step; at < 4096; at += at < 16 ? 3 : step) {
            size_t offset = page * 4096 + at;
            remove_all_but_copies(&b);
            good[offset] ^= (uint8_t)(1u << (offset % 8));
            state_bench_write(b.path, good, size);
            good[offset] ^= (uint8_t)(1u << (offset % 8));
            outcomes[open_damaged(&b, with_copy)]++;
            tried++;
        }
    }
    print_message(
        "%u flips: %u repaired, %u refused\n", tried, outcomes[REPAIRED], outcomes[REFUSED]);
    assert_true(outcomes[REPAIRED] > tried / 20);
    assert_true(
        outcomes[REFUSED] < tried / 20); /* those that look like a newer or foreign database */
    free(good);
    state_bench_free(&b);
}

static void a_flipped_bit_in_any_page_loses_nothing_when_there_is_a_copy(void **state)
{
    (void)state;
    flip_bits(true);
}

static void a_flipped_bit_in_any_page_is_never_silent_without_a_copy(void **state)
{
    (void)state;
    flip_bits(false);
}

static void a_cut_anywhere_loses_nothing_when_there_is_a_copy(void **state)
{
    (void)state;
    struct state_bench b;
    size_t size;
    prepare(&b, true);
    uint8_t *good = state_bench_read(b.path, &size);
    for (size_t cut = 0; cut < size; cut += cut < 200 ? 40 : 1777) {
        remove_all_but_copies(&b);
        state_bench_write(b.path, good, cut);
        /* SQLite reads the rest of a last page as zeros: rows' sums tell. */
        if (open_damaged(&b, true) == TAKEN) {
            assert_int_equal(cut / 4096, (size - 1) / 4096);
            continue;
        }
        assert_int_equal(state_bench_open(&b), 0);
        assert_int_equal(look_at(&b).intact, TORRENTS);
        state_bench_close(&b);
    }
    free(good);
    state_bench_free(&b);
}

static void a_lost_database_comes_back_from_its_copy(void **state)
{
    (void)state;
    struct state_bench b;
    prepare(&b, true);
    remove_all_but_copies(&b);
    assert_int_equal(state_bench_open(&b), 0);
    assert_true(b.report.warning_count > 0);
    assert_int_equal(look_at(&b).intact, TORRENTS);
    assert_int_equal(state_torrent_new_id(b.state), TORRENTS + 1);
    state_bench_free(&b);
}

static void rubbish_without_a_copy_is_set_aside_with_a_warning(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    uint8_t rubbish[10000];
    memset(rubbish, 0x5a, sizeof rubbish);
    state_bench_write(b.path, rubbish, sizeof rubbish);
    assert_int_equal(state_bench_open(&b), 0);
    assert_int_equal(b.report.warning_count, 2);
    assert_non_null(strstr(b.report.warnings[0], "lost"));
    assert_non_null(strstr(b.report.warnings[1], "state.db.damaged-20231114-"));
    assert_int_equal(look_at(&b).intact, 0);
    state_bench_free(&b);
}

static void overwrite(const char *path, long offset, uint8_t value, size_t count)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, offset, SEEK_SET);
    while (count-- > 0)
        fputc(value, f);
    fclose(f);
}

static int64_t root_page(const char *path, const char *table)
{
    sqlite3 *sql;
    sqlite3_stmt *s;
    char query[128];
    snprintf(query, sizeof query, "SELECT rootpage FROM sqlite_master WHERE name = '%s'", table);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sql, query, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t page = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(sql);
    return page;
}

static void rows_newer_than_the_copy_are_saved_out_of_a_damaged_database(void **state)
{
    (void)state;
    struct state_bench b;
    state_bench_new(&b);
    assert_int_equal(state_bench_open(&b), 0);
    save(&b, 1, 10);
    state_bench_copy(&b);
    save(&b, 11, TORRENTS);
    state_bench_close(&b);
    /* An index that is nonsense: tables can still be read. */
    overwrite(b.path, (long)(root_page(b.path, "torrents_v1") - 1) * 4096, 0xff, 100);
    assert_int_equal(state_bench_open(&b), 0);
    assert_true(b.report.warning_count > 0);
    struct found f = look_at(&b);
    assert_int_equal(f.intact, TORRENTS);
    assert_int_equal(f.blobs, TORRENTS);
    state_bench_free(&b);
}

static void a_damaged_copy_is_passed_over_for_the_older_one(void **state)
{
    (void)state;
    struct state_bench b;
    char copy[128];
    prepare(&b, true);
    assert_int_equal(state_bench_open(&b), 0);
    state_bench_run(&b, STATE_COPY_EVERY + SECONDS(10));
    state_bench_close(&b);
    assert_int_equal(state_bench_count(&b, "state.db.2"), 1);
    snprintf(copy, sizeof copy, "%s.1", b.path);
    overwrite(copy, 0, 0, 5000);
    overwrite(b.path, 0, 0, 5000);
    assert_int_equal(state_bench_open(&b), 0);
    assert_non_null(strstr(b.report.warnings[0], "state.db.2"));
    assert_int_equal(look_at(&b).intact, TORRENTS);
    state_bench_free(&b);
}

static void a_repair_that_was_cut_off_is_finished_at_the_next_start(void **state)
{
    (void)state;
    /* The child dies at the n-th change that it makes, until one gets through. */
    for (uint64_t nth = 1;; nth++) {
        struct state_bench b;
        int status;
        prepare(&b, true);
        overwrite(b.path, 4096, 0xff, 3000);
        pid_t child = fork();
        if (child == 0) {
            fault_vfs_plan(&(struct fault_plan){
                .kind = FAULT_POWER_LOSS, .first = nth, .times = UINT64_MAX, .seed = nth});
            _exit(state_bench_open(&b) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(state_bench_open(&b), 0);
        struct found f = look_at(&b);
        assert_int_equal(f.intact, TORRENTS);
        assert_int_equal(f.blobs, TORRENTS);
        assert_true(state_bench_count(&b, "state.db.damaged") > 0);
        state_bench_free(&b);
        if (WEXITSTATUS(status) == 0)
            break;
        assert_int_equal(WEXITSTATUS(status), FAULT_EXIT_STATUS);
    }
}

/* ---- crashes ------------------------------------------------------------------------------- */

static void tell(void *user, int err)
{
    int fd = *(int *)user;
    if (err == 0 && write(fd, "a", 1) != 1)
        _exit(1);
}

/* The child: saves torrents one after the other, and writes a byte for each that is durable. */
static void live_until_killed(struct state_bench *b, int fd, const struct fault_plan *plan)
{
    fault_vfs_plan(plan);
    if (state_bench_open(b) != 0)
        _exit(2);
    for (int64_t id = 1; id <= TORRENTS; id++) {
        struct state_torrent t = state_bench_torrent(id);
        if (state_save_torrent(b->state, &t, NULL, NULL) != 0 ||
            state_save_blob(b->state, id, STATE_STORAGE, record_of(id), tell, &fd) != 0)
            _exit(3);
        state_bench_settle(b);
        if (id == TORRENTS / 2)
            state_bench_copy(b);
    }
    state_bench_close(b);
    _exit(0);
}

static void crash_everywhere(enum fault_kind kind)
{
    unsigned crashes = 0;
    for (uint64_t nth = 1;; nth += kind == FAULT_KILL ? 5 : 3) {
        struct state_bench b;
        int fds[2], status;
        char acks[TORRENTS + 1];
        struct fault_plan plan = {.kind = kind, .first = nth, .times = UINT64_MAX, .seed = nth};
        state_bench_new(&b);
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0)
            live_until_killed(&b, fds[1], &plan);
        close(fds[1]);
        ssize_t acknowledged = 0, got;
        while ((got = read(fds[0], acks, sizeof acks)) > 0)
            acknowledged += got;
        close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        /* The survivor opens without complaint, and has at least what was acknowledged. */
        assert_int_equal(state_bench_open(&b), 0);
        assert_int_equal(b.report.warning_count, 0);
        struct found f = look_at(&b);
        assert_int_equal(f.damaged + f.blobs_damaged, 0);
        assert_true(f.blobs >= acknowledged);
        assert_true(f.intact <= (unsigned)acknowledged + 1);
        state_bench_free(&b);
        if (WEXITSTATUS(status) == 0)
            break;
        assert_int_equal(WEXITSTATUS(status), FAULT_EXIT_STATUS);
        crashes++;
    }
    print_message("%u crashes\n", crashes);
    assert_true(crashes > 20);
}

static void a_kill_at_any_write_loses_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    crash_everywhere(FAULT_KILL);
}

static void a_power_loss_at_any_write_loses_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    crash_everywhere(FAULT_POWER_LOSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_in_any_page_loses_nothing_when_there_is_a_copy),
        cmocka_unit_test(a_flipped_bit_in_any_page_is_never_silent_without_a_copy),
        cmocka_unit_test(a_cut_anywhere_loses_nothing_when_there_is_a_copy),
        cmocka_unit_test(a_lost_database_comes_back_from_its_copy),
        cmocka_unit_test(rubbish_without_a_copy_is_set_aside_with_a_warning),
        cmocka_unit_test(rows_newer_than_the_copy_are_saved_out_of_a_damaged_database),
        cmocka_unit_test(a_damaged_copy_is_passed_over_for_the_older_one),
        cmocka_unit_test(a_repair_that_was_cut_off_is_finished_at_the_next_start),
        cmocka_unit_test(a_kill_at_any_write_loses_only_what_was_not_acknowledged),
        cmocka_unit_test(a_power_loss_at_any_write_loses_only_what_was_not_acknowledged),
    };
    fault_vfs_install();
    return cmocka_run_group_tests_name("state damage", tests, NULL, NULL);
}
