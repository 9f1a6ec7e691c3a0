/* Merkle trees against the plain definition of BEP 52. */
#include "base/text.h"
#include "check.h"
#include "crypto/merkle.h"

#include "crypto/hash.h"

#include <stdlib.h>

#define LEAVES_MAX 1100

static struct sha256_digest leaves[LEAVES_MAX];

static int make_leaves(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LEAVES_MAX; i++)
        leaves[i] = sha256(&i, sizeof i);
    return 0;
}

/* The root of 2^height hashes beginning at `first`, by the definition: what lies past `count` is
 * the padding of its layer. */
static struct sha256_digest plain_root(const struct sha256_digest *layer, size_t count,
    unsigned base_height, unsigned height, size_t first)
{
    if (first >= count)
        return merkle_pad(base_height + height);
    if (height == 0)
        return layer[first];
    size_t half = (size_t)1 << (height - 1);
    struct sha256_digest left = plain_root(layer, count, base_height, height - 1, first);
    struct sha256_digest right = plain_root(layer, count, base_height, height - 1, first + half);
    return merkle_parent(&left, &right);
}

static void assert_digest(struct sha256_digest d, const char *hex)
{
    char text[65];
    hex_encode(d.b, sizeof d.b, text);
    assert_string_equal(text, hex);
}

