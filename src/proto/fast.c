/* See fast.h. */
#include "proto/fast.h"

#include "crypto/hash.h"

static bool contains(const uint32_t *set, size_t count, uint32_t value)
{
    for (size_t i = 0; i < count; i++)
        if (set[i] == value)
            return true;
    return false;
}

size_t fast_allowed_set(const struct endpoint *peer, const struct info_hash *hash,
    uint32_t piece_count, uint32_t *out, size_t size)
{
    size_t count = 0;
    if (peer->family != ADDR_V4 || piece_count == 0)
        return 0;
    if (size > piece_count)
        size = piece_count;
    uint8_t seed[24];
    memcpy(seed, peer->ip, 3); /* the address's /24 */
    seed[3] = 0;
    memcpy(seed + 4, hash->b, 20);
    struct sha1_digest x = sha1(seed, sizeof seed);
    /* Each round gives five candidates; the bound ends a set that nearly covers a tiny torrent. */
    for (unsigned round = 0; round < 64 && count < size; round++) {
        for (unsigned i = 0; i < 5 && count < size; i++) {
            uint32_t piece = load_u32(x.b + 4 * i) % piece_count;
            if (!contains(out, count, piece))
                out[count++] = piece;
        }
        x = sha1(x.b, sizeof x.b);
    }
    return count;
}
