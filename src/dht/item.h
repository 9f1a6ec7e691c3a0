/* The items of BEP 44: where they are stored, what is signed, whether one is what it says. */
#ifndef KITH_DHT_ITEM_H
#define KITH_DHT_ITEM_H

#include "crypto/ed25519.h"
#include "dht/krpc.h"

/* The spans are borrowed. */
struct dht_item {
    bool is_mutable;
    struct bytes value;        /* bencoded, at most KRPC_VALUE_MAX */
    struct ed25519_public key; /* the rest: of mutable items */
    struct ed25519_signature signature;
    struct bytes salt; /* at most KRPC_SALT_MAX; empty: none */
    int64_t seq;       /* 0 or more */
};

/* The key under which an item lies: the SHA-1 of its value, or of its public key and salt. */
struct node_id dht_item_target(const struct dht_item *);
struct node_id dht_key_target(const struct ed25519_public *, struct bytes salt);
/* Fills in key and signature of a mutable item whose value, salt and seq are set. */
void dht_item_sign(struct dht_item *, const struct ed25519_seed *);
/* Does the signature hold? Immutable items are what they are. */
bool dht_item_is_genuine(const struct dht_item *);

#endif
