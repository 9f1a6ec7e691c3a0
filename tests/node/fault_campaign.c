/* A real download on a real disk whose calls fail by count: each call of one torrent's disk once,
 * or from then on, with each error that disks have. In every run: the reason is named; another
 * torrent of the same node, on another disk, ends meanwhile; nothing that was claimed is wrong; and
 * when the disk works again the download ends by itself.
 *
 *     fault_campaign [--seed N] [--count N] [--jobs N] [--one INDEX:FAULT:MODE]
 *
 * Runs are drawn by the seed from all calls × faults × modes; --count 0 tries every one. Each run
 * is a process, for nodes that have stopped for good may not take the others with them. */
#include "env/uv/uv_env.h"
#include "node/node_env.h"
#include "node/node_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 32768u
#define BOUND SECONDS(100) /* of a run; pauses between tries of a disk are 5, 10, 20 s */

static const struct {
    const char *name;
    int error;
    bool cut;
} faults[] = {
    {"ENOSPC", ENOSPC, false},
    {"EIO", EIO, false},
    {"EDQUOT", EDQUOT, false},
    {"EROFS", EROFS, false},
    {"ENOENT", ENOENT, false},
    {"ESTALE", ESTALE, false},
    {"short", 0, true},
    {"short-then-ENOSPC", ENOSPC, true},
};
#define FAULTS (sizeof faults / sizeof *faults)

enum mode { ONCE, FOR_EVER, STOPPED_MEANWHILE, MODES };
static const char *const mode_names[] = {"once", "for-ever", "stopped-meanwhile"};

/* Files of two torrents: that whose disk fails, and the other. */
static const struct {
    const char *path;
    size_t size;
} files[] = {{"Data/a", 300000}, {"Data/deep/b", 500}, {"Data/c", 150000}, {"Other/d", 200000}};
#define FILES (sizeof files / sizeof *files)

struct run {
    uint64_t index; /* of the call */
    unsigned fault;
    enum mode mode;
    char folder[64];
    char bad[96], good[96], source[96], state[96]; /* paths */
    struct env *env;
    struct kith_node *seeder, *node;
    struct kith_torrent *victim, *other;
    bool victim_done, other_done, stopped;
    unsigned troubles, recoveries;
    char reason[256], why[256];
};

static void fail(struct run *r, const char *why)
{
    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%s", why);
}

/* ---- files --------------------------------------------------------------------------------- */

static uint8_t byte_of(size_t file, size_t at)
{
    return (uint8_t)((at * 2654435761u + file * 97) >> 13);
}

static void put_source(const char *folder)
{
    char path[160];
    for (size_t f = 0; f < FILES; f++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[f].path);
        for (char *p = path + 1; *p; p++)
            if (*p == '/') {
                *p = 0;
                mkdir(path, 0777);
                *p = '/';
            }
        FILE *out = fopen(path, "wb");
        for (size_t i = 0; out && i < files[f].size; i++)
            fputc(byte_of(f, i), out);
        if (!out || fclose(out) != 0)
            abort();
    }
}

static bool is_right(const char *folder, size_t f)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, files[f].path);
    FILE *in = fopen(path, "rb");
    size_t at = 0;
    int c;
    if (!in)
        return false;
    while ((c = fgetc(in)) != EOF && at < files[f].size && (uint8_t)c == byte_of(f, at))
        at++;
    fclose(in);
    return c == EOF && at == files[f].size;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void hear(struct run *r)
{
    const struct kith_event *e;
    while ((e = kith_next_event(r->seeder)) != NULL) {
    }
    while (r->node && (e = kith_next_event(r->node)) != NULL) {
        struct kith_torrent *of = kith_event_torrent(e);
        int type = kith_event_type(e);
        if (type == KITH_EVENT_COMPLETE) {
            r->victim_done |= of == r->victim;
            r->other_done |= of == r->other;
        } else if (type == KITH_EVENT_TROUBLE && of == r->victim) {
            r->troubles++;
            snprintf(r->reason, sizeof r->reason, "%s", kith_event_text(e));
            if (!r->reason[0] || !kith_event_error(e))
                fail(r, "trouble without a reason");
        } else if (type == KITH_EVENT_TROUBLE) {
            fail(r, "the other torrent has trouble");
        } else if (type == KITH_EVENT_CONFLICT) {
            fail(r, "our own data was taken for somebody else's");
        } else if (type == KITH_EVENT_RECOVERED) {
            r->recoveries += of == r->victim;
        } else if (type == KITH_EVENT_STOPPED) {
            r->stopped = true;
        }
    }
}

