/* What a metainfo answers, and what the tolerant outside of a .torrent lets through. */
#include "base/err.h"
#include "crypto/hash.h"
#include "format/metainfo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define H2 "40:AAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBB"
#define ROOT(c) "32:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define SINGLE "d6:lengthi20000e4:name1:a12:piece lengthi16384e6:pieces" H2 "e"
#define TREE                                                                                       \
    "d9:file treed1:ad0:d6:lengthi1e11:pieces root" ROOT(                                          \
        "R") "ee1:bd0:d6:lengthi40000e11:"                                                         \
             "pieces root" ROOT("S") "ee1:cd0:d6:lengthi0eee1:dd0:d6:lengthi16384e11:pieces "      \
                                     "root" ROOT("T") "eee12:meta versioni2e4:name1:x12:piece "    \
                                                      "lengthi16384ee"

static struct metainfo *parse(const char *torrent)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(bytes_of_str(torrent), &m, &error);
    if (err < 0)
        print_error("%s: %s\n", torrent, error.text);
    assert_int_equal(err, 0);
    return m;
}

static void malformed_outer_parts_are_left_out(void **state)
{
    (void)state;
    struct metainfo *m = parse(
        "d8:announce3:bad13:announce-listll0:i1e9:http://a e1:x9:udp://b:1lleleleee7:commenti5e"
        "10:created by2:me13:creation datei-5e9:httpseedsd1:a1:be4:info" SINGLE
        "5:nodesli1el1:hel1:hi0eel1:hi70000eel1:hi6881eel0:i1eee8:url-list0:e");
    assert_int_equal(m->tracker_count, 3);
    assert_string_equal(m->trackers[0].url, "http://a");
    assert_string_equal(m->trackers[1].url, "x");
    assert_int_equal(m->trackers[1].tier, 1);
    assert_int_equal(m->trackers[2].tier, 2);
    assert_int_equal(m->comment.size, 0);
    assert_true(bytes_equal_str(m->created_by, "me"));
    assert_true(m->created_unix == 0);
    assert_int_equal(m->http_seed_count, 0);
    assert_int_equal(m->web_seed_count, 0);
    assert_int_equal(m->node_count, 1);
    assert_int_equal(m->nodes[0].port, 6881);
    metainfo_unref(m);
}

static void announce_counts_only_without_a_list(void **state)
{
    (void)state;
    struct metainfo *m = parse("d8:announce3:one13:announce-listll3:twoee4:info" SINGLE "e");
    assert_int_equal(m->tracker_count, 1);
    assert_string_equal(m->trackers[0].url, "two");
    metainfo_unref(m);
    m = parse("d8:announce3:one13:announce-listllee4:info" SINGLE "e");
    assert_int_equal(m->tracker_count, 1);
    assert_string_equal(m->trackers[0].url, "one");
    metainfo_unref(m);
}

static void trailing_bytes_and_unsorted_outer_keys_are_tolerated(void **state)
{
    (void)state;
    struct metainfo *m = parse("d4:info" SINGLE "8:announce3:one7:comment1:ce\r\n");
    assert_string_equal(m->trackers[0].url, "one");
    struct sha1_digest want = sha1(SINGLE, strlen(SINGLE));
    assert_true(sha1_equal(&m->v1, &want));
    struct sha256_digest none = {0};
    assert_true(sha256_equal(&m->v2, &none));
    metainfo_unref(m);
}

static void files_that_are_no_torrents_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *reason;
    } bad[] = {{"", ERR_TRUNCATED, "byte 0"}, {"<html>", ERR_SYNTAX, "not bencode at byte 0"},
        {"i1e", ERR_SYNTAX, "not a dictionary"}, {"de", ERR_SYNTAX, "no info dictionary"},
        {"d4:infoi1ee", ERR_SYNTAX, "no info dictionary"},
        {"d4:info" SINGLE, ERR_TRUNCATED, "ends too early"},
        {"d4:info" TREE "12:piece layersi1ee", ERR_SYNTAX, "piece layers: not a dictionary"},
        {"d4:info" TREE "12:piece layersd1:x0:ee", ERR_SYNTAX, "a key is not a hash"},
        {"d4:info" TREE "12:piece layersd" ROOT("S") "i1eee", ERR_SYNTAX, "not a string"},
        {"d4:info" TREE "12:piece layersd" ROOT("S") "0:ee", ERR_SYNTAX,
            "wrong number of hashes for file 1"},
        {"d4:info" TREE "12:piece layersd" ROOT("S") "96:"
                                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                                     "xxxxxxxxxxxxee",
            ERR_HASH, "the hashes for file 1 are not its"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct metainfo *m;
        struct format_error error;
        int err = metainfo_parse_torrent(bytes_of_str(bad[i].text), &m, &error);
        if (err != bad[i].err || strstr(error.text, bad[i].reason) == NULL)
            print_error("%s\n  %d %s\n", bad[i].text, err, error.text);
        assert_int_equal(err, bad[i].err);
        assert_non_null(strstr(error.text, bad[i].reason));
        assert_null(m);
    }
}

