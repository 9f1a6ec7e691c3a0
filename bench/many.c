/* What many idle seeds cost: `many make FOLDER COUNT` makes COUNT torrents of one sparse file of
 * 64 KiB each, adds them to a node with a state file there and waits until all are seeded;
 * `many run FOLDER SECONDS` opens that node again and prints how long it took until all are there,
 * the memory, the CPU while idle for so long, and how long the stop took. `many --discovery ...`:
 * with the DHT and local service discovery, as a user's node has them.
 *
 * `many awake FOLDER COUNT SECONDS udp|http|none`: COUNT torrents that look for data that nobody
 * has, each with a tracker of that kind (bench/stub_tracker.h). Prints how long adding took, until
 * all had announced, memory, idle CPU, descriptors. `many queue FOLDER COUNT AT_A_TIME`: how long
 * until such torrents had been added and all but so many waited for their turn.
 *
 * `many calls FOLDER`: what `make` left is
 * opened, and each call of kith.h is timed among so many torrents. Only libkith is used. */
#include "stub_tracker.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kith.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SIZE 65536
#define AT_A_TIME 500 /* that are being checked */

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* kB of anonymous memory. */
static long anonymous(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static bool discovery;
static int downloads_max;

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        count++;
    if (d)
        closedir(d);
    return count > 3 ? count - 3 : 0; /* ".", "..", and d's own */
}

static struct kith_node *open_node(const char *folder)
{
    char state[4096];
    struct kith_options o;
    struct kith_node *n;
    snprintf(state, sizeof state, "%s/state.db", folder);
    KITH_INIT(o);
    o.listen_address = "127.0.0.1";
    o.dht = discovery ? KITH_DHT_ON : KITH_DHT_OFF;
    o.no_lsd = !discovery;
    o.no_port_mapping = 1;
    o.downloads_max = downloads_max;
    o.state_file = state;
    int err = kith_open(&o, &n);
    if (err) {
        fprintf(stderr, "kith_open: %s\n", kith_strerror(err));
        exit(1);
    }
    return n;
}

static void stop_node(struct kith_node *n)
{
    const struct kith_event *e;
    bool stopped = false;
    kith_stop(n);
    while (!stopped) {
        kith_run(n, 100);
        while ((e = kith_next_event(n)) != NULL)
            stopped |= kith_event_type(e) == KITH_EVENT_STOPPED;
    }
    kith_close(n);
}

/* A torrent of one file of zeros. */
static size_t write_torrent(char *out, size_t room, const char *name, const char *tracker)
{
    static uint8_t zeros[SIZE];
    uint8_t digest[20];
    EVP_Digest(zeros, SIZE, digest, NULL, EVP_sha1(), NULL);
    int n = tracker ? snprintf(out, room, "d8:announce%zu:%s", strlen(tracker), tracker)
                    : snprintf(out, room, "d");
    n += snprintf(out + n, room - (size_t)n,
        "4:infod6:lengthi%de4:name%zu:%s12:piece lengthi%de6:pieces20:", SIZE, strlen(name), name,
        SIZE);
    memcpy(out + n, digest, 20);
    memcpy(out + n + 20, "ee", 2);
    return (size_t)n + 22;
}

static void add_one(struct kith_node *n, const char *folder, int i)
{
    char name[32], path[4096], torrent[512];
    struct kith_add add;
    struct kith_torrent *t;
    snprintf(name, sizeof name, "%06d.bin", i);
    snprintf(path, sizeof path, "%s/data/%s", folder, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || ftruncate(fd, SIZE) != 0) {
        perror(path);
        exit(1);
    }
    close(fd);
    snprintf(path, sizeof path, "%s/data", folder);
    KITH_INIT(add);
    add.torrent = torrent;
    add.torrent_size = write_torrent(torrent, sizeof torrent, name, NULL);
    add.folder = path;
    if (kith_add(n, &add, &t) != 0) {
        fprintf(stderr, "kith_add: %s\n", kith_last_error(n));
        exit(1);
    }
}

static int make(const char *folder, int count)
{
    char path[4096];
    struct kith_node *n;
    const struct kith_event *e;
    int complete = 0;
    mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/data", folder);
    mkdir(path, 0755);
    n = open_node(folder);
    for (int added = 0; complete < count;) {
        while (added < count && added - complete < AT_A_TIME)
            add_one(n, folder, added++);
        kith_run(n, 1000);
        while ((e = kith_next_event(n)) != NULL)
            complete += kith_event_type(e) == KITH_EVENT_COMPLETE;
    }
    stop_node(n);
    printf("%d torrents are seeded\n", count);
    return 0;
}

