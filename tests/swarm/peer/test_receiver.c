/* The receiver: the same messages must come out however the stream is cut, predicted or not,
 * encrypted or not. */
#include "base/err.h"
#include "proto/peer_wire.h"
#include "swarm/peer/receiver.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define BLOCK 16384u
#define BLOCKS 40u
#define STREAM_MAX (BLOCKS * (BLOCK + 64) + 65536)

/* What the receiver told us, as one digest-like log, and the blocks that it filled. */
struct sink {
    uint8_t *data; /* BLOCKS blocks */
    bool expected[BLOCKS];
    bool got[BLOCKS];
    unsigned order[BLOCKS], order_count; /* in which blocks were asked for */
    unsigned messages, keepalives, discarded;
    uint32_t message_sum;
};

static bool predict(void *user, unsigned nth, struct receiver_block *out)
{
    struct sink *s = user;
    for (unsigned i = 0; i < s->order_count; i++) {
        unsigned b = s->order[i];
        if (s->got[b] || !s->expected[b] || nth-- > 0)
            continue;
        *out = (struct receiver_block){b / 4, b % 4 * BLOCK, BLOCK, s->data + b * BLOCK};
        return true;
    }
    return false;
}

static int place(void *user, struct receiver_block *block)
{
    struct sink *s = user;
    unsigned b = block->piece * 4 + block->begin / BLOCK;
    if (block->length > BLOCK)
        return ERR_PROTOCOL;
    block->place = b < BLOCKS && s->expected[b] && !s->got[b] ? s->data + b * BLOCK : NULL;
    return 0;
}

static bool begun(void *user, const struct receiver_block *block)
{
    (void)user;
    assert_non_null(block->place);
    return true;
}

static int block_done(void *user, const struct receiver_block *block)
{
    struct sink *s = user;
    if (!block->place) {
        s->discarded++;
        return 0;
    }
    s->got[block->piece * 4 + block->begin / BLOCK] = true;
    return 0;
}

static int message(void *user, int id, struct bytes payload)
{
    struct sink *s = user;
    if (id < 0) {
        s->keepalives++;
        return 0;
    }
    s->messages++;
    s->message_sum = s->message_sum * 31 + (uint32_t)id;
    for (size_t i = 0; i < payload.size; i++)
        s->message_sum = s->message_sum * 31 + payload.data[i];
    return 0;
}

static int check(void *user, uint8_t id, uint32_t length)
{
    (void)user;
    (void)id;
    return length > 70000 ? ERR_LIMIT : 0;
}

static const struct receiver_ops ops = {predict, place, begun, block_done, message, check};

static uint32_t prng(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A stream of all the blocks in order, with other messages and unasked blocks strewn in. */
static size_t make_stream(uint8_t *out, unsigned noise_percent, uint32_t seed)
{
    struct builder b = builder_fixed(out, STREAM_MAX);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (prng(&seed) % 100 < noise_percent) {
            switch (prng(&seed) % 5) {
            case 0:
                builder_u32(&b, 0);
                break;
            case 1:
                builder_u32(&b, 1);
                builder_u8(&b, 1);
                break;
            case 2:
                builder_u32(&b, 5);
                builder_u8(&b, 4);
                builder_u32(&b, i);
                break;
            case 3: {
                uint32_t size = prng(&seed) % 3000;
                builder_u32(&b, size + 1);
                builder_u8(&b, 20);
                memset(builder_reserve(&b, size), (int)i, size);
                break;
            }
            default: /* a block that nobody asked for */
                builder_u32(&b, 9 + 100);
                builder_u8(&b, 7);
                builder_u32(&b, 1000);
                builder_u32(&b, 0);
                memset(builder_reserve(&b, 100), 0xee, 100);
            }
        }
        builder_u32(&b, 9 + BLOCK);
        builder_u8(&b, 7);
        builder_u32(&b, i / 4);
        builder_u32(&b, i % 4 * BLOCK);
        uint8_t *p = builder_reserve(&b, BLOCK);
        for (unsigned k = 0; k < BLOCK; k++)
            p[k] = (uint8_t)(i * 7 + k * 13 + (k >> 8));
    }
    assert_true(builder_ok(&b));
    return b.size;
}