static void padding_is_the_root_of_zeros(void **state)
{
    (void)state;
    assert_digest(
        merkle_pad(0), "0000000000000000000000000000000000000000000000000000000000000000");
    assert_digest(
        merkle_pad(1), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
    assert_digest(
        merkle_pad(3), "c78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c");
}

static void a_file_of_five_blocks_has_its_known_root(void **state)
{
    (void)state;
    static uint8_t block[MERKLE_BLOCK_SIZE];
    struct sha256_digest five[5];
    for (int i = 0; i < 5; i++) {
        memset(block, i, sizeof block);
        five[i] = sha256(block, sizeof block);
    }
    assert_digest(merkle_root(five, 5, 0, 3),
        "02d0b015ee763c012ad0246da46d035d5aeaef792982375394e32a28c7d02712");
}

static void a_height_is_the_least_that_holds_the_count(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        unsigned height;
    } cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {1024, 10}, {1025, 11},
        {UINT64_C(1) << 48, 48}, {(UINT64_C(1) << 48) - 1, 48}, {UINT64_MAX, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(merkle_height(cases[i].count), cases[i].height);
}

static void every_count_has_the_root_of_the_definition(void **state)
{
    (void)state;
    for (size_t count = 0; count <= LEAVES_MAX; count += count < 70 ? 1 : 31) {
        for (unsigned extra = 0; extra < 3; extra++) {
            unsigned height = merkle_height(count) + extra, base = (unsigned)count % 5;
            struct sha256_digest root = merkle_root(leaves, count, base, height);
            struct sha256_digest plain = plain_root(leaves, count, base, height, 0);
            assert_true(sha256_equal(&root, &plain));
        }
    }
}

static void a_tree_far_higher_than_its_leaves_is_padded(void **state)
{
    (void)state;
    struct sha256_digest root = merkle_root(leaves, 3, 0, MERKLE_HEIGHT_MAX);
    struct sha256_digest plain = plain_root(leaves, 3, 0, MERKLE_HEIGHT_MAX, 0);
    assert_true(sha256_equal(&root, &plain));
    root = merkle_root(NULL, 0, 0, MERKLE_HEIGHT_MAX);
    plain = merkle_pad(MERKLE_HEIGHT_MAX);
    assert_true(sha256_equal(&root, &plain));
}

static void a_layer_above_holds_the_root_of_each_run(void **state)
{
    (void)state;
    static struct sha256_digest out[LEAVES_MAX + 1];
    for (unsigned height = 0; height <= 11; height++) {
        for (size_t count = 0; count <= LEAVES_MAX; count += count < 20 ? 1 : 77) {
            size_t run = (size_t)1 << height, runs = (count + run - 1) / run;
            memset(out, 0xee, sizeof out);
            merkle_layer_up(leaves, count, 2, height, out);
            for (size_t i = 0; i < runs; i++) {
                struct sha256_digest plain = plain_root(leaves, count, 2, height, i * run);
                assert_true(sha256_equal(&out[i], &plain));
            }
            assert_int_equal(out[runs].b[0], 0xee);
        }
    }
}

static void a_proof_leads_every_subtree_to_the_root(void **state)
{
    (void)state;
    struct sha256_digest proof[MERKLE_HEIGHT_MAX];
    for (size_t count = 1; count <= 300; count += count < 20 ? 1 : 40) {
        unsigned tree = merkle_height(count) + (unsigned)(count % 2);
        struct merkle_tree whole = {leaves, count, 1, tree, NULL};
        struct sha256_digest root = merkle_root(leaves, count, 1, tree);
        for (unsigned subtree = 0; subtree <= tree; subtree++) {
            for (uint64_t index = 0; index < (uint64_t)1 << (tree - subtree);
                 index += 1 + index / 8) {
                size_t levels = merkle_proof(&whole, subtree, index, proof, MERKLE_HEIGHT_MAX);
                assert_int_equal(levels, tree - subtree);
                struct sha256_digest node =
                    plain_root(leaves, count, 1, subtree, (size_t)index << subtree);
                struct sha256_digest climbed = merkle_climb(node, index, proof, levels);
                assert_true(sha256_equal(&climbed, &root));
                if (levels) {
                    climbed = merkle_climb(node, index ^ 1, proof, levels);
                    bool twin = memcmp(node.b, proof[0].b, 32) == 0; /* both padding */
                    assert_int_equal(sha256_equal(&climbed, &root), twin);
                }
            }
        }
    }
}

static void a_proof_stops_at_the_levels_that_fit(void **state)
{
    (void)state;
    struct sha256_digest proof[4], whole[10];
    struct merkle_tree tree = {leaves, 1000, 0, 10, NULL};
    memset(proof, 0xee, sizeof proof);
    assert_int_equal(merkle_proof(&tree, 0, 5, whole, 10), 10);
    assert_int_equal(merkle_proof(&tree, 0, 5, proof, 3), 3);
    assert_memory_equal(proof, whole, 3 * sizeof *proof);
    assert_int_equal(proof[3].b[0], 0xee);
    assert_int_equal(merkle_proof(&tree, 0, 5, proof, 0), 0);
}

/* The crown is given a tree whose layer is not what it was made of: what is proved out of it above
 * its height has not looked at the layer. */
static void a_crown_proves_what_the_layer_proves_and_spares_hashing_it(void **state)
{
    (void)state;
    struct sha256_digest want[MERKLE_HEIGHT_MAX], got[MERKLE_HEIGHT_MAX], crown[200];
    static struct sha256_digest other[1000];
    for (size_t count = 1; count <= 1000; count = count * 2 - count / 3 + 1) {
        struct merkle_tree plain = {
            leaves, count, 3, merkle_height(count) + (count % 3 == 0), NULL};
        assert_true(merkle_crown_size(&plain) <= 200);
        merkle_crown(&plain, crown);
        struct merkle_tree crowned = plain;
        crowned.crown = crown;
        for (unsigned subtree = 0; subtree <= plain.height; subtree++) {
            crowned.layer = subtree < MERKLE_CROWN_HEIGHT ? leaves : other;
            for (uint64_t index = 0; index < (uint64_t)1 << (plain.height - subtree); index++) {
                size_t levels = merkle_proof(&plain, subtree, index, want, MERKLE_HEIGHT_MAX);
                assert_int_equal(
                    merkle_proof(&crowned, subtree, index, got, MERKLE_HEIGHT_MAX), levels);
                assert_memory_equal(got, want, levels * sizeof *got);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(padding_is_the_root_of_zeros),
        T(a_file_of_five_blocks_has_its_known_root),
        T(a_height_is_the_least_that_holds_the_count),
        T(every_count_has_the_root_of_the_definition),
        T(a_tree_far_higher_than_its_leaves_is_padded),
        T(a_layer_above_holds_the_root_of_each_run),
        T(a_proof_leads_every_subtree_to_the_root),
        T(a_proof_stops_at_the_levels_that_fit),
        T(a_crown_proves_what_the_layer_proves_and_spares_hashing_it),
    };
    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
