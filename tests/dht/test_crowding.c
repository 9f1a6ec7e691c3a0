/* Nodes that somebody put around a key are told from those that are there by chance. */
#include "dht/crowding.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dht/random.h"

#define NOW SECONDS(1000)
#define NODES 4000u

struct scene {
    struct dht_random random;
    struct node_id own, target;
    struct table *table;
    struct lookup lookup;
};

/* A node of a network of 4,000, and a search in it to which all have answered who stand near. */
static void scene_new(struct scene *s, uint64_t seed)
{
    *s = (struct scene){.random = {{(uint8_t)seed}}};
    s->own = dht_random_id(&s->random);
    s->target = dht_random_id(&s->random);
    s->table = table_new(&s->own, ADDR_V4);
    lookup_init(&s->lookup, &s->target, &s->own);
    for (uint32_t i = 0; i < NODES; i++) {
        struct endpoint at = endpoint_v4(0x0c000000 + (i << 10), 6881);
        struct node_id random = dht_random_id(&s->random);
        struct node_id id = node_id_for_address(&at, &random);
        table_answered(s->table, &id, &at, NOW);
        if (node_id_shared_bits(&id, &s->target) >= 7 && lookup_add(&s->lookup, &id, &at, NULL))
            lookup_answered(&s->lookup, lookup_find(&s->lookup, &at));
    }
}

static void scene_free(struct scene *s)
{
    table_free(s->table);
    lookup_free(&s->lookup);
}

static void put_at_target(struct scene *s, unsigned count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct endpoint at = endpoint_v4(0x58000000 + (i << 16), 6881);
        struct node_id random = dht_random_id(&s->random);
        struct node_id id = node_id_at_bits(&s->target, 40, &random);
        if (lookup_add(&s->lookup, &id, &at, NULL))
            lookup_answered(&s->lookup, lookup_find(&s->lookup, &at));
    }
}

static void what_chance_puts_around_a_key_is_no_crowd(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct scene s;
        scene_new(&s, seed);
        assert_int_equal(crowding_count(s.table, &s.lookup, NOW), 0);
        scene_free(&s);
    }
}

static void twenty_on_one_key_are_counted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct scene s;
        scene_new(&s, seed);
        put_at_target(&s, 20);
        assert_int_equal(crowding_count(s.table, &s.lookup, NOW), 20);
        scene_free(&s);
    }
}

static void a_few_are_not_called_a_crowd_and_who_knows_nobody_does_not_judge(void **state)
{
    (void)state;
    struct scene s;
    scene_new(&s, 1);
    put_at_target(&s, CROWDING_LEAST - 1);
    assert_int_equal(crowding_count(s.table, &s.lookup, NOW), 0);
    put_at_target(&s, 20);
    struct table *empty = table_new(&s.own, ADDR_V4);
    assert_int_equal(crowding_count(empty, &s.lookup, NOW), 0);
    table_free(empty);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_chance_puts_around_a_key_is_no_crowd),
        cmocka_unit_test(twenty_on_one_key_are_counted),
        cmocka_unit_test(a_few_are_not_called_a_crowd_and_who_knows_nobody_does_not_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
