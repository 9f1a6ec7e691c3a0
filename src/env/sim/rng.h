/* Draws of the simulated world: splitmix64 streams. Each user (a path, a disk, a host's env_random)
 * has a stream of its own, derived from the run's one seed, so that one more draw here changes
 * nothing there. No floating point in the draws beyond one exact multiplication, so that a seed
 * means the same on every machine. Not for anything that must be secret. */
#ifndef KITH_ENV_SIM_RNG_H
#define KITH_ENV_SIM_RNG_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

struct sim_rng {
    uint64_t state;
};

/* The finaliser of splitmix64: every input bit reaches every output bit. */
static inline uint64_t sim_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline struct sim_rng sim_rng_of(uint64_t seed, uint64_t a, uint64_t b)
{
    return (struct sim_rng){sim_mix(sim_mix(sim_mix(seed) + a) + b)};
}

static inline uint64_t sim_rng_next(struct sim_rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return sim_mix(r->state);
}

/* 0 to n-1; n > 0. */
static inline uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)sim_rng_next(r) * n) >> 64);
}

/* Both bounds included. */
static inline usec sim_rng_between(struct sim_rng *r, usec low, usec high)
{
    return low >= high ? low : low + (usec)sim_rng_below(r, (uint64_t)(high - low) + 1);
}

/* Draws nothing where nothing can happen. */
static inline bool sim_rng_chance(struct sim_rng *r, double probability)
{
    if (probability <= 0)
        return false;
    return (double)(sim_rng_next(r) >> 11) < probability * 9007199254740992.0; /* 2^53 */
}

#endif
