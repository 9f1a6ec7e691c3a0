/* See item.h. */
#include "dht/item.h"

#include "crypto/hash.h"
#include "format/bencode.h"
#include <assert.h>

#define SIGNED_MAX (KRPC_VALUE_MAX + KRPC_SALT_MAX + 64u)

static struct node_id id_of(struct sha1_digest digest)
{
    struct node_id id;
    memcpy(id.b, digest.b, sizeof id.b);
    return id;
}

struct node_id dht_key_target(const struct ed25519_public *key, struct bytes salt)
{
    uint8_t text[sizeof key->b + KRPC_SALT_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    builder_bytes_put(&b, key->b, sizeof key->b);
    builder_span(&b, salt);
    assert(builder_ok(&b));
    return id_of(sha1(b.data, b.size));
}

struct node_id dht_item_target(const struct dht_item *item)
{
    return item->is_mutable ? dht_key_target(&item->key, item->salt)
                            : id_of(sha1(item->value.data, item->value.size));
}

/* BEP 44, "Signature Verification": not the dictionary of the message, but this. */
static void put_signed(const struct dht_item *item, struct builder *b)
{
    if (item->salt.size > 0) {
        bencode_put_key(b, "salt");
        bencode_put_string(b, item->salt);
    }
    bencode_put_key(b, "seq");
    bencode_put_integer(b, item->seq);
    bencode_put_key(b, "v");
    builder_span(b, item->value);
}

void dht_item_sign(struct dht_item *item, const struct ed25519_seed *seed)
{
    uint8_t text[SIGNED_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    put_signed(item, &b);
    assert(builder_ok(&b));
    ed25519_public_of(seed, &item->key);
    ed25519_sign(seed, builder_bytes(&b), &item->signature);
}

bool dht_item_is_genuine(const struct dht_item *item)
{
    if (!item->is_mutable)
        return true;
    uint8_t text[SIGNED_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    put_signed(item, &b);
    return builder_ok(&b) && ed25519_verify(&item->key, builder_bytes(&b), &item->signature);
}
