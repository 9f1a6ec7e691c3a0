/* The routing table: who gets in, who stays, who is told of, who is checked. */
#include "tests/base/check.h"

#include "dht/random.h"
#include "dht/table.h"

static struct table *t;
static struct node_id own;
static struct dht_random chance;
static usec now;

static int set_up(void **state)
{
    (void)state;
    chance = (struct dht_random){.key = {9}};
    memset(own.b, 0, sizeof own.b);
    t = table_new(&own, ADDR_V4);
    now = SECONDS(10000);
    return t ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    table_free(t);
    return 0;
}

/* A node at a distance of `bits` shared bits; `n` tells apart its network and id. */
static struct krpc_node node_at(unsigned bits, unsigned n)
{
    struct krpc_node out;
    out.at = endpoint_v4(0x08000000 + n * 256 + 1, 6881);
    struct node_id random = dht_random_id(&chance);
    out.id = node_id_at_bits(&own, bits, &random);
    return out;
}

static bool answered(const struct krpc_node *n)
{
    return table_answered(t, &n->id, &n->at, now);
}

static bool knows(const struct krpc_node *n)
{
    const struct table_node *k;
    for (size_t i = 0; (k = table_at(t, i)) != NULL; i++)
        if (node_id_equal(&k->id, &n->id) && endpoint_equal(&k->at, &n->at))
            return true;
    return false;
}

static void silence(const struct krpc_node *n, unsigned times)
{
    while (times-- > 0)
        table_failed(t, &n->id, &n->at, now);
}

static void a_bucket_far_from_us_holds_eight_and_those_near_us_split(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct krpc_node far = node_at(0, i), near = node_at(1 + i % 6, 100 + i);
        answered(&far);
        answered(&near);
    }
    struct table_counts c = table_count(t, now);
    assert_int_equal(c.nodes, TABLE_K + 20);
    assert_int_equal(c.good, c.nodes);
    assert_int_equal(c.spares, TABLE_SPARES);
}

static void a_good_node_is_not_thrown_out_for_a_new_one(void **state)
{
    (void)state;
    struct krpc_node nodes[TABLE_K + 1], near[TABLE_K + 1];
    for (unsigned i = 0; i <= TABLE_K; i++) {
        near[i] = node_at(3, 50 + i);
        answered(&near[i]);
        nodes[i] = node_at(0, i);
        bool in = answered(&nodes[i]);
        assert_int_equal(in, i < TABLE_K);
    }
    for (unsigned i = 0; i < TABLE_K; i++)
        assert_true(knows(&nodes[i]));
}

static void a_spare_takes_the_place_of_one_that_is_bad(void **state)
{
    (void)state;
    struct krpc_node nodes[TABLE_K + 1], near;
    for (unsigned i = 0; i < TABLE_K; i++) {
        near = node_at(2 + i, 50 + i);
        answered(&near);
    }
    for (unsigned i = 0; i <= TABLE_K; i++) {
        nodes[i] = node_at(0, i);
        answered(&nodes[i]);
    }
    silence(&nodes[0], 1);
    assert_true(knows(&nodes[0]));
    silence(&nodes[0], 1);
    assert_false(knows(&nodes[0]));
    assert_true(knows(&nodes[TABLE_K]));
}

static void without_a_spare_a_bad_node_stays_and_is_not_told_of(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1);
    struct table_node out[TABLE_K];
    answered(&n);
    assert_int_equal(table_closest(t, &own, TABLE_GOOD, out, TABLE_K, now), 1);
    silence(&n, 1);
    assert_int_equal(table_closest(t, &own, TABLE_GOOD, out, TABLE_K, now), 0);
    assert_int_equal(table_closest(t, &own, TABLE_TRUSTED, out, TABLE_K, now), 1);
    silence(&n, 1);
    assert_int_equal(table_closest(t, &own, TABLE_TRUSTED, out, TABLE_K, now), 0);
    assert_true(knows(&n));
    answered(&n);
    assert_int_equal(table_closest(t, &own, TABLE_GOOD, out, TABLE_K, now), 1);
}

static void a_node_is_good_for_fifteen_minutes(void **state)
{
    (void)state;
    struct krpc_node a = node_at(0, 1), b = node_at(0, 2);
    answered(&a);
    answered(&b);
    now += TABLE_GOOD_FOR / 2;
    table_heard(t, &b.id, &b.at, now); /* it asks us: that counts too */
    now += TABLE_GOOD_FOR / 2;
    assert_int_equal(table_count(t, now).good, 1);
    struct table_node out;
    usec due;
    assert_true(table_next_check(t, &out, &due, now));
    assert_true(endpoint_equal(&out.at, &a.at));
    table_tried(t, &a.id, &a.at, now);
    assert_false(table_next_check(t, &out, &due, now));
    assert_int_equal(due, now + TABLE_GOOD_FOR / 2);
}

