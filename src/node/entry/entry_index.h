/* Which torrent is meant by the names that it has on the network: its info-hashes (v1, and v2 cut
 * to 20 bytes, BEP 52), and the hashes of these by which MSE names a torrent without saying it. A
 * node with 100,000 torrents answers as fast as one with two. */
#ifndef KITH_NODE_ENTRY_INDEX_H
#define KITH_NODE_ENTRY_INDEX_H

#include "base/ids.h"
#include <stdbool.h>
#include <stdint.h>

#define ENTRY_NAMES_MAX 2u /* info-hashes of one torrent */

struct kith_torrent;
struct entry_index;

/* `seed` is random: strangers choose what is looked up. NULL: no memory. */
struct entry_index *entry_index_new(const uint8_t seed[16]);
void entry_index_free(struct entry_index *);

/* Again when it has learned another of its hashes. Of two with one hash, the later one is found.
 * ERR_NOMEM. */
int entry_index_add(
    struct entry_index *, struct kith_torrent *, const struct info_hash *hashes, unsigned count);
void entry_index_remove(
    struct entry_index *, struct kith_torrent *, const struct info_hash *hashes, unsigned count);

struct kith_torrent *entry_index_find(const struct entry_index *, const struct info_hash *);
/* By the name that MSE has for one of its hashes. */
struct kith_torrent *entry_index_find_name(
    const struct entry_index *, const struct sha1_digest *name);

#endif
