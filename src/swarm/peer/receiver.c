/* See receiver.h. The order of this file is the order of a read: layout, decrypt, walk the
 * predicted slots, fall back to parsing in line. */
#include "swarm/peer/receiver.h"

#include "base/err.h"
#include "proto/peer_wire.h"
#include <assert.h>
#include <stdlib.h>

#define LENGTH_PREFIX 4u

void receiver_init(struct receiver *r, const struct receiver_ops *ops, void *user,
    struct rc4 *cipher, struct receiver_scratch *scratch)
{
    memset(r, 0, sizeof *r);
    r->ops = ops;
    r->user = user;
    r->cipher = cipher;
    r->scratch = scratch;
}

void receiver_free(struct receiver *r)
{
    free(r->message);
    r->message = NULL;
}

bool receiver_is_inside(const struct receiver *r, uint32_t piece, uint32_t begin)
{
    return r->state == RECEIVER_PAYLOAD && r->block.piece == piece && r->block.begin == begin;
}

const struct receiver_block *receiver_partial(const struct receiver *r)
{
    return r->state == RECEIVER_PAYLOAD && r->block.place ? &r->block : NULL;
}

void receiver_forget_piece(struct receiver *r, uint32_t piece)
{
    if (r->state == RECEIVER_PAYLOAD && r->block.piece == piece)
        r->block.place = NULL;
    for (unsigned i = 0; i < r->slot_count; i++)
        if (r->slots[i].piece == piece)
            r->slots[i].place = NULL;
}

/* ---- layout -------------------------------------------------------------------------------- */

static int add_vector(struct iovec *iov, int count, void *base, size_t size)
{
    iov[count] = (struct iovec){base, size};
    return count + 1;
}

/* The rest of what an earlier read began. */
static int layout_unfinished(struct receiver *r, struct iovec *iov)
{
    if (r->state == RECEIVER_MESSAGE)
        return add_vector(iov, 0, r->message + r->message_done, r->message_size - r->message_done);
    if (r->state != RECEIVER_PAYLOAD)
        return 0;
    size_t left = r->block.length - r->block_done;
    if (r->block.place)
        return add_vector(iov, 0, r->block.place + r->block_done, left);
    return add_vector(
        iov, 0, r->scratch->sink, left < sizeof r->scratch->sink ? left : sizeof r->scratch->sink);
}

/* A discarded block may be longer than the sink: then nothing can be laid out behind it. */
static bool sink_is_full(const struct receiver *r)
{
    return r->state == RECEIVER_PAYLOAD && !r->block.place &&
           r->block.length - r->block_done > sizeof r->scratch->sink;
}

int receiver_layout(struct receiver *r, struct iovec *iov, size_t budget)
{
    int count = layout_unfinished(r, iov);
    r->slot_count = 0;
    if (sink_is_full(r))
        return count;
    size_t planned = count ? iov[0].iov_len : 0;
    size_t head_have = r->head_size;
    assert(head_have == 0 || r->state == RECEIVER_HEAD);
    for (unsigned nth = 0; r->slot_count < RECEIVER_BLOCKS_MAX && planned < budget; nth++) {
        struct receiver_block *slot = &r->slots[r->slot_count];
        if (!r->ops->predict(r->user, nth, slot))
            break;
        if (receiver_is_inside(r, slot->piece, slot->begin))
            continue;
        count = add_vector(
            iov, count, r->heads[r->slot_count] + head_have, RECEIVER_HEAD_SIZE - head_have);
        count = add_vector(iov, count, slot->place, slot->length);
        planned += RECEIVER_HEAD_SIZE + slot->length;
        head_have = 0;
        r->slot_count++;
    }
    count =
        add_vector(iov, count, r->heads[r->slot_count] + head_have, RECEIVER_HEAD_SIZE - head_have);
    if (r->slot_count == 0)
        count = add_vector(iov, count, r->scratch->tail, sizeof r->scratch->tail);
    assert(count <= RECEIVER_IOV_MAX);
    return count;
}

/* ---- in line ------------------------------------------------------------------------------- */

static int finish_block(struct receiver *r)
{
    struct receiver_block block = r->block;
    r->state = RECEIVER_HEAD;
    return r->ops->block(r->user, &block);
}