static void who_only_asks_us_is_not_in_the_table(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1);
    assert_true(table_heard(t, &n.id, &n.at, now));
    assert_int_equal(table_count(t, now).nodes, 0);
    answered(&n);
    assert_false(table_heard(t, &n.id, &n.at, now)); /* known: no need to ask back */
}

static void an_address_has_one_node_whatever_its_port(void **state)
{
    (void)state;
    struct krpc_node a = node_at(0, 1), b = node_at(1, 1);
    b.at.port++;
    assert_true(answered(&a));
    assert_false(answered(&b));
    silence(&a, TABLE_FAILS_BAD);
    assert_true(answered(&b)); /* but one that is gone does not keep it */
}

/* Two behind one router: the second would never be taken, whatever it answers. */
static void who_asks_us_beside_a_known_one_is_not_asked_back(void **state)
{
    (void)state;
    struct krpc_node a = node_at(0, 1), b = node_at(1, 1);
    b.at.port++;
    answered(&a);
    assert_false(table_heard(t, &b.id, &b.at, now));
}

static void a_prefix_has_one_node_in_a_bucket(void **state)
{
    (void)state;
    struct krpc_node far = node_at(0, 1), also_far = node_at(0, 1), near;
    for (unsigned i = 0; i < 2 * TABLE_K; i++) {
        near = node_at(1 + i % 3, 50 + i);
        answered(&near);
    }
    assert_true(answered(&far));
    also_far.at.ip[3]++;
    assert_false(answered(&also_far));
    near = node_at(2, 1);
    near.at.ip[3] += 2;
    (void)answered(&near); /* in another bucket it may be */
    struct krpc_node local[TABLE_K];
    struct table_counts before = table_count(t, now);
    for (unsigned i = 0; i < 4; i++) { /* the local network is exempt */
        local[i] = node_at(0, 0);
        local[i].at = endpoint_v4(0x0a000001, (uint16_t)(2000 + i));
        assert_true(answered(&local[i]));
    }
    assert_int_equal(table_count(t, now).nodes, before.nodes + 4);
}

static void six_has_one_node_a_64(void **state)
{
    (void)state;
    struct table *six = table_new(&own, ADDR_V6);
    uint8_t ip[16] = {0x2a, 0x00, 0x14, 0x50, [15] = 1};
    struct node_id a = dht_random_id(&chance), b = dht_random_id(&chance);
    struct endpoint at = endpoint_from_ip6(ip, 6881);
    assert_true(table_answered(six, &a, &at, now));
    ip[15] = 2;
    at = endpoint_from_ip6(ip, 6881);
    assert_false(table_answered(six, &b, &at, now));
    ip[7] = 1;
    at = endpoint_from_ip6(ip, 6881);
    assert_true(table_answered(six, &b, &at, now));
    table_free(six);
}

static void an_id_that_fits_its_address_goes_before_one_that_does_not(void **state)
{
    (void)state;
    struct krpc_node n;
    for (unsigned i = 0; i < TABLE_K; i++) {
        n = node_at(3, 50 + i);
        answered(&n);
    }
    for (unsigned i = 0; i < TABLE_K; i++) {
        n = node_at(0, i);
        assert_true(answered(&n));
    }
    n = node_at(0, 20);
    assert_false(answered(&n));
    struct node_id random = dht_random_id(&chance);
    for (unsigned i = 0; i < 4096 && node_id_shared_bits(&own, &n.id) != 0; i++)
        random = dht_random_id(&chance);
    do {
        n.at = endpoint_v4(0x09000000 + (uint32_t)dht_random_below(&chance, 1 << 20), 6881);
        n.id = node_id_for_address(&n.at, &random);
    } while (node_id_shared_bits(&own, &n.id) != 0);
    assert_true(answered(&n));
    assert_true(knows(&n));
}

static void who_keeps_changing_its_id_is_not_believed(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1), again;
    assert_true(answered(&n));
    again = node_at(1, 1);
    assert_true(answered(&again)); /* started anew, it may be */
    assert_false(knows(&n));
    again = node_at(2, 1);
    assert_false(answered(&again));
    assert_true(table_is_suspect(t, &n.at, now));
    now += TABLE_SUSPECT_FOR;
    assert_true(answered(&again));
}

static void the_same_new_id_seen_twice_is_one_change(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1), again = node_at(1, 1);
    answered(&n);
    assert_false(table_note_change(t, &n.at, &again.id, now));
    assert_false(table_note_change(t, &n.at, &again.id, now)); /* named by its old id elsewhere */
    assert_true(answered(&again));
}

