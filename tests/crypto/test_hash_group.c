/* Messages hashed in step give the digests that they have alone, whatever their lengths and however
 * they are sliced. */
#include "crypto/hash_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONGEST 200000u

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
    uint8_t digests[HASH_GROUP_MAX][32], expected[32];
    uint8_t *out[HASH_GROUP_MAX];
    memset(digests, 0, sizeof digests);
    memset(expected, 0, sizeof expected);
    hash_group_begin(g, count);
    for (uint32_t at = 0; at < LONGEST; at += slice) {
        struct bytes slices[HASH_GROUP_MAX];
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
    uint8_t *data = malloc(LONGEST + HASH_GROUP_MAX);
    uint32_t random = 1, sizes[HASH_GROUP_MAX];
    for (uint32_t i = 0; i < LONGEST + HASH_GROUP_MAX; i++)
        data[i] = (uint8_t)draw(&random, 256);
    for (int algorithm = HASH_SHA1; algorithm <= HASH_SHA256; algorithm++) {
        struct hash_group *g = hash_group_new((enum hash_algorithm)algorithm);
        assert_non_null(g);
        for (unsigned count = 1; count <= HASH_GROUP_MAX; count++) {
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
    struct hash_group *g = hash_group_new(HASH_SHA1);
    uint32_t sizes[HASH_GROUP_MAX];
    for (uint32_t base = 0; base < 192; base += HASH_GROUP_MAX) {
        for (uint32_t i = 0; i < HASH_GROUP_MAX; i++)
            sizes[i] = base + i;
        check_group(g, HASH_SHA1, data, sizes, HASH_GROUP_MAX, LONGEST / 64 * 64);
    }
    hash_group_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_each_message_alone),
        cmocka_unit_test(every_length_around_a_block_is_padded_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
