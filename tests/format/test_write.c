/* Making torrents: drafts of known data give the very torrents that libtorrent makes of it, every
 * draft parses back to what it said, and drafts that break a rule are refused. */
#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "format/bencode.h"
#include "format/metainfo_write.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "files.h"

/* ---- a small hasher, in place of store/create ---------------------------------------------- */

#define FILES_MAX 16
#define PIECES_MAX_HERE 64

struct made {
    struct torrent_draft draft;
    struct torrent_draft_file files[FILES_MAX];
    struct sha256_digest layers[FILES_MAX][PIECES_MAX_HERE];
    struct sha1_digest pieces[PIECES_MAX_HERE];
    uint8_t *data[FILES_MAX];
};

/* The bytes that make-vectors.py puts into a file of this name. */
static uint8_t *content(const char *name, size_t size)
{
    uint8_t *out = malloc(size + 32);
    struct sha256_digest block = sha256(name, strlen(name));
    for (size_t at = 0; at < size; at += 32) {
        memcpy(out + at, block.b, 32);
        block = sha256(block.b, 32);
    }
    return out;
}

static void hash_v2(struct made *made, size_t i)
{
    struct torrent_draft_file *f = &made->files[i];
    static struct sha256_digest leaves[4096];
    size_t count = 0;
    for (uint64_t at = 0; at < f->length; at += MERKLE_BLOCK_SIZE) {
        size_t size = f->length - at < MERKLE_BLOCK_SIZE ? f->length - at : MERKLE_BLOCK_SIZE;
        leaves[count++] = sha256(made->data[i] + at, size);
    }
    f->root = merkle_root(leaves, count, 0, merkle_height(count));
    if (f->length <= made->draft.piece_length)
        return;
    unsigned height = merkle_height(made->draft.piece_length / MERKLE_BLOCK_SIZE);
    merkle_layer_up(leaves, count, 0, height, made->layers[i]);
    f->layer = made->layers[i];
}

static void hash_v1(struct made *made)
{
    const struct torrent_draft *d = &made->draft;
    uint8_t *stream = calloc(1, torrent_draft_stream_length(d) + d->piece_length);
    size_t at = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        memcpy(stream + at, made->data[i], d->files[i].length);
        at += d->files[i].length + torrent_draft_pad_after(d, i);
    }
    assert_int_equal(at, torrent_draft_stream_length(d));
    for (size_t p = 0; p * d->piece_length < at; p++) {
        size_t left = at - p * d->piece_length;
        made->pieces[p] =
            sha1(stream + p * d->piece_length, left < d->piece_length ? left : d->piece_length);
    }
    free(stream);
}

static void make(struct made *made, const char *name, bool v1, bool v2, uint32_t piece_length)
{
    made->draft.name = name;
    made->draft.v1 = v1;
    made->draft.v2 = v2;
    made->draft.piece_length = piece_length;
    made->draft.files = made->files;
    made->draft.v1_pieces = made->pieces;
    for (size_t i = 0; i < made->draft.file_count; i++) {
        if (v2 && made->files[i].length > 0)
            hash_v2(made, i);
        else
            made->files[i].layer = NULL;
    }
    if (v1)
        hash_v1(made);
}

static void add(struct made *made, const char *path, uint64_t length, uint32_t flags)
{
    size_t i = made->draft.file_count++;
    made->files[i] = (struct torrent_draft_file){.path = path, .length = length, .flags = flags};
    made->data[i] = content(path, length);
}

