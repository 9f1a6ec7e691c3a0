/* See peer_wire.h. */
#include "proto/peer_wire.h"

#include "base/err.h"

static int exactly(uint32_t length, uint32_t expected)
{
    return length == expected ? 0 : ERR_PROTOCOL;
}

static int between(uint32_t length, uint32_t min, uint32_t max)
{
    if (length < min)
        return ERR_PROTOCOL;
    return length <= max ? 0 : ERR_LIMIT;
}

int wire_check_length(uint8_t id, uint32_t length, const struct wire_limits *limits)
{
    switch (id) {
    case WIRE_CHOKE:
    case WIRE_UNCHOKE:
    case WIRE_INTERESTED:
    case WIRE_NOT_INTERESTED:
    case WIRE_HAVE_ALL:
    case WIRE_HAVE_NONE:
        return exactly(length, 1);
    case WIRE_HAVE:
    case WIRE_SUGGEST:
    case WIRE_ALLOWED_FAST:
        return exactly(length, 5);
    case WIRE_REQUEST:
    case WIRE_CANCEL:
    case WIRE_REJECT:
        return exactly(length, 13);
    case WIRE_PORT:
        return exactly(length, 3);
    case WIRE_BITFIELD:
        if (limits->metadata_known)
            return exactly(length, 1 + (limits->piece_count + 7) / 8);
        return between(length, 1, 1 + WIRE_BITFIELD_MAX);
    case WIRE_PIECE:
        return between(length, 10, 9 + WIRE_BLOCK_MAX);
    case WIRE_EXTENDED:
        return between(length, 2, WIRE_EXTENDED_MAX);
    case WIRE_HASH_REQUEST:
    case WIRE_HASH_REJECT:
        return exactly(length, 49);
    case WIRE_HASHES:
        return between(length, 49, WIRE_HASHES_MAX);
    default:
        return between(length, 1, WIRE_EXTENDED_MAX);
    }
}
