/* Who holds the state database. While a node runs no other program can, and a node whose state
 * another has does not begin. Held for longer than a write waits (by this process, which alone
 * can): what waits is written when it is given back, and no stop waits for that. A call that never
 * returns ends with the test's time. Real disk, real locks. */
#include <kith.h>

#include <ftw.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct held {
    char root[64];
    struct kith_node *node;
    sqlite3 *other;      /* the tool */
    unsigned failures;   /* writes that failed, as the log tells */
    unsigned remembered; /* KITH_EVENT_REMEMBERED */
    bool stopped;
    int stop_error;
};

static void hear_log(void *user, int level, const char *subsystem, const char *text)
{
    struct held *h = user;
    (void)level;
    h->failures += strcmp(subsystem, "state") == 0 && strstr(text, "cannot save") != NULL;
}

static int try_to_open(struct held *h)
{
    char state[96];
    struct kith_options o;
    snprintf(state, sizeof state, "%s/state.db", h->root);
    KITH_INIT(o);
    o.listen_port = -1;
    o.dht = KITH_DHT_OFF;
    o.no_lsd = o.no_port_mapping = 1;
    o.state_file = state;
    o.log = hear_log;
    o.log_user = h;
    o.log_level = KITH_LOG_ERROR;
    return kith_open(&o, &h->node);
}

static void open_node(struct held *h)
{
    assert_int_equal(try_to_open(h), 0);
}

