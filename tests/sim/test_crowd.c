/* A small share of what run-dht measures at scale: networks form by themselves, announced peers are
 * found under churn and loss, the cost grows as the logarithm, and those who aim at one info-hash
 * do not hide it. */
#include "hostile.h"
#include "measure.h"
#include "vigil.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void crowd_grow(struct crowd *c, unsigned nodes, usec session, usec settle)
{
    struct crowd_config config = crowd_config_default(1, nodes);
    config.session_median = session;
    config.grow = SECONDS(300);
    crowd_init(c, &config);
    crowd_run(c, config.grow + settle);
}

static struct trials_report try_out(struct crowd *c, size_t count)
{
    struct trial *trials = trials_begin(c, count, SECONDS(300), SECONDS(240));
    crowd_run(c, c->wheel.now + SECONDS(600));
    return trials_end(trials, count);
}

/* ---- the wheel ----------------------------------------------------------------------------- */

struct mark {
    struct wheel_event event;
    struct wheel *wheel;
    unsigned fired, *order;
    usec at;
};

static void fires(struct wheel_event *e)
{
    struct mark *m = container_of(e, struct mark, event);
    m->at = m->wheel->now;
    m->fired = ++*m->order;
}

static void events_come_at_their_time_in_their_order_however_far_they_lie(void **state)
{
    (void)state;
    struct wheel w;
    struct mark marks[5];
    unsigned order = 0;
    static const usec at[5] = {SECONDS(7200), MSECS(5), MSECS(5), 1, SECONDS(1)};
    wheel_init(&w);
    for (int i = 0; i < 5; i++) {
        marks[i] = (struct mark){.wheel = &w, .order = &order};
        wheel_event_init(&marks[i].event, fires);
        wheel_put(&w, &marks[i].event, at[i]);
    }
    wheel_remove(&marks[4].event);
    wheel_run(&w, SECONDS(7199));
    assert_int_equal(order, 3);
    wheel_run(&w, SECONDS(7201));
    assert_int_equal(marks[0].fired, 4);
    assert_int_equal(marks[0].at, SECONDS(7200));
    assert_int_equal(marks[1].fired, 2);
    assert_int_equal(marks[1].at, MSECS(5));
    assert_int_equal(marks[2].fired, 3);
    assert_int_equal(marks[3].fired, 1);
    assert_int_equal(marks[4].fired, 0);
    wheel_free(&w);
}

/* ---- networks ------------------------------------------------------------------------------ */

static void two_nodes_of_which_one_knows_the_others_address_are_a_network(void **state)
{
    (void)state;
    struct crowd c;
    crowd_grow(&c, 2, NEVER, SECONDS(600));
    struct trials_report r = try_out(&c, 20);
    assert_int_equal(r.over, 20);
    assert_int_equal(r.found, 20);
    crowd_free(&c);
}

static void what_is_announced_is_found_under_churn_and_loss(void **state)
{
    (void)state;
    struct crowd c;
    crowd_grow(&c, 400, SECONDS(3600), SECONDS(480));
    struct trials_report r = try_out(&c, 400);
    assert_true(r.over > 380);
    assert_true((double)r.found >= 0.995 * (double)r.over);
    assert_true(r.stored.mean > 7.5);
    crowd_free(&c);
}

static void eight_times_as_many_nodes_cost_a_step_more(void **state)
{
    (void)state;
    struct trials_report r[2];
    for (int i = 0; i < 2; i++) {
        struct crowd c;
        crowd_grow(&c, i == 0 ? 60 : 480, SECONDS(3600), SECONDS(480));
        r[i] = try_out(&c, 100);
        crowd_free(&c);
    }
    assert_true(r[1].hops.mean > r[0].hops.mean);
    assert_true(r[1].hops.mean < r[0].hops.mean + 2);
    assert_true(r[1].questions.mean < r[0].questions.mean * 2);
}

