/* The greeting: two of them talk to each other however the bytes are cut. */
#include "base/err.h"
#include "swarm/peer/greeting.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct info_hash v1 = {"the v1 info-hash...."}, v2 = {"the v2 info-hash...."};

/* A hybrid torrent: a caller by v1 that speaks v2 is answered with the v2 hash. */
static bool find(void *user, const struct handshake *theirs, struct greeting_answer *out)
{
    bool by_v1 = info_hash_equal(&theirs->info_hash, &v1);
    if (!by_v1 && !info_hash_equal(&theirs->info_hash, &v2))
        return false;
    *out = (struct greeting_answer){.info_hash = theirs->v2 ? v2 : theirs->info_hash,
        .is_v2 = theirs->v2 || !by_v1,
        .torrent = user};
    return true;
}

static bool find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent)
{
    struct sha1_digest its = mse_name(&v1);
    *skey = v1;
    *torrent = user;
    return sha1_equal(&its, name);
}

static enum greeting_encryption encryption = GREETING_OFF;

static void start(
    struct greeting *a, struct greeting *b, const struct info_hash *say, bool speaks_v2)
{
    struct greeting_config out = {.our_id = {"-KI0100-caller......"},
        .say = {.info_hash = *say, .v2 = speaks_v2},
        .encryption = encryption,
        .has_other_hash = speaks_v2,
        .other_hash = v2};
    struct greeting_config in = {.incoming = true,
        .our_id = {"-KI0100-called......"},
        .encryption = encryption,
        .find_name = find_name,
        .find = find,
        .user = b};
    memset(&out.random, 0x5a, sizeof out.random);
    memset(&in.random, 0xa5, sizeof in.random);
    assert_int_equal(greeting_init(a, &out), 0);
    assert_int_equal(greeting_init(b, &in), 0);
}

/* Carries at most `cut` bytes from one to the other; the error of the receiver. */
static int carry(struct greeting *from, struct greeting *to, size_t cut)
{
    struct bytes out = greeting_output(from);
    size_t room;
    uint8_t *at = greeting_room(to, &room);
    size_t n = out.size < cut ? out.size : cut;
    n = n < room ? n : room;
    if (n == 0)
        return 0;
    memcpy(at, out.data, n);
    greeting_sent(from, n);
    return greeting_input(to, n);
}

static void both_sides_learn_who_the_other_is_however_the_bytes_are_cut(void **state)
{
    (void)state;
    struct greeting *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    for (size_t cut = 1; cut <= 70; cut++) {
        start(a, b, &v1, false);
        for (unsigned i = 0; i < 200; i++) {
            assert_int_equal(carry(a, b, cut), 0);
            assert_int_equal(carry(b, a, cut), 0);
        }
        assert_true(greeting_done(a));
        assert_true(greeting_done(b));
        assert_memory_equal(a->theirs.peer_id.b, "-KI0100-called......", 20);
        assert_memory_equal(b->theirs.peer_id.b, "-KI0100-caller......", 20);
        assert_false(a->is_v2);
        assert_false(b->is_v2);
        assert_ptr_equal(b->torrent, b);
    }
    free(a);
    free(b);
}

static void encryption_is_agreed_on_however_the_bytes_are_cut(void **state)
{
    (void)state;
    struct greeting *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    encryption = GREETING_REQUIRE;
    for (size_t cut = 1; cut <= 1000; cut += cut < 20 ? 1 : 97) {
        start(a, b, &v1, false);
        for (unsigned i = 0; i < 3000; i++) {
            assert_int_equal(carry(a, b, cut), 0);
            assert_int_equal(carry(b, a, cut), 0);
        }
        assert_true(greeting_done(a) && greeting_done(b));
        assert_memory_equal(a->theirs.peer_id.b, "-KI0100-called......", 20);
        assert_memory_equal(b->theirs.peer_id.b, "-KI0100-caller......", 20);
        struct rc4 out = *greeting_encrypt(a), in = *greeting_decrypt(b);
        uint8_t text[5];
        rc4_apply(&out, "hello", text, 5);
        assert_memory_not_equal(text, "hello", 5);
        rc4_apply(&in, text, text, 5);
        assert_memory_equal(text, "hello", 5);
    }
    encryption = GREETING_OFF;
    free(a);
    free(b);
}

static void plaintext_is_refused_where_encryption_is_required(void **state)
{
    (void)state;
    struct greeting *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    start(a, b, &v1, false);
    b->config.encryption = GREETING_REQUIRE;
    assert_int_equal(carry(a, b, 100), ERR_REFUSED);
    assert_int_equal(greeting_output(b).size, 0);
    free(a);
    free(b);
}

static void a_hybrid_is_upgraded_to_v2_when_both_speak_it(void **state)
{
    (void)state;
    struct greeting *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    start(a, b, &v1, true);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(carry(a, b, 100), 0);
        assert_int_equal(carry(b, a, 100), 0);
    }
    assert_true(greeting_done(a) && greeting_done(b));
    assert_true(a->is_v2 && b->is_v2);
    free(a);
    free(b);
}

static void an_unknown_torrent_ends_it_before_anything_is_said(void **state)
{
    (void)state;
    static const struct info_hash other = {"some other torrent.."};
    struct greeting *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    start(a, b, &other, false);
    assert_int_equal(carry(a, b, 100), ERR_NOT_FOUND);
    assert_int_equal(greeting_output(b).size, 0);
    free(a);
    free(b);
}

static void an_answer_for_another_torrent_is_refused(void **state)
{
    (void)state;
    struct greeting *a = malloc(sizeof *a);
    struct greeting_config out = {.say = {.info_hash = v1}, .encryption = GREETING_OFF};
    struct handshake wrong = {.info_hash = v2};
    size_t room;
    greeting_init(a, &out);
    handshake_encode(&wrong, greeting_room(a, &room));
    assert_int_equal(greeting_input(a, HANDSHAKE_SIZE), ERR_MISMATCH);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_learn_who_the_other_is_however_the_bytes_are_cut),
        cmocka_unit_test(encryption_is_agreed_on_however_the_bytes_are_cut),
        cmocka_unit_test(plaintext_is_refused_where_encryption_is_required),
        cmocka_unit_test(a_hybrid_is_upgraded_to_v2_when_both_speak_it),
        cmocka_unit_test(an_unknown_torrent_ends_it_before_anything_is_said),
        cmocka_unit_test(an_answer_for_another_torrent_is_refused),
    };
    return cmocka_run_group_tests_name("greeting", tests, NULL, NULL);
}
