/* Items (BEP 44): the vectors of its text, and what the store takes, keeps and refuses. */
#include "tests/base/check.h"

#include "base/text.h"
#include "dht/item_store.h"
#include <stdio.h>

static struct dht_random chance;
static struct item_store *store;
static struct node_id own;
static struct endpoint somebody;
static struct ed25519_seed seed = {{7}};

static int set_up(void **state)
{
    (void)state;
    chance = (struct dht_random){.key = {3}};
    store = item_store_new(&chance);
    somebody = endpoint_v4(0x08080808, 5000);
    return store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    item_store_free(store);
    return 0;
}

/* ---- vectors ------------------------------------------------------------------------------- */

static void check_vector(const char *salt, const char *target, const char *signature)
{
    static const char key[] = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
    struct dht_item item = {.is_mutable = true,
        .value = bytes_of_str("12:Hello World!"),
        .salt = bytes_of_str(salt),
        .seq = 1};
    struct node_id expected;
    assert_int_equal(hex_decode(bytes_of_str(key), item.key.b, 32), 0);
    assert_int_equal(hex_decode(bytes_of_str(signature), item.signature.b, 64), 0);
    assert_int_equal(hex_decode(bytes_of_str(target), expected.b, 20), 0);
    struct node_id got = dht_item_target(&item);
    assert_memory_equal(got.b, expected.b, 20);
    assert_true(dht_item_is_genuine(&item));
    item.seq = 2;
    assert_false(dht_item_is_genuine(&item));
    item.seq = 1;
    item.value = bytes_of_str("12:Hello World?");
    assert_false(dht_item_is_genuine(&item));
}

