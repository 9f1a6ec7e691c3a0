/* Holepunch (BEP 55): the message by which a peer that both sides know introduces them. */
#ifndef KITH_PROTO_UT_HOLEPUNCH_H
#define KITH_PROTO_UT_HOLEPUNCH_H

#include "base/addr.h"
#include "base/bytes.h"

#define UT_HOLEPUNCH_SIZE_MAX 24u /* 2 + 18 + 4 */

enum ut_holepunch_type {
    UT_HOLEPUNCH_RENDEZVOUS = 0, /* to the relay: introduce me to this address */
    UT_HOLEPUNCH_CONNECT = 1,    /* from the relay, to both: connect there by uTP, now */
    UT_HOLEPUNCH_FAILED = 2      /* from the relay: it cannot be */
};

enum ut_holepunch_error {
    UT_HOLEPUNCH_NO_SUCH_PEER = 1,
    UT_HOLEPUNCH_NOT_CONNECTED = 2, /* to whom we are not connected: libtorrent says it for all */
    UT_HOLEPUNCH_NO_SUPPORT = 3,
    UT_HOLEPUNCH_NO_SELF = 4
};

struct ut_holepunch {
    enum ut_holepunch_type type;
    struct endpoint address;
    uint32_t error; /* with FAILED */
};

void ut_holepunch_put(struct builder *, const struct ut_holepunch *);
/* The error may be missing where there is none (libtorrent leaves it out). ERR_SYNTAX. */
int ut_holepunch_parse(struct bytes payload, struct ut_holepunch *);

#endif