/* Both nodes' loops, until it holds; false: it did not within the time. */
static bool until(struct run *r, bool (*holds)(struct run *), usec at_most)
{
    usec end = env_now(r->seeder->env) + at_most;
    while (!holds(r)) {
        if (env_now(r->seeder->env) > end)
            return false;
        kith_run(r->seeder, 2);
        if (r->node)
            kith_run(r->node, 2);
        hear(r);
    }
    return true;
}

static struct kith_torrent *share(struct run *r, const char *name)
{
    struct kith_share s;
    struct kith_torrent *k = NULL;
    char path[160];
    KITH_INIT(s);
    snprintf(path, sizeof path, "%s/%s", r->source, name);
    s.path = path;
    s.piece_length = PIECE;
    if (kith_share(r->seeder, &s, &k) != 0)
        abort();
    return k;
}

static bool shares_are_ready(struct run *r)
{
    size_t size;
    return kith_torrent_file(kith_torrent_at(r->seeder, 0), &size) &&
           kith_torrent_file(kith_torrent_at(r->seeder, 1), &size);
}

static struct kith_torrent *get(struct run *r, struct kith_torrent *from, const char *folder)
{
    struct kith_add a;
    struct kith_torrent *k = NULL;
    char peer[32];
    const char *peers[] = {peer};
    KITH_INIT(a);
    snprintf(peer, sizeof peer, "127.0.0.1:%u", kith_listen_port(r->seeder));
    a.torrent = kith_torrent_file(from, &a.torrent_size);
    a.folder = folder;
    a.peers = peers;
    a.peer_count = 1;
    int err = kith_add(r->node, &a, &k);
    if (err && err != KITH_E_EXISTS)
        fail(r, kith_strerror(err));
    return k;
}

static void open_node(struct run *r, const struct uv_env_fault *fault)
{
    struct kith_options o;
    struct uv_env_config config = {.workers = 2, .fault = *fault};
    KITH_INIT(o);
    o.listen_port = -1;
    o.state_file = r->state;
    if (uv_env_new(&config, &r->env) != 0)
        abort();
    int err = node_open_in(r->env, &o, &r->node);
    if (err)
        fail(r, kith_strerror(err));
}

static bool has_stopped(struct run *r)
{
    return r->stopped;
}

static void close_node(struct run *r)
{
    kith_stop(r->node);
    if (!until(r, has_stopped, SECONDS(10)))
        fail(r, "the node does not stop");
    kith_close(r->node);
    r->node = NULL;
    r->stopped = false;
}

static void begin(struct run *r, const struct uv_env_fault *fault)
{
    struct kith_options o;
    snprintf(r->folder, sizeof r->folder, "%s/kith-faults-XXXXXX",
        getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(r->folder))
        abort();
    snprintf(r->source, sizeof r->source, "%s/source", r->folder);
    snprintf(r->bad, sizeof r->bad, "%s/bad", r->folder);
    snprintf(r->good, sizeof r->good, "%s/good", r->folder);
    snprintf(r->state, sizeof r->state, "%s/state", r->folder);
    put_source(r->source);
    KITH_INIT(o);
    o.listen_address = "127.0.0.1";
    o.worker_threads = 1;
    if (kith_open(&o, &r->seeder) != 0)
        abort();
    share(r, "Data");
    share(r, "Other");
    if (!until(r, shares_are_ready, SECONDS(30)))
        fail(r, "the shares are not ready");
    struct uv_env_fault here = *fault;
    here.beneath = r->bad;
    open_node(r, &here);
    r->victim = get(r, kith_torrent_at(r->seeder, 0), r->bad);
    r->other = get(r, kith_torrent_at(r->seeder, 1), r->good);
}

