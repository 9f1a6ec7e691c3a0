/* The intrusive list. */
#include "base/list.h"
#include "check.h"

struct item {
    int value;
    struct list_link link;
};

static int in_order(struct list_link *head)
{
    int digits = 0;
    list_for_each(l, head) digits = digits * 10 + list_entry(l, struct item, link)->value;
    return digits;
}

static void links_keep_the_order_in_which_they_were_pushed(void **state)
{
    (void)state;
    struct list_link head;
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    assert_int_equal(in_order(&head), 123);
    assert_ptr_equal(list_pop_front(&head), &a.link);
    list_push_back(&head, &a.link);
    assert_int_equal(in_order(&head), 231);
}

static void removing_a_link_twice_is_harmless(void **state)
{
    (void)state;
    struct list_link head;
    struct item a = {.value = 1}, b = {.value = 2};
    list_init(&head);
    list_push_back(&head, &a.link);
    list_push_back(&head, &b.link);
    list_remove(&a.link);
    list_remove(&a.link);
    assert_int_equal(in_order(&head), 2);
}

static void a_walk_may_remove_the_link_it_stands_on(void **state)
{
    (void)state;
    struct list_link head;
    struct item items[5];
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i + 1;
        list_push_back(&head, &items[i].link);
    }
    list_for_each_safe(l, &head)
    {
        if (list_entry(l, struct item, link)->value % 2)
            list_remove(l);
    }
    assert_int_equal(in_order(&head), 24);
}

RUN(T(links_keep_the_order_in_which_they_were_pushed), T(removing_a_link_twice_is_harmless),
    T(a_walk_may_remove_the_link_it_stands_on))
