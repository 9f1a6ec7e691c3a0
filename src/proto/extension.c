/* See extension.h. */
#include "proto/extension.h"

#include "base/err.h"
#include "base/text.h"
#include "format/bencode.h"

static void put_id(struct builder *b, const char *name, uint8_t id)
{
    if (id == 0)
        return;
    bencode_put_key(b, name);
    bencode_put_integer(b, id);
}

static void put_number(struct builder *b, const char *name, int64_t value)
{
    if (value < 0)
        return;
    bencode_put_key(b, name);
    bencode_put_integer(b, value);
}

void extension_handshake_put(struct builder *b, const struct extension_handshake *h)
{
    bencode_begin_dict(b);
    put_number(b, "complete_ago", h->complete_ago);
    if (h->prefers_encryption)
        put_number(b, "e", 1);
    bencode_put_key(b, "m");
    bencode_begin_dict(b);
    put_id(b, "lt_donthave", h->ids.lt_donthave);
    put_id(b, "upload_only", h->ids.upload_only);
    put_id(b, "ut_holepunch", h->ids.ut_holepunch);
    put_id(b, "ut_metadata", h->ids.ut_metadata);
    put_id(b, "ut_pex", h->ids.ut_pex);
    bencode_end(b);
    put_number(b, "metadata_size", h->metadata_size);
    put_number(b, "p", h->port);
    put_number(b, "reqq", h->reqq);
    put_number(b, "upload_only", h->upload_only);
    if (h->client[0]) {
        bencode_put_key(b, "v");
        bencode_put_str(b, h->client);
    }
    if (h->your_ip.family != ADDR_NONE) {
        bencode_put_key(b, "yourip");
        bencode_put_string(b, bytes_of(h->your_ip.ip, h->your_ip.family == ADDR_V4 ? 4 : 16));
    }
    bencode_end(b);
}

static void take_id(struct bencode_value m, const char *name, uint8_t *id)
{
    int64_t value;
    if (bencode_get_integer(m, name, &value) && value >= 0 && value <= 255)
        *id = (uint8_t)value;
}

static int64_t take_number(struct bencode_value dict, const char *name, int64_t max)
{
    int64_t value;
    if (!bencode_get_integer(dict, name, &value) || value < 0 || value > max)
        return -1;
    return value;
}

/* Character by character, so that what is cut off is no half of one, nor of its escape. */
static void take_client(struct bencode_value dict, struct extension_handshake *h)
{
    struct bytes name;
    size_t size = 0;
    bencode_get_string(dict, "v", &name);
    for (struct cursor c = cursor_of(name); c.left > 0;) {
        char shown[16];
        uint32_t code_point;
        struct builder b = builder_fixed(shown, sizeof shown);
        text_escape(cursor_take(&c, utf8_next(bytes_of(c.at, c.left), &code_point)), &b);
        if (!builder_ok(&b) || size + b.size > EXTENSION_CLIENT_MAX)
            break;
        memcpy(h->client + size, shown, b.size);
        size += b.size;
    }
    h->client[size] = 0;
}

static void take_your_ip(struct bencode_value dict, struct extension_handshake *h)
{
    struct bytes ip;
    h->your_ip = (struct endpoint){0};
    if (!bencode_get_string(dict, "yourip", &ip))
        return;
    if (ip.size == 4)
        h->your_ip = endpoint_from_ip4(ip.data, 0);
    else if (ip.size == 16)
        h->your_ip = endpoint_from_ip6(ip.data, 0);
}

int extension_handshake_parse(struct bytes payload, struct extension_handshake *h)
{
    struct bencode_token tokens[EXTENSION_TOKENS_MAX];
    struct bencode doc;
    int err = bencode_parse_into(&doc, payload, BENCODE_TOLERANT, tokens, EXTENSION_TOKENS_MAX);
    if (err)
        return err;
    struct bencode_value dict = bencode_root(&doc);
    if (bencode_type(dict) != BENCODE_DICT)
        return ERR_SYNTAX;
    struct bencode_value m = bencode_get(dict, "m");
    take_id(m, "ut_pex", &h->ids.ut_pex);
    take_id(m, "ut_metadata", &h->ids.ut_metadata);
    take_id(m, "ut_holepunch", &h->ids.ut_holepunch);
    take_id(m, "upload_only", &h->ids.upload_only);
    take_id(m, "lt_donthave", &h->ids.lt_donthave);
    h->reqq = take_number(dict, "reqq", 1 << 20);
    h->port = take_number(dict, "p", 65535);
    h->metadata_size = take_number(dict, "metadata_size", INT32_MAX);
    h->upload_only = take_number(dict, "upload_only", 1);
    h->complete_ago = take_number(dict, "complete_ago", INT32_MAX);
    h->prefers_encryption = take_number(dict, "e", INT32_MAX) > 0;
    take_client(dict, h);
    take_your_ip(dict, h);
    return 0;
}
