/* See pcp.h. */
#include "proto/pcp.h"

#include "base/err.h"

#define VERSION 2
#define ANSWER 0x80

/* Every address has 16 bytes: IPv4 as v4-mapped IPv6. */
static void put_ip(struct builder *b, const struct endpoint *e)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, none[16];
    if (e->family == ADDR_V4) {
        builder_bytes_put(b, mapped, sizeof mapped);
        builder_bytes_put(b, e->ip, 4);
    } else {
        builder_bytes_put(b, e->family == ADDR_V6 ? e->ip : none, 16);
    }
}

static void put_header(
    struct builder *b, enum pcp_opcode opcode, uint32_t lifetime, const struct endpoint *client)
{
    builder_u8(b, VERSION);
    builder_u8(b, (uint8_t)opcode);
    builder_u16(b, 0); /* reserved */
    builder_u32(b, lifetime);
    put_ip(b, client);
}

void pcp_put_announce(struct builder *b, const struct endpoint *client)
{
    put_header(b, PCP_ANNOUNCE, 0, client);
}

void pcp_put_map(struct builder *b, const struct endpoint *client, const struct pcp_map *m)
{
    static const struct endpoint any;
    put_header(b, PCP_MAP, m->lifetime, client);
    builder_bytes_put(b, m->nonce.b, sizeof m->nonce.b);
    builder_u32(b, (uint32_t)m->protocol << 24); /* and reserved */
    builder_u16(b, m->internal_port);
    builder_u16(b, m->lifetime ? m->external.port : 0);
    put_ip(b, m->lifetime ? &m->external : &any);
}

int pcp_parse(struct bytes datagram, struct pcp_answer *a)
{
    struct cursor c = cursor_of(datagram);
    uint8_t ip[16];
    if (datagram.size > PCP_DATAGRAM_MAX)
        return ERR_SYNTAX;
    uint8_t version = cursor_u8(&c), opcode = cursor_u8(&c);
    *a = (struct pcp_answer){.opcode = (enum pcp_opcode)(opcode & ~ANSWER)};
    cursor_skip(&c, 1); /* reserved */
    a->result = cursor_u8(&c);
    a->lifetime = cursor_u32(&c);
    a->epoch = cursor_u32(&c);
    cursor_skip(&c, 12); /* reserved */
    if (!cursor_ok(&c) || version != VERSION || !(opcode & ANSWER))
        return ERR_SYNTAX;
    if (a->opcode == PCP_ANNOUNCE)
        return 0;
    cursor_copy(&c, a->nonce.b, sizeof a->nonce.b);
    a->protocol = (uint8_t)(cursor_u32(&c) >> 24);
    a->internal_port = cursor_u16(&c);
    uint16_t port = cursor_u16(&c);
    cursor_copy(&c, ip, sizeof ip);
    if (!cursor_ok(&c) || a->opcode != PCP_MAP)
        return ERR_SYNTAX;
    a->external = endpoint_from_ip6(ip, port);
    return 0;
}