static void add_vector_files(struct made *made)
{
    static const struct {
        const char *path;
        uint64_t length;
    } files[] = {{"a", 100}, {"b-empty", 0}, {"c.bin", 40000}, {"sub/d", 16384}, {"sub/deep/e", 1},
        {"sub.x", 3}, {"z one", 70000}, {"zz-empty", 0},
        {"\xc3\xbcn\xc3\xaf/\xe6\x96\x87.txt", 20000}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        add(made, files[i].path, files[i].length, 0);
}

static void unmake(struct made *made)
{
    for (size_t i = 0; i < made->draft.file_count; i++)
        free(made->data[i]);
    free(made);
}

static struct made *new_made(void)
{
    return calloc(1, sizeof(struct made));
}

static struct metainfo *write_and_parse(const struct torrent_draft *d)
{
    struct builder b = builder_heap(1 << 20);
    struct format_error error;
    struct metainfo *m;
    int err = torrent_write(d, &b, &error);
    if (err < 0)
        print_error("%s\n", error.text);
    assert_int_equal(err, 0);
    struct bencode doc;
    assert_int_equal(bencode_parse(&doc, builder_bytes(&b), BENCODE_STRICT, 0), 0);
    bencode_free(&doc);
    err = metainfo_parse_torrent(builder_bytes(&b), &m, &error);
    if (err < 0)
        print_error("%s\n", error.text);
    assert_int_equal(err, 0);
    builder_free(&b);
    return m;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void check_same_info(struct made *made, const char *vector)
{
    struct bytes raw = read_vector(vector, ".torrent");
    struct metainfo *theirs, *ours = write_and_parse(&made->draft);
    assert_int_equal(metainfo_parse_torrent(raw, &theirs, NULL), 0);
    assert_int_equal(ours->info.size, theirs->info.size);
    assert_memory_equal(ours->info.data, theirs->info.data, ours->info.size);
    assert_true(metainfo_has_layers(ours));
    for (uint32_t i = 0; i < ours->file_count; i++)
        if (theirs->files[i].layer != NULL)
            assert_memory_equal(ours->files[i].layer, theirs->files[i].layer,
                ours->files[i].piece_count * sizeof(struct sha256_digest));
    metainfo_unref(ours);
    metainfo_unref(theirs);
    free((void *)raw.data);
    unmake(made);
}

static void info_dictionaries_are_those_that_libtorrent_makes(void **state)
{
    (void)state;
    static const struct {
        const char *vector, *file;
        uint64_t length;
        uint32_t piece_length;
        bool v1;
    } singles[] = {{"lt-v2-layers", "single.bin", 300000, 16384, false},
        {"lt-hybrid-single", "single.bin", 300000, 65536, true},
        {"lt-hybrid-small", "small.bin", 5000, 16384, true},
        {"lt-hybrid-exact", "exact.bin", 65536, 65536, true}};
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        struct made *made = new_made();
        add(made, singles[i].file, singles[i].length, 0);
        made->draft.single_file = true;
        make(made, singles[i].file, singles[i].v1, true, singles[i].piece_length);
        check_same_info(made, singles[i].vector);
    }
    struct made *made = new_made();
    add_vector_files(made);
    make(made, "top", false, true, 32768);
    check_same_info(made, "lt-v2-multi");
}

static void v1_pieces_are_those_of_other_makers(void **state)
{
    (void)state;
    struct made *made = new_made();
    add(made, "single.bin", 300000, 0);
    made->draft.single_file = true;
    made->draft.is_private = true;
    make(made, "single.bin", true, false, 65536);
    check_same_info(made, "mktorrent-single");
}

static void hybrids_are_padded_as_libtorrent_pads_them(void **state)
{
    (void)state;
    struct made *made = new_made();
    add_vector_files(made);
    made->draft.is_private = true;
    make(made, "top", true, true, 32768);
    struct metainfo *m = write_and_parse(&made->draft);
    assert_true(m->has_v1 && m->has_v2 && m->multi_file);
    assert_int_equal(m->pad_count, 7);
    assert_int_equal(m->file_count, 16);
    assert_int_equal(m->content_length, 100 + 40000 + 16384 + 1 + 3 + 70000 + 20000);
    assert_int_equal(m->stream_length, torrent_draft_stream_length(&made->draft));
    assert_int_equal(m->piece_count, torrent_draft_v1_piece_count(&made->draft));
    assert_int_equal(m->files[m->file_count - 1].flags & METAINFO_PAD, METAINFO_PAD);
    metainfo_unref(m);
    check_same_info(made, "lt-hybrid-multi");
}

static void a_file_that_is_alone_is_not_padded(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 2; count++) {
        struct made *made = new_made();
        add(made, "a", 20000, 0);
        if (count == 2)
            add(made, "b", 0, 0);
        make(made, "top", true, true, 16384);
        struct metainfo *m = write_and_parse(&made->draft);
        assert_int_equal(m->pad_count, count - 1);
        assert_int_equal(m->content_length, 20000);
        assert_int_equal(m->stream_length, count == 1 ? 20000 : 32768);
        metainfo_unref(m);
        unmake(made);
    }
}

