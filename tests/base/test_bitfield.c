/* Bitfield, against a plain array of bools. */
#include "base/bitfield.h"
#include "base/err.h"
#include "check.h"

static void piece_zero_is_the_high_bit_of_the_first_byte(void **state)
{
    (void)state;
    struct bitfield f;
    assert_int_equal(bitfield_init(&f, 10), 0);
    assert_true(bitfield_set(&f, 0));
    assert_true(bitfield_set(&f, 9));
    assert_false(bitfield_set(&f, 9));
    assert_false(bitfield_set(&f, 10));
    assert_false(bitfield_clear(&f, 10));
    assert_false(bitfield_get(&f, UINT32_MAX));
    assert_memory_equal(bitfield_wire(&f).data, "\x80\x40", 2);
    assert_int_equal(f.count, 2);
    bitfield_free(&f);
}

static void a_wire_of_wrong_length_or_with_spare_bits_is_refused(void **state)
{
    (void)state;
    struct bitfield f;
    assert_int_equal(bitfield_init(&f, 10), 0);
    assert_int_equal(bitfield_load(&f, bytes_of("\xff\xc0", 2)), 0);
    assert_true(bitfield_full(&f));
    assert_int_equal(bitfield_load(&f, bytes_of("\xff\xe0", 2)), ERR_SYNTAX);
    assert_int_equal(bitfield_load(&f, bytes_of("\xff", 1)), ERR_SYNTAX);
    assert_int_equal(bitfield_load(&f, bytes_of("\xff\xc0\x00", 3)), ERR_SYNTAX);
    assert_int_equal(f.count, 10); /* as it was */
    bitfield_free(&f);
}

static void a_bitfield_of_no_pieces_is_full_and_empty(void **state)
{
    (void)state;
    struct bitfield f;
    assert_int_equal(bitfield_init(&f, 0), 0);
    assert_true(bitfield_full(&f));
    assert_int_equal(bitfield_load(&f, (struct bytes){0}), 0);
    bitfield_set_all(&f);
    bitfield_clear_all(&f);
    assert_int_equal(bitfield_next_set(&f, 0), 0);
    assert_int_equal(bitfield_next_clear(&f, 0), 0);
    bitfield_free(&f);
}

static void set_all_leaves_spare_bits_clear(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 70; size++) {
        struct bitfield f, loaded;
        assert_int_equal(bitfield_init(&f, size), 0);
        assert_int_equal(bitfield_init(&loaded, size), 0);
        bitfield_set_all(&f);
        assert_int_equal(bitfield_load(&loaded, bitfield_wire(&f)), 0);
        assert_true(bitfield_full(&loaded));
        bitfield_clear_all(&f);
        assert_int_equal(f.count, 0);
        assert_int_equal(bitfield_next_set(&f, 0), size);
        bitfield_free(&f);
        bitfield_free(&loaded);
    }
}

static uint32_t search(const bool *bits, uint32_t size, uint32_t from, bool wanted)
{
    while (from < size && bits[from] != wanted)
        from++;
    return from < size ? from : size;
}

static void searches_agree_with_a_plain_array(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int round = 0; round < 300; round++) {
        uint32_t size = 1 + (uint32_t)(next_random(&random) % 300);
        unsigned density = (unsigned)(next_random(&random) % 101);
        struct bitfield f;
        bool plain[300] = {false};
        uint32_t count = 0;
        assert_int_equal(bitfield_init(&f, size), 0);
        for (uint32_t i = 0; i < size; i++) {
            plain[i] = next_random(&random) % 100 < density;
            count += plain[i];
            assert_true(bitfield_set(&f, i));
            if (!plain[i])
                assert_true(bitfield_clear(&f, i));
        }
        assert_int_equal(f.count, count);
        for (uint32_t i = 0; i <= size + 2; i++) {
            assert_int_equal(bitfield_next_set(&f, i), search(plain, size, i, true));
            assert_int_equal(bitfield_next_clear(&f, i), search(plain, size, i, false));
        }
        bitfield_free(&f);
    }
}

static void any_missing_sees_a_single_bit_wherever_it_is(void **state)
{
    (void)state;
    struct bitfield a, b;
    assert_int_equal(bitfield_init(&a, 133), 0);
    assert_int_equal(bitfield_init(&b, 133), 0);
    bitfield_set_all(&b);
    assert_false(bitfield_any_missing(&a, &b));
    for (uint32_t i = 0; i < 133; i++) {
        bitfield_clear(&b, i);
        assert_false(bitfield_any_missing(&a, &b));
        bitfield_set(&a, i);
        assert_true(bitfield_any_missing(&a, &b));
        for (uint32_t from = 0; from <= 133; from++)
            assert_int_equal(bitfield_next_missing(&a, &b, from), from <= i ? i : 133);
        bitfield_set(&b, i);
        assert_false(bitfield_any_missing(&a, &b));
    }
    bitfield_free(&a);
    bitfield_free(&b);
}

RUN(T(piece_zero_is_the_high_bit_of_the_first_byte),
    T(a_wire_of_wrong_length_or_with_spare_bits_is_refused),
    T(a_bitfield_of_no_pieces_is_full_and_empty), T(set_all_leaves_spare_bits_clear),
    T(searches_agree_with_a_plain_array), T(any_missing_sees_a_single_bit_wherever_it_is))
