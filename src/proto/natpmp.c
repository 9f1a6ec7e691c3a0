/* See natpmp.h. */
#include "proto/natpmp.h"

#include "base/err.h"

#define VERSION 0
#define ANSWER 0x80

void natpmp_put_address_request(struct builder *b)
{
    builder_u8(b, VERSION);
    builder_u8(b, NATPMP_ADDRESS);
}

void natpmp_put_map_request(struct builder *b, enum natpmp_opcode opcode, uint16_t internal_port,
    uint16_t external_port, uint32_t lifetime)
{
    builder_u8(b, VERSION);
    builder_u8(b, (uint8_t)opcode);
    builder_u16(b, 0); /* reserved */
    builder_u16(b, internal_port);
    builder_u16(b, lifetime ? external_port : 0);
    builder_u32(b, lifetime);
}

int natpmp_parse(struct bytes datagram, struct natpmp_answer *a)
{
    struct cursor c = cursor_of(datagram);
    uint8_t version = cursor_u8(&c), opcode = cursor_u8(&c);
    *a = (struct natpmp_answer){.opcode = (enum natpmp_opcode)(opcode & ~ANSWER)};
    a->result = cursor_u16(&c);
    a->epoch = cursor_u32(&c);
    if (!cursor_ok(&c) || version != VERSION || !(opcode & ANSWER))
        return ERR_SYNTAX;
    if (a->result != NATPMP_SUCCESS)
        return 0;
    if (a->opcode == NATPMP_ADDRESS) {
        uint8_t ip[4];
        cursor_copy(&c, ip, sizeof ip);
        a->address = endpoint_from_ip4(ip, 0);
    } else if (a->opcode == NATPMP_MAP_UDP || a->opcode == NATPMP_MAP_TCP) {
        a->internal_port = cursor_u16(&c);
        a->external_port = cursor_u16(&c);
        a->lifetime = cursor_u32(&c);
    } else {
        return ERR_SYNTAX;
    }
    return cursor_ok(&c) ? 0 : ERR_SYNTAX;
}
