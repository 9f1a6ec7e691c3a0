/* SipHash-1-3 and the map, against a plain array. */
#include "base/bytes.h"
#include "base/map.h"
#include "check.h"

#include <stdlib.h>

static const uint8_t zero_key[16];

/* From the reference implementation, key of zeros; messages 00 01 02 ... and three texts. */
static void siphash13_agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0xd1fba762150c532c)},
        {1, UINT64_C(0x68a914128e01e473)},
        {7, UINT64_C(0x2f098ab0c751325a)},
        {8, UINT64_C(0xead411e67ebe2eea)},
        {9, UINT64_C(0x75927f9d95124362)},
        {15, UINT64_C(0xf30eb725bb91c9ea)},
        {16, UINT64_C(0x8972188433a5c5b7)},
        {63, UINT64_C(0x385d3e39e5f37359)},
        {64, UINT64_C(0x75e05fd5bbc870c6)},
    };
    uint8_t message[64];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_true(siphash13(message, vectors[i].size, zero_key) == vectors[i].hash);
    assert_true(siphash13("siphash", 7, zero_key) == UINT64_C(0x8264ceeccb16bcbe));
    assert_true(siphash13("abc", 3, zero_key) == UINT64_C(0xc03bc3a0042630f2));
    assert_true(siphash13("kademlia", 8, zero_key) == UINT64_C(0x06c1906d2cda6ff8));
}

static void an_empty_map_finds_nothing(void **state)
{
    (void)state;
    struct map *m = map_new(4, zero_key);
    size_t position = 0;
    assert_null(map_get(m, "abcd"));
    assert_null(map_remove(m, "abcd"));
    assert_null(map_next(m, &position, NULL));
    assert_int_equal(map_count(m), 0);
    map_free(m);
    map_free(NULL);
}

static void putting_a_key_again_replaces_its_value(void **state)
{
    (void)state;
    int a, b;
    struct map *m = map_new(4, zero_key);
    assert_int_equal(map_put(m, "abcd", &a), 0);
    assert_int_equal(map_put(m, "abcd", &b), 0);
    assert_int_equal(map_count(m), 1);
    assert_ptr_equal(map_get(m, "abcd"), &b);
    assert_ptr_equal(map_remove(m, "abcd"), &b);
    assert_null(map_get(m, "abcd"));
    map_free(m);
}

#define KEYS 3000

static void random_operations_agree_with_a_plain_array(void **state)
{
    (void)state;
    static char values[KEYS];
    static void *plain[KEYS];
    struct map *m = map_new(2, zero_key);
    uint64_t random = 11;
    size_t count = 0;
    for (int step = 0; step < 200000; step++) {
        /* Alternately grow and shrink, so that rebuilds go both ways. */
        bool grow = step / 20000 % 2 == 0;
        uint16_t key = (uint16_t)(next_random(&random) % KEYS);
        if (next_random(&random) % 10 < (grow ? 7u : 2u)) {
            count += !plain[key];
            plain[key] = &values[next_random(&random) % KEYS];
            assert_int_equal(map_put(m, &key, plain[key]), 0);
        } else {
            count -= plain[key] != NULL;
            assert_ptr_equal(map_remove(m, &key), plain[key]);
            plain[key] = NULL;
        }
        uint16_t probe = (uint16_t)(next_random(&random) % KEYS);
        assert_ptr_equal(map_get(m, &probe), plain[probe]);
        assert_int_equal(map_count(m), count);
    }
    for (uint16_t key = 0; key < KEYS; key++)
        assert_ptr_equal(map_get(m, &key), plain[key]);
    map_free(m);
}

static void a_walk_visits_each_entry_once_though_it_removes_them(void **state)
{
    (void)state;
    struct map *m = map_new(2, zero_key);
    static uint8_t seen[1000];
    size_t position = 0;
    const void *key;
    for (uint16_t i = 0; i < 1000; i++)
        assert_int_equal(map_put(m, &i, &seen[i]), 0);
    for (uint8_t *value; (value = map_next(m, &position, &key));) {
        uint16_t number;
        memcpy(&number, key, 2);
        assert_ptr_equal(value, &seen[number]);
        ++*value;
        if (number % 3)
            assert_ptr_equal(map_remove(m, &number), value);
    }
    for (uint16_t i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(map_count(m), 334);
    map_free(m);
}

static void keys_of_64_bytes_are_compared_to_the_last(void **state)
{
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    b[63] = 1;
    struct map *m = map_new(64, zero_key);
    assert_int_equal(map_put(m, a, a), 0);
    assert_int_equal(map_put(m, b, b), 0);
    assert_ptr_equal(map_get(m, a), a);
    assert_ptr_equal(map_get(m, b), b);
    map_free(m);
}

RUN(T(siphash13_agrees_with_the_reference), T(an_empty_map_finds_nothing),
    T(putting_a_key_again_replaces_its_value), T(random_operations_agree_with_a_plain_array),
    T(a_walk_visits_each_entry_once_though_it_removes_them),
    T(keys_of_64_bytes_are_compared_to_the_last))
