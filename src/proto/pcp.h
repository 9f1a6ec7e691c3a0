/* The Port Control Protocol (RFC 6887), as far as one asks for a port of one's own: MAP without
 * options, and ANNOUNCE, which asks for nothing but the router's clock. Codec; the client is
 * port_map.h. */
#ifndef KITH_PROTO_PCP_H
#define KITH_PROTO_PCP_H

#include "base/addr.h"
#include "base/bytes.h"

#define PCP_REQUEST_MAX 60u
#define PCP_DATAGRAM_MAX 1100u /* RFC 6887, section 7 */

enum pcp_opcode { PCP_ANNOUNCE = 0, PCP_MAP = 1 };
enum pcp_protocol { PCP_TCP = 6, PCP_UDP = 17 }; /* IANA's numbers */
enum pcp_result { PCP_SUCCESS = 0, PCP_UNSUPPORTED_VERSION = 1 };

struct pcp_nonce {
    uint8_t b[12];
};

struct pcp_answer {
    enum pcp_opcode opcode;
    uint8_t result;
    uint32_t lifetime; /* seconds: of the mapping, or of the refusal */
    uint32_t epoch;
    struct pcp_nonce nonce;
    uint8_t protocol;
    uint16_t internal_port;
    struct endpoint external;
};

struct pcp_map {
    struct pcp_nonce nonce;
    enum pcp_protocol protocol;
    uint16_t internal_port;
    struct endpoint external; /* wished for; ADDR_NONE and port 0: any */
    uint32_t lifetime;        /* 0 removes */
};

/* `client` is our address towards the router: it refuses others. */
void pcp_put_announce(struct builder *, const struct endpoint *client);
void pcp_put_map(struct builder *, const struct endpoint *client, const struct pcp_map *);
/* ERR_SYNTAX: no answer of PCP version 2. */
int pcp_parse(struct bytes datagram, struct pcp_answer *);

#endif
