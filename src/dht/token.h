/* The tokens of BEP 5: proof that who wants to store something here has its address. A keyed hash
 * of the address; the key changes every five minutes and the one before it still counts, so that a
 * token lives five to ten minutes. Nothing is kept for a stranger. */
#ifndef KITH_DHT_TOKEN_H
#define KITH_DHT_TOKEN_H

#include "base/time.h"
#include "dht/random.h"

#define TOKEN_SIZE 8u
#define TOKEN_ROTATION SECONDS(300)

struct token_keys {
    uint8_t key[16], before[16];
    usec rotates_at;
};

void token_keys_init(struct token_keys *, struct dht_random *, usec now);
void token_make(struct token_keys *, struct dht_random *, const struct endpoint *to, usec now,
    uint8_t out[TOKEN_SIZE]);
bool token_is_ours(struct token_keys *, struct dht_random *, const struct endpoint *from,
    struct bytes token, usec now);

#endif
