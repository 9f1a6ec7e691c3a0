/* Asks one router for one port, TCP and UDP, and keeps it: the client of PCP (RFC 6887) and NAT-PMP
 * (RFC 6886), which share a port, a clock and an idea. PCP is tried first; a router that knows only
 * NAT-PMP says so, or answers only that.
 *
 * Sans-I/O: datagrams in and out, a deadline. Only what comes from the router's address and port is
 * looked at, and of PCP only what repeats our nonces. */
#ifndef KITH_PROTO_PORT_MAP_H
#define KITH_PROTO_PORT_MAP_H

#include "base/addr.h"
#include "base/time.h"
#include "proto/natpmp.h"
#include "proto/pcp.h"

#define PORT_MAP_LIFETIME 7200u         /* seconds; RFC 6886, section 3.3 */
#define PORT_MAP_LIFETIME_MIN 120u      /* shorter ones are renewed as if they were so long */
#define PORT_MAP_RETRY_FIRST MSECS(250) /* doubling; RFC 6886, section 3.1 */
#define PORT_MAP_TRIES 9u
#define PORT_MAP_TRIES_SILENT 2u /* after so many the router is held to know neither */
#define PORT_MAP_TRIES_REMOVE 3u
#define PORT_MAP_CHECK SECONDS(300) /* has the router been started anew? */
#define PORT_MAP_REST SECONDS(600)  /* after a refusal, or silence */
#define PORT_MAP_DATAGRAM_MAX PCP_REQUEST_MAX

enum port_map_what { PORT_MAP_TCP, PORT_MAP_UDP, PORT_MAP_CLOCK, PORT_MAP_COUNT };

enum port_map_state {
    PORT_MAP_IDLE,     /* nothing is under way: mapped, resting, or removed */
    PORT_MAP_ASKING,   /* a request is under way */
    PORT_MAP_REMOVING, /* so is its end */
};

/* One of the requests. CLOCK: NAT-PMP's external address, or PCP's announce. */
struct port_map_task {
    enum port_map_state state;
    bool mapped;
    struct pcp_nonce nonce;
    struct endpoint external; /* with `mapped`; the address may be missing for a while (NAT-PMP) */
    usec expires;
    usec due; /* the next sending, or the next renewal */
    unsigned tries;
};

struct port_map_config {
    struct endpoint router; /* port NATPMP_PORT */
    struct endpoint client; /* our address towards it */
    uint16_t port;
    struct pcp_nonce nonces[2]; /* random */
};

enum port_map_dialect { PORT_MAP_UNKNOWN, PORT_MAP_PCP, PORT_MAP_NATPMP };

struct port_map {
    struct port_map_config config;
    enum port_map_dialect dialect;
    struct port_map_task tasks[PORT_MAP_COUNT];
    struct endpoint router_address; /* NAT-PMP: what the router says is its outer one */
    bool has_epoch;
    uint32_t epoch;
    usec epoch_at;
    bool silent;  /* no answer to several requests */
    bool refused; /* it answered, and said no */
};

void port_map_init(struct port_map *, const struct port_map_config *, usec now);
/* The next datagram that is due, to config.router; false: none. */
bool port_map_send(struct port_map *, struct builder *, usec now);
/* True: what is mapped has changed. */
bool port_map_receive(
    struct port_map *, const struct endpoint *from, struct bytes datagram, usec now);
usec port_map_deadline(const struct port_map *);
/* Gives the port back; over when port_map_is_idle. */
void port_map_remove(struct port_map *, usec now);
bool port_map_is_idle(const struct port_map *);
/* Where the port is reached from outside, if it is mapped now; the address may be ADDR_NONE. */
bool port_map_external(const struct port_map *, enum port_map_what, usec now, struct endpoint *out);

#endif
