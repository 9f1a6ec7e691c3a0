/* The reader: one pass over the bytes with a stack of the containers that are open. See bencode.h.
 */
#include "format/bencode.h"
#include "base/err.h"
#include "base/text.h"
#include <assert.h>
#include <stdlib.h>

#define LENGTH_DIGITS_MAX 20u /* of a string's length, leading zeros included */
#define FIRST_CAPACITY 64u

/* A list or dictionary that is not closed yet. */
struct open_container {
    uint32_t token;
    uint32_t last_key; /* a dictionary's: token of the newest key, 0 if none yet */
    bool value_due;    /* a dictionary's: a key was read, its value was not */
};

struct parser {
    struct bencode *doc;
    struct cursor c;
    enum bencode_mode mode;
    uint32_t token_max;
    unsigned depth;
    struct open_container open[BENCODE_DEPTH_MAX];
};

static uint32_t offset(const struct parser *p)
{
    return (uint32_t)(p->doc->input.size - p->c.left);
}

/* What breaks the canonical form: fatal when strict, noted when tolerant. */
static int not_canonical(struct parser *p)
{
    p->doc->canonical = false;
    return p->mode == BENCODE_STRICT ? ERR_SYNTAX : 0;
}

static int grow(struct parser *p)
{
    struct bencode *doc = p->doc;
    if (!doc->owned || doc->capacity >= p->token_max)
        return ERR_LIMIT;
    uint32_t capacity = doc->capacity < FIRST_CAPACITY / 2 ? FIRST_CAPACITY : doc->capacity * 2;
    if (capacity > p->token_max)
        capacity = p->token_max;
    struct bencode_token *tokens = realloc(doc->tokens, capacity * sizeof *tokens);
    if (tokens == NULL)
        return ERR_NOMEM;
    doc->tokens = tokens;
    doc->capacity = capacity;
    return 0;
}

/* Appends a token that begins here and ends with itself, until somebody knows better. */
static int add_token(struct parser *p, enum bencode_type type)
{
    struct bencode *doc = p->doc;
    if (doc->count == doc->capacity) {
        int err = grow(p);
        if (err < 0)
            return err;
    }
    uint32_t at = offset(p);
    doc->tokens[doc->count] = (struct bencode_token){at, at, doc->count + 1, (uint8_t)type, 0};
    doc->count++;
    return 0;
}

/* The next byte without taking it; 0 at the end, which no rule of bencode begins with. */
static uint8_t peek(const struct parser *p)
{
    return p->c.left > 0 ? *p->c.at : 0;
}

static int parse_integer(struct parser *p)
{
    int err = add_token(p, BENCODE_INTEGER);
    if (err < 0)
        return err;
    cursor_skip(&p->c, 1);
    bool negative = peek(p) == '-';
    if (negative)
        cursor_skip(&p->c, 1);
    uint8_t first = peek(p);
    size_t digits = 0;
    for (; text_is_digit(peek(p)); digits++)
        cursor_skip(&p->c, 1);
    if (p->c.left == 0)
        return ERR_TRUNCATED;
    if (digits == 0 || cursor_u8(&p->c) != 'e')
        return ERR_SYNTAX;
    p->doc->tokens[p->doc->count - 1].end = offset(p);
    return first == '0' && (digits > 1 || negative) ? not_canonical(p) : 0;
}

static int parse_string(struct parser *p)
{
    int err = add_token(p, BENCODE_STRING);
    if (err < 0)
        return err;
    uint64_t length = 0;
    uint8_t first = peek(p);
    uint8_t digits = 0;
    for (; text_is_digit(peek(p)); digits++) {
        if (digits == LENGTH_DIGITS_MAX)
            return ERR_SYNTAX;
        length = length * 10 + (cursor_u8(&p->c) - (unsigned)'0');
        if (length > BENCODE_SIZE_MAX)
            return ERR_LIMIT;
    }
    if (p->c.left == 0)
        return ERR_TRUNCATED;
    if (cursor_u8(&p->c) != ':')
        return ERR_SYNTAX;
    if (length > p->c.left)
        return ERR_TRUNCATED;
    cursor_skip(&p->c, (size_t)length);
    struct bencode_token *t = &p->doc->tokens[p->doc->count - 1];
    t->header = (uint8_t)(digits + 1);
    t->end = offset(p);
    return first == '0' && digits > 1 ? not_canonical(p) : 0;
}

