/* The bloom filters of BEP 33: a set of addresses in 256 bytes, of which the size can be told. */
#ifndef KITH_DHT_BLOOM_H
#define KITH_DHT_BLOOM_H

#include "base/addr.h"

#define BLOOM_SIZE 256u

void bloom_add(uint8_t filter[BLOOM_SIZE], const struct endpoint *address);
/* `into` becomes the union of both. */
void bloom_join(uint8_t into[BLOOM_SIZE], const uint8_t other[BLOOM_SIZE]);
/* About how many addresses are in it; from 6000 on it says little. */
double bloom_estimate(const uint8_t filter[BLOOM_SIZE]);

#endif
