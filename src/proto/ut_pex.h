/* Peer exchange (BEP 11). */
#ifndef KITH_PROTO_UT_PEX_H
#define KITH_PROTO_UT_PEX_H

#include "base/addr.h"
#include "base/bytes.h"

#define UT_PEX_ADDED_MAX 50u /* of both families together; more of a message is left out */
#define UT_PEX_SEND_MAX 50u

enum ut_pex_flag {
    UT_PEX_ENCRYPTION = 1,
    UT_PEX_SEED = 2,
    UT_PEX_UTP = 4,
    UT_PEX_HOLEPUNCH = 8,
    UT_PEX_REACHABLE = 16
};

struct ut_pex_peer {
    struct endpoint endpoint;
    uint8_t flags;
};

struct ut_pex {
    struct ut_pex_peer added[UT_PEX_ADDED_MAX];
    size_t added_count;
    struct endpoint dropped[UT_PEX_ADDED_MAX];
    size_t dropped_count;
};

void ut_pex_put(struct builder *, const struct ut_pex *);
/* ERR_SYNTAX if it is no dictionary; what goes beyond the bounds is left out. */
int ut_pex_parse(struct bytes payload, struct ut_pex *);

#endif
