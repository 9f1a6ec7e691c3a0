/* See json.h. */
#include "cli/json.h"

#include "base/text.h"
#include <assert.h>
#include <inttypes.h>

struct json json_to(FILE *out)
{
    return (struct json){.out = out};
}

/* The comma before every member but the first. */
static void separate(struct json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth > 0 && j->has_member[j->depth - 1])
        fputc(',', j->out);
    if (j->depth > 0)
        j->has_member[j->depth - 1] = true;
}

static void open_level(struct json *j, char bracket)
{
    separate(j);
    assert(j->depth < JSON_DEPTH_MAX);
    j->has_member[j->depth++] = false;
    fputc(bracket, j->out);
}

static void close_level(struct json *j, char bracket)
{
    assert(j->depth > 0);
    j->depth--;
    fputc(bracket, j->out);
}

void json_open_object(struct json *j)
{
    open_level(j, '{');
}

void json_close_object(struct json *j)
{
    close_level(j, '}');
}

void json_open_array(struct json *j)
{
    open_level(j, '[');
}

void json_close_array(struct json *j)
{
    close_level(j, ']');
}

static void put_code_point(FILE *out, struct bytes encoded, uint32_t c)
{
    if (c == '"' || c == '\\')
        fprintf(out, "\\%c", (int)c);
    else if (text_is_unseen(c) && c > 0xffff)
        fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10),
            0xdc00 + ((c - 0x10000) & 0x3ff));
    else if (text_is_unseen(c))
        fprintf(out, "\\u%04" PRIx32, c);
    else if (c == 0xfffd)
        fputs("\\ufffd", out);
    else
        fwrite(encoded.data, 1, encoded.size, out);
}

static void put_quoted(FILE *out, struct bytes text)
{
    fputc('"', out);
    while (text.size > 0) {
        uint32_t c;
        size_t n = utf8_next(text, &c);
        put_code_point(out, bytes_of(text.data, n), c);
        text.data += n;
        text.size -= n;
    }
    fputc('"', out);
}

void json_key(struct json *j, const char *name)
{
    separate(j);
    put_quoted(j->out, bytes_of_str(name));
    fputc(':', j->out);
    j->after_key = true;
}

void json_string(struct json *j, struct bytes text)
{
    separate(j);
    put_quoted(j->out, text);
}

void json_text(struct json *j, const char *text)
{
    if (text) {
        json_string(j, bytes_of_str(text));
        return;
    }
    separate(j);
    fputs("null", j->out);
}

void json_integer(struct json *j, int64_t value)
{
    separate(j);
    fprintf(j->out, "%" PRId64, value);
}

void json_unsigned(struct json *j, uint64_t value)
{
    separate(j);
    fprintf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, bool value)
{
    separate(j);
    fputs(value ? "true" : "false", j->out);
}

void json_end_line(struct json *j)
{
    assert(j->depth == 0);
    fputc('\n', j->out);
    fflush(j->out);
}

void json_put_text(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text);
}

void json_put_string(struct json *j, const char *key, struct bytes text)
{
    json_key(j, key);
    json_string(j, text);
}

void json_put_integer(struct json *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_integer(j, value);
}

void json_put_unsigned(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_unsigned(j, value);
}

void json_put_bool(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

/* In hex; null if there is none. */
void json_put_hash(struct json *j, const char *key, bool has, const uint8_t *hash, size_t size)
{
    char hex[2 * JSON_HASH_MAX + 1];
    assert(size <= JSON_HASH_MAX);
    hex_encode(hash, size, hex);
    json_put_text(j, key, has ? hex : NULL);
}
