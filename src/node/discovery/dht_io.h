/* The node's part in the Mainline DHT: a struct dht for each family that has a port, its datagrams,
 * timers and memory, where its first contacts come from, and the torrents that are announced and
 * looked for in it. Who can reach nobody else needs one address of one node, from wherever:
 * an earlier run, a link, a torrent's `nodes`, a peer's PORT message, the local network, a host
 * that the user named. */
#ifndef KITH_NODE_DHT_IO_H
#define KITH_NODE_DHT_IO_H

#include "base/addr.h"
#include "base/list.h"
#include "base/time.h"
#include "dht/dht.h"
#include <kith.h>

struct kith_node;
struct kith_torrent;
struct port;

#define DHT_IO_HOSTS_MAX 16u          /* that the user named */
#define DHT_IO_HOST_RETRY SECONDS(60) /* while nobody is known; doubling to 16 times that */
#define DHT_IO_SAVE_EVERY SECONDS(600)
#define DHT_IO_ANNOUNCE_EVERY SECONDS(900) /* each torrent, as libtorrent does */
#define DHT_IO_STARVING_EVERY SECONDS(60)  /* one that wants data and has nobody; doubling */
#define DHT_IO_RETRY SECONDS(5)            /* when no node answered at all */
#define DHT_IO_FEW_NODES 8u         /* while we know fewer, a new one is told everything at once */
#define DHT_IO_PACE MSECS(250)      /* between two torrents that begin a search */
#define DHT_IO_TORRENT_NODES_MAX 8u /* of one torrent's `nodes` that are asked */

#define DHT_IO_CROWDS_TOLD 2u /* rounds in a row that found a crowd before it is said */

#define DHT_MEMBER_SEARCHES 4u /* two hashes, two families */

struct dht_member_search {
    struct kith_torrent *torrent;
    struct dht_search *search; /* NULL: none is under way */
    struct dht *dht;
};

/* A torrent's part. Starts zeroed. */
struct dht_member {
    struct list_link link; /* in the order of `due`, among those that seek or those that serve */
    usec due, began;       /* the next search, the last one */
    bool joined;
    uint8_t starved;     /* searches in a row that brought nobody; 255: so many or more */
    uint8_t crowds_seen; /* rounds in a row that saw a crowd; as above */
    uint16_t crowd;      /* the last round's (crowding.h) */
    uint16_t crowd_now;  /* of the round that is under way */
    uint32_t found;      /* peers that the DHT named, ever; repeats included */
    struct dht_member_search *searches; /* DHT_MEMBER_SEARCHES while one is under way; else NULL */
};

/* ERR_NOMEM. Nothing is started with KITH_DHT_OFF. */
int dht_io_start(struct kith_node *, const struct kith_options *);
/* Saves what is known and ends; torrents need not leave. */
void dht_io_stop(struct kith_node *);
void dht_io_free(struct kith_node *); /* only ends */
void dht_io_datagram(struct port *, const struct endpoint *from, struct bytes datagram);
void dht_io_network_changed(struct kith_node *);
/* Somebody who may be a node: `from` whose word. */
void dht_io_guess(struct kith_node *, const struct endpoint *, enum addr_source);

/* The torrent is to be found, and wants to find; again: what it is (complete, or not) has changed.
 * Nothing happens for private ones, ones that rest, and where there is no DHT. */
void dht_io_join(struct kith_torrent *);
void dht_io_leave(struct kith_torrent *);
/* May its peers be told that we have a DHT (BEP 5: not in private torrents)? */
bool dht_io_may_tell(const struct kith_torrent *);
/* The UDP port of that family's node; 0: there is none, or it answers nobody. */
uint16_t dht_io_port(struct kith_node *, enum addr_family);
bool dht_io_is_read_only(const struct kith_node *);
/* "DHT 312 nodes, 0 found"; "" where there is none. */
void dht_io_words(const struct kith_torrent *, struct builder *out);
struct dht *dht_io_node(struct kith_node *, enum addr_family); /* NULL: none */
/* The searches of an embedder end without a word (dht_api.c). */
void dht_api_free_all(struct kith_node *);
/* The nodes were handed something: time and deadlines follow. */
void dht_io_arm(struct kith_node *);

#endif
