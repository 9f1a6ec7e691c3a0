/* The queue in front of the state database, without one: order, replacement, batches, removal. */
#include "store/state/state_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct heard {
    unsigned calls;
    char order[8];
};

struct waiter {
    struct heard *heard;
    char name;
};

static void hear(void *user, int err)
{
    struct waiter *w = user;
    (void)err;
    w->heard->order[w->heard->calls++] = w->name;
}

static void new_queue(struct state_queue *q)
{
    static const uint8_t seed[16] = "a queue's seed";
    assert_int_equal(state_queue_init(q, seed), 0);
}

static struct op *put(
    struct state_queue *q, enum op_kind kind, int64_t torrent, size_t size, struct waiter *w)
{
    struct op *op = op_new(op_key_of_id(kind, 0, torrent), size, w ? hear : NULL, w);
    assert_non_null(op);
    op->torrent = torrent;
    assert_int_equal(state_queue_put(q, op), 0);
    return op;
}

/* The torrents of a batch in its order; its ops are acknowledged and freed. */
static size_t finish(struct list_link *batch, int64_t *out, size_t max)
{
    size_t count = 0;
    struct list_link *link;
    while ((link = list_pop_front(batch)) != NULL) {
        struct op *op = list_entry(link, struct op, link);
        for (struct ack *a = op->acks; a != NULL; a = a->next)
            a->done(a->user, 0);
        if (count < max)
            out[count] = op->torrent;
        count++;
        op_free(op);
    }
    return count;
}

static void a_batch_is_bounded_and_the_rest_keeps_its_order(void **state)
{
    struct state_queue q;
    struct list_link batch;
    int64_t got[1];
    (void)state;
    new_queue(&q);
    list_init(&batch);
    for (int64_t i = 1; i <= (int64_t)STATE_BATCH_OPS_MAX + 5; i++)
        put(&q, OP_TORRENT, i, 10, NULL);
    assert_int_equal(state_queue_take(&q, &batch), STATE_BATCH_OPS_MAX);
    assert_int_equal(finish(&batch, got, 1), STATE_BATCH_OPS_MAX);
    assert_int_equal(got[0], 1);
    assert_int_equal(state_queue_take(&q, &batch), 5);
    finish(&batch, got, 1);
    assert_int_equal(got[0], STATE_BATCH_OPS_MAX + 1);
    assert_int_equal(q.count, 0);
    assert_int_equal(q.bytes, 0);
    state_queue_free(&q);
}

static void what_is_large_goes_alone(void **state)
{
    struct state_queue q;
    struct list_link batch;
    int64_t got[2];
    (void)state;
    new_queue(&q);
    list_init(&batch);
    put(&q, OP_BLOB, 1, STATE_BATCH_BYTES_MAX + 1, NULL);
    put(&q, OP_BLOB, 2, 10, NULL);
    assert_int_equal(state_queue_take(&q, &batch), 1);
    finish(&batch, got, 2);
    assert_int_equal(got[0], 1);
    assert_int_equal(state_queue_take(&q, &batch), 1);
    finish(&batch, got, 2);
    assert_int_equal(got[0], 2);
    state_queue_free(&q);
}

static void what_is_put_back_stands_in_front_and_gives_way_to_newer_saves(void **state)
{
    struct state_queue q;
    struct list_link batch;
    struct heard heard = {0};
    struct waiter older = {&heard, 'a'}, newer = {&heard, 'b'};
    int64_t got[3];
    (void)state;
    new_queue(&q);
    list_init(&batch);
    put(&q, OP_TORRENT, 1, 10, &older);
    put(&q, OP_TORRENT, 2, 10, NULL);
    state_queue_take(&q, &batch);
    put(&q, OP_TORRENT, 3, 10, NULL);
    struct op *op = put(&q, OP_TORRENT, 1, 20, &newer);
    state_queue_put_back(&q, &batch);
    assert_int_equal(q.count, 3);
    assert_ptr_equal(q.ops.next, &op->link);
    assert_int_equal(state_queue_take(&q, &batch), 3);
    assert_int_equal(finish(&batch, got, 3), 3);
    assert_int_equal(got[0], 1);
    assert_int_equal(got[1], 2);
    assert_int_equal(got[2], 3);
    assert_string_equal(heard.order, "ab"); /* both, the older one first */
    state_queue_free(&q);
}

static void a_removal_takes_along_what_waits_for_its_torrent_and_nothing_else(void **state)
{
    struct state_queue q;
    struct list_link batch;
    struct heard heard = {0};
    struct waiter row = {&heard, 'r'}, blob = {&heard, 'b'}, gone = {&heard, 'x'};
    int64_t got[2];
    (void)state;
    new_queue(&q);
    list_init(&batch);
    put(&q, OP_TORRENT, 7, 10, &row);
    put(&q, OP_TORRENT, 8, 10, NULL);
    put(&q, OP_BLOB, 7, 10, &blob);
    put(&q, OP_PEERS, 7, 10, NULL);
    state_queue_drop_saves(&q, 7, put(&q, OP_REMOVE, 7, 0, &gone));
    assert_int_equal(q.count, 2);
    assert_int_equal(state_queue_take(&q, &batch), 2);
    finish(&batch, got, 2);
    assert_int_equal(got[0], 8);
    assert_int_equal(got[1], 7);
    assert_int_equal(heard.calls, 3); /* who waited for the saves hears of the removal */
    state_queue_free(&q);
}

static void small_records_count_with_what_they_cost(void **state)
{
    struct state_queue q;
    struct list_link batch;
    int64_t got[1];
    (void)state;
    new_queue(&q);
    list_init(&batch);
    put(&q, OP_REMOVE, 1, 0, NULL);
    assert_true(q.bytes >= sizeof(struct op));
    state_queue_take(&q, &batch);
    finish(&batch, got, 1);
    state_queue_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_bounded_and_the_rest_keeps_its_order),
        cmocka_unit_test(what_is_large_goes_alone),
        cmocka_unit_test(what_is_put_back_stands_in_front_and_gives_way_to_newer_saves),
        cmocka_unit_test(a_removal_takes_along_what_waits_for_its_torrent_and_nothing_else),
        cmocka_unit_test(small_records_count_with_what_they_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
