/* See keeper.h. Items that wait stand in the order in which they are due; those whose round is
 * under way stand in none, and come back with its end. */
#include "dht/keeper.h"

#include "base/list.h"
#include "dht/random.h"
#include "format/bencode.h"
#include <stdlib.h>

/* A round in one family. */
struct part {
    struct kept *of;
    struct dht *dht;
    struct dht_search *search; /* NULL: over */
    int64_t put;               /* the seq that was put; -1: none */
};

struct kept {
    struct list_link link;  /* while it waits */
    struct list_link among; /* all that are kept */
    struct keeper *keeper;
    struct kept_item is;
    uint8_t *value; /* the item's; NULL: nothing is known yet */
    uint8_t salt[KRPC_SALT_MAX];
    unsigned failures; /* rounds in a row */
    struct part parts[KEEPER_FAMILIES];
    struct dht_result sum; /* of the parts that are over */
    usec began;            /* the round */
};

struct keeper {
    struct keeper_config config;
    struct dht_random random;
    struct dht *nodes[KEEPER_FAMILIES];
    unsigned node_count;
    struct list_link all, waiting;
    unsigned count, rounds;
};

struct keeper *keeper_new(const struct keeper_config *config)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->config = *config;
    memcpy(k->random.key, config->seed, sizeof k->random.key);
    list_init(&k->all);
    list_init(&k->waiting);
    return k;
}

void keeper_use(struct keeper *k, struct dht *d)
{
    if (k->node_count < KEEPER_FAMILIES)
        k->nodes[k->node_count++] = d;
}

static bool is_under_way(const struct kept *i)
{
    return i->is.due == NEVER;
}

static void drop(struct kept *i)
{
    for (unsigned f = 0; f < KEEPER_FAMILIES; f++)
        if (i->parts[f].search)
            dht_search_cancel(i->parts[f].dht, i->parts[f].search);
    i->keeper->rounds -= is_under_way(i);
    i->keeper->count--;
    list_remove(&i->link);
    list_remove(&i->among);
    free(i->value);
    free(i);
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    list_for_each_safe(at, &k->all) drop(list_entry(at, struct kept, among));
    free(k);
}

/* ---- what is kept -------------------------------------------------------------------------- */

static struct kept *find(const struct keeper *k, const struct node_id *target)
{
    list_for_each(at, &k->all)
    {
        struct kept *i = list_entry(at, struct kept, among);
        if (node_id_equal(&i->is.target, target))
            return i;
    }
    return NULL;
}

/* Most come to the end. */
static void wait_until(struct kept *i, usec due)
{
    struct list_link *queue = &i->keeper->waiting, *at = queue;
    i->is.due = due;
    while (at->prev != queue && list_entry(at->prev, struct kept, link)->is.due > due)
        at = at->prev;
    list_remove(&i->link);
    list_insert_before(at, &i->link);
}

static bool is_newer(const struct kept *i, const struct dht_item *item)
{
    return !i->is.has_value || (item->is_mutable && item->seq > i->is.item.seq);
}

/* The item becomes ours. False: no memory, and it is as it was. */
static bool take(struct kept *i, const struct dht_item *item)
{
    uint8_t *value = malloc(item->value.size);
    if (!value)
        return false;
    memcpy(value, item->value.data, item->value.size);
    free(i->value);
    i->value = value;
    i->is.has_value = true;
    i->is.item = *item;
    i->is.item.value = bytes_of(value, item->value.size);
    i->is.item.salt = bytes_of(i->salt, item->salt.size);
    return true;
}

static struct kept *add(struct keeper *k, const struct node_id *target, const struct dht_item *item)
{
    struct kept *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->keeper = k;
    i->is.target = *target;
    list_init(&i->link);
    list_init(&i->among);
    if (item->salt.size > 0)
        memcpy(i->salt, item->salt.data, item->salt.size);
    i->is.item = (struct dht_item){.is_mutable = item->is_mutable,
        .key = item->key,
        .salt = bytes_of(i->salt, item->salt.size)};
    if (item->value.size > 0 && !take(i, item)) {
        free(i);
        return NULL;
    }
    list_push_back(&k->all, &i->among);
    k->count++;
    return i;
}

