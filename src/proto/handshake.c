/* See handshake.h. */
#include "proto/handshake.h"

#include "base/err.h"

static const uint8_t protocol[HANDSHAKE_PROTOCOL_SIZE] = "\x13"
                                                         "BitTorrent protocol";

void handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_SIZE])
{
    struct builder b = builder_fixed(out, HANDSHAKE_SIZE);
    uint8_t reserved[8] = {0};
    reserved[5] = h->extensions ? 0x10 : 0;
    reserved[7] = (uint8_t)((h->dht ? 0x01 : 0) | (h->fast ? 0x04 : 0) | (h->v2 ? 0x10 : 0));
    builder_bytes_put(&b, protocol, sizeof protocol);
    builder_bytes_put(&b, reserved, sizeof reserved);
    builder_bytes_put(&b, h->info_hash.b, sizeof h->info_hash.b);
    builder_bytes_put(&b, h->peer_id.b, sizeof h->peer_id.b);
}

bool handshake_is_plain(struct bytes in)
{
    size_t n = in.size < sizeof protocol ? in.size : sizeof protocol;
    return n == 0 || memcmp(in.data, protocol, n) == 0;
}

int handshake_decode(struct bytes in, struct handshake *out)
{
    if (!handshake_is_plain(in))
        return ERR_PROTOCOL;
    if (in.size < HANDSHAKE_HASH_END)
        return 0;
    struct cursor c = cursor_of(in);
    uint8_t reserved[8];
    cursor_skip(&c, sizeof protocol);
    cursor_copy(&c, reserved, sizeof reserved);
    cursor_copy(&c, out->info_hash.b, sizeof out->info_hash.b);
    out->extensions = reserved[5] & 0x10;
    out->dht = reserved[7] & 0x01;
    out->fast = reserved[7] & 0x04;
    out->v2 = reserved[7] & 0x10;
    if (in.size < HANDSHAKE_SIZE)
        return HANDSHAKE_HASH_END;
    cursor_copy(&c, out->peer_id.b, sizeof out->peer_id.b);
    return HANDSHAKE_SIZE;
}
