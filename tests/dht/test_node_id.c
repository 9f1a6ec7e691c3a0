/* Ids: distance, and BEP 42's binding to addresses with the vectors of its text. */
#include "tests/base/check.h"

#include "base/text.h"
#include "dht/node_id.h"

static struct node_id id_of(const char *hex)
{
    struct node_id id;
    assert_int_equal(hex_decode(bytes_of_str(hex), id.b, sizeof id.b), 0);
    return id;
}

static struct endpoint at(const char *text)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse_ip(&e, bytes_of_str(text), 6881), 0);
    return e;
}

static const struct {
    const char *address, *id;
} vectors[] = {
    {"124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"},
    {"21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"},
    {"65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"},
    {"84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"},
    {"43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"},
};

static void the_vectors_of_bep_42_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct node_id id = id_of(vectors[i].id);
        struct endpoint e = at(vectors[i].address);
        assert_true(node_id_fits(&id, &e));
        /* Made of the vector's own chance, it is the vector. */
        struct node_id made = node_id_for_address(&e, &id);
        assert_memory_equal(made.b, id.b, sizeof id.b);
    }
}

static void each_of_the_bits_that_the_address_decides_counts(void **state)
{
    (void)state;
    struct node_id id = id_of(vectors[0].id);
    struct endpoint e = at(vectors[0].address);
    for (unsigned bit = 0; bit < 24; bit++) {
        struct node_id other = id;
        other.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        assert_int_equal(node_id_fits(&other, &e), bit >= 21);
    }
    id.b[19] ^= 1;
    assert_false(node_id_fits(&id, &e));
}

static void six_is_bound_by_its_first_half(void **state)
{
    (void)state;
    struct endpoint a = at("2a00:1450:4001:81b::200e"), b = at("2a00:1450:4001:81b::1");
    struct endpoint c = at("2a00:1450:4001:81c::1");
    struct node_id random = id_of("00112233445566778899aabbccddeeff00112233");
    struct node_id id = node_id_for_address(&a, &random);
    assert_true(node_id_fits(&id, &a));
    assert_true(node_id_fits(&id, &b));
    assert_false(node_id_fits(&id, &c));
    assert_memory_equal(id.b + 3, random.b + 3, 17);
}

static void local_addresses_may_bear_any_id(void **state)
{
    (void)state;
    struct node_id id = id_of("00112233445566778899aabbccddeeff00112233");
    static const char *const local[] = {
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "::1", "fe80::1"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        struct endpoint e = at(local[i]);
        assert_true(node_id_fits(&id, &e));
    }
    struct endpoint global = at("8.8.8.8");
    assert_false(node_id_fits(&id, &global));
}

static void distance_is_xor(void **state)
{
    (void)state;
    struct node_id target = id_of("8000000000000000000000000000000000000000");
    struct node_id near = id_of("8000000000000000000000000000000000000001");
    struct node_id far = id_of("7fffffffffffffffffffffffffffffffffffffff");
    assert_true(node_id_compare(&target, &near, &far) < 0);
    assert_true(node_id_compare(&target, &far, &near) > 0);
    assert_int_equal(node_id_compare(&target, &far, &far), 0);
    assert_int_equal(node_id_shared_bits(&target, &near), 159);
    assert_int_equal(node_id_shared_bits(&target, &far), 0);
    assert_int_equal(node_id_shared_bits(&far, &far), 160);
}

static void an_id_can_be_made_at_any_distance(void **state)
{
    (void)state;
    struct node_id own = id_of("00112233445566778899aabbccddeeff00112233");
    struct node_id random = id_of("ffeeddccbbaa99887766554433221100ffeeddcc");
    for (unsigned bits = 0; bits <= 160; bits++) {
        struct node_id id = node_id_at_bits(&own, bits, &random);
        assert_int_equal(node_id_shared_bits(&own, &id), bits);
    }
}

RUN(T(the_vectors_of_bep_42_fit), T(each_of_the_bits_that_the_address_decides_counts),
    T(six_is_bound_by_its_first_half), T(local_addresses_may_bear_any_id), T(distance_is_xor),
    T(an_id_can_be_made_at_any_distance))
