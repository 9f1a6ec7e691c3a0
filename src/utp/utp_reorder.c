/* See utp_reorder.h. */
#include "utp/utp_reorder.h"

#include <stdlib.h>

#define CAPACITY_FIRST 32u

/* ---- the pool ------------------------------------------------------------------------------ */

void utp_pool_free(struct utp_pool *p)
{
    while (p->free) {
        struct utp_held *h = p->free;
        p->free = h->next;
        free(h);
    }
    *p = (struct utp_pool){0};
}

static struct utp_held *pool_take(struct utp_pool *p, unsigned held_already)
{
    struct utp_held *h = p->free;
    if (held_already >= UTP_POOL_BUFFERS_MAX - p->used)
        return NULL;
    if (h) {
        p->free = h->next;
    } else {
        h = malloc(sizeof *h);
        if (!h)
            return NULL;
        p->made++;
    }
    p->used++;
    return h;
}

void utp_pool_give(struct utp_pool *p, struct utp_held *h)
{
    h->next = p->free;
    p->free = h;
    p->used--;
}

/* ---- the packets of one connection --------------------------------------------------------- */

void utp_reorder_free(struct utp_reorder *r, struct utp_pool *pool)
{
    for (unsigned i = 0; i < r->capacity; i++)
        if (r->slots[i])
            utp_pool_give(pool, r->slots[i]);
    free(r->slots);
    *r = (struct utp_reorder){0};
}

/* Room for a packet so far ahead; old ones move to their places in the larger table. */
static bool grow(struct utp_reorder *r, uint16_t seq, unsigned ahead)
{
    unsigned capacity = r->capacity ? r->capacity : CAPACITY_FIRST;
    if (ahead < r->capacity)
        return true;
    while (capacity <= ahead)
        capacity *= 2;
    struct utp_held **slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    uint16_t first = (uint16_t)(seq - ahead);
    for (unsigned i = 0; i < r->capacity; i++) {
        uint16_t s = (uint16_t)(first + i);
        slots[s & (capacity - 1)] = r->slots[s & (r->capacity - 1)];
    }
    free(r->slots);
    r->slots = slots;
    r->capacity = capacity;
    return true;
}

bool utp_reorder_put(struct utp_reorder *r, struct utp_pool *pool, uint16_t seq, unsigned ahead,
    struct bytes payload)
{
    if (ahead >= UTP_REORDER_PACKETS_MAX || payload.size > UTP_HELD_SIZE || !grow(r, seq, ahead))
        return false;
    struct utp_held **slot = &r->slots[seq & (r->capacity - 1)];
    if (*slot)
        return false;
    struct utp_held *h = pool_take(pool, r->count);
    if (!h)
        return false;
    h->size = (uint16_t)payload.size;
    if (payload.size > 0)
        memcpy(h->data, payload.data, payload.size);
    *slot = h;
    r->count++;
    r->bytes += payload.size;
    return true;
}

struct utp_held *utp_reorder_take(struct utp_reorder *r, uint16_t seq)
{
    if (r->count == 0)
        return NULL;
    struct utp_held **slot = &r->slots[seq & (r->capacity - 1)], *h = *slot;
    if (h) {
        *slot = NULL;
        r->count--;
        r->bytes -= h->size;
    }
    return h;
}

size_t utp_reorder_mask(const struct utp_reorder *r, uint16_t ack, uint8_t *out, size_t max)
{
    unsigned seen = 0, last = 0;
    memset(out, 0, max);
    for (unsigned i = 0; seen < r->count && i < max * 8 && i + 1 < r->capacity; i++) {
        if (!r->slots[(uint16_t)(ack + 2 + i) & (r->capacity - 1)])
            continue;
        out[i / 8] |= (uint8_t)(1 << i % 8);
        last = i;
        seen++;
    }
    return seen ? (last / 32 + 1) * 4 : 0;
}