/* Payload bytes that lie elsewhere go to their place; returns how many belong to the block. */
static size_t take_payload(struct receiver *r, const uint8_t *data, size_t size)
{
    size_t left = r->block.length - r->block_done;
    size_t n = size < left ? size : left;
    if (r->block.place && n)
        memmove(r->block.place + r->block_done, data, n);
    r->block_done += (uint32_t)n;
    return n;
}

static int begin_block(struct receiver *r, const uint8_t *head)
{
    struct cursor c = cursor_of(bytes_of(head, RECEIVER_HEAD_SIZE));
    uint32_t length = cursor_u32(&c);
    cursor_skip(&c, 1);
    r->block.piece = cursor_u32(&c);
    r->block.begin = cursor_u32(&c);
    r->block.length = length - 9;
    r->block.place = NULL;
    r->block_done = 0;
    r->state = RECEIVER_PAYLOAD;
    return r->ops->place(r->user, &r->block);
}

static int begin_message(struct receiver *r, uint32_t length, const uint8_t *data, size_t size)
{
    if (r->message_capacity < length) {
        free(r->message);
        r->message_capacity = 0;
        r->message = malloc(length);
        if (!r->message)
            return ERR_NOMEM;
        r->message_capacity = length;
    }
    memcpy(r->message, data, size);
    r->message_size = length;
    r->message_done = (uint32_t)size;
    r->state = RECEIVER_MESSAGE;
    return 0;
}

static int finish_message(struct receiver *r)
{
    r->state = RECEIVER_HEAD;
    int err =
        r->ops->message(r->user, r->message[0], bytes_of(r->message + 1, r->message_size - 1));
    if (r->message_capacity > RECEIVER_KEEP_BYTES) {
        free(r->message);
        r->message = NULL;
        r->message_capacity = 0;
    }
    return err;
}

/* What is left is less than a header: keep it for the next read. */
static int keep_head(struct receiver *r, const uint8_t *data, size_t size)
{
    assert(size < RECEIVER_HEAD_SIZE);
    memmove(r->heads[0], data, size);
    r->head_size = size;
    return 0;
}

/* One message, or as much of one as is there. Returns the bytes used (0: not even a whole header,
 * wait) or an error. */
static ssize_t parse_one(struct receiver *r, const uint8_t *data, size_t size)
{
    if (size < LENGTH_PREFIX)
        return 0;
    uint32_t length = load_u32(data);
    if (length == 0) {
        int err = r->ops->message(r->user, -1, bytes_of(NULL, 0));
        return err ? err : (ssize_t)LENGTH_PREFIX;
    }
    if (size < LENGTH_PREFIX + 1)
        return 0;
    uint8_t id = data[LENGTH_PREFIX];
    int err = r->ops->check(r->user, id, length);
    if (err)
        return err;
    if (id == WIRE_PIECE) {
        if (size < RECEIVER_HEAD_SIZE)
            return 0;
        err = begin_block(r, data);
        if (err)
            return err;
        size_t n = take_payload(r, data + RECEIVER_HEAD_SIZE, size - RECEIVER_HEAD_SIZE);
        if (r->block_done == r->block.length)
            err = finish_block(r);
        else if (r->block.place && !r->ops->begun(r->user, &r->block))
            r->block.place = NULL;
        return err ? err : (ssize_t)(RECEIVER_HEAD_SIZE + n);
    }
    if (size - LENGTH_PREFIX >= length) {
        err = r->ops->message(r->user, id, bytes_of(data + LENGTH_PREFIX + 1, length - 1));
        return err ? err : (ssize_t)(LENGTH_PREFIX + length);
    }
    err = begin_message(r, length, data + LENGTH_PREFIX, size - LENGTH_PREFIX);
    return err ? err : (ssize_t)size;
}

