/* See net.h. */
#include "tests/dht/net.h"

#include <stdlib.h>

void net_init(struct net *n, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->queue = calloc(NET_QUEUE_MAX, sizeof *n->queue);
    n->random = seed;
    n->now = SECONDS(1000);
}

void net_free(struct net *n)
{
    for (unsigned i = 0; i < n->count; i++)
        dht_free(n->nodes[i].dht);
    for (unsigned i = 0; i < n->queued; i++)
        free(n->queue[i]);
    free(n->queue);
}

static void push(struct net *n, struct net_datagram *d)
{
    assert_true(n->queued < NET_QUEUE_MAX);
    unsigned i = n->queued++;
    for (; i > 0 && d->at < n->queue[(i - 1) / 2]->at; i = (i - 1) / 2)
        n->queue[i] = n->queue[(i - 1) / 2];
    n->queue[i] = d;
}

static struct net_datagram *pop(struct net *n)
{
    struct net_datagram *first = n->queue[0], *last = n->queue[--n->queued];
    unsigned i = 0;
    for (;;) {
        unsigned child = 2 * i + 1;
        if (child + 1 < n->queued && n->queue[child + 1]->at < n->queue[child]->at)
            child++;
        if (child >= n->queued || n->queue[child]->at >= last->at)
            break;
        n->queue[i] = n->queue[child];
        i = child;
    }
    n->queue[i] = last;
    return first;
}

void net_inject(
    struct net *n, const struct endpoint *from, const struct endpoint *to, struct bytes data)
{
    struct net_datagram *d = malloc(sizeof *d);
    assert_true(data.size <= sizeof d->data);
    d->at = n->now + MSECS(10 + next_random(&n->random) % 90);
    d->from = *from;
    d->to = *to;
    d->size = (uint16_t)data.size;
    memcpy(d->data, data.data, data.size);
    bool lost = next_random(&n->random) % 100 < n->loss_percent;
    if (n->tap && !n->tap(n->tap_user, d))
        lost = true;
    if (lost)
        free(d);
    else
        push(n, d);
}

static void send(void *user, const struct endpoint *to, struct bytes data)
{
    struct net_node *node = user;
    net_inject(node->net, &node->at, to, data);
}

struct endpoint net_random_address(struct net *n)
{
    struct endpoint e;
    do
        e = endpoint_v4((uint32_t)next_random(&n->random), 0);
    while (endpoint_class(&e) != ADDR_GLOBAL);
    e.port = (uint16_t)(1024 + next_random(&n->random) % 60000);
    return e;
}

struct net_node *net_add(struct net *n, const struct endpoint *at)
{
    assert_true(n->count < NET_NODES_MAX);
    struct net_node *node = &n->nodes[n->count++];
    node->net = n;
    node->at = at ? *at : net_random_address(n);
    struct dht_config config = {.family = node->at.family, .send = send, .user = node};
    for (unsigned i = 0; i < sizeof config.seed; i++)
        config.seed[i] = (uint8_t)next_random(&n->random);
    struct node_id random, id;
    for (unsigned i = 0; i < sizeof random.b; i++)
        random.b[i] = (uint8_t)next_random(&n->random);
    id = node_id_for_address(&node->at, &random);
    config.id = &id;
    node->dht = dht_new(&config, n->now);
    assert_non_null(node->dht);
    return node;
}

void net_remove(struct net_node *node)
{
    dht_free(node->dht);
    node->dht = NULL;
}

static struct net_node *find(struct net *n, const struct endpoint *at)
{
    for (unsigned i = 0; i < n->count; i++)
        if (endpoint_equal(&n->nodes[i].at, at))
            return &n->nodes[i];
    return NULL;
}

static void deliver(struct net *n, struct net_datagram *d)
{
    struct net_node *to = find(n, &d->to);
    if (to && to->dht)
        dht_receive(to->dht, &d->from, bytes_of(d->data, d->size), n->now);
    else
        n->last = *d;
    free(d);
}

void net_run(struct net *n, usec span)
{
    usec end = n->now + span;
    for (;;) {
        usec next = n->queued ? n->queue[0]->at : NEVER;
        struct net_node *due = NULL;
        for (unsigned i = 0; i < n->count; i++)
            if (n->nodes[i].dht && dht_deadline(n->nodes[i].dht) < next) {
                due = &n->nodes[i];
                next = dht_deadline(due->dht);
            }
        if (next > end)
            break;
        n->now = next > n->now ? next : n->now;
        if (due)
            dht_tick(due->dht, n->now);
        else
            deliver(n, pop(n));
    }
    n->now = end;
}

void net_grow(struct net *n, unsigned count)
{
    struct net_node *first = n->count ? &n->nodes[0] : net_add(n, NULL);
    for (unsigned i = n->count; i < count; i++) {
        struct net_node *node = net_add(n, NULL);
        dht_add_contact(node->dht, &first->at, DHT_CONTACT_NODE, n->now);
        net_run(n, MSECS(200));
    }
    net_run(n, SECONDS(60));
}