static void begin(struct held *h)
{
    *h = (struct held){0};
    snprintf(h->root, sizeof h->root, "/tmp/kith-held-XXXXXX");
    assert_non_null(mkdtemp(h->root));
    open_node(h);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void turn(struct held *h)
{
    const struct kith_event *e;
    kith_run(h->node, 100);
    while ((e = kith_next_event(h->node)) != NULL) {
        h->remembered += kith_event_type(e) == KITH_EVENT_REMEMBERED;
        if (kith_event_type(e) == KITH_EVENT_STOPPED) {
            h->stopped = true;
            h->stop_error = kith_event_error(e);
        }
    }
}

static void stop(struct held *h)
{
    kith_stop(h->node);
    while (!h->stopped)
        turn(h);
}

static void close_node(struct held *h)
{
    kith_close(h->node);
    h->node = NULL;
    h->stopped = false;
}

static void end(struct held *h)
{
    stop(h);
    assert_int_equal(h->stop_error, 0);
    close_node(h);
    nftw(h->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void hold(struct held *h)
{
    char state[96];
    snprintf(state, sizeof state, "%s/state.db", h->root);
    assert_int_equal(sqlite3_open(state, &h->other), SQLITE_OK);
    sqlite3_busy_timeout(h->other, 60000);
    assert_int_equal(sqlite3_exec(h->other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
}

static void give_back(struct held *h)
{
    assert_int_equal(sqlite3_exec(h->other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h->other);
}

/* ---- another program ----------------------------------------------------------------------- */

static int orders[2],
    answers[2]; /* pipes: what it shall do to which database, and what came of it */

static int obey(sqlite3 **sql, const char *order)
{
    if (order[0] == '-') {
        int rc = sqlite3_exec(*sql, "ROLLBACK", NULL, NULL, NULL);
        sqlite3_close(*sql);
        return rc;
    }
    int rc = sqlite3_open(order, sql);
    return rc ? rc : sqlite3_exec(*sql, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
}

/* Before this process has threads. */
static void start_other_program(void)
{
    char order[96];
    sqlite3 *sql = NULL;
    if (pipe(orders) != 0 || pipe(answers) != 0)
        abort();
    if (fork() != 0) {
        close(orders[0]);
        return;
    }
    close(orders[1]);
    while (read(orders[0], order, sizeof order) == sizeof order) {
        int rc = obey(&sql, order);
        if (write(answers[1], &rc, sizeof rc) != sizeof rc)
            break;
    }
    _exit(0);
}

/* SQLite's answer. */
static int order_other_program(const char *what)
{
    char order[96];
    int rc;
    snprintf(order, sizeof order, "%s", what);
    assert_int_equal(write(orders[1], order, sizeof order), sizeof order);
    assert_int_equal(read(answers[0], &rc, sizeof rc), sizeof rc);
    return rc;
}

static int hold_by_other_program(const struct held *h)
{
    char state[96];
    snprintf(state, sizeof state, "%s/state.db", h->root);
    return order_other_program(state);
}

/* ---- tests --------------------------------------------------------------------------------- */

static struct kith_torrent *add(struct held *h)
{
    static const char torrent[] =
        "d4:infod6:lengthi1e4:name5:thing12:piece lengthi16384e6:pieces20:"
        "12345678901234567890ee";
    struct kith_add a;
    struct kith_torrent *t;
    KITH_INIT(a);
    a.torrent = torrent;
    a.torrent_size = sizeof torrent - 1;
    a.folder = h->root;
    assert_int_equal(kith_add(h->node, &a, &t), 0);
    return t;
}

static void run_until_it_downloads(struct held *h, struct kith_torrent *t)
{
    struct kith_status s;
    do {
        turn(h);
        KITH_INIT(s);
        kith_status(t, &s);
    } while (s.state != KITH_STATE_DOWNLOADING || h->remembered == 0);
}

static void run_until_a_write_fails(struct held *h)
{
    while (h->failures == 0)
        turn(h);
}

static void what_could_not_be_saved_is_saved_when_the_database_is_given_back(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    hold(&h);
    struct kith_torrent *t = add(&h);
    run_until_a_write_fails(&h);
    assert_int_equal(h.remembered, 0);
    give_back(&h);
    run_until_it_downloads(&h, t); /* nothing else is saved that could bring it along */
    end(&h);
}

/* The record of the clean stop is what waits. */
static void a_node_closes_though_its_last_records_cannot_be_saved(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    run_until_it_downloads(&h, add(&h));
    hold(&h);
    stop(&h);
    assert_int_equal(h.stop_error, KITH_E_TIMEOUT);
    close_node(&h);
    assert_true(h.failures > 0);
    give_back(&h);
    open_node(&h);
    assert_non_null(kith_torrent_at(h.node, 0)); /* it was acknowledged before */
    end(&h);
}

/* The first record is what waits, and with it the torrent itself. */
static void a_node_closes_though_a_new_torrent_cannot_be_saved(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    hold(&h);
    add(&h);
    run_until_a_write_fails(&h);
    close_node(&h); /* without a stop before it */
    assert_int_equal(h.remembered, 0);
    give_back(&h);
    open_node(&h);
    assert_null(kith_torrent_at(h.node, 0));
    end(&h);
}

static void what_waits_is_saved_by_the_close_when_the_database_was_given_back(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    hold(&h);
    add(&h);
    run_until_a_write_fails(&h);
    stop(&h);
    give_back(&h);
    close_node(&h);
    open_node(&h);
    assert_non_null(kith_torrent_at(h.node, 0));
    end(&h);
}

static void no_other_program_can_hold_the_state_of_a_node_that_runs(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    assert_int_equal(hold_by_other_program(&h), SQLITE_BUSY);
    (void)order_other_program("-");
    run_until_it_downloads(&h, add(&h));
    assert_int_equal(hold_by_other_program(&h), SQLITE_BUSY);
    (void)order_other_program("-");
    end(&h);
}

static void a_node_whose_state_another_program_holds_does_not_begin(void **state)
{
    (void)state;
    struct held h;
    begin(&h);
    stop(&h);
    close_node(&h);
    assert_int_equal(hold_by_other_program(&h), SQLITE_OK);
    assert_int_equal(try_to_open(&h), KITH_E_BUSY);
    assert_int_equal(order_other_program("-"), SQLITE_OK);
    open_node(&h);
    end(&h);
}

int main(void)
{
    start_other_program();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_other_program_can_hold_the_state_of_a_node_that_runs),
        cmocka_unit_test(a_node_whose_state_another_program_holds_does_not_begin),
        cmocka_unit_test(what_could_not_be_saved_is_saved_when_the_database_is_given_back),
        cmocka_unit_test(a_node_closes_though_its_last_records_cannot_be_saved),
        cmocka_unit_test(a_node_closes_though_a_new_torrent_cannot_be_saved),
        cmocka_unit_test(what_waits_is_saved_by_the_close_when_the_database_was_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