static int parse_line(struct receiver *r, const uint8_t *data, size_t size)
{
    r->head_size = 0;
    while (size > 0) {
        ssize_t n = parse_one(r, data, size);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return keep_head(r, data, size);
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* ---- a read -------------------------------------------------------------------------------- */

/* A walk over the bytes of a read, vector by vector. */
struct walk {
    const struct iovec *iov;
    int count;
    size_t offset; /* into iov[0] */
    size_t left;   /* bytes of the read not yet walked over */
};

static void walk_skip(struct walk *w, size_t size)
{
    assert(size <= w->left);
    w->left -= size;
    while (size > 0) {
        size_t here = w->iov->iov_len - w->offset;
        if (size < here) {
            w->offset += size;
            return;
        }
        size -= here;
        w->iov++;
        w->count--;
        w->offset = 0;
    }
}

/* Copies all that is left of the read behind `used` bytes of the line; returns the line's size. */
static size_t walk_copy_rest(struct walk *w, uint8_t *line, size_t used)
{
    while (w->left > 0) {
        size_t here = w->iov->iov_len - w->offset;
        size_t n = here < w->left ? here : w->left;
        memcpy(line + used, (const uint8_t *)w->iov->iov_base + w->offset, n);
        used += n;
        walk_skip(w, n);
    }
    return used;
}

static void decrypt(struct rc4 *cipher, const struct iovec *iov, size_t size)
{
    for (; size > 0; iov++) {
        size_t n = iov->iov_len < size ? iov->iov_len : size;
        rc4_apply(cipher, iov->iov_base, iov->iov_base, n);
        size -= n;
    }
}

/* What an earlier read began, whose rest the kernel has put in place. */
static int continue_unfinished(struct receiver *r, struct walk *w)
{
    if (r->state == RECEIVER_MESSAGE) {
        size_t left = r->message_size - r->message_done;
        size_t n = w->left < left ? w->left : left;
        walk_skip(w, n);
        r->message_done += (uint32_t)n;
        return r->message_done == r->message_size ? finish_message(r) : 0;
    }
    size_t left = r->block.length - r->block_done;
    size_t room = w->iov->iov_len;
    size_t n = left < room ? left : room;
    n = w->left < n ? w->left : n;
    walk_skip(w, n);
    r->block_done += (uint32_t)n;
    return r->block_done == r->block.length ? finish_block(r) : 0;
}

static bool head_is_predicted(const uint8_t *head, const struct receiver_block *slot)
{
    return load_u32(head) == slot->length + 9 && head[4] == WIRE_PIECE &&
           load_u32(head + 5) == slot->piece && load_u32(head + 9) == slot->begin;
}

/* The walk stands behind the head of slot `i`, which is the predicted one. */
static int take_slot(struct receiver *r, struct walk *w, unsigned i)
{
    r->block = r->slots[i];
    r->state = RECEIVER_PAYLOAD;
    size_t n = w->left < r->block.length ? w->left : r->block.length;
    walk_skip(w, n);
    r->block_done = (uint32_t)n;
    if (r->block_done == r->block.length)
        return finish_block(r);
    if (r->block.place && !r->ops->begun(r->user, &r->block))
        r->block.place = NULL;
    return 0;
}

static int walk_slots(struct receiver *r, struct walk *w)
{
    for (unsigned i = 0; w->left > 0; i++) {
        size_t have = i == 0 ? r->head_size : 0;
        size_t arrived = RECEIVER_HEAD_SIZE - have;
        bool whole = w->left >= arrived;
        if (whole && i < r->slot_count && head_is_predicted(r->heads[i], &r->slots[i])) {
            r->head_size = 0;
            walk_skip(w, arrived);
            int err = take_slot(r, w, i);
            if (err)
                return err;
            continue;
        }
        memcpy(r->scratch->line, r->heads[i], have);
        size_t size = walk_copy_rest(w, r->scratch->line, have);
        return parse_line(r, r->scratch->line, size);
    }
    return 0;
}

int receiver_input(struct receiver *r, const struct iovec *iov, int count, size_t size)
{
    if (r->cipher)
        decrypt(r->cipher, iov, size);
    struct walk w = {.iov = iov, .count = count, .left = size};
    if (r->state != RECEIVER_HEAD) {
        int err = continue_unfinished(r, &w);
        if (err || w.left == 0)
            return err;
    }
    int err = walk_slots(r, &w);
    r->slot_count = 0;
    return err;
}

int receiver_feed(struct receiver *r, struct bytes plain)
{
    assert(r->state == RECEIVER_HEAD && r->head_size == 0);
    return parse_line(r, plain.data, plain.size);
}