static int run(const char *folder, int idle_seconds)
{
    double begin = seconds(CLOCK_MONOTONIC);
    struct kith_node *n = open_node(folder);
    size_t count = 0, ready = 0;
    struct kith_torrent *t;
    struct kith_status s;
    while ((t = kith_torrent_at(n, count)) != NULL) {
        KITH_INIT(s);
        kith_status(t, &s);
        ready += s.state == KITH_STATE_SEEDING;
        count++;
    }
    double opened = seconds(CLOCK_MONOTONIC) - begin;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), idle_from = seconds(CLOCK_MONOTONIC);
    while (seconds(CLOCK_MONOTONIC) - idle_from < idle_seconds) {
        kith_run(n, 1000);
        while (kith_next_event(n)) {
        }
    }
    double idle = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    long kb = anonymous();
    begin = seconds(CLOCK_MONOTONIC);
    stop_node(n);
    printf(
        "{\"torrents\": %zu, \"seeding\": %zu, \"ready_s\": %.3f, \"anonymous_bytes_each\": %.0f, "
        "\"idle_cpu_percent\": %.3f, \"stop_s\": %.3f}\n",
        count, ready, opened, count ? (double)kb * 1024 / (double)count : 0,
        idle_seconds ? idle / idle_seconds * 100 : 0, seconds(CLOCK_MONOTONIC) - begin);
    return ready == count ? 0 : 1;
}

/* ---- torrents that look for data ----------------------------------------------------------- */

static void turn(struct kith_node *n, int milliseconds)
{
    kith_run(n, milliseconds);
    while (kith_next_event(n)) {
    }
}

static void add_awake(struct kith_node *n, const char *folder, const char *tracker, int i)
{
    char name[32], torrent[512];
    struct kith_add add;
    struct kith_torrent *t;
    snprintf(name, sizeof name, "%06d.bin", i);
    KITH_INIT(add);
    add.torrent = torrent;
    add.torrent_size = write_torrent(torrent, sizeof torrent, name, tracker);
    add.folder = folder;
    add.sparse = 1;
    if (kith_add(n, &add, &t) != 0) {
        fprintf(stderr, "kith_add: %s\n", kith_last_error(n));
        exit(1);
    }
}

static int in_state(struct kith_node *n, int count, int state)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        struct kith_status s;
        KITH_INIT(s);
        kith_status(kith_torrent_at(n, (size_t)i), &s);
        found += s.state == state;
    }
    return found;
}

static int awake(const char *folder, int count, int idle_seconds, const char *kind)
{
    struct stub_tracker tracker;
    char url[128], data[4096];
    bool told = strcmp(kind, "none") != 0;
    if (stub_tracker_start(&tracker) != 0) {
        fputs("no tracker\n", stderr);
        return 1;
    }
    snprintf(url, sizeof url,
        strcmp(kind, "udp") == 0 ? "udp://127.0.0.1:%u/announce" : "http://127.0.0.1:%u/announce",
        strcmp(kind, "udp") == 0 ? tracker.udp_port : tracker.http_port);
    snprintf(data, sizeof data, "%s/data", folder);
    mkdir(folder, 0755);
    mkdir(data, 0755);
    struct kith_node *n = open_node(folder);
    double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; i++)
        add_awake(n, data, told ? url : NULL, i);
    double added = seconds(CLOCK_MONOTONIC) - begin;
    int ready = 0;
    while ((ready = in_state(n, count, KITH_STATE_DOWNLOADING)) < count &&
           seconds(CLOCK_MONOTONIC) - begin < 60)
        for (int i = 0; i < 20; i++)
            turn(n, 5);
    double opened = seconds(CLOCK_MONOTONIC) - begin;
    while (told && *tracker.announces < (uint64_t)count && seconds(CLOCK_MONOTONIC) - begin < 60)
        turn(n, 100);
    double announced = seconds(CLOCK_MONOTONIC) - begin;
    double begun = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    for (double until = seconds(CLOCK_MONOTONIC) + 3; seconds(CLOCK_MONOTONIC) < until;)
        turn(n, 1000);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double idle_from = seconds(CLOCK_MONOTONIC);
    while (seconds(CLOCK_MONOTONIC) - idle_from < idle_seconds)
        turn(n, 1000);
    double idle = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    long kb = anonymous();
    unsigned open_files = descriptors();
    uint64_t heard = *tracker.announces;
    begin = seconds(CLOCK_MONOTONIC);
    stop_node(n);
    printf("{\"torrents\": %d, \"downloading\": %d, \"add_s\": %.3f, \"open_s\": %.3f, "
           "\"announced_s\": %.3f, \"announces\": %" PRIu64 ", \"begin_cpu_s\": %.3f, "
           "\"anonymous_bytes_each\": %.0f, \"idle_cpu_percent\": %.3f, \"descriptors\": %u, "
           "\"stop_s\": %.3f}\n",
        count, ready, added, opened, announced, heard, begun, (double)kb * 1024 / (double)count,
        idle_seconds ? idle / idle_seconds * 100 : 0, open_files, seconds(CLOCK_MONOTONIC) - begin);
    stub_tracker_stop(&tracker);
    return ready == count ? 0 : 1;
}

