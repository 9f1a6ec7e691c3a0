/* Any bytes into both readers. What parses is walked, written again canonically, and that must
 * parse strictly, be a fixed point, and have what the original had. */
#include "base/err.h"
#include "format/bencode.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Every value lies within its parent's bytes; every key of a dictionary is found. */
static void walk(struct bencode_value v, struct bytes parent, unsigned depth)
{
    struct bytes raw = bencode_raw(v), text;
    int64_t number;
    check(depth <= BENCODE_DEPTH_MAX && raw.size > 0);
    check(raw.data >= parent.data && raw.data + raw.size <= parent.data + parent.size);
    check(!(bencode_string(v, &text) && bencode_integer(v, &number)));
    size_t count = 0;
    for (struct bencode_iterator i = bencode_iterate(v); bencode_next(&i); count++) {
        if (bencode_type(v) == BENCODE_DICT && count < 8)
            check(bencode_present(bencode_get_bytes(v, i.key)));
        walk(i.value, raw, depth + 1);
    }
    check(count == bencode_count(v));
}

static void check_canonical(const struct bencode *doc, struct bytes input)
{
    struct builder once = builder_heap(16 * input.size + 64);
    struct builder twice = builder_heap(16 * input.size + 64);
    struct bencode again;
    check(bencode_put_canonical(&once, bencode_root(doc)) == 0 && builder_ok(&once));
    check(bencode_parse(&again, builder_bytes(&once), BENCODE_STRICT, 0) == 0);
    check(again.canonical && bencode_type(bencode_root(&again)) == bencode_type(bencode_root(doc)));
    check(bencode_put_canonical(&twice, bencode_root(&again)) == 0);
    check(bytes_equal(builder_bytes(&once), builder_bytes(&twice)));
    /* Strict means: there was nothing to change. */
    check(doc->canonical == bytes_equal(builder_bytes(&once), bencode_raw(bencode_root(doc))));
    bencode_free(&again);
    builder_free(&once);
    builder_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct bencode strict, tolerant, small;
    struct bencode_token tokens[16];
    int strict_err = bencode_parse(&strict, input, BENCODE_STRICT, 0);
    int err = bencode_parse(&tolerant, input, BENCODE_TOLERANT, 0);
    int small_err = bencode_parse_into(&small, input, BENCODE_TOLERANT, tokens, 16);
    check(err == 0 || strict_err < 0);
    check(small_err == err || small_err == ERR_LIMIT);
    if (err == 0) {
        check(tolerant.consumed <= size);
        check((strict_err == 0) == (tolerant.canonical && tolerant.consumed == size));
        check((small_err == 0) == (tolerant.count <= 16));
        walk(bencode_root(&tolerant), input, 0);
        check_canonical(&tolerant, input);
    } else {
        check(tolerant.bad_at <= size && !bencode_present(bencode_root(&tolerant)));
    }
    bencode_free(&strict);
    bencode_free(&tolerant);
    bencode_free(&small);
    return 0;
}
