/* See request_ring.h. */
#include "swarm/peer/request_ring.h"

#include "base/err.h"
#include <stdlib.h>

#define FIRST_CAPACITY 64u

/* change: of unsigned arithmetic */
static void count(struct request_ring *r, uint32_t change)
{
    r->waiting += change;
    if (r->all_waiting)
        *r->all_waiting += change;
}

void request_ring_free(struct request_ring *r)
{
    count(r, -r->waiting);
    free(r->slots);
    *r = (struct request_ring){0};
}

struct request *request_ring_at(struct request_ring *r, uint32_t index)
{
    return index < r->count ? &r->slots[(r->head + index) & (r->capacity - 1)] : NULL;
}

static int grow(struct request_ring *r)
{
    uint32_t capacity = r->capacity ? r->capacity * 2 : FIRST_CAPACITY;
    struct request *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < r->count; i++)
        slots[i] = *request_ring_at(r, i);
    free(r->slots);
    r->slots = slots;
    r->head = 0;
    r->capacity = capacity;
    return 0;
}

int request_ring_push(struct request_ring *r, struct request request)
{
    if (r->count == REQUEST_RING_MAX)
        return ERR_LIMIT;
    if (r->count == r->capacity && grow(r) != 0)
        return ERR_NOMEM;
    request.state = REQUEST_WAITING;
    r->slots[(r->head + r->count) & (r->capacity - 1)] = request;
    r->count++;
    count(r, 1);
    r->waiting_bytes += request.length;
    return 0;
}

struct request *request_ring_find(struct request_ring *r, uint32_t piece, uint32_t begin)
{
    for (uint32_t i = 0; i < r->count; i++) {
        struct request *q = request_ring_at(r, i);
        if (q->state != REQUEST_GAP && q->piece == piece && q->begin == begin)
            return q;
    }
    return NULL;
}

void request_ring_release(struct request_ring *r, struct request *request)
{
    if (request->state != REQUEST_WAITING)
        return;
    request->state = REQUEST_RELEASED;
    count(r, -1u);
    r->waiting_bytes -= request->length;
}

void request_ring_remove(struct request_ring *r, struct request *request)
{
    request_ring_release(r, request);
    request->state = REQUEST_GAP;
    while (r->count > 0 && r->slots[r->head].state == REQUEST_GAP) {
        r->head = (r->head + 1) & (r->capacity - 1);
        r->count--;
    }
}
