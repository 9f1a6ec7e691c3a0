/* What a stranger's torrent may cost: inputs of a few megabytes that took minutes where the work
 * for each file grew with the number of files, or with how deep they lie. A runner's patience ends
 * long before that; nothing here looks at the clock. */
#include "base/err.h"
#include "format/metainfo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct metainfo *parse_info(struct builder *info)
{
    struct metainfo *m = NULL;
    struct format_error error;
    assert_true(builder_ok(info));
    int err = metainfo_parse_info(builder_bytes(info), &m, &error);
    if (err < 0)
        print_error("%s\n", error.text);
    assert_int_equal(err, 0);
    builder_free(info);
    return m;
}

/* Names of 255 bytes that differ in three characters at their end alone, which any number cuts
 * off, and in a control character that becomes '_': so each has a twin. */
static void put_twin(struct builder *b, unsigned number, char control)
{
    builder_str(b, "255:");
    for (unsigned i = 0; i < 125; i++)
        builder_str(b, "\xc3\xa9");
    builder_u8(b, (uint8_t)control);
    builder_format(b, "%04u", number);
    builder_str(b, "d0:d6:lengthi0eee");
}

static void names_that_compete_for_numbers_deep_in_a_tree_cost_their_own_length(void **state)
{
    (void)state;
    enum { DEPTH = 98, PAIRS = 8000 };
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    builder_str(&b, "d9:file treed");
    for (unsigned i = 0; i < DEPTH; i++)
        builder_str(&b,
            "36:\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
            "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
            "d");
    for (unsigned i = 0; i < PAIRS; i++)
        put_twin(&b, i, '\x01');
    for (unsigned i = 0; i < PAIRS; i++)
        put_twin(&b, i, '\x02');
    for (unsigned i = 0; i < DEPTH; i++)
        builder_u8(&b, 'e');
    builder_str(&b, "e12:meta versioni2e4:name1:n12:piece lengthi16384ee");
    struct metainfo *m = parse_info(&b);
    assert_int_equal(m->file_count, 2 * PAIRS);
    metainfo_unref(m);
}

static void long_paths_that_share_no_folder_cost_their_own_length(void **state)
{
    (void)state;
    enum { DEPTH = 99, FILES = 60000 };
    struct builder b = builder_heap(METAINFO_INFO_MAX);
    builder_str(&b, "d5:filesl");
    for (unsigned i = 0; i < FILES; i++) {
        builder_str(&b, i % 2 ? "d6:lengthi0e4:pathl1:a" : "d6:lengthi0e4:pathl1:b");
        for (unsigned d = 1; d < DEPTH; d++)
            builder_str(&b, "1:c");
        builder_format(&b, "5:%05uee", i);
    }
    builder_str(&b, "e4:name1:n12:piece lengthi16384e6:pieces0:e");
    struct metainfo *m = parse_info(&b);
    assert_int_equal(m->file_count, FILES);
    metainfo_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_compete_for_numbers_deep_in_a_tree_cost_their_own_length),
        cmocka_unit_test(long_paths_that_share_no_folder_cost_their_own_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
