/* See send_queue.h. */
#include "swarm/peer/send_queue.h"

#include "base/err.h"
#include <assert.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16u
#define HEAD_SIZE 13u

/* Either `size` bytes of the flat message buffer, or a block. */
struct send_item {
    size_t size; /* whole item */
    size_t done; /* already sent (or staged) */
    bool is_block;
    struct send_block block;
};

void send_queue_init(
    struct send_queue *q, void (*release)(void *user, void *hold), void *user, struct rc4 *cipher)
{
    *q = (struct send_queue){.release = release, .user = user, .cipher = cipher};
}

static struct send_item *item_at(struct send_queue *q, unsigned i)
{
    return &q->items[(q->head + i) & (q->capacity - 1)];
}

static void pop_item(struct send_queue *q)
{
    struct send_item *item = item_at(q, 0);
    if (item->is_block && item->block.hold)
        q->release(q->user, item->block.hold);
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
}

void send_queue_free(struct send_queue *q)
{
    while (q->count > 0)
        pop_item(q);
    free(q->items);
    free(q->bytes);
    free(q->stage);
    q->items = NULL;
    q->bytes = q->stage = NULL;
}

static int grow_items(struct send_queue *q)
{
    unsigned capacity = q->capacity ? q->capacity * 2 : FIRST_CAPACITY;
    struct send_item *items = malloc(capacity * sizeof *items);
    if (!items)
        return ERR_NOMEM;
    for (unsigned i = 0; i < q->count; i++)
        items[i] = *item_at(q, i);
    free(q->items);
    q->items = items;
    q->capacity = capacity;
    q->head = 0;
    return 0;
}

static struct send_item *push_item(struct send_queue *q)
{
    if (q->count == q->capacity && grow_items(q) != 0)
        return NULL;
    q->count++;
    struct send_item *item = item_at(q, q->count - 1);
    item->size = item->done = 0;
    item->is_block = false;
    item->block.hold = NULL;
    return item;
}

/* Room at the end of the flat buffer: first by moving what waits to its front, then by growing. */
static int reserve_bytes(struct send_queue *q, size_t size)
{
    size_t waiting = q->bytes_end - q->bytes_start;
    if (q->bytes_end + size <= q->bytes_capacity)
        return 0;
    if (waiting + size > SEND_MESSAGES_BYTES_MAX)
        return ERR_LIMIT;
    if (waiting + size <= q->bytes_capacity / 2) {
        memmove(q->bytes, q->bytes + q->bytes_start, waiting);
    } else {
        size_t capacity = 512;
        while (capacity < 2 * (waiting + size))
            capacity *= 2;
        uint8_t *grown = malloc(capacity);
        if (!grown)
            return ERR_NOMEM;
        if (waiting)
            memcpy(grown, q->bytes + q->bytes_start, waiting);
        free(q->bytes);
        q->bytes = grown;
        q->bytes_capacity = capacity;
    }
    q->bytes_start = 0;
    q->bytes_end = waiting;
    return 0;
}

int send_queue_message(struct send_queue *q, struct bytes message)
{
    int err = reserve_bytes(q, message.size);
    if (err)
        return err;
    struct send_item *last = q->count ? item_at(q, q->count - 1) : NULL;
    if (!last || last->is_block)
        last = push_item(q);
    if (!last)
        return ERR_NOMEM;
    memcpy(q->bytes + q->bytes_end, message.data, message.size);
    q->bytes_end += message.size;
    last->size += message.size;
    return 0;
}

int send_queue_block(struct send_queue *q, const struct send_block *block)
{
    struct send_item *item = push_item(q);
    if (!item) {
        if (block->hold)
            q->release(q->user, block->hold);
        return ERR_NOMEM;
    }
    item->is_block = true;
    item->block = *block;
    item->size = HEAD_SIZE;
    for (unsigned i = 0; i < block->part_count; i++)
        item->size += block->parts[i].size;
    q->block_bytes += item->size - HEAD_SIZE;
    return 0;
}

/* ---- the front as chunks ------------------------------------------------------------------- */

struct chunk_list {
    struct iovec *out;
    int count, max;
    size_t budget;
};

/* Appends the part of `chunk` behind `skip`; returns false when the list or the budget is full. */
static bool list_add(struct chunk_list *l, struct bytes chunk, size_t skip)
{
    if (l->count == l->max || l->budget == 0)
        return false;
    size_t size = chunk.size - skip < l->budget ? chunk.size - skip : l->budget;
    l->budget -= size;
    l->out[l->count++] = (struct iovec){(void *)(uintptr_t)(chunk.data + skip), size};
    return true;
}

