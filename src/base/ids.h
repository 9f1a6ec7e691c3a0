/* The identifiers of BitTorrent, each a type of its own so that the compiler tells them apart. */
#ifndef KITH_BASE_IDS_H
#define KITH_BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sha1_digest {
    uint8_t b[20];
};
struct sha256_digest {
    uint8_t b[32];
};
/* What names a swarm on the wire, in trackers and in the DHT: SHA-1 of the info dictionary (v1),
 * or the first 20 bytes of its SHA-256 (v2, BEP 52). */
struct info_hash {
    uint8_t b[20];
};
struct peer_id {
    uint8_t b[20];
};

static inline bool info_hash_equal(const struct info_hash *a, const struct info_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool sha1_equal(const struct sha1_digest *a, const struct sha1_digest *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool sha256_equal(const struct sha256_digest *a, const struct sha256_digest *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline struct info_hash info_hash_of_sha1(const struct sha1_digest *d)
{
    struct info_hash h;
    memcpy(h.b, d->b, sizeof h.b);
    return h;
}
static inline struct info_hash info_hash_of_sha256(const struct sha256_digest *d)
{
    struct info_hash h;
    memcpy(h.b, d->b, sizeof h.b);
    return h;
}

#endif
