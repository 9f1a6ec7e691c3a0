/* SHA-1 and SHA-256 in 8 lanes of AVX2. Compiled for AVX2 function by function, so that the rest
 * of the program runs anywhere; hash_many.c calls it only where the CPU supports it and where it
 * beats one stream. Empty on other machines. */
#include "crypto/hash_kernel.h"

#if HASH_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define LANE_FN TARGET __attribute__((always_inline)) static inline
#define LANE_ENTRY TARGET static
#define LANES 8
typedef __m256i vec;

#define v_rotl(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define v_rotr(x, n) v_rotl(x, 32 - (n))
#define v_shr(x, n) _mm256_srli_epi32(x, n)

LANE_FN vec v_load(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

LANE_FN void v_store(uint32_t *p, vec x)
{
    _mm256_storeu_si256((__m256i *)p, x);
}

LANE_FN vec v_set(uint32_t x)
{
    return _mm256_set1_epi32((int)x);
}

LANE_FN vec v_add(vec x, vec y)
{
    return _mm256_add_epi32(x, y);
}

LANE_FN vec v_xor(vec x, vec y)
{
    return _mm256_xor_si256(x, y);
}

LANE_FN vec v_xor3(vec x, vec y, vec z)
{
    return v_xor(v_xor(x, y), z);
}

LANE_FN vec v_choose(vec x, vec y, vec z)
{
    return v_xor(z, _mm256_and_si256(x, v_xor(y, z)));
}

LANE_FN vec v_majority(vec x, vec y, vec z)
{
    return _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)));
}

/* 16 bytes of each of two lanes, four apart: inserting from memory costs no shuffle. */
LANE_FN vec load_halves(const uint8_t *const *lane, size_t offset)
{
    vec x = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(lane[0] + offset)));
    return _mm256_inserti128_si256(x, _mm_loadu_si128((const __m128i *)(lane[4] + offset)), 1);
}

/* With the lanes so placed, a 4 by 4 transpose within each 128 bits puts lane l at element l. */
LANE_FN void transpose(vec w[4], vec r0, vec r1, vec r2, vec r3)
{
    const vec swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    vec low01 = _mm256_unpacklo_epi32(r0, r1), high01 = _mm256_unpackhi_epi32(r0, r1);
    vec low23 = _mm256_unpacklo_epi32(r2, r3), high23 = _mm256_unpackhi_epi32(r2, r3);
    w[0] = _mm256_shuffle_epi8(_mm256_unpacklo_epi64(low01, low23), swap);
    w[1] = _mm256_shuffle_epi8(_mm256_unpackhi_epi64(low01, low23), swap);
    w[2] = _mm256_shuffle_epi8(_mm256_unpacklo_epi64(high01, high23), swap);
    w[3] = _mm256_shuffle_epi8(_mm256_unpackhi_epi64(high01, high23), swap);
}

/* Messages often lie a power of two apart, so that their cache lines fall into one set, which holds
 * fewer than there are lanes: a line is read to its end before the next is touched. */
LANE_FN void v_load_block(vec w[16], const uint8_t *const *lane, size_t offset)
{
    vec rows[4][4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int part = 0; part < 4; part++)
            rows[part][i] = load_halves(lane + i, offset + 16 * part);
    }
    UNROLL
    for (int part = 0; part < 4; part++)
        transpose(w + 4 * part, rows[part][0], rows[part][1], rows[part][2], rows[part][3]);
}

#include "crypto/lanes.h"

const struct hash_kernel hash_kernels_avx2[2] = {
    [HASH_SHA1] = {"avx2", LANES, sha1_lanes, sha1_zeros},
    [HASH_SHA256] = {"avx2", LANES, sha256_lanes, NULL},
};
#endif