static int open_container(struct parser *p, enum bencode_type type)
{
    if (p->depth == BENCODE_DEPTH_MAX)
        return ERR_LIMIT;
    int err = add_token(p, type);
    if (err < 0)
        return err;
    p->open[p->depth++] = (struct open_container){.token = p->doc->count - 1};
    cursor_skip(&p->c, 1);
    return 0;
}

static int close_container(struct parser *p)
{
    if (p->depth == 0 || p->open[p->depth - 1].value_due)
        return ERR_SYNTAX;
    cursor_skip(&p->c, 1);
    struct bencode_token *t = &p->doc->tokens[p->open[--p->depth].token];
    t->end = offset(p);
    t->next = p->doc->count;
    return 0;
}

static struct bytes token_string(const struct bencode *doc, uint32_t token)
{
    const struct bencode_token *t = &doc->tokens[token];
    struct cursor c = cursor_of(doc->input);
    cursor_skip(&c, t->start - doc->origin + t->header);
    return cursor_take(&c, t->end - t->start - t->header);
}

/* The key that was just read must be greater than the one before it. */
static int check_key_order(struct parser *p, struct open_container *dict)
{
    uint32_t key = p->doc->count - 1;
    uint32_t before = dict->last_key;
    dict->last_key = key;
    if (before == 0)
        return 0;
    bool ascending = bytes_compare(token_string(p->doc, before), token_string(p->doc, key)) < 0;
    return ascending ? 0 : not_canonical(p);
}

static int parse_key(struct parser *p, struct open_container *dict)
{
    int err = parse_string(p);
    if (err < 0)
        return err;
    dict->value_due = true;
    return check_key_order(p, dict);
}

static int parse_value(struct parser *p, struct open_container *parent)
{
    uint8_t byte = peek(p);
    if (parent != NULL)
        parent->value_due = false;
    switch (byte) {
    case 'i':
        return parse_integer(p);
    case 'l':
        return open_container(p, BENCODE_LIST);
    case 'd':
        return open_container(p, BENCODE_DICT);
    default:
        return text_is_digit(byte) ? parse_string(p) : ERR_SYNTAX;
    }
}

/* Reads one thing: a key, a whole integer or string, or the edge of a container. */
static int parse_step(struct parser *p)
{
    if (p->c.left == 0)
        return ERR_TRUNCATED;
    if (peek(p) == 'e')
        return close_container(p);
    struct open_container *parent = p->depth > 0 ? &p->open[p->depth - 1] : NULL;
    bool in_dict = parent != NULL && p->doc->tokens[parent->token].type == BENCODE_DICT;
    if (!in_dict || parent->value_due)
        return parse_value(p, parent);
    return text_is_digit(peek(p)) ? parse_key(p, parent) : ERR_SYNTAX;
}

static int parse_document(struct parser *p)
{
    struct bencode *doc = p->doc;
    if (doc->input.size > BENCODE_SIZE_MAX)
        return ERR_LIMIT;
    do {
        int err = parse_step(p);
        if (err < 0)
            return err;
    } while (p->depth > 0);
    doc->consumed = offset(p);
    return p->mode == BENCODE_STRICT && p->c.left > 0 ? ERR_SYNTAX : 0;
}

static int run(struct bencode *doc, enum bencode_mode mode, uint32_t token_max)
{
    struct parser p = {
        .doc = doc, .c = cursor_of(doc->input), .mode = mode, .token_max = token_max};
    int err = parse_document(&p);
    if (err == 0)
        return 0;
    size_t bad_at = doc->input.size - p.c.left;
    bencode_free(doc);
    doc->bad_at = bad_at;
    return err;
}

int bencode_parse(
    struct bencode *doc, struct bytes input, enum bencode_mode mode, uint32_t token_max)
{
    if (token_max == 0 || token_max > BENCODE_TOKENS_MAX)
        token_max = BENCODE_TOKENS_MAX;
    *doc = (struct bencode){.input = input, .owned = true, .canonical = true};
    return run(doc, mode, token_max);
}

int bencode_parse_into(struct bencode *doc, struct bytes input, enum bencode_mode mode,
    struct bencode_token *tokens, uint32_t token_count)
{
    *doc = (struct bencode){
        .input = input, .tokens = tokens, .capacity = token_count, .canonical = true};
    return run(doc, mode, token_count);
}

