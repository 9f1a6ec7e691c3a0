/* Endpoints: text, compact forms, and the classifier. */
#include "base/addr.h"
#include "base/err.h"
#include "check.h"

static struct endpoint parsed(const char *text)
{
    struct endpoint e;
    if (endpoint_parse_ip(&e, bytes_of_str(text), 6881) != 0)
        fail_msg("%s does not parse", text);
    return e;
}

static void addresses_are_written_in_their_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"1.2.3.4:5", "1.2.3.4:5"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"[::]:1", "[::]:1"},
        {"[::1]:5", "[::1]:5"},
        {"[1::]:5", "[1::]:5"},
        {"[2001:DB8:0:0:1:0:0:1]:443", "[2001:db8::1:0:0:1]:443"},
        {"[2001:db8:0:1:1:1:1:1]:443", "[2001:db8:0:1:1:1:1:1]:443"},
        {"[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"},
        {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
        {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
        {"[::ffff:1.2.3.4]:80", "1.2.3.4:80"},
        {"[0:0:0:0:0:ffff:102:304]:80", "1.2.3.4:80"},
        {"[64:ff9b::1.2.3.4]:80", "[64:ff9b::102:304]:80"},
        {"[1:2:3:4:5:6:7.8.9.10]:1", "[1:2:3:4:5:6:708:90a]:1"},
        {"[fe80::1%3]:9", "[fe80::1%3]:9"},
        {"[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535",
            "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct endpoint e, again;
        char text[ENDPOINT_TEXT_MAX];
        assert_int_equal(endpoint_parse(&e, bytes_of_str(cases[i].text)), 0);
        assert_string_equal(endpoint_text(&e, text), cases[i].canonical);
        assert_int_equal(endpoint_parse(&again, bytes_of_str(text)), 0);
        assert_true(endpoint_equal(&e, &again));
    }
}

static void malformed_endpoints_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536",
        "1.2.3.4:080", "1.2.3.4:+80", "1.2.3.4:80 ", " 1.2.3.4:80", "1.2.3:80", "1.2.3.4.5:80",
        "1.2.3.256:80", "01.2.3.4:80", "0x1.2.3.4:80", "1.2.3.:80", "1..2.3:80", "16909060:80",
        "localhost:80", "::1:80", "[::1]", "[::1]:", "[::1:80", "::1]:80", "[]:80", "[:]:80",
        "[:::]:80", "[1:2]:80", "[1:2:3:4:5:6:7]:80", "[1:2:3:4:5:6:7:8:9]:80", "[1::2::3]:80",
        "[1:2:3:4:5:6:7:8::]:80", "[::1:2:3:4:5:6:7:8]:80", "[12345::]:80", "[g::]:80",
        "[1:2:3:4:5:6:7:]:80", "[:1:2:3:4:5:6:7]:80", "[::1.2.3]:80", "[::1.2.3.4.5]:80",
        "[1.2.3.4]:80", "[::1.2.3.4:5]:80", "[1:2:3:4:5:6:7:1.2.3.4]:80", "[::1%1]:80",
        "[fe80::1%]:80", "[fe80::1%0]:80", "[fe80::1%eth0]:80", "[fe80::1%4294967296]:80",
        "[::1]x:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct endpoint e;
        if (endpoint_parse(&e, bytes_of_str(bad[i])) != ERR_SYNTAX)
            fail_msg("%s parses", bad[i]);
    }
    struct endpoint e;
    assert_int_equal(endpoint_parse(&e, bytes_of("1.2.3.4:8\0", 10)), ERR_SYNTAX);
    assert_int_equal(endpoint_parse(&e, (struct bytes){0}), ERR_SYNTAX);
}

static void an_address_without_port_parses_with_and_without_brackets(void **state)
{
    (void)state;
    struct endpoint a = parsed("::1"), b = parsed("[::1]"), c;
    char text[ENDPOINT_TEXT_MAX];
    assert_true(endpoint_equal(&a, &b));
    assert_int_equal(a.port, 6881);
    assert_string_equal(endpoint_ip_text(&a, text), "::1");
    assert_int_equal(endpoint_parse_ip(&c, bytes_of_str("1.2.3.4:5"), 1), ERR_SYNTAX);
    assert_int_equal(endpoint_parse_ip(&c, bytes_of_str("[1.2.3.4]"), 1), ERR_SYNTAX);
}

