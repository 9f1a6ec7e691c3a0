/* The timer heap, against a linear search. */
#include "base/heap.h"
#include "check.h"

#include "base/list.h"

#include <string.h>

struct alarm {
    struct timer timer;
    struct timer_heap *heap;
    int fired;
    usec last_now;
    usec rearm_after; /* < 0: not */
    struct alarm *cancels;
};

static usec last_deadline; /* of the timers fired in one run, to see their order */

static void ring(struct timer *t, usec now)
{
    struct alarm *a = container_of(t, struct alarm, timer);
    assert_false(timer_armed(t));
    assert_true(t->deadline <= now);
    assert_true(t->deadline >= last_deadline);
    last_deadline = t->deadline;
    a->fired++;
    a->last_now = now;
    if (a->cancels)
        timer_cancel(a->heap, &a->cancels->timer);
    if (a->rearm_after >= 0)
        assert_int_equal(timer_set(a->heap, t, now + a->rearm_after), 0);
}

static void run(struct timer_heap *h, usec now)
{
    last_deadline = INT64_MIN;
    timer_heap_run(h, now);
}

static struct alarm alarm_of(struct timer_heap *h)
{
    return (struct alarm){.timer.fire = ring, .heap = h, .rearm_after = -1};
}

static void an_empty_heap_waits_for_nothing(void **state)
{
    (void)state;
    struct timer_heap h;
    timer_heap_init(&h);
    assert_true(timer_heap_deadline(&h) == NEVER);
    run(&h, 5);
    struct alarm a = alarm_of(&h);
    timer_cancel(&h, &a.timer);
    assert_int_equal(timer_set(&h, &a.timer, NEVER), 0);
    assert_false(timer_armed(&a.timer));
    timer_heap_free(&h);
}

static void timers_fire_once_at_their_time(void **state)
{
    (void)state;
    struct timer_heap h;
    timer_heap_init(&h);
    struct alarm a = alarm_of(&h);
    timer_set(&h, &a.timer, 100);
    run(&h, 99);
    assert_int_equal(a.fired, 0);
    run(&h, 100);
    run(&h, 101);
    assert_int_equal(a.fired, 1);
    timer_heap_free(&h);
}

static void a_timer_that_rearms_for_now_waits_for_the_next_run(void **state)
{
    (void)state;
    struct timer_heap h;
    timer_heap_init(&h);
    struct alarm a = alarm_of(&h), later = alarm_of(&h);
    a.rearm_after = 0;
    timer_set(&h, &a.timer, 10);
    timer_set(&h, &later.timer, 50);
    run(&h, 10);
    assert_int_equal(a.fired, 1);
    assert_true(timer_heap_deadline(&h) == 10);
    run(&h, 10);
    assert_int_equal(a.fired, 2);
    run(&h, 60);
    assert_int_equal(a.fired, 3);
    assert_int_equal(later.fired, 1);
    timer_heap_free(&h);
}

static void a_callback_may_cancel_another_due_timer(void **state)
{
    (void)state;
    struct timer_heap h;
    timer_heap_init(&h);
    struct alarm a = alarm_of(&h), b = alarm_of(&h);
    a.cancels = &b;
    timer_set(&h, &a.timer, 1);
    timer_set(&h, &b.timer, 2);
    run(&h, 5);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);
    assert_false(timer_armed(&b.timer));
    timer_heap_free(&h);
}

static void freeing_the_heap_disarms_its_timers(void **state)
{
    (void)state;
    struct timer_heap h;
    timer_heap_init(&h);
    struct alarm a = alarm_of(&h);
    timer_set(&h, &a.timer, 1);
    timer_heap_free(&h);
    assert_false(timer_armed(&a.timer));
}

#define MANY 200

static usec earliest(const struct alarm *alarms)
{
    usec found = NEVER;
    for (int i = 0; i < MANY; i++)
        if (timer_armed(&alarms[i].timer))
            found = usec_min(found, alarms[i].timer.deadline);
    return found;
}

/* Random arming, moving, cancelling and running, with callbacks that re-arm for the past, now and
 * later, and that cancel others, held ones among them. */
static void random_operations_agree_with_a_linear_search(void **state)
{
    (void)state;
    static struct alarm alarms[MANY];
    struct timer_heap h;
    uint64_t random = 3;
    usec now = 0;
    timer_heap_init(&h);
    for (int i = 0; i < MANY; i++)
        alarms[i] = alarm_of(&h);
    for (int step = 0; step < 20000; step++) {
        struct alarm *a = &alarms[next_random(&random) % MANY];
        unsigned what = (unsigned)(next_random(&random) % 10);
        if (what < 6) {
            uint64_t roll = next_random(&random) % 4;
            a->rearm_after = roll == 0 ? -1 : roll == 1 ? 0 : (usec)(next_random(&random) % 300);
            a->cancels = roll == 2 ? &alarms[next_random(&random) % MANY] : NULL;
            timer_set(&h, &a->timer, now + (usec)(next_random(&random) % 500) - 50);
        } else if (what < 9) {
            timer_cancel(&h, &a->timer);
            assert_false(timer_armed(&a->timer));
        } else {
            int before[MANY];
            bool due[MANY];
            now += (usec)(next_random(&random) % 100);
            for (int i = 0; i < MANY; i++) {
                before[i] = alarms[i].fired;
                due[i] = timer_armed(&alarms[i].timer) && alarms[i].timer.deadline <= now;
            }
            run(&h, now);
            for (int i = 0; i < MANY; i++)
                assert_true(alarms[i].fired - before[i] <= (due[i] ? 1 : 0));
        }
        assert_true(timer_heap_deadline(&h) == earliest(alarms));
    }
    timer_heap_free(&h);
}

static void reserved_room_is_enough_for_held_timers_too(void **state)
{
    (void)state;
    struct timer_heap h;
    static struct alarm alarms[100];
    timer_heap_init(&h);
    assert_int_equal(timer_heap_reserve(&h, 100), 0);
    struct timer **slots = h.slots;
    for (int i = 0; i < 100; i++) {
        alarms[i] = alarm_of(&h);
        alarms[i].rearm_after = i % 3 == 0 ? 7 : 0;
        timer_set(&h, &alarms[i].timer, i);
    }
    for (int round = 0; round < 10; round++)
        run(&h, 100 + round);
    assert_ptr_equal(h.slots, slots);
    assert_int_equal(h.count, 100);
    timer_heap_free(&h);
}

RUN(T(an_empty_heap_waits_for_nothing), T(timers_fire_once_at_their_time),
    T(a_timer_that_rearms_for_now_waits_for_the_next_run),
    T(a_callback_may_cancel_another_due_timer), T(freeing_the_heap_disarms_its_timers),
    T(random_operations_agree_with_a_linear_search), T(reserved_room_is_enough_for_held_timers_too))
