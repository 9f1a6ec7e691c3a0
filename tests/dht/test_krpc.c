/* KRPC: the examples of BEP 5, what is written is read again, and what is foreign. */
#include "tests/base/check.h"

#include "dht/krpc.h"
#include <stdio.h>

static struct krpc_message m, again;

static int parse(const char *text)
{
    return krpc_parse(&m, bytes_of_str(text));
}

static const char *written(void)
{
    static char text[KRPC_SEND_MAX + 1];
    struct builder b = builder_fixed(text, sizeof text);
    krpc_write(&m, &b);
    return builder_text(&b);
}

/* The examples come out of the parser as they went in; of announces we always say `seed`. */
static void the_examples_of_bep_5_are_read_and_written(void **state)
{
    (void)state;
    static const char *const examples[] = {
        "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
        "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:"
        "qe",
        "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:"
        "y1:qe",
        "d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:"
        "re",
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        assert_int_equal(parse(examples[i]), 0);
        assert_string_equal(written(), examples[i]);
    }
}

/* BEP 5: "present and non-zero". */
static void an_implied_port_is_any_number_but_zero(void **state)
{
    (void)state;
    static const char *const values[] = {"i0e", "i1e", "i2e", "i-1e"};
    for (unsigned i = 0; i < 4; i++) {
        char text[160];
        snprintf(text, sizeof text,
            "d1:ad2:id20:abcdefghij012345678912:implied_port%se1:q13:announce_peer1:t2:aa1:y1:qe",
            values[i]);
        assert_int_equal(parse(text), 0);
        assert_int_equal(m.implied_port, i > 0);
    }
}

static void an_announce_has_its_fields(void **state)
{
    (void)state;
    assert_int_equal(
        parse("d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:"
              "mnopqrstuvwxyz1234564:porti6881e4:seedi1e5:token8:aoeusnthe1:q13:announce_peer1:t2:"
              "aa1:y1:qe"),
        0);
    assert_int_equal(m.method, KRPC_ANNOUNCE_PEER);
    assert_true(m.implied_port && m.seed && m.has_target && m.has_id);
    assert_int_equal(m.port, 6881);
    assert_true(bytes_equal_str(m.token, "aoeusnth"));
    assert_memory_equal(m.target.b, "mnopqrstuvwxyz123456", 20);
}

static void a_node_list_is_cut_to_whole_entries(void **state)
{
    (void)state;
    assert_int_equal(parse("d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re"), 0);
    assert_true(m.has_nodes);
    assert_int_equal(m.nodes.size, 0);
    assert_int_equal(parse("d1:rd2:id20:0123456789abcdefghij5:nodes30:"
                           "abcdefghij0123456789\x08\x08\x08\x08\x1a\xe1gggge1:t2:aa1:y1:re"),
        0);
    struct cursor c = cursor_of(m.nodes);
    struct krpc_node n;
    assert_true(krpc_next_node(&c, ADDR_V4, &n));
    assert_memory_equal(n.id.b, "abcdefghij0123456789", 20);
    assert_int_equal(n.at.port, 6881);
    assert_int_equal(n.at.ip[0], 8);
    assert_false(krpc_next_node(&c, ADDR_V4, &n));
}

static void both_families_may_stand_in_one_list_of_values(void **state)
{
    (void)state;
    assert_int_equal(parse("d1:rd2:id20:0123456789abcdefghij6:valuesl6:\x01\x02\x03\x04\x1a\xe1"
                           "18:ABCDEFGHIJKLMNOPab3:abci5e6:\x01\x02\x03\x04"
                           "AAee1:t2:aa1:y1:re"),
        0);
    assert_int_equal(m.value_count, 3);
    assert_int_equal(m.values[0].family, ADDR_V4);
    assert_int_equal(m.values[0].port, 6881);
    assert_int_equal(m.values[1].family, ADDR_V6);
    assert_int_equal(m.values[2].family, ADDR_V4);
}

static void what_has_the_wrong_type_is_as_if_it_were_absent(void **state)
{
    (void)state;
    assert_int_equal(parse("d1:ad2:idi1e6:targetl2:aaee1:q9:find_node1:t2:aa1:y1:qe"), 0);
    assert_false(m.has_id || m.has_target);
    assert_int_equal(parse("d1:ai5e1:q9:find_node1:t2:aa1:y1:qe"), 0);
    assert_false(m.has_id);
    assert_int_equal(
        parse("d1:ad2:id3:abc4:porti70000e4:wanti1ee1:q13:announce_peer1:t2:aa1:y1:qe"), 0);
    assert_int_equal(m.port, 0);
    assert_int_equal(m.want, 0);
    assert_int_equal(parse("d1:r2:id1:t2:aa1:y1:re"), 0);
    assert_false(m.has_id);
    assert_int_equal(parse("d1:ei5e1:t2:aa1:y1:ee"), 0);
    assert_int_equal(m.error, 0);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"", "d", "de", "le", "i1e", "d1:t2:aae", "d1:y1:qe",
        "d1:ti1e1:y1:qe", "d1:t2:aa1:y1:xe", "d1:t2:aa1:y1:q", "2:aa",
        "d1:t33:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1:y1:qe"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_true(parse(broken[i]) < 0);
    static uint8_t big[KRPC_RECEIVE_MAX + 1] = "d1:t2:aa1:y1:qe";
    assert_int_equal(krpc_parse(&m, bytes_of(big, sizeof big)), ERR_LIMIT);
}

