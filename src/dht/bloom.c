/* See bloom.h. */
#include "dht/bloom.h"

#include "crypto/hash.h"
#include <math.h>

#define BITS (BLOOM_SIZE * 8)

void bloom_add(uint8_t filter[BLOOM_SIZE], const struct endpoint *address)
{
    struct sha1_digest d = sha1(address->ip, address->family == ADDR_V4 ? 4 : 16);
    for (unsigned i = 0; i < 4; i += 2) {
        unsigned bit = (d.b[i] | (unsigned)d.b[i + 1] << 8) % BITS;
        filter[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

void bloom_join(uint8_t into[BLOOM_SIZE], const uint8_t other[BLOOM_SIZE])
{
    for (unsigned i = 0; i < BLOOM_SIZE; i++)
        into[i] |= other[i];
}

double bloom_estimate(const uint8_t filter[BLOOM_SIZE])
{
    unsigned set = 0;
    for (unsigned i = 0; i < BLOOM_SIZE; i++)
        set += (unsigned)__builtin_popcount(filter[i]);
    unsigned zeros = BITS - set;
    double c = zeros < BITS - 1 ? zeros : BITS - 1;
    if (set == 0)
        return 0;
    if (zeros == 0)
        c = 1;
    return log(c / BITS) / (2 * log1p(-1.0 / BITS));
}
