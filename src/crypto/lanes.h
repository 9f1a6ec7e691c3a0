/* SHA-1 and SHA-256 (FIPS 180-4) in the lanes of a vector: one message a lane, all in step.
 *
 * A template: lanes_avx2.c and lanes_avx512.c define the vector below and include it, and get
 * sha1_lanes, sha1_zeros and sha256_lanes. A state is transposed: word w of lane l stands at [w *
 * LANES + l].
 *
 *   vec, LANES                 the vector and its number of 32-bit lanes
 *   LANE_FN                    storage class and target attribute of an inlined function
 *   LANE_ENTRY                 the same of a function that others call
 *   v_load, v_store, v_set     state words, and one value for all lanes
 *   v_add, v_xor, v_rotl, v_rotr, v_shr
 *   v_xor3, v_choose, v_majority   functions of three bits
 *   v_load_block               the 16 message words of a block of each lane, byte-swapped
 */

/* Fixes a value where it is, which is ready long before what is added to it next. GCC would reorder
 * the additions so that the newest value goes through all of them, a fifth slower, and put what can
 * be done early behind what has to wait: a tenth of sha1_zeros. */
#define SETTLE(x) __asm__("" : "+v"(x))

/* Constants behind a pointer that the compiler knows nothing of stay in memory, where spreading one
 * over the lanes is part of its load. GCC would make immediates of them, and spread those by the
 * unit that shuffles: a twentieth slower. */
#define HIDE(pointer) __asm__("" : "+r"(pointer))

/* The message schedule is a ring of 16 words: word t replaces word t - 16. What is needed no more
 * is the first operand of v_xor3, whose register takes the result; the newest word comes last. */
LANE_FN vec sha1_word(vec w[16], unsigned t)
{
    if (t >= 16) {
        vec x = v_xor3(w[t & 15], w[(t - 14) & 15], w[(t - 8) & 15]);
        w[t & 15] = v_rotl(v_xor(x, w[(t - 3) & 15]), 1);
    }
    return w[t & 15];
}

LANE_FN vec sha1_function(unsigned t, vec b, vec c, vec d)
{
    if (t < 20)
        return v_choose(b, c, d);
    if (t >= 40 && t < 60)
        return v_majority(b, c, d);
    return v_xor3(b, c, d);
}

/* `w` NULL: a block of zeros, whose schedule is zeros as well. `b` is turned before the function
 * takes it, and its register (AVX-512: a move saved in each round). */
LANE_FN void sha1_rounds(vec s[5], vec *w)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    vec a = s[0], b = s[1], c = s[2], d = s[3], e = s[4];
    UNROLL
    for (unsigned t = 0; t < 80; t++) {
        vec sum = v_add(e, v_set(k[t / 20]));
        if (w)
            sum = v_add(sum, sha1_word(w, t));
        SETTLE(sum);
        vec turned = v_rotl(b, 30);
        SETTLE(turned);
        sum = v_add(sum, sha1_function(t, b, c, d));
        SETTLE(sum);
        vec newest = v_rotl(a, 5);
        SETTLE(newest);
        sum = v_add(sum, newest);
        e = d;
        d = c;
        c = turned;
        b = a;
        a = sum;
    }
    s[0] = v_add(s[0], a);
    s[1] = v_add(s[1], b);
    s[2] = v_add(s[2], c);
    s[3] = v_add(s[3], d);
    s[4] = v_add(s[4], e);
}

