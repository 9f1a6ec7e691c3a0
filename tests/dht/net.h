/* A network of DHT nodes in one process, on a virtual clock: datagrams that take some milliseconds,
 * get lost, and can be listened to. For tests; the scenarios at scale are in sim/. */
#ifndef KITH_TESTS_DHT_NET_H
#define KITH_TESTS_DHT_NET_H

#include "tests/base/check.h"

#include "dht/dht.h"

#define NET_NODES_MAX 2048
#define NET_QUEUE_MAX 65536

struct net_datagram {
    usec at;
    struct endpoint from, to;
    uint16_t size;
    uint8_t data[KRPC_RECEIVE_MAX];
};

struct net;
struct net_node {
    struct net *net;
    struct dht *dht; /* NULL: it is gone; datagrams to it are lost */
    struct endpoint at;
};

struct net {
    struct net_node nodes[NET_NODES_MAX];
    unsigned count;
    struct net_datagram **queue; /* a heap by time */
    unsigned queued;
    usec now;
    uint64_t random;
    unsigned loss_percent;
    /* Every datagram as it is sent; may be NULL. False: it is lost. */
    bool (*tap)(void *user, const struct net_datagram *);
    void *tap_user;
    struct net_datagram last; /* the last one to an address where nobody is */
};

void net_init(struct net *, uint64_t seed);
void net_free(struct net *);
struct endpoint net_random_address(struct net *);
/* A node at `at` (NULL: a random global address), ids as BEP 42 has it. */
struct net_node *net_add(struct net *, const struct endpoint *at);
void net_remove(struct net_node *);
/* A datagram out of nowhere. */
void net_inject(struct net *, const struct endpoint *from, const struct endpoint *to, struct bytes);
void net_run(struct net *, usec span);
/* `count` nodes that know one another, by way of the first. */
void net_grow(struct net *, unsigned count);

#endif
