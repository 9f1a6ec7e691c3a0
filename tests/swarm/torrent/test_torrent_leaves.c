/* The leaves of v2's trees: answered with proofs that lead to the root, and asked for when a piece
 * was bad. */
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "torrent_bench.h"

#include <stdlib.h>

#define PIECE 65536u
#define PER_PIECE 4u

static struct bench b;

static struct hash_request request(uint32_t index, uint32_t length, uint32_t proof_layers)
{
    return (struct hash_request){.root = b.metainfo->files[0].root,
        .index = index,
        .length = length,
        .proof_layers = proof_layers};
}

static void ask(struct bench_peer *p, const struct hash_request *q)
{
    uint8_t buffer[HASH_MESSAGE_HEAD];
    struct builder out = builder_fixed(buffer, sizeof buffer);
    hash_message_put(&out, WIRE_HASH_REQUEST, q, 0);
    bench_say_bytes(p, WIRE_HASH_REQUEST, bytes_of(buffer + 5, HASH_REQUEST_SIZE));
}

static struct sha256_digest leaf(uint64_t index)
{
    uint64_t at = index * MERKLE_BLOCK_SIZE;
    if (at >= b.content.size)
        return (struct sha256_digest){{0}};
    uint64_t left = b.content.size - at;
    return sha256(b.content.data + at, left < MERKLE_BLOCK_SIZE ? left : MERKLE_BLOCK_SIZE);
}

/* The answer has these leaves, and its uncles lead from them to the root. */
static void expect_proof(struct bench_peer *p, const struct hash_request *q)
{
    struct bytes m;
    struct sha256_digest all[64 + MERKLE_HEIGHT_MAX];
    assert_true(bench_heard(p, WIRE_HASHES, &m));
    size_t uncles = hash_request_uncles(q);
    assert_int_equal(m.size, HASH_REQUEST_SIZE + (q->length + uncles) * 32);
    memcpy(all, m.data + HASH_REQUEST_SIZE, m.size - HASH_REQUEST_SIZE);
    for (uint32_t i = 0; i < q->length; i++) {
        struct sha256_digest right = leaf((uint64_t)q->index + i);
        assert_true(sha256_equal(&all[i], &right));
    }
    unsigned low = merkle_height(q->length), height = metainfo_file_height(&b.metainfo->files[0]);
    assert_int_equal(low + uncles, height);
    struct sha256_digest node = merkle_root(all, q->length, 0, low);
    node = merkle_climb(node, q->index / q->length, all + q->length, uncles);
    assert_true(sha256_equal(&node, &q->root));
}

/* Of every length and place, of a file whose last piece and last block are short. */
static void every_run_of_leaves_is_answered_with_a_proof_up_to_the_root(void **state)
{
    (void)state;
    bench_new(&b, &(struct bench_config){
                      .pieces = 5, .piece_length = PIECE, .cut = 20000, .v2 = true, .have = 5});
    struct bench_peer *p = bench_join(&b, 'a');
    unsigned height = metainfo_file_height(&b.metainfo->files[0]);
    for (uint32_t length = 1; length <= 8; length *= 2)
        for (uint32_t index = 0; index < 5 * PER_PIECE; index += length) {
            /* A proof up to the root: its layers are counted from the leaves' own up. */
            struct hash_request q = request(index, length,
                height - merkle_height(length) + (length > 1 ? merkle_height(length) - 1 : 0));
            ask(p, &q);
            bench_pass(&b, SECONDS(1));
            expect_proof(p, &q);
        }
    bench_free(&b);
}

static void the_leaves_of_a_file_of_one_piece_are_answered_too(void **state)
{
    (void)state;
    bench_new(&b, &(struct bench_config){
                      .pieces = 1, .piece_length = PIECE, .cut = 20000, .v2 = true, .have = 1});
    struct bench_peer *p = bench_join(&b, 'a');
    struct hash_request q = request(2, 2, 1);
    ask(p, &q);
    bench_pass(&b, SECONDS(1));
    expect_proof(p, &q);
    bench_free(&b);
}

static void expect_reject(struct bench_peer *p, struct hash_request q)
{
    struct bytes m;
    ask(p, &q);
    bench_pass(&b, SECONDS(1));
    assert_true(bench_heard(p, WIRE_HASH_REJECT, &m));
    struct hash_request of = hash_request_parse(m);
    assert_int_equal(of.index, q.index);
}

