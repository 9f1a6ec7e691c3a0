/* The allowed-fast set (BEP 6): pieces that a choked peer may have, fixed by its address. */
#ifndef KITH_PROTO_FAST_H
#define KITH_PROTO_FAST_H

#include "base/addr.h"
#include "base/ids.h"

/* Fills `out` with at most `size` different pieces; how many. IPv4 only (the BEP defines no other):
 * 0 for IPv6. */
size_t fast_allowed_set(const struct endpoint *peer, const struct info_hash *, uint32_t piece_count,
    uint32_t *out, size_t size);

#endif
