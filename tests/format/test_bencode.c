/* Bencode: what parses, what does not, what is found in it, and writing it again. */
#include "base/err.h"
#include "format/bencode.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int parse(struct bencode *doc, const char *text, enum bencode_mode mode)
{
    return bencode_parse(doc, bytes_of_str(text), mode, 0);
}

static void the_examples_of_bep_3_parse(void **state)
{
    (void)state;
    static const char *const good[] = {"4:spam", "i3e", "i-3e", "i0e", "l4:spam4:eggse",
        "d3:cow3:moo4:spam4:eggse", "d4:spaml1:a1:bee", "0:", "le", "de",
        "d9:publisher3:bob17:publisher-webpage15:www.example.com18:publisher.location4:homee"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct bencode doc;
        assert_int_equal(parse(&doc, good[i], BENCODE_STRICT), 0);
        assert_int_equal(doc.consumed, strlen(good[i]));
        assert_true(doc.canonical);
        assert_true(bytes_equal_str(bencode_raw(bencode_root(&doc)), good[i]));
        bencode_free(&doc);
    }
}

static void broken_bytes_are_refused_in_both_modes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
    } bad[] = {
        {"", ERR_TRUNCATED},
        {"e", ERR_SYNTAX},
        {"x", ERR_SYNTAX},
        {"-1:a", ERR_SYNTAX},
        {"ie", ERR_SYNTAX},
        {"i-e", ERR_SYNTAX},
        {"i1", ERR_TRUNCATED},
        {"i1x", ERR_SYNTAX},
        {"i--1e", ERR_SYNTAX},
        {"i+1e", ERR_SYNTAX},
        {"i 1e", ERR_SYNTAX},
        {"i1.5e", ERR_SYNTAX},
        {"i", ERR_TRUNCATED},
        {"i-", ERR_TRUNCATED},
        {"5:spam", ERR_TRUNCATED},
        {"4spam", ERR_SYNTAX},
        {"4", ERR_TRUNCATED},
        {"l", ERR_TRUNCATED},
        {"d", ERR_TRUNCATED},
        {"d1:ae", ERR_SYNTAX},
        {"di1e1:ae", ERR_SYNTAX},
        {"dle1:ae", ERR_SYNTAX},
        {"d1:a", ERR_TRUNCATED},
        {"l4:spam", ERR_TRUNCATED},
        {"99999999999999999999:", ERR_LIMIT},
        {"184467440737095516161:", ERR_LIMIT},
        {"4294967295:a", ERR_TRUNCATED},
        {"000000000000000000000000000001:a", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bencode doc;
        assert_int_equal(parse(&doc, bad[i].text, BENCODE_STRICT), bad[i].err);
        assert_int_equal(parse(&doc, bad[i].text, BENCODE_TOLERANT), bad[i].err);
        assert_int_equal(doc.count, 0);
        assert_false(bencode_present(bencode_root(&doc)));
        bencode_free(&doc);
    }
}

static void what_is_not_canonical_is_refused_when_strict_and_noted_when_tolerant(void **state)
{
    (void)state;
    static const char *const loose[] = {"i03e", "i-0e", "i-03e", "i00e", "04:spam",
        "d4:spam1:a3:cow1:be", "d1:a1:x1:a1:ye", "ld1:b0:1:a0:ee", "d1:ali01eee"};
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        struct bencode doc;
        assert_int_equal(parse(&doc, loose[i], BENCODE_STRICT), ERR_SYNTAX);
        int err = parse(&doc, loose[i], BENCODE_TOLERANT);
        assert_int_equal(err, 0);
        assert_false(doc.canonical);
        bencode_free(&doc);
    }
}

static void trailing_bytes_are_reported_by_consumed(void **state)
{
    (void)state;
    struct bencode doc;
    assert_int_equal(parse(&doc, "i1eDATA", BENCODE_STRICT), ERR_SYNTAX);
    assert_int_equal(parse(&doc, "d5:piecei0ee\x01\x02", BENCODE_TOLERANT), 0);
    assert_int_equal(doc.consumed, 12);
    assert_true(doc.canonical);
    bencode_free(&doc);
}

