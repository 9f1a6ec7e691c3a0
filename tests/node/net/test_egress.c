/* What a node refuses to begin with, where it does not listen, and its block list, read and read
 * again. What leaves the machine is counted by tests/interop/proxy.py. */
#include <kith.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct kith_options options;
static struct kith_node *node;
static char path[] = "/tmp/kith-test-egress-XXXXXX";

static void write_list(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(strrchr(path, '-') + 1, "XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    KITH_INIT(options);
    options.listen_address = "127.0.0.1";
    options.no_lsd = 1;
    return fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    kith_close(node);
    node = NULL;
    return unlink(path);
}

static int opened(void)
{
    return kith_open(&options, &node);
}

static void a_proxy_that_is_none_is_refused(void **state)
{
    (void)state;
    options.proxy = "proxy.example:1080";
    assert_int_equal(opened(), KITH_E_SYNTAX);
    options.proxy = "ftp://proxy.example";
    assert_int_equal(opened(), KITH_E_UNSUPPORTED);
}

static void an_interface_or_address_that_cannot_be_one_is_refused(void **state)
{
    (void)state;
    options.bind_interface = "a-name-that-is-too-long";
    assert_int_equal(opened(), KITH_E_INVALID);
    options.bind_interface = NULL;
    options.bind_address = "localhost";
    assert_int_equal(opened(), KITH_E_INVALID);
    options.bind_address = NULL;
    options.listen_address = "no-such-if";
    assert_int_equal(opened(), KITH_E_INVALID);
}

static void a_proxys_name_is_not_looked_up_beside_the_interface(void **state)
{
    (void)state;
    options.bind_interface = "lo";
    options.proxy = "socks5://proxy.example";
    assert_int_equal(opened(), KITH_E_INVALID);
}

static void with_a_proxy_nobody_is_listened_to(void **state)
{
    (void)state;
    options.proxy = "socks5://127.0.0.1:9";
    assert_int_equal(opened(), 0);
    assert_int_equal(kith_listen_port(node), 0);
}

static void an_interface_that_is_away_is_waited_for(void **state)
{
    (void)state;
    options.bind_interface = "kith-away0";
    options.listen_address = NULL;
    assert_int_equal(opened(), 0);
    assert_int_equal(kith_listen_port(node), 0);
}

static void all_addresses_have_one_port(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.2", "127.0.0.3"};
    options.listen_addresses = addresses;
    options.listen_address_count = 2;
    assert_int_equal(opened(), 0);
    assert_true(kith_listen_port(node) > 0);
    options.listen_port = kith_listen_port(node);
    struct kith_node *second;
    assert_int_equal(kith_open(&options, &second), KITH_E_EXISTS);
}

static struct kith_block_list the_list(void)
{
    struct kith_block_list l;
    KITH_INIT(l);
    assert_int_equal(kith_block_list(node, &l), 0);
    return l;
}

/* The error of the reading that was asked for. */
static int wait_for_list(void)
{
    for (;;) {
        kith_run(node, 10000);
        const struct kith_event *e;
        while ((e = kith_next_event(node)) != NULL)
            if (kith_event_type(e) == KITH_EVENT_BLOCK_LIST)
                return kith_event_error(e);
    }
}

static void a_block_list_is_in_force_from_the_beginning(void **state)
{
    (void)state;
    write_list("1.2.3.0/24\n1.2.4.0/24\n5.6.7.8\nwords\n");
    options.block_list = path;
    assert_int_equal(opened(), 0);
    assert_int_equal(the_list().ranges, 2);
    assert_int_equal(the_list().lines_skipped, 1);
    assert_string_equal(the_list().path, path);
    assert_true(the_list().read_unix > 0 && the_list().memory_bytes > 0);
}

static void without_its_block_list_a_node_does_not_begin(void **state)
{
    (void)state;
    options.block_list = "/nonexistent/list";
    assert_int_not_equal(opened(), 0);
    options.block_list = path;
    write_list("<html>\n<h1>gone</h1>\n</html>\n");
    assert_int_equal(opened(), KITH_E_SYNTAX);
}

static void a_block_list_is_read_again_and_a_bad_one_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(opened(), 0);
    assert_null(the_list().path);
    write_list("1.2.3.4\n");
    assert_int_equal(kith_load_block_list(node, path), 0);
    assert_int_equal(kith_load_block_list(node, path), KITH_E_AGAIN);
    assert_int_equal(wait_for_list(), 0);
    assert_int_equal(the_list().ranges, 1);
    write_list("nothing\n");
    assert_int_equal(kith_load_block_list(node, path), 0);
    assert_int_equal(wait_for_list(), KITH_E_SYNTAX);
    assert_int_equal(the_list().ranges, 1);
    assert_int_equal(kith_load_block_list(node, NULL), 0);
    assert_int_equal(the_list().ranges, 0);
}

static void blocked_candidates_are_counted_and_not_kept(void **state)
{
    (void)state;
    static const char *const peers[] = {"50.1.2.3:6881", "50.1.2.4:6881"};
    struct kith_add add;
    struct kith_torrent *t;
    struct kith_status status;
    write_list("50.1.2.3\n");
    options.block_list = path;
    assert_int_equal(opened(), 0);
    KITH_INIT(add);
    add.link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
    add.folder = "/tmp";
    add.peers = peers;
    add.peer_count = 1;
    assert_int_equal(kith_add(node, &add, &t), 0);
    KITH_INIT(status);
    assert_int_equal(kith_status(t, &status), 0);
    assert_int_equal(status.peers_known, 0);
    assert_int_equal(the_list().refused, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_proxy_that_is_none_is_refused),
        TEST(an_interface_or_address_that_cannot_be_one_is_refused),
        TEST(a_proxys_name_is_not_looked_up_beside_the_interface),
        TEST(with_a_proxy_nobody_is_listened_to),
        TEST(an_interface_that_is_away_is_waited_for),
        TEST(all_addresses_have_one_port),
        TEST(a_block_list_is_in_force_from_the_beginning),
        TEST(without_its_block_list_a_node_does_not_begin),
        TEST(a_block_list_is_read_again_and_a_bad_one_changes_nothing),
        TEST(blocked_candidates_are_counted_and_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
