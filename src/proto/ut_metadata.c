/* See ut_metadata.h. */
#include "proto/ut_metadata.h"

#include "base/err.h"
#include "format/bencode.h"

#define TOKENS_MAX 64u

static void put_number(struct builder *b, const char *key, int64_t value)
{
    bencode_put_key(b, key);
    bencode_put_integer(b, value);
}

void ut_metadata_put(struct builder *b, const struct ut_metadata *m)
{
    bencode_begin_dict(b);
    put_number(b, "msg_type", m->type);
    put_number(b, "piece", m->piece);
    if (m->type == UT_METADATA_DATA)
        put_number(b, "total_size", m->total_size);
    bencode_end(b);
    if (m->type == UT_METADATA_DATA)
        builder_span(b, m->data);
}

int ut_metadata_parse(struct bytes payload, struct ut_metadata *m)
{
    struct bencode_token tokens[TOKENS_MAX];
    struct bencode doc;
    int64_t piece;
    int err = bencode_parse_into(&doc, payload, BENCODE_TOLERANT, tokens, TOKENS_MAX);
    if (err)
        return err;
    struct bencode_value dict = bencode_root(&doc);
    if (!bencode_get_integer(dict, "msg_type", &m->type) ||
        !bencode_get_integer(dict, "piece", &piece) || piece < 0 || piece > INT32_MAX)
        return ERR_SYNTAX;
    m->piece = (uint32_t)piece;
    if (!bencode_get_integer(dict, "total_size", &m->total_size))
        m->total_size = -1;
    m->data = bytes_of(payload.data + doc.consumed, payload.size - doc.consumed);
    return 0;
}