static void what_we_have_not_got_or_nobody_may_ask_is_rejected(void **state)
{
    (void)state;
    bench_new(
        &b, &(struct bench_config){.pieces = 4, .piece_length = PIECE, .v2 = true, .have = 2});
    struct bench_peer *p = bench_join(&b, 'a');
    expect_reject(p, request(8, 4, 3));        /* a piece that we lack */
    expect_reject(p, request(4, 8, 2));        /* not at a multiple of its length */
    expect_reject(p, request(0, 3, 2));        /* no power of two */
    expect_reject(p, request(0, 16384, 2));    /* too many */
    expect_reject(p, request(1u << 31, 4, 2)); /* behind the end */
    expect_reject(p, request(0, 4, 60));       /* more layers than the tree has */
    struct hash_request other = request(0, 4, 3);
    other.root.b[0] ^= 1;
    expect_reject(p, other);
    expect_reject(p, (struct hash_request){.root = request(0, 0, 0).root, .base = 1, .length = 2});
    assert_non_null(p->peer);
    bench_free(&b);
}

static void hashes_that_the_disk_does_not_bear_out_are_not_sent(void **state)
{
    (void)state;
    bench_new(
        &b, &(struct bench_config){.pieces = 2, .piece_length = PIECE, .v2 = true, .have = 2});
    struct bench_peer *p = bench_join(&b, 'a');
    sim_disk_rot(b.host, "/d/f", 100);
    expect_reject(p, request(0, 4, 2));
    bench_free(&b);
}

static void one_peer_cannot_fill_the_queue_and_every_request_ends(void **state)
{
    (void)state;
    bench_new(
        &b, &(struct bench_config){.pieces = 16, .piece_length = PIECE, .v2 = true, .have = 16});
    struct bench_peer *greedy = bench_join(&b, 'a'), *other = bench_join(&b, 'b');
    unsigned answers = 0;
    struct bytes m;
    for (uint32_t i = 0; i < 16; i++) {
        struct hash_request q = request(i * PER_PIECE, PER_PIECE, 0);
        ask(greedy, &q);
    }
    struct hash_request q = request(0, PER_PIECE, 5);
    ask(other, &q);
    bench_pass(&b, SECONDS(1));
    expect_proof(other, &q);
    while (bench_heard(greedy, WIRE_HASHES, &m))
        answers++;
    assert_true(answers >= 8 && answers < 16); /* the rest was rejected */
    bench_free(&b);
}

/* Pieces of one block: their layer is the lowest, and high enough for a crown. */
static void every_run_of_a_long_piece_layer_is_answered_with_a_proof_up_to_the_root(void **state)
{
    (void)state;
    bench_new(&b, &(struct bench_config){
                      .pieces = 150, .piece_length = MERKLE_BLOCK_SIZE, .v2 = true, .have = 150});
    struct bench_peer *p = bench_join(&b, 'a');
    unsigned height = metainfo_file_height(&b.metainfo->files[0]);
    assert_true(height > MERKLE_CROWN_HEIGHT + 2);
    for (uint32_t length = 2; length <= 64; length *= 2)
        for (uint32_t index = 0; index < 150; index += length) {
            struct hash_request q = request(index, length, height - 1);
            ask(p, &q);
            expect_proof(p, &q);
        }
    bench_free(&b);
}

