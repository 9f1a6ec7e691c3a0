/* HTTP CONNECT from our side: the request, and answers good, odd and hostile, in any portions. */
#include "base/err.h"
#include "proto/http_connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct http_connect h;
static struct proxy anonymous, with_login;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(proxy_parse(&anonymous, "http://127.0.0.1"), 0);
    return proxy_parse(&with_login, "http://Aladdin:open%20sesame@127.0.0.1");
}

static void begin(const struct proxy *p, const char *address)
{
    struct endpoint e;
    struct proxy_target t;
    assert_int_equal(endpoint_parse(&e, bytes_of_str(address)), 0);
    t = proxy_target_of(&e);
    http_connect_init(&h, p, &t);
}

/* The answer to a request that was sent, `step` bytes at a time. */
static int answer_in_steps(const char *text, size_t step)
{
    struct bytes left = bytes_of_str(text);
    begin(&anonymous, "1.2.3.4:5");
    http_connect_sent(&h, http_connect_output(&h).size);
    while (left.size > 0) {
        size_t room, size = left.size < step ? left.size : step;
        uint8_t *at = http_connect_room(&h, &room);
        if (room == 0)
            return 0;
        size = size < room ? size : room;
        memcpy(at, left.data, size);
        left = bytes_of(left.data + size, left.size - size);
        int err = http_connect_input(&h, size);
        if (err)
            return err;
    }
    return 0;
}

static int answer(const char *text)
{
    int whole = answer_in_steps(text, SIZE_MAX);
    enum http_connect_state state = h.state;
    int slow = answer_in_steps(text, 1);
    assert_int_equal(whole, slow);
    assert_int_equal(state, h.state);
    return whole;
}

static void the_request_names_the_target_twice_and_the_login_once(void **state)
{
    (void)state;
    begin(&with_login, "[2001:db8::1]:80");
    assert_true(bytes_equal_str(http_connect_output(&h),
        "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n"
        "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")); /* RFC 7617 */
    struct proxy_target t;
    assert_true(proxy_target_name(&t, "t.example", 443));
    http_connect_init(&h, &anonymous, &t);
    assert_true(bytes_equal_str(
        http_connect_output(&h), "CONNECT t.example:443 HTTP/1.1\r\nHost: t.example:443\r\n\r\n"));
}

static void the_longest_login_and_name_fit(void **state)
{
    (void)state;
    struct proxy p = {.kind = PROXY_HTTP, .has_login = true};
    struct proxy_target t = {.port = 65535};
    memset(p.user, 'u', 255);
    memset(p.password, 'p', 255);
    memset(t.name, 'n', 255);
    http_connect_init(&h, &p, &t);
    assert_true(http_connect_output(&h).size < HTTP_CONNECT_OUT_MAX);
}

static void any_status_of_the_200s_opens(void **state)
{
    (void)state;
    assert_int_equal(answer("HTTP/1.0 200 Connection established\r\n\r\n"), 0);
    assert_int_equal(h.state, HTTP_CONNECT_OPEN);
    /* RFC 9110: lengths in an answer to CONNECT mean nothing. */
    assert_int_equal(answer("HTTP/1.1 204\r\nContent-Length: 7\r\nVia: x\r\n\r\n"), 0);
    assert_int_equal(h.state, HTTP_CONNECT_OPEN);
    assert_int_equal(answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\n\n"), 0);
    assert_int_equal(h.state, HTTP_CONNECT_OPEN);
    assert_int_equal(answer("HTTP/1.1 200 OK\r\nX: y\r\n"), 0);
    assert_int_equal(h.state, HTTP_CONNECT_ASKED);
}

static void what_follows_the_head_is_handed_back(void **state)
{
    (void)state;
    assert_int_equal(answer_in_steps("HTTP/1.1 200 OK\r\nA: b\r\n\r\n\x13"
                                     "BitTorrent",
                         SIZE_MAX),
        0);
    assert_true(bytes_equal_str(http_connect_leftover(&h), "\x13"
                                                           "BitTorrent"));
    size_t room;
    http_connect_room(&h, &room);
    assert_int_equal(room, 0);
}

static void each_refusal_has_its_reason(void **state)
{
    (void)state;
    assert_int_equal(answer("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), ERR_PERMISSION);
    assert_int_equal(answer("HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n"), ERR_REFUSED);
    assert_int_equal(answer("HTTP/1.1 502 Bad Gateway\r\n\r\n"), ERR_NETWORK);
    assert_int_equal(answer("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), ERR_TIMEOUT);
    assert_int_equal(answer("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"), ERR_REFUSED);
    assert_int_equal(h.state, HTTP_CONNECT_FAILED);
}

static void what_is_no_answer_of_http_is_refused(void **state)
{
    (void)state;
    assert_int_equal(answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ERR_PROTOCOL);
    assert_int_equal(answer("\r\n\r\n"), ERR_PROTOCOL);
    assert_int_equal(answer("HTTP/2 200\r\n\r\n"), ERR_PROTOCOL);
    assert_int_equal(answer("HTTP/1.1 2000 OK\r\n\r\n"), ERR_PROTOCOL);
    assert_int_equal(answer("HTTP/1.1 099 OK\r\n\r\n"), ERR_PROTOCOL);
}

static void a_head_that_does_not_end_is_cut_off(void **state)
{
    (void)state;
    static char text[2 * HTTP_CONNECT_IN_MAX];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    assert_int_equal(answer(text), ERR_LIMIT);
    /* Nor do interim answers go on for ever. */
    text[0] = 0;
    while (strlen(text) + 25 < sizeof text)
        strcat(text, "HTTP/1.1 100 C\r\n\r\n");
    assert_int_equal(answer(text), ERR_LIMIT);
}

static void an_answer_before_the_question_opens_nothing(void **state)
{
    (void)state;
    size_t room;
    begin(&anonymous, "1.2.3.4:5");
    memcpy(http_connect_room(&h, &room), "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_not_equal(http_connect_input(&h, 19), 0);
    assert_int_equal(h.state, HTTP_CONNECT_FAILED);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_request_names_the_target_twice_and_the_login_once),
        TEST(the_longest_login_and_name_fit),
        TEST(any_status_of_the_200s_opens),
        TEST(what_follows_the_head_is_handed_back),
        TEST(each_refusal_has_its_reason),
        TEST(what_is_no_answer_of_http_is_refused),
        TEST(a_head_that_does_not_end_is_cut_off),
        TEST(an_answer_before_the_question_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
