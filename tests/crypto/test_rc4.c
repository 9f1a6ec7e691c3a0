/* RC4 against RFC 6229, and its fast loops against the textbook's. */
#include "base/bytes.h"
#include "base/text.h"
#include "check.h"
#include "crypto/rc4.h"
#include "crypto/rc4_blocks.h"

static void the_key_stream_agrees_with_rfc_6229(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t offset;
        const char *stream;
    } vectors[] = {
        {"0102030405", 0, "b2396305f03dc027ccc3524a0a1118a8"},
        {"0102030405", 16, "6982944f18fc82d589c403a47a0d0919"},
        {"0102030405", 1024, "30abbcc7c20b01609f23ee2d5f6bb7df"},
        {"0102030405", 4096, "ff25b58995996707e51fbdf08b34d875"},
        {"0102030405060708", 0, "97ab8a1bf0afb96132f2f67258da15a8"},
        {"0102030405060708090a0b0c0d0e0f10", 0, "9ac7cc9a609d1ef7b2932899cde41b97"},
        {"0102030405060708090a0b0c0d0e0f10", 1024, "bdf0324e6083dcc6d3cedd3ca8c53c16"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t key[16], expected[16], out[16] = {0};
        size_t key_size = strlen(vectors[i].key) / 2;
        struct rc4 r;
        assert_int_equal(hex_decode(bytes_of_str(vectors[i].key), key, key_size), 0);
        assert_int_equal(hex_decode(bytes_of_str(vectors[i].stream), expected, 16), 0);
        rc4_init(&r, key, key_size);
        rc4_skip(&r, vectors[i].offset);
        rc4_apply(&r, out, out, 16);
        assert_memory_equal(out, expected, 16);
    }
}

static void a_stream_cut_anywhere_is_the_same_stream(void **state)
{
    (void)state;
    uint8_t whole[1000] = {0}, cut[1000] = {0};
    struct rc4 a, b;
    uint64_t random = 1;
    rc4_init(&a, "key", 3);
    rc4_init(&b, "key", 3);
    rc4_apply(&a, whole, whole, sizeof whole);
    for (size_t at = 0; at < sizeof cut;) {
        size_t size = (size_t)(next_random(&random) % 40);
        if (size > sizeof cut - at)
            size = sizeof cut - at;
        rc4_apply(&b, cut + at, cut + at, size);
        at += size;
    }
    assert_memory_equal(whole, cut, sizeof whole);
}

static void applying_twice_gives_the_text_back(void **state)
{
    (void)state;
    uint8_t text[77], out[77];
    uint8_t key[256];
    struct rc4 r;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(255 - i);
    rc4_init(&r, key, sizeof key);
    rc4_apply(&r, text, out, sizeof text);
    assert_memory_not_equal(text, out, sizeof text);
    rc4_init(&r, key, sizeof key);
    rc4_apply(&r, out, out, sizeof out);
    assert_memory_equal(text, out, sizeof text);
}

/* ---- against the textbook ------------------------------------------------------------------ */

static void textbook(struct rc4 *r, const uint8_t *in, uint8_t *out, size_t size)
{
    for (; size > 0; size--) {
        r->i = (r->i + 1) & 255;
        r->j = (r->j + r->s[r->i]) & 255;
        uint32_t x = r->s[r->i];
        r->s[r->i] = r->s[r->j];
        r->s[r->j] = x;
        *out++ = *in++ ^ (uint8_t)r->s[(r->s[r->i] + r->s[r->j]) & 255];
    }
}

/* Every index to begin at, length and alignment; nothing beside it is touched. */
static void every_length_and_alignment_gives_the_stream_of_the_textbook(void **state)
{
    (void)state;
    uint8_t text[80], expected[80], out[96];
    struct rc4 fast, slow;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 29);
    rc4_init(&fast, "another key", 11);
    slow = fast;
    for (size_t size = 0; size <= 64; size++) {
        for (size_t at = 0; at < 16; at++) {
            bool in_place = (size + at) % 2;
            memset(out, 0xa5, sizeof out);
            memcpy(out + at, text + at, in_place ? size : 0);
            textbook(&slow, text + at, expected, size);
            rc4_apply(&fast, in_place ? out + at : text + at, out + at, size);
            assert_memory_equal(out + at, expected, size);
            for (size_t i = 0; i < sizeof out; i++)
                assert_true((i >= at && i < at + size) || out[i] == 0xa5);
            assert_memory_equal(&fast, &slow, sizeof fast);
        }
    }
}

/* In a long stream each step stores into each of those that were read ahead. */
static void each_loop_gives_the_stream_of_the_textbook(void **state)
{
    (void)state;
    static rc4_blocks *const loops[] = {rc4_blocks_portable, RC4_BLOCKS};
    static uint8_t text[1 << 20], expected[sizeof text], out[sizeof text];
    for (size_t l = 0; l < sizeof loops / sizeof *loops; l++) {
        for (uint8_t key = 0; key < 8; key++) {
            struct rc4 r, slow;
            rc4_init(&r, &key, 1);
            rc4_skip(&r, 7 + 8u * 31 * key); /* the next index is a multiple of 8 */
            slow = r;
            textbook(&slow, text, expected, sizeof text);
            r.j = (uint32_t)loops[l](r.s, text, out, sizeof text, r.j, (r.i + 1) & 255);
            assert_memory_equal(out, expected, sizeof text);
            assert_memory_equal(&r, &slow, sizeof r); /* a whole number of rounds */
        }
    }
}

RUN(T(the_key_stream_agrees_with_rfc_6229), T(a_stream_cut_anywhere_is_the_same_stream),
    T(applying_twice_gives_the_text_back),
    T(every_length_and_alignment_gives_the_stream_of_the_textbook),
    T(each_loop_gives_the_stream_of_the_textbook))
