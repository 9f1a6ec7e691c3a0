/* Intrusive doubly linked list. A link is part of one list at a time; a lone link points to itself.
 */
#ifndef KITH_BASE_LIST_H
#define KITH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define list_entry(link, type, member) container_of(link, type, member)
#define list_for_each(link, head)                                                                  \
    for (struct list_link *link = (head)->next; link != (head); link = link->next)
/* Safe when the body removes `link` itself. */
#define list_for_each_safe(link, head)                                                             \
    for (struct list_link *link = (head)->next, *link##_next = link->next; link != (head);         \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list_link *head)
{
    head->next = head->prev = head;
}
static inline bool list_empty(const struct list_link *head)
{
    return head->next == head;
}
static inline void list_insert_before(struct list_link *at, struct list_link *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}
static inline void list_push_back(struct list_link *head, struct list_link *link)
{
    list_insert_before(head, link);
}
static inline void list_push_front(struct list_link *head, struct list_link *link)
{
    list_insert_before(head->next, link);
}
/* Leaves the link lone, so that removing it twice is harmless. */
static inline void list_remove(struct list_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
static inline struct list_link *list_pop_front(struct list_link *head)
{
    struct list_link *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

#endif
