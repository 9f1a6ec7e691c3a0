/* What a node does with what it remembers when it is opened. Real disk, a real database. */
#include "node/node_internal.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

struct memory {
    char root[64];
    struct kith_node *node;
};

static int open_node(struct memory *m, const char *dht_host)
{
    char state[96];
    struct kith_options o;
    snprintf(state, sizeof state, "%s/state.db", m->root);
    KITH_INIT(o);
    o.listen_address = "127.0.0.1";
    o.no_lsd = o.no_port_mapping = 1;
    o.state_file = state;
    o.dht_hosts = &dht_host;
    o.dht_host_count = dht_host != NULL;
    return kith_open(&o, &m->node);
}

static void begin(struct memory *m)
{
    *m = (struct memory){0};
    snprintf(m->root, sizeof m->root, "/tmp/kith-memory-XXXXXX");
    assert_non_null(mkdtemp(m->root));
    assert_int_equal(open_node(m, NULL), 0);
}

static void run_until(struct memory *m, int event)
{
    const struct kith_event *e;
    for (;;) {
        kith_run(m->node, 100);
        while ((e = kith_next_event(m->node)) != NULL)
            if (kith_event_type(e) == event)
                return;
    }
}

static void close_node(struct memory *m)
{
    kith_stop(m->node);
    run_until(m, KITH_EVENT_STOPPED);
    kith_close(m->node);
    m->node = NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void end(struct memory *m)
{
    close_node(m);
    nftw(m->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void add_unfinished(struct memory *m)
{
    static const char torrent[] =
        "d4:infod6:lengthi1e4:name5:thing12:piece lengthi16384e6:pieces20:"
        "12345678901234567890ee";
    struct kith_add a;
    struct kith_torrent *t;
    KITH_INIT(a);
    a.torrent = torrent;
    a.torrent_size = sizeof torrent - 1;
    a.folder = m->root;
    assert_int_equal(kith_add(m->node, &a, &t), 0);
    run_until(m, KITH_EVENT_REMEMBERED);
}

static void share_something(struct memory *m)
{
    char path[96];
    struct kith_share s;
    struct kith_torrent *t;
    snprintf(path, sizeof path, "%s/thing", m->root);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("something", f);
    fclose(f);
    KITH_INIT(s);
    s.path = path;
    assert_int_equal(kith_share(m->node, &s, &t), 0);
    run_until(m, KITH_EVENT_REMEMBERED);
}

/* By what is looked at last; the torrent's data would be under way by then. */
static void a_node_that_cannot_be_opened_leaves_nothing_under_way(void **state)
{
    (void)state;
    struct memory m;
    begin(&m);
    add_unfinished(&m);
    close_node(&m);
    assert_int_equal(open_node(&m, "no port"), KITH_E_INVALID);
    assert_null(m.node);
    assert_int_equal(open_node(&m, NULL), 0);
    assert_non_null(kith_torrent_at(m.node, 0));
    end(&m);
}

static void what_comes_back_asleep_is_in_the_dht(void **state)
{
    (void)state;
    struct memory m;
    begin(&m);
    share_something(&m);
    close_node(&m);
    assert_int_equal(open_node(&m, NULL), 0);
    struct kith_torrent *t = kith_torrent_at(m.node, 0);
    assert_non_null(t);
    assert_true(t->asleep);
    assert_true(t->dht.joined);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_cannot_be_opened_leaves_nothing_under_way),
        cmocka_unit_test(what_comes_back_asleep_is_in_the_dht),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
