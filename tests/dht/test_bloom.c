/* BEP 33's filter, with the vector of its text. */
#include "tests/base/check.h"

#include "base/text.h"
#include "dht/bloom.h"

static const char vector[] =
    "F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE"
    "FE5EEDB1FBFAFF67F6ABFF5E43DDBCA3FD9B9FFDF4FFD3E9DFF12D1BDF59DB53DBE9FA5B"
    "7FF3B8FDFCDE1AFB8BEDD7BE2F3EE71EBBBFE93BCDEEFE148246C2BC5DBFF7E7EFDCF24F"
    "D8DC7ADFFD8FFFDFDDFFF7A4BBEEDF5CB95CE81FC7FCFF1FF4FFFFDFE5F7FDCBB7FD79B3"
    "FA1FC77BFE07FFF905B7B7FFC7FEFEFFE0B8370BB0CD3F5B7F2BD93FEB4386CFDD6F7FD5"
    "BFAF2E9EBFFFFEECD67ADBF7C67F17EFD5D75EBA6FFEBA7FFF47A91EB1BFBB53E8ABFB57"
    "62ABE8FF237279BFEFBFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6"
    "FD8F72EF";

static void the_vector_of_bep_33_comes_out(void **state)
{
    (void)state;
    uint8_t filter[BLOOM_SIZE] = {0}, expected[BLOOM_SIZE];
    for (uint32_t i = 0; i < 256; i++) {
        struct endpoint e = endpoint_v4(0xc0000200 + i, 1);
        bloom_add(filter, &e);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i};
        struct endpoint e = endpoint_from_ip6(ip, 1);
        bloom_add(filter, &e);
    }
    assert_int_equal(hex_decode(bytes_of_str(vector), expected, sizeof expected), 0);
    assert_memory_equal(filter, expected, sizeof filter);
    double estimate = bloom_estimate(filter);
    assert_true(estimate > 1224.9307 && estimate < 1224.9309);
}

static void a_union_counts_both_and_nothing_twice(void **state)
{
    (void)state;
    uint8_t a[BLOOM_SIZE] = {0}, b[BLOOM_SIZE] = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct endpoint e = endpoint_v4(0x08000000 + i * 977, 1);
        bloom_add(i < 60 ? a : b, &e);
        if (i >= 40)
            bloom_add(b, &e);
    }
    bloom_join(a, b);
    assert_true(bloom_estimate(a) > 95 && bloom_estimate(a) < 105);
}

static void the_empty_and_the_full_filter_have_a_size(void **state)
{
    (void)state;
    uint8_t filter[BLOOM_SIZE] = {0};
    assert_true(bloom_estimate(filter) == 0);
    memset(filter, 0xff, sizeof filter);
    assert_true(bloom_estimate(filter) > 6000 && bloom_estimate(filter) < 10000);
}

RUN(T(the_vector_of_bep_33_comes_out), T(a_union_counts_both_and_nothing_twice),
    T(the_empty_and_the_full_filter_have_a_size))
