/* kith.h's face of the DHT: searches of an embedder, in both families at once. */
#include "node/discovery/dht_io.h"
#include "node/discovery/dht_items.h"
#include "node/node_internal.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

/* One search in one family. */
struct part {
    struct kith_dht_search *whole;
    struct dht *dht;
    struct dht_search *search; /* NULL: over, or there is no such family */
};

struct kith_dht_search {
    struct list_link link; /* of the node's */
    struct kith_node *node;
    struct kith_dht_request request;
    struct ed25519_seed secret;
    struct bytes salt, value; /* in `bytes` */
    int64_t seq, put_seq;     /* of the newest item, found or put; of the one put */
    struct dht_item put;      /* that one; its spans are ours */
    struct dht_result sum;
    struct node_id target;
    struct part parts[2];
    struct timer end; /* done() is called from the loop */
    uint8_t bytes[KRPC_SALT_MAX + KRPC_VALUE_MAX];
};

static void free_search(struct kith_dht_search *s)
{
    for (unsigned i = 0; i < 2; i++)
        if (s->parts[i].search)
            dht_search_cancel(s->parts[i].dht, s->parts[i].search);
    timer_cancel(&s->node->timers, &s->end);
    list_remove(&s->link);
    memset(&s->secret, 0, sizeof s->secret);
    free(s);
}

void dht_api_free_all(struct kith_node *n)
{
    list_for_each_safe(at, &n->dht_searches)
        free_search(list_entry(at, struct kith_dht_search, link));
}

void kith_dht_cancel(struct kith_dht_search *s)
{
    free_search(s);
}

/* ---- what comes back ----------------------------------------------------------------------- */

static void on_peers(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t count)
{
    struct kith_dht_search *s = ((struct part *)user)->whole;
    char text[ENDPOINT_TEXT_MAX];
    (void)from;
    for (size_t i = 0; i < count && s->request.peer; i++)
        s->request.peer(s->request.user, endpoint_text(&peers[i], text));
}

static void on_item(void *user, const struct dht_item *item)
{
    struct kith_dht_search *s = ((struct part *)user)->whole;
    if (item->seq < s->seq)
        return;
    s->seq = item->seq;
    dht_items_offer(s->node, &s->target, item);
    if (s->request.item)
        s->request.item(s->request.user, item->value.data, item->value.size, item->seq);
}

static bool on_put(void *user, const struct dht_item *found, struct dht_item *out)
{
    struct kith_dht_search *s = ((struct part *)user)->whole;
    *out = (struct dht_item){
        .is_mutable = s->request.secret != NULL, .value = s->value, .salt = s->salt};
    if (out->is_mutable) {
        int64_t kept = dht_items_seq(s->node, &s->target);
        int64_t next = (found && found->seq > kept ? found->seq : kept) + 1;
        out->seq = s->request.seq ? s->request.seq : next > s->put_seq ? next : s->put_seq;
        s->put_seq = out->seq; /* the other family's is to be the same */
        s->seq = out->seq > s->seq ? out->seq : s->seq;
        dht_item_sign(out, &s->secret);
    }
    s->put = *out;
    return true;
}

/* What is put is kept, if that is wanted, or if its key is kept anyway. */
static int keep_put(struct kith_dht_search *s, usec now)
{
    bool guessed = s->put.is_mutable && !s->request.seq && s->sum.answered == 0;
    if (s->put.value.size == 0 || guessed)
        return 0;
    if (!s->request.keep) {
        dht_items_offer(s->node, &s->target, &s->put);
        return 0;
    }
    usec pause = s->sum.stored > 0 ? KEEPER_EVERY - KEEPER_SPREAD : KEEPER_RETRY;
    int err = dht_items_keep(s->node, &s->target, &s->put, now + pause);
    dht_io_arm(s->node);
    return err;
}

static void on_done(void *user, const struct dht_result *r)
{
    struct part *p = user;
    struct kith_dht_search *s = p->whole;
    p->search = NULL;
    s->sum.asked += r->asked;
    s->sum.answered += r->answered;
    s->sum.stored += r->stored;
    s->sum.crowd = s->sum.crowd > r->crowd ? s->sum.crowd : r->crowd;
    if (r->refusal)
        s->sum.refusal = r->refusal;
    if (s->parts[0].search || s->parts[1].search)
        return;
    timer_set(&s->node->timers, &s->end, env_now(s->node->env));
    node_arm(s->node);
}

static void end(struct timer *timer, usec now)
{
    struct kith_dht_search *s = container_of(timer, struct kith_dht_search, end);
    int err = keep_put(s, now);
    struct kith_dht_result r = {.size = sizeof r,
        .error = s->sum.answered == 0 ? ERR_NETWORK : err,
        .refusal = (int32_t)s->sum.refusal,
        .asked = s->sum.asked,
        .answered = s->sum.answered,
        .stored = s->sum.stored,
        .seq = s->seq,
        .crowd = s->sum.crowd};
    void (*done)(void *, const struct kith_dht_result *) = s->request.done;
    void *user = s->request.user;
    memcpy(r.target, s->target.b, sizeof r.target);
    free_search(s);
    if (done)
        done(user, &r);
}

/* ---- what is asked ------------------------------------------------------------------------- */

