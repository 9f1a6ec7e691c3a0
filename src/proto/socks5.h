/* SOCKS5 as a client (RFC 1928, with the login of RFC 1929): asks a proxy to open a connection
 * (CONNECT) or to pass datagrams on (UDP ASSOCIATE), and the header that each datagram then bears.
 *
 * Sans-I/O. The machine says how many bytes it wants next and never more, so that nothing of what
 * follows the proxy's answer is read by mistake. */
#ifndef KITH_PROTO_SOCKS5_H
#define KITH_PROTO_SOCKS5_H

#include "proto/proxy.h"

enum socks5_state {
    SOCKS5_METHOD,     /* methods offered; waiting for the proxy's choice */
    SOCKS5_LOGIN,      /* name and password sent (RFC 1929) */
    SOCKS5_REPLY,      /* request sent; its head is awaited */
    SOCKS5_REPLY_REST, /* its address */
    SOCKS5_OPEN,       /* done: what follows belongs to the connection */
    SOCKS5_FAILED
};

enum socks5_command { SOCKS5_CONNECT = 1, SOCKS5_UDP_ASSOCIATE = 3 };

#define SOCKS5_IN_MAX 264u  /* the longest answer: head, length, a name, port */
#define SOCKS5_OUT_MAX 520u /* the longest of ours: a login */

struct socks5 {
    enum socks5_state state;
    enum socks5_command command;
    struct proxy_target target; /* UDP ASSOCIATE: where our datagrams come from; zeroed: anywhere */
    const struct proxy *proxy;  /* the login; outlives the machine */
    uint8_t in[SOCKS5_IN_MAX];
    size_t in_size, in_wanted;
    uint8_t out[SOCKS5_OUT_MAX];
    size_t out_size, out_sent;
    struct endpoint bound; /* from the reply; no family if it is a name */
    uint8_t reply;         /* the proxy's number, once it has refused */
};

void socks5_init(
    struct socks5 *, const struct proxy *, enum socks5_command, const struct proxy_target *);
/* What is to be sent; empty: nothing now. */
struct bytes socks5_output(const struct socks5 *);
void socks5_sent(struct socks5 *, size_t size);
/* Room for exactly what comes next; *size is 0 when nothing is awaited. */
uint8_t *socks5_room(struct socks5 *, size_t *size);
/* `size` bytes (at least one, no more than the room) were put there. 0; or ERR_PROTOCOL,
 * ERR_PERMISSION (no method in common, or the login is refused), ERR_UNSUPPORTED (the command is),
 * ERR_REFUSED, ERR_NETWORK (the target cannot be reached), ERR_TIMEOUT. */
int socks5_input(struct socks5 *, size_t size);
/* Is `err` the proxy's own failing (login, protocol, command) and not the target's? */
bool socks5_is_proxys_fault(int err);

/* The header of a datagram through the proxy, RFC 1928 section 7. */
#define SOCKS5_HEADER_MAX 262u /* with a name; an address takes 10 or 22 */
void socks5_put_header(struct builder *, const struct proxy_target *);
/* The sender and the payload of a datagram from the proxy. False: fragmented, malformed, or its
 * sender is a name; such are dropped. */
bool socks5_take_header(struct bytes datagram, struct endpoint *from, struct bytes *payload);

#endif
