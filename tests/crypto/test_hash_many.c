/* hash_many and every kernel that this CPU can run, against EVP on the same messages. */
#include "check.h"
#include "crypto/hash_kernel.h"

#include <stdlib.h>

#define JOBS_MAX 40
#define PARTS_MAX 12
#define MESSAGE_MAX 4096

/* Messages of one round: their bytes lie scattered in parts, at odd addresses. */
struct round {
    struct hash_job jobs[JOBS_MAX];
    struct bytes parts[JOBS_MAX][PARTS_MAX];
    uint8_t digests[JOBS_MAX][32 + 1]; /* a byte more, to see that it is left alone */
    size_t count;
};

static uint8_t noise[MESSAGE_MAX + JOBS_MAX * 64];
static struct round r;

static size_t digest_size(enum hash_algorithm algorithm)
{
    return algorithm == HASH_SHA1 ? 20 : 32;
}

static int fill_noise(void **state)
{
    (void)state;
    uint64_t random = 42;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)next_random(&random);
    return 0;
}

/* Job `index` gets `size` bytes from the noise, cut at random into parts, some of them empty. */
static void add_job(size_t index, size_t size, size_t part_count, uint64_t *random)
{
    struct bytes *parts = r.parts[index];
    const uint8_t *at = noise + index * 61 % 64 + index;
    size_t left = size;
    for (size_t p = 0; p < part_count; p++) {
        size_t take = p + 1 == part_count ? left : (size_t)(next_random(random) % (left + 1));
        parts[p] = take ? bytes_of(at, take) : (struct bytes){0};
        at += take;
        left -= take;
    }
    if (part_count == 0)
        assert_int_equal(size, 0);
    memset(r.digests[index], 0xee, sizeof r.digests[index]);
    r.jobs[index] = (struct hash_job){parts, part_count, r.digests[index]};
}

static void check_round(enum hash_algorithm algorithm)
{
    for (size_t i = 0; i < r.count; i++) {
        uint8_t expected[32];
        struct hash_job job = r.jobs[i];
        job.digest = expected;
        hash_job_openssl(algorithm, &job);
        assert_memory_equal(r.digests[i], expected, digest_size(algorithm));
        assert_int_equal(r.digests[i][digest_size(algorithm)], 0xee);
        memset(r.digests[i], 0xee, sizeof r.digests[i]);
    }
}

/* The round through every kernel at several break-evens (1: nothing is finished serially), and
 * through hash_many itself. */
static void run_round(enum hash_algorithm algorithm)
{
    const struct hash_kernel *kernels[HASH_KERNELS_MAX];
    size_t kernel_count = hash_kernels_runnable(algorithm, kernels);
    static const unsigned break_evens[] = {1, 2, 5, 8, 16};
    for (size_t k = 0; k < kernel_count; k++) {
        for (size_t b = 0; b < sizeof break_evens / sizeof *break_evens; b++) {
            if (break_evens[b] > kernels[k]->lanes)
                continue;
            hash_many_in_lanes(kernels[k], break_evens[b], algorithm, r.jobs, r.count);
            check_round(algorithm);
        }
    }
    hash_many(algorithm, r.jobs, r.count);
    check_round(algorithm);
}

static void for_both_algorithms(void (*test)(enum hash_algorithm))
{
    test(HASH_SHA1);
    test(HASH_SHA256);
}

static void check_lengths(enum hash_algorithm algorithm)
{
    uint64_t random = 1;
    for (size_t size = 0; size <= 300; size++) {
        r.count = 17;
        for (size_t i = 0; i < r.count; i++)
            add_job(i, size, 1, &random);
        run_round(algorithm);
    }
}

static void every_length_to_300_is_padded_rightly(void **state)
{
    (void)state;
    for_both_algorithms(check_lengths);
}

static void check_cuts(enum hash_algorithm algorithm)
{
    uint64_t random = 2;
    for (size_t size = 0; size <= 300; size++) {
        r.count = 16;
        for (size_t i = 0; i < r.count; i++)
            add_job(i, size, 1 + i % PARTS_MAX, &random);
        run_round(algorithm);
    }
}

static void parts_may_be_cut_anywhere_and_be_empty(void **state)
{
    (void)state;
    for_both_algorithms(check_cuts);
}

