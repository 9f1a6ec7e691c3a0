/* See hash_message.h. */
#include "proto/hash_message.h"

#include "crypto/merkle.h"

struct hash_request hash_request_parse(struct bytes payload)
{
    struct hash_request q;
    struct cursor c = cursor_of(payload);
    cursor_copy(&c, q.root.b, sizeof q.root.b);
    q.base = cursor_u32(&c);
    q.index = cursor_u32(&c);
    q.length = cursor_u32(&c);
    q.proof_layers = cursor_u32(&c);
    return q;
}

void hash_message_put(struct builder *b, uint8_t id, const struct hash_request *q, size_t hashes)
{
    builder_u32(b, (uint32_t)(1 + HASH_REQUEST_SIZE + hashes * sizeof(struct sha256_digest)));
    builder_u8(b, id);
    builder_bytes_put(b, q->root.b, sizeof q->root.b);
    builder_u32(b, q->base);
    builder_u32(b, q->index);
    builder_u32(b, q->length);
    builder_u32(b, q->proof_layers);
}

size_t hash_request_uncles(const struct hash_request *q)
{
    unsigned height = merkle_height(q->length);
    uint32_t implied = height > 0 ? height - 1 : 0;
    return q->proof_layers > implied ? q->proof_layers - implied : 0;
}
