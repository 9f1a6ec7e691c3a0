/* See utp_packet.h. */
#include "utp/utp_packet.h"

static bool parse_extensions(struct utp_packet *p, struct cursor *c, unsigned extension)
{
    for (unsigned i = 0; extension != UTP_EXT_NONE; i++) {
        unsigned next = cursor_u8(c);
        struct bytes body = cursor_take(c, cursor_u8(c));
        if (!cursor_ok(c) || i >= UTP_EXTENSIONS_MAX)
            return false;
        if (extension == UTP_EXT_SACK)
            p->sack = body;
        else if (extension == UTP_EXT_CLOSE_REASON && body.size == 4)
            p->close_reason = load_u16(body.data + 2);
        extension = next;
    }
    return true;
}

bool utp_packet_parse(struct utp_packet *p, struct bytes datagram)
{
    const uint8_t *h = datagram.data;
    if (datagram.size < UTP_HEADER_SIZE || (h[0] & 15) != UTP_VERSION || h[0] >> 4 >= UTP_TYPES)
        return false;
    *p = (struct utp_packet){.type = (enum utp_type)(h[0] >> 4),
        .id = load_u16(h + 2),
        .timestamp = load_u32(h + 4),
        .difference = load_u32(h + 8),
        .window = load_u32(h + 12),
        .seq = load_u16(h + 16),
        .ack = load_u16(h + 18)};
    struct cursor c = cursor_of(bytes_of(h + UTP_HEADER_SIZE, datagram.size - UTP_HEADER_SIZE));
    if (!parse_extensions(p, &c, h[1]))
        return false;
    p->payload = cursor_rest(&c);
    return true;
}

size_t utp_packet_write(const struct utp_packet *p, uint8_t *out)
{
    out[0] = (uint8_t)(p->type << 4 | UTP_VERSION);
    out[1] = p->sack.size ? UTP_EXT_SACK : UTP_EXT_NONE;
    store_u16(out + 2, p->id);
    store_u32(out + 4, p->timestamp);
    store_u32(out + 8, p->difference);
    store_u32(out + 12, p->window);
    store_u16(out + 16, p->seq);
    store_u16(out + 18, p->ack);
    if (!p->sack.size)
        return UTP_HEADER_SIZE;
    out[UTP_HEADER_SIZE] = UTP_EXT_NONE;
    out[UTP_HEADER_SIZE + 1] = (uint8_t)p->sack.size;
    memcpy(out + UTP_HEADER_SIZE + 2, p->sack.data, p->sack.size);
    return UTP_HEADER_SIZE + 2 + p->sack.size;
}