static const uint32_t sha256_constants[64] = {
    0x428a2f98,
    0x71374491,
    0xb5c0fbcf,
    0xe9b5dba5,
    0x3956c25b,
    0x59f111f1,
    0x923f82a4,
    0xab1c5ed5,
    0xd807aa98,
    0x12835b01,
    0x243185be,
    0x550c7dc3,
    0x72be5d74,
    0x80deb1fe,
    0x9bdc06a7,
    0xc19bf174,
    0xe49b69c1,
    0xefbe4786,
    0x0fc19dc6,
    0x240ca1cc,
    0x2de92c6f,
    0x4a7484aa,
    0x5cb0a9dc,
    0x76f988da,
    0x983e5152,
    0xa831c66d,
    0xb00327c8,
    0xbf597fc7,
    0xc6e00bf3,
    0xd5a79147,
    0x06ca6351,
    0x14292967,
    0x27b70a85,
    0x2e1b2138,
    0x4d2c6dfc,
    0x53380d13,
    0x650a7354,
    0x766a0abb,
    0x81c2c92e,
    0x92722c85,
    0xa2bfe8a1,
    0xa81a664b,
    0xc24b8b70,
    0xc76c51a3,
    0xd192e819,
    0xd6990624,
    0xf40e3585,
    0x106aa070,
    0x19a4c116,
    0x1e376c08,
    0x2748774c,
    0x34b0bcb5,
    0x391c0cb3,
    0x4ed8aa4a,
    0x5b9cca4f,
    0x682e6ff3,
    0x748f82ee,
    0x78a5636f,
    0x84c87814,
    0x8cc70208,
    0x90befffa,
    0xa4506ceb,
    0xbef9a3f7,
    0xc67178f2,
};

LANE_FN vec sha256_word(vec w[16], unsigned t)
{
    if (t >= 16) {
        vec x = w[(t - 15) & 15], y = w[(t - 2) & 15];
        vec low = v_xor3(v_rotr(x, 7), v_rotr(x, 18), v_shr(x, 3));
        vec high = v_xor3(v_rotr(y, 17), v_rotr(y, 19), v_shr(y, 10));
        w[t & 15] = v_add(v_add(w[t & 15], low), v_add(w[(t - 7) & 15], high));
    }
    return w[t & 15];
}

LANE_FN void sha256_rounds(vec s[8], vec w[16])
{
    vec a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    const uint32_t *k = sha256_constants;
    HIDE(k);
    UNROLL
    for (unsigned t = 0; t < 64; t++) {
        vec one = v_add(v_add(h, v_set(k[t])), sha256_word(w, t));
        one = v_add(one, v_choose(e, f, g));
        SETTLE(one);
        one = v_add(one, v_xor3(v_rotr(e, 6), v_rotr(e, 11), v_rotr(e, 25)));
        vec two = v_add(v_xor3(v_rotr(a, 2), v_rotr(a, 13), v_rotr(a, 22)), v_majority(a, b, c));
        h = g;
        g = f;
        f = e;
        e = v_add(d, one);
        d = c;
        c = b;
        b = a;
        a = v_add(one, two);
    }
    s[0] = v_add(s[0], a);
    s[1] = v_add(s[1], b);
    s[2] = v_add(s[2], c);
    s[3] = v_add(s[3], d);
    s[4] = v_add(s[4], e);
    s[5] = v_add(s[5], f);
    s[6] = v_add(s[6], g);
    s[7] = v_add(s[7], h);
}

LANE_ENTRY void sha1_lanes(uint32_t *state, const uint8_t *const *blocks, size_t count)
{
    vec s[5], w[16];
    UNROLL
    for (unsigned i = 0; i < 5; i++)
        s[i] = v_load(state + i * LANES);
    for (size_t offset = 0; offset < count * 64; offset += 64) {
        v_load_block(w, blocks, offset);
        sha1_rounds(s, w);
    }
    UNROLL
    for (unsigned i = 0; i < 5; i++)
        v_store(state + i * LANES, s[i]);
}

/* Nothing is loaded, and there is no schedule: three fifths of the work. */
LANE_ENTRY void sha1_zeros(uint32_t *state, size_t count)
{
    vec s[5];
    UNROLL
    for (unsigned i = 0; i < 5; i++)
        s[i] = v_load(state + i * LANES);
    while (count-- > 0)
        sha1_rounds(s, NULL);
    UNROLL
    for (unsigned i = 0; i < 5; i++)
        v_store(state + i * LANES, s[i]);
}

LANE_ENTRY void sha256_lanes(uint32_t *state, const uint8_t *const *blocks, size_t count)
{
    vec s[8], w[16];
    UNROLL
    for (unsigned i = 0; i < 8; i++)
        s[i] = v_load(state + i * LANES);
    for (size_t offset = 0; offset < count * 64; offset += 64) {
        v_load_block(w, blocks, offset);
        sha256_rounds(s, w);
    }
    UNROLL
    for (unsigned i = 0; i < 8; i++)
        v_store(state + i * LANES, s[i]);
}