static void everything_in_a_draft_comes_back(void **state)
{
    (void)state;
    static const struct metainfo_tracker trackers[] = {
        {"http://a/announce", 0}, {"http://b/announce", 0}, {"udp://c:1", 1}};
    static const char *const web[] = {"http://w/"}, *const http[] = {"http://h/"};
    static const struct metainfo_node nodes[] = {{"router.example", 6881}, {"::1", 2}};
    for (unsigned kind = 1; kind <= 3; kind++) {
        struct made *made = new_made();
        add(made, "dir/x", 20000, METAINFO_EXECUTABLE | METAINFO_HIDDEN);
        add(made, "link", 0, METAINFO_SYMLINK);
        made->files[1].target = "dir/x";
        add(made, "to-dir", 0, METAINFO_SYMLINK);
        made->files[2].target = "dir";
        made->draft.is_private = true;
        made->draft.source = "SRC";
        made->draft.trackers = trackers;
        made->draft.tracker_count = 3;
        made->draft.web_seeds = web;
        made->draft.http_seeds = http;
        made->draft.web_seed_count = made->draft.http_seed_count = 1;
        made->draft.nodes = nodes;
        made->draft.node_count = 2;
        made->draft.comment = "c";
        made->draft.created_by = "kith";
        made->draft.created_unix = 1234567890;
        make(made, "top", kind & 1, kind & 2, 16384);
        struct metainfo *m = write_and_parse(&made->draft);
        assert_int_equal(m->has_v1, (kind & 1) != 0);
        assert_int_equal(m->has_v2, (kind & 2) != 0);
        assert_true(m->is_private);
        assert_true(bytes_equal_str(m->source, "SRC"));
        assert_int_equal(m->tracker_count, 3);
        assert_int_equal(m->trackers[1].tier, 0);
        assert_int_equal(m->trackers[2].tier, 1);
        assert_string_equal(m->trackers[2].url, "udp://c:1");
        assert_string_equal(m->web_seeds[0], "http://w/");
        assert_string_equal(m->http_seeds[0], "http://h/");
        assert_string_equal(m->nodes[1].host, "::1");
        assert_true(bytes_equal_str(m->comment, "c"));
        assert_true(bytes_equal_str(m->created_by, "kith"));
        assert_true(m->created_unix == 1234567890);
        assert_int_equal(m->files[0].flags, METAINFO_EXECUTABLE | METAINFO_HIDDEN);
        const struct metainfo_file *last = &m->files[m->file_count - 1];
        assert_string_equal(last[-1].target, "dir/x");
        assert_string_equal(last->target, "dir");
        metainfo_unref(m);
        unmake(made);
    }
}

static void the_same_draft_gives_the_same_bytes(void **state)
{
    (void)state;
    struct made *made = new_made();
    add_vector_files(made);
    make(made, "top", true, true, 16384);
    struct builder a = builder_heap(1 << 20), b = builder_heap(1 << 20);
    assert_int_equal(torrent_write(&made->draft, &a, NULL), 0);
    assert_int_equal(torrent_write(&made->draft, &b, NULL), 0);
    assert_true(bytes_equal(builder_bytes(&a), builder_bytes(&b)));
    builder_free(&a);
    builder_free(&b);
    uint8_t small[100];
    struct builder fixed = builder_fixed(small, sizeof small);
    assert_int_equal(torrent_write(&made->draft, &fixed, NULL), ERR_LIMIT);
    unmake(made);
}