static void end(struct run *r)
{
    if (r->node)
        close_node(r);
    kith_close(r->seeder);
    nftw(r->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static bool all_done(struct run *r)
{
    return r->victim_done && r->other_done;
}

static bool in_trouble_or_done(struct run *r)
{
    return r->victim_done || r->troubles > 0;
}

static bool other_is_done(struct run *r)
{
    return r->other_done;
}

static void expect_content(struct run *r)
{
    for (size_t f = 0; f < FILES; f++)
        if (!is_right(f + 1 < FILES ? r->bad : r->good, f))
            fail(r, "what was claimed to be complete is not");
}

static uint32_t pieces(struct run *r)
{
    struct kith_status s;
    KITH_INIT(s);
    kith_status(r->victim, &s);
    return s.pieces_done;
}

static bool is_looked_at(struct run *r)
{
    struct kith_status s;
    KITH_INIT(s);
    kith_status(r->victim, &s);
    return s.state == KITH_STATE_PAUSED || s.state == KITH_STATE_DOWNLOADING ||
           s.state == KITH_STATE_SEEDING;
}

/* What the record claims, without the network: then everything is hashed, and that is no less. */
static void expect_claims(struct run *r)
{
    static const struct uv_env_fault off;
    kith_pause(r->victim);
    close_node(r);
    open_node(r, &off);
    if (r->why[0])
        return;
    r->victim = kith_torrent_at(r->node, 0);
    r->other = kith_torrent_at(r->node, 1);
    r->victim_done = false; /* the other one sleeps: it has everything */
    if (!r->victim || !until(r, is_looked_at, SECONDS(30))) {
        fail(r, "it does not come back");
        return;
    }
    uint32_t claimed = pieces(r);
    if (kith_recheck(r->victim) != 0)
        fail(r, "no recheck");
    else if (!until(r, is_looked_at, SECONDS(30)))
        fail(r, "the recheck does not end");
    else if (pieces(r) < claimed)
        fail(r, "a recheck finds less than was claimed");
    char peer[32];
    snprintf(peer, sizeof peer, "127.0.0.1:%u", kith_listen_port(r->seeder));
    kith_add_peer(r->victim, peer);
    kith_resume(r->victim);
}

static void run_once(struct run *r)
{
    struct uv_env_fault fault = {.kinds = UV_ENV_DISK_ANY,
        .first = r->index,
        .period = r->mode == ONCE ? 0 : 1,
        .error = faults[r->fault].error,
        .short_write = faults[r->fault].cut};
    begin(r, &fault);
    if (r->mode != ONCE) {
        if (!until(r, in_trouble_or_done, SECONDS(30)))
            fail(r, "neither trouble nor an end");
        if (!until(r, other_is_done, SECONDS(30)))
            fail(r, "the other torrent waits for an ill disk");
        uv_env_set_fault(r->env, NULL);
    }
    if (r->mode == STOPPED_MEANWHILE && !r->why[0])
        expect_claims(r);
    if (!r->why[0] && !until(r, all_done, BOUND))
        fail(r, r->victim_done ? "the other does not end" : "it does not go on by itself");
    if (!r->why[0])
        expect_content(r);
    end(r);
}

/* How many calls an undisturbed run makes. */
static uint64_t count_calls(void)
{
    static struct run r;
    struct uv_env_fault none = {.kinds = UV_ENV_DISK_ANY, .first = UINT64_MAX, .error = EIO};
    uint64_t calls, hits;
    begin(&r, &none);
    if (!until(&r, all_done, BOUND)) {
        printf("not ok - an undisturbed run: %s\n", r.why);
        exit(1);
    }
    uv_env_fault_counts(r.env, &calls, &hits);
    end(&r);
    return calls;
}

enum { RUN_FAILED = 1, RUN_MET_TROUBLE = 2 }; /* exit codes of a run */

/* ---- the campaign -------------------------------------------------------------------------- */

/* In a process of its own; its words go to standard output, whole lines. */
static pid_t start(uint64_t index, unsigned fault, enum mode mode)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    static struct run r;
    r = (struct run){.index = index, .fault = fault, .mode = mode};
    run_once(&r);
    if (r.why[0])
        printf("not ok - %llu:%s:%s: %s; %s\n", (unsigned long long)index, faults[fault].name,
            mode_names[mode], r.why, r.reason);
    fflush(stdout);
    _exit(r.why[0] ? RUN_FAILED : r.troubles ? RUN_MET_TROUBLE : 0);
}

static unsigned find(const char *name, size_t size, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return i;
    fprintf(stderr, "fault_campaign: what is %.*s?\n", (int)size, name);
    exit(2);
}

static int run_one(const char *which)
{
    const char *names[FAULTS];
    char *fault;
    uint64_t index = strtoull(which, &fault, 10);
    for (unsigned i = 0; i < FAULTS; i++)
        names[i] = faults[i].name;
    fault += *fault == ':';
    size_t size = strcspn(fault, ":");
    const char *mode = fault + size + (fault[size] == ':');
    int status;
    pid_t pid = start(index, find(fault, size, names, FAULTS),
        (enum mode)find(mode, strlen(mode), mode_names, MODES));
    waitpid(pid, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) != RUN_FAILED);
}

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return (*random >> 33) % below;
}