static int queue(const char *folder, int count, int at_a_time)
{
    char data[4096];
    int waiting;
    downloads_max = at_a_time;
    snprintf(data, sizeof data, "%s/data", folder);
    mkdir(folder, 0755);
    mkdir(data, 0755);
    struct kith_node *n = open_node(folder);
    double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; i++)
        add_awake(n, data, NULL, i);
    double added = seconds(CLOCK_MONOTONIC) - begin;
    while ((waiting = in_state(n, count, KITH_STATE_QUEUED)) < count - at_a_time &&
           seconds(CLOCK_MONOTONIC) - begin < 120)
        for (int i = 0; i < 50; i++)
            turn(n, 5);
    printf("{\"torrents\": %d, \"waiting\": %d, \"add_s\": %.3f, \"all_s\": %.3f, "
           "\"cpu_s\": %.3f}\n",
        count, waiting, added, seconds(CLOCK_MONOTONIC) - begin,
        seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    stop_node(n);
    return waiting == count - at_a_time ? 0 : 1;
}

/* ---- calls among many torrents ------------------------------------------------------------- */

struct timing {
    const char *name;
    double sum, worst;
    unsigned count;
};

#define TIMED(timing, call)                                                                        \
    do {                                                                                           \
        double timed_from = seconds(CLOCK_MONOTONIC);                                              \
        call;                                                                                      \
        double took = seconds(CLOCK_MONOTONIC) - timed_from;                                       \
        (timing).sum += took;                                                                      \
        (timing).worst = took > (timing).worst ? took : (timing).worst;                            \
        (timing).count++;                                                                          \
    } while (0)

#define CALLS 1000
#define PAGE 100

enum { ADD, TURN, PAGE_OF, STATUS, FIND, RATES, PAUSE, RESUME, EVENT, REMOVE, CALL_COUNT };

static void time_page(struct kith_node *n, size_t from)
{
    for (size_t i = 0; i < PAGE; i++) {
        struct kith_status s;
        struct kith_torrent *t = kith_torrent_at(n, from + i);
        KITH_INIT(s);
        if (t)
            kith_status(t, &s);
    }
}

static void hex_of(const uint8_t hash[20], char out[41])
{
    for (int i = 0; i < 20; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static int calls(const char *folder)
{
    struct timing t[CALL_COUNT] = {{.name = "add"}, {.name = "turn"}, {.name = "page"},
        {.name = "status"}, {.name = "find"}, {.name = "rates"}, {.name = "pause"},
        {.name = "resume"}, {.name = "event"}, {.name = "remove"}};
    char data[4096], hex[41];
    static struct kith_torrent *all[CALLS];
    const struct kith_event *e;
    struct kith_node *n = open_node(folder);
    size_t count = 0;
    while (kith_torrent_at(n, count))
        count++;
    snprintf(data, sizeof data, "%s/data", folder);
    for (int i = 0; i < CALLS; i++) {
        TIMED(t[ADD], add_awake(n, data, NULL, 900000 + i));
        TIMED(t[TURN], kith_run(n, 0));
    }
    for (int i = 0; i < CALLS; i++) {
        struct kith_status s;
        size_t at = (size_t)i * (count / CALLS);
        TIMED(t[PAGE_OF], time_page(n, at));
        all[i] = kith_torrent_at(n, at);
        KITH_INIT(s);
        TIMED(t[STATUS], kith_status(all[i], &s));
        hex_of(s.info_hash_v1, hex);
        TIMED(t[FIND], kith_torrent_find(n, hex));
    }
    for (int i = 0; i < CALLS; i++)
        TIMED(t[RATES], kith_set_torrent_rates(all[i], 1000, 1000));
    for (int i = 0; i < CALLS; i++) {
        TIMED(t[PAUSE], kith_pause(all[i]));
        TIMED(t[TURN], kith_run(n, 0));
    }
    for (int i = 0; i < CALLS; i++) {
        TIMED(t[RESUME], kith_resume(all[i]));
        TIMED(t[TURN], kith_run(n, 0));
    }
    for (int i = 0; i < CALLS; i++) {
        TIMED(t[REMOVE], kith_remove(all[i]));
        TIMED(t[TURN], kith_run(n, 0));
    }
    do {
        TIMED(t[TURN], kith_run(n, 0));
        TIMED(t[EVENT], e = kith_next_event(n));
    } while (e || t[EVENT].count < CALLS);
    stop_node(n);
    printf("{\"torrents\": %zu", count);
    for (int i = 0; i < CALL_COUNT; i++)
        printf(", \"%s_us\": %.1f, \"%s_worst_us\": %.0f", t[i].name, t[i].sum / t[i].count * 1e6,
            t[i].name, t[i].worst * 1e6);
    puts("}");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--discovery") == 0) {
        discovery = true;
        argc--;
        argv++;
    }
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        return make(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "run") == 0)
        return run(argv[2], atoi(argv[3]));
    if (argc == 6 && strcmp(argv[1], "awake") == 0)
        return awake(argv[2], atoi(argv[3]), atoi(argv[4]), argv[5]);
    if (argc == 5 && strcmp(argv[1], "queue") == 0)
        return queue(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "calls") == 0)
        return calls(argv[2]);
    fputs("many [--discovery] make FOLDER COUNT | run FOLDER SECONDS |\n"
          "    awake FOLDER COUNT SECONDS udp|http|none |\n"
          "    queue FOLDER COUNT AT_A_TIME | calls FOLDER\n",
        stderr);
    return 2;
}
