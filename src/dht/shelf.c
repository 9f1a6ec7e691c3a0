/* See shelf.h. */
#include "dht/shelf.h"

#include "base/err.h"

static struct shelf_entry *entry_of(struct list_link *link)
{
    return list_entry(link, struct shelf_entry, link);
}

int shelf_init(struct shelf *s, size_t max, struct dht_random *random,
    void (*free_entry)(struct shelf *, struct shelf_entry *))
{
    uint8_t key[16];
    dht_random_fill(random, key, sizeof key);
    *s = (struct shelf){.max = max, .free_entry = free_entry};
    list_init(&s->order);
    s->map = map_new(sizeof(struct node_id), key);
    return s->map ? 0 : ERR_NOMEM;
}

void shelf_clear(struct shelf *s)
{
    list_for_each_safe(at, &s->order) shelf_drop(s, entry_of(at));
    map_free(s->map);
    s->map = NULL;
}

size_t shelf_count(const struct shelf *s)
{
    return map_count(s->map);
}

struct shelf_entry *shelf_find(const struct shelf *s, const struct node_id *key)
{
    return map_get(s->map, key);
}

struct shelf_entry *shelf_farthest(
    const struct shelf *s, const struct node_id *own, const struct shelf_entry *but)
{
    struct shelf_entry *far = NULL;
    list_for_each(at, &s->order)
    {
        struct shelf_entry *e = entry_of(at);
        if (e != but && (!far || node_id_compare(own, &e->key, &far->key) > 0))
            far = e;
    }
    return far;
}

bool shelf_has_room(const struct shelf *s, const struct node_id *key, const struct node_id *own)
{
    return shelf_count(s) < s->max ||
           node_id_compare(own, key, &shelf_farthest(s, own, NULL)->key) < 0;
}

bool shelf_add(struct shelf *s, struct shelf_entry *e, const struct node_id *own)
{
    if (!shelf_has_room(s, &e->key, own))
        return false;
    if (shelf_count(s) >= s->max)
        shelf_drop(s, shelf_farthest(s, own, NULL));
    if (map_put(s->map, &e->key, e) != 0)
        return false;
    list_push_back(&s->order, &e->link);
    return true;
}

void shelf_touch(struct shelf *s, struct shelf_entry *e)
{
    list_remove(&e->link);
    list_push_back(&s->order, &e->link);
}

void shelf_drop(struct shelf *s, struct shelf_entry *e)
{
    map_remove(s->map, &e->key);
    list_remove(&e->link);
    s->free_entry(s, e);
}
