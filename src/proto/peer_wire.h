/* The ids and bounds of peer messages: BEP 3, 5, 6, 10, 52. */
#ifndef KITH_PROTO_PEER_WIRE_H
#define KITH_PROTO_PEER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_id {
    WIRE_CHOKE = 0,
    WIRE_UNCHOKE = 1,
    WIRE_INTERESTED = 2,
    WIRE_NOT_INTERESTED = 3,
    WIRE_HAVE = 4,
    WIRE_BITFIELD = 5,
    WIRE_REQUEST = 6,
    WIRE_PIECE = 7,
    WIRE_CANCEL = 8,
    WIRE_PORT = 9,
    WIRE_SUGGEST = 13,
    WIRE_HAVE_ALL = 14,
    WIRE_HAVE_NONE = 15,
    WIRE_REJECT = 16,
    WIRE_ALLOWED_FAST = 17,
    WIRE_EXTENDED = 20,
    WIRE_HASH_REQUEST = 21,
    WIRE_HASHES = 22,
    WIRE_HASH_REJECT = 23
};

#define WIRE_BLOCK_MAX (128u << 10)  /* payload of a piece message */
#define WIRE_BITFIELD_MAX (1u << 20) /* before the piece count is known: 8 Mi pieces */
#define WIRE_EXTENDED_MAX (1u << 20) /* libtorrent's bound for any message */
#define WIRE_HASHES_MAX (8192u * 32 + 64 * 32 + 49)

struct wire_limits {
    bool metadata_known;
    uint32_t piece_count; /* if metadata_known */
};

/* May a message of this id have this length (the prefix's value: id included)? 0, ERR_PROTOCOL for
 * a wrong fixed length, ERR_LIMIT for too long a one. Unknown ids: up to WIRE_EXTENDED_MAX. */
int wire_check_length(uint8_t id, uint32_t length, const struct wire_limits *);

#endif
