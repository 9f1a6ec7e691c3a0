/* Reading and writing KRPC messages. See krpc.h. */
#include "dht/krpc.h"

#include "format/bencode.h"

static const char *const method_names[] = {[KRPC_PING] = "ping",
    [KRPC_FIND_NODE] = "find_node",
    [KRPC_GET_PEERS] = "get_peers",
    [KRPC_ANNOUNCE_PEER] = "announce_peer",
    [KRPC_GET] = "get",
    [KRPC_PUT] = "put",
    [KRPC_SAMPLE_INFOHASHES] = "sample_infohashes"};

void krpc_reset(struct krpc_message *m)
{
    memset(m, 0, offsetof(struct krpc_message, values));
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_id(struct bencode_value dict, const char *key, struct node_id *out)
{
    struct bytes text;
    if (!bencode_get_string(dict, key, &text) || text.size != sizeof out->b)
        return false;
    memcpy(out->b, text.data, sizeof out->b);
    return true;
}

static bool read_flag(struct bencode_value dict, const char *key)
{
    int64_t value;
    return bencode_get_integer(dict, key, &value) && value == 1;
}

/* BEP 5 says "present and non-zero". */
static bool read_implied_port(struct bencode_value dict)
{
    int64_t value;
    return bencode_get_integer(dict, "implied_port", &value) && value != 0;
}

/* A string of exactly `size` bytes, or nothing. */
static struct bytes read_sized(struct bencode_value dict, const char *key, size_t size)
{
    struct bytes text;
    bencode_get_string(dict, key, &text);
    return text.size == size ? text : bytes_of(NULL, 0);
}

static enum krpc_method read_method(struct bytes name)
{
    for (unsigned i = 0; i < KRPC_UNKNOWN; i++)
        if (bytes_equal_str(name, method_names[i]))
            return (enum krpc_method)i;
    return KRPC_UNKNOWN;
}

static unsigned read_want(struct bencode_value list)
{
    unsigned want = 0;
    struct bytes text;
    for (struct bencode_iterator i = bencode_iterate(list); bencode_next(&i);) {
        bencode_string(i.value, &text);
        want |= bytes_equal_str(text, "n4")   ? KRPC_WANT_NODES
                : bytes_equal_str(text, "n6") ? KRPC_WANT_NODES6
                                              : 0;
    }
    return want;
}

/* The fields of BEP 44 are the same in questions and answers. */
static void read_item(struct krpc_message *m, struct bencode_value d)
{
    bencode_get_string(d, "token", &m->token);
    m->value = bencode_raw(bencode_get(d, "v"));
    m->key = read_sized(d, "k", 32);
    m->signature = read_sized(d, "sig", 64);
    m->has_seq = bencode_get_integer(d, "seq", &m->seq);
    m->claims_mutable =
        bencode_present(bencode_get(d, "k")) || bencode_present(bencode_get(d, "sig")) ||
        bencode_present(bencode_get(d, "seq")) || bencode_present(bencode_get(d, "salt"));
}

static void read_query(struct krpc_message *m, struct bencode_value root)
{
    struct bytes name;
    int64_t port;
    bencode_get_string(root, "q", &name);
    m->method = read_method(name);
    struct bencode_value a = bencode_get_typed(root, "a", BENCODE_DICT);
    m->has_id = read_id(a, "id", &m->id);
    bool by_hash = m->method == KRPC_GET_PEERS || m->method == KRPC_ANNOUNCE_PEER;
    m->has_target = read_id(a, by_hash ? "info_hash" : "target", &m->target);
    if (!m->has_target && m->method == KRPC_UNKNOWN)
        m->has_target = read_id(a, "info_hash", &m->target);
    m->want = read_want(bencode_get_typed(a, "want", BENCODE_LIST));
    m->implied_port = read_implied_port(a);
    m->seed = read_flag(a, "seed");
    m->noseed = read_flag(a, "noseed");
    m->scrape = read_flag(a, "scrape");
    if (bencode_get_integer(a, "port", &port) && port > 0 && port <= 65535)
        m->port = (uint16_t)port;
    read_item(m, a);
    bencode_get_string(a, "salt", &m->salt);
    m->has_cas = bencode_get_integer(a, "cas", &m->cas);
}

/* BEP 32: 6 and 18 bytes may stand in one list. */
static void read_values(struct krpc_message *m, struct bencode_value list)
{
    struct bytes text;
    for (struct bencode_iterator i = bencode_iterate(list);
         m->value_count < KRPC_VALUES_MAX && bencode_next(&i);) {
        bencode_string(i.value, &text);
        if (text.size != 6 && text.size != 18)
            continue;
        struct cursor c = cursor_of(text);
        struct endpoint e = endpoint_take_compact(&c, text.size == 6 ? ADDR_V4 : ADDR_V6);
        if (e.port != 0)
            m->values[m->value_count++] = e;
    }
}

/* What is over behind whole entries is cut off. */
static bool read_list(struct bencode_value r, const char *key, size_t entry, struct bytes *out)
{
    bool there = bencode_get_string(r, key, out);
    out->size -= out->size % entry;
    return there;
}

static uint32_t read_number(struct bencode_value r, const char *key, uint32_t max)
{
    int64_t value;
    if (!bencode_get_integer(r, key, &value) || value < 0)
        return 0;
    return value > max ? max : (uint32_t)value;
}

static void read_response(struct krpc_message *m, struct bencode_value r)
{
    m->has_id = read_id(r, "id", &m->id);
    m->has_nodes = read_list(r, "nodes", krpc_node_size(ADDR_V4), &m->nodes);
    m->has_nodes6 = read_list(r, "nodes6", krpc_node_size(ADDR_V6), &m->nodes6);
    m->has_samples = read_list(r, "samples", 20, &m->samples);
    m->bloom_seeds = read_sized(r, "BFsd", KRPC_BLOOM_SIZE);
    m->bloom_peers = read_sized(r, "BFpe", KRPC_BLOOM_SIZE);
    m->interval = read_number(r, "interval", KRPC_INTERVAL_MAX);
    m->num = read_number(r, "num", UINT32_MAX);
    read_item(m, r);
    read_values(m, bencode_get_typed(r, "values", BENCODE_LIST));
}

static void read_error(struct krpc_message *m, struct bencode_value e)
{
    struct bencode_iterator i = bencode_iterate(e);
    if (bencode_next(&i))
        bencode_integer(i.value, &m->error);
    if (bencode_next(&i))
        bencode_string(i.value, &m->error_text);
}

static void read_external(struct krpc_message *m, struct bencode_value root)
{
    struct bytes text;
    bencode_get_string(root, "ip", &text);
    struct cursor c = cursor_of(text);
    if (text.size == 6 || text.size == 18)
        m->external = endpoint_take_compact(&c, text.size == 6 ? ADDR_V4 : ADDR_V6);
}

static int read_message(struct krpc_message *m, struct bencode_value root)
{
    struct bytes kind;
    if (!bencode_get_string(root, "t", &m->transaction) ||
        m->transaction.size > KRPC_TRANSACTION_MAX || !bencode_get_string(root, "y", &kind))
        return ERR_SYNTAX;
    bencode_get_string(root, "v", &m->version);
    m->read_only = read_flag(root, "ro");
    read_external(m, root);
    if (bytes_equal_str(kind, "q")) {
        m->kind = KRPC_QUERY;
        read_query(m, root);
    } else if (bytes_equal_str(kind, "r")) {
        m->kind = KRPC_RESPONSE;
        read_response(m, bencode_get_typed(root, "r", BENCODE_DICT));
    } else if (bytes_equal_str(kind, "e")) {
        m->kind = KRPC_ERROR;
        read_error(m, bencode_get_typed(root, "e", BENCODE_LIST));
    } else {
        return ERR_SYNTAX;
    }
    return 0;
}

int krpc_parse(struct krpc_message *m, struct bytes datagram)
{
    struct bencode_token tokens[KRPC_TOKENS_MAX];
    struct bencode doc;
    krpc_reset(m);
    if (datagram.size > KRPC_RECEIVE_MAX)
        return ERR_LIMIT;
    int err = bencode_parse_into(&doc, datagram, BENCODE_TOLERANT, tokens, KRPC_TOKENS_MAX);
    if (err)
        return err == ERR_LIMIT ? err : ERR_SYNTAX;
    return read_message(m, bencode_root(&doc));
}

/* ---- writing: keys in their order ---------------------------------------------------------- */

static void put_string(struct builder *b, const char *key, struct bytes value)
{
    bencode_put_key(b, key);
    bencode_put_string(b, value);
}

static void put_if(struct builder *b, const char *key, struct bytes value)
{
    if (value.size > 0)
        put_string(b, key, value);
}

static void put_number(struct builder *b, const char *key, int64_t value)
{
    bencode_put_key(b, key);
    bencode_put_integer(b, value);
}

static void put_id(struct builder *b, const char *key, const struct node_id *id)
{
    put_string(b, key, bytes_of(id->b, sizeof id->b));
}

static void put_value(struct builder *b, struct bytes value)
{
    if (value.size > 0) {
        bencode_put_key(b, "v");
        builder_span(b, value);
    }
}

static void put_query(const struct krpc_message *m, struct builder *b)
{
    bool by_hash = m->method == KRPC_GET_PEERS || m->method == KRPC_ANNOUNCE_PEER;
    bencode_begin_dict(b);
    if (m->has_cas)
        put_number(b, "cas", m->cas);
    put_id(b, "id", &m->id);
    if (m->implied_port)
        put_number(b, "implied_port", 1);
    if (m->has_target && by_hash)
        put_id(b, "info_hash", &m->target);
    put_if(b, "k", m->key);
    if (m->noseed)
        put_number(b, "noseed", 1);
    if (m->method == KRPC_ANNOUNCE_PEER)
        put_number(b, "port", m->port);
    put_if(b, "salt", m->salt);
    if (m->scrape)
        put_number(b, "scrape", 1);
    if (m->method == KRPC_ANNOUNCE_PEER)
        put_number(b, "seed", m->seed);
    if (m->has_seq)
        put_number(b, "seq", m->seq);
    put_if(b, "sig", m->signature);
    if (m->has_target && !by_hash)
        put_id(b, "target", &m->target);
    put_if(b, "token", m->token);
    put_value(b, m->value);
    if (m->want) {
        bencode_put_key(b, "want");
        bencode_begin_list(b);
        if (m->want & KRPC_WANT_NODES)
            bencode_put_str(b, "n4");
        if (m->want & KRPC_WANT_NODES6)
            bencode_put_str(b, "n6");
        bencode_end(b);
    }
    bencode_end(b);
}

static void put_values(const struct krpc_message *m, struct builder *b)
{
    if (m->value_count == 0)
        return;
    bencode_put_key(b, "values");
    bencode_begin_list(b);
    for (uint32_t i = 0; i < m->value_count; i++) {
        builder_str(b, m->values[i].family == ADDR_V4 ? "6:" : "18:");
        endpoint_put_compact(&m->values[i], b);
    }
    bencode_end(b);
}

static void put_response(const struct krpc_message *m, struct builder *b)
{
    bencode_begin_dict(b);
    put_if(b, "BFpe", m->bloom_peers);
    put_if(b, "BFsd", m->bloom_seeds);
    put_id(b, "id", &m->id);
    if (m->has_samples)
        put_number(b, "interval", m->interval);
    put_if(b, "k", m->key);
    if (m->has_nodes)
        put_string(b, "nodes", m->nodes);
    if (m->has_nodes6)
        put_string(b, "nodes6", m->nodes6);
    if (m->has_samples) {
        put_number(b, "num", m->num);
        put_string(b, "samples", m->samples);
    }
    if (m->has_seq)
        put_number(b, "seq", m->seq);
    put_if(b, "sig", m->signature);
    put_if(b, "token", m->token);
    put_value(b, m->value);
    put_values(m, b);
    bencode_end(b);
}

static void put_error(const struct krpc_message *m, struct builder *b)
{
    bencode_put_key(b, "e");
    bencode_begin_list(b);
    bencode_put_integer(b, m->error);
    bencode_put_string(b, m->error_text);
    bencode_end(b);
}

static void put_external(const struct endpoint *external, struct builder *b)
{
    if (external->family == ADDR_NONE)
        return;
    bencode_put_key(b, "ip");
    builder_str(b, external->family == ADDR_V4 ? "6:" : "18:");
    endpoint_put_compact(external, b);
}

void krpc_write(const struct krpc_message *m, struct builder *b)
{
    static const char *const kinds[] = {
        [KRPC_QUERY] = "q", [KRPC_RESPONSE] = "r", [KRPC_ERROR] = "e"};
    bencode_begin_dict(b);
    if (m->kind == KRPC_QUERY) {
        bencode_put_key(b, "a");
        put_query(m, b);
    }
    if (m->kind == KRPC_ERROR)
        put_error(m, b);
    put_external(&m->external, b);
    if (m->kind == KRPC_QUERY)
        put_string(b, "q", bytes_of_str(method_names[m->method]));
    if (m->kind == KRPC_RESPONSE) {
        bencode_put_key(b, "r");
        put_response(m, b);
    }
    if (m->read_only && m->kind == KRPC_QUERY)
        put_number(b, "ro", 1);
    put_string(b, "t", m->transaction);
    put_if(b, "v", m->version);
    put_string(b, "y", bytes_of_str(kinds[m->kind]));
    bencode_end(b);
}

/* ---- compact lists of nodes ---------------------------------------------------------------- */

bool krpc_next_node(struct cursor *c, enum addr_family family, struct krpc_node *out)
{
    if (c->left < krpc_node_size(family))
        return false;
    cursor_copy(c, out->id.b, sizeof out->id.b);
    out->at = endpoint_take_compact(c, family);
    return cursor_ok(c);
}

void krpc_put_node(struct builder *b, const struct krpc_node *n)
{
    builder_bytes_put(b, n->id.b, sizeof n->id.b);
    endpoint_put_compact(&n->at, b);
}