/* Feeds the stream in random cuts the way a link does: layout, scatter, input. */
static int run(struct sink *s, const uint8_t *stream, size_t size, uint32_t seed, size_t cut_max,
    struct rc4 *cipher, struct receiver_scratch *scratch)
{
    struct receiver r;
    receiver_init(&r, &ops, s, cipher, scratch);
    size_t at = 0;
    int err = 0;
    while (at < size && !err) {
        struct iovec iov[RECEIVER_IOV_MAX];
        int count = receiver_layout(&r, iov, 1 + prng(&seed) % (8 * BLOCK));
        size_t want = 1 + prng(&seed) % cut_max, got = 0;
        for (int i = 0; i < count && got < want && at < size; i++) {
            size_t n = iov[i].iov_len;
            n = n < want - got ? n : want - got;
            n = n < size - at ? n : size - at;
            memcpy(iov[i].iov_base, stream + at, n);
            at += n;
            got += n;
        }
        err = receiver_input(&r, iov, count, got);
    }
    receiver_free(&r);
    return err;
}

static void check_all_runs(unsigned noise, bool shuffle_order, bool encrypted)
{
    struct receiver_scratch *scratch = malloc(sizeof *scratch);
    uint8_t *stream = malloc(STREAM_MAX), *wire = malloc(STREAM_MAX);
    for (uint32_t seed = 1; seed <= 60; seed++) {
        size_t size = make_stream(stream, noise, seed);
        struct sink whole = {.data = calloc(BLOCKS, BLOCK)};
        struct sink s = {.data = calloc(BLOCKS, BLOCK)};
        uint32_t mix = seed;
        for (unsigned i = 0; i < BLOCKS; i++)
            s.order[i] = i, s.expected[i] = true;
        for (unsigned i = 0; shuffle_order && i < BLOCKS; i++) {
            unsigned j = prng(&mix) % BLOCKS, t = s.order[i];
            s.order[i] = s.order[j];
            s.order[j] = t;
        }
        s.order_count = BLOCKS;
        memcpy(whole.order, s.order, sizeof s.order);
        memcpy(whole.expected, s.expected, sizeof s.expected);
        struct receiver r;
        receiver_init(&r, &ops, &whole, NULL, scratch);
        assert_int_equal(receiver_feed(&r, bytes_of(stream, size)), 0);
        receiver_free(&r);

        struct rc4 out, in;
        rc4_init(&out, "key", 3);
        rc4_init(&in, "key", 3);
        rc4_apply(&out, stream, wire, size);
        size_t cuts[] = {1, 7, 40, 5000, 40000, 400000};
        assert_int_equal(run(&s, encrypted ? wire : stream, size, seed, cuts[seed % 6],
                             encrypted ? &in : NULL, scratch),
            0);
        for (unsigned i = 0; i < BLOCKS; i++) {
            assert_true(s.got[i]);
            for (unsigned k = 0; k < BLOCK; k++)
                assert_int_equal(s.data[i * BLOCK + k], (uint8_t)(i * 7 + k * 13 + (k >> 8)));
        }
        assert_int_equal(s.messages, whole.messages);
        assert_int_equal(s.message_sum, whole.message_sum);
        assert_int_equal(s.keepalives, whole.keepalives);
        assert_int_equal(s.discarded, whole.discarded);
        free(whole.data);
        free(s.data);
    }
    free(stream);
    free(wire);
    free(scratch);
}

static void predicted_blocks_land_in_place_however_the_stream_is_cut(void **state)
{
    (void)state;
    check_all_runs(0, false, false);
}

static void messages_between_the_blocks_are_delivered_and_disturb_nothing(void **state)
{
    (void)state;
    check_all_runs(40, false, false);
    check_all_runs(100, false, false);
}

static void blocks_out_of_order_are_moved_to_their_place(void **state)
{
    (void)state;
    check_all_runs(20, true, false);
}

static void an_encrypted_stream_gives_the_same(void **state)
{
    (void)state;
    check_all_runs(30, false, true);
}

static void a_length_above_the_bound_ends_the_connection(void **state)
{
    (void)state;
    struct receiver_scratch *scratch = malloc(sizeof *scratch);
    struct sink s = {0};
    uint8_t wire[] = {0xff, 0xff, 0xff, 0xff, 20, 0};
    assert_int_equal(run(&s, wire, sizeof wire, 1, 100, NULL, scratch), ERR_LIMIT);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predicted_blocks_land_in_place_however_the_stream_is_cut),
        cmocka_unit_test(messages_between_the_blocks_are_delivered_and_disturb_nothing),
        cmocka_unit_test(blocks_out_of_order_are_moved_to_their_place),
        cmocka_unit_test(an_encrypted_stream_gives_the_same),
        cmocka_unit_test(a_length_above_the_bound_ends_the_connection),
    };
    return cmocka_run_group_tests_name("receiver", tests, NULL, NULL);
}
