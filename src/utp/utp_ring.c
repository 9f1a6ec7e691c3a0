/* See utp_ring.h. */
#include "utp/utp_ring.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>

void utp_ring_free(struct utp_ring *r)
{
    free(r->data);
    *r = (struct utp_ring){0};
}

void utp_ring_rest(struct utp_ring *r)
{
    if (r->size == 0)
        utp_ring_free(r);
}

static int grow(struct utp_ring *r, size_t capacity)
{
    struct iovec old[2];
    uint8_t *data = malloc(capacity);
    size_t at = 0;
    if (!data)
        return ERR_NOMEM;
    for (int i = 0, n = utp_ring_at(r, 0, r->size, old); i < n; i++) {
        memcpy(data + at, old[i].iov_base, old[i].iov_len);
        at += old[i].iov_len;
    }
    free(r->data);
    r->data = data;
    r->capacity = capacity;
    r->start = 0;
    return 0;
}

int utp_ring_reserve(struct utp_ring *r, size_t more, size_t max)
{
    size_t capacity = r->capacity ? r->capacity : UTP_RING_FIRST;
    if (r->size + more <= r->capacity)
        return 0;
    if (r->size + more > max)
        return ERR_LIMIT;
    while (capacity < r->size + more)
        capacity *= 2;
    return grow(r, capacity);
}

void utp_ring_put(struct utp_ring *r, struct bytes b)
{
    assert(r->size + b.size <= r->capacity);
    if (b.size == 0)
        return;
    size_t end = (r->start + r->size) & (r->capacity - 1);
    size_t first = b.size < r->capacity - end ? b.size : r->capacity - end;
    memcpy(r->data + end, b.data, first);
    memcpy(r->data, b.data + first, b.size - first);
    r->size += b.size;
}

int utp_ring_at(const struct utp_ring *r, size_t offset, size_t size, struct iovec out[2])
{
    assert(offset + size <= r->size);
    if (size == 0)
        return 0;
    size_t at = (r->start + offset) & (r->capacity - 1);
    size_t first = size < r->capacity - at ? size : r->capacity - at;
    out[0] = (struct iovec){r->data + at, first};
    out[1] = (struct iovec){r->data, size - first};
    return first < size ? 2 : 1;
}

void utp_ring_drop(struct utp_ring *r, size_t size)
{
    assert(size <= r->size);
    r->size -= size;
    r->start = r->size ? (r->start + size) & (r->capacity - 1) : 0;
}

size_t utp_ring_take(struct utp_ring *r, const struct iovec *v, int count)
{
    size_t total = 0;
    for (int i = 0; i < count && r->size > 0; i++) {
        struct iovec from[2];
        size_t size = v[i].iov_len < r->size ? v[i].iov_len : r->size, at = 0;
        for (int k = 0, n = utp_ring_at(r, 0, size, from); k < n; k++) {
            memcpy((uint8_t *)v[i].iov_base + at, from[k].iov_base, from[k].iov_len);
            at += from[k].iov_len;
        }
        utp_ring_drop(r, size);
        total += size;
    }
    return total;
}
