/* The peers that others announced: one an address, in bounds, for 45 minutes. */
#include "tests/base/check.h"

#include "dht/bloom.h"
#include "dht/peer_store.h"

static struct dht_random chance;
static struct peer_store *store;
static struct node_id own;
static struct endpoint got[1000];

static int set_up(void **state)
{
    (void)state;
    chance = (struct dht_random){.key = {5}};
    store = peer_store_new(&chance);
    return store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    peer_store_free(store);
    return 0;
}

static struct info_hash hash_of(unsigned n)
{
    struct info_hash h = {{0}};
    store_u32(h.b, n);
    return h;
}

static bool add(unsigned hash, uint32_t ip, uint16_t port, bool seed, usec now)
{
    struct peer_store_announce a = {hash_of(hash), endpoint_v4(ip, port), seed};
    return peer_store_add(store, &a, &own, now);
}

static size_t get(unsigned hash, bool no_seeds, size_t max, usec now)
{
    struct info_hash h = hash_of(hash);
    return peer_store_get(
        store, &h, no_seeds ? PEER_STORE_NO_SEEDS : PEER_STORE_ALL, got, max, now);
}

static void an_address_is_there_once_with_its_last_port(void **state)
{
    (void)state;
    assert_true(add(1, 0x08080808, 1000, false, 1));
    assert_true(add(1, 0x08080808, 2000, false, 1));
    assert_int_equal(get(1, false, 10, 1), 1);
    assert_int_equal(got[0].port, 2000);
    assert_int_equal(get(2, false, 10, 1), 0);
}

static void peers_expire(void **state)
{
    (void)state;
    add(1, 0x08080808, 1000, false, 0);
    add(1, 0x08080809, 1000, false, SECONDS(60));
    assert_int_equal(get(1, false, 10, PEER_STORE_LIFE + SECONDS(1)), 1);
    assert_int_equal(got[0].ip[3], 9);
    peer_store_expire(store, PEER_STORE_LIFE + SECONDS(61));
    assert_int_equal(peer_store_hashes(store), 0);
    assert_int_equal(peer_store_peers(store), 0);
}

static void who_wants_no_seeds_gets_others_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        add(1, 0x08080800 + i, 1000, i % 2, 1);
    assert_int_equal(get(1, true, 10, 1), 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(got[i].ip[3] % 2, 0);
    assert_int_equal(get(1, true, 15, 1), 15);
}

static void who_asks_again_gets_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++)
        add(1, 0x08080000 + i, 1000, false, 1);
    bool seen[400] = {false};
    for (unsigned round = 0; round < 60; round++) {
        size_t n = get(1, false, 50, 1);
        for (size_t i = 0; i < n; i++)
            seen[load_u16(got[i].ip + 2)] = true;
    }
    for (unsigned i = 0; i < 400; i++)
        assert_true(seen[i]);
}

static void a_swarm_and_the_store_are_bounded(void **state)
{
    (void)state;
    struct info_hash h = hash_of(1);
    for (unsigned i = 0; i < PEER_STORE_PEERS_MAX; i++) {
        assert_true(peer_store_has_room(store, &h));
        assert_true(add(1, 0x08000000 + i, 1000, false, 1));
    }
    assert_false(peer_store_has_room(store, &h));
    assert_false(add(1, 0x09000000, 1000, false, 1));
    assert_true(add(1, 0x08000000, 1000, false, 1)); /* renewing is always possible */
    for (unsigned swarm = 2; swarm < 60; swarm++)
        for (unsigned i = 0; i < PEER_STORE_PEERS_MAX; i++)
            add(swarm, 0x08000000 + i, 1000, false, 1);
    assert_true(peer_store_peers(store) <= PEER_STORE_TOTAL_MAX);
}

static void the_farthest_hash_makes_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PEER_STORE_HASHES_MAX; i++)
        assert_true(add(1000 + i, 0x08080808 + i * 256, 1000, false, 1));
    assert_false(add(1000 + PEER_STORE_HASHES_MAX, 0x08080808, 1000, false, 1));
    assert_true(add(1, 0x08080808, 1000, false, 1));
    assert_int_equal(peer_store_hashes(store), PEER_STORE_HASHES_MAX);
    assert_int_equal(get(1000 + PEER_STORE_HASHES_MAX - 1, false, 10, 1), 0);
    assert_int_equal(get(1, false, 10, 1), 1);
}

static void a_scrape_counts_seeds_and_peers(void **state)
{
    (void)state;
    uint8_t seeds[BLOOM_SIZE], peers[BLOOM_SIZE];
    struct info_hash h = hash_of(1);
    assert_false(peer_store_scrape(store, &h, PEER_STORE_ALL, seeds, peers, 1));
    for (unsigned i = 0; i < 100; i++)
        add(1, 0x08080000 + i * 7, 1000, i < 30, 1);
    assert_true(peer_store_scrape(store, &h, PEER_STORE_ALL, seeds, peers, 1));
    assert_true(bloom_estimate(seeds) > 28 && bloom_estimate(seeds) < 32);
    assert_true(bloom_estimate(peers) > 66 && bloom_estimate(peers) < 74);
}

