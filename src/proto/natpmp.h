/* NAT-PMP (RFC 6886): asking a home router for a port. Codec; the client is port_map.h. */
#ifndef KITH_PROTO_NATPMP_H
#define KITH_PROTO_NATPMP_H

#include "base/addr.h"
#include "base/bytes.h"

#define NATPMP_PORT 5351 /* the router's; PCP's, too */

enum natpmp_opcode { NATPMP_ADDRESS = 0, NATPMP_MAP_UDP = 1, NATPMP_MAP_TCP = 2 };
enum natpmp_result {
    NATPMP_SUCCESS = 0,
    NATPMP_UNSUPPORTED_VERSION = 1,
    NATPMP_REFUSED = 2,
    NATPMP_NETWORK_FAILURE = 3,
    NATPMP_OUT_OF_RESOURCES = 4,
    NATPMP_UNSUPPORTED_OPCODE = 5
};

struct natpmp_answer {
    enum natpmp_opcode opcode;
    uint16_t result;
    uint32_t epoch;          /* seconds since the router forgot its mappings */
    struct endpoint address; /* ADDRESS: the router's own, port 0 */
    uint16_t internal_port, external_port;
    uint32_t lifetime; /* seconds */
};

void natpmp_put_address_request(struct builder *);
/* A lifetime of 0 removes; then the external port is 0. */
void natpmp_put_map_request(struct builder *, enum natpmp_opcode, uint16_t internal_port,
    uint16_t external_port, uint32_t lifetime);
/* ERR_SYNTAX: no answer of NAT-PMP. A failure may be shorter than a success. */
int natpmp_parse(struct bytes datagram, struct natpmp_answer *);

#endif
