/* A node of the DHT among others of its kind, on a virtual clock. */
#include "tests/dht/net.h"

static struct net net;

static int set_up(void **state)
{
    (void)state;
    net_init(&net, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    net_free(&net);
    return 0;
}

struct outcome {
    bool done;
    struct dht_result result;
    unsigned peers;
    struct endpoint peer;
};

static void note_done(void *user, const struct dht_result *r)
{
    struct outcome *o = user;
    o->done = true;
    o->result = *r;
}

static void note_peers(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t count)
{
    struct outcome *o = user;
    (void)from;
    o->peers += (unsigned)count;
    o->peer = peers[0];
}

static struct node_id some_key(uint8_t byte)
{
    struct node_id key;
    memset(key.b, byte, sizeof key.b);
    key.b[0] ^= 0x5a;
    return key;
}

static struct outcome get_peers(struct net_node *n, uint8_t key)
{
    struct outcome o = {0};
    struct dht_request r = {.aim = DHT_GET_PEERS,
        .target = some_key(key),
        .user = &o,
        .done = note_done,
        .peers = note_peers};
    assert_non_null(dht_search(n->dht, &r, net.now));
    net_run(&net, SECONDS(30));
    assert_true(o.done);
    return o;
}

static struct outcome announce(struct net_node *n, uint8_t key)
{
    struct outcome o = {0};
    struct dht_request r = {.aim = DHT_GET_PEERS,
        .target = some_key(key),
        .user = &o,
        .done = note_done,
        .peers = note_peers,
        .announce = true,
        .port = 6881};
    assert_non_null(dht_search(n->dht, &r, net.now));
    net_run(&net, SECONDS(30));
    assert_true(o.done);
    return o;
}

static void two_nodes_that_know_one_address_form_a_network(void **state)
{
    (void)state;
    struct net_node *a = net_add(&net, NULL), *b = net_add(&net, NULL);
    dht_add_contact(a->dht, &b->at, DHT_CONTACT_NODE, net.now);
    net_run(&net, SECONDS(20));
    struct dht_status s;
    dht_status(a->dht, &s, net.now);
    assert_int_equal(s.good, 1);
    dht_status(b->dht, &s, net.now);
    assert_int_equal(s.good, 1);
    assert_int_equal(announce(a, 1).result.stored, 1);
    assert_int_equal(get_peers(b, 1).peers, 1); /* B holds it itself */
    assert_int_equal(get_peers(a, 1).peers, 1);
}

static void what_is_announced_is_found_by_anybody(void **state)
{
    (void)state;
    net_grow(&net, 200);
    for (unsigned i = 0; i < 20; i++) {
        struct outcome o = announce(&net.nodes[next_random(&net.random) % 200], (uint8_t)i);
        assert_true(o.result.stored >= 6);
        assert_true(o.result.asked < 60);
        o = get_peers(&net.nodes[next_random(&net.random) % 200], (uint8_t)i);
        assert_true(o.peers >= 1);
        assert_int_equal(o.peer.port, 6881);
    }
}

/* Who is named again and again, and finds no room in the table, is not asked again and again. */
static void a_small_network_that_has_settled_is_quiet(void **state)
{
    (void)state;
    struct dht_status before[24], after;
    net_grow(&net, 24);
    for (unsigned i = 0; i < 24; i++)
        dht_status(net.nodes[i].dht, &before[i], net.now);
    net_run(&net, SECONDS(3600));
    for (unsigned i = 0; i < 24; i++) {
        dht_status(net.nodes[i].dht, &after, net.now);
        assert_true(after.sent_packets - before[i].sent_packets < 1000);
    }
}

/* ---- what was known last time -------------------------------------------------------------- */

#define SAVED 500u

struct asked {
    unsigned of_saved, all, router_after;
    struct endpoint router;
};

static bool note_asked(void *user, const struct net_datagram *d)
{
    struct asked *a = user;
    a->all++;
    a->of_saved += d->to.ip[0] == 8;
    if (endpoint_equal(&d->to, &a->router) && a->router_after == 0)
        a->router_after = a->all;
    return true;
}

static void load(struct net_node *n)
{
    static uint8_t nodes[SAVED * 26];
    struct builder list = builder_fixed(nodes, sizeof nodes), text = builder_heap(1 << 20);
    for (unsigned i = 0; i < SAVED; i++)
        krpc_put_node(&list,
            &(struct krpc_node){some_key((uint8_t)i), endpoint_v4(0x08000001 + i * 256, 6881)});
    builder_format(&text, "d2:id20:abcdefghij01234567895:nodes%zu:", list.size);
    builder_span(&text, builder_bytes(&list));
    builder_u8(&text, 'e');
    assert_int_equal(dht_load(n->dht, builder_bytes(&text), net.now), 0);
    builder_free(&text);
}

/* All of those that are gone, and none keeps a host that the user named waiting. */
static void all_that_were_known_are_asked_and_a_router_before_them(void **state)
{
    (void)state;
    struct net_node *n = net_add(&net, NULL);
    struct asked a = {.router = endpoint_v4(0x09090909, 6881)};
    net.tap = note_asked;
    net.tap_user = &a;
    load(n);
    dht_add_contact(n->dht, &a.router, DHT_CONTACT_ROUTER, net.now);
    net_run(&net, SECONDS(1800));
    net.tap = NULL;
    assert_true(a.of_saved >= SAVED);
    assert_in_range(a.router_after, 1, DHT_CONTACTS_ASKED + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_nodes_that_know_one_address_form_a_network),
        TEST(what_is_announced_is_found_by_anybody),
        TEST(a_small_network_that_has_settled_is_quiet),
        TEST(all_that_were_known_are_asked_and_a_router_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
