/* A tracker over UDP and many torrents that name it, by a whole node in the simulated world: they
 * share its connection ids (BEP 15), and what they find out about it. */
#include "lone_node.h"
#include "node/node_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MANY 300u
#define CONNECT 0u
#define ANNOUNCE 1u
#define SCRAPE 2u
#define REFUSAL 3u

static struct lone_node lone;
static struct kith_torrent *torrents[MANY];
static struct env_udp *socket_;
static unsigned connects, announces, goodbyes;
static uint64_t id; /* that the tracker gives */
static bool deaf;   /* it hears nothing */
static bool deaf_to_announces;

static size_t answer(const uint8_t *q, size_t size, uint8_t *out)
{
    store_u32(out + 4, load_u32(q + 12));
    if (load_u32(q + 8) == CONNECT && size == 16) {
        connects++;
        store_u32(out, CONNECT);
        store_u64(out + 8, id);
        return 16;
    }
    if (load_u64(q) != id) {
        store_u32(out, REFUSAL);
        memcpy(out + 8, "who are you", 11);
        return 19;
    }
    if (load_u32(q + 8) == SCRAPE) {
        store_u32(out, SCRAPE);
        memset(out + 8, 0, (size - 16) / 20 * 12);
        return 8 + (size - 16) / 20 * 12;
    }
    if (deaf_to_announces)
        return 0;
    announces++;
    goodbyes += load_u32(q + 80) == TRACKER_STOPPED;
    store_u32(out, ANNOUNCE);
    store_u32(out + 8, 1800);
    memset(out + 12, 0, 8);
    return 20;
}

static void hear(void *user)
{
    uint8_t in[2048], out[1024];
    struct env_datagram d = {.data = in, .size = sizeof in};
    (void)user;
    for (; env_udp_receive(socket_, &d, 1) == 1; d.data = in, d.size = sizeof in) {
        d.size = deaf || d.size < 16 ? 0 : answer(in, d.size, out);
        d.data = out;
        if (d.size > 0)
            env_udp_send(socket_, &d, 1);
    }
}

static void begin(usec resolve_max)
{
    struct sim_config config = sim_config_calm(1);
    struct kith_options options;
    struct endpoint at = endpoint_v4(0x32010203, 6969);
    config.resolve_max = resolve_max;
    lone_begin(&lone, &config);
    sim_name_add(lone.world, "tracker.example", "50.1.2.3");
    struct sim_host *tracker =
        sim_host_new(lone.world, &(struct sim_host_config){.name = "t", .addresses = {"50.1.2.3"}});
    assert_int_equal(env_udp_open(sim_host_env(tracker), &at, NULL, hear, NULL, &socket_), 0);
    connects = announces = goodbyes = 0;
    id = 0x1234;
    deaf = deaf_to_announces = false;
    KITH_INIT(options);
    options.dht = KITH_DHT_OFF;
    lone_open(&lone, &options);
}

static void add(unsigned number, const char *tracker)
{
    struct kith_add add;
    char link[160];
    snprintf(link, sizeof link, "magnet:?xt=urn:btih:%040x&tr=udp%%3A%%2F%%2F%s%%2Fannounce",
        number + 1, tracker);
    KITH_INIT(add);
    add.link = link;
    add.folder = "/d";
    assert_int_equal(kith_add(lone.node, &add, &torrents[number]), 0);
}

static void add_many(const char *tracker)
{
    for (unsigned i = 0; i < MANY; i++)
        add(i, tracker);
}

static void end(void)
{
    env_udp_close(socket_);
    lone_end(&lone);
}

static unsigned told(const char *words)
{
    unsigned count = 0;
    for (unsigned i = 0; i < MANY; i++) {
        struct kith_tracker t;
        KITH_INIT(t);
        count += torrents[i] && kith_tracker(torrents[i], 0, &t) == 0 && strcmp(t.text, words) == 0;
    }
    return count;
}