static void the_first_of_repeated_keys_counts(void **state)
{
    (void)state;
    struct bencode doc;
    int64_t value;
    assert_int_equal(parse(&doc, "d1:bi1e1:ai2e1:bi3ee", BENCODE_TOLERANT), 0);
    assert_true(bencode_get_integer(bencode_root(&doc), "b", &value));
    assert_int_equal(value, 1);
    assert_true(bencode_has_duplicate_keys(bencode_root(&doc)));
    bencode_free(&doc);
    assert_int_equal(parse(&doc, "d1:bi1e1:ai2ee", BENCODE_TOLERANT), 0);
    assert_false(bencode_has_duplicate_keys(bencode_root(&doc)));
    bencode_free(&doc);
}

static void absent_values_answer_every_question_with_no(void **state)
{
    (void)state;
    struct bencode doc;
    struct bytes text;
    int64_t number;
    assert_int_equal(parse(&doc, "d1:ad1:b3:xyzee", BENCODE_STRICT), 0);
    struct bencode_value root = bencode_root(&doc);
    struct bencode_value none = bencode_get(bencode_get(root, "x"), "y");
    assert_false(bencode_present(none));
    assert_int_equal(bencode_type(none), BENCODE_ABSENT);
    assert_false(bencode_string(none, &text));
    assert_false(bencode_integer(none, &number));
    assert_int_equal(bencode_raw(none).size, 0);
    assert_int_equal(bencode_count(none), 0);
    struct bencode_iterator i = bencode_iterate(none);
    assert_false(bencode_next(&i));
    assert_false(bencode_get_integer(bencode_get(root, "a"), "b", &number));
    assert_true(bencode_get_string(bencode_get(root, "a"), "b", &text));
    assert_true(bytes_equal_str(text, "xyz"));
    assert_false(bencode_present(bencode_get_typed(root, "a", BENCODE_LIST)));
    bencode_free(&doc);
}

static void integers_have_64_bits_and_larger_ones_are_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {{"i9223372036854775807e", true, INT64_MAX},
        {"i-9223372036854775808e", true, INT64_MIN}, {"i9223372036854775808e", false, 0},
        {"i-9223372036854775809e", false, 0}, {"i123456789012345678901234567890e", false, 0},
        {"i-1e", true, -1}, {"i0e", true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bencode doc;
        int64_t value = 7;
        assert_int_equal(parse(&doc, cases[i].text, BENCODE_STRICT), 0);
        assert_int_equal(bencode_integer(bencode_root(&doc), &value), cases[i].fits);
        assert_true(value == cases[i].value);
        bencode_free(&doc);
    }
}

static void lists_and_dictionaries_are_walked_in_order(void **state)
{
    (void)state;
    struct bencode doc;
    assert_int_equal(parse(&doc, "d1:ali1eli2eee1:bd0:i3ee1:c0:e", BENCODE_STRICT), 0);
    struct bencode_iterator i = bencode_iterate(bencode_root(&doc));
    assert_true(bencode_next(&i));
    assert_true(bytes_equal_str(i.key, "a"));
    assert_int_equal(bencode_count(i.value), 2);
    assert_true(bytes_equal_str(bencode_raw(i.value), "li1eli2eee"));
    assert_true(bencode_next(&i));
    assert_true(bytes_equal_str(i.key, "b"));
    int64_t three;
    assert_true(bencode_get_integer(i.value, "", &three));
    assert_int_equal(three, 3);
    assert_true(bencode_next(&i));
    assert_true(bytes_equal_str(i.key, "c"));
    assert_false(bencode_next(&i));
    bencode_free(&doc);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * BENCODE_DEPTH_MAX + 3];
    for (unsigned depth = BENCODE_DEPTH_MAX; depth <= BENCODE_DEPTH_MAX + 1; depth++) {
        memset(text, 'l', depth);
        memset(text + depth, 'e', depth);
        struct bencode doc;
        int err = bencode_parse(&doc, bytes_of(text, 2 * depth), BENCODE_STRICT, 0);
        assert_int_equal(err, depth > BENCODE_DEPTH_MAX ? ERR_LIMIT : 0);
        bencode_free(&doc);
    }
    size_t bomb = 1 << 20;
    char *deep = malloc(bomb);
    memset(deep, 'd', bomb);
    struct bencode doc;
    assert_int_equal(bencode_parse(&doc, bytes_of(deep, bomb), BENCODE_TOLERANT, 0), ERR_SYNTAX);
    memset(deep, 'l', bomb);
    assert_int_equal(bencode_parse(&doc, bytes_of(deep, bomb), BENCODE_TOLERANT, 0), ERR_LIMIT);
    free(deep);
}

