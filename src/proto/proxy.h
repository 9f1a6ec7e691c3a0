/* What SOCKS5 and HTTP CONNECT have in common: which proxy, and whom it is to reach.
 *
 * A target with a name is resolved by the proxy, never here: a look-up of ours would tell the local
 * network what the proxy is meant to hide. */
#ifndef KITH_PROTO_PROXY_H
#define KITH_PROTO_PROXY_H

#include "base/addr.h"

#define PROXY_TEXT_MAX 256u /* a host, user or password: 255 bytes (RFC 1928, 1929) and a NUL */

enum proxy_kind { PROXY_NONE, PROXY_SOCKS5, PROXY_HTTP };

struct proxy {
    enum proxy_kind kind;
    char host[PROXY_TEXT_MAX]; /* a name or a numeric address, without brackets */
    uint16_t port;
    bool has_login;
    char user[PROXY_TEXT_MAX], password[PROXY_TEXT_MAX];
};

/* "socks5://[user[:password]@]host[:port]" (socks5h likewise: names always go to the proxy) or
 * "http://..."; user and password are percent-decoded; ports default to 1080 and 3128. ERR_SYNTAX,
 * ERR_UNSUPPORTED (another scheme), ERR_LIMIT (a part is too long). */
int proxy_parse(struct proxy *out, const char *url);
/* "socks5://host:port", without the login: for people and logs. Returns buffer. */
#define PROXY_URL_MAX (PROXY_TEXT_MAX + 32u)
const char *proxy_text(const struct proxy *, char buffer[PROXY_URL_MAX]);

/* Whom a connection or datagram is for: a name with a port, or an address. */
struct proxy_target {
    struct endpoint address;
    char name[PROXY_TEXT_MAX]; /* "": the address */
    uint16_t port;             /* of the name */
};
struct proxy_target proxy_target_of(const struct endpoint *);
/* False if the name is empty, too long, or holds what no name of a host may. */
bool proxy_target_name(struct proxy_target *out, const char *name, uint16_t port);

#endif
