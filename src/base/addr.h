/* Network endpoints, their text forms, and the one classifier that every address named by a
 * stranger has to pass (trackers, redirects, web seeds, PEX, magnets; threats: SSRF, reflection).
 */
#ifndef KITH_BASE_ADDR_H
#define KITH_BASE_ADDR_H

#include "base/bytes.h"
#include <stdbool.h>
#include <stdint.h>

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

/* An IP address and port. v4-mapped IPv6 addresses are always held as ADDR_V4. Compare with
 * endpoint_equal only; unused bytes are zero. */
struct endpoint {
    uint8_t family; /* enum addr_family */
    uint8_t ip[16]; /* network order; the first 4 for ADDR_V4 */
    uint16_t port;  /* host order */
    uint32_t scope; /* interface index of an IPv6 link-local address, else 0 */
};

#define ENDPOINT_TEXT_MAX 64 /* "[ipv6%scope]:port" and its NUL */

struct endpoint endpoint_v4(uint32_t ip_host_order, uint16_t port);
/* From network-order bytes; a v4-mapped v6 address is unwrapped. */
struct endpoint endpoint_from_ip4(const uint8_t ip[4], uint16_t port);
struct endpoint endpoint_from_ip6(const uint8_t ip[16], uint16_t port);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b);
bool endpoint_is_any(const struct endpoint *); /* 0.0.0.0 or ::, whatever the port */
/* "1.2.3.4:5", "[::1]:5". Numeric only, port required 1-65535. ERR_SYNTAX otherwise. */
int endpoint_parse(struct endpoint *out, struct bytes text);
/* Numeric address without a port (brackets optional for v6). ERR_SYNTAX otherwise. */
int endpoint_parse_ip(struct endpoint *out, struct bytes text, uint16_t port);
/* "NAME:PORT": a host name (RFC 1123, and underscores, which are seen in the wild), port 1-65535.
 * `host` points into `text`. ERR_SYNTAX otherwise, also for what looks like a wrong address: no
 * top-level domain is a number. */
#define ADDR_HOST_MAX 253u
int host_port_parse(struct bytes text, struct bytes *host, uint16_t *port);
/* Writes the text form; returns buffer. */
const char *endpoint_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_MAX]);
const char *endpoint_ip_text(const struct endpoint *e, char buffer[ENDPOINT_TEXT_MAX]);
/* Compact forms of BEP 23 and BEP 7: 4+2 and 16+2 bytes. */
void endpoint_put_compact(const struct endpoint *e, struct builder *b);
struct endpoint endpoint_take_compact(struct cursor *c, enum addr_family family);
/* A keyed hash for maps (SipHash under a process-wide or caller key given in k). */
uint64_t endpoint_hash(const struct endpoint *e, const uint8_t key[16]);

/* What kind of network an address belongs to (RFC 6890 and its successors). */
enum addr_class {
    ADDR_GLOBAL,     /* routable on the internet */
    ADDR_LOOPBACK,   /* 127/8, ::1 */
    ADDR_PRIVATE,    /* 10/8, 172.16/12, 192.168/16, fc00::/7 */
    ADDR_LINK_LOCAL, /* 169.254/16, fe80::/10 */
    ADDR_CGNAT,      /* 100.64/10 */
    ADDR_MULTICAST,  /* 224/4, ff00::/8 */
    ADDR_UNUSABLE    /* unspecified, broadcast, documentation, reserved, benchmarking */
};
enum addr_class endpoint_class(const struct endpoint *e);

/* Who named an address: decides which classes may be contacted. */
enum addr_source {
    ADDR_FROM_USER,          /* typed, -p, local API: anything but multicast and unusable */
    ADDR_FROM_LINK,          /* x.pe of a link that the user opened: as the user's own word */
    ADDR_FROM_LAN,           /* LSD, or a peer that itself is local: private and link-local too */
    ADDR_FROM_LOCAL_TRACKER, /* a tracker that itself is on a local address */
    ADDR_FROM_STRANGER       /* trackers, PEX, DHT, torrents, redirects: global only */
};
/* May we open a connection or send a datagram there? Ports: 0 never; below 1024 never when a
 * stranger names it, save 80 and 443. */
bool endpoint_allowed(const struct endpoint *e, enum addr_source source);

#endif