static void random_v6_addresses_survive_their_text(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t ip[16];
        char text[ENDPOINT_TEXT_MAX];
        struct endpoint back;
        uint64_t zeros = next_random(&random);
        for (int i = 0; i < 16; i++)
            ip[i] = zeros >> (i / 2) & 1 ? 0 : (uint8_t)next_random(&random);
        struct endpoint e = endpoint_from_ip6(ip, (uint16_t)(1 + round % 65535));
        assert_int_equal(endpoint_parse(&back, bytes_of_str(endpoint_text(&e, text))), 0);
        assert_true(endpoint_equal(&e, &back));
    }
}

static void compact_forms_go_both_ways(void **state)
{
    (void)state;
    uint8_t wire[24];
    struct builder b = builder_fixed(wire, sizeof wire);
    struct endpoint four = parsed("1.2.3.4"), six = parsed("2001:db8::9");
    endpoint_put_compact(&four, &b);
    endpoint_put_compact(&six, &b);
    assert_true(builder_ok(&b));
    assert_memory_equal(wire, "\1\2\3\4\x1a\xe1\x20\x01\x0d\xb8", 10);
    struct cursor c = cursor_of(builder_bytes(&b));
    struct endpoint back = endpoint_take_compact(&c, ADDR_V4);
    assert_true(endpoint_equal(&back, &four));
    back = endpoint_take_compact(&c, ADDR_V6);
    assert_true(endpoint_equal(&back, &six));
    assert_true(cursor_done(&c));
    back = endpoint_take_compact(&c, ADDR_V4);
    assert_int_equal(back.family, ADDR_NONE);
    assert_false(cursor_ok(&c));
}

static void a_v4_mapped_address_is_the_v4_address(void **state)
{
    (void)state;
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    struct endpoint a = endpoint_from_ip6(mapped, 80), b = endpoint_v4(0x7f000001, 80);
    assert_true(endpoint_equal(&a, &b));
    assert_int_equal(a.family, ADDR_V4);
}

static void equality_looks_at_everything_and_the_hash_agrees(void **state)
{
    (void)state;
    static const uint8_t key[16] = {1};
    struct endpoint all[] = {parsed("1.2.3.4"), parsed("1.2.3.5"), parsed("fe80::1"),
        parsed("fe80::1%2"), parsed("102:304::"), endpoint_v4(0x01020304, 1)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) {
            assert_int_equal(endpoint_equal(&all[i], &all[j]), i == j);
            assert_int_equal(endpoint_hash(&all[i], key) == endpoint_hash(&all[j], key), i == j);
        }
    }
    assert_true(endpoint_same_ip(&all[0], &all[5]));
    assert_false(endpoint_same_ip(&all[0], &all[4]));
}

