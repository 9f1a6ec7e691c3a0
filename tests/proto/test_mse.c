/* MSE/PE beside a second implementation of its other side, written straight from the description in
 * this file: keys that begin with zeros, no IA, payload in the same segment, each method. */
#include "base/err.h"
#include "crypto/dh768.h"
#include "crypto/hash.h"
#include "proto/mse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAYLOAD "what follows the greeting"

static const struct info_hash skey = {"the torrent's hash.."};

static bool find(void *user, const struct sha1_digest *name, struct info_hash *out)
{
    struct sha1_digest its = mse_name(&skey);
    (void)user;
    *out = skey;
    return sha1_equal(&its, name);
}

/* ---- the other side, by hand --------------------------------------------------------------- */

struct other {
    uint8_t private_key[DH768_PRIVATE_SIZE], ours[DH768_SIZE], secret[DH768_SIZE];
    struct rc4 out, in;
};

static struct sha1_digest labelled(const char *label, const void *a, size_t a_size, const void *b)
{
    uint8_t text[4 + DH768_SIZE + 20];
    memcpy(text, label, 4);
    memcpy(text + 4, a, a_size);
    if (b)
        memcpy(text + 4 + a_size, b, 20);
    return sha1(text, 4 + a_size + (b ? 20 : 0));
}

static void other_key(struct other *o, const uint8_t key[DH768_PRIVATE_SIZE])
{
    memcpy(o->private_key, key, DH768_PRIVATE_SIZE);
    assert_int_equal(dh768_public(key, o->ours), 0);
}

static void other_meets(struct other *o, const uint8_t *theirs, bool initiator)
{
    assert_int_equal(dh768_shared(o->private_key, theirs, o->secret), 0);
    struct sha1_digest a = labelled("keyA", o->secret, DH768_SIZE, skey.b);
    struct sha1_digest b = labelled("keyB", o->secret, DH768_SIZE, skey.b);
    rc4_init(&o->out, initiator ? a.b : b.b, 20);
    rc4_init(&o->in, initiator ? b.b : a.b, 20);
    rc4_skip(&o->out, 1024);
    rc4_skip(&o->in, 1024);
}

static void other_puts(struct other *o, struct builder *to, const void *data, size_t size)
{
    uint8_t cipher[2048];
    rc4_apply(&o->out, data, cipher, size);
    builder_bytes_put(to, cipher, size);
}

/* What an initiator says once it knows the other's key. */
static void other_calls(struct other *o, struct builder *to, uint32_t provide, struct bytes ia)
{
    struct sha1_digest sync = labelled("req1", o->secret, DH768_SIZE, NULL);
    struct sha1_digest name = labelled("req2", skey.b, 20, NULL);
    struct sha1_digest mask = labelled("req3", o->secret, DH768_SIZE, NULL);
    uint8_t head[8 + 4 + 2 + 2] = {0};
    for (unsigned i = 0; i < 20; i++)
        name.b[i] ^= mask.b[i];
    builder_bytes_put(to, sync.b, 20);
    builder_bytes_put(to, name.b, 20);
    store_u32(head + 8, provide);
    store_u16(head + 14, (uint16_t)ia.size);
    other_puts(o, to, head, sizeof head);
    other_puts(o, to, ia.data, ia.size);
}

/* What a responder says. */
static void other_answers(struct other *o, struct builder *to, uint32_t select)
{
    uint8_t head[8 + 4 + 2] = {0};
    store_u32(head + 8, select);
    other_puts(o, to, head, sizeof head);
}

/* ---- our side ------------------------------------------------------------------------------ */

static struct mse_random randomness;
static struct builder said; /* by us */

static void start(struct mse *m, bool initiator, uint32_t methods, struct bytes ia)
{
    struct mse_config config = {.initiator = initiator,
        .methods = methods,
        .random = &randomness,
        .skey = skey,
        .ia = ia,
        .find = find};
    memset(&randomness, 0, sizeof randomness);
    randomness.private_key[0] = 77;
    said = builder_heap(8192);
    assert_int_equal(mse_init(m, &config, &said), 0);
}

