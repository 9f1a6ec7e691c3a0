/* A tracker that swallows every question holds up nobody else's for long, however many torrents
 * name it: a whole node in the simulated world. */
#include "lone_node.h"
#include "node/node_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SILENT_TORRENTS (10u * TRACKER_CALLS_HTTP_MAX)

static unsigned asked, answered;

static void swallow(void *user, const struct sim_http_request *q, struct sim_http_reply *r)
{
    (void)user;
    (void)q;
    asked++;
    r->delay = NEVER;
}

static void answer(void *user, const struct sim_http_request *q, struct sim_http_reply *r)
{
    (void)user;
    (void)q;
    answered++;
    builder_str(
        &r->body, "d8:completei1e10:downloadedi2e10:incompletei3e8:intervali1800e5:peers0:e");
}

static void add(struct kith_node *n, unsigned number, const char *tracker)
{
    struct kith_torrent *torrent;
    struct kith_add add;
    char link[160];
    snprintf(link, sizeof link, "magnet:?xt=urn:btih:%040x&tr=http%%3A%%2F%%2F%s%%2Fannounce",
        number, tracker);
    KITH_INIT(add);
    add.link = link;
    add.folder = "/d";
    assert_int_equal(kith_add(n, &add, &torrent), 0);
}

static void calls_that_wait_learn_that_their_tracker_was_silent_to_others(void **state)
{
    struct sim_config config = sim_config_calm(1);
    struct kith_options options;
    struct lone_node lone;
    (void)state;
    lone_begin(&lone, &config);
    sim_http_serve(lone.world, "http://silent.example/", swallow, NULL);
    sim_http_serve(lone.world, "http://alive.example/", answer, NULL);
    sim_name_add(lone.world, "silent.example", "50.1.2.3");
    sim_name_add(lone.world, "alive.example", "50.1.2.4");
    KITH_INIT(options);
    lone_open(&lone, &options);
    for (unsigned i = 1; i <= SILENT_TORRENTS; i++)
        add(lone.node, i, "silent.example");
    add(lone.node, SILENT_TORRENTS + 1, "alive.example");
    /* The first of them take half a minute to find out; the rest none. */
    lone_pass(&lone, SECONDS(40));
    assert_int_equal(answered, 1);
    assert_true(asked < 2 * TRACKER_CALLS_HTTP_MAX);
    lone_end(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_wait_learn_that_their_tracker_was_silent_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