static void the_vectors_of_bep_44_hold(void **state)
{
    (void)state;
    check_vector("", "4a533d47ec9c7d95b1ad75f576cffc641853b750",
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01");
    check_vector("foobar", "411eba73b6f087ca51a3795d9c8c938d365e32c1",
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
        "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08");
    struct dht_item item = {.value = bytes_of_str("12:Hello World!")};
    struct node_id expected, got = dht_item_target(&item);
    hex_decode(bytes_of_str("e5f96f6f38320f0f33959cb4d3d656452117aadb"), expected.b, 20);
    assert_memory_equal(got.b, expected.b, 20);
}

/* RFC 8032, section 7.1, tests 1 and 2. */
static void the_vectors_of_rfc_8032_hold(void **state)
{
    (void)state;
    struct ed25519_seed s;
    struct ed25519_public key;
    struct ed25519_signature signature;
    uint8_t expected[64], message[1] = {0x72};
    hex_decode(
        bytes_of_str("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), s.b, 32);
    ed25519_public_of(&s, &key);
    hex_decode(bytes_of_str("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
        expected, 32);
    assert_memory_equal(key.b, expected, 32);
    ed25519_sign(&s, bytes_of(message, 1), &signature);
    hex_decode(bytes_of_str("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        expected, 64);
    assert_memory_equal(signature.b, expected, 64);
    assert_true(ed25519_verify(&key, bytes_of(message, 1), &signature));
    message[0]++;
    assert_false(ed25519_verify(&key, bytes_of(message, 1), &signature));
}

/* ---- the store ----------------------------------------------------------------------------- */

static struct krpc_message message(const struct dht_item *item)
{
    static struct krpc_message m;
    krpc_reset(&m);
    m.kind = KRPC_QUERY;
    m.method = KRPC_PUT;
    m.value = item->value;
    m.claims_mutable = item->is_mutable;
    if (item->is_mutable) {
        m.key = bytes_of(item->key.b, 32);
        m.signature = bytes_of(item->signature.b, 64);
        m.salt = item->salt;
        m.has_seq = true;
        m.seq = item->seq;
    }
    return m;
}

static struct dht_item signed_item(int64_t seq, const char *value)
{
    struct dht_item item = {.is_mutable = true, .value = bytes_of_str(value), .seq = seq};
    dht_item_sign(&item, &seed);
    return item;
}

static int put(const struct krpc_message *m, usec now)
{
    return item_store_put(store, m, &somebody, &own, now);
}

static int put_item(int64_t seq, const char *value, usec now)
{
    static struct dht_item item;
    item = signed_item(seq, value);
    struct krpc_message m = message(&item);
    return put(&m, now);
}

static bool get(struct dht_item *out, usec now)
{
    struct dht_item item = signed_item(1, "i1e");
    struct node_id target = dht_item_target(&item);
    return item_store_get(store, &target, out, now);
}

static void an_immutable_item_lies_under_its_hash(void **state)
{
    (void)state;
    struct dht_item item = {.value = bytes_of_str("5:hello")}, got;
    struct krpc_message m = message(&item);
    struct node_id target = dht_item_target(&item);
    assert_false(item_store_get(store, &target, &got, 1));
    assert_int_equal(put(&m, 1), 0);
    assert_true(item_store_get(store, &target, &got, 1));
    assert_true(bytes_equal_str(got.value, "5:hello") && !got.is_mutable);
}

static void a_newer_mutable_item_takes_the_place_of_the_older(void **state)
{
    (void)state;
    struct dht_item got;
    assert_int_equal(put_item(5, "3:old", 1), 0);
    assert_int_equal(put_item(4, "5:older", 1), KRPC_E_OLD_SEQ);
    assert_int_equal(put_item(5, "5:other", 1), KRPC_E_OLD_SEQ);
    assert_int_equal(put_item(5, "3:old", 1), 0);
    assert_int_equal(put_item(6, "3:new", 1), 0);
    assert_true(get(&got, 1));
    assert_int_equal(got.seq, 6);
    assert_true(bytes_equal_str(got.value, "3:new"));
    assert_int_equal(item_store_count(store), 1);
}

static void compare_and_swap_compares(void **state)
{
    (void)state;
    struct dht_item item = signed_item(7, "1:b");
    struct krpc_message m = message(&item);
    m.has_cas = true;
    m.cas = 3;
    assert_int_equal(put(&m, 1), 0); /* nothing there: cas is not looked at */
    item = signed_item(8, "1:c");
    m = message(&item);
    m.has_cas = true;
    m.cas = 6;
    assert_int_equal(put(&m, 1), KRPC_E_CAS);
    m.cas = 7;
    assert_int_equal(put(&m, 1), 0);
}

static void what_is_broken_or_too_big_is_refused_by_its_own_error(void **state)
{
    (void)state;
    static char big[KRPC_VALUE_MAX + 8];
    struct dht_item item = signed_item(1, "1:a");
    struct krpc_message m = message(&item);
    m.value = bytes_of_str("1:b");
    assert_int_equal(put(&m, 1), KRPC_E_SIGNATURE);
    m = message(&item);
    m.salt = bytes_of(big, KRPC_SALT_MAX + 1);
    assert_int_equal(put(&m, 1), KRPC_E_SALT_TOO_BIG);
    m = message(&item);
    m.value = bytes_of(big, KRPC_VALUE_MAX + 1);
    assert_int_equal(put(&m, 1), KRPC_E_VALUE_TOO_BIG);
    m = message(&item);
    m.value = bytes_of(NULL, 0);
    assert_int_equal(put(&m, 1), KRPC_E_PROTOCOL);
    m = message(&item);
    m.has_seq = false;
    assert_int_equal(put(&m, 1), KRPC_E_PROTOCOL);
    m = message(&item);
    m.key = bytes_of(NULL, 0); /* never kept as an immutable one */
    assert_int_equal(put(&m, 1), KRPC_E_PROTOCOL);
    assert_int_equal(item_store_count(store), 0);
}

static void items_expire_unless_they_are_put_again(void **state)
{
    (void)state;
    struct dht_item got;
    assert_int_equal(put_item(1, "1:a", 0), 0);
    assert_int_equal(put_item(1, "1:a", ITEM_STORE_LIFE / 2), 0);
    assert_true(get(&got, ITEM_STORE_LIFE));
    item_store_expire(store, ITEM_STORE_LIFE * 2);
    assert_int_equal(item_store_count(store), 0);
}

static int put_number(unsigned i, const struct endpoint *from)
{
    char value[16];
    snprintf(value, sizeof value, "i%ue", i);
    struct dht_item item = {.value = bytes_of_str(value)};
    struct krpc_message m = message(&item);
    return item_store_put(store, &m, from, &own, 1);
}

static void one_address_cannot_fill_the_store(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ITEM_STORE_FROM_ADDRESS_MAX; i++)
        assert_int_equal(put_number(i, &somebody), 0);
    assert_int_equal(put_number(9999, &somebody), KRPC_E_SERVER);
    struct endpoint other = endpoint_v4(0x08080809, 5000);
    assert_int_equal(put_number(9999, &other), 0);
}

static void the_farthest_item_makes_room(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (unsigned i = 0; i < ITEM_STORE_MAX * 2; i++) {
        struct endpoint from = endpoint_v4(0x08000000 + i, 5000);
        refused += put_number(i, &from) != 0;
    }
    assert_int_equal(item_store_count(store), ITEM_STORE_MAX);
    assert_true(refused > ITEM_STORE_MAX / 10); /* farther than all that are there */
    unsigned near = 0;
    for (unsigned i = 0; i < ITEM_STORE_MAX * 2; i++) {
        char value[16];
        snprintf(value, sizeof value, "i%ue", i);
        struct dht_item item = {.value = bytes_of_str(value)}, got;
        struct node_id target = dht_item_target(&item);
        if (item_store_get(store, &target, &got, 1))
            near += target.b[0] < 128;
    }
    assert_true(near > ITEM_STORE_MAX * 95 / 100); /* own is all zeros: half of the keys are near */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(T(the_vectors_of_bep_44_hold), T(the_vectors_of_rfc_8032_hold),
    TEST(an_immutable_item_lies_under_its_hash),
    TEST(a_newer_mutable_item_takes_the_place_of_the_older), TEST(compare_and_swap_compares),
    TEST(what_is_broken_or_too_big_is_refused_by_its_own_error),
    TEST(items_expire_unless_they_are_put_again), TEST(one_address_cannot_fill_the_store),
    TEST(the_farthest_item_makes_room))