/* Whatever order the bytes come in. */
static void feed(struct mse *m, const struct builder *from, size_t cut)
{
    uint8_t *in = malloc(from->size);
    for (size_t n = 0; n < from->size;) {
        size_t step = from->size - n < cut ? from->size - n : cut;
        memcpy(in + n, from->data + n, step);
        n += step;
        if (mse_done(m)) {
            mse_decrypt(m, in + n - step, step);
            continue;
        }
        assert_int_equal(mse_input(m, in, n, &said), 0);
    }
    assert_true(mse_done(m));
    assert_int_equal(from->size - m->at, strlen(PAYLOAD));
    assert_memory_equal(in + m->at, PAYLOAD, strlen(PAYLOAD));
    free(in);
}

/* An incoming connection, by hand on the other side. */
static void is_called(const uint8_t key[DH768_PRIVATE_SIZE], uint32_t provide, uint32_t accept,
    uint32_t expected, const char *ia, size_t cut)
{
    struct mse m;
    struct other o;
    struct builder from = builder_heap(8192);
    start(&m, false, accept, bytes_of(NULL, 0));
    other_key(&o, key);
    builder_bytes_put(&from, o.ours, DH768_SIZE);
    builder_str(&from, "a pad");
    /* It knows our key beforehand: it does not depend on what it says. */
    uint8_t ours[DH768_SIZE];
    dh768_public(randomness.private_key, ours);
    other_meets(&o, ours, true);
    other_calls(&o, &from, provide, bytes_of_str(ia));
    const char *rest = &PAYLOAD[strlen(ia)];
    if (expected == MSE_RC4)
        other_puts(&o, &from, rest, strlen(rest));
    else
        builder_str(&from, rest);
    feed(&m, &from, cut);
    assert_int_equal(m.selected, expected);
    /* And what we said is understood. */
    assert_memory_equal(said.data, ours, DH768_SIZE);
    uint8_t head[14];
    rc4_apply(&o.in, said.data + DH768_SIZE, head, sizeof head);
    assert_memory_equal(head, "\0\0\0\0\0\0\0", 8);
    assert_int_equal(load_u32(head + 8), expected);
    builder_free(&from);
    builder_free(&said);
}

static void calls(
    const uint8_t key[DH768_PRIVATE_SIZE], uint32_t select, const char *ia, size_t cut)
{
    struct mse m;
    struct other o;
    struct builder from = builder_heap(8192);
    start(&m, true, MSE_RC4 | MSE_PLAIN, bytes_of_str(ia));
    other_key(&o, key);
    builder_bytes_put(&from, o.ours, DH768_SIZE);
    builder_str(&from, "a pad");
    other_meets(&o, said.data, false);
    other_answers(&o, &from, select);
    if (select == MSE_RC4)
        other_puts(&o, &from, PAYLOAD, strlen(PAYLOAD));
    else
        builder_str(&from, PAYLOAD);
    feed(&m, &from, cut);
    assert_int_equal(m.selected, select);
    /* What we said: our key, the marks, RC4{VC, methods, no pad, IA}. */
    struct sha1_digest sync = labelled("req1", o.secret, DH768_SIZE, NULL);
    assert_memory_equal(said.data + DH768_SIZE, sync.b, 20);
    uint8_t head[16 + 64];
    size_t size = said.size - DH768_SIZE - 40;
    assert_int_equal(size, 16 + strlen(ia));
    rc4_apply(&o.in, said.data + DH768_SIZE + 40, head, size);
    assert_int_equal(load_u32(head + 8), MSE_RC4 | MSE_PLAIN);
    assert_int_equal(load_u16(head + 14), strlen(ia));
    assert_memory_equal(head + 16, ia, strlen(ia));
    builder_free(&from);
    builder_free(&said);
}

static const uint8_t a_key[DH768_PRIVATE_SIZE] = {1, 2, 3, 4};

