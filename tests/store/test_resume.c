/* What a record of an earlier run is worth against what stands on the disk now. */
#include "base/err.h"
#include "crypto/hash.h"
#include "format/metainfo_write.h"
#include "store/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILES 3u

/* Three files of two pieces each, v1: every piece is one file's alone. */
static struct metainfo *make(void)
{
    struct sha1_digest pieces[6] = {{{1}}};
    struct torrent_draft_file files[FILES] = {{.path = "a", .length = 32768},
        {.path = "b", .length = 32768}, {.path = "c", .length = 32768}};
    struct torrent_draft draft = {.name = "t",
        .v1 = true,
        .piece_length = 16384,
        .files = files,
        .file_count = FILES,
        .v1_pieces = pieces};
    struct builder b = builder_heap(65536);
    struct metainfo *m;
    struct format_error error;
    assert_int_equal(torrent_write(&draft, &b, &error), 0);
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &m, &error), 0);
    builder_free(&b);
    return m;
}

struct bench {
    struct metainfo *m;
    struct resume record;
    uint8_t states[FILES];
    struct storage_file_record now[FILES];
    struct resume_verdict verdict;
};

/* A record that claims pieces 0, 1 (file a) and 2 (half of b); c was wanted and not there. */
static void begin(struct bench *b, bool live)
{
    struct storage_file_record files[FILES] = {
        {32768, 100, 7, true}, {16384, 200, 8, true}, {0, 0, 0, true}};
    struct bitfield have;
    struct builder out = builder_heap(65536);
    *b = (struct bench){.m = make()};
    bitfield_init(&have, 6);
    for (uint32_t i = 0; i < 3; i++)
        bitfield_set(&have, i);
    resume_write(live, &have, files, FILES, &out);
    assert_int_equal(resume_read(builder_bytes(&out), b->m, &b->record), 0);
    bitfield_free(&have);
    builder_free(&out);
    memcpy(b->now, files, sizeof files);
    b->states[0] = STORAGE_FILE_SAME_SIZE;
    b->states[1] = STORAGE_FILE_SHORTER;
    b->states[2] = STORAGE_FILE_ABSENT;
}

static void judge(struct bench *b, const struct resume *record)
{
    struct storage_opening opening = {b->states, b->now, true, false};
    assert_int_equal(resume_judge(record, b->m, &opening, &b->verdict), 0);
}

static void end(struct bench *b)
{
    resume_verdict_free(&b->verdict);
    resume_free(&b->record);
    metainfo_unref(b->m);
}

static void what_nobody_touched_is_not_hashed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    judge(&b, &b.record);
    assert_int_equal(b.verdict.have.count, 3);
    assert_int_equal(b.verdict.check.count, 0);
    assert_false(b.verdict.absent);
    end(&b);
}

static void after_a_crash_claims_hold_and_the_rest_of_a_written_file_is_hashed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, true);
    b.now[1].mtime_ns = 999;
    b.now[1].size = 32768;
    b.states[2] = STORAGE_FILE_SHORTER; /* it was made after the record */
    b.now[2] = (struct storage_file_record){16384, 999, 9, false};
    judge(&b, &b.record);
    assert_int_equal(b.verdict.have.count, 3);
    assert_true(bitfield_get(&b.verdict.check, 3));
    assert_true(bitfield_get(&b.verdict.check, 4) && bitfield_get(&b.verdict.check, 5));
    assert_int_equal(b.verdict.check.count, 3);
    for (uint32_t f = 0; f < FILES; f++)
        assert_int_equal(resume_whose(&b.record, b.m, f, &b.now[f]), RESUME_OURS);
    end(&b);
}

static void after_a_clean_stop_what_differs_is_hashed_in_full(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    b.now[0].mtime_ns = 101;
    judge(&b, &b.record);
    assert_false(bitfield_get(&b.verdict.have, 0));
    assert_true(bitfield_get(&b.verdict.check, 0) && bitfield_get(&b.verdict.check, 1));
    assert_true(bitfield_get(&b.verdict.have, 2));
    end(&b);
}

static void a_file_that_somebody_wrote_to_while_we_ran_is_hashed_whatever_the_record_says(
    void **state)
{
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct bench b;
        begin(&b, live);
        resume_distrust(&b.record, 0);
        judge(&b, &b.record);
        assert_true(bitfield_get(&b.verdict.check, 0) && bitfield_get(&b.verdict.check, 1));
        assert_true(bitfield_get(&b.verdict.have, 2));
        assert_int_equal(resume_whose(&b.record, b.m, 0, &b.now[0]), RESUME_OTHERS);
        end(&b);
    }
}

static void another_file_under_the_name_is_hashed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, true);
    b.now[0].inode = 70;
    b.now[0].mtime_ns = 300;
    b.now[1].inode = 80;
    b.now[1].mtime_ns = 300;
    judge(&b, &b.record);
    assert_false(bitfield_get(&b.verdict.have, 0));
    assert_false(bitfield_get(&b.verdict.have, 2));
    assert_int_equal(resume_whose(&b.record, b.m, 0, &b.now[0]), RESUME_OTHERS);
    assert_int_equal(resume_whose(&b.record, b.m, 1, &b.now[1]), RESUME_REPLACED);
    end(&b);
}

