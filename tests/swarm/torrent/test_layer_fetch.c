/* The piece layers of a link, from peers of whom some lie: every run is proved before it counts. */
#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "format/metainfo_write.h"
#include "swarm/torrent/layer_fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIECES 1300u /* three runs, the last of them short */
#define PIECE 16384u

static struct sha256_digest layer[PIECES];
static struct metainfo *metainfo;
static struct layer_fetch *fetch;

/* The bare info dictionary, as a link brings it: no layers. */
static int begin(void **state)
{
    struct torrent_draft_file file = {
        .path = "f", .length = (uint64_t)PIECES * PIECE, .layer = layer};
    struct torrent_draft draft = {.name = "f",
        .single_file = true,
        .v2 = true,
        .piece_length = PIECE,
        .files = &file,
        .file_count = 1};
    struct builder b = builder_heap(1 << 20);
    struct metainfo *whole;
    struct format_error error;
    (void)state;
    for (uint32_t i = 0; i < PIECES; i++)
        layer[i] = sha256(&i, sizeof i);
    file.root = merkle_root(layer, PIECES, 0, merkle_height(PIECES));
    assert_int_equal(torrent_write(&draft, &b, &error), 0);
    assert_int_equal(metainfo_parse_torrent(builder_bytes(&b), &whole, &error), 0);
    assert_int_equal(metainfo_parse_info(whole->info, &metainfo, &error), 0);
    metainfo_unref(whole);
    builder_free(&b);
    fetch = layer_fetch_new(metainfo);
    return fetch ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    layer_fetch_free(fetch);
    metainfo_unref(metainfo);
    return 0;
}

/* What an honest peer answers; `lie`: the first byte of it is wrong. */
static int answer(uint32_t peer, const struct hash_request *q, bool lie)
{
    struct sha256_digest *out = calloc(q->length + MERKLE_HEIGHT_MAX, sizeof *out);
    for (uint32_t i = 0; i < q->length && q->index + i < PIECES; i++)
        out[i] = layer[q->index + i];
    struct merkle_tree tree = {.layer = layer, .count = PIECES, .height = merkle_height(PIECES)};
    size_t uncles = merkle_proof(&tree, merkle_height(q->length), q->index / q->length,
        out + q->length, hash_request_uncles(q));
    out[0].b[0] ^= lie;
    int result =
        layer_fetch_answer(fetch, peer, q, bytes_of(out, (q->length + uncles) * sizeof *out));
    free(out);
    return result;
}

static void runs_of_several_peers_make_the_layer(void **state)
{
    struct hash_request q[3], more;
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        assert_true(layer_fetch_next(fetch, 1 + i % 2, 0, &q[i]));
    assert_false(layer_fetch_next(fetch, 2, 0, &more));
    assert_int_equal(q[0].length, LAYER_FETCH_RUN);
    assert_int_equal(q[2].length, 512); /* 276 are left: the next power of two */
    assert_int_equal(answer(1, &q[2], false), 0);
    assert_int_equal(answer(1, &q[0], false), 0);
    assert_false(metainfo_has_layers(metainfo));
    assert_int_equal(answer(2, &q[1], false), 1);
    assert_true(metainfo_has_layers(metainfo));
    assert_memory_equal(metainfo->files[0].layer, layer, sizeof layer);
}

static void a_run_that_its_proof_does_not_bear_is_a_lie_and_is_asked_of_another(void **state)
{
    struct hash_request q, again;
    (void)state;
    assert_true(layer_fetch_next(fetch, 1, 0, &q));
    assert_int_equal(answer(1, &q, true), ERR_HASH);
    assert_true(layer_fetch_next(fetch, 2, 0, &again));
    assert_int_equal(again.index, q.index);
    assert_int_equal(answer(2, &again, false), 0);
}

static void an_answer_of_another_shape_than_was_asked_for_is_a_breach(void **state)
{
    struct hash_request q;
    uint8_t bytes[512 * 32 + 32] = {0};
    (void)state;
    assert_true(layer_fetch_next(fetch, 1, 0, &q));
    struct hash_request shorter = q;
    shorter.length = 256;
    assert_int_equal(
        layer_fetch_answer(fetch, 1, &shorter, bytes_of(bytes, 256 * 32)), ERR_PROTOCOL);
    assert_int_equal(layer_fetch_answer(fetch, 1, &q, bytes_of(bytes, 31)), ERR_PROTOCOL);
    assert_int_equal(layer_fetch_answer(fetch, 1, &q, bytes_of(bytes, 0)), ERR_PROTOCOL);
    assert_int_equal(answer(2, &q, true), 0); /* nobody asked it: not even looked at */
}

static void who_refuses_is_passed_over_for_a_while_and_who_is_late_too(void **state)
{
    struct hash_request first, q;
    (void)state;
    assert_true(layer_fetch_next(fetch, 1, 0, &first));
    layer_fetch_rejected(fetch, 1, &first);
    assert_true(layer_fetch_next(fetch, 1, MSECS(1), &q));
    assert_true(q.index != first.index);
    assert_true(layer_fetch_next(fetch, 2, MSECS(1), &q));
    assert_int_equal(q.index, first.index);
    assert_true(layer_fetch_next(fetch, 3, LAYER_FETCH_PATIENCE + SECONDS(1), &q));
    layer_fetch_left(fetch, 3);
    struct hash_request again;
    assert_true(layer_fetch_next(fetch, 4, LAYER_FETCH_PATIENCE + SECONDS(1), &again));
    assert_int_equal(again.index, q.index);
}

