/* See item_store.h. */
#include "dht/item_store.h"

#include "dht/shelf.h"
#include <stdlib.h>

struct stored_item {
    struct shelf_entry entry;
    struct endpoint from; /* who put it first; no family: we did */
    usec until;
    struct dht_item item; /* its spans lie in `bytes` */
    uint8_t bytes[];      /* value, then salt */
};

struct item_store {
    struct shelf shelf;
};

static struct stored_item *item_of(struct shelf_entry *e)
{
    return container_of(e, struct stored_item, entry);
}

static void free_item(struct shelf *s, struct shelf_entry *e)
{
    (void)s;
    free(item_of(e));
}

struct item_store *item_store_new(struct dht_random *random)
{
    struct item_store *s = calloc(1, sizeof *s);
    if (s && shelf_init(&s->shelf, ITEM_STORE_MAX, random, free_item) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

void item_store_free(struct item_store *s)
{
    if (s)
        shelf_clear(&s->shelf);
    free(s);
}

static struct stored_item *find(struct item_store *s, const struct node_id *target, usec now)
{
    struct shelf_entry *e = shelf_find(&s->shelf, target);
    if (!e || now < item_of(e)->until)
        return e ? item_of(e) : NULL;
    shelf_drop(&s->shelf, e);
    return NULL;
}

void item_store_expire(struct item_store *s, usec now)
{
    list_for_each_safe(at, &s->shelf.order)
    {
        struct shelf_entry *e = list_entry(at, struct shelf_entry, link);
        if (now < item_of(e)->until)
            return;
        shelf_drop(&s->shelf, e);
    }
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
    return shelf_count(&s->shelf);
}

/* ---- putting ------------------------------------------------------------------------------- */

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

/* May it take the place of what lies there? `cas`: NULL, or what it is meant to replace. */
static int judge(const struct dht_item *old, const struct dht_item *new, const int64_t *cas)
{
    if (!new->is_mutable)
        return 0;
    if (cas && *cas != old->seq)
        return KRPC_E_CAS;
    if (new->seq < old->seq)
        return KRPC_E_OLD_SEQ;
    if (new->seq == old->seq && !bytes_equal(new->value, old->value))
        return KRPC_E_OLD_SEQ;
    return 0;
}

static unsigned count_from(const struct item_store *s, const struct endpoint *from)
{
    unsigned count = 0;
    list_for_each(at, &s->shelf.order)
    {
        struct shelf_entry *e = list_entry(at, struct shelf_entry, link);
        count += node_address_same_owner(&item_of(e)->from, from);
    }
    return count;
}

static struct stored_item *copy(const struct dht_item *item, const struct node_id *target)
{
    struct stored_item *i = malloc(sizeof *i + item->value.size + item->salt.size);
    if (!i)
        return NULL;
    *i = (struct stored_item){.entry.key = *target, .item = *item};
    memcpy(i->bytes, item->value.data, item->value.size);
    if (item->salt.size > 0)
        memcpy(i->bytes + item->value.size, item->salt.data, item->salt.size);
    i->item.value = bytes_of(i->bytes, item->value.size);
    i->item.salt = bytes_of(i->bytes + item->value.size, item->salt.size);
    list_init(&i->entry.link);
    return i;
}

/* `from`: NULL, it is ours. */
static int keep(struct item_store *s, const struct dht_item *item, const int64_t *cas,
    const struct endpoint *from, const struct node_id *own, usec now)
{
    struct node_id target = dht_item_target(item);
    struct stored_item *old = find(s, &target, now);
    int error = old ? judge(&old->item, item, cas) : 0;
    if (error)
        return error;
    if (!old && from && count_from(s, from) >= ITEM_STORE_FROM_ADDRESS_MAX)
        return KRPC_E_SERVER;
    struct stored_item *new = copy(item, &target);
    if (!new)
        return KRPC_E_SERVER;
    new->from = old ? old->from : from ? *from : (struct endpoint){0};
    new->until = now + ITEM_STORE_LIFE;
    if (old)
        shelf_drop(&s->shelf, &old->entry);
    if (!shelf_add(&s->shelf, &new->entry, own)) {
        free(new);
        return KRPC_E_SERVER;
    }
    return 0;
}

int item_store_put(struct item_store *s, const struct krpc_message *m, const struct endpoint *from,
    const struct node_id *own, usec now)
{
    struct dht_item item;
    int error = read_item(m, &item);
    return error ? error : keep(s, &item, m->has_cas ? &m->cas : NULL, from, own, now);
}

bool item_store_put_own(
    struct item_store *s, const struct dht_item *item, const struct node_id *own, usec now)
{
    return keep(s, item, NULL, NULL, own, now) == 0;
}
