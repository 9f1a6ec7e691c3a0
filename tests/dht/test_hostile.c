/* What strangers try with a DHT node: reflection, forged tokens, poison, made-up ids, floods. */
#include "tests/dht/net.h"

#include "format/bencode.h"

static struct net net;
static struct net_node *node;
static struct endpoint stranger;

static int set_up(void **state)
{
    (void)state;
    net_init(&net, 3);
    net_grow(&net, 30);
    node = &net.nodes[5];
    stranger = net_random_address(&net);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    net_free(&net);
    return 0;
}

static struct krpc_message heard;

/* A question out of nowhere; the answer, or NULL, is in `heard`. */
static const struct krpc_message *ask(struct krpc_message *m)
{
    static uint8_t text[KRPC_RECEIVE_MAX], answer[KRPC_RECEIVE_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    m->kind = KRPC_QUERY;
    m->transaction = bytes_of_str("zz");
    krpc_write(m, &b);
    assert_true(builder_ok(&b));
    net.last.size = 0;
    net_inject(&net, &stranger, &node->at, builder_bytes(&b));
    net_run(&net, MSECS(300));
    if (net.last.size == 0 || !endpoint_equal(&net.last.to, &stranger))
        return NULL;
    memcpy(answer, net.last.data, net.last.size);
    /* Its own ping back may have come last. */
    return krpc_parse(&heard, bytes_of(answer, net.last.size)) == 0 && heard.kind != KRPC_QUERY
               ? &heard
               : NULL;
}

static struct krpc_message question(enum krpc_method method)
{
    static struct krpc_message m;
    krpc_reset(&m);
    m.method = method;
    m.read_only = true; /* so that it is not pinged back */
    m.has_target = true;
    memset(m.id.b, 0x77, sizeof m.id.b);
    memset(m.target.b, 0x33, sizeof m.target.b);
    return m;
}

/* ---- reflection ---------------------------------------------------------------------------- */

struct meter {
    size_t in, out;
    struct endpoint victim;
};

static bool count(void *user, const struct net_datagram *d)
{
    struct meter *m = user;
    if (endpoint_same_ip(&d->to, &m->victim))
        m->out += d->size;
    if (endpoint_same_ip(&d->from, &m->victim))
        m->in += d->size;
    return true;
}

static struct meter reflect(struct krpc_message *m, unsigned times, usec pause)
{
    struct meter meter = {.victim = stranger};
    net.tap = count;
    net.tap_user = &meter;
    for (unsigned i = 0; i < times; i++) {
        ask(m);
        net_run(&net, pause);
    }
    net.tap = NULL;
    return meter;
}

static void announce_many(unsigned peers)
{
    struct krpc_message m = question(KRPC_GET_PEERS);
    for (unsigned i = 0; i < peers; i++) {
        stranger = net_random_address(&net);
        const struct krpc_message *r = ask(&m);
        assert_non_null(r);
        struct krpc_message a = question(KRPC_ANNOUNCE_PEER);
        uint8_t token[8];
        memcpy(token, r->token.data, 8);
        a.token = bytes_of(token, 8);
        a.port = 6881;
        assert_non_null(ask(&a));
        m = question(KRPC_GET_PEERS);
    }
}

static void no_answer_is_more_than_five_times_its_question(void **state)
{
    (void)state;
    announce_many(60);
    static const enum krpc_method methods[] = {
        KRPC_PING, KRPC_FIND_NODE, KRPC_GET_PEERS, KRPC_SAMPLE_INFOHASHES, KRPC_GET};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        for (unsigned want = 0; want < 4; want++) {
            stranger = net_random_address(&net);
            struct krpc_message m = question(methods[i]);
            m.want = want;
            struct meter meter = reflect(&m, 5, 0);
            assert_true(meter.in > 0 && meter.out > 0);
            assert_true(meter.out <= 5 * meter.in);
        }
}

static void a_victim_gets_no_more_than_its_budget(void **state)
{
    (void)state;
    announce_many(60);
    stranger = net_random_address(&net);
    struct krpc_message m = question(KRPC_GET_PEERS);
    struct meter meter = reflect(&m, 300, 0); /* 300 questions in 90 s */
    assert_true(meter.out <= (90 + 10) * 2048);
    assert_true(meter.out <= 5 * meter.in);
}

/* The same question with every item that is the longest: budgets are all that helps. */
static void the_longest_item_is_sent_within_the_budget(void **state)
{
    (void)state;
    static char value[KRPC_VALUE_MAX];
    struct builder b = builder_fixed(value, sizeof value);
    builder_str(&b, "996:");
    while (b.size < sizeof value)
        builder_u8(&b, 'x');
    struct krpc_message m = question(KRPC_GET), p = question(KRPC_PUT);
    struct dht_item item = {.value = builder_bytes(&b)};
    m.target = dht_item_target(&item);
    const struct krpc_message *r = ask(&m);
    uint8_t token[8];
    memcpy(token, r->token.data, 8);
    p.token = bytes_of(token, 8);
    p.value = item.value;
    p.has_target = false;
    r = ask(&p);
    assert_non_null(r);
    assert_int_equal(r->kind, KRPC_RESPONSE);
    stranger = net_random_address(&net);
    r = ask(&m);
    assert_non_null(r);
    assert_int_equal(r->value.size, sizeof value);
    struct meter meter = reflect(&m, 100, 0); /* in 30 s */
    assert_true(meter.out <= (30 + 10) * 2048);
}

/* BEP 32: at most 1024 bytes, filters and both families' nodes included. */
static void no_answer_is_longer_than_any_link_takes(void **state)
{
    (void)state;
    announce_many(60);
    struct krpc_message m = question(KRPC_GET_PEERS);
    m.scrape = true;
    m.want = KRPC_WANT_NODES | KRPC_WANT_NODES6;
    m.salt = bytes_of_str(
        "so that the question is a long one, and its answer may be five times as long");
    struct meter meter = reflect(&m, 1, 0);
    assert_in_range(meter.out, 2 * KRPC_BLOOM_SIZE, 1024);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static void the_local_networks_peers_are_told_to_it_alone(void **state)
{
    (void)state;
    struct krpc_message m = question(KRPC_GET_PEERS), a = question(KRPC_ANNOUNCE_PEER);
    struct endpoint far = stranger;
    stranger = endpoint_v4(0xc0a80105, 5000);
    const struct krpc_message *r = ask(&m);
    assert_non_null(r);
    uint8_t token[8];
    memcpy(token, r->token.data, 8);
    a.token = bytes_of(token, 8);
    a.port = 5000;
    assert_non_null(ask(&a));
    stranger = endpoint_v4(0xc0a80106, 5000);
    r = ask(&m);
    assert_true(r && r->value_count == 1);
    stranger = far;
    r = ask(&m);
    assert_true(r && r->value_count == 0);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static void an_announce_needs_a_token_of_its_address(void **state)
{
    (void)state;
    struct krpc_message m = question(KRPC_GET_PEERS), a = question(KRPC_ANNOUNCE_PEER);
    const struct krpc_message *r = ask(&m);
    uint8_t token[8];
    assert_int_equal(r->token.size, 8);
    memcpy(token, r->token.data, 8);
    a.token = bytes_of(token, 8);
    a.port = 6881;
    struct endpoint honest = stranger;
    stranger = net_random_address(&net); /* another address with the same token */
    r = ask(&a);
    assert_int_equal(r->error, KRPC_E_PROTOCOL);
    stranger = honest;
    a.token = bytes_of_str("12345678");
    r = ask(&a);
    assert_int_equal(r->error, KRPC_E_PROTOCOL);
    a.token = bytes_of(token, 8);
    r = ask(&a);
    assert_int_equal(r->kind, KRPC_RESPONSE);
    net_run(&net, SECONDS(700));
    r = ask(&a); /* ten minutes later it is worth nothing */
    assert_int_equal(r->error, KRPC_E_PROTOCOL);
}

static void a_put_needs_a_token_too(void **state)
{
    (void)state;
    struct krpc_message p = question(KRPC_PUT);
    p.value = bytes_of_str("5:hello");
    const struct krpc_message *r = ask(&p);
    assert_int_equal(r->error, KRPC_E_PROTOCOL);
}

/* ---- questions as they come ---------------------------------------------------------------- */

static void an_unknown_question_with_a_target_is_led_on(void **state)
{
    (void)state;
    static const char with[] = "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:"
                               "q6:future2:roi1e1:t2:aa1:y1:qe";
    static const char without[] =
        "d1:ad2:id20:abcdefghij0123456789e1:q6:future2:roi1e1:t2:aa1:y1:qe";
    net_inject(&net, &stranger, &node->at, bytes_of_str(with));
    net_run(&net, MSECS(300));
    assert_int_equal(krpc_parse(&heard, bytes_of(net.last.data, net.last.size)), 0);
    assert_true(heard.kind == KRPC_RESPONSE && heard.has_nodes && heard.nodes.size > 0);
    net_inject(&net, &stranger, &node->at, bytes_of_str(without));
    net_run(&net, MSECS(300));
    assert_int_equal(krpc_parse(&heard, bytes_of(net.last.data, net.last.size)), 0);
    assert_true(heard.kind == KRPC_ERROR && heard.error == KRPC_E_METHOD);
}

static void samples_are_said_even_if_there_are_none(void **state)
{
    (void)state;
    struct krpc_message m = question(KRPC_SAMPLE_INFOHASHES);
    const struct krpc_message *r = ask(&m);
    assert_true(r->has_samples && r->samples.size == 0 && r->num == 0);
    assert_true(r->interval > 0);
}

static void the_asker_is_told_its_address(void **state)
{
    (void)state;
    struct krpc_message m = question(KRPC_PING);
    const struct krpc_message *r = ask(&m);
    assert_true(endpoint_equal(&r->external, &stranger));
}

static void what_bears_our_own_id_is_dropped(void **state)
{
    (void)state;
    struct dht_status s;
    dht_status(node->dht, &s, net.now);
    struct krpc_message m = question(KRPC_PING);
    m.id = s.id;
    assert_null(ask(&m));
}

static void a_read_only_asker_is_answered_and_not_asked_back(void **state)
{
    (void)state;
    struct krpc_message m = question(KRPC_FIND_NODE);
    struct meter meter = {.victim = stranger};
    net.tap = count;
    net.tap_user = &meter;
    assert_non_null(ask(&m));
    size_t after_answer = meter.out;
    net_run(&net, SECONDS(60));
    assert_int_equal(meter.out, after_answer);
    net.tap = NULL;
}

static void noise_is_not_answered(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct meter meter = {.victim = stranger};
    net.tap = count;
    net.tap_user = &meter;
    for (unsigned i = 0; i < 200; i++) {
        uint8_t noise[200];
        for (unsigned j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)next_random(&random);
        noise[0] = 'd';
        net_inject(&net, &stranger, &node->at, bytes_of(noise, sizeof noise));
    }
    net_run(&net, SECONDS(20));
    assert_int_equal(meter.out, 0);
    net.tap = NULL;
}

/* ---- poison -------------------------------------------------------------------------------- */

struct poison {
    struct net *net;
    struct endpoint liar;
    unsigned local, other;
    bool made_up; /* an id made up for each question, near what is looked for */
    bool shut;
};

/* Answers for the liar's address whatever is asked of it. */
static void answer_for(struct poison *p, const struct net_datagram *d)
{
    static struct krpc_message q, r;
    uint8_t text[KRPC_SEND_MAX], nodes[8 * 26];
    struct builder b = builder_fixed(text, sizeof text), list = builder_fixed(nodes, sizeof nodes);
    if (krpc_parse(&q, bytes_of(d->data, d->size)) != 0 || q.kind != KRPC_QUERY)
        return;
    krpc_reset(&r);
    r.kind = KRPC_RESPONSE;
    r.transaction = q.transaction;
    memset(r.id.b, 0xab, sizeof r.id.b);
    if (p->made_up) {
        r.id = q.target;
        r.id.b[19] ^= (uint8_t)next_random(&p->net->random);
        r.id.b[18] ^= (uint8_t)next_random(&p->net->random);
    }
    static const uint32_t bad[8] = {0x7f000001, 0x0a000001, 0xc0a80101, 0xa9fe0101, 0xe0000001,
        0x00000001, 0x08080808, 0x64400001};
    for (unsigned i = 0; i < 8; i++) {
        struct krpc_node n = {q.target, endpoint_v4(bad[i], i == 6 ? 0 : 6881)};
        n.id.b[19] ^= (uint8_t)(i + 1);
        krpc_put_node(&list, &n);
    }
    r.has_nodes = true;
    r.nodes = builder_bytes(&list);
    for (unsigned i = 0; i < 8; i++)
        r.values[r.value_count++] = endpoint_v4(bad[i], 6881);
    krpc_write(&r, &b);
    p->shut = true;
    net_inject(p->net, &p->liar, &d->from, builder_bytes(&b));
    p->shut = false;
}

static bool poisoned(void *user, const struct net_datagram *d)
{
    struct poison *p = user;
    if (endpoint_equal(&d->to, &p->liar) && !p->shut)
        answer_for(p, d);
    if (endpoint_class(&d->to) != ADDR_GLOBAL)
        p->local++;
    return true;
}

static unsigned bad_peers;
static bool over;

static void see_peers(
    void *user, const struct endpoint *from, const struct endpoint *peers, size_t n)
{
    (void)user;
    (void)from;
    for (size_t i = 0; i < n; i++)
        bad_peers += endpoint_class(&peers[i]) != ADDR_GLOBAL;
}

static void see_end(void *user, const struct dht_result *r)
{
    (void)user;
    (void)r;
    over = true;
}

static void search(struct net_node *n, uint8_t key)
{
    struct dht_request r = {.aim = DHT_GET_PEERS, .done = see_end, .peers = see_peers};
    memset(r.target.b, key, sizeof r.target.b);
    over = false;
    assert_non_null(dht_search(n->dht, &r, net.now));
    net_run(&net, SECONDS(40));
    assert_true(over);
}

static void addresses_that_a_stranger_may_not_name_are_never_spoken_to(void **state)
{
    (void)state;
    struct poison p = {.net = &net, .liar = net_random_address(&net)};
    net.tap = poisoned;
    net.tap_user = &p;
    bad_peers = 0;
    for (unsigned i = 0; i < net.count; i++)
        dht_add_contact(net.nodes[i].dht, &p.liar, DHT_CONTACT_NODE, net.now);
    net_run(&net, SECONDS(60));
    for (unsigned i = 0; i < 10; i++)
        search(&net.nodes[i], (uint8_t)(0xab + i));
    net.tap = NULL;
    assert_int_equal(p.local, 0);
    assert_int_equal(bad_peers, 0);
}

static void an_id_that_is_made_up_for_each_question_gets_nowhere(void **state)
{
    (void)state;
    struct poison p = {.net = &net, .liar = net_random_address(&net), .made_up = true};
    net.tap = poisoned;
    net.tap_user = &p;
    for (unsigned i = 0; i < 6; i++) {
        dht_add_contact(node->dht, &p.liar, DHT_CONTACT_NODE, net.now);
        net_run(&net, SECONDS(20));
        search(node, (uint8_t)(i * 40));
    }
    net.tap = NULL;
    struct krpc_node nodes[8];
    struct node_id key;
    for (unsigned i = 0; i < 6; i++) {
        memset(key.b, (int)(i * 40), sizeof key.b);
        size_t n = dht_nearest(node->dht, &key, nodes, 8, net.now);
        for (size_t j = 0; j < n; j++)
            assert_false(endpoint_equal(&nodes[j].at, &p.liar));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

RUN(TEST(no_answer_is_more_than_five_times_its_question),
    TEST(a_victim_gets_no_more_than_its_budget), TEST(the_longest_item_is_sent_within_the_budget),
    TEST(no_answer_is_longer_than_any_link_takes),
    TEST(the_local_networks_peers_are_told_to_it_alone),
    TEST(an_announce_needs_a_token_of_its_address), TEST(a_put_needs_a_token_too),
    TEST(an_unknown_question_with_a_target_is_led_on),
    TEST(samples_are_said_even_if_there_are_none), TEST(the_asker_is_told_its_address),
    TEST(what_bears_our_own_id_is_dropped), TEST(a_read_only_asker_is_answered_and_not_asked_back),
    TEST(noise_is_not_answered), TEST(addresses_that_a_stranger_may_not_name_are_never_spoken_to),
    TEST(an_id_that_is_made_up_for_each_question_gets_nowhere))