/* A tree of so many files of two pieces each, whose hashes are made of the file's number. */
static void pair_of(uint32_t file, struct sha256_digest pair[2])
{
    for (uint32_t i = 0; i < 2; i++)
        pair[i] = sha256((uint32_t[]){file, i}, 2 * sizeof file);
}

static struct metainfo *tree_of(uint32_t files)
{
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    struct metainfo *m;
    struct format_error error;
    builder_str(&b, "d9:file treed");
    for (uint32_t i = 0; i < files; i++) {
        struct sha256_digest pair[2];
        pair_of(i, pair);
        struct sha256_digest root = merkle_parent(&pair[0], &pair[1]);
        builder_format(&b, "6:%06ud0:d6:lengthi%ue11:pieces root32:", i, 2 * PIECE);
        builder_bytes_put(&b, root.b, sizeof root.b);
        builder_str(&b, "ee");
    }
    builder_str(&b, "e12:meta versioni2e4:name1:n12:piece lengthi16384ee");
    assert_true(builder_ok(&b));
    assert_int_equal(metainfo_parse_info(builder_bytes(&b), &m, &error), 0);
    builder_free(&b);
    return m;
}

/* Found by the first of its hashes: an honest peer's answer to one of the pairs. */
static int answer_pair(
    struct layer_fetch *f, const struct metainfo *m, uint32_t peer, const struct hash_request *q)
{
    struct sha256_digest pair[2];
    pair_of(metainfo_file_of_root(m, &q->root), pair);
    return layer_fetch_answer(f, peer, q, bytes_of(pair, sizeof pair));
}

/* Each answer and refusal costs the same however many files there are: a walk over all of them for
 * each would take hours. */
static void a_torrent_of_many_files_costs_no_walk_over_them_for_each(void **state)
{
    enum { FILES = 150000, REFUSER = 1, HONEST = 2 };
    struct metainfo *m = tree_of(FILES);
    struct layer_fetch *f = layer_fetch_new(m);
    struct hash_request q;
    (void)state;
    uint32_t refused = 0, given = 0;
    for (bool done = false; !done;) {
        if (layer_fetch_next(f, REFUSER, 0, &q)) {
            layer_fetch_rejected(f, REFUSER, &q);
            refused++;
        }
        assert_true(layer_fetch_next(f, HONEST, 0, &q));
        done = answer_pair(f, m, HONEST, &q) == 1;
        given++;
    }
    assert_int_equal(given, FILES);
    assert_true(refused > 0);
    assert_true(metainfo_has_layers(m));
    layer_fetch_free(f);
    metainfo_unref(m);
}

static void copies_of_a_file_are_asked_for_once(void **state)
{
    struct builder b = builder_heap(1 << 10);
    struct sha256_digest pair[2];
    struct metainfo *m;
    struct format_error error;
    struct hash_request q;
    (void)state;
    pair_of(7, pair);
    struct sha256_digest root = merkle_parent(&pair[0], &pair[1]);
    builder_str(&b, "d9:file treed");
    for (char name = 'a'; name <= 'c'; name++) {
        builder_format(&b, "1:%cd0:d6:lengthi%ue11:pieces root32:", name, 2 * PIECE);
        builder_bytes_put(&b, root.b, sizeof root.b);
        builder_str(&b, "ee");
    }
    builder_str(&b, "e12:meta versioni2e4:name1:n12:piece lengthi16384ee");
    assert_int_equal(metainfo_parse_info(builder_bytes(&b), &m, &error), 0);
    builder_free(&b);
    struct layer_fetch *f = layer_fetch_new(m);
    assert_true(layer_fetch_next(f, 1, 0, &q));
    assert_false(layer_fetch_next(f, 2, 0, &q));
    assert_int_equal(layer_fetch_answer(f, 1, &q, bytes_of(pair, sizeof pair)), 1);
    assert_true(metainfo_has_layers(m));
    assert_ptr_equal(m->files[0].layer, m->files[2].layer);
    layer_fetch_free(f);
    metainfo_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_of_several_peers_make_the_layer, begin, end),
        cmocka_unit_test_setup_teardown(
            a_run_that_its_proof_does_not_bear_is_a_lie_and_is_asked_of_another, begin, end),
        cmocka_unit_test_setup_teardown(
            an_answer_of_another_shape_than_was_asked_for_is_a_breach, begin, end),
        cmocka_unit_test_setup_teardown(
            who_refuses_is_passed_over_for_a_while_and_who_is_late_too, begin, end),
        cmocka_unit_test(a_torrent_of_many_files_costs_no_walk_over_them_for_each),
        cmocka_unit_test(copies_of_a_file_are_asked_for_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
