/* Scrapes (BEP 48), by whole nodes in the simulated world: asked only where an announce did not
 * count, of several torrents in one question, and one by one where a tracker wants it so. */
#include "lone_node.h"
#include "node/node_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TORRENTS 5u

static struct lone_node lone;
static struct kith_torrent *torrents[TORRENTS];
static unsigned scrapes, asked; /* questions, and torrents in them */
static bool announces_count, one_only, silent;

static unsigned hashes_in(const char *url)
{
    unsigned count = 0;
    for (const char *at = strstr(url, "info_hash="); at; at = strstr(at + 1, "info_hash="))
        count++;
    return count;
}

static unsigned digit(const char *hex)
{
    return (unsigned)(*hex <= '9' ? *hex - '0' : (*hex | 32) - 'a' + 10);
}

static void put_counts(struct builder *b, const char *url)
{
    builder_str(b, "d5:filesd");
    for (const char *at = strstr(url, "info_hash="); at; at = strstr(at, "info_hash=")) {
        at += 10;
        builder_str(b, "20:");
        for (unsigned i = 0; i < 20; i++) {
            builder_u8(
                b, *at == '%' ? (uint8_t)(digit(at + 1) << 4 | digit(at + 2)) : (uint8_t)*at);
            at += *at == '%' ? 3 : 1;
        }
        builder_str(b, "d8:completei7e10:downloadedi99e10:incompletei5ee");
    }
    builder_str(b, "ee");
}

static void tracker(void *user, const struct sim_http_request *q, struct sim_http_reply *r)
{
    (void)user;
    if (strstr(q->url, "/announce")) {
        builder_str(&r->body,
            announces_count
                ? "d8:completei1e10:downloadedi2e10:incompletei3e8:intervali1800e5:peers0:e"
                : "d8:intervali1800e5:peers0:e");
        return;
    }
    unsigned count = hashes_in(q->url);
    scrapes++;
    asked += count;
    if (silent)
        r->err = KITH_E_REFUSED;
    else if (one_only && count > 1)
        r->status = 400;
    else
        put_counts(&r->body, q->url);
}

static void make_node(const char *state_file)
{
    struct sim_config config = sim_config_calm(1);
    struct kith_options options;
    scrapes = asked = 0;
    lone_begin(&lone, &config);
    sim_http_serve(lone.world, "http://tracker.example/", tracker, NULL);
    sim_name_add(lone.world, "tracker.example", "50.1.2.3");
    KITH_INIT(options);
    options.state_file = state_file;
    lone_open(&lone, &options);
}

static void begin(void)
{
    struct kith_add add;
    char link[160];
    make_node(NULL);
    for (unsigned i = 0; i < TORRENTS; i++) {
        snprintf(link, sizeof link,
            "magnet:?xt=urn:btih:%040x&tr=http%%3A%%2F%%2Ftracker.example%%2Fannounce", i + 1);
        KITH_INIT(add);
        add.link = link;
        add.folder = "/d";
        assert_int_equal(kith_add(lone.node, &add, &torrents[i]), 0);
    }
}

static void expect_counts(int64_t seeders, int64_t leechers, int64_t completed)
{
    for (unsigned i = 0; i < TORRENTS; i++) {
        struct kith_tracker t;
        struct kith_status s;
        KITH_INIT(t);
        KITH_INIT(s);
        assert_int_equal(kith_tracker(torrents[i], 0, &t), 0);
        assert_int_equal(t.seeders, seeders);
        assert_int_equal(t.leechers, leechers);
        assert_int_equal(t.completed, completed);
        kith_status(torrents[i], &s);
        assert_int_equal(s.swarm_seeders, seeders);
        assert_int_equal(s.swarm_leechers, leechers);
        assert_int_equal(s.swarm_completed, completed);
    }
}

static void torrents_of_one_tracker_share_a_scrape_once_an_hour(void **state)
{
    (void)state;
    announces_count = one_only = false;
    begin();
    lone_pass(&lone, SECONDS(60));
    assert_int_equal(scrapes, 1);
    assert_int_equal(asked, TORRENTS);
    expect_counts(7, 5, 99);
    lone_pass(&lone, SECONDS(3500));
    assert_int_equal(scrapes, 1);
    lone_pass(&lone, SECONDS(120));
    assert_int_equal(scrapes, 2);
    lone_end(&lone);
}

static void an_announce_that_counts_makes_a_scrape_needless(void **state)
{
    (void)state;
    announces_count = true;
    begin();
    lone_pass(&lone, SECONDS(4000));
    assert_int_equal(scrapes, 0);
    expect_counts(1, 3, 2);
    lone_end(&lone);
}