static void an_id_is_not_taken_over_from_a_good_node(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1), thief = n;
    thief.at = endpoint_v4(0x0b0b0b0b, 6881);
    answered(&n);
    assert_false(answered(&thief));
    assert_true(knows(&n));
    silence(&n, TABLE_FAILS_BAD);
    assert_true(answered(&thief));
}

static void our_own_id_port_0_and_the_other_family_stay_out(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1);
    assert_false(table_answered(t, &own, &n.at, now));
    n.at.port = 0;
    assert_false(answered(&n));
    uint8_t ip[16] = {0x20, 1, [15] = 1};
    n.at = endpoint_from_ip6(ip, 6881);
    assert_false(answered(&n));
    assert_int_equal(table_count(t, now).nodes, 0);
}

static void a_silent_node_is_asked_again_soon_and_then_more_and_more_rarely(void **state)
{
    (void)state;
    struct krpc_node n = node_at(0, 1);
    struct table_node out;
    usec due, before = now, pause = 0;
    answered(&n);
    for (unsigned i = 0; i < 12; i++) {
        table_tried(t, &n.id, &n.at, now);
        silence(&n, 1);
        assert_false(table_next_check(t, &out, &due, now));
        assert_true(due - now >= pause && due - now <= TABLE_RETRY_MAX);
        pause = due - now;
        now = due;
        assert_true(table_next_check(t, &out, &due, now));
    }
    assert_true(pause == TABLE_RETRY_MAX && before < now);
}

static void quiet_buckets_are_refreshed_within_their_range(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct krpc_node n = node_at(i % 5, i);
        answered(&n);
    }
    struct node_id target, random;
    unsigned refreshed = 0;
    random = dht_random_id(&chance);
    while (table_next_refresh(t, &random, &target, now)) /* the sparse ones, at first */
        ;
    assert_false(table_next_refresh(t, &random, &target, now));
    now += TABLE_GOOD_FOR;
    bool seen[8] = {false};
    while (table_next_refresh(t, &random, &target, now)) {
        unsigned bits = node_id_shared_bits(&own, &target);
        seen[bits < 8 ? bits : 7] = true;
        refreshed++;
        random = dht_random_id(&chance);
    }
    assert_int_equal(refreshed, table_count(t, now).buckets);
    for (unsigned i = 0; i + 1 < refreshed; i++)
        assert_true(seen[i]);
}

static void a_new_id_of_ours_keeps_the_nodes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct krpc_node n = node_at(i % 5, i);
        answered(&n);
    }
    size_t before = table_count(t, now).nodes;
    struct node_id new = dht_random_id(&chance);
    assert_int_equal(table_set_own_id(t, &new, now), 0);
    assert_true(table_count(t, now).nodes >= TABLE_K && table_count(t, now).nodes <= before);
    assert_memory_equal(table_own_id(t)->b, new.b, 20);
}

static void the_nearest_come_first(void **state)
{
    (void)state;
    struct table_node out[20];
    for (unsigned i = 0; i < 60; i++) {
        struct krpc_node n = node_at(i % 8, i);
        answered(&n);
    }
    struct node_id target = dht_random_id(&chance);
    size_t count = table_closest(t, &target, TABLE_GOOD, out, 20, now);
    assert_int_equal(count, 20);
    for (size_t i = 1; i < count; i++)
        assert_true(node_id_compare(&target, &out[i - 1].id, &out[i].id) < 0);
    const struct table_node *n;
    unsigned nearer = 0;
    for (size_t i = 0; (n = table_at(t, i)) != NULL; i++)
        nearer += node_id_compare(&target, &n->id, &out[19].id) < 0;
    assert_int_equal(nearer, 19);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(a_bucket_far_from_us_holds_eight_and_those_near_us_split),
    TEST(a_good_node_is_not_thrown_out_for_a_new_one),
    TEST(a_spare_takes_the_place_of_one_that_is_bad),
    TEST(without_a_spare_a_bad_node_stays_and_is_not_told_of),
    TEST(a_node_is_good_for_fifteen_minutes), TEST(who_only_asks_us_is_not_in_the_table),
    TEST(an_address_has_one_node_whatever_its_port),
    TEST(who_asks_us_beside_a_known_one_is_not_asked_back), TEST(a_prefix_has_one_node_in_a_bucket),
    TEST(six_has_one_node_a_64), TEST(an_id_that_fits_its_address_goes_before_one_that_does_not),
    TEST(who_keeps_changing_its_id_is_not_believed), TEST(the_same_new_id_seen_twice_is_one_change),
    TEST(an_id_is_not_taken_over_from_a_good_node),
    TEST(our_own_id_port_0_and_the_other_family_stay_out),
    TEST(a_silent_node_is_asked_again_soon_and_then_more_and_more_rarely),
    TEST(quiet_buckets_are_refreshed_within_their_range), TEST(a_new_id_of_ours_keeps_the_nodes),
    TEST(the_nearest_come_first))
