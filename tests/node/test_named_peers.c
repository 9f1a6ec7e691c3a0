/* Peers that go by a name, by a whole node in the simulated world: how often, and when, names are
 * looked up, and how much is said of it. */
#include "lone_node.h"
#include "node/node_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HASH "magnet:?xt=urn:btih:00000000000000000000000000000000000000ab"

static struct lone_node lone;
static struct kith_torrent *torrent;

static void begin(const char *link, const char *peer, bool paused)
{
    struct sim_config config = sim_config_calm(1);
    struct kith_options options;
    struct kith_add add;
    lone_begin(&lone, &config);
    sim_name_add(lone.world, "known.example", "50.1.2.3");
    KITH_INIT(options);
    lone_open(&lone, &options);
    KITH_INIT(add);
    add.link = link;
    add.folder = "/d";
    add.peers = &peer;
    add.peer_count = peer ? 1 : 0;
    add.paused = paused;
    assert_int_equal(kith_add(lone.node, &add, &torrent), 0);
}

static void a_links_name_is_given_up_and_the_users_is_not(void **state)
{
    (void)state;
    begin(HASH "&x.pe=nowhere.example:1", NULL, false);
    lone_pass(&lone, SECONDS(10));
    assert_true(named_peers_wait(torrent)); /* once more */
    lone_pass(&lone, SECONDS(20));
    assert_false(named_peers_wait(torrent));
    lone_end(&lone);
    begin(HASH, "nowhere.example:1", false);
    lone_pass(&lone, SECONDS(3600));
    assert_true(named_peers_wait(torrent));
    sim_name_add(lone.world, "nowhere.example", "50.1.2.4");
    lone_pass(&lone, SECONDS(301));
    assert_false(named_peers_wait(torrent));
    lone_end(&lone);
}

static void no_name_is_looked_up_while_its_torrent_is_paused(void **state)
{
    (void)state;
    begin(HASH "&x.pe=known.example:1", NULL, true);
    lone_pass(&lone, SECONDS(600));
    assert_true(named_peers_wait(torrent));
    kith_resume(torrent);
    lone_pass(&lone, SECONDS(10));
    assert_false(named_peers_wait(torrent));
    lone_end(&lone);
}

static void names_beyond_the_bound_are_told_in_one_event(void **state)
{
    const struct kith_event *e;
    char link[4096] = HASH;
    unsigned beyond = 0, others = 0;
    (void)state;
    for (unsigned i = 0; i < 3 * NODE_NAMED_PEERS_MAX; i++)
        snprintf(link + strlen(link), sizeof link - strlen(link), "&x.pe=n%u.example:1", i);
    begin(link, NULL, false);
    lone_pass(&lone, SECONDS(600));
    while ((e = kith_next_event(lone.node)) != NULL) {
        beyond += kith_event_type(e) == KITH_EVENT_WARNING && kith_event_error(e) == KITH_E_LIMIT;
        others +=
            kith_event_type(e) == KITH_EVENT_WARNING && kith_event_error(e) == KITH_E_NOT_FOUND;
    }
    assert_int_equal(beyond, 1);
    assert_int_equal(others, NODE_NAMED_PEERS_MAX); /* each once, though it is tried again */
    lone_end(&lone);
}

static unsigned connecting(void)
{
    struct kith_status st;
    KITH_INIT(st);
    assert_int_equal(kith_status(torrent, &st), 0);
    return st.peers_connecting;
}

static void an_attempt_that_is_given_up_by_the_node_is_no_attempt_any_more(void **state)
{
    (void)state;
    begin(HASH, "60.1.2.3:7000", false); /* nobody answers there */
    lone_pass(&lone, SECONDS(1));
    assert_int_equal(connecting(), 1);
    links_hang_up_all(lone.node); /* the way out is another */
    assert_int_equal(connecting(), 0);
    lone_pass(&lone, SECONDS(10));
    assert_int_equal(connecting(), 1);
    lone_end(&lone);
}

/* Its entry is freed with the event; the attempt would end in it. */
static void an_attempt_ends_with_the_torrent_that_it_was_for(void **state)
{
    const struct kith_event *e;
    bool removed = false;
    (void)state;
    begin(HASH, "60.1.2.3:7000", false);
    lone_pass(&lone, SECONDS(1));
    assert_int_equal(connecting(), 1);
    kith_remove(torrent);
    for (unsigned i = 0; i < 60 && !removed; i++) {
        lone_pass(&lone, MSECS(100));
        while ((e = kith_next_event(lone.node)) != NULL)
            removed |= kith_event_type(e) == KITH_EVENT_REMOVED;
    }
    assert_true(removed);
    assert_null(kith_next_event(lone.node));
    assert_int_equal(lone.node->connections, 0);
    lone_pass(&lone, SECONDS(60));
    lone_end(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_links_name_is_given_up_and_the_users_is_not),
        cmocka_unit_test(no_name_is_looked_up_while_its_torrent_is_paused),
        cmocka_unit_test(names_beyond_the_bound_are_told_in_one_event),
        cmocka_unit_test(an_attempt_that_is_given_up_by_the_node_is_no_attempt_any_more),
        cmocka_unit_test(an_attempt_ends_with_the_torrent_that_it_was_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
