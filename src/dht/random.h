/* Chance for one DHT node: SipHash in counter mode under a key that the owner hands in, so that a
 * simulated run repeats and a real one cannot be guessed. */
#ifndef KITH_DHT_RANDOM_H
#define KITH_DHT_RANDOM_H

#include "base/map.h"
#include "dht/node_id.h"

struct dht_random {
    uint8_t key[16];
    uint64_t counter;
};

static inline uint64_t dht_random_u64(struct dht_random *r)
{
    r->counter++;
    return siphash13(&r->counter, sizeof r->counter, r->key);
}
/* 0 to bound - 1; `bound` above 0 and small against 2^64. */
static inline uint64_t dht_random_below(struct dht_random *r, uint64_t bound)
{
    return dht_random_u64(r) % bound;
}
static inline void dht_random_fill(struct dht_random *r, void *out, size_t size)
{
    for (uint8_t *at = out; size > 0;) {
        uint64_t word = dht_random_u64(r);
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(at, &word, n);
        at += n;
        size -= n;
    }
}
static inline struct node_id dht_random_id(struct dht_random *r)
{
    struct node_id id;
    dht_random_fill(r, id.b, sizeof id.b);
    return id;
}

#endif