int keeper_keep(
    struct keeper *k, const struct node_id *target, const struct dht_item *item, usec due)
{
    struct kept *i = find(k, target);
    if (i) {
        bool newer = item->value.size > 0 && is_newer(i, item);
        if (newer && !take(i, item))
            return ERR_NOMEM;
        if (newer && !is_under_way(i))
            wait_until(i, due);
        return item->value.size > 0 && i->is.item.seq > item->seq ? ERR_CHANGED : 0;
    }
    if (k->count >= KEEPER_ITEMS_MAX || item->salt.size > KRPC_SALT_MAX ||
        item->value.size > KRPC_VALUE_MAX)
        return ERR_LIMIT;
    i = add(k, target, item);
    if (!i)
        return ERR_NOMEM;
    wait_until(i, due);
    return 0;
}

bool keeper_offer(struct keeper *k, const struct node_id *target, const struct dht_item *item)
{
    struct kept *i = find(k, target);
    return i && is_newer(i, item) && take(i, item);
}

int keeper_forget(struct keeper *k, const struct node_id *target)
{
    struct kept *i = find(k, target);
    if (!i)
        return ERR_NOT_FOUND;
    drop(i);
    return 0;
}

const struct kept_item *keeper_find(const struct keeper *k, const struct node_id *target)
{
    const struct kept *i = find(k, target);
    return i ? &i->is : NULL;
}

const struct kept_item *keeper_at(const struct keeper *k, size_t n)
{
    list_for_each(at, &k->all) if (n-- == 0) return &list_entry(at, struct kept, among)->is;
    return NULL;
}

size_t keeper_count(const struct keeper *k)
{
    return k->count;
}

/* ---- a round ------------------------------------------------------------------------------- */

static void on_item(void *user, const struct dht_item *item)
{
    struct kept *i = ((struct part *)user)->of;
    struct keeper *k = i->keeper;
    if (is_newer(i, item) && take(i, item) && k->config.newer)
        k->config.newer(k->config.user, &i->is); /* the last: it may be forgotten */
}

static bool on_put(void *user, const struct dht_item *found, struct dht_item *out)
{
    struct part *p = user;
    (void)found; /* on_item has seen it */
    if (!p->of->is.has_value)
        return false;
    *out = p->of->is.item;
    p->put = out->seq;
    return true;
}

static bool is_over(const struct kept *i)
{
    for (unsigned f = 0; f < KEEPER_FAMILIES; f++)
        if (i->parts[f].search)
            return false;
    return true;
}

/* One family was given what has turned out to be old since, or somebody holds a newer one that was
 * not found. */
static bool is_outdated(const struct kept *i)
{
    for (unsigned f = 0; f < KEEPER_FAMILIES; f++)
        if (i->parts[f].put >= 0 && i->parts[f].put != i->is.item.seq)
            return true;
    return i->sum.refusal == KRPC_E_OLD_SEQ;
}

static void plan(struct kept *i, usec now)
{
    struct keeper *k = i->keeper;
    bool kept = i->is.has_value && (i->sum.stored > 0 || i->sum.spared);
    if (kept)
        i->is.put_at = now;
    if (kept && !is_outdated(i)) {
        i->failures = 0;
        wait_until(
            i, now + KEEPER_EVERY - (usec)dht_random_below(&k->random, (uint64_t)KEEPER_SPREAD));
        return;
    }
    usec pause = KEEPER_RETRY << (i->failures < 6 ? i->failures : 6);
    i->failures++;
    wait_until(i, now + (pause < KEEPER_EVERY ? pause : KEEPER_EVERY));
}

static void end_round(struct kept *i, usec now)
{
    i->keeper->rounds--;
    i->is.holders = i->sum.holders;
    i->is.stored = i->sum.stored;
    i->is.spared = i->sum.spared;
    i->is.refusal = i->sum.refusal;
    plan(i, now);
}

static void on_done(void *user, const struct dht_result *r)
{
    struct part *p = user;
    struct kept *i = p->of;
    p->search = NULL;
    i->sum.holders += r->holders;
    i->sum.stored += r->stored;
    i->sum.spared |= r->spared;
    if (r->refusal)
        i->sum.refusal = r->refusal;
    if (is_over(i))
        end_round(i, i->began + r->took);
}

