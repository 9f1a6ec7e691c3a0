/* KRPC: whatever parses is within its bounds, and what we write of it says the same again. */
#include "dht/krpc.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_again(const struct krpc_message *m, const struct krpc_message *n)
{
    check(n->kind == m->kind && n->method == m->method &&
          bytes_equal(n->transaction, m->transaction));
    if (m->kind == KRPC_ERROR)
        return;
    check(bytes_equal(n->token, m->token) && bytes_equal(n->value, m->value));
    check(bytes_equal(n->key, m->key) && bytes_equal(n->signature, m->signature));
    check(n->has_seq == m->has_seq && n->seq == m->seq);
    if (m->kind == KRPC_RESPONSE)
        check(n->value_count == m->value_count && bytes_equal(n->nodes6, m->nodes6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct krpc_message m, again;
    uint8_t text[2 * KRPC_RECEIVE_MAX];
    if (krpc_parse(&m, bytes_of(data, size)) != 0)
        return 0;
    check(size <= KRPC_RECEIVE_MAX && m.value_count <= KRPC_VALUES_MAX);
    check(m.transaction.size <= KRPC_TRANSACTION_MAX);
    check(m.nodes.size % 26 == 0 && m.nodes6.size % 38 == 0 && m.samples.size % 20 == 0);
    check(m.key.size == 0 || m.key.size == 32);
    check(m.signature.size == 0 || m.signature.size == 64);
    for (uint32_t i = 0; i < m.value_count; i++)
        check(m.values[i].port != 0);
    if (m.kind == KRPC_QUERY && m.method == KRPC_UNKNOWN)
        return 0;
    struct builder b = builder_fixed(text, sizeof text);
    krpc_write(&m, &b);
    if (builder_ok(&b) && b.size <= KRPC_RECEIVE_MAX) {
        check(krpc_parse(&again, builder_bytes(&b)) == 0);
        check_again(&m, &again);
    }
    return 0;
}
