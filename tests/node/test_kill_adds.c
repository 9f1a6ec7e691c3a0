/* A process that adds 10,000 torrents is killed (SIGKILL) in the middle of it: each that it was
 * told is remembered is there in the next run, with its metainfo. One that removes them is killed:
 * none that it was told is removed is there. Real disk, real processes. */
#include <kith.h>

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TORRENTS 10000
#define REMOVED 500

static char root[64];

static struct kith_node *open_node(void)
{
    char state[96];
    struct kith_options o;
    struct kith_node *n;
    snprintf(state, sizeof state, "%s/state.db", root);
    KITH_INIT(o);
    o.listen_port = -1;
    o.dht = KITH_DHT_OFF;
    o.no_lsd = o.no_port_mapping = 1;
    o.state_file = state;
    return kith_open(&o, &n) == 0 ? n : NULL;
}

static struct kith_torrent *add(struct kith_node *n, unsigned i)
{
    char torrent[256], name[16];
    struct kith_add a;
    struct kith_torrent *t;
    snprintf(name, sizeof name, "%05u", i);
    int size = snprintf(torrent, sizeof torrent,
        "d4:infod6:lengthi1e4:name5:%s12:piece lengthi16384e6:pieces20:%020ueeXX", name, i);
    KITH_INIT(a);
    a.torrent = torrent;
    a.torrent_size = (size_t)size - 2;
    a.folder = root;
    a.paused = 1;
    return kith_add(n, &a, &t) == 0 ? t : NULL;
}

/* Says the name of each torrent of which there was such an event by now (out -1: to nobody). How
 * many. */
static unsigned say(struct kith_node *n, int type, int out)
{
    const struct kith_event *e;
    unsigned count = 0;
    while ((e = kith_next_event(n)) != NULL) {
        struct kith_status s;
        if (kith_event_type(e) != type)
            continue;
        KITH_INIT(s);
        kith_status(kith_event_torrent(e), &s);
        count++;
        if (out >= 0 && write(out, s.name, 5) != 5)
            _exit(1);
    }
    return count;
}

static void run_adder(int out)
{
    struct kith_node *n = open_node();
    for (unsigned i = 0; n && i < TORRENTS; i++) {
        if (!add(n, i))
            _exit(1);
        kith_run(n, 0);
        say(n, KITH_EVENT_REMEMBERED, out);
    }
    while (n) {
        kith_run(n, 1000);
        say(n, KITH_EVENT_REMEMBERED, out);
    }
    _exit(1);
}

static void run_remover(int out)
{
    struct kith_node *n = open_node();
    struct kith_torrent *t[REMOVED];
    unsigned remembered = 0;
    for (unsigned i = 0; i < REMOVED; i++)
        if ((t[i] = n ? add(n, i) : NULL) == NULL)
            _exit(1);
    while (remembered < REMOVED) {
        kith_run(n, 1000);
        remembered += say(n, KITH_EVENT_REMEMBERED, -1);
    }
    for (unsigned i = 0; i < REMOVED; i++) {
        kith_remove(t[i]);
        kith_run(n, 0);
        say(n, KITH_EVENT_REMOVED, out);
    }
    for (;;) {
        kith_run(n, 1000);
        say(n, KITH_EVENT_REMOVED, out);
    }
}

/* The child is killed when it has said so many; how many it has said by then. */
static unsigned kill_after(void (*run_child)(int out), unsigned count, char (*names)[6])
{
    int ends[2];
    unsigned said = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_child(ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], names[said], 5) == 5) { /* written in one piece each */
        said++;
        if (said == count)
            kill(child, SIGKILL); /* what is in the pipe was said, too */
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return said;
}

static void stop(struct kith_node *n)
{
    const struct kith_event *e;
    bool stopped = false;
    kith_stop(n);
    while (!stopped) {
        kith_run(n, 1000);
        while ((e = kith_next_event(n)) != NULL)
            stopped |= kith_event_type(e) == KITH_EVENT_STOPPED;
    }
    kith_close(n);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* How many of the names the node has, and their metainfo. */
static unsigned known(struct kith_node *n, const char (*names)[6], unsigned count)
{
    unsigned found = 0;
    struct kith_torrent *t;
    for (size_t i = 0; (t = kith_torrent_at(n, i)) != NULL; i++) {
        struct kith_status s;
        size_t size;
        KITH_INIT(s);
        kith_status(t, &s);
        if (kith_torrent_file(t, &size) && bsearch(s.name, names, count, 6, compare))
            found++;
    }
    return found;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* How many said something, and of how many of those the next run knows. */
static void kill_and_look(
    void (*run_child)(int out), unsigned kill_at, unsigned *said, unsigned *of_them)
{
    char(*names)[6] = calloc(TORRENTS + 1, sizeof *names);
    snprintf(root, sizeof root, "/tmp/kith-kill-XXXXXX");
    assert_non_null(mkdtemp(root));
    *said = kill_after(run_child, kill_at, names);
    assert_true(*said >= kill_at);
    qsort(names, *said, sizeof *names, compare);
    struct kith_node *n = open_node();
    assert_non_null(n);
    *of_them = known(n, (const char(*)[6])names, *said);
    stop(n);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(names);
}

static void what_was_acknowledged_survives(unsigned kill_at)
{
    unsigned said, known;
    kill_and_look(run_adder, kill_at, &said, &known);
    assert_int_equal(known, said);
}

static void what_was_removed_stays_so(unsigned kill_at)
{
    unsigned said, known;
    kill_and_look(run_remover, kill_at, &said, &known);
    assert_int_equal(known, 0);
}

static void nothing_acknowledged_is_lost_when_the_first_was(void **state)
{
    (void)state;
    what_was_acknowledged_survives(1);
}

static void nothing_acknowledged_is_lost_in_the_middle_of_10000(void **state)
{
    (void)state;
    what_was_acknowledged_survives(TORRENTS / 2);
}

static void nothing_removed_comes_back_when_the_first_was(void **state)
{
    (void)state;
    what_was_removed_stays_so(1);
}

static void nothing_removed_comes_back_in_the_middle(void **state)
{
    (void)state;
    what_was_removed_stays_so(REMOVED / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_when_the_first_was),
        cmocka_unit_test(nothing_acknowledged_is_lost_in_the_middle_of_10000),
        cmocka_unit_test(nothing_removed_comes_back_when_the_first_was),
        cmocka_unit_test(nothing_removed_comes_back_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