/* Everything that the caller lends is copied. ERR_INVALID: it does not make sense. */
static int take_request(struct kith_dht_search *s, const struct kith_dht_request *r)
{
    struct builder b = builder_fixed(s->bytes, sizeof s->bytes);
    s->request = *r;
    if (r->salt_size > KRPC_SALT_MAX || r->value_size > KRPC_VALUE_MAX)
        return ERR_LIMIT;
    builder_bytes_put(&b, r->salt, r->salt_size);
    builder_bytes_put(&b, r->value, r->value_size);
    s->salt = bytes_of(s->bytes, r->salt_size);
    s->value = bytes_of(s->bytes + r->salt_size, r->value_size);
    if (r->kind == KITH_DHT_PUT) {
        struct dht_item item = {
            .is_mutable = r->secret != NULL, .value = s->value, .salt = s->salt};
        if (r->secret) {
            memcpy(s->secret.b, r->secret, sizeof s->secret.b);
            ed25519_public_of(&s->secret, &item.key);
        }
        s->target = dht_item_target(&item);
        return r->value_size > 0 ? 0 : ERR_INVALID;
    }
    if (r->kind == KITH_DHT_GET && r->public_key) {
        struct ed25519_public key;
        memcpy(key.b, r->public_key, sizeof key.b);
        s->target = dht_key_target(&key, s->salt);
        return 0;
    }
    if (!r->target || (r->kind != KITH_DHT_GET && r->kind != KITH_DHT_PEERS))
        return ERR_INVALID;
    memcpy(s->target.b, r->target, sizeof s->target.b);
    return 0;
}

static void begin_part(struct kith_dht_search *s, unsigned i, struct dht *d)
{
    const struct kith_dht_request *k = &s->request;
    struct part *p = &s->parts[i];
    *p = (struct part){.whole = s, .dht = d};
    struct dht_request r = {.aim = k->kind == KITH_DHT_PEERS ? DHT_GET_PEERS : DHT_GET_ITEM,
        .target = s->target,
        .user = p,
        .done = on_done,
        .peers = on_peers,
        .announce = k->announce_port > 0,
        .port = (uint16_t)k->announce_port,
        .is_mutable = k->public_key || k->secret,
        .salt = s->salt,
        .item = on_item,
        .put = k->kind == KITH_DHT_PUT ? on_put : NULL,
        .compare_and_swap = k->compare_and_swap};
    p->search = d ? dht_search(d, &r, env_now(s->node->env)) : NULL;
}

int kith_dht_start(
    struct kith_node *n, const struct kith_dht_request *given, struct kith_dht_search **out)
{
    struct kith_dht_request request = {.size = sizeof request};
    node_take(&request, sizeof request, given, given->size);
    *out = NULL;
    if (!n->dht)
        return node_fail(n, ERR_UNSUPPORTED, "the DHT is off");
    struct kith_dht_search *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->node = n;
    s->end.fire = end;
    list_init(&s->link);
    int err = take_request(s, &request);
    for (unsigned i = 0; !err && i < 2; i++)
        begin_part(s, i, dht_io_node(n, i ? ADDR_V6 : ADDR_V4));
    if (!err && !s->parts[0].search && !s->parts[1].search)
        err = ERR_LIMIT;
    if (err) {
        free(s);
        return err;
    }
    list_push_back(&n->dht_searches, &s->link);
    dht_io_arm(n);
    *out = s;
    return 0;
}

/* ---- looking at it ------------------------------------------------------------------------- */

/* What both families have a field for of their own. */
static void add_family(
    struct kith_dht_status *out, const struct dht_status *s, enum addr_family family)
{
    bool six = family == ADDR_V6;
    char text[ENDPOINT_TEXT_MAX];
    *(six ? &out->nodes_v6 : &out->nodes_v4) = (uint32_t)s->nodes;
    *(six ? &out->good_v6 : &out->good_v4) = (uint32_t)s->good;
    *(six ? &out->votes_v6 : &out->votes_v4) = s->votes;
    memcpy(six ? out->id_v6 : out->id_v4, s->id.b, 20);
    if (s->external.family != ADDR_NONE)
        memcpy(six ? out->external_v6 : out->external_v4, endpoint_ip_text(&s->external, text),
            ENDPOINT_TEXT_MAX);
}

static void add_sums(struct kith_dht_status *out, const struct dht_status *s)
{
    out->good += (uint32_t)s->good;
    out->hashes += (uint32_t)s->hashes;
    out->peers += (uint32_t)s->peers;
    out->items += (uint32_t)s->items;
    out->sent_bytes += s->sent_bytes;
    out->received_bytes += s->received_bytes;
    out->asking += (uint32_t)s->contacts;
    out->searches += (uint32_t)s->searches;
    out->searches_done += s->searches_done;
    out->crowds += s->crowds;
    out->answers += s->answers;
    out->refused += s->refused;
}

int kith_dht_status(struct kith_node *n, struct kith_dht_status *given)
{
    static const enum addr_family families[2] = {ADDR_V4, ADDR_V6};
    struct kith_dht_status out = {.size = given->size};
    if (!n->dht)
        return node_fail(n, ERR_UNSUPPORTED, "the DHT is off");
    for (unsigned i = 0; i < 2; i++) {
        const struct dht *d = dht_io_node(n, families[i]);
        struct dht_status s;
        if (!d)
            continue;
        dht_status(d, &s, env_now(n->env));
        add_family(&out, &s, families[i]);
        add_sums(&out, &s);
    }
    out.kept = (uint32_t)keeper_count(n->keeper);
    out.read_only = dht_io_is_read_only(n);
    node_fill(given, given->size, &out, sizeof out);
    return 0;
}