void bencode_free(struct bencode *doc)
{
    if (doc->owned)
        free(doc->tokens);
    *doc = (struct bencode){0};
}

/* ---- navigation ---------------------------------------------------------------------------- */

static const struct bencode_value absent;

static const struct bencode_token *token_of(struct bencode_value v)
{
    if (v.doc == NULL)
        return NULL;
    assert(v.token < v.doc->count);
    return &v.doc->tokens[v.token];
}

struct bencode_value bencode_root(const struct bencode *doc)
{
    return doc->count == 0 ? absent : (struct bencode_value){doc, 0};
}

struct bencode_value bencode_rebind(struct bencode_value v, struct bytes copy, struct bencode *doc)
{
    const struct bencode_token *t = token_of(v);
    *doc = (struct bencode){0};
    if (t == NULL)
        return absent;
    assert(copy.size == t->end - t->start);
    *doc = *v.doc;
    doc->input = copy;
    doc->origin = t->start;
    doc->owned = false;
    return (struct bencode_value){doc, v.token};
}

enum bencode_type bencode_type(struct bencode_value v)
{
    const struct bencode_token *t = token_of(v);
    return t == NULL ? BENCODE_ABSENT : (enum bencode_type)t->type;
}

struct bytes bencode_raw(struct bencode_value v)
{
    const struct bencode_token *t = token_of(v);
    if (t == NULL)
        return bytes_of(NULL, 0);
    struct cursor c = cursor_of(v.doc->input);
    cursor_skip(&c, t->start - v.doc->origin);
    return cursor_take(&c, t->end - t->start);
}

bool bencode_string(struct bencode_value v, struct bytes *out)
{
    bool is_string = bencode_type(v) == BENCODE_STRING;
    *out = is_string ? token_string(v.doc, v.token) : bytes_of(NULL, 0);
    return is_string;
}

bool bencode_integer(struct bencode_value v, int64_t *out)
{
    *out = 0;
    if (bencode_type(v) != BENCODE_INTEGER)
        return false;
    struct cursor c = cursor_of(bencode_raw(v));
    cursor_skip(&c, 1);
    bool negative = *c.at == '-';
    if (negative)
        cursor_skip(&c, 1);
    int64_t value = 0;
    for (uint8_t byte = cursor_u8(&c); byte != 'e'; byte = cursor_u8(&c)) {
        int digit = byte - '0';
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)(negative ? -digit : digit), &value))
            return false;
    }
    *out = value;
    return true;
}

struct bencode_iterator bencode_iterate(struct bencode_value container)
{
    enum bencode_type type = bencode_type(container);
    if (type != BENCODE_LIST && type != BENCODE_DICT)
        return (struct bencode_iterator){0};
    return (struct bencode_iterator){
        .doc = container.doc,
        .at = container.token + 1,
        .end = token_of(container)->next,
        .dict = type == BENCODE_DICT,
    };
}

bool bencode_next(struct bencode_iterator *i)
{
    if (i->at >= i->end)
        return false;
    if (i->dict)
        i->key = token_string(i->doc, i->at++);
    i->value = (struct bencode_value){i->doc, i->at};
    i->at = i->doc->tokens[i->at].next;
    return true;
}

size_t bencode_count(struct bencode_value container)
{
    size_t count = 0;
    for (struct bencode_iterator i = bencode_iterate(container); bencode_next(&i);)
        count++;
    return count;
}

struct bencode_value bencode_get_bytes(struct bencode_value dict, struct bytes key)
{
    if (bencode_type(dict) != BENCODE_DICT)
        return absent;
    for (struct bencode_iterator i = bencode_iterate(dict); bencode_next(&i);)
        if (bytes_equal(i.key, key))
            return i.value;
    return absent;
}

struct bencode_value bencode_get(struct bencode_value dict, const char *key)
{
    return bencode_get_bytes(dict, bytes_of_str(key));
}

struct bencode_value bencode_get_typed(
    struct bencode_value dict, const char *key, enum bencode_type type)
{
    struct bencode_value v = bencode_get(dict, key);
    return bencode_type(v) == type ? v : absent;
}

bool bencode_get_string(struct bencode_value dict, const char *key, struct bytes *out)
{
    return bencode_string(bencode_get(dict, key), out);
}

bool bencode_get_integer(struct bencode_value dict, const char *key, int64_t *out)
{
    return bencode_integer(bencode_get(dict, key), out);
}