static void each_address_has_its_class(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum addr_class class;
    } cases[] = {
        {"8.8.8.8", ADDR_GLOBAL},
        {"0.0.0.0", ADDR_UNUSABLE},
        {"0.1.2.3", ADDR_UNUSABLE},
        {"10.255.0.1", ADDR_PRIVATE},
        {"9.255.255.255", ADDR_GLOBAL},
        {"11.0.0.0", ADDR_GLOBAL},
        {"100.64.0.1", ADDR_CGNAT},
        {"100.127.255.255", ADDR_CGNAT},
        {"100.128.0.0", ADDR_GLOBAL},
        {"100.63.255.255", ADDR_GLOBAL},
        {"127.0.0.1", ADDR_LOOPBACK},
        {"127.255.255.254", ADDR_LOOPBACK},
        {"169.254.1.1", ADDR_LINK_LOCAL},
        {"172.15.255.255", ADDR_GLOBAL},
        {"172.16.0.1", ADDR_PRIVATE},
        {"172.31.255.255", ADDR_PRIVATE},
        {"172.32.0.0", ADDR_GLOBAL},
        {"192.0.0.1", ADDR_UNUSABLE},
        {"192.0.2.1", ADDR_UNUSABLE},
        {"192.88.99.1", ADDR_UNUSABLE},
        {"192.168.1.1", ADDR_PRIVATE},
        {"192.169.0.1", ADDR_GLOBAL},
        {"198.18.0.1", ADDR_UNUSABLE},
        {"198.19.255.255", ADDR_UNUSABLE},
        {"198.20.0.0", ADDR_GLOBAL},
        {"198.51.100.7", ADDR_UNUSABLE},
        {"203.0.113.7", ADDR_UNUSABLE},
        {"224.0.0.1", ADDR_MULTICAST},
        {"239.192.152.143", ADDR_MULTICAST},
        {"240.0.0.1", ADDR_UNUSABLE},
        {"255.255.255.255", ADDR_UNUSABLE},
        {"::", ADDR_UNUSABLE},
        {"::1", ADDR_LOOPBACK},
        {"::2", ADDR_UNUSABLE},
        {"2606:4700::1", ADDR_GLOBAL},
        {"2a00::1", ADDR_GLOBAL},
        {"3ffe::1", ADDR_GLOBAL},
        {"3fff::1", ADDR_UNUSABLE},
        {"4000::1", ADDR_UNUSABLE},
        {"100::1", ADDR_UNUSABLE},
        {"2001:db8::1", ADDR_UNUSABLE},
        {"2001:2::1", ADDR_UNUSABLE},
        {"2001:10::1", ADDR_UNUSABLE},
        {"2001:200::1", ADDR_GLOBAL},
        {"fc00::1", ADDR_PRIVATE},
        {"fdff::1", ADDR_PRIVATE},
        {"fe00::1", ADDR_UNUSABLE},
        {"fe80::1", ADDR_LINK_LOCAL},
        {"febf::1", ADDR_LINK_LOCAL},
        {"fec0::1", ADDR_PRIVATE},
        {"ff02::1", ADDR_MULTICAST},
        {"ff15::efc0:988f", ADDR_MULTICAST},
        {"5f00::1", ADDR_UNUSABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct endpoint e = parsed(cases[i].text);
        if (endpoint_class(&e) != cases[i].class)
            fail_msg("%s has class %d", cases[i].text, (int)endpoint_class(&e));
    }
    struct endpoint none = {0};
    assert_int_equal(endpoint_class(&none), ADDR_UNUSABLE);
}

/* A translator or tunnel would carry the packet to the IPv4 address inside. */
static void a_v4_address_inside_a_v6_address_decides_its_class(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum addr_class class;
    } cases[] = {
        {"::ffff:127.0.0.1", ADDR_LOOPBACK},
        {"::ffff:8.8.8.8", ADDR_GLOBAL},
        {"64:ff9b::127.0.0.1", ADDR_LOOPBACK},
        {"64:ff9b::192.168.1.1", ADDR_PRIVATE},
        {"64:ff9b::8.8.8.8", ADDR_GLOBAL},
        {"64:ff9b::1:8.8.8.8", ADDR_UNUSABLE},
        {"64:ff9b:1::8.8.8.8", ADDR_PRIVATE},
        {"2002:7f00:1::", ADDR_LOOPBACK},
        {"2002:c0a8:101::1", ADDR_PRIVATE},
        {"2002:808:808::1", ADDR_GLOBAL},
        {"2002:6440:1::1", ADDR_CGNAT},
        {"2002:e000:1::1", ADDR_MULTICAST},
        /* Teredo: server 8.8.8.8 or 10.0.0.1, client 192.168.1.1 or 8.8.8.8, inverted */
        {"2001:0:808:808::3f57:fefe", ADDR_PRIVATE},
        {"2001:0:808:808::f7f7:f7f7", ADDR_GLOBAL},
        {"2001:0:a00:1::f7f7:f7f7", ADDR_PRIVATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct endpoint e = parsed(cases[i].text);
        if (endpoint_class(&e) != cases[i].class)
            fail_msg("%s has class %d", cases[i].text, (int)endpoint_class(&e));
    }
    /* Held as v6 by mistake, a mapped address is still judged by what it maps. */
    struct endpoint raw = {.family = ADDR_V6, .ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 80};
    assert_int_equal(endpoint_class(&raw), ADDR_LOOPBACK);
}

