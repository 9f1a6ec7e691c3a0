/* Cursor and builder. */
#include "base/bytes.h"
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void a_cursor_reads_big_endian_integers_in_order(void **state)
{
    (void)state;
    const uint8_t wire[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    struct cursor c = cursor_of(bytes_of(wire, sizeof wire));
    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16(&c), 0x0203);
    assert_int_equal(cursor_u32(&c), 0x04050607);
    assert_true(cursor_u64(&c) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(cursor_done(&c));
    assert_true(bytes_equal(cursor_rest(&c), bytes_of(wire + 15, 2)));
    assert_true(cursor_done(&c));
}

static void a_cursor_that_overruns_stays_bad(void **state)
{
    (void)state;
    const uint8_t wire[] = {0xff, 0xff, 0xff};
    struct cursor c = cursor_of(bytes_of(wire, sizeof wire));
    assert_int_equal(cursor_u32(&c), 0);
    assert_false(cursor_ok(&c));
    assert_int_equal(c.left, 0); /* so that loops over what is left end */
    assert_int_equal(cursor_u8(&c), 0);
    assert_int_equal(cursor_rest(&c).size, 0);
    assert_int_equal(cursor_take(&c, 0).size, 0);
    assert_false(cursor_ok(&c));
    assert_false(cursor_done(&c));
}

static void a_cursor_copies_zeros_when_bytes_are_missing(void **state)
{
    (void)state;
    const uint8_t wire[] = {1, 2};
    uint8_t out[4] = {9, 9, 9, 9};
    struct cursor c = cursor_of(bytes_of(wire, sizeof wire));
    cursor_copy(&c, out, 2);
    assert_memory_equal(out, wire, 2);
    cursor_copy(&c, out, 4);
    assert_memory_equal(out, "\0\0\0\0", 4);
    assert_false(cursor_ok(&c));
}

static void a_cursor_over_nothing_is_done_and_takes_nothing(void **state)
{
    (void)state;
    struct cursor c = cursor_of((struct bytes){0});
    assert_true(cursor_done(&c));
    assert_int_equal(cursor_take(&c, 0).size, 0);
    assert_int_equal(cursor_rest(&c).size, 0);
    cursor_skip(&c, 0);
    cursor_copy(&c, NULL, 0);
    assert_true(cursor_done(&c));
    cursor_skip(&c, SIZE_MAX);
    assert_false(cursor_ok(&c));
}

static void a_take_of_a_huge_size_is_refused(void **state)
{
    (void)state;
    const uint8_t wire[8] = {0};
    struct cursor c = cursor_of(bytes_of(wire, sizeof wire));
    cursor_u8(&c);
    assert_null(cursor_take(&c, SIZE_MAX).data);
    assert_false(cursor_ok(&c));
}

static void bytes_compare_as_unsigned_and_shorter_first(void **state)
{
    (void)state;
    assert_true(bytes_compare(bytes_of_str("a"), bytes_of_str("b")) < 0);
    assert_true(bytes_compare(bytes_of_str("ab"), bytes_of_str("a")) > 0);
    assert_true(bytes_compare(bytes_of_str("\xff"), bytes_of_str("a")) > 0);
    assert_int_equal(bytes_compare((struct bytes){0}, bytes_of_str("")), 0);
    assert_true(bytes_compare((struct bytes){0}, bytes_of_str("a")) < 0);
}

static void a_string_copy_ends_in_nul_and_keeps_inner_nuls(void **state)
{
    (void)state;
    char *copy = bytes_dup_str(bytes_of("a\0b", 3));
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = bytes_dup_str((struct bytes){0});
    assert_string_equal(copy, "");
    free(copy);
}

static void what_a_builder_writes_a_cursor_reads(void **state)
{
    (void)state;
    struct builder b = builder_heap(1000);
    builder_u8(&b, 0xfe);
    builder_u16(&b, 0xfedc);
    builder_u32(&b, 0xfedcba98);
    builder_u64(&b, UINT64_C(0xfedcba9876543210));
    builder_str(&b, "text");
    builder_span(&b, (struct bytes){0});
    assert_true(builder_ok(&b));
    struct cursor c = cursor_of(builder_bytes(&b));
    assert_int_equal(cursor_u8(&c), 0xfe);
    assert_int_equal(cursor_u16(&c), 0xfedc);
    assert_true(cursor_u32(&c) == 0xfedcba98);
    assert_true(cursor_u64(&c) == UINT64_C(0xfedcba9876543210));
    assert_true(bytes_equal_str(cursor_rest(&c), "text"));
    assert_true(cursor_done(&c));
    builder_free(&b);
}

static void a_fixed_builder_fills_its_buffer_and_no_more(void **state)
{
    (void)state;
    uint8_t buffer[5] = {0};
    struct builder b = builder_fixed(buffer, 4);
    builder_u32(&b, 0x01020304);
    assert_true(builder_ok(&b));
    builder_u8(&b, 5);
    assert_false(builder_ok(&b));
    assert_int_equal(b.size, 4);
    assert_int_equal(buffer[4], 0);
    builder_u8(&b, 5);
    assert_false(builder_ok(&b));
}

static void a_heap_builder_grows_to_its_bound_exactly(void **state)
{
    (void)state;
    struct builder b = builder_heap(1000);
    for (int i = 0; i < 1000; i++)
        builder_u8(&b, (uint8_t)i);
    assert_true(builder_ok(&b));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    assert_int_equal(strlen(builder_text(&b)), 0); /* full, and the first byte is a NUL of ours */
    assert_true(builder_ok(&b));
    builder_u8(&b, 0);
    assert_false(builder_ok(&b));
    assert_int_equal(b.size, 1000);
    builder_free(&b);
}

static void a_reserve_that_overflows_is_refused(void **state)
{
    (void)state;
    struct builder b = builder_heap(SIZE_MAX);
    builder_u8(&b, 1);
    assert_null(builder_reserve(&b, SIZE_MAX));
    assert_false(builder_ok(&b));
    builder_free(&b);
}

static void a_fixed_builder_of_no_room_takes_nothing_but_nothing(void **state)
{
    (void)state;
    uint8_t buffer[1];
    struct builder b = builder_fixed(buffer, 0);
    builder_bytes_put(&b, NULL, 0);
    assert_true(builder_ok(&b));
    assert_non_null(builder_reserve(&b, 0));
    assert_null(builder_reserve(&b, 1));
}

static void builder_text_ends_in_a_nul_that_is_not_counted(void **state)
{
    (void)state;
    char buffer[4];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    builder_str(&b, "abc");
    assert_string_equal(builder_text(&b), "abc");
    assert_int_equal(b.size, 3);
    builder_u8(&b, 'd');
    assert_true(builder_ok(&b));
    assert_string_equal(builder_text(&b), ""); /* no room for the NUL */
    assert_false(builder_ok(&b));

    struct builder empty = builder_heap(10);
    assert_string_equal(builder_text(&empty), "");
    builder_free(&empty);
}

static void a_format_fits_exactly_or_not_at_all(void **state)
{
    (void)state;
    char buffer[5];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    builder_format(&b, "%d", 12345);
    assert_true(builder_ok(&b));
    assert_memory_equal(buffer, "12345", 5);
    builder_format(&b, "%s", "");
    assert_true(builder_ok(&b));
    builder_format(&b, "%d", 6);
    assert_false(builder_ok(&b));
}

static void a_long_format_is_not_cut(void **state)
{
    (void)state;
    struct builder b = builder_heap(5000);
    for (int width = 510; width <= 514; width++)
        builder_format(&b, "%*d", width, 7);
    builder_format(&b, "%2000d", 7);
    assert_true(builder_ok(&b));
    assert_int_equal(b.size, 510 + 511 + 512 + 513 + 514 + 2000);
    assert_int_equal(b.data[b.size - 1], '7');
    builder_free(&b);
    assert_false(builder_ok(&b));
}

static void a_number_is_written_in_the_digits_that_it_needs(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 9, 10, 1000000, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char expected[32], buffer[32];
        snprintf(expected, sizeof expected, "%" PRIu64, numbers[i]);
        struct builder b = builder_fixed(buffer, strlen(expected));
        builder_number(&b, numbers[i]);
        assert_true(builder_ok(&b));
        assert_int_equal(b.size, strlen(expected));
        assert_memory_equal(buffer, expected, b.size);
        builder_number(&b, 0);
        assert_false(builder_ok(&b));
    }
}

RUN(T(a_cursor_reads_big_endian_integers_in_order), T(a_cursor_that_overruns_stays_bad),
    T(a_cursor_copies_zeros_when_bytes_are_missing),
    T(a_cursor_over_nothing_is_done_and_takes_nothing), T(a_take_of_a_huge_size_is_refused),
    T(bytes_compare_as_unsigned_and_shorter_first),
    T(a_string_copy_ends_in_nul_and_keeps_inner_nuls), T(what_a_builder_writes_a_cursor_reads),
    T(a_fixed_builder_fills_its_buffer_and_no_more), T(a_heap_builder_grows_to_its_bound_exactly),
    T(a_reserve_that_overflows_is_refused), T(a_fixed_builder_of_no_room_takes_nothing_but_nothing),
    T(builder_text_ends_in_a_nul_that_is_not_counted), T(a_format_fits_exactly_or_not_at_all),
    T(a_long_format_is_not_cut), T(a_number_is_written_in_the_digits_that_it_needs))
