/* See state_queue.h. */
#include "store/state/state_queue.h"
#include "base/err.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct op_key) <= 64, "fits a map key");

struct op_key op_key_of_id(enum op_kind kind, int blob, int64_t id)
{
    struct op_key k = {.kind = (uint8_t)kind, .blob = (uint8_t)blob};
    store_u64(k.name, (uint64_t)id);
    return k;
}

struct op_key op_key_of_digest(enum op_kind kind, const struct sha256_digest *d)
{
    struct op_key k = {.kind = (uint8_t)kind};
    memcpy(k.name, d->b, sizeof k.name);
    return k;
}

void op_free(struct op *op)
{
    for (struct ack *a = op->acks, *next; a != NULL; a = next) {
        next = a->next;
        free(a);
    }
    free(op->memory);
    free(op);
}

struct op *op_new(struct op_key key, size_t size, state_done *done, void *user)
{
    struct op *op = calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    list_init(&op->link);
    op->key = key;
    op->memory_size = size;
    op->memory = malloc(size + 1);
    op->acks = done != NULL ? malloc(sizeof *op->acks) : NULL;
    if (op->memory == NULL || (done != NULL && op->acks == NULL)) {
        op_free(op);
        return NULL;
    }
    op->last_ack = &op->acks;
    if (done != NULL) {
        *op->acks = (struct ack){done, user, NULL};
        op->last_ack = &op->acks->next;
    }
    return op;
}

const char *op_copy_text(uint8_t **at, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    char *copy = (char *)*at;
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    *at += size + 1;
    return copy;
}

struct bytes op_copy_bytes(uint8_t **at, struct bytes b)
{
    uint8_t *copy = *at;
    if (b.size > 0)
        memcpy(copy, b.data, b.size);
    *at += b.size;
    return bytes_of(copy, b.size);
}

/* Who waited for `from` waits for `to` from now on; the older ones are told first. */
static void hand_acks_over(struct op *to, struct op *from)
{
    if (from->acks == NULL)
        return;
    *from->last_ack = to->acks;
    if (to->acks == NULL)
        to->last_ack = from->last_ack;
    to->acks = from->acks;
    from->acks = NULL;
    from->last_ack = &from->acks;
}

/* ---- the queue ----------------------------------------------------------------------------- */

int state_queue_init(struct state_queue *q, const uint8_t seed[16])
{
    *q = (struct state_queue){.by_key = map_new(sizeof(struct op_key), seed)};
    list_init(&q->ops);
    return q->by_key != NULL ? 0 : ERR_NOMEM;
}

void state_queue_free(struct state_queue *q)
{
    map_free(q->by_key);
}

static size_t cost_of(const struct op *op)
{
    return sizeof *op + op->memory_size;
}

static void unqueue(struct state_queue *q, struct op *op)
{
    list_remove(&op->link);
    /* Without memory an op may be queued and not be in the map: see state_queue_put_back. */
    if (map_get(q->by_key, &op->key) == op)
        map_remove(q->by_key, &op->key);
    q->bytes -= cost_of(op);
    q->count--;
}

static void link_before(struct state_queue *q, struct list_link *at, struct op *op)
{
    list_insert_before(at, &op->link);
    q->bytes += cost_of(op);
    q->count++;
}

int state_queue_put(struct state_queue *q, struct op *op)
{
    struct op *older = map_get(q->by_key, &op->key);
    size_t freed = older != NULL ? cost_of(older) : 0;
    int err = 0;
    if (q->bytes - freed + cost_of(op) > STATE_QUEUE_BYTES_MAX)
        err = ERR_NO_SPACE;
    else
        err = map_put(q->by_key, &op->key, op);
    if (err < 0) {
        op_free(op);
        return err;
    }
    /* The older one's place: what has to follow the record (a torrent's blobs) still does. */
    link_before(q, older != NULL ? &older->link : &q->ops, op);
    if (older != NULL) {
        unqueue(q, older);
        hand_acks_over(op, older);
        op_free(older);
    }
    return 0;
}

size_t state_queue_take(struct state_queue *q, struct list_link *batch)
{
    size_t count = 0, bytes = 0;
    while (!list_empty(&q->ops) && count < STATE_BATCH_OPS_MAX) {
        struct op *op = list_entry(q->ops.next, struct op, link);
        bytes += cost_of(op);
        if (count > 0 && bytes > STATE_BATCH_BYTES_MAX)
            break;
        unqueue(q, op);
        list_push_back(batch, &op->link);
        count++;
    }
    assert(!list_empty(&q->ops) || (q->bytes == 0 && q->count == 0));
    return count;
}

void state_queue_put_back(struct state_queue *q, struct list_link *batch)
{
    struct list_link *front = q->ops.next;
    struct list_link *link;
    while ((link = list_pop_front(batch)) != NULL) {
        struct op *op = list_entry(link, struct op, link);
        struct op *newer = map_get(q->by_key, &op->key);
        if (newer != NULL) {
            /* The newer content at the older one's place. */
            if (&newer->link == front)
                front = front->next;
            list_remove(&newer->link);
            hand_acks_over(newer, op);
            list_insert_before(front, &newer->link);
            op_free(op);
        } else {
            /* Without memory for the map the op cannot be found; it is written all the same. */
            map_put(q->by_key, &op->key, op);
            link_before(q, front, op);
        }
    }
}

/* One that is not in the map (see above) is written before the removal, and goes with it. */
static void drop(struct state_queue *q, struct op_key key, struct op *removal)
{
    struct op *op = map_get(q->by_key, &key);
    if (op == NULL)
        return;
    unqueue(q, op);
    hand_acks_over(removal, op);
    op_free(op);
}

void state_queue_drop_saves(struct state_queue *q, int64_t torrent, struct op *removal)
{
    drop(q, op_key_of_id(OP_TORRENT, 0, torrent), removal);
    for (int blob = 0; blob < STATE_BLOB_COUNT; blob++)
        drop(q, op_key_of_id(OP_BLOB, blob, torrent), removal);
    drop(q, op_key_of_id(OP_PEERS, 0, torrent), removal);
}
