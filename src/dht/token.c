/* See token.h. */
#include "dht/token.h"

void token_keys_init(struct token_keys *k, struct dht_random *random, usec now)
{
    dht_random_fill(random, k->key, sizeof k->key);
    dht_random_fill(random, k->before, sizeof k->before);
    k->rotates_at = now + TOKEN_ROTATION;
}

static void rotate(struct token_keys *k, struct dht_random *random, usec now)
{
    if (now < k->rotates_at)
        return;
    bool both_old = now >= k->rotates_at + TOKEN_ROTATION;
    memcpy(k->before, k->key, sizeof k->key);
    dht_random_fill(random, k->key, sizeof k->key);
    if (both_old)
        dht_random_fill(random, k->before, sizeof k->before);
    k->rotates_at = now + TOKEN_ROTATION;
}

/* The port is left out: a NAT may change it between the question and the announce. */
static void token_under(const uint8_t key[16], const struct endpoint *of, uint8_t out[TOKEN_SIZE])
{
    struct endpoint address = *of;
    address.port = 0;
    store_u64(out, endpoint_hash(&address, key));
}

void token_make(struct token_keys *k, struct dht_random *random, const struct endpoint *to,
    usec now, uint8_t out[TOKEN_SIZE])
{
    rotate(k, random, now);
    token_under(k->key, to, out);
}

/* In constant time: a token is not to be guessed byte by byte. */
static bool same(const uint8_t *a, const uint8_t *b)
{
    uint8_t differ = 0;
    for (unsigned i = 0; i < TOKEN_SIZE; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

bool token_is_ours(struct token_keys *k, struct dht_random *random, const struct endpoint *from,
    struct bytes token, usec now)
{
    uint8_t current[TOKEN_SIZE], before[TOKEN_SIZE];
    if (token.size != TOKEN_SIZE)
        return false;
    rotate(k, random, now);
    token_under(k->key, from, current);
    token_under(k->before, from, before);
    bool is_current = same(token.data, current), is_before = same(token.data, before);
    return is_current || is_before;
}
