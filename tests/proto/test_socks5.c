/* SOCKS5 from our side: what RFC 1928 and RFC 1929 show, in any portions, and what may go wrong. */
#include "base/err.h"
#include "proto/socks5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct socks5 s;
static struct proxy anonymous, with_login;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(proxy_parse(&anonymous, "socks5://127.0.0.1"), 0);
    return proxy_parse(&with_login, "socks5://ana:pw@127.0.0.1");
}

static struct proxy_target to_address(const char *text)
{
    struct endpoint e;
    assert_int_equal(endpoint_parse(&e, bytes_of_str(text)), 0);
    return proxy_target_of(&e);
}

static void begin(const struct proxy *p, enum socks5_command command, struct proxy_target t)
{
    socks5_init(&s, p, command, &t);
}

static void expect_said(const void *data, size_t size)
{
    struct bytes out = socks5_output(&s);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, data, size);
    socks5_sent(&s, size);
}
#define SAID(text) expect_said(text, sizeof text - 1)

/* One byte at a time; never more than it asks for. */
static int hear(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t room;
        uint8_t *at = socks5_room(&s, &room);
        assert_true(room > 0);
        *at = ((const uint8_t *)data)[i];
        int err = socks5_input(&s, 1);
        if (err) {
            assert_int_equal(i, size - 1);
            return err;
        }
    }
    return 0;
}
#define HEAR(text) hear(text, sizeof text - 1)

static void wants_nothing_more(void)
{
    size_t room;
    socks5_room(&s, &room);
    assert_int_equal(room, 0);
}

static void a_connection_is_opened_without_a_login(void **state)
{
    (void)state;
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:258"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x00"), 0);
    SAID("\x05\x01\x00\x01\x01\x02\x03\x04\x01\x02");
    assert_int_equal(HEAR("\x05\x00\x00\x01\x0a\x00\x00\x01\x04\x38"), 0);
    assert_int_equal(s.state, SOCKS5_OPEN);
    wants_nothing_more();
    assert_int_equal(s.bound.port, 1080);
}

static void a_login_is_given_when_it_is_asked_for(void **state)
{
    (void)state;
    begin(&with_login, SOCKS5_CONNECT, to_address("[2001:db8::1]:80"));
    SAID("\x05\x02\x00\x02");
    assert_int_equal(HEAR("\x05\x02"), 0);
    SAID("\x01\x03"
         "ana"
         "\x02"
         "pw");
    assert_int_equal(HEAR("\x01\x00"), 0);
    SAID("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50");
    assert_int_equal(HEAR("\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50"), 0);
    assert_int_equal(s.state, SOCKS5_OPEN);
}

static void a_name_goes_to_the_proxy_as_it_is(void **state)
{
    (void)state;
    struct proxy_target t;
    assert_true(proxy_target_name(&t, "t.example", 80));
    begin(&anonymous, SOCKS5_CONNECT, t);
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x00"), 0);
    SAID("\x05\x01\x00\x03\x09"
         "t.example"
         "\x00\x50");
    /* A name in the answer is as long as it says. */
    assert_int_equal(HEAR("\x05\x00\x00\x03\x05proxy\x00\x50"), 0);
    assert_int_equal(s.state, SOCKS5_OPEN);
    assert_int_equal(s.bound.family, ADDR_NONE);
}

static void datagrams_are_asked_for_without_naming_our_port(void **state)
{
    (void)state;
    begin(&anonymous, SOCKS5_UDP_ASSOCIATE, (struct proxy_target){0});
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x00"), 0);
    SAID("\x05\x03\x00\x01\0\0\0\0\0\0");
    assert_int_equal(HEAR("\x05\x00\x00\x01\x7f\x00\x00\x01\x13\x88"), 0);
    assert_int_equal(s.bound.port, 5000);
}

static int refusal(uint8_t reply)
{
    uint8_t head[] = {5, reply, 0, 1, 0};
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x00"), 0);
    socks5_sent(&s, socks5_output(&s).size);
    int err = hear(head, sizeof head);
    assert_int_equal(s.state, SOCKS5_FAILED);
    wants_nothing_more();
    return err;
}