static void keys_in_any_order_and_bytes_behind_are_as_the_network_is(void **state)
{
    (void)state;
    assert_int_equal(parse("d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee\n"), 0);
    assert_int_equal(m.method, KRPC_PING);
    assert_true(m.has_id);
}

static void a_mutable_item_with_a_broken_key_still_claims_to_be_one(void **state)
{
    (void)state;
    assert_int_equal(
        parse("d1:ad2:id20:abcdefghij01234567891:k3:abc1:v3:abce1:q3:put1:t2:aa1:y1:qe"), 0);
    assert_true(m.claims_mutable);
    assert_int_equal(m.key.size, 0);
    assert_int_equal(parse("d1:ad2:id20:abcdefghij01234567891:v3:abce1:q3:put1:t2:aa1:y1:qe"), 0);
    assert_false(m.claims_mutable);
    assert_true(bytes_equal_str(m.value, "3:abc"));
}

static void fill_query(enum krpc_method method)
{
    krpc_reset(&m);
    m.kind = KRPC_QUERY;
    m.method = method;
    m.transaction = bytes_of_str("xy");
    m.version = bytes_of_str("kt12");
    m.read_only = true;
    m.has_target = true;
    memset(m.id.b, 'i', 20);
    memset(m.target.b, 't', 20);
    m.want = KRPC_WANT_NODES | KRPC_WANT_NODES6;
    m.noseed = m.scrape = m.implied_port = m.seed = true;
    m.port = 7;
    m.token = bytes_of_str("token");
    m.value = bytes_of_str("3:abc");
    m.key = bytes_of_str("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    m.signature = bytes_of_str("ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss");
    m.salt = bytes_of_str("salt");
    m.has_seq = m.has_cas = true;
    m.seq = 9;
    m.cas = 8;
}

static void every_field_of_a_query_comes_back(void **state)
{
    (void)state;
    for (unsigned method = 0; method < KRPC_UNKNOWN; method++) {
        fill_query((enum krpc_method)method);
        uint8_t text[KRPC_SEND_MAX];
        struct builder b = builder_fixed(text, sizeof text);
        krpc_write(&m, &b);
        assert_true(builder_ok(&b));
        assert_int_equal(krpc_parse(&again, builder_bytes(&b)), 0);
        assert_int_equal(again.method, method);
        assert_true(again.read_only && again.has_id && again.has_target);
        assert_memory_equal(again.target.b, m.target.b, 20);
        assert_int_equal(again.want, m.want);
        assert_true(again.noseed && again.scrape && again.implied_port);
        assert_int_equal(again.seed, method == KRPC_ANNOUNCE_PEER);
        assert_true(bytes_equal(again.token, m.token) && bytes_equal(again.value, m.value));
        assert_true(bytes_equal(again.key, m.key) && bytes_equal(again.salt, m.salt));
        assert_true(bytes_equal(again.signature, m.signature));
        assert_true(again.has_seq && again.seq == 9 && again.has_cas && again.cas == 8);
        assert_true(bytes_equal(again.version, m.version));
    }
}

static void every_field_of_a_response_comes_back(void **state)
{
    (void)state;
    static uint8_t bloom[KRPC_BLOOM_SIZE] = {1};
    krpc_reset(&m);
    m.kind = KRPC_RESPONSE;
    m.transaction = bytes_of_str("xy");
    m.external = endpoint_v4(0x01020304, 5);
    m.has_nodes = m.has_nodes6 = m.has_samples = true;
    m.nodes6 = bytes_of_str("12345678901234567890ABCDEFGHIJKLMNOPab");
    m.samples = bytes_of_str("01234567890123456789");
    m.interval = 600;
    m.num = 5;
    m.bloom_seeds = m.bloom_peers = bytes_of(bloom, sizeof bloom);
    m.value_count = 1;
    m.values[0] = endpoint_v4(0x05060708, 9);
    uint8_t text[KRPC_SEND_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    krpc_write(&m, &b);
    assert_int_equal(krpc_parse(&again, builder_bytes(&b)), 0);
    assert_true(endpoint_equal(&again.external, &m.external));
    assert_true(again.has_nodes && again.nodes.size == 0);
    assert_true(again.has_nodes6 && bytes_equal(again.nodes6, m.nodes6));
    assert_true(again.has_samples && bytes_equal(again.samples, m.samples));
    assert_int_equal(again.interval, 600);
    assert_int_equal(again.num, 5);
    assert_true(bytes_equal(again.bloom_seeds, m.bloom_seeds));
    assert_int_equal(again.value_count, 1);
    assert_true(endpoint_equal(&again.values[0], &m.values[0]));
}

RUN(T(the_examples_of_bep_5_are_read_and_written), T(an_announce_has_its_fields),
    T(an_implied_port_is_any_number_but_zero), T(a_node_list_is_cut_to_whole_entries),
    T(both_families_may_stand_in_one_list_of_values),
    T(what_has_the_wrong_type_is_as_if_it_were_absent), T(what_is_no_message_is_refused),
    T(keys_in_any_order_and_bytes_behind_are_as_the_network_is),
    T(a_mutable_item_with_a_broken_key_still_claims_to_be_one),
    T(every_field_of_a_query_comes_back), T(every_field_of_a_response_comes_back))
