/* What waits to be sent to one peer: in order, whatever the socket takes, encrypted or not. */
#include "base/err.h"
#include "swarm/peer/send_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCK 16384u
static struct send_queue queue;
static unsigned released;
static uint8_t source[8 * BLOCK];
static struct builder sent, expected;

static void release(void *user, void *hold)
{
    (void)user;
    (void)hold;
    released++;
}

static void begin(struct rc4 *cipher)
{
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)(i * 7 + (i >> 8));
    released = 0;
    send_queue_init(&queue, release, NULL, cipher);
    sent = builder_heap(1 << 24);
    expected = builder_heap(1 << 24);
}

static void end(void)
{
    send_queue_free(&queue);
    builder_free(&sent);
    builder_free(&expected);
}

static void put_message(const char *text)
{
    builder_str(&expected, text);
    assert_int_equal(send_queue_message(&queue, bytes_of_str(text)), 0);
}

/* A block in two parts. */
static void put_block(unsigned n)
{
    struct send_block b = {.hold = &queue, .part_count = 2};
    memset(b.head, (int)n, sizeof b.head);
    b.parts[0] = bytes_of(source + n * BLOCK, 1000);
    b.parts[1] = bytes_of(source + n * BLOCK + 1000, BLOCK - 1000);
    builder_bytes_put(&expected, b.head, sizeof b.head);
    builder_bytes_put(&expected, source + n * BLOCK, BLOCK);
    assert_int_equal(send_queue_block(&queue, &b), 0);
}

/* A socket that takes `takes` bytes a time of what is offered within the budget; the payload. */
static size_t drain(size_t takes, size_t budget)
{
    struct iovec chunks[16];
    size_t payload = 0;
    int count;
    while ((count = send_queue_chunks(&queue, chunks, 16, budget)) > 0) {
        size_t left = takes, size = 0, offered = 0;
        for (int i = 0; i < count; i++) {
            size_t n = chunks[i].iov_len < left ? chunks[i].iov_len : left;
            builder_bytes_put(&sent, chunks[i].iov_base, n);
            left -= n;
            size += n;
            offered += chunks[i].iov_len;
        }
        assert_true(offered <= budget);
        payload += send_queue_sent(&queue, size);
    }
    assert_true(send_queue_empty(&queue));
    return payload;
}

static void fill(void)
{
    put_message("hello ");
    put_block(0);
    put_block(1);
    put_message("a choke");
    put_message(" and more");
    for (unsigned i = 2; i < 8; i++)
        put_block(i);
    put_message("the end");
}

static void everything_goes_out_in_order_whatever_the_socket_takes(void **state)
{
    (void)state;
    for (size_t takes = 1; takes < 100000; takes = takes * 3 + 1) {
        begin(NULL);
        fill();
        assert_int_equal(drain(takes, 1 << 20), 8 * BLOCK);
        assert_int_equal(sent.size, expected.size);
        assert_memory_equal(sent.data, expected.data, sent.size);
        assert_int_equal(released, 8);
        end();
    }
}

static void what_is_encrypted_is_the_same_stream_and_the_source_stays_as_it_is(void **state)
{
    (void)state;
    for (size_t takes = 1; takes < 100000; takes = takes * 5 + 1) {
        struct rc4 cipher, other;
        rc4_init(&cipher, (const uint8_t *)"key", 3);
        other = cipher;
        begin(&cipher);
        fill();
        assert_int_equal(drain(takes, 1 << 20), 8 * BLOCK);
        assert_int_equal(sent.size, expected.size);
        rc4_apply(&other, sent.data, sent.data, sent.size);
        assert_memory_equal(sent.data, expected.data, sent.size);
        assert_memory_equal(source, expected.data + 6 + 13, BLOCK);
        assert_int_equal(released, 8);
        end();
    }
}

static void a_budget_is_kept(void **state)
{
    (void)state;
    begin(NULL);
    fill();
    drain(1 << 20, 5000);
    assert_memory_equal(sent.data, expected.data, expected.size);
    end();
}

static void a_peer_that_does_not_read_is_noticed(void **state)
{
    static uint8_t big[1 << 20];
    (void)state;
    begin(NULL);
    int err = 0;
    unsigned count = 0;
    while (!err && count < 100) {
        err = send_queue_message(&queue, bytes_of(big, sizeof big));
        count++;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(count, SEND_MESSAGES_BYTES_MAX / sizeof big + 1);
    end();
}

static void what_is_not_sent_when_it_ends_is_released(void **state)
{
    struct iovec chunks[4];
    (void)state;
    begin(NULL);
    put_block(0);
    put_block(1);
    send_queue_chunks(&queue, chunks, 4, 1 << 20);
    send_queue_sent(&queue, 100);
    assert_int_equal(released, 0);
    end();
    assert_int_equal(released, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_out_in_order_whatever_the_socket_takes),
        cmocka_unit_test(what_is_encrypted_is_the_same_stream_and_the_source_stays_as_it_is),
        cmocka_unit_test(a_budget_is_kept),
        cmocka_unit_test(a_peer_that_does_not_read_is_noticed),
        cmocka_unit_test(what_is_not_sent_when_it_ends_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
