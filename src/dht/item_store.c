/* See item_store.h. */
#include "dht/item_store.h"

#include "base/list.h"
#include "base/map.h"
#include <stdlib.h>

struct stored_item {
    struct list_link link; /* in the order of their last puts, oldest first */
    struct node_id target;
    struct endpoint from; /* who put it first; port 0 */
    usec until;
    struct dht_item item; /* its spans lie in `bytes` */
    uint8_t bytes[];      /* value, then salt */
};

struct item_store {
    struct map *items;
    struct list_link order;
};

struct item_store *item_store_new(struct dht_random *random)
{
    struct item_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    uint8_t key[16];
    dht_random_fill(random, key, sizeof key);
    list_init(&s->order);
    s->items = map_new(sizeof(struct node_id), key);
    if (!s->items) {
        free(s);
        return NULL;
    }
    return s;
}

static void drop(struct item_store *s, struct stored_item *i)
{
    map_remove(s->items, &i->target);
    list_remove(&i->link);
    free(i);
}

void item_store_free(struct item_store *s)
{
    if (!s)
        return;
    list_for_each_safe(at, &s->order) drop(s, list_entry(at, struct stored_item, link));
    map_free(s->items);
    free(s);
}

void item_store_expire(struct item_store *s, usec now)
{
    list_for_each_safe(at, &s->order)
    {
        struct stored_item *i = list_entry(at, struct stored_item, link);
        if (now < i->until)
            return;
        drop(s, i);
    }
}

static struct stored_item *find(struct item_store *s, const struct node_id *target, usec now)
{
    struct stored_item *i = map_get(s->items, target);
    if (i && now >= i->until) {
        drop(s, i);
        i = NULL;
    }
    return i;
}

bool item_store_get(
    struct item_store *s, const struct node_id *target, struct dht_item *out, usec now)
{
    const struct stored_item *i = find(s, target, now);
    if (i)
        *out = i->item;
    return i != NULL;
}

size_t item_store_count(const struct item_store *s)
{
    return map_count(s->items);
}

/* ---- putting
 * --------------------------------------------------------------------------------------------- */

/* An item out of a message, judged by itself. A mutable one that is broken in whatever way is
 * never kept as an immutable one. */
static int read_item(const struct krpc_message *m, struct dht_item *out)
{
    *out = (struct dht_item){.is_mutable = m->claims_mutable, .value = m->value};
    if (m->value.size == 0)
        return KRPC_E_PROTOCOL;
    if (m->value.size > KRPC_VALUE_MAX)
        return KRPC_E_VALUE_TOO_BIG;
    if (!out->is_mutable)
        return 0;
    if (m->salt.size > KRPC_SALT_MAX)
        return KRPC_E_SALT_TOO_BIG;
    if (m->key.size == 0 || m->signature.size == 0 || !m->has_seq || m->seq < 0)
        return KRPC_E_PROTOCOL;
    memcpy(out->key.b, m->key.data, sizeof out->key.b);
    memcpy(out->signature.b, m->signature.data, sizeof out->signature.b);
    out->salt = m->salt;
    out->seq = m->seq;
    return dht_item_is_genuine(out) ? 0 : KRPC_E_SIGNATURE;
}

/* May it take the place of what lies there? */
static int judge(
    const struct stored_item *old, const struct dht_item *new, const struct krpc_message *m)
{
    if (!old || !new->is_mutable)
        return 0;
    if (m->has_cas && m->cas != old->item.seq)
        return KRPC_E_CAS;
    if (new->seq < old->item.seq)
        return KRPC_E_OLD_SEQ;
    if (new->seq == old->item.seq && !bytes_equal(new->value, old->item.value))
        return KRPC_E_OLD_SEQ;
    return 0;
}

static unsigned count_from(const struct item_store *s, const struct endpoint *from)
{
    unsigned count = 0;
    list_for_each(at, &s->order) count +=
        endpoint_same_ip(&list_entry(at, struct stored_item, link)->from, from);
    return count;
}

static struct stored_item *farthest(const struct item_store *s, const struct node_id *own)
{
    struct stored_item *far = NULL;
    list_for_each(at, &s->order)
    {
        struct stored_item *i = list_entry(at, struct stored_item, link);
        if (!far || node_id_compare(own, &i->target, &far->target) > 0)
            far = i;
    }
    return far;
}

/* Room for one more under `target`; false: all that is here is nearer to us, or it is of somebody
 * who has enough here. */
static bool make_room(struct item_store *s, const struct node_id *target,
    const struct endpoint *from, const struct node_id *own)
{
    if (count_from(s, from) >= ITEM_STORE_FROM_ADDRESS_MAX)
        return false;
    if (map_count(s->items) < ITEM_STORE_MAX)
        return true;
    struct stored_item *far = farthest(s, own);
    if (node_id_compare(own, target, &far->target) >= 0)
        return false;
    drop(s, far);
    return true;
}

static struct stored_item *copy(const struct dht_item *item, const struct node_id *target)
{
    struct stored_item *i = malloc(sizeof *i + item->value.size + item->salt.size);
    if (!i)
        return NULL;
    *i = (struct stored_item){.target = *target, .item = *item};
    memcpy(i->bytes, item->value.data, item->value.size);
    if (item->salt.size > 0)
        memcpy(i->bytes + item->value.size, item->salt.data, item->salt.size);
    i->item.value = bytes_of(i->bytes, item->value.size);
    i->item.salt = bytes_of(i->bytes + item->value.size, item->salt.size);
    list_init(&i->link);
    return i;
}

static int keep(struct item_store *s, struct stored_item *old, const struct dht_item *item,
    const struct node_id *target, const struct endpoint *from, usec now)
{
    struct stored_item *new = copy(item, target);
    if (!new)
        return KRPC_E_SERVER;
    new->from = old ? old->from : *from;
    new->until = now + ITEM_STORE_LIFE;
    if (old)
        drop(s, old);
    if (map_put(s->items, &new->target, new) != 0) {
        free(new);
        return KRPC_E_SERVER;
    }
    list_push_back(&s->order, &new->link);
    return 0;
}

int item_store_put(struct item_store *s, const struct krpc_message *m, const struct endpoint *from,
    const struct node_id *own, usec now)
{
    struct dht_item item;
    int error = read_item(m, &item);
    if (error)
        return error;
    struct node_id target = dht_item_target(&item);
    struct stored_item *old = find(s, &target, now);
    error = judge(old, &item, m);
    if (error)
        return error;
    if (!old && !make_room(s, &target, from, own))
        return KRPC_E_SERVER;
    return keep(s, old, &item, &target, from, now);
}
