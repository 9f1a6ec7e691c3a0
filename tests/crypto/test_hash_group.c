/* Messages hashed in step give the digests that they have alone, whatever their lengths and however
 * they are sliced. */
#include "crypto/hash_group.h"
#include "crypto/hash_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONGEST 200000u
#define GROUP_MAX 37u /* more than lanes */

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static void expected_digest(
    enum hash_algorithm algorithm, const uint8_t *data, size_t size, uint8_t *out)
{
    if (algorithm == HASH_SHA1) {
        struct sha1_digest d = sha1(data, size);
        memcpy(out, d.b, sizeof d.b);
    } else {
        struct sha256_digest d = sha256(data, size);
        memcpy(out, d.b, sizeof d.b);
    }
}

/* Messages of `sizes`, in slices of `slice` bytes, all out of one buffer at different places. */
static void check_group(struct hash_group *g, enum hash_algorithm algorithm, const uint8_t *data,
    const uint32_t *sizes, unsigned count, uint32_t slice)
{
    uint8_t digests[GROUP_MAX][32], expected[32];
    uint8_t *out[GROUP_MAX];
    memset(digests, 0, sizeof digests);
    memset(expected, 0, sizeof expected);
    hash_group_begin(g, count);
    for (uint32_t at = 0; at < LONGEST; at += slice) {
        struct bytes slices[GROUP_MAX];
        for (unsigned i = 0; i < count; i++) {
            uint32_t left = at < sizes[i] ? sizes[i] - at : 0;
            slices[i] =
                left ? bytes_of(data + i + at, left < slice ? left : slice) : bytes_of(NULL, 0);
        }
        hash_group_update(g, slices);
    }
    for (unsigned i = 0; i < count; i++)
        out[i] = digests[i];
    hash_group_final(g, out);
    for (unsigned i = 0; i < count; i++) {
        expected_digest(algorithm, data + i, sizes[i], expected);
        assert_memory_equal(digests[i], expected, algorithm == HASH_SHA1 ? 20 : 32);
    }
}

static void digests_are_those_of_each_message_alone(void **state)
{
    (void)state;
    static const uint32_t slices[] = {64, 4096, 65536};
    uint8_t *data = malloc(LONGEST + GROUP_MAX);
    uint32_t random = 1, sizes[GROUP_MAX];
    for (uint32_t i = 0; i < LONGEST + GROUP_MAX; i++)
        data[i] = (uint8_t)draw(&random, 256);
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++) {
        struct hash_group *g = hash_group_new((enum hash_algorithm)algorithm, GROUP_MAX);
        assert_non_null(g);
        for (unsigned count = 1; count <= GROUP_MAX; count++) {
            for (unsigned s = 0; s < 3; s++) {
                for (unsigned i = 0; i < count; i++) /* some equal, some odd, some empty */
                    sizes[i] = i % 3 == 0 ? 150000 : i % 5 == 4 ? i * 13 : draw(&random, LONGEST);
                check_group(g, (enum hash_algorithm)algorithm, data, sizes, count, slices[s]);
            }
        }
        hash_group_free(g);
    }
    free(data);
}

static void every_length_around_a_block_is_padded_right(void **state)
{
    (void)state;
    static uint8_t data[1024];
    struct hash_group *g = hash_group_new(HASH_SHA1, GROUP_MAX);
    uint32_t sizes[GROUP_MAX];
    for (uint32_t base = 0; base < 192; base += GROUP_MAX) {
        for (uint32_t i = 0; i < GROUP_MAX; i++)
            sizes[i] = base + i;
        check_group(g, HASH_SHA1, data, sizes, GROUP_MAX, LONGEST / 64 * 64);
    }
    hash_group_free(g);
}

/* Sizes and zeros around blocks, pieces' pads, and none. */
static uint32_t some_size(uint32_t *random)
{
    static const uint32_t edges[] = {0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 16384, 40000};
    uint32_t which = draw(random, 20);
    return which < sizeof edges / sizeof *edges ? edges[which] : draw(random, 30000);
}

static void check_zeros(struct hash_group *g, enum hash_algorithm algorithm, unsigned count,
    uint8_t *data, uint32_t *random)
{
    uint8_t digests[GROUP_MAX][32], expected[32];
    uint8_t *out[GROUP_MAX];
    uint32_t zeros[GROUP_MAX];
    struct bytes slices[GROUP_MAX];
    static uint8_t whole[LONGEST];
    for (unsigned i = 0; i < count; i++) {
        slices[i] = bytes_of(data + i, some_size(random));
        zeros[i] = some_size(random);
        out[i] = i % 7 == 6 ? NULL : digests[i];
    }
    hash_group_begin(g, count);
    hash_group_update(g, slices);
    hash_group_zeros(g, zeros);
    hash_group_final(g, out);
    for (unsigned i = 0; i < count; i++) {
        memcpy(whole, slices[i].data, slices[i].size);
        memset(whole + slices[i].size, 0, zeros[i]);
        expected_digest(algorithm, whole, slices[i].size + zeros[i], expected);
        if (out[i])
            assert_memory_equal(digests[i], expected, algorithm == HASH_SHA1 ? 20 : 32);
    }
}

static void zeros_behind_a_message_are_hashed_as_bytes_are(void **state)
{
    (void)state;
    static uint8_t data[50000];
    uint32_t random = 9;
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)draw(&random, 256);
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++) {
        struct hash_group *g = hash_group_new((enum hash_algorithm)algorithm, GROUP_MAX);
        assert_non_null(g);
        for (unsigned count = 1; count <= GROUP_MAX; count++)
            for (unsigned round = 0; round < 12; round++)
                check_zeros(g, (enum hash_algorithm)algorithm, count, data, &random);
        hash_group_free(g);
    }
}

/* Each kernel for zeros, beside the same kernel on bytes that are zero. */
static void kernels_for_zeros_do_what_those_for_bytes_do(void **state)
{
    (void)state;
    static const uint8_t zeros[9 * HASH_BLOCK_SIZE];
    const struct hash_kernel *kernels[HASH_KERNELS_MAX];
    const uint8_t *at[HASH_LANES_MAX];
    _Alignas(64) uint32_t a[HASH_WORDS_MAX * HASH_LANES_MAX], b[HASH_WORDS_MAX * HASH_LANES_MAX];
    size_t count = hash_kernels_runnable(HASH_SHA1, kernels);
    uint32_t random = 5;
    for (unsigned l = 0; l < HASH_LANES_MAX; l++)
        at[l] = zeros;
    for (size_t k = 0; k < count; k++) {
        assert_non_null(kernels[k]->zeros);
        for (size_t blocks = 0; blocks <= 9; blocks++) {
            for (size_t i = 0; i < sizeof a / sizeof *a; i++)
                a[i] = b[i] = draw(&random, 1u << 24) << 8 | draw(&random, 256);
            kernels[k]->zeros(a, blocks);
            kernels[k]->compress(b, at, blocks);
            assert_memory_equal(a, b, sizeof a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_each_message_alone),
        cmocka_unit_test(every_length_around_a_block_is_padded_right),
        cmocka_unit_test(zeros_behind_a_message_are_hashed_as_bytes_are),
        cmocka_unit_test(kernels_for_zeros_do_what_those_for_bytes_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