static void torrents_of_one_tracker_connect_once(void **state)
{
    (void)state;
    begin(MSECS(10));
    add_many("50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(10));
    assert_int_equal(connects, 1);
    assert_int_equal(announces, MANY);
    lone_pass(&lone, SECONDS(60)); /* one that comes when the id is old */
    kith_pause(torrents[0]);
    lone_pass(&lone, SECONDS(5));
    assert_int_equal(connects, 2);
    assert_int_equal(goodbyes, 1);
    end();
}

static void so_do_they_if_it_goes_by_a_name(void **state)
{
    (void)state;
    begin(MSECS(10));
    add_many("tracker.example%3A6969");
    lone_pass(&lone, SECONDS(10));
    assert_int_equal(connects, 1);
    assert_int_equal(announces, MANY);
    end();
}

static void a_tracker_that_has_forgotten_its_ids_is_asked_for_one_more(void **state)
{
    (void)state;
    begin(MSECS(10));
    add(0, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(20));
    id = 0x5678; /* it was started anew */
    for (unsigned i = 1; i < MANY; i++)
        add(i, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(10));
    assert_int_equal(announces, MANY);
    assert_int_equal(connects, 2);
    end();
}

static void an_id_that_is_not_answered_is_not_believed_in(void **state)
{
    (void)state;
    begin(MSECS(10));
    add(0, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(1));
    deaf_to_announces = true; /* as many do that were started anew */
    for (unsigned i = 1; i < MANY; i++)
        add(i, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(10));
    deaf_to_announces = false;
    id = 0x5678;
    lone_pass(&lone, SECONDS(10));
    assert_int_equal(announces, MANY);
    assert_int_equal(connects, 2);
    end();
}

static void who_waited_takes_the_place_of_one_that_went(void **state)
{
    (void)state;
    begin(MSECS(10));
    deaf = true;
    add_many("50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(5));
    deaf = false;
    kith_remove(torrents[0]); /* it has asked */
    torrents[0] = NULL;
    lone_pass(&lone, SECONDS(5));
    assert_int_equal(connects, 1);
    assert_int_equal(announces, MANY - 1);
    end();
}

static void silence_to_one_is_silence_to_all_that_waited_with_it(void **state)
{
    (void)state;
    begin(MSECS(10));
    deaf = true;
    add_many("50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(110));
    assert_int_equal(told("does not answer"), MANY);
    deaf = false;
    lone_pass(&lone, SECONDS(300));
    assert_int_equal(announces, MANY);
    assert_int_equal(told(""), MANY);
    end();
}

static void a_number_needs_no_resolver(void **state)
{
    (void)state;
    begin(SECONDS(3600));
    for (unsigned i = 0; i + 1 < MANY; i++)
        add(i, "tracker.example%3A6969");
    add(MANY - 1, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(2));
    assert_int_equal(announces, 1);
    end();
}

static bool removed(void *user)
{
    const struct kith_event *e;
    (void)user;
    while ((e = kith_next_event(lone.node)) != NULL)
        if (kith_event_type(e) == KITH_EVENT_REMOVED)
            return true;
    return false;
}

static void a_goodbye_that_was_given_up_is_not_waited_for_again(void **state)
{
    (void)state;
    begin(MSECS(10));
    add(0, "50.1.2.3%3A6969");
    lone_pass(&lone, SECONDS(5));
    deaf = true;
    kith_pause(torrents[0]);
    lone_pass(&lone, SECONDS(5));
    kith_remove(torrents[0]);
    torrents[0] = NULL;
    assert_int_equal(
        sim_world_run_until(lone.world, sim_world_now(lone.world) + MSECS(200), removed, NULL),
        SIM_REACHED);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torrents_of_one_tracker_connect_once),
        cmocka_unit_test(so_do_they_if_it_goes_by_a_name),
        cmocka_unit_test(a_tracker_that_has_forgotten_its_ids_is_asked_for_one_more),
        cmocka_unit_test(an_id_that_is_not_answered_is_not_believed_in),
        cmocka_unit_test(who_waited_takes_the_place_of_one_that_went),
        cmocka_unit_test(silence_to_one_is_silence_to_all_that_waited_with_it),
        cmocka_unit_test(a_number_needs_no_resolver),
        cmocka_unit_test(a_goodbye_that_was_given_up_is_not_waited_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
