/* Where a node stands on the network: for each address that it listens on, one TCP listener and one
 * UDP socket on the same port. All UDP of the node comes and goes here; what a datagram belongs to
 * is told by its first byte, as every client that shares one port does it:
 *
 *   'd'                       a bencoded dictionary: the DHT (BEP 5)
 *   version 1, types 0 to 4   uTP (BEP 29): 0x01, 0x11, ... 0x41
 *   anything else             an answer of a UDP tracker (BEP 15: the action's first byte is 0) */
#ifndef KITH_NODE_PORTS_H
#define KITH_NODE_PORTS_H

#include "base/heap.h"
#include "env/env.h"
#include "proto/proxy.h"
#include <kith.h>

#define PORTS_MAX 8u      /* addresses that a node listens on */
#define PORTS_DATAGRAMS 8 /* taken by one call; each may be many: env_udp_bulk */
#define PORTS_ROUNDS 16   /* such calls a turn: then others get theirs */
#define PORTS_TRIES 16    /* ports that the system chooses until both kinds are free */

#define PORTS_LOOK SECONDS(5) /* are the interfaces that ports are bound to still the same? */

struct kith_node;

/* Where to listen: an address, or the interface on which it holds. */
struct ports_place {
    struct endpoint at;
    char device[16]; /* "": any */
    bool chosen;     /* by an address of the user's: it must work */
};

/* What the options ask for; the ports are opened after it, and again when an interface is anew. */
struct ports_wish {
    struct ports_place places[PORTS_MAX];
    unsigned count;
    uint16_t port;
    bool accepts;
    struct timer timer;
};

struct port {
    struct kith_node *node;
    struct endpoint at;    /* with the port that the system chose */
    unsigned device_index; /* of the interface that it is bound to; 0: none */
    char device[16];
    struct env_listener *tcp; /* NULL: takes no connections */
    struct env_udp *udp;
};

/* Opens what the options ask for; all addresses get the same port. With listen_port -1 nobody can
 * connect, and UDP has a port of the system's choice, which is told to nobody. What the egress
 * binds to may be away, and is waited for. Through a proxy there are datagrams only. ERR_EXISTS:
 * taken; ERR_INVALID: no such interface.
 */
int ports_open(struct kith_node *, const struct kith_options *);
/* Takes no more connections; UDP goes on, for goodbyes. */
void ports_stop_accepting(struct kith_node *);
void ports_close(struct kith_node *);

/* The first port of that family; NULL: that family cannot be reached. */
struct port *ports_of(struct kith_node *, enum addr_family);
/* Sends from the first port of the address's family; false: there is none. What the kernel refuses
 * is lost, as the network would lose it. */
bool ports_send(struct kith_node *, const struct endpoint *to, struct bytes datagram);
/* The same to a name, which the proxy looks up. False: there is no proxy that could. */
bool ports_send_named(struct kith_node *, const struct proxy_target *to, struct bytes datagram);

#endif