static void each_refusal_has_its_reason(void **state)
{
    (void)state;
    assert_int_equal(refusal(1), ERR_NETWORK);
    assert_int_equal(refusal(2), ERR_REFUSED);
    assert_int_equal(refusal(4), ERR_NETWORK);
    assert_int_equal(refusal(5), ERR_REFUSED);
    assert_int_equal(refusal(6), ERR_TIMEOUT);
    assert_int_equal(refusal(7), ERR_UNSUPPORTED);
    assert_int_equal(refusal(255), ERR_NETWORK);
    assert_false(socks5_is_proxys_fault(ERR_REFUSED));
    assert_true(socks5_is_proxys_fault(ERR_PERMISSION));
}

static void a_proxy_that_breaks_the_protocol_is_left(void **state)
{
    (void)state;
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x04\x5a"), ERR_PROTOCOL); /* SOCKS4 */
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x02"), ERR_PROTOCOL); /* a login that was not offered */
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\xff"), ERR_PERMISSION);
    begin(&with_login, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x02\x00\x02");
    assert_int_equal(HEAR("\x05\x02"), 0);
    socks5_sent(&s, socks5_output(&s).size);
    assert_int_equal(HEAR("\x01\x01"), ERR_PERMISSION);
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    SAID("\x05\x01\x00");
    assert_int_equal(HEAR("\x05\x00"), 0);
    socks5_sent(&s, socks5_output(&s).size);
    assert_int_equal(HEAR("\x05\x00\x00\x02\x00"), ERR_PROTOCOL); /* no such kind of address */
    begin(&anonymous, SOCKS5_CONNECT, to_address("1.2.3.4:5"));
    assert_int_equal(HEAR("\x05\x00"), ERR_PROTOCOL); /* before it was asked */
}

static void datagrams_bear_whom_they_are_for_and_from(void **state)
{
    (void)state;
    uint8_t out[SOCKS5_HEADER_MAX];
    struct builder b = builder_fixed(out, sizeof out);
    struct proxy_target v4 = to_address("1.2.3.4:258"), name;
    socks5_put_header(&b, &v4);
    assert_int_equal(b.size, 10);
    assert_memory_equal(out, "\0\0\0\x01\x01\x02\x03\x04\x01\x02", 10);
    struct endpoint from;
    struct bytes payload;
    builder_str(&b, "hello");
    assert_true(socks5_take_header(builder_bytes(&b), &from, &payload));
    assert_true(endpoint_equal(&from, &v4.address));
    assert_true(bytes_equal_str(payload, "hello"));
    assert_true(proxy_target_name(&name, "t.example", 80));
    b = builder_fixed(out, sizeof out);
    socks5_put_header(&b, &name);
    assert_memory_equal(out, "\0\0\0\x03\x09t.example\x00\x50", b.size);
    /* The longest name fits. */
    memset(name.name, 'a', 255);
    b = builder_fixed(out, sizeof out);
    socks5_put_header(&b, &name);
    assert_true(builder_ok(&b));
    assert_int_equal(b.size, SOCKS5_HEADER_MAX);
}

static bool taken(const char *data, size_t size)
{
    struct endpoint from;
    struct bytes payload;
    return socks5_take_header(bytes_of(data, size), &from, &payload);
}

static void fragments_names_and_stumps_are_dropped(void **state)
{
    (void)state;
    assert_true(taken("\0\0\0\x01\x01\x02\x03\x04\x01\x02", 10));
    assert_false(taken("\0\0\x01\x01\x01\x02\x03\x04\x01\x02x", 11));
    assert_false(taken("\0\0\0\x03\x01x\x01\x02y", 9));
    assert_false(taken("\0\0\0\x05\x01\x02\x03\x04\x01\x02", 10));
    assert_false(taken("\0\0\0\x01\x01\x02\x03\x04\0\0", 10)); /* port 0 */
    for (size_t i = 0; i < 10; i++)
        assert_false(taken("\0\0\0\x01\x01\x02\x03\x04\x01\x02", i));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_opened_without_a_login),
        TEST(a_login_is_given_when_it_is_asked_for),
        TEST(a_name_goes_to_the_proxy_as_it_is),
        TEST(datagrams_are_asked_for_without_naming_our_port),
        TEST(each_refusal_has_its_reason),
        TEST(a_proxy_that_breaks_the_protocol_is_left),
        TEST(datagrams_bear_whom_they_are_for_and_from),
        TEST(fragments_names_and_stumps_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
