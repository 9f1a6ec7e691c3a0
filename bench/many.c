/* What many idle seeds cost: `many make FOLDER COUNT` makes COUNT torrents of one sparse file of
 * 64 KiB each, adds them to a node with a state file there and waits until all are seeded;
 * `many run FOLDER SECONDS` opens that node again and prints how long it took until all are there,
 * the memory, the CPU while idle for so long, and how long the stop took. `many --discovery ...`:
 * with the DHT and local service discovery, as a user's node has them. Only libkith is used. */
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
static size_t write_torrent(char *out, size_t room, const char *name)
{
    static uint8_t zeros[SIZE];
    uint8_t digest[20];
    EVP_Digest(zeros, SIZE, digest, NULL, EVP_sha1(), NULL);
    int n =
        snprintf(out, room, "d4:infod6:lengthi%de4:name%zu:%s12:piece lengthi%de6:pieces20:", SIZE,
            strlen(name), name, SIZE);
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
    add.torrent_size = write_torrent(torrent, sizeof torrent, name);
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
    fputs("many [--discovery] make FOLDER COUNT | many [--discovery] run FOLDER SECONDS\n", stderr);
    return 2;
}
