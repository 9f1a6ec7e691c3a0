/* KRPC, the messages of the DHT: BEP 5 with the fields of BEP 32, 33, 42, 43, 44 and 51.
 *
 * One struct for both directions: krpc_parse fills it from a datagram, krpc_write writes what is
 * set in it. Reading is as tolerant as the network is (keys in any order, unknown keys, fields of
 * the wrong type are as if they were absent); what a message must have, its answerer decides.
 * Spans point into the datagram, or to where the writer's caller has the bytes. */
#ifndef KITH_DHT_KRPC_H
#define KITH_DHT_KRPC_H

#include "base/err.h"
#include "dht/node_id.h"

#define KRPC_RECEIVE_MAX 2048u   /* longer datagrams are not looked at */
#define KRPC_SEND_MAX 1400u      /* the longest put; all else is far shorter (dht_answer.c) */
#define KRPC_TOKENS_MAX 1024u    /* bencode values in one message */
#define KRPC_TRANSACTION_MAX 32u /* bytes that we echo */
#define KRPC_TOKEN_MAX 64u       /* bytes of somebody's write token that we keep */
#define KRPC_VALUES_MAX 128u     /* peers that are taken from one message */
#define KRPC_NODES_MAX 32u       /* nodes that are taken from one message, by family */
#define KRPC_VALUE_MAX 1000u     /* bencoded bytes of an item (BEP 44) */
#define KRPC_SALT_MAX 64u        /* BEP 44 */
#define KRPC_BLOOM_SIZE 256u     /* BEP 33 */
#define KRPC_INTERVAL_MAX 21600u /* seconds between two samples (BEP 51) */

enum krpc_kind { KRPC_QUERY, KRPC_RESPONSE, KRPC_ERROR };
enum krpc_method {
    KRPC_PING,
    KRPC_FIND_NODE,
    KRPC_GET_PEERS,
    KRPC_ANNOUNCE_PEER,
    KRPC_GET,
    KRPC_PUT,
    KRPC_SAMPLE_INFOHASHES,
    KRPC_UNKNOWN
};
enum krpc_error {
    KRPC_E_GENERIC = 201,
    KRPC_E_SERVER = 202,
    KRPC_E_PROTOCOL = 203, /* and a bad token */
    KRPC_E_METHOD = 204,
    KRPC_E_VALUE_TOO_BIG = 205, /* BEP 44, to the last */
    KRPC_E_SIGNATURE = 206,
    KRPC_E_SALT_TOO_BIG = 207,
    KRPC_E_CAS = 301,
    KRPC_E_OLD_SEQ = 302
};
enum krpc_want { KRPC_WANT_NODES = 1, KRPC_WANT_NODES6 = 2 };

struct krpc_message {
    enum krpc_kind kind;
    enum krpc_method method; /* of queries */
    struct bytes transaction;
    struct bytes version; /* "v": who wrote the program */
    bool read_only;       /* "ro" (BEP 43) */
    bool has_id, has_target;
    struct node_id id;
    struct node_id target;    /* "target" or "info_hash" */
    struct endpoint external; /* "ip" (BEP 42): the asker, as seen by the answerer */

    /* of queries */
    unsigned want; /* enum krpc_want; 0: what the network's family implies */
    bool implied_port, seed, noseed, scrape;
    uint16_t port; /* of an announce */

    /* of both */
    struct bytes token;
    struct bytes value;                /* "v", bencoded, as it stands (BEP 44) */
    struct bytes key, signature, salt; /* BEP 44: 32, 64 and any bytes */
    bool claims_mutable;               /* any field of a mutable item is there, in whatever form */
    bool has_seq, has_cas;
    int64_t seq, cas;

    /* of responses */
    bool has_nodes, has_nodes6, has_samples; /* an empty list is said too */
    struct bytes nodes, nodes6;              /* compact, whole entries */
    struct bytes samples;                    /* 20 bytes each (BEP 51) */
    struct bytes bloom_seeds, bloom_peers;   /* 256 bytes each, or empty (BEP 33) */
    uint32_t interval, num;                  /* BEP 51 */
    int64_t error;                           /* enum krpc_error, of errors */
    struct bytes error_text;                 /* foreign: escape */
    uint32_t value_count;
    struct endpoint values[KRPC_VALUES_MAX]; /* peers, of both families; port 0 left out. Last:
                                                krpc_reset does not touch it */
};

/* All that is before `values` becomes zero. */
void krpc_reset(struct krpc_message *);
/* ERR_SYNTAX, ERR_LIMIT (ERR_TRUNCATED counts as syntax): not a KRPC message; nothing may be
 * answered. */
int krpc_parse(struct krpc_message *, struct bytes datagram);
/* Appends the message; the builder is bad if it did not fit. */
void krpc_write(const struct krpc_message *, struct builder *);

/* One node of a compact list ("nodes", "nodes6"), taken off its front; false at the end. The family
 * says which list it is. */
struct krpc_node {
    struct node_id id;
    struct endpoint at;
};
bool krpc_next_node(struct cursor *, enum addr_family, struct krpc_node *out);
void krpc_put_node(struct builder *, const struct krpc_node *);
static inline size_t krpc_node_size(enum addr_family family)
{
    return family == ADDR_V4 ? 26 : 38;
}

#endif