struct child {
    pid_t pid;
    uint64_t which;
};

static uint64_t index_of(uint64_t which)
{
    return 1 + which / FAULTS / MODES;
}

static unsigned fault_of(uint64_t which)
{
    return which / MODES % FAULTS;
}

static pid_t start_which(uint64_t which)
{
    return start(index_of(which), fault_of(which), (enum mode)(which % MODES));
}

/* Waits for one of them and frees its place; 1 if it failed. */
static unsigned reap(struct child *children, uint64_t jobs, uint64_t *troubles)
{
    int status;
    pid_t pid = wait(&status);
    for (uint64_t i = 0; i < jobs; i++) {
        if (children[i].pid != pid)
            continue;
        children[i].pid = 0;
        *troubles += WIFEXITED(status) && WEXITSTATUS(status) == RUN_MET_TROUBLE;
        if (WIFEXITED(status) && WEXITSTATUS(status) != RUN_FAILED)
            return 0;
        printf("    again: fault_campaign --one %llu:%s:%s\n",
            (unsigned long long)index_of(children[i].which),
            faults[fault_of(children[i].which)].name, mode_names[children[i].which % MODES]);
    }
    return 1;
}

static struct child *free_place(struct child *children, uint64_t jobs)
{
    for (uint64_t i = 0; i < jobs; i++)
        if (children[i].pid == 0)
            return &children[i];
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, count = 48, jobs = 24;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--one") == 0)
            return run_one(argv[i + 1]);
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = value;
        else if (strcmp(argv[i], "--count") == 0)
            count = value;
        else if (strcmp(argv[i], "--jobs") == 0)
            jobs = value;
    }
    uint64_t calls = count_calls(), all = calls * FAULTS * MODES, random = seed, troubles = 0;
    unsigned failed = 0, running = 0;
    struct child *children = calloc(jobs, sizeof *children);
    for (uint64_t n = 0; children && n < (count ? count : all); n++) {
        if (running == jobs) {
            failed += reap(children, jobs, &troubles);
            running--;
        }
        struct child *c = free_place(children, jobs);
        c->which = count ? draw(&random, all) : n;
        c->pid = start_which(c->which);
        running++;
    }
    for (; running > 0; running--)
        failed += reap(children, jobs, &troubles);
    free(children);
    printf("%llu runs, seed %llu, calls 1 to %llu, %zu faults; %llu met trouble, %u failed\n",
        (unsigned long long)(count ? count : all), (unsigned long long)seed,
        (unsigned long long)calls, FAULTS, (unsigned long long)troubles, failed);
    return failed > 0;
}
