/* HTTP CONNECT as a client (RFC 9110 section 9.3.6), with Basic authentication (RFC 7617): asks a
 * proxy to open a connection. Sans-I/O.
 *
 * The end of the proxy's answer shows only when it has been read: what was read past it belongs to
 * the connection and is handed back by http_connect_leftover. */
#ifndef KITH_PROTO_HTTP_CONNECT_H
#define KITH_PROTO_HTTP_CONNECT_H

#include "proto/proxy.h"

#define HTTP_CONNECT_IN_MAX                                                                        \
    8192u /* status lines and headers of the answer, interim ones included */
#define HTTP_CONNECT_OUT_MAX 2048u

enum http_connect_state {
    HTTP_CONNECT_ASKED, /* until the head of the final answer has come */
    HTTP_CONNECT_OPEN,
    HTTP_CONNECT_FAILED
};

struct http_connect {
    enum http_connect_state state;
    uint8_t in[HTTP_CONNECT_IN_MAX];
    size_t in_size, scanned, used; /* bytes; looked at; that belong to the answer */
    uint8_t out[HTTP_CONNECT_OUT_MAX];
    size_t out_size, out_sent;
    unsigned status; /* of the answer, once it has come */
};

void http_connect_init(struct http_connect *, const struct proxy *, const struct proxy_target *);
struct bytes http_connect_output(const struct http_connect *);
void http_connect_sent(struct http_connect *, size_t size);
/* *size is 0 when nothing is awaited. */
uint8_t *http_connect_room(struct http_connect *, size_t *size);
/* `size` bytes (at least one, no more than the room) were put there. 0; or ERR_PROTOCOL, ERR_LIMIT
 * (the head does not end), ERR_PERMISSION (407: the login), ERR_REFUSED (the proxy will not),
 * ERR_NETWORK, ERR_TIMEOUT (the target cannot be reached). */
int http_connect_input(struct http_connect *, size_t size);
/* Once open: the first bytes of the connection. */
struct bytes http_connect_leftover(const struct http_connect *);

#endif