static void tokens_are_bounded_and_may_be_the_callers(void **state)
{
    (void)state;
    struct bencode_token tokens[4];
    struct bencode doc;
    struct bytes three = bytes_of_str("li1ei2ei3ee"), four = bytes_of_str("li1ei2ei3ei4ee");
    assert_int_equal(bencode_parse_into(&doc, three, BENCODE_STRICT, tokens, 4), 0);
    assert_int_equal(doc.count, 4);
    bencode_free(&doc);
    assert_int_equal(bencode_parse_into(&doc, four, BENCODE_STRICT, tokens, 4), ERR_LIMIT);
    assert_int_equal(bencode_parse(&doc, four, BENCODE_STRICT, 4), ERR_LIMIT);
    assert_int_equal(bencode_parse(&doc, four, BENCODE_STRICT, 5), 0);
    bencode_free(&doc);
}

static void a_value_is_read_out_of_a_copy_of_its_bytes(void **state)
{
    (void)state;
    struct bencode doc, within;
    char text[] = "d1:ai5e4:infod3:key5:value4:listli7eee1:zi9ee";
    assert_int_equal(bencode_parse(&doc, bytes_of_str(text), BENCODE_STRICT, 0), 0);
    struct bencode_value info = bencode_get(bencode_root(&doc), "info");
    char *copy = bytes_dup_str(bencode_raw(info));
    struct bytes all = bytes_of_str(copy), value;
    memset(text, 'x', sizeof text - 1); /* what was there is not looked at again */
    info = bencode_rebind(info, all, &within);
    assert_true(bytes_equal(bencode_raw(info), all));
    assert_true(bencode_get_string(info, "key", &value));
    assert_ptr_equal(value.data, copy + 8);
    assert_true(bytes_equal_str(bencode_raw(bencode_get(info, "list")), "li7ee"));
    assert_int_equal(bencode_count(info), 2);
    assert_false(bencode_present(bencode_rebind(bencode_get(info, "none"), all, &within)));
    free(copy);
    bencode_free(&doc);
}

static void errors_say_where(void **state)
{
    (void)state;
    struct bencode doc;
    assert_int_equal(parse(&doc, "d1:ai1e1:bxe", BENCODE_STRICT), ERR_SYNTAX);
    assert_int_equal(doc.bad_at, 10);
}

static void what_is_written_parses_and_canonical_form_is_reached_in_one_step(void **state)
{
    (void)state;
    struct builder b = builder_heap(1024);
    bencode_begin_dict(&b);
    bencode_put_key(&b, "a");
    bencode_put_integer(&b, INT64_MIN);
    bencode_put_key(&b, "b");
    bencode_begin_list(&b);
    bencode_put_str(&b, "");
    bencode_put_string(&b, bytes_of("\0\xff", 2));
    bencode_end(&b);
    bencode_end(&b);
    struct bencode doc;
    assert_int_equal(bencode_parse(&doc, builder_bytes(&b), BENCODE_STRICT, 0), 0);
    bencode_free(&doc);
    builder_free(&b);

    b = builder_heap(1024);
    assert_int_equal(parse(&doc, "d2:zzi-0e1:bl03:abcli007eee1:bi1e1:ai-00012345678901234567890ee",
                         BENCODE_TOLERANT),
        0);
    assert_int_equal(bencode_put_canonical(&b, bencode_root(&doc)), 0);
    assert_true(
        bytes_equal_str(builder_bytes(&b), "d1:ai-12345678901234567890e1:bl3:abcli7eee2:zzi0ee"));
    bencode_free(&doc);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_bep_3_parse),
        cmocka_unit_test(broken_bytes_are_refused_in_both_modes),
        cmocka_unit_test(what_is_not_canonical_is_refused_when_strict_and_noted_when_tolerant),
        cmocka_unit_test(trailing_bytes_are_reported_by_consumed),
        cmocka_unit_test(the_first_of_repeated_keys_counts),
        cmocka_unit_test(absent_values_answer_every_question_with_no),
        cmocka_unit_test(integers_have_64_bits_and_larger_ones_are_not_there),
        cmocka_unit_test(lists_and_dictionaries_are_walked_in_order),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(tokens_are_bounded_and_may_be_the_callers),
        cmocka_unit_test(a_value_is_read_out_of_a_copy_of_its_bytes),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(what_is_written_parses_and_canonical_form_is_reached_in_one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
