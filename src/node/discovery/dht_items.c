/* See dht_items.h. */
#include "node/discovery/dht_items.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

#define KEY_PREFIX "dht.item."
#define KEY_MAX (sizeof KEY_PREFIX + 40)

static void key_of(const struct node_id *target, char out[KEY_MAX])
{
    memcpy(out, KEY_PREFIX, sizeof KEY_PREFIX);
    hex_encode(target->b, sizeof target->b, out + sizeof KEY_PREFIX - 1);
}

/* ---- remembered ---------------------------------------------------------------------------- */

/* `i`: NULL, it is forgotten. */
static void save(struct kith_node *n, const struct node_id *target, const struct kept_item *i)
{
    uint8_t record[KEEPER_RECORD_MAX];
    struct builder b = builder_fixed(record, sizeof record);
    char key[KEY_MAX];
    if (!n->state)
        return;
    if (i)
        keeper_write(i, &b);
    key_of(target, key);
    (void)state_save_setting(n->state, key, builder_bytes(&b), NULL, NULL);
    memory_arm(n);
}

static bool bring_back(void *user, const char *key, struct bytes value, bool damaged)
{
    struct kith_node *n = user;
    char text[NODE_TEXT_MAX];
    int err = damaged ? ERR_DATABASE : keeper_read(n->keeper, value, env_now(n->env));
    if (err) {
        snprintf(text, sizeof text, "the item %.40s of the DHT is not kept any more: %s",
            key + sizeof KEY_PREFIX - 1, err_text(err));
        node_event(n, KITH_EVENT_WARNING, NULL, err, text);
    }
    return err != ERR_NOMEM;
}

static void newer(void *user, const struct kept_item *i)
{
    struct kith_node *n = user;
    char hex[41];
    save(n, &i->target, i);
    hex_encode(i->target.b, sizeof i->target.b, hex);
    node_event(n, KITH_EVENT_DHT_ITEM, NULL, 0, hex);
}

int dht_items_start(struct kith_node *n, struct dht *nodes[2])
{
    struct keeper_config config = {.newer = newer, .user = n};
    env_random(n->env, config.seed, sizeof config.seed);
    n->keeper = keeper_new(&config);
    if (!n->keeper)
        return ERR_NOMEM;
    for (unsigned i = 0; i < 2; i++)
        if (nodes[i])
            keeper_use(n->keeper, nodes[i]);
    if (n->state) /* what cannot be read is as if it was not there, and has been told */
        (void)state_each_setting(n->state, KEY_PREFIX, bring_back, n);
    return 0;
}

void dht_items_stop(struct kith_node *n)
{
    keeper_free(n->keeper);
    n->keeper = NULL;
}

/* ---- kept ---------------------------------------------------------------------------------- */

int dht_items_keep(
    struct kith_node *n, const struct node_id *target, const struct dht_item *item, usec due)
{
    int err = keeper_keep(n->keeper, target, item, due);
    if (!err)
        save(n, target, keeper_find(n->keeper, target));
    return err;
}

void dht_items_offer(struct kith_node *n, const struct node_id *target, const struct dht_item *item)
{
    if (keeper_offer(n->keeper, target, item))
        newer(n, keeper_find(n->keeper, target));
}

int64_t dht_items_seq(const struct kith_node *n, const struct node_id *target)
{
    const struct kept_item *i = keeper_find(n->keeper, target);
    return i && i->has_value ? i->item.seq : 0;
}

/* ---- kith.h -------------------------------------------------------------------------------- */

static int need_keeper(struct kith_node *n)
{
    return n->keeper ? 0 : node_fail(n, ERR_UNSUPPORTED, "the DHT is off");
}

int kith_dht_keep(struct kith_node *n, const struct kith_dht_keep *given)
{
    struct kith_dht_keep k = {.size = sizeof k};
    struct dht_item item = {0};
    struct node_id target;
    int err = need_keeper(n);
    if (err)
        return err;
    node_take(&k, sizeof k, given, given->size);
    if ((k.target == NULL) == (k.public_key == NULL) || (k.target && k.salt_size > 0))
        return node_fail(n, ERR_INVALID, "either a target, or a key and perhaps a salt");
    if (k.salt_size > KRPC_SALT_MAX)
        return node_fail(n, ERR_LIMIT, "a salt has at most %u bytes", KRPC_SALT_MAX);
    if (k.target) {
        memcpy(target.b, k.target, sizeof target.b);
    } else {
        item.is_mutable = true;
        memcpy(item.key.b, k.public_key, sizeof item.key.b);
        item.salt = bytes_of(k.salt, k.salt_size);
        target = dht_key_target(&item.key, item.salt);
    }
    err = dht_items_keep(n, &target, &item, env_now(n->env));
    if (err)
        return node_fail(n, err, "%u items are kept already", KEEPER_ITEMS_MAX);
    dht_io_arm(n);
    return 0;
}

int kith_dht_forget(struct kith_node *n, const void *bytes)
{
    struct node_id target;
    int err = need_keeper(n);
    if (err)
        return err;
    memcpy(target.b, bytes, sizeof target.b);
    err = keeper_forget(n->keeper, &target);
    if (err)
        return node_fail(n, err, "no such item is kept");
    save(n, &target, NULL);
    return 0;
}

static int64_t seconds_to(usec then, usec now)
{
    return then > now ? (then - now) / USEC_PER_SEC : 0;
}

int kith_dht_item(struct kith_node *n, size_t index, struct kith_dht_item *given)
{
    const struct kept_item *i = n->keeper ? keeper_at(n->keeper, index) : NULL;
    struct kith_dht_item out = {.size = given->size};
    usec now = env_now(n->env);
    if (!i)
        return ERR_NOT_FOUND;
    memcpy(out.target, i->target.b, sizeof out.target);
    memcpy(out.public_key, i->item.key.b, sizeof out.public_key);
    out.is_mutable = i->item.is_mutable;
    out.salt = i->item.salt.data;
    out.salt_size = i->item.salt.size;
    out.value = i->has_value ? i->item.value.data : NULL;
    out.value_size = i->has_value ? i->item.value.size : 0;
    out.seq = i->has_value ? i->item.seq : 0;
    out.found_at = i->holders;
    out.stored_at = i->stored;
    out.spared = i->spared;
    out.refusal = (int32_t)i->refusal;
    out.put_seconds_ago = i->put_at ? (now - i->put_at) / USEC_PER_SEC : -1;
    out.next_seconds = i->due == NEVER ? -1 : seconds_to(i->due, now);
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}
