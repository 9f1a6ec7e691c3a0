/* See node_id.h. */
#include "dht/node_id.h"

int node_id_compare(const struct node_id *target, const struct node_id *a, const struct node_id *b)
{
    for (unsigned i = 0; i < sizeof target->b; i++) {
        uint8_t to_a = target->b[i] ^ a->b[i], to_b = target->b[i] ^ b->b[i];
        if (to_a != to_b)
            return to_a < to_b ? -1 : 1;
    }
    return 0;
}

unsigned node_id_shared_bits(const struct node_id *a, const struct node_id *b)
{
    for (unsigned i = 0; i < sizeof a->b; i++) {
        uint8_t differ = a->b[i] ^ b->b[i];
        if (differ)
            return i * 8 + (unsigned)__builtin_clz(differ) - 24;
    }
    return NODE_ID_BITS;
}

struct node_id node_id_at_bits(
    const struct node_id *id, unsigned bits, const struct node_id *random)
{
    struct node_id out = *random;
    unsigned whole = bits / 8, rest = bits % 8;
    memcpy(out.b, id->b, whole);
    if (bits >= NODE_ID_BITS)
        return out;
    uint8_t kept = (uint8_t)(0xff00u >> rest), turned = (uint8_t)(0x80u >> rest);
    out.b[whole] &= (uint8_t) ~(kept | turned);
    out.b[whole] |= (id->b[whole] & kept) | (~id->b[whole] & turned);
    return out;
}

/* ---- BEP 42 -------------------------------------------------------------------------------- */

/* CRC-32C (Castagnoli), reflected, four bits at a time. */
static uint32_t crc32c(const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc,
        0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

#define FIXED_BITS 0xfffff800u /* the 21 bits of the id that the address decides */

static uint32_t address_crc(const struct endpoint *address, uint8_t r)
{
    static const uint8_t mask4[4] = {0x03, 0x0f, 0x3f, 0xff};
    static const uint8_t mask6[8] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
    bool v4 = address->family == ADDR_V4;
    const uint8_t *mask = v4 ? mask4 : mask6;
    size_t size = v4 ? sizeof mask4 : sizeof mask6;
    uint8_t masked[8];
    for (size_t i = 0; i < size; i++)
        masked[i] = address->ip[i] & mask[i];
    masked[0] |= (uint8_t)((r & 7) << 5);
    return crc32c(masked, size);
}

struct node_id node_id_for_address(const struct endpoint *address, const struct node_id *random)
{
    struct node_id id = *random;
    uint32_t crc = address_crc(address, random->b[19]);
    store_u32(id.b, (crc & FIXED_BITS) | (load_u32(random->b) & ~FIXED_BITS));
    return id;
}

bool node_id_fits(const struct node_id *id, const struct endpoint *address)
{
    if (node_address_is_local(address))
        return true;
    return ((address_crc(address, id->b[19]) ^ load_u32(id->b)) & FIXED_BITS) == 0;
}

bool node_address_is_local(const struct endpoint *address)
{
    enum addr_class class = endpoint_class(address);
    return class == ADDR_LOOPBACK || class == ADDR_PRIVATE || class == ADDR_LINK_LOCAL;
}

bool node_address_same_prefix(const struct endpoint *a, const struct endpoint *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == ADDR_V4 ? 3 : 8) == 0;
}
