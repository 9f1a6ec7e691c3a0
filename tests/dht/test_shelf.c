/* What strangers store: found by key, in bounds, the farthest makes room. */
#include "tests/base/check.h"

#include "dht/shelf.h"
#include <stdlib.h>

struct thing {
    struct shelf_entry entry;
};

static unsigned freed;

static void free_thing(struct shelf *s, struct shelf_entry *e)
{
    (void)s;
    freed++;
    free(container_of(e, struct thing, entry));
}

static struct node_id key_at(uint32_t distance)
{
    struct node_id id = {{0}};
    store_u32(id.b, distance);
    return id;
}

static bool put(struct shelf *s, uint32_t distance)
{
    static const struct node_id own = {{0}};
    struct thing *t = calloc(1, sizeof *t);
    t->entry.key = key_at(distance);
    list_init(&t->entry.link);
    if (shelf_add(s, &t->entry, &own))
        return true;
    free(t);
    return false;
}

static bool has(const struct shelf *s, uint32_t distance)
{
    struct node_id key = key_at(distance);
    return shelf_find(s, &key) != NULL;
}

static void a_shelf(struct shelf *s, size_t max)
{
    struct dht_random chance = {.key = {1}};
    freed = 0;
    assert_int_equal(shelf_init(s, max, &chance, free_thing), 0);
}

static void the_farthest_makes_room_for_what_is_nearer_and_for_nothing_else(void **state)
{
    (void)state;
    struct shelf s;
    a_shelf(&s, 3);
    assert_true(put(&s, 10) && put(&s, 30) && put(&s, 20));
    assert_false(put(&s, 40));
    assert_true(put(&s, 15));
    assert_false(has(&s, 30));
    assert_true(has(&s, 10) && has(&s, 15) && has(&s, 20));
    assert_int_equal(freed, 1);
    shelf_clear(&s);
    assert_int_equal(freed, 4);
}

static void what_is_touched_stands_last(void **state)
{
    (void)state;
    struct shelf s;
    a_shelf(&s, 3);
    put(&s, 1);
    put(&s, 2);
    struct node_id key = key_at(1);
    shelf_touch(&s, shelf_find(&s, &key));
    assert_true(node_id_equal(&list_entry(s.order.prev, struct shelf_entry, link)->key, &key));
    shelf_drop(&s, shelf_find(&s, &key));
    assert_int_equal(shelf_count(&s), 1);
    assert_false(has(&s, 1));
    shelf_clear(&s);
}

static void one_may_be_spared_when_the_farthest_is_looked_for(void **state)
{
    (void)state;
    struct shelf s;
    a_shelf(&s, 3);
    static const struct node_id own = {{0}};
    put(&s, 1);
    put(&s, 9);
    struct shelf_entry *far = shelf_farthest(&s, &own, NULL);
    struct node_id nine = key_at(9), one = key_at(1);
    assert_true(node_id_equal(&far->key, &nine));
    assert_true(node_id_equal(&shelf_farthest(&s, &own, far)->key, &one));
    shelf_clear(&s);
}

RUN(T(the_farthest_makes_room_for_what_is_nearer_and_for_nothing_else),
    T(what_is_touched_stands_last), T(one_may_be_spared_when_the_farthest_is_looked_for))
