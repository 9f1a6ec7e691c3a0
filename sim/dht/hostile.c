/* See hostile.h. */
#include "hostile.h"

#include <stdlib.h>

#define SPEAKS_EVERY SECONDS(10)
#define NAMED 8u
#define NEAREST 64u /* those named to who comes near the target */

struct hostile_node {
    struct hostile *crowd;
    struct member *member;
    struct node_id id;
    struct wheel_event speaks;
};

/* ---- ids ----------------------------------------------------------------------------------- */

/* What an address leaves open (from bit 21 on, save the last byte) is the target's. */
static struct node_id fitting(const struct hostile *h, const struct endpoint *at)
{
    struct node_id best = {{0}};
    for (unsigned r = 0; r < 8; r++) {
        struct node_id wish = h->target;
        wish.b[19] = (uint8_t)r;
        struct node_id id = node_id_for_address(at, &wish);
        if (r == 0 || node_id_compare(&h->target, &id, &best) < 0)
            best = id;
    }
    return best;
}

static struct node_id chosen(struct hostile *h)
{
    struct node_id id = h->target;
    store_u64(id.b + 12, sim_rng_next(&h->crowd->rng));
    return id;
}

static int nearer(const void *a, const void *b)
{
    const struct hostile_node *x = a, *y = b;
    return node_id_compare(&x->crowd->target, &x->id, &y->id);
}

/* ---- what they say ------------------------------------------------------------------------- */

static void send(struct hostile_node *n, const struct endpoint *to, struct krpc_message *m)
{
    uint8_t room[KRPC_SEND_MAX];
    struct builder b = builder_fixed(room, sizeof room);
    m->has_id = true;
    m->id = n->id;
    krpc_write(m, &b);
    if (builder_ok(&b))
        crowd_send(n->member, to, builder_bytes(&b));
}

/* Only their own: near the target the nearest, elsewhere any. */
static void name_friends(struct hostile *h, const struct node_id *target, struct builder *b)
{
    bool near = node_id_shared_bits(target, &h->target) >= 4;
    unsigned among = near && h->count > NEAREST ? NEAREST : h->count;
    for (unsigned i = 0; i < NAMED; i++) {
        struct hostile_node *f = &h->nodes[sim_rng_below(&h->crowd->rng, among)];
        krpc_put_node(b, &(struct krpc_node){f->id, f->member->at});
    }
}

/* The honest ones nearest to the target, looked up once a minute. */
static void find_victims(struct hostile *h)
{
    struct crowd *c = h->crowd;
    if (h->victim_count > 0 && c->wheel.now < h->looked_at + SECONDS(60))
        return;
    h->looked_at = c->wheel.now;
    h->victim_count = 0;
    for (uint32_t i = 0; i < c->live_count; i++) {
        struct dht_status status;
        dht_status(c->live[i]->dht, &status, c->wheel.now);
        unsigned place = h->victim_count;
        while (place > 0 && node_id_compare(&h->target, &status.id, &h->victims[place - 1].id) < 0)
            place--;
        if (place == HOSTILE_VICTIMS)
            continue;
        h->victim_count += h->victim_count < HOSTILE_VICTIMS;
        memmove(&h->victims[place + 1], &h->victims[place],
            (h->victim_count - place - 1) * sizeof *h->victims);
        h->victims[place] = (struct krpc_node){status.id, c->live[i]->at};
    }
}

/* Each of four in two ways: under an id that it does not bear; at a port where nobody is; beside a
 * neighbour in its /24. */
static void slander(struct hostile *h, struct builder *b)
{
    find_victims(h);
    for (unsigned i = 0; i < NAMED && h->victim_count > 0; i++) {
        struct krpc_node n = h->victims[sim_rng_below(&h->crowd->rng, h->victim_count)];
        uint64_t chance = sim_rng_next(&h->crowd->rng);
        if (i % 4 != 1)
            store_u64(n.id.b + 12, chance);
        if (i % 4 == 1 || i % 4 == 2)
            n.at.port ^= (uint16_t)(1 + chance % 1000);
        if (i % 4 == 3)
            n.at.ip[3] ^= (uint8_t)(1 + chance % 200);
        krpc_put_node(b, &n);
    }
}

void hostile_receive(struct member *member, const struct endpoint *from, struct bytes datagram)
{
    struct hostile *h = member->hostile;
    struct hostile_node *n = &h->nodes[member->live_index];
    struct krpc_message m, answer;
    uint8_t room[NAMED * 26];
    struct builder nodes = builder_fixed(room, sizeof room);
    if (krpc_parse(&m, datagram) != 0 || m.kind != KRPC_QUERY)
        return;
    krpc_reset(&answer);
    answer.value_count = 0;
    answer.kind = KRPC_RESPONSE;
    answer.transaction = m.transaction;
    answer.external = *from;
    h->swallowed += m.method == KRPC_ANNOUNCE_PEER;
    if (m.has_target && m.method != KRPC_ANNOUNCE_PEER) {
        if (h->words == HOSTILE_SLANDER && node_id_shared_bits(&m.target, &h->target) >= 4)
            slander(h, &nodes);
        else
            name_friends(h, &m.target, &nodes);
        answer.has_nodes = true;
        answer.nodes = builder_bytes(&nodes);
        answer.token = bytes_of_str("token");
    }
    send(n, from, &answer);
}

/* Into the tables of the honest ones. */
static void speaks(struct wheel_event *event)
{
    struct hostile_node *n = container_of(event, struct hostile_node, speaks);
    struct crowd *c = n->crowd->crowd;
    struct member *victim = crowd_pick(c, 0);
    struct krpc_message m;
    krpc_reset(&m);
    m.value_count = 0;
    m.kind = KRPC_QUERY;
    m.method = KRPC_FIND_NODE;
    m.transaction = bytes_of_str("ev");
    m.has_target = true;
    m.target = n->crowd->target;
    if (victim)
        send(n, &victim->at, &m);
    wheel_put(&c->wheel, event, c->wheel.now + SPEAKS_EVERY);
}

/* ---- coming and going ---------------------------------------------------------------------- */

void hostile_join(struct hostile *h, struct crowd *c, unsigned count, enum hostile_ids ids,
    enum hostile_words words, const struct node_id *target)
{
    *h =
        (struct hostile){.crowd = c, .target = *target, .ids = ids, .words = words, .count = count};
    h->nodes = calloc(count, sizeof *h->nodes);
    if (!h->nodes)
        abort();
    for (unsigned i = 0; i < count; i++) {
        struct hostile_node *n = &h->nodes[i];
        n->crowd = h;
        n->member = crowd_add_stranger(c, h);
        n->id = ids == HOSTILE_FITTING ? fitting(h, &n->member->at) : chosen(h);
    }
    qsort(h->nodes, count, sizeof *h->nodes, nearer);
    for (unsigned i = 0; i < count; i++) {
        h->nodes[i].member->live_index = i;
        wheel_event_init(&h->nodes[i].speaks, speaks);
        wheel_put(&c->wheel, &h->nodes[i].speaks,
            c->wheel.now + (usec)sim_rng_below(&c->rng, (uint64_t)SPEAKS_EVERY));
    }
}

void hostile_free(struct hostile *h)
{
    for (unsigned i = 0; i < h->count; i++)
        wheel_remove(&h->nodes[i].speaks);
    free(h->nodes);
}