static bool list_block(struct chunk_list *l, const struct send_item *item)
{
    size_t skip = item->done;
    struct bytes head = bytes_of(item->block.head, HEAD_SIZE);
    if (skip < HEAD_SIZE) {
        if (!list_add(l, head, skip))
            return false;
        skip = 0;
    } else {
        skip -= HEAD_SIZE;
    }
    for (unsigned i = 0; i < item->block.part_count; i++) {
        const struct bytes *part = &item->block.parts[i];
        if (skip >= part->size) {
            skip -= part->size;
            continue;
        }
        if (!list_add(l, *part, skip))
            return false;
        skip = 0;
    }
    return true;
}

static int list_items(struct send_queue *q, struct iovec *out, int max, size_t budget)
{
    struct chunk_list l = {out, 0, max, budget};
    size_t bytes_at = q->bytes_start;
    for (unsigned i = 0; i < q->count; i++) {
        struct send_item *item = item_at(q, i);
        if (item->is_block) {
            if (!list_block(&l, item))
                break;
            continue;
        }
        struct bytes bytes = bytes_of(q->bytes + bytes_at, item->size - item->done);
        bytes_at += bytes.size;
        if (!list_add(&l, bytes, 0))
            break;
    }
    return l.count;
}

/* Moves the front of the queue on by `size` bytes; returns how many were payload. */
static size_t advance(struct send_queue *q, size_t size)
{
    size_t payload = 0;
    while (size > 0) {
        assert(q->count > 0);
        struct send_item *item = item_at(q, 0);
        size_t left = item->size - item->done;
        size_t n = size < left ? size : left;
        if (item->is_block) {
            size_t before = item->done > HEAD_SIZE ? item->done - HEAD_SIZE : 0;
            size_t after = item->done + n > HEAD_SIZE ? item->done + n - HEAD_SIZE : 0;
            payload += after - before;
        } else {
            q->bytes_start += n;
        }
        item->done += n;
        size -= n;
        if (item->done == item->size)
            pop_item(q);
    }
    q->block_bytes -= payload;
    return payload;
}

/* ---- with a cipher ------------------------------------------------------------------------- */

/* Fills the empty stage. Mapped files never enter an encrypted queue: we would read them here. */
static void fill_stage(struct send_queue *q)
{
    struct iovec chunks[16];
    q->stage_start = q->stage_end = 0;
    q->stage_payload = 0;
    while (q->stage_end < SEND_STAGE_SIZE && q->count > 0) {
        int n = list_items(q, chunks, 16, SEND_STAGE_SIZE - q->stage_end);
        size_t taken = 0;
        for (int i = 0; i < n; i++) {
            uint8_t *to = q->stage + q->stage_end + taken;
            rc4_apply(q->cipher, chunks[i].iov_base, to, chunks[i].iov_len);
            taken += chunks[i].iov_len;
        }
        q->stage_end += taken;
        q->stage_payload += advance(q, taken);
    }
}

static int stage_chunks(struct send_queue *q, struct iovec *out, int max, size_t budget)
{
    if (!q->stage)
        q->stage = malloc(SEND_STAGE_SIZE);
    if (!q->stage || max < 1)
        return 0;
    if (q->stage_start == q->stage_end)
        fill_stage(q);
    size_t size = q->stage_end - q->stage_start;
    if (size > budget)
        size = budget;
    if (size == 0)
        return 0;
    out[0] = (struct iovec){q->stage + q->stage_start, size};
    return 1;
}

static size_t stage_sent(struct send_queue *q, size_t size)
{
    assert(size <= q->stage_end - q->stage_start);
    q->stage_start += size;
    size_t payload = size < q->stage_payload ? size : q->stage_payload;
    q->stage_payload -= payload;
    return payload;
}

int send_queue_chunks(struct send_queue *q, struct iovec *out, int max, size_t budget)
{
    return q->cipher ? stage_chunks(q, out, max, budget) : list_items(q, out, max, budget);
}

size_t send_queue_sent(struct send_queue *q, size_t size)
{
    return q->cipher ? stage_sent(q, size) : advance(q, size);
}

bool send_queue_front(const struct send_queue *q, uint32_t *piece)
{
    const struct send_item *front = &q->items[q->head];
    if (q->count == 0 || !front->is_block)
        return false;
    *piece = load_u32(front->block.head + 5);
    return true;
}
