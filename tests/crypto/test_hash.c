/* One message and running messages, against FIPS 180's examples. */
#include "base/text.h"
#include "check.h"
#include "crypto/hash.h"

#include <pthread.h>
#include <stdlib.h>

static const struct {
    const char *message, *sha1, *sha256;
} vectors[] = {
    {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void digests_agree_with_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char text[65];
        size_t size = strlen(vectors[i].message);
        struct sha1_digest a = sha1(vectors[i].message, size);
        struct sha256_digest b = sha256(vectors[i].message, size);
        hex_encode(a.b, sizeof a.b, text);
        assert_string_equal(text, vectors[i].sha1);
        hex_encode(b.b, sizeof b.b, text);
        assert_string_equal(text, vectors[i].sha256);
    }
    struct sha1_digest of_nothing = sha1(NULL, 0), of_empty = sha1("", 0);
    assert_true(sha1_equal(&of_nothing, &of_empty));
}

static void a_stream_gives_the_digest_of_its_pieces_joined(void **state)
{
    (void)state;
    uint8_t message[1000], out[32];
    struct hash_stream *s1 = hash_stream_new(HASH_SHA1), *s256 = hash_stream_new(HASH_SHA256);
    uint64_t random = 9;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)next_random(&random);
    for (size_t size = 0; size < sizeof message; size += 37) {
        for (size_t at = 0; at < size;) {
            size_t step = 1 + (size_t)(next_random(&random) % 130);
            step = step < size - at ? step : size - at;
            hash_stream_update(s1, message + at, step);
            hash_stream_update(s256, message + at, step);
            hash_stream_update(s256, NULL, 0);
            at += step;
        }
        hash_stream_final(s1, out);
        assert_memory_equal(out, sha1(message, size).b, 20);
        hash_stream_final(s256, out);
        assert_memory_equal(out, sha256(message, size).b, 32);
        hash_stream_reset(s1);
        hash_stream_reset(s256);
    }
    hash_stream_update(s1, "forgotten", 9);
    hash_stream_reset(s1);
    hash_stream_final(s1, out);
    assert_memory_equal(out, sha1("", 0).b, 20);
    hash_stream_free(s1);
    hash_stream_free(s256);
    hash_stream_free(NULL);
}

static void *hash_in_a_thread(void *result)
{
    struct sha256_digest d = sha256("abc", 3);
    for (int i = 0; i < 1000; i++)
        d = sha256(d.b, sizeof d.b);
    memcpy(result, d.b, sizeof d.b);
    return NULL;
}

static void threads_hash_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint8_t results[4][32];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_in_a_thread, results[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 1; i < 4; i++)
        assert_memory_equal(results[0], results[i], 32);
}

static void the_kernel_has_a_name(void **state)
{
    (void)state;
    assert_int_equal(hash_init(), 0);
    for (int a = HASH_SHA1; a <= HASH_SHA256; a++) {
        const char *name = hash_kernel_name((enum hash_algorithm)a);
        assert_true(!strcmp(name, "openssl") || !strcmp(name, "avx2") || !strcmp(name, "avx512"));
    }
}

RUN(T(digests_agree_with_the_standard), T(a_stream_gives_the_digest_of_its_pieces_joined),
    T(threads_hash_side_by_side), T(the_kernel_has_a_name))
