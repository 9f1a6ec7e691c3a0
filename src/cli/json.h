/* JSON out: a streaming writer, one value after another straight to a FILE or a buffer; no tree.
 *
 * The caller nests object/array calls correctly; commas are put by the writer. Strings may be any
 * bytes: broken UTF-8 comes out as U+FFFD, control characters escaped. */
#ifndef KITH_CLI_JSON_H
#define KITH_CLI_JSON_H

#include "base/bytes.h"
#include <stdio.h>

#define JSON_DEPTH_MAX 32

struct json {
    FILE *out;
    unsigned depth;
    bool has_member[JSON_DEPTH_MAX];
    bool after_key;
};

struct json json_to(FILE *out);
void json_open_object(struct json *);
void json_close_object(struct json *);
void json_open_array(struct json *);
void json_close_array(struct json *);
void json_key(struct json *, const char *name);
void json_string(struct json *, struct bytes text);
void json_text(struct json *, const char *text); /* NULL: null */
void json_integer(struct json *, int64_t value);
void json_unsigned(struct json *, uint64_t value);
void json_bool(struct json *, bool value);
/* A line break after a top-level value: one object a line. Flushes. */
void json_end_line(struct json *);

/* key and value at once */
void json_put_text(struct json *, const char *key, const char *text);
void json_put_string(struct json *, const char *key, struct bytes text);
void json_put_integer(struct json *, const char *key, int64_t value);
void json_put_unsigned(struct json *, const char *key, uint64_t value);
void json_put_bool(struct json *, const char *key, bool value);
#define JSON_HASH_MAX 32u /* bytes */
void json_put_hash(struct json *, const char *key, bool has, const uint8_t *hash, size_t size);

#endif