static void identical_files_share_one_layer(void **state)
{
    (void)state;
    struct made *made = new_made();
    add(made, "a", 50000, 0);
    add(made, "b", 50000, 0);
    free(made->data[1]);
    made->data[1] = content("a", 50000);
    make(made, "top", false, true, 16384);
    struct metainfo *m = write_and_parse(&made->draft);
    assert_true(metainfo_has_layers(m));
    assert_ptr_equal(m->files[0].layer, m->files[1].layer);
    struct metainfo *bare;
    assert_int_equal(metainfo_parse_info(m->info, &bare, NULL), 0);
    assert_int_equal(metainfo_set_piece_layer(bare, 1, bytes_of(m->files[0].layer, 4 * 32)), 0);
    assert_true(metainfo_has_layers(bare));
    assert_int_equal(metainfo_file_of_root(bare, &m->files[1].root), 0);
    metainfo_unref(bare);
    metainfo_unref(m);
    unmake(made);
}

static void check_refused(struct torrent_draft_file *files, size_t count, const char *reason)
{
    struct sha1_digest pieces[4] = {0};
    struct torrent_draft d = {.name = "n",
        .v1 = true,
        .v2 = true,
        .piece_length = 16384,
        .files = files,
        .file_count = count,
        .v1_pieces = pieces};
    struct builder b = builder_heap(1 << 16);
    struct format_error error;
    assert_true(torrent_write(&d, &b, &error) < 0);
    if (strstr(error.text, reason) == NULL)
        print_error("%s, want %s\n", error.text, reason);
    assert_non_null(strstr(error.text, reason));
    assert_int_equal(b.size, 0);
    builder_free(&b);
}

static void drafts_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const char *const bad_paths[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a"};
    for (size_t i = 0; i < sizeof bad_paths / sizeof bad_paths[0]; i++) {
        struct torrent_draft_file f = {.path = bad_paths[i]};
        check_refused(&f, 1, "not a relative path");
    }
    static const char *const bad_orders[][2] = {
        {"b", "a"}, {"a", "a"}, {"a", "a/b"}, {"a.b", "a/b"}, {"a/b", "a"}};
    for (size_t i = 0; i < sizeof bad_orders / sizeof bad_orders[0]; i++) {
        struct torrent_draft_file f[2] = {{.path = bad_orders[i][0]}, {.path = bad_orders[i][1]}};
        check_refused(f, 2, "not sorted");
    }
    struct torrent_draft_file link = {.path = "l", .flags = METAINFO_SYMLINK};
    check_refused(&link, 1, "not a link");
    link.target = "../x";
    check_refused(&link, 1, "not a link");
    struct torrent_draft_file large = {.path = "l", .length = 16385};
    check_refused(&large, 1, "piece layer is missing");
    large.length = UINT64_MAX;
    check_refused(&large, 1, "too large");
    check_refused(&large, 0, "no files");
}

static void piece_lengths_follow_the_rule(void **state)
{
    (void)state;
    assert_int_equal(metainfo_choose_piece_length(0, 0), 16384);
    assert_int_equal(metainfo_choose_piece_length(1, 1), 16384);
    assert_int_equal(metainfo_choose_piece_length(30ull << 20, 1), 16384);
    assert_int_equal(metainfo_choose_piece_length(1ull << 30, 1), 1 << 20);
    assert_int_equal(metainfo_choose_piece_length(4ull << 30, 1), 4 << 20);
    assert_int_equal(metainfo_choose_piece_length(300ull << 30, 5000), 16 << 20);
    assert_int_equal(metainfo_choose_piece_length(1ull << 50, 1), 16 << 20);
    for (uint64_t size = 1; size < (uint64_t)1 << 50; size = size * 3 + 1)
        for (uint64_t files = 1; files <= 1000000; files *= 10) {
            uint32_t length = metainfo_choose_piece_length(size, files);
            assert_true(length >= CREATE_PIECE_LENGTH_MIN && length <= CREATE_PIECE_LENGTH_MAX);
            assert_int_equal(length & (length - 1), 0);
        }
}

