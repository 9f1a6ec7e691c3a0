/* Ids of DHT nodes: distance (BEP 5), and the ids that an address may bear (BEP 42). */
#ifndef KITH_DHT_NODE_ID_H
#define KITH_DHT_NODE_ID_H

#include "base/addr.h"
#include "base/ids.h"

#define NODE_ID_BITS 160u

/* A node's id, or a key that is looked for: both live in one space. */
struct node_id {
    uint8_t b[20];
};

static inline bool node_id_equal(const struct node_id *a, const struct node_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline struct node_id node_id_of_hash(const struct info_hash *h)
{
    struct node_id id;
    memcpy(id.b, h->b, sizeof id.b);
    return id;
}
static inline struct info_hash node_id_to_hash(const struct node_id *id)
{
    struct info_hash h;
    memcpy(h.b, id->b, sizeof h.b);
    return h;
}

/* Which of two is nearer to `target` by XOR: < 0 if `a`, > 0 if `b`, 0 if they are equal. */
int node_id_compare(const struct node_id *target, const struct node_id *a, const struct node_id *b);
/* How many leading bits two ids share, 0 to 160. */
unsigned node_id_shared_bits(const struct node_id *a, const struct node_id *b);
/* An id that shares exactly `bits` leading bits with `id`; the rest is of `random`'s. */
struct node_id node_id_at_bits(
    const struct node_id *id, unsigned bits, const struct node_id *random);

/* An id that `address` may bear (BEP 42); all that the address leaves open is of `random`'s. */
struct node_id node_id_for_address(const struct endpoint *address, const struct node_id *random);
/* May `address` bear this id? Addresses of local networks may bear any (BEP 42, as extended to
 * IPv6: loopback, link-local, unique-local). */
bool node_id_fits(const struct node_id *id, const struct endpoint *address);

/* Addresses of this machine and its network, to which the rules against crowds (one node an
 * address, few a prefix, ids bound to addresses) do not apply. */
bool node_address_is_local(const struct endpoint *address);
/* Do two addresses lie in one /24 (IPv4) or /64 (IPv6), as one owner's may? */
bool node_address_same_prefix(const struct endpoint *a, const struct endpoint *b);

/* As above, or the very address: IPv4 is sold one by one, IPv6 by the /64. */
static inline bool node_address_same_owner(const struct endpoint *a, const struct endpoint *b)
{
    return b->family == ADDR_V6 ? node_address_same_prefix(a, b) : endpoint_same_ip(a, b);
}

#endif