static void begin_round(struct kept *i, usec now)
{
    struct keeper *k = i->keeper;
    list_remove(&i->link);
    i->is.due = NEVER;
    k->rounds++;
    i->sum = (struct dht_result){0};
    i->began = now;
    for (unsigned f = 0; f < k->node_count; f++) {
        struct part *p = &i->parts[f];
        *p = (struct part){.of = i, .dht = k->nodes[f], .put = -1};
        struct dht_request r = {.aim = DHT_GET_ITEM,
            .target = i->is.target,
            .user = p,
            .done = on_done,
            .is_mutable = i->is.item.is_mutable,
            .salt = i->is.item.salt,
            .item = on_item,
            .put = on_put,
            .spare_writes = !i->is.spared};
        p->search = dht_search(p->dht, &r, now);
    }
    if (is_over(i)) /* no search could be started */
        end_round(i, now);
}

/* ---- time ---------------------------------------------------------------------------------- */

usec keeper_deadline(const struct keeper *k)
{
    if (list_empty(&k->waiting) || k->rounds >= KEEPER_ROUNDS_MAX)
        return NEVER;
    return list_entry(k->waiting.next, struct kept, link)->is.due;
}

void keeper_tick(struct keeper *k, usec now)
{
    while (keeper_deadline(k) <= now)
        begin_round(list_entry(k->waiting.next, struct kept, link), now);
}

void keeper_hurry(struct keeper *k, usec now)
{
    list_for_each(at, &k->waiting)
    {
        struct kept *i = list_entry(at, struct kept, link);
        i->failures = 0;
        i->is.due = usec_min(i->is.due, now);
    }
}

/* ---- kept on disk -------------------------------------------------------------------------- */

void keeper_write(const struct kept_item *i, struct builder *b)
{
    bencode_begin_dict(b);
    if (i->item.is_mutable) {
        bencode_put_key(b, "k");
        bencode_put_string(b, bytes_of(i->item.key.b, sizeof i->item.key.b));
        bencode_put_key(b, "salt");
        bencode_put_string(b, i->item.salt);
    }
    if (i->item.is_mutable && i->has_value) {
        bencode_put_key(b, "seq");
        bencode_put_integer(b, i->item.seq);
        bencode_put_key(b, "sig");
        bencode_put_string(b, bytes_of(i->item.signature.b, sizeof i->item.signature.b));
    }
    bencode_put_key(b, "t");
    bencode_put_string(b, bytes_of(i->target.b, sizeof i->target.b));
    if (i->has_value) { /* as a string: it may be any bencode that the network let pass */
        bencode_put_key(b, "v");
        bencode_put_string(b, i->item.value);
    }
    bencode_end(b);
}

/* A field that has this size, or is not there. */
static bool read_field(struct bencode_value root, const char *key, void *out, size_t size)
{
    struct bytes b;
    if (!bencode_get_string(root, key, &b) || b.size != size)
        return false;
    memcpy(out, b.data, size);
    return true;
}

static int read_record(struct bencode_value root, struct node_id *target, struct dht_item *item)
{
    *item = (struct dht_item){0};
    if (!read_field(root, "t", target->b, sizeof target->b))
        return ERR_SYNTAX;
    item->is_mutable = read_field(root, "k", item->key.b, sizeof item->key.b);
    (void)bencode_get_string(root, "salt", &item->salt);
    (void)bencode_get_string(root, "v", &item->value);
    if (item->salt.size > KRPC_SALT_MAX || item->value.size > KRPC_VALUE_MAX)
        return ERR_SYNTAX;
    if (item->is_mutable && item->value.size > 0 &&
        (!bencode_get_integer(root, "seq", &item->seq) || item->seq < 0 ||
            !read_field(root, "sig", item->signature.b, sizeof item->signature.b)))
        return ERR_SYNTAX;
    return 0;
}

static bool is_genuine(const struct node_id *target, const struct dht_item *item)
{
    if (!item->is_mutable && item->value.size == 0)
        return true;
    struct node_id is = dht_item_target(item);
    return node_id_equal(&is, target) && (item->value.size == 0 || dht_item_is_genuine(item));
}

int keeper_read(struct keeper *k, struct bytes record, usec now)
{
    struct bencode_token tokens[32];
    struct bencode doc;
    struct node_id target;
    struct dht_item item;
    if (bencode_parse_into(&doc, record, BENCODE_TOLERANT, tokens, 32) != 0)
        return ERR_SYNTAX;
    int err = read_record(bencode_root(&doc), &target, &item);
    if (!err && !is_genuine(&target, &item))
        err = ERR_HASH;
    usec spread = (usec)dht_random_below(&k->random, (uint64_t)KEEPER_AT_START);
    return err ? err : keeper_keep(k, &target, &item, now + spread);
}