static void a_tracker_that_takes_one_at_a_time_is_asked_so_and_not_in_a_burst(void **state)
{
    (void)state;
    announces_count = false;
    one_only = true;
    begin();
    lone_pass(&lone, SECONDS(60));
    assert_int_equal(scrapes, 1 + TORRENTS);
    expect_counts(7, 5, 99);
    lone_end(&lone);
}

static void a_tracker_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    announces_count = one_only = false;
    silent = true;
    begin();
    lone_pass(&lone, SECONDS(36000));
    silent = false;
    assert_int_equal(scrapes, 3);
    assert_int_equal(asked, 3 * TORRENTS); /* not one by one: silence is no refusal */
    expect_counts(-1, -1, -1);
    lone_end(&lone);
}

/* A sleeper counts like any other, and does not stand in the way of those who are awake. */
static void a_torrent_that_sleeps_is_scraped_along(void **state)
{
    const char *trackers[] = {"http://tracker.example/announce"};
    char state_file[64], others[80];
    struct kith_share share;
    struct kith_add add;
    (void)state;
    announces_count = one_only = false;
    snprintf(state_file, sizeof state_file, "/tmp/kith-scrape-%ld.db", (long)getpid());
    make_node(state_file);
    assert_int_equal(sim_disk_put(lone.host, state_file, bytes_of("some data", 9)), 0);
    KITH_INIT(share);
    share.path = state_file; /* a name that the real disk knows, too: realpath() */
    share.trackers = trackers;
    share.tracker_count = 1;
    assert_int_equal(kith_share(lone.node, &share, &torrents[0]), 0);
    KITH_INIT(add);
    add.folder = "/e";
    add.link = "magnet:?xt=urn:btih:00000000000000000000000000000000000000ab"
               "&tr=http%3A%2F%2Ftracker.example%2Fannounce";
    lone_pass(&lone, SECONDS(600));
    assert_true(torrents[0]->asleep);
    assert_int_equal(scrapes, 1);
    assert_int_equal(asked, 2); /* both swarms of a hybrid */
    assert_int_equal(kith_add(lone.node, &add, &torrents[1]), 0);
    lone_pass(&lone, SECONDS(60));
    assert_int_equal(scrapes, 2);
    assert_int_equal(asked, 3);
    lone_pass(&lone, SECONDS(3600));
    assert_true(torrents[0]->asleep);
    assert_int_equal(scrapes, 4); /* ten minutes apart: not gathered */
    assert_int_equal(asked, 6);
    lone_end(&lone);
    static const char *const kept[] = {"", "-wal", "-shm", ".1", ".lock"};
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(others, sizeof others, "%s%s", state_file, kept[i]);
        unlink(others);
    }
}

/* A newer program with an older library: what the library does not know stays zero. */
static void a_larger_struct_is_filled_as_far_as_it_is_known(void **state)
{
    struct {
        struct kith_tracker known;
        uint64_t newer[3];
    } t;
    struct {
        struct kith_status known;
        uint64_t newer[3];
    } s;
    (void)state;
    announces_count = true;
    begin();
    lone_pass(&lone, SECONDS(60));
    memset(&t, 0xff, sizeof t);
    memset(&s, 0xff, sizeof s);
    t.known.size = sizeof t;
    s.known.size = sizeof s;
    assert_int_equal(kith_tracker(torrents[0], 0, &t.known), 0);
    assert_int_equal(kith_status(torrents[0], &s.known), 0);
    assert_int_equal(t.known.size, sizeof t);
    assert_int_equal(t.known.seeders, 1);
    assert_int_equal(s.known.swarm_seeders, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(t.newer[i] == 0 && s.newer[i] == 0);
    t.known.size = offsetof(struct kith_tracker, seeders);
    t.known.seeders = 77;
    assert_int_equal(kith_tracker(torrents[0], 0, &t.known), 0);
    assert_int_equal(t.known.seeders, 77); /* an older program has no such field */
    lone_end(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torrents_of_one_tracker_share_a_scrape_once_an_hour),
        cmocka_unit_test(an_announce_that_counts_makes_a_scrape_needless),
        cmocka_unit_test(a_tracker_that_takes_one_at_a_time_is_asked_so_and_not_in_a_burst),
        cmocka_unit_test(a_tracker_that_does_not_answer_is_given_up),
        cmocka_unit_test(a_torrent_that_sleeps_is_scraped_along),
        cmocka_unit_test(a_larger_struct_is_filled_as_far_as_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
