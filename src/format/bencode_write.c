/* The writer, and what needs a dictionary's keys in order: finding repeated ones, and writing a
 * value again canonically. See bencode.h. */
#include "base/err.h"
#include "format/bencode.h"
#include <stdlib.h>

void bencode_put_integer(struct builder *b, int64_t value)
{
    builder_str(b, value < 0 ? "i-" : "i");
    builder_number(b, value < 0 ? -(uint64_t)value : (uint64_t)value);
    builder_u8(b, 'e');
}

void bencode_put_string(struct builder *b, struct bytes value)
{
    builder_number(b, value.size);
    builder_u8(b, ':');
    builder_span(b, value);
}

void bencode_put_str(struct builder *b, const char *value)
{
    bencode_put_string(b, bytes_of_str(value));
}

struct entry {
    struct bytes key;
    struct bencode_value value;
};

/* By key; equal keys as they stand in the input, so that the first stays first. */
static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = bytes_compare(a->key, b->key);
    if (order != 0)
        return order;
    return a->value.token < b->value.token ? -1 : a->value.token > b->value.token;
}

static bool keys_ascend(struct bencode_value dict)
{
    struct bytes before = bytes_of(NULL, 0);
    bool first = true;
    for (struct bencode_iterator i = bencode_iterate(dict); bencode_next(&i); first = false) {
        if (!first && bytes_compare(before, i.key) >= 0)
            return false;
        before = i.key;
    }
    return true;
}

/* A dictionary's entries, sorted; NULL without memory. */
static struct entry *sorted_entries(struct bencode_value dict, size_t *count)
{
    *count = bencode_count(dict);
    struct entry *entries = malloc((*count + 1) * sizeof *entries);
    if (entries == NULL)
        return NULL;
    size_t n = 0;
    for (struct bencode_iterator i = bencode_iterate(dict); bencode_next(&i);)
        entries[n++] = (struct entry){i.key, i.value};
    qsort(entries, n, sizeof *entries, compare_entries);
    return entries;
}

int bencode_has_duplicate_keys(struct bencode_value dict)
{
    if (bencode_type(dict) != BENCODE_DICT || keys_ascend(dict))
        return 0;
    size_t count;
    struct entry *entries = sorted_entries(dict, &count);
    if (entries == NULL)
        return ERR_NOMEM;
    bool found = false;
    for (size_t i = 1; i < count && !found; i++)
        found = bytes_equal(entries[i - 1].key, entries[i].key);
    free(entries);
    return found;
}

/* Digits without leading zeros, and no minus before zero: integers may be longer than 64 bits. */
static void put_integer_again(struct builder *b, struct bytes raw)
{
    struct cursor c = cursor_of(raw);
    cursor_skip(&c, 1);
    bool negative = *c.at == '-';
    if (negative)
        cursor_skip(&c, 1);
    while (c.left > 2 && *c.at == '0')
        cursor_skip(&c, 1);
    bool zero = *c.at == '0';
    builder_str(b, negative && !zero ? "i-" : "i");
    builder_span(b, cursor_rest(&c));
}

static int put_dict_again(struct builder *b, struct bencode_value dict)
{
    size_t count;
    struct entry *entries = sorted_entries(dict, &count);
    if (entries == NULL)
        return ERR_NOMEM;
    int err = 0;
    bencode_begin_dict(b);
    for (size_t i = 0; i < count && err == 0; i++) {
        if (i > 0 && bytes_equal(entries[i - 1].key, entries[i].key))
            continue;
        bencode_put_string(b, entries[i].key);
        err = bencode_put_canonical(b, entries[i].value);
    }
    bencode_end(b);
    free(entries);
    return err;
}

/* Recursive: at most BENCODE_DEPTH_MAX deep, because the reader refuses more. */
int bencode_put_canonical(struct builder *b, struct bencode_value v)
{
    struct bytes text;
    int err = 0;
    switch (bencode_type(v)) {
    case BENCODE_ABSENT:
        return ERR_INVALID;
    case BENCODE_INTEGER:
        put_integer_again(b, bencode_raw(v));
        return 0;
    case BENCODE_STRING:
        bencode_string(v, &text);
        bencode_put_string(b, text);
        return 0;
    case BENCODE_DICT:
        return put_dict_again(b, v);
    case BENCODE_LIST:
        bencode_begin_list(b);
        for (struct bencode_iterator i = bencode_iterate(v); err == 0 && bencode_next(&i);)
            err = bencode_put_canonical(b, i.value);
        bencode_end(b);
        return err;
    }
    return ERR_INVALID;
}