static void after_a_crash_a_whole_file_that_was_written_to_is_somebody_elses(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, true);
    b.now[0].mtime_ns = 101;
    judge(&b, &b.record);
    assert_true(bitfield_get(&b.verdict.check, 0) && bitfield_get(&b.verdict.check, 1));
    assert_int_equal(resume_whose(&b.record, b.m, 0, &b.now[0]), RESUME_OTHERS);
    resume_verdict_free(&b.verdict);
    b.now[0].mtime_ns = 99; /* a power loss has taken the time with it */
    judge(&b, &b.record);
    assert_int_equal(b.verdict.have.count, 3);
    assert_int_equal(resume_whose(&b.record, b.m, 0, &b.now[0]), RESUME_OURS);
    end(&b);
}

static void what_kith_never_wrote_to_is_its_users_whatever_the_record_has_of_it(void **state)
{
    struct bench b;
    (void)state;
    for (int live = 0; live < 2; live++) {
        begin(&b, live);
        b.record.files[1].ours = false;
        judge(&b, &b.record);
        assert_int_equal(resume_whose(&b.record, b.m, 1, &b.now[1]), RESUME_OTHERS);
        end(&b);
    }
}

static void what_appears_after_a_clean_stop_is_somebody_elses(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    assert_int_equal(resume_whose(&b.record, b.m, 2, &b.now[0]), RESUME_OTHERS);
    assert_int_equal(resume_whose(NULL, b.m, 0, &b.now[0]), RESUME_OTHERS);
    end(&b);
}

static void what_appears_after_a_crash_is_ours_only_where_we_might_have_made_it(void **state)
{
    struct bench b;
    struct storage_file_record appeared = {16384, 999, 9, false};
    (void)state;
    begin(&b, true);
    assert_int_equal(resume_whose(&b.record, b.m, 2, &appeared), RESUME_OURS);
    resume_distrust(&b.record, 2); /* somebody was seen to make it */
    assert_int_equal(resume_whose(&b.record, b.m, 2, &appeared), RESUME_OTHERS);
    b.record.files[2] = (struct storage_file_record){0}; /* it was not wanted */
    assert_int_equal(resume_whose(&b.record, b.m, 2, &appeared), RESUME_OTHERS);
    end(&b);
}

/* It wrote a word on that, but of its own session only, and read it never. */
static void a_record_of_an_older_version_does_not_say_whose_a_file_is(void **state)
{
    struct bench b;
    struct resume old;
    struct builder out = builder_heap(65536);
    (void)state;
    begin(&b, false);
    b.record.files[1].ours = false;
    resume_write(false, &b.record.have, b.record.files, FILES, &out);
    assert_memory_equal(out.data, "kre2", 4);
    out.data[3] = '1';
    assert_int_equal(resume_read(builder_bytes(&out), b.m, &old), 0);
    assert_int_equal(resume_whose(&old, b.m, 1, &b.now[1]), RESUME_OURS);
    b.now[1].mtime_ns++;
    assert_int_equal(resume_whose(&old, b.m, 1, &b.now[1]), RESUME_OTHERS);
    resume_free(&old);
    builder_free(&out);
    end(&b);
}

static void one_missing_file_is_lost_and_all_missing_are_absent(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    b.states[0] = STORAGE_FILE_ABSENT;
    judge(&b, &b.record);
    assert_false(b.verdict.absent);
    assert_int_equal(b.verdict.have.count, 1);
    resume_verdict_free(&b.verdict);
    b.states[1] = STORAGE_FILE_ABSENT;
    judge(&b, &b.record);
    assert_true(b.verdict.absent);
    end(&b);
}

static void without_a_record_all_that_stands_there_is_hashed(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    judge(&b, NULL);
    assert_int_equal(b.verdict.have.count, 0);
    assert_int_equal(b.verdict.check.count, 4);
    assert_false(b.verdict.absent);
    end(&b);
}

static void a_record_that_is_cut_or_of_another_torrent_is_refused(void **state)
{
    struct bench b;
    struct resume r;
    struct builder out = builder_heap(65536);
    (void)state;
    begin(&b, true);
    resume_write(true, &b.record.have, b.record.files, FILES, &out);
    for (size_t size = 0; size < out.size; size++)
        assert_int_not_equal(resume_read(bytes_of(out.data, size), b.m, &r), 0);
    store_u32(out.data + 5, 7);
    assert_int_equal(resume_read(builder_bytes(&out), b.m, &r), ERR_MISMATCH);
    builder_free(&out);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_touched_is_not_hashed),
        cmocka_unit_test(after_a_crash_claims_hold_and_the_rest_of_a_written_file_is_hashed),
        cmocka_unit_test(after_a_clean_stop_what_differs_is_hashed_in_full),
        cmocka_unit_test(
            a_file_that_somebody_wrote_to_while_we_ran_is_hashed_whatever_the_record_says),
        cmocka_unit_test(another_file_under_the_name_is_hashed),
        cmocka_unit_test(after_a_crash_a_whole_file_that_was_written_to_is_somebody_elses),
        cmocka_unit_test(what_kith_never_wrote_to_is_its_users_whatever_the_record_has_of_it),
        cmocka_unit_test(what_appears_after_a_clean_stop_is_somebody_elses),
        cmocka_unit_test(what_appears_after_a_crash_is_ours_only_where_we_might_have_made_it),
        cmocka_unit_test(a_record_of_an_older_version_does_not_say_whose_a_file_is),
        cmocka_unit_test(one_missing_file_is_lost_and_all_missing_are_absent),
        cmocka_unit_test(without_a_record_all_that_stands_there_is_hashed),
        cmocka_unit_test(a_record_that_is_cut_or_of_another_torrent_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