static void each_method_is_taken_with_and_without_ia_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 2000; cut += cut < 40 ? 1 : 331) {
        is_called(a_key, MSE_RC4, MSE_RC4 | MSE_PLAIN, MSE_RC4, "", cut);
        is_called(a_key, MSE_RC4 | MSE_PLAIN, MSE_RC4 | MSE_PLAIN, MSE_RC4, "what", cut);
        is_called(a_key, MSE_PLAIN, MSE_RC4 | MSE_PLAIN, MSE_PLAIN, "", cut);
        is_called(a_key, MSE_RC4 | MSE_PLAIN, MSE_PLAIN, MSE_PLAIN, "what", cut);
        calls(a_key, MSE_RC4, "", cut);
        calls(a_key, MSE_PLAIN, "", cut);
        calls(a_key, MSE_RC4, "initial payload", cut);
        calls(a_key, MSE_PLAIN, "initial payload", cut);
    }
}

/* One in 256: their public value, or the secret, begins with a zero byte. */
static void keys_that_begin_with_zeros_are_padded_on_the_left(void **state)
{
    uint8_t key[DH768_PRIVATE_SIZE] = {9}, secret[DH768_SIZE], ours[DH768_SIZE];
    uint8_t theirs[DH768_SIZE];
    unsigned publics = 0, secrets = 0;
    (void)state;
    memset(&randomness, 0, sizeof randomness);
    randomness.private_key[0] = 77;
    assert_int_equal(dh768_public(randomness.private_key, ours), 0);
    for (uint32_t i = 0; i < 20000 && (!publics || !secrets); i++) {
        store_u32(key + 8, i);
        assert_int_equal(dh768_public(key, theirs), 0);
        assert_int_equal(dh768_shared(key, ours, secret), 0);
        if (theirs[0] != 0 && secret[0] != 0)
            continue;
        publics += theirs[0] == 0;
        secrets += secret[0] == 0;
        is_called(key, MSE_RC4, MSE_RC4, MSE_RC4, "what", 1000);
        calls(key, MSE_RC4, "", 1000);
    }
    assert_true(publics && secrets);
}

static void what_was_not_offered_is_not_taken(void **state)
{
    struct mse m;
    struct other o;
    uint8_t in[4096];
    (void)state;
    for (uint32_t select = 0; select < 5; select++) {
        struct builder from = builder_fixed(in, sizeof in);
        start(&m, true, MSE_RC4, bytes_of(NULL, 0));
        other_key(&o, a_key);
        builder_bytes_put(&from, o.ours, DH768_SIZE);
        other_meets(&o, said.data, false);
        other_answers(&o, &from, select);
        int err = mse_input(&m, in, from.size, &said);
        assert_int_equal(err, select == MSE_RC4 ? 0 : ERR_PROTOCOL);
        builder_free(&said);
    }
}

static void a_mark_that_does_not_come_within_its_bound_ends_it(void **state)
{
    struct mse m;
    static uint8_t in[DH768_SIZE + 2000];
    (void)state;
    start(&m, false, MSE_RC4, bytes_of(NULL, 0));
    memset(in, 7, sizeof in);
    int err = 0;
    size_t size = DH768_SIZE;
    while (!err && size < sizeof in)
        err = mse_input(&m, in, size++, &said);
    assert_int_equal(err, ERR_PROTOCOL);
    assert_in_range(size, DH768_SIZE + 512 + 20, DH768_SIZE + 512 + 20 + 2);
    builder_free(&said);
}

static void a_public_value_that_gives_the_secret_away_is_refused(void **state)
{
    struct mse m;
    (void)state;
    for (int last = 0; last < 2; last++) {
        uint8_t in[DH768_SIZE] = {0};
        in[DH768_SIZE - 1] = (uint8_t)last;
        start(&m, false, MSE_RC4, bytes_of(NULL, 0));
        assert_int_equal(mse_input(&m, in, sizeof in, &said), ERR_PROTOCOL);
        builder_free(&said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_is_taken_with_and_without_ia_however_it_is_cut),
        cmocka_unit_test(keys_that_begin_with_zeros_are_padded_on_the_left),
        cmocka_unit_test(what_was_not_offered_is_not_taken),
        cmocka_unit_test(a_mark_that_does_not_come_within_its_bound_ends_it),
        cmocka_unit_test(a_public_value_that_gives_the_secret_away_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
