/* SHA-1 and SHA-256 in 16 lanes of AVX-512. Compiled for AVX-512 function by function, so that the
 * rest of the program runs anywhere; hash_many.c calls it only where the CPU and the kernel of the
 * system support it. Empty on other machines. */
#include "crypto/hash_kernel.h"

#if HASH_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))
#define LANE_FN TARGET __attribute__((always_inline)) static inline
#define LANE_ENTRY TARGET static
#define LANES 16
typedef __m512i vec;

#define v_rotl(x, n) _mm512_rol_epi32(x, n)
#define v_rotr(x, n) _mm512_ror_epi32(x, n)
#define v_shr(x, n) _mm512_srli_epi32(x, n)

LANE_FN vec v_load(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}

LANE_FN void v_store(uint32_t *p, vec x)
{
    _mm512_storeu_si512(p, x);
}

LANE_FN vec v_set(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}

LANE_FN vec v_add(vec x, vec y)
{
    return _mm512_add_epi32(x, y);
}

LANE_FN vec v_xor(vec x, vec y)
{
    return _mm512_xor_si512(x, y);
}

/* The immediates are truth tables: bit (x << 2 | y << 1 | z) is the result. */
LANE_FN vec v_xor3(vec x, vec y, vec z)
{
    return _mm512_ternarylogic_epi32(x, y, z, 0x96);
}

LANE_FN vec v_choose(vec x, vec y, vec z)
{
    return _mm512_ternarylogic_epi32(x, y, z, 0xca);
}

LANE_FN vec v_majority(vec x, vec y, vec z)
{
    return _mm512_ternarylogic_epi32(x, y, z, 0xe8);
}

/* 32 bytes of each of two lanes, four apart: inserting from memory costs no shuffle. */
LANE_FN vec load_halves(const uint8_t *const *lane, size_t offset)
{
    vec x = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(lane[0] + offset)));
    return _mm512_inserti64x4(x, _mm256_loadu_si256((const __m256i *)(lane[4] + offset)), 1);
}

/* 16 bytes of each of four lanes, four apart, and the next 16 of each: a shuffle for each vector,
 * where inserting each quarter would be three. SHA-1 is a thirtieth faster for it. */
LANE_FN void load_quarters(const uint8_t *const *lane, size_t offset, vec *first, vec *second)
{
    vec x = load_halves(lane, offset), y = load_halves(lane + 8, offset);
    *first = _mm512_shuffle_i32x4(x, y, 0x88);
    *second = _mm512_shuffle_i32x4(x, y, 0xdd);
}

/* With the lanes so placed, a 4 by 4 transpose within each 128 bits puts lane l at element l. */
LANE_FN void transpose(vec w[4], vec r0, vec r1, vec r2, vec r3)
{
    const vec swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    vec low01 = _mm512_unpacklo_epi32(r0, r1), high01 = _mm512_unpackhi_epi32(r0, r1);
    vec low23 = _mm512_unpacklo_epi32(r2, r3), high23 = _mm512_unpackhi_epi32(r2, r3);
    w[0] = _mm512_shuffle_epi8(_mm512_unpacklo_epi64(low01, low23), swap);
    w[1] = _mm512_shuffle_epi8(_mm512_unpackhi_epi64(low01, low23), swap);
    w[2] = _mm512_shuffle_epi8(_mm512_unpacklo_epi64(high01, high23), swap);
    w[3] = _mm512_shuffle_epi8(_mm512_unpackhi_epi64(high01, high23), swap);
}

/* Messages often lie a power of two apart, so that their cache lines fall into one set, which holds
 * fewer than there are lanes: a line is read to its end before the next is touched. */
LANE_FN void v_load_block(vec w[16], const uint8_t *const *lane, size_t offset)
{
    vec rows[4][4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        load_quarters(lane + i, offset, &rows[0][i], &rows[1][i]);
        load_quarters(lane + i, offset + 32, &rows[2][i], &rows[3][i]);
    }
    UNROLL
    for (int part = 0; part < 4; part++)
        transpose(w + 4 * part, rows[part][0], rows[part][1], rows[part][2], rows[part][3]);
}

#include "crypto/lanes.h"

const struct hash_kernel hash_kernels_avx512[2] = {
    [HASH_SHA1] = {"avx512", LANES, sha1_lanes, sha1_zeros},
    [HASH_SHA256] = {"avx512", LANES, sha256_lanes, NULL},
};
#endif
