/* The addresses of proxies, as users write them. */
#include "base/err.h"
#include "proto/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct proxy p;

static void schemes_ports_and_logins_are_understood(void **state)
{
    (void)state;
    char text[PROXY_URL_MAX];
    assert_int_equal(proxy_parse(&p, "socks5://127.0.0.1"), 0);
    assert_int_equal(p.kind, PROXY_SOCKS5);
    assert_int_equal(p.port, 1080);
    assert_false(p.has_login);
    assert_int_equal(proxy_parse(&p, "SOCKS5H://ana:s%3Acr%40t@proxy.example:9050/"), 0);
    assert_string_equal(p.user, "ana");
    assert_string_equal(p.password, "s:cr@t");
    assert_string_equal(p.host, "proxy.example");
    assert_int_equal(p.port, 9050);
    /* What is shown to people holds no secret. */
    assert_string_equal(proxy_text(&p, text), "socks5://proxy.example:9050");
    assert_int_equal(proxy_parse(&p, "http://only@[fd00::1]"), 0);
    assert_int_equal(p.kind, PROXY_HTTP);
    assert_true(p.has_login);
    assert_string_equal(p.password, "");
    assert_string_equal(proxy_text(&p, text), "http://[fd00::1]:3128");
}

static void what_is_no_proxy_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "proxy:1080", "socks5://", "socks5://:1080",
        "socks5://host:0", "socks5://host:65536", "socks5://host:x", "socks5://a/b",
        "socks5://[::1", "socks5://[::1]x", "socks5://::1", "socks5://a b", "http://x%0d%0a:y@h",
        "http://a%3ab:c@h", "socks5://%zz@h", "socks5://u%00@h"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(proxy_parse(&p, wrong[i]), ERR_SYNTAX);
    assert_int_equal(proxy_parse(&p, "socks4://h"), ERR_UNSUPPORTED);
    assert_int_equal(proxy_parse(&p, "https://h"), ERR_UNSUPPORTED);
}

static void parts_that_are_too_long_are_refused_not_cut(void **state)
{
    (void)state;
    char url[1024] = "socks5://";
    memset(url + 9, 'a', 256);
    assert_int_equal(proxy_parse(&p, url), ERR_LIMIT);
    memcpy(url + 9 + 256, "@h", 3);
    assert_int_equal(proxy_parse(&p, url), ERR_LIMIT);
    memcpy(url + 9 + 255, "@h", 3);
    assert_int_equal(proxy_parse(&p, url), 0);
    assert_int_equal(strlen(p.user), 255);
}

static void targets_take_names_of_hosts_only(void **state)
{
    (void)state;
    struct proxy_target t;
    char name[400] = {0};
    assert_true(proxy_target_name(&t, "tracker.example", 80));
    assert_false(proxy_target_name(&t, "", 80));
    assert_false(proxy_target_name(&t, "a:b", 80));
    assert_false(proxy_target_name(&t, "a\r\nb", 80));
    memset(name, 'a', 256);
    assert_false(proxy_target_name(&t, name, 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_ports_and_logins_are_understood),
        cmocka_unit_test(what_is_no_proxy_is_refused),
        cmocka_unit_test(parts_that_are_too_long_are_refused_not_cut),
        cmocka_unit_test(targets_take_names_of_hosts_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
