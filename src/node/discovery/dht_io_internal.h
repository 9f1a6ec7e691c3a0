/* Between the files that implement dht_io.h: dht_io.c has the nodes, their time and datagrams,
 * dht_hosts.c the first contacts, dht_members.c the torrents. */
#ifndef KITH_NODE_DHT_IO_INTERNAL_H
#define KITH_NODE_DHT_IO_INTERNAL_H

#include "base/heap.h"
#include "env/env.h"
#include "node/discovery/dht_io.h"
#include "node/discovery/dht_queue.h"

struct dht_host {
    struct dht_io *io;
    char *name;
    uint16_t port;
    struct env_resolve *resolve; /* under way */
};

struct dht_family {
    struct dht_io *io;
    enum addr_family family;
    struct dht *dht; /* NULL: no port of that family */
};

struct dht_io {
    struct kith_node *node;
    struct dht_family families[2];
    struct timer timer;
    struct dht_queue queue; /* the torrents that wait for their next round */
    size_t nodes;           /* that were known */
    usec save_at, hosts_at;
    unsigned host_rounds;
    struct dht_host hosts[DHT_IO_HOSTS_MAX];
    size_t host_count;
    /* Names in torrents: each is looked up once. */
    struct dht_host torrent_hosts[DHT_IO_TORRENT_NODES_MAX];
    bool read_only;
};

size_t dht_io_known_nodes(const struct dht_io *);

/* ---- dht_hosts.c --------------------------------------------------------------------------- */
/* "host:port". ERR_INVALID, ERR_NOMEM. */
int dht_hosts_add(struct dht_io *, const char *text);
/* While nobody is known. */
void dht_hosts_ask(struct dht_io *, usec now);
/* BEP 5, `nodes` of a torrent. */
void dht_hosts_take_nodes(struct kith_torrent *);
void dht_hosts_free(struct dht_io *);

/* ---- dht_members.c ------------------------------------------------------------------------- */
/* Somebody announced himself here. */
void dht_members_announced(struct kith_node *, const struct info_hash *, const struct endpoint *);
/* If it is time for one of them: its next round. */
void dht_members_begin(struct dht_io *, usec now);

#endif