static void one_seed_is_one_run(void **state)
{
    (void)state;
    uint64_t datagrams[2], lost[2];
    for (int i = 0; i < 2; i++) {
        struct crowd c;
        crowd_grow(&c, 100, SECONDS(600), SECONDS(600));
        datagrams[i] = c.datagrams;
        lost[i] = c.lost;
        crowd_free(&c);
    }
    assert_true(datagrams[0] > 10000);
    assert_int_equal(datagrams[0], datagrams[1]);
    assert_int_equal(lost[0], lost[1]);
}

/* ---- items through days of churn ----------------------------------------------------------- */

static void an_item_dies_in_hours_without_a_keeper_and_lives_for_days_with_one(void **state)
{
    (void)state;
    struct crowd c;
    struct vigil v;
    crowd_grow(&c, 60, SECONDS(3600), SECONDS(480));
    vigil_keep(&v, &c, 10, false, SECONDS(4 * 3600));
    assert_true(vigil_between(&v, 0, 1).found >= 28); /* of 30 looks */
    assert_int_equal(vigil_between(&v, 2, 4).found, 0);
    vigil_keep(&v, &c, 10, true, SECONDS(48 * 3600));
    struct vigil_hour all = vigil_between(&v, 0, 48), old = vigil_between(&v, 27, 48);
    assert_true(all.looked > 1400 && all.found >= all.looked * 995 / 1000);
    /* Half-way, a newer one was put by somebody who left; then one who slept came back with the
     * first, and did not put it in the newer one's place. */
    assert_int_equal(old.newest, old.found);
    crowd_free(&c);
}

/* ---- and those who are against them -------------------------------------------------------- */

struct outcome {
    double found, said;
};

static struct outcome lay_siege(double share, enum hostile_ids ids, enum hostile_words words)
{
    struct crowd c;
    struct hostile h;
    struct siege s;
    struct node_id target = {{7, 1, 2, 3}};
    crowd_grow(&c, 300, SECONDS(3600), SECONDS(300));
    hostile_join(&h, &c, (unsigned)(share / (1 - share) * 300), ids, words, &target);
    crowd_run(&c, c.wheel.now + SECONDS(600));
    siege_lay(&s, &c, &target, 60);
    hostile_free(&h);
    crowd_free(&c);
    assert_true(s.over > 50);
    return (struct outcome){(double)s.found_any / s.over, (double)s.said / s.over};
}

static void a_tenth_that_is_hostile_does_not_hide_an_info_hash(void **state)
{
    (void)state;
    assert_true(lay_siege(0.1, HOSTILE_FITTING, HOSTILE_PRAISE).found >= 0.95);
    struct outcome chosen = lay_siege(0.1, HOSTILE_CHOSEN, HOSTILE_PRAISE);
    assert_true(chosen.found >= 0.95);
    assert_true(chosen.said >= 0.95); /* ids that are too near to be chance */
}

/* They name the honest ones that hold it under false ids, at false ports and beside false
 * neighbours. */
static void a_tenth_that_slanders_the_others_does_not_hide_it_either(void **state)
{
    (void)state;
    assert_true(lay_siege(0.1, HOSTILE_FITTING, HOSTILE_SLANDER).found >= 0.95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_at_their_time_in_their_order_however_far_they_lie),
        cmocka_unit_test(two_nodes_of_which_one_knows_the_others_address_are_a_network),
        cmocka_unit_test(what_is_announced_is_found_under_churn_and_loss),
        cmocka_unit_test(eight_times_as_many_nodes_cost_a_step_more),
        cmocka_unit_test(one_seed_is_one_run),
        cmocka_unit_test(an_item_dies_in_hours_without_a_keeper_and_lives_for_days_with_one),
        cmocka_unit_test(a_tenth_that_is_hostile_does_not_hide_an_info_hash),
        cmocka_unit_test(a_tenth_that_slanders_the_others_does_not_hide_it_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
