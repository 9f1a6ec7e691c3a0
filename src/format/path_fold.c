/* The form under which names are the same to a file system that folds case or normalises: see
 * path_fold in path.h. Canonical decomposition and full case folding by one table, Hangul by
 * arithmetic (Unicode 3.12). */
#include "base/text.h"
#include "format/path.h"

struct fold_entry {
    uint32_t from;
    char to[12]; /* UTF-8, padded with NULs; all 12 may be used */
};

static const struct fold_entry fold_table[] = {
#include "format/path_fold_table.inc"
};
#define FOLD_COUNT (sizeof fold_table / sizeof fold_table[0])

/* NULL: it folds to itself. */
static const struct fold_entry *find_entry(uint32_t code_point)
{
    size_t low = 0, high = FOLD_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fold_table[middle].from < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < FOLD_COUNT && fold_table[low].from == code_point ? &fold_table[low] : NULL;
}

#define HANGUL_FIRST 0xac00u
#define HANGUL_COUNT 11172u
#define HANGUL_VOWELS 21u
#define HANGUL_TAILS 28u

static void put_hangul(uint32_t index, struct builder *out)
{
    utf8_put(out, 0x1100u + index / (HANGUL_VOWELS * HANGUL_TAILS));
    utf8_put(out, 0x1161u + index / HANGUL_TAILS % HANGUL_VOWELS);
    if (index % HANGUL_TAILS != 0)
        utf8_put(out, 0x11a7u + index % HANGUL_TAILS);
}

static void fold_wide(uint32_t code_point, struct builder *out)
{
    if (code_point - HANGUL_FIRST < HANGUL_COUNT) {
        put_hangul(code_point - HANGUL_FIRST, out);
        return;
    }
    const struct fold_entry *entry = find_entry(code_point);
    if (entry == NULL)
        utf8_put(out, code_point);
    else
        builder_bytes_put(out, entry->to, strnlen(entry->to, sizeof entry->to));
}

void path_fold(struct bytes path, struct builder *out)
{
    struct cursor c = cursor_of(path);
    while (c.left > 0) {
        uint32_t code_point;
        cursor_skip(&c, utf8_next(bytes_of(c.at, c.left), &code_point));
        if (code_point >= 'A' && code_point <= 'Z')
            builder_u8(out, (uint8_t)(code_point - 'A' + 'a'));
        else if (code_point < 0x80)
            builder_u8(out, (uint8_t)code_point);
        else
            fold_wide(code_point, out);
    }
}
