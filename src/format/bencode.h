/* Bencode (BEP 3): a reader that copies nothing, and a writer on struct builder.
 *
 * The reader turns a buffer into a flat array of tokens, in one pass, in linear time, without
 * recursion. Values are handles into that array; a handle to something that is not there is valid
 * everywhere and yields "absent", so a chain of look-ups needs one check at its end. Every value
 * knows the bytes that it was read from, so that an info dictionary is hashed as it stands.
 *
 * Used by metainfo and by everything in proto/ and swarm/ that speaks bencode. */
#ifndef KITH_FORMAT_BENCODE_H
#define KITH_FORMAT_BENCODE_H

#include "base/bytes.h"

#define BENCODE_DEPTH_MAX 128u       /* lists and dictionaries within one another */
#define BENCODE_SIZE_MAX 0xffffffffu /* bytes of input: offsets are 32 bits */
/* Of bencode_parse; the caller may ask for less. A million files of v1 or v2 take eight million,
 * libtorrent reads three million, and 128 MiB is what the table of them may cost. */
#define BENCODE_TOKENS_MAX (8u << 20)

enum bencode_type {
    BENCODE_ABSENT, /* no such value */
    BENCODE_INTEGER,
    BENCODE_STRING,
    BENCODE_LIST,
    BENCODE_DICT
};

enum bencode_mode {
    /* Only the one encoding that a value has: keys ascending and unique, no leading zeros, no -0,
     * nothing behind the value. */
    BENCODE_STRICT,
    /* As the network is: keys in any order, repeated keys (the first counts), leading zeros, bytes
     * behind the value (see bencode.consumed). `canonical` tells whether any of it was there, save
     * for the trailing bytes. */
    BENCODE_TOLERANT
};

/* One value. A dictionary's keys and values are tokens in turn: key, value, key, value. */
struct bencode_token {
    uint32_t start, end; /* the value's bytes in the input, [start, end) */
    uint32_t next;       /* the token after this value and all that is in it */
    uint8_t type;        /* enum bencode_type */
    uint8_t header;      /* a string's: bytes of its length and colon */
};

/* A parsed buffer. The input must outlive it. Zeroed is valid and empty. */
struct bencode {
    struct bytes input;
    uint32_t origin; /* where `input` begins as the tokens count: see bencode_rebind */
    struct bencode_token *tokens;
    uint32_t count, capacity;
    bool owned;      /* tokens are from the heap: bencode_free */
    bool canonical;  /* the value was encoded canonically */
    size_t consumed; /* bytes of the value: what follows is not bencode, or another value */
    size_t bad_at;   /* after an error: the offset where it was found */
};

/* Parses the value at the start of `input`; tokens on the heap, at most `token_max` (0:
 * BENCODE_TOKENS_MAX) of them. On failure there is nothing to free, and doc->bad_at says where.
 * ERR_SYNTAX; ERR_TRUNCATED: the input ends inside the value; ERR_LIMIT: size, depth or tokens;
 * ERR_NOMEM. */
int bencode_parse(
    struct bencode *doc, struct bytes input, enum bencode_mode mode, uint32_t token_max);
/* The same without the heap: into `tokens` of the caller's, for messages from the network. A value
 * of n tokens needs room for n: ERR_LIMIT if there is less. */
int bencode_parse_into(struct bencode *doc, struct bytes input, enum bencode_mode mode,
    struct bencode_token *tokens, uint32_t token_count);
void bencode_free(struct bencode *doc);

/* A handle to a value; {NULL, 0} is absent. Valid as long as its document. */
struct bencode_value {
    const struct bencode *doc;
    uint32_t token;
};

/* The same value read out of `copy`, which holds the bytes of bencode_raw: `*doc` shares v's
 * tokens, whose document must outlive it, and is not freed. So what was parsed within a large
 * document need not be parsed, nor its tokens kept, twice. */
struct bencode_value bencode_rebind(struct bencode_value v, struct bytes copy, struct bencode *doc);

/* The outermost value; absent if the document is empty. */
struct bencode_value bencode_root(const struct bencode *doc);
enum bencode_type bencode_type(struct bencode_value v);
static inline bool bencode_present(struct bencode_value v)
{
    return v.doc != NULL;
}
/* The value's own bytes, as they stand in the input; empty if absent. */
struct bytes bencode_raw(struct bencode_value v);
/* A string's bytes; false (and the empty view) if it is not a string. */
bool bencode_string(struct bencode_value v, struct bytes *out);
/* False (and 0) if it is not an integer, or does not fit. */
bool bencode_integer(struct bencode_value v, int64_t *out);

/* The value of a key in a dictionary; absent if it is not there or `dict` is no dictionary. Walks
 * the keys: constant in memory, linear in their number. */
struct bencode_value bencode_get(struct bencode_value dict, const char *key);
struct bencode_value bencode_get_bytes(struct bencode_value dict, struct bytes key);
/* bencode_get and then a type: absent unless it has that type. */
struct bencode_value bencode_get_typed(
    struct bencode_value dict, const char *key, enum bencode_type type);
bool bencode_get_string(struct bencode_value dict, const char *key, struct bytes *out);
bool bencode_get_integer(struct bencode_value dict, const char *key, int64_t *out);

/* Walks a list's items or a dictionary's entries; anything else has none.
 *     struct bencode_iterator i = bencode_iterate(v);
 *     while (bencode_next(&i))
 *         use(i.key, i.value); */
struct bencode_iterator {
    struct bytes key; /* a dictionary's; empty for lists */
    struct bencode_value value;
    uint32_t at, end; /* tokens */
    const struct bencode *doc;
    bool dict;
};
struct bencode_iterator bencode_iterate(struct bencode_value container);
bool bencode_next(struct bencode_iterator *i);
/* Items of a list or entries of a dictionary; linear. */
size_t bencode_count(struct bencode_value container);
/* 1 if two keys of this dictionary (not of those within it) are equal, else 0. n log n for keys
 * that are not sorted, linear otherwise. ERR_NOMEM. */
int bencode_has_duplicate_keys(struct bencode_value dict);

/* Writing. The caller opens and closes containers in pairs, and writes keys in ascending order of
 * their bytes: bencode_put_key is put_str under another name, to say what is meant. */
void bencode_put_integer(struct builder *b, int64_t value);
void bencode_put_string(struct builder *b, struct bytes value);
void bencode_put_str(struct builder *b, const char *value);
static inline void bencode_put_key(struct builder *b, const char *key)
{
    bencode_put_str(b, key);
}
static inline void bencode_begin_dict(struct builder *b)
{
    builder_u8(b, 'd');
}
static inline void bencode_begin_list(struct builder *b)
{
    builder_u8(b, 'l');
}
static inline void bencode_end(struct builder *b)
{
    builder_u8(b, 'e');
}
/* Writes a value again in canonical form: keys sorted, the first of equal keys kept. ERR_NOMEM. */
int bencode_put_canonical(struct builder *b, struct bencode_value v);

#endif