static void layers_of_files_that_need_none_are_ignored(void **state)
{
    (void)state;
    struct metainfo *m = parse("d4:info" TREE "12:piece layersd" ROOT("R") "0:" ROOT("Z") "0:ee");
    assert_false(metainfo_has_layers(m));
    assert_int_equal(metainfo_set_piece_layer(m, 0, bytes_of(NULL, 0)), ERR_INVALID);
    assert_int_equal(metainfo_set_piece_layer(m, 1, bytes_of(NULL, 0)), ERR_SYNTAX);
    metainfo_unref(m);
}

static void v2_pieces_end_where_their_file_ends(void **state)
{
    (void)state;
    struct metainfo *m = parse("d4:info" TREE "e");
    static const uint32_t sizes[] = {1, 16384, 16384, 40000 - 32768, 16384};
    static const uint32_t files[] = {0, 1, 1, 1, 3};
    assert_int_equal(m->piece_count, 5);
    assert_int_equal(m->stream_length, 5 * 16384);
    for (uint32_t i = 0; i < 5; i++) {
        struct metainfo_piece p;
        metainfo_piece(m, i, &p);
        assert_int_equal(p.size, sizes[i]);
        assert_int_equal(p.v2_size, sizes[i]);
        assert_int_equal(p.v2_file, files[i]);
        assert_int_equal(p.first_file, files[i]);
        assert_int_equal(p.v2_known, files[i] != 1);
        assert_null(p.v1);
        struct metainfo_slice s = metainfo_slices(m, i, 0, m->piece_length);
        assert_true(metainfo_slice_next(m, &s));
        assert_int_equal(s.file, files[i]);
        assert_int_equal(s.length, sizes[i]);
        assert_false(s.pad);
        bool gap = sizes[i] < m->piece_length;
        assert_int_equal(metainfo_slice_next(m, &s), gap);
        assert_true(!gap || (s.pad && s.length == m->piece_length - sizes[i]));
        assert_int_equal(s.file, files[i]);
        assert_false(metainfo_slice_next(m, &s));
        assert_int_equal(metainfo_request_size(m, i), m->piece_length);
    }
    assert_int_equal(m->files[1].first_piece, 1);
    assert_int_equal(m->files[1].piece_count, 3);
    assert_int_equal(m->files[2].piece_count, 0);
    assert_int_equal(metainfo_file_blocks(&m->files[1]), 3);
    assert_int_equal(metainfo_file_height(&m->files[1]), 2);
    assert_int_equal(metainfo_piece_height(m), 0);
    metainfo_unref(m);
}

static void v1_slices_cross_files_and_skip_empty_ones(void **state)
{
    (void)state;
    struct metainfo *m = parse(
        "d4:infod5:filesld6:lengthi10e4:pathl1:aeed6:lengthi0e4:pathl1:beed6:lengthi0e4:pathl1:ceed"
        "4:attr1:p6:lengthi16374e4:pathl4:.pad1:1eed6:lengthi20000e4:pathl1:dee"
        "e4:name1:r12:piece lengthi32768e6:pieces" H2 "ee");
    struct metainfo_slice s = metainfo_slices(m, 0, 5, 16384);
    static const struct {
        uint32_t file;
        bool pad;
        uint64_t offset, length;
    } want[] = {{0, false, 5, 5}, {3, true, 0, 16374}, {4, false, 0, 5}};
    for (size_t i = 0; i < 3; i++) {
        assert_true(metainfo_slice_next(m, &s));
        assert_int_equal(s.file, want[i].file);
        assert_int_equal(s.pad, want[i].pad);
        assert_int_equal(s.file_offset, want[i].offset);
        assert_int_equal(s.length, want[i].length);
    }
    assert_false(metainfo_slice_next(m, &s));
    assert_int_equal(metainfo_piece_size(m, 0), 32768);
    assert_int_equal(metainfo_piece_size(m, 1), 10 + 16374 + 20000 - 32768);
    assert_int_equal(m->content_length, 20010);
    assert_int_equal(m->pad_count, 1);
    s = metainfo_slices(m, 1, 0, 32768);
    assert_true(metainfo_slice_next(m, &s));
    assert_int_equal(s.length, 10 + 16374 + 20000 - 32768);
    assert_false(metainfo_slice_next(m, &s));
    metainfo_unref(m);
}

