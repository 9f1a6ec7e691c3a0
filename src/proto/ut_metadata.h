/* ut_metadata (BEP 9): the info dictionary in pieces of 16 KiB. */
#ifndef KITH_PROTO_UT_METADATA_H
#define KITH_PROTO_UT_METADATA_H

#include "base/bytes.h"

#define UT_METADATA_PIECE_SIZE 16384u

enum ut_metadata_type { UT_METADATA_REQUEST = 0, UT_METADATA_DATA = 1, UT_METADATA_REJECT = 2 };

struct ut_metadata {
    int64_t type; /* enum ut_metadata_type, or what a later version means */
    uint32_t piece;
    int64_t total_size; /* -1 if absent */
    struct bytes data;  /* of DATA: what stands behind the dictionary */
};

void ut_metadata_put(struct builder *, const struct ut_metadata *);
/* ERR_SYNTAX: no dictionary, or msg_type or piece is missing. */
int ut_metadata_parse(struct bytes payload, struct ut_metadata *);

#endif