static void paths_sort_as_the_tree_does(void **state)
{
    (void)state;
    static const char *const sorted[] = {"a/b", "a/c/d", "a b", "a.b", "ab", "b", "\xc3\xa9"};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) {
            int order = torrent_path_compare(sorted[i], sorted[j]);
            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
        }
}

static void a_fetched_torrent_is_written_with_the_links_trackers(void **state)
{
    (void)state;
    struct bytes raw = read_vector("lt-v2-layers", ".torrent");
    struct metainfo *m, *again;
    assert_int_equal(metainfo_parse_torrent(raw, &m, NULL), 0);
    static const struct metainfo_tracker tracker = {"udp://t:1", 0};
    struct torrent_outer outer = {.trackers = &tracker, .tracker_count = 1};
    struct builder b = builder_heap(1 << 16);
    assert_int_equal(metainfo_write_with(m, &outer, &b), 0);
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &again, NULL), 0);
    assert_true(sha256_equal(&m->v2, &again->v2));
    assert_true(metainfo_has_layers(again));
    assert_int_equal(again->tracker_count, 1);
    assert_string_equal(again->trackers[0].url, "udp://t:1");
    builder_free(&b);
    metainfo_unref(again);
    metainfo_unref(m);
    free((void *)raw.data);
}

/* libtorrent takes one without the key, and refuses one in which layers are missing. */
static void a_torrent_of_v2_whose_layers_are_not_all_known_is_written_without_any(void **state)
{
    (void)state;
    struct made *made = new_made();
    add(made, "a", 50000, 0);
    add(made, "b", 60000, 0);
    make(made, "top", true, true, 16384);
    struct metainfo *whole = write_and_parse(&made->draft), *bare, *again;
    assert_int_equal(metainfo_parse_info(whole->info, &bare, NULL), 0);
    for (unsigned known = 0; known <= 1; known++) {
        struct builder b = builder_heap(1 << 16);
        assert_int_equal(metainfo_write(bare, &b), 0);
        assert_null(memmem(b.data, b.size, "piece layers", strlen("piece layers")));
        assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &again, NULL), 0);
        assert_false(metainfo_has_layers(again));
        metainfo_unref(again);
        builder_free(&b);
        uint32_t a = metainfo_file_of_root(bare, &whole->files[0].root);
        assert_int_equal(
            metainfo_set_piece_layer(bare, a, bytes_of(whole->files[0].layer, 4 * 32)), 0);
    }
    metainfo_unref(bare);
    metainfo_unref(whole);
    unmake(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_dictionaries_are_those_that_libtorrent_makes),
        cmocka_unit_test(v1_pieces_are_those_of_other_makers),
        cmocka_unit_test(hybrids_are_padded_as_libtorrent_pads_them),
        cmocka_unit_test(a_file_that_is_alone_is_not_padded),
        cmocka_unit_test(everything_in_a_draft_comes_back),
        cmocka_unit_test(the_same_draft_gives_the_same_bytes),
        cmocka_unit_test(identical_files_share_one_layer),
        cmocka_unit_test(drafts_that_break_a_rule_are_refused),
        cmocka_unit_test(piece_lengths_follow_the_rule),
        cmocka_unit_test(paths_sort_as_the_tree_does),
        cmocka_unit_test(a_fetched_torrent_is_written_with_the_links_trackers),
        cmocka_unit_test(a_torrent_of_v2_whose_layers_are_not_all_known_is_written_without_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