static void samples_are_random_and_counted(void **state)
{
    (void)state;
    const struct info_hash *samples;
    uint32_t all;
    bool seen[100] = {false};
    assert_int_equal(peer_store_sample(store, &samples, &all, 1), 0);
    assert_int_equal(all, 0);
    for (unsigned i = 0; i < 100; i++)
        add(i, 0x08080808 + i * 256, 1000, false, 1);
    for (unsigned round = 1; round < 40; round++) {
        usec now = round * PEER_STORE_SAMPLE_LIFE + 1;
        assert_int_equal(peer_store_sample(store, &samples, &all, now), PEER_STORE_SAMPLES_MAX);
        assert_int_equal(all, 100);
        for (unsigned i = 0; i < PEER_STORE_SAMPLES_MAX; i++)
            seen[load_u32(samples[i].b)] = true;
    }
    for (unsigned i = 0; i < 100; i++)
        assert_true(seen[i]);
}

static void a_sample_is_drawn_once_a_minute(void **state)
{
    (void)state;
    const struct info_hash *samples;
    struct info_hash before[PEER_STORE_SAMPLES_MAX];
    uint32_t all;
    for (unsigned i = 0; i < 100; i++)
        add(i, 0x08080808 + i * 256, 1000, false, 1);
    peer_store_sample(store, &samples, &all, 1);
    memcpy(before, samples, sizeof before);
    peer_store_sample(store, &samples, &all, PEER_STORE_SAMPLE_LIFE);
    assert_memory_equal(before, samples, sizeof before);
    peer_store_sample(store, &samples, &all, PEER_STORE_SAMPLE_LIFE + 1);
    assert_memory_not_equal(before, samples, sizeof before);
}

static void strangers_are_told_of_nobody_on_the_local_network(void **state)
{
    (void)state;
    struct info_hash h = hash_of(1);
    const struct info_hash *samples;
    uint8_t seeds[BLOOM_SIZE], peers[BLOOM_SIZE];
    uint32_t all;
    for (unsigned i = 0; i < 30; i++)
        add(1, 0xc0a80101 + i, 1000, i % 3 == 0, 1);
    add(2, 0x0a000001, 1000, false, 1);
    assert_int_equal(peer_store_get(store, &h, PEER_STORE_GLOBAL, got, 50, 1), 0);
    assert_int_equal(peer_store_sample(store, &samples, &all, 1), 0);
    for (unsigned i = 0; i < 10; i++)
        add(1, 0x08080801 + i, 1000, i % 2, 1);
    for (unsigned seedless = 0; seedless < 2; seedless++) {
        unsigned which = PEER_STORE_GLOBAL | (seedless ? PEER_STORE_NO_SEEDS : 0);
        assert_int_equal(peer_store_get(store, &h, which, got, 50, 1), 10);
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(got[i].ip[0], 8);
        for (unsigned i = 0; seedless && i < 5; i++)
            assert_int_equal((got[i].ip[3] - 1) % 2, 0);
    }
    assert_int_equal(get(1, false, 50, 1), 40);
    assert_true(peer_store_scrape(store, &h, PEER_STORE_GLOBAL, seeds, peers, 1));
    assert_true(bloom_estimate(seeds) < 6 && bloom_estimate(peers) < 6);
    assert_int_equal(peer_store_sample(store, &samples, &all, SECONDS(90)), 1);
    assert_true(load_u32(samples[0].b) == 1 && all == 1);
}

static void one_address_cannot_fill_the_store_and_a_neighbour_can(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PEER_STORE_FROM_ADDRESS_MAX; i++)
        assert_true(add(i, 0x08080808, 1000, false, 1));
    assert_false(add(5000, 0x08080808, 1000, false, 1));
    assert_true(add(3, 0x08080808, 1001, false, 1)); /* what is there is renewed */
    assert_true(add(5000, 0x08080909, 1000, false, 1));
    for (unsigned i = 6000; i < 6000 + 2 * PEER_STORE_FROM_ADDRESS_MAX; i++)
        assert_true(add(i, 0x0a000001, 1000, false, 1)); /* the local network's are ours */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(an_address_is_there_once_with_its_last_port), TEST(peers_expire),
    TEST(who_wants_no_seeds_gets_others_first), TEST(who_asks_again_gets_others),
    TEST(a_swarm_and_the_store_are_bounded), TEST(the_farthest_hash_makes_room),
    TEST(a_scrape_counts_seeds_and_peers), TEST(samples_are_random_and_counted),
    TEST(a_sample_is_drawn_once_a_minute), TEST(strangers_are_told_of_nobody_on_the_local_network),
    TEST(one_address_cannot_fill_the_store_and_a_neighbour_can))