/* Two parts, with every boundary around two blocks. */
static void check_boundaries(enum hash_algorithm algorithm)
{
    for (size_t size = 120; size <= 136; size++) {
        for (size_t cut = 0; cut <= size; cut += 8) {
            r.count = 8;
            for (size_t i = 0; i < r.count; i++) {
                size_t first = cut + i < size ? cut + i : size;
                r.parts[i][0] = bytes_of(noise + i, first);
                r.parts[i][1] = bytes_of(noise + 999, size - first);
                memset(r.digests[i], 0xee, sizeof r.digests[i]);
                r.jobs[i] = (struct hash_job){r.parts[i], 2, r.digests[i]};
            }
            run_round(algorithm);
        }
    }
}

static void every_boundary_of_two_parts_is_crossed(void **state)
{
    (void)state;
    for_both_algorithms(check_boundaries);
}

static void check_counts(enum hash_algorithm algorithm)
{
    uint64_t random = 3;
    for (size_t count = 0; count <= JOBS_MAX; count++) {
        for (int round = 0; round < 6; round++) {
            r.count = count;
            for (size_t i = 0; i < count; i++) {
                /* Mostly unlike lengths, a long one among short ones now and then. */
                size_t max = round % 3 == 0 ? 300 : next_random(&random) % 8 ? 200 : MESSAGE_MAX;
                size_t size = (size_t)(next_random(&random) % max);
                add_job(i, size, 1 + (size_t)(next_random(&random) % PARTS_MAX), &random);
            }
            run_round(algorithm);
        }
    }
}

static void any_number_of_unequal_messages_is_hashed(void **state)
{
    (void)state;
    for_both_algorithms(check_counts);
}

static void check_no_parts(enum hash_algorithm algorithm)
{
    uint64_t random = 4;
    r.count = 20;
    for (size_t i = 0; i < r.count; i++)
        add_job(i, i % 2 ? 100 : 0, i % 2, &random);
    run_round(algorithm);
}

static void a_job_without_parts_is_the_empty_message(void **state)
{
    (void)state;
    for_both_algorithms(check_no_parts);
}

/* A page that ends at the message's last byte: reading past it is seen by the sanitizers, which
 * guard the heap. */
static void check_ends(enum hash_algorithm algorithm)
{
    uint8_t *blocks[17];
    for (size_t size = 1; size < 200; size += 9) {
        r.count = 17;
        for (size_t i = 0; i < r.count; i++) {
            size_t own = size + (i % 4) * 32;
            blocks[i] = malloc(own);
            assert_non_null(blocks[i]);
            memcpy(blocks[i], noise + i, own);
            r.parts[i][0] = bytes_of(blocks[i], own);
            memset(r.digests[i], 0xee, sizeof r.digests[i]);
            r.jobs[i] = (struct hash_job){r.parts[i], 1, r.digests[i]};
        }
        run_round(algorithm);
        for (size_t i = 0; i < r.count; i++)
            free(blocks[i]);
    }
}

static void nothing_is_read_past_the_end_of_a_message(void **state)
{
    (void)state;
    for_both_algorithms(check_ends);
}

/* The length field has 64 bits: a message of more than 2^29 bytes needs its upper half. The same
 * megabyte is listed many times, so that it costs no memory. */
static void check_long(enum hash_algorithm algorithm)
{
    enum { PART = 1 << 20, COPIES = 513 };
    uint8_t *data = malloc(PART), out[8][32], expected[32];
    struct bytes *parts = malloc(COPIES * sizeof *parts);
    assert_non_null(data);
    assert_non_null(parts);
    memset(data, 0x33, PART);
    for (size_t i = 0; i < COPIES; i++)
        parts[i] = bytes_of(data, PART);
    struct hash_job jobs[8];
    for (size_t i = 0; i < 8; i++)
        jobs[i] = (struct hash_job){parts, i == 0 ? COPIES : 1, out[i]};
    hash_job_openssl(algorithm, &(struct hash_job){parts, COPIES, expected});
    hash_many(algorithm, jobs, 8);
    assert_memory_equal(out[0], expected, digest_size(algorithm));
    free(parts);
    free(data);
}

static void a_message_of_more_than_four_gigabits_is_padded_rightly(void **state)
{
    (void)state;
    for_both_algorithms(check_long);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_length_to_300_is_padded_rightly),
        T(parts_may_be_cut_anywhere_and_be_empty),
        T(every_boundary_of_two_parts_is_crossed),
        T(any_number_of_unequal_messages_is_hashed),
        T(a_job_without_parts_is_the_empty_message),
        T(nothing_is_read_past_the_end_of_a_message),
        T(a_message_of_more_than_four_gigabits_is_padded_rightly),
    };
    return cmocka_run_group_tests(tests, fill_noise, NULL);
}
