/* Events that wait: told in order, none lost, repeated ones once where many wait. The queue never
 * looks into a torrent: any address will do for one. */
#include "node/event_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t seed[16] = {3};
static char things[3 * NODE_EVENTS_MAX];

static struct kith_torrent *torrent(unsigned i)
{
    return (struct kith_torrent *)(void *)&things[i];
}

static void assert_pulled(struct event_queue *q, int type, unsigned of, const char *text)
{
    struct kith_event *e = event_queue_pull(q);
    assert_non_null(e);
    assert_int_equal(e->type, type);
    assert_ptr_equal(e->torrent, torrent(of));
    assert_string_equal(e->text, text);
    free(e);
}

static void what_happens_first_is_told_first(void **state)
{
    struct event_queue q;
    (void)state;
    event_queue_init(&q, seed);
    assert_null(event_queue_pull(&q));
    event_queue_push(&q, 1, torrent(0), 0, "a");
    event_queue_push(&q, 5, torrent(0), -9, "b");
    event_queue_push(&q, 1, torrent(0), 0, NULL);
    assert_pulled(&q, 1, 0, "a");
    assert_pulled(&q, 5, 0, "b");
    assert_pulled(&q, 1, 0, ""); /* repeated, but few wait */
    assert_null(event_queue_pull(&q));
    event_queue_free(&q);
}

static void nothing_is_lost_however_many_torrents_have_something_to_tell(void **state)
{
    struct event_queue q;
    (void)state;
    event_queue_init(&q, seed);
    for (unsigned i = 0; i < 3 * NODE_EVENTS_MAX; i++)
        event_queue_push(&q, 1, torrent(i), 0, "new");
    for (unsigned i = 0; i < 3 * NODE_EVENTS_MAX; i++)
        assert_pulled(&q, 1, i, "new");
    assert_null(event_queue_pull(&q));
    event_queue_free(&q);
}

static void where_many_wait_what_repeats_itself_is_told_once_and_last(void **state)
{
    struct event_queue q;
    char text[32];
    (void)state;
    event_queue_init(&q, seed);
    for (unsigned i = 0; i < NODE_EVENTS_MAX; i++)
        event_queue_push(&q, 1, torrent(i), 0, "");
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(text, sizeof text, "trouble %u", i);
        event_queue_push(&q, 5, torrent(7), -9, text);
        event_queue_push(&q, 6, torrent(7), 0, "recovered");
    }
    event_queue_push(&q, 5, torrent(7), -9, "the last");
    assert_int_equal(q.count, NODE_EVENTS_MAX + 2);
    for (unsigned i = 0; i < NODE_EVENTS_MAX; i++)
        assert_pulled(&q, 1, i, "");
    assert_pulled(&q, 6, 7, "recovered");
    assert_pulled(&q, 5, 7, "the last");
    assert_null(event_queue_pull(&q));
    event_queue_free(&q);
}

static void where_few_wait_again_what_repeats_itself_is_told_each_time(void **state)
{
    struct event_queue q;
    (void)state;
    event_queue_init(&q, seed);
    for (unsigned i = 0; i < NODE_EVENTS_MAX; i++)
        event_queue_push(&q, 1, torrent(i), 0, "");
    event_queue_push(&q, 5, torrent(7), 0, "first");
    for (unsigned i = 0; i < NODE_EVENTS_MAX; i++)
        assert_pulled(&q, 1, i, "");
    event_queue_push(&q, 5, torrent(7), 0, "second");
    assert_pulled(&q, 5, 7, "first");
    assert_pulled(&q, 5, 7, "second");
    assert_null(event_queue_pull(&q));
    event_queue_free(&q);
}

static void a_long_text_is_cut(void **state)
{
    struct event_queue q;
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    event_queue_init(&q, seed);
    event_queue_push(&q, 1, NULL, 0, text);
    struct kith_event *e = event_queue_pull(&q);
    assert_int_equal(strlen(e->text), 255);
    free(e);
    event_queue_push(&q, 1, NULL, 0, text); /* freed with the queue */
    event_queue_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_first_is_told_first),
        cmocka_unit_test(nothing_is_lost_however_many_torrents_have_something_to_tell),
        cmocka_unit_test(where_many_wait_what_repeats_itself_is_told_once_and_last),
        cmocka_unit_test(where_few_wait_again_what_repeats_itself_is_told_each_time),
        cmocka_unit_test(a_long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