static void metadata_is_checked_against_every_hash_of_a_link(void **state)
{
    (void)state;
    struct bytes info = bytes_of_str(SINGLE);
    struct sha1_digest v1 = sha1(info.data, info.size), wrong1 = v1;
    struct sha256_digest v2 = sha256(info.data, info.size), wrong2 = v2;
    wrong1.b[0] ^= 1;
    wrong2.b[31] ^= 1;
    assert_int_equal(metainfo_info_matches(info, &v1, NULL), 0);
    assert_int_equal(metainfo_info_matches(info, NULL, &v2), 0);
    assert_int_equal(metainfo_info_matches(info, &v1, &v2), 0);
    assert_int_equal(metainfo_info_matches(info, &wrong1, NULL), ERR_HASH);
    assert_int_equal(metainfo_info_matches(info, &wrong1, &wrong2), ERR_HASH);
    assert_int_equal(metainfo_info_matches(info, &v1, &wrong2), ERR_MISMATCH);
    assert_int_equal(metainfo_info_matches(info, &wrong1, &v2), ERR_MISMATCH);
}

static void an_empty_name_becomes_the_info_hash(void **state)
{
    (void)state;
    struct metainfo *m =
        parse("d4:infod6:lengthi20000e4:name0:12:piece lengthi16384e6:pieces" H2 "ee");
    assert_int_equal(strlen(m->root), 40);
    assert_string_equal(m->files[0].path, m->root);
    metainfo_unref(m);
}

static void portable_paths_are_kept_apart_under_their_own_rule(void **state)
{
    (void)state;
    struct metainfo *m = parse(
        "d4:infod5:filesld6:lengthi10000e4:pathl5:aux.ceed6:lengthi10000e4:pathl1:A1:xeed6:lengthi0"
        "e4:pathl1:aeed6:lengthi0e4:pathl1:A1:Xeee4:name3:a:b12:piece lengthi16384e6:pieces" H2
        "ee");
    static const char *const want[][2] = {
        {"aux.c", "_aux.c"}, {"A/x", "A/x"}, {"a", "a (2)"}, {"A/X", "A/X (2)"}};
    for (uint32_t i = 0; i < 4; i++) {
        assert_string_equal(m->files[i].path, want[i][0]);
        assert_string_equal(m->files[i].portable_path, want[i][1]);
    }
    assert_string_equal(m->root, "a:b");
    assert_string_equal(m->portable_root, "a_b");
    metainfo_unref(m);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct metainfo *m = parse("d4:info" SINGLE "e");
    assert_ptr_equal(metainfo_ref(m), m);
    metainfo_unref(m);
    assert_true(bytes_equal_str(m->name, "a"));
    metainfo_unref(m);
    metainfo_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_outer_parts_are_left_out),
        cmocka_unit_test(announce_counts_only_without_a_list),
        cmocka_unit_test(trailing_bytes_and_unsorted_outer_keys_are_tolerated),
        cmocka_unit_test(files_that_are_no_torrents_are_refused),
        cmocka_unit_test(layers_of_files_that_need_none_are_ignored),
        cmocka_unit_test(v2_pieces_end_where_their_file_ends),
        cmocka_unit_test(v1_slices_cross_files_and_skip_empty_ones),
        cmocka_unit_test(metadata_is_checked_against_every_hash_of_a_link),
        cmocka_unit_test(an_empty_name_becomes_the_info_hash),
        cmocka_unit_test(portable_paths_are_kept_apart_under_their_own_rule),
        cmocka_unit_test(references_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