static void who_asks_for_hashes_without_end_is_refused_and_then_left(void **state)
{
    (void)state;
    bench_new(&b, &(struct bench_config){
                      .pieces = 4, .piece_length = MERKLE_BLOCK_SIZE, .v2 = true, .have = 4});
    struct bench_peer *p = bench_join(&b, 'a');
    struct hash_request q = request(0, 2, 1);
    struct bytes m;
    unsigned answers = 0, refusals = 0;
    while (p->peer && answers < 1000000) {
        ask(p, &q);
        answers += bench_heard(p, WIRE_HASHES, &m);
        refusals += bench_heard(p, WIRE_HASH_REJECT, &m);
    }
    assert_null(p->peer);
    assert_true(answers > 4096);       /* the layer of two million pieces, in runs of 512 */
    assert_true(answers <= 16384 + 1); /* and one for each file */
    assert_true(refusals < PEER_OFFENCES_MAX);
    bench_free(&b);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* Two give the piece between them, the second of them false blocks. */
static void give_a_bad_piece(struct bench_peer *honest, struct bench_peer *liar)
{
    struct bytes r;
    bench_say(honest, WIRE_HAVE_ALL, 0);
    bench_say(honest, WIRE_UNCHOKE, 0);
    for (int i = 0; i < 3 && bench_heard(honest, WIRE_REQUEST, &r); i++) {
        struct cursor c = cursor_of(r);
        uint32_t piece = cursor_u32(&c);
        bench_say_block(honest, piece, cursor_u32(&c), true);
    }
    bench_say(honest, WIRE_CHOKE, 0);
    while (bench_heard(honest, WIRE_REQUEST, &r))
        bench_say_bytes(honest, WIRE_REJECT, r);
    bench_say(liar, WIRE_HAVE_ALL, 0);
    bench_say(liar, WIRE_UNCHOKE, 0);
    for (int i = 0; i < 100 && b.torrent->wasted == 0; i++) {
        bench_serve(liar, 0);
        bench_pass(&b, MSECS(10));
    }
    assert_int_equal(b.torrent->wasted, b.content.size);
}

static void answer_truly(struct bench_peer *p, const struct hash_request *q)
{
    struct builder out = builder_heap(65536);
    hash_message_put(&out, WIRE_HASHES, q, q->length);
    for (uint32_t i = 0; i < q->length; i++) {
        struct sha256_digest h = leaf((uint64_t)q->index + i);
        builder_bytes_put(&out, h.b, 32);
    }
    bench_say_bytes(p, WIRE_HASHES, bytes_of(out.data + 5, out.size - 5));
    builder_free(&out);
}

static void a_bad_piece_makes_us_ask_for_leaves_and_they_name_the_liar(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &(struct bench_config){.pieces = 1, .piece_length = 1 << 20, .v2 = true});
    struct bench_peer *honest = bench_join(&b, 'a'), *liar = bench_join(&b, 'b');
    struct bench_peer *third = bench_join(&b, 'c');
    bench_say(third, WIRE_HAVE_ALL, 0); /* choking: it gives nothing, and knows the leaves */
    give_a_bad_piece(honest, liar);
    assert_non_null(honest->peer);
    assert_non_null(liar->peer);
    bench_pass(&b, MSECS(100));
    assert_true(bench_heard(third, WIRE_HASH_REQUEST, &m));
    struct hash_request q = hash_request_parse(m);
    assert_int_equal(q.base, 0);
    assert_int_equal(q.length, 64);
    assert_int_equal(hash_request_uncles(&q), 0);
    answer_truly(third, &q);
    assert_null(liar->peer);
    assert_non_null(honest->peer);
    assert_non_null(third->peer);
    bench_free(&b);
}

static void false_leaves_blame_nobody_but_who_sent_them(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &(struct bench_config){.pieces = 1, .piece_length = 1 << 20, .v2 = true});
    struct bench_peer *honest = bench_join(&b, 'a'), *liar = bench_join(&b, 'b');
    struct bench_peer *third = bench_join(&b, 'c');
    bench_say(third, WIRE_HAVE_ALL, 0);
    give_a_bad_piece(honest, liar);
    bench_pass(&b, MSECS(100));
    assert_true(bench_heard(third, WIRE_HASH_REQUEST, &m));
    struct hash_request q = hash_request_parse(m);
    b.content.data[0] ^= 1; /* what it thinks the data is */
    answer_truly(third, &q);
    b.content.data[0] ^= 1;
    assert_null(third->peer);
    assert_non_null(honest->peer);
    assert_non_null(liar->peer);
    bench_free(&b);
}

static void who_refuses_leaves_is_not_asked_again_but_another_is(void **state)
{
    struct bytes m;
    (void)state;
    bench_new(&b, &(struct bench_config){.pieces = 1, .piece_length = 1 << 20, .v2 = true});
    struct bench_peer *honest = bench_join(&b, 'a'), *liar = bench_join(&b, 'b');
    struct bench_peer *third = bench_join(&b, 'c');
    bench_say(third, WIRE_HAVE_ALL, 0);
    give_a_bad_piece(honest, liar);
    bench_pass(&b, MSECS(100));
    assert_true(bench_heard(third, WIRE_HASH_REQUEST, &m));
    struct hash_request q = hash_request_parse(m);
    bench_say_bytes(third, WIRE_HASH_REJECT, m);
    assert_false(bench_heard(third, WIRE_HASH_REQUEST, &m));
    assert_true(bench_heard(honest, WIRE_HASH_REQUEST, &m));
    answer_truly(honest, &q);
    assert_null(liar->peer);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_of_leaves_is_answered_with_a_proof_up_to_the_root),
        cmocka_unit_test(the_leaves_of_a_file_of_one_piece_are_answered_too),
        cmocka_unit_test(what_we_have_not_got_or_nobody_may_ask_is_rejected),
        cmocka_unit_test(hashes_that_the_disk_does_not_bear_out_are_not_sent),
        cmocka_unit_test(one_peer_cannot_fill_the_queue_and_every_request_ends),
        cmocka_unit_test(every_run_of_a_long_piece_layer_is_answered_with_a_proof_up_to_the_root),
        cmocka_unit_test(who_asks_for_hashes_without_end_is_refused_and_then_left),
        cmocka_unit_test(a_bad_piece_makes_us_ask_for_leaves_and_they_name_the_liar),
        cmocka_unit_test(false_leaves_blame_nobody_but_who_sent_them),
        cmocka_unit_test(who_refuses_leaves_is_not_asked_again_but_another_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