/* Rows: class. Columns: user, link, LAN, local tracker, stranger. */
static void who_names_an_address_decides_whether_it_is_contacted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool allowed[5];
    } rows[] = {
        {"8.8.8.8", {1, 1, 1, 1, 1}},
        {"127.0.0.1", {1, 1, 0, 1, 0}},
        {"::1", {1, 1, 0, 1, 0}},
        {"10.0.0.1", {1, 1, 1, 1, 0}},
        {"fd00::1", {1, 1, 1, 1, 0}},
        {"169.254.0.1", {1, 1, 1, 1, 0}},
        {"fe80::1%2", {1, 1, 1, 1, 0}},
        {"100.64.0.1", {1, 1, 0, 1, 0}},
        {"224.0.0.1", {0, 0, 0, 0, 0}},
        {"ff02::1", {0, 0, 0, 0, 0}},
        {"0.0.0.0", {0, 0, 0, 0, 0}},
        {"255.255.255.255", {0, 0, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct endpoint e = parsed(rows[i].text);
        for (int source = ADDR_FROM_USER; source <= ADDR_FROM_STRANGER; source++)
            if (endpoint_allowed(&e, (enum addr_source)source) != rows[i].allowed[source])
                fail_msg("%s from source %d", rows[i].text, source);
    }
}

static void strangers_may_not_name_well_known_ports(void **state)
{
    (void)state;
    struct endpoint e = parsed("8.8.8.8");
    static const struct {
        uint16_t port;
        bool user, stranger;
    } cases[] = {{0, false, false}, {1, true, false}, {22, true, false}, {25, true, false},
        {80, true, true}, {443, true, true}, {1023, true, false}, {1024, true, true},
        {65535, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e.port = cases[i].port;
        assert_int_equal(endpoint_allowed(&e, ADDR_FROM_USER), cases[i].user);
        assert_int_equal(endpoint_allowed(&e, ADDR_FROM_LINK), cases[i].user);
        assert_int_equal(endpoint_allowed(&e, ADDR_FROM_STRANGER), cases[i].stranger);
        assert_int_equal(endpoint_allowed(&e, ADDR_FROM_LAN), cases[i].stranger);
    }
}

static void any_address_is_any_whatever_its_port(void **state)
{
    (void)state;
    struct endpoint four = endpoint_v4(0, 80), six = endpoint_from_ip6((uint8_t[16]){0}, 80);
    struct endpoint one = endpoint_from_ip6((uint8_t[16]){[15] = 1}, 0), local = endpoint_v4(1, 0);
    assert_true(endpoint_is_any(&four) && endpoint_is_any(&six));
    assert_false(endpoint_is_any(&one) || endpoint_is_any(&local));
}

static bool is_named(const char *text, const char *host, uint16_t port)
{
    struct bytes name;
    uint16_t at;
    return host_port_parse(bytes_of_str(text), &name, &at) == 0 &&
           bytes_equal(name, bytes_of_str(host)) && at == port;
}

static void a_name_and_a_port_are_told_from_a_wrong_address(void **state)
{
    (void)state;
    static const char *const refused[] = {"", "host", ":80", "host:", "host:0", "host:65536",
        "256.1.1.1:80", "1.2.3:80", "-host:80", "host-:80", ".host:80", "ho st:80", "[::1]:80",
        "host:80:80", "h\xc3\xb6st:80", "http://host:80"};
    assert_true(is_named("host.example:7", "host.example", 7));
    assert_true(is_named("my_box:65535", "my_box", 65535));
    assert_true(is_named("A-1.b:80", "A-1.b", 80));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct bytes name;
        uint16_t port;
        if (host_port_parse(bytes_of_str(refused[i]), &name, &port) == 0)
            fail_msg("'%s' was taken", refused[i]);
    }
}

RUN(T(addresses_are_written_in_their_one_form), T(malformed_endpoints_are_refused),
    T(an_address_without_port_parses_with_and_without_brackets),
    T(random_v6_addresses_survive_their_text), T(compact_forms_go_both_ways),
    T(a_v4_mapped_address_is_the_v4_address), T(equality_looks_at_everything_and_the_hash_agrees),
    T(each_address_has_its_class), T(a_v4_address_inside_a_v6_address_decides_its_class),
    T(who_names_an_address_decides_whether_it_is_contacted),
    T(strangers_may_not_name_well_known_ports), T(any_address_is_any_whatever_its_port),
    T(a_name_and_a_port_are_told_from_a_wrong_address))
