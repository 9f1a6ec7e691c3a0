/* The two ends of create.c: from finished hashes to the bytes of a .torrent, and the cache key
 * under which those bytes are found again as long as the data is unchanged.
 *
 * Pure computation; for the inside of a job. */
#ifndef KITH_STORE_CREATE_TORRENT_H
#define KITH_STORE_CREATE_TORRENT_H

#include "format/detail.h"
#include "store/create/create.h"
#include "store/create/create_hash.h"

/* Writes the torrent of a fully hashed plan. *out is malloc'd. ERR_LIMIT: the torrent would be
 * larger than any client takes; ERR_NOMEM; `error` says more. */
int create_torrent_write(const struct create_plan *, const struct create_options *, uint8_t **out,
    size_t *size, struct format_error *error);

/* Fills in what a result says of a torrent. An error if we would not take this torrent ourselves.
 */
int create_torrent_describe(struct bytes torrent, struct create_result *, struct format_error *);

/* What decides the torrent's bytes: data (by scan_digest) and options, save for the date and the
 * creator's name, which a second share of the same data keeps from the first. False: no memory. */
bool create_torrent_key(const struct scan *, const struct create_options *, uint32_t piece_length,
    struct sha256_digest *out);

#endif
