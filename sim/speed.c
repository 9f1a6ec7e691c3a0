/* How fast swarms are, against what cannot be beaten: `run-speed [--tcp|--utp] [--seed N] [--watch]
 * [NAME...]`. For each case the time until the last leecher is complete, the lower bound (the data
 * has to leave its source once, enter each leecher once, and all copies have to leave somebody),
 * and, for pairs, what one plain TCP stream takes over the same path in the same model; both are
 * means of several seeds where packets are lost. */
#include "stream.h"
#include "swarm.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MB (1u << 20)
#define MBIT 125000u      /* bytes a second */
#define TRACKER_ANSWER 50 /* peers that a newcomer is told of (BEP 3's numwant, usually) */
/* Where packets are lost by lot one run says little: as many seeds as move so much data, means. */
#define LOSSY_BYTES (96 * MB)

struct speed_case {
    char name[48];
    unsigned leechers;
    uint32_t size;
    uint64_t seed_up, up, down; /* bytes a second */
    usec latency;               /* one way */
    double loss;
    uint32_t piece_length; /* 0: as the size has it */
};

/* Pairs are all of these together. */
static const struct {
    const char *name;
    uint64_t rate;
    uint32_t size;
} rates[] = {{"1M", 1 * MBIT, 2 * MB}, {"20M", 20 * MBIT, 16 * MB}, {"100M", 100 * MBIT, 64 * MB},
    {"1G", 1000 * MBIT, 256 * MB}, {"10G", 10000 * MBIT, 256 * MB}};
static const unsigned latencies_ms[] = {1, 50, 300};
static const double losses[] = {0, 0.005, 0.02};

static const struct speed_case swarms[] = {
    {"swarm-2", 2, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-8", 8, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-8-lossy", 8, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(50), 0.005},
    {"swarm-32", 32, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-32-poor-seed", 32, 8 * MB, 4 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-32-poor-64", 32, 64 * MB, 4 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-64", 64, 8 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-128", 128, 8 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-500", 500, 4 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    /* Ten times slower, not ten times larger: the bound is as far off, and the memory enough. */
    {"swarm-slow-32", 32, 4 * MB, 2 * MBIT, MBIT, 10 * MBIT, MSECS(20), 0, 16 << 10},
    {"swarm-slow-128", 128, 4 * MB, 2 * MBIT, MBIT, 10 * MBIT, MSECS(20), 0, 16 << 10},
    {"swarm-slow-500", 500, 4 * MB, 2 * MBIT, MBIT, 10 * MBIT, MSECS(20), 0, 16 << 10},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static double bound_seconds(const struct speed_case *c)
{
    double size = c->size, n = c->leechers;
    double leave = size / (double)c->seed_up, enter = size / (double)c->down;
    double copies = n * size / ((double)c->seed_up + (n == 1 ? 0 : n * (double)c->up));
    double most = leave > enter ? leave : enter;
    return most > copies ? most : copies;
}

enum carrier { BOTH, TCP, UTP };
static const char *const carrier_names[] = {"both", "TCP", "uTP"};

struct options {
    enum carrier carrier;
    bool watch;
    uint64_t seed;
};

static struct sim_config world_of(const struct speed_case *c, uint64_t seed)
{
    struct sim_config w = sim_config_calm(seed);
    w.latency_min = w.latency_max = c->latency;
    w.packet_loss = c->loss;
    w.send_buffer_bytes = 4 * MB; /* as far as Linux tunes them by itself */
    w.send_buffer_tuned = true;
    w.receive_buffer_bytes = 6 * MB;
    w.events_per_second_max = 10000000;
    w.disk_latency_max = 200;
    w.disk_sync_max = MSECS(1);
    w.disk_bytes_per_second = 0;
    return w;
}

/* ---- kith ---------------------------------------------------------------------------------- */

static bool givers_ready(struct swarm *s)
{
    return s->nodes[0].complete;
}

static bool looked_at(struct swarm *s)
{
    watch_look(s->script, s);
    return swarm_all_complete(s);
}

static int by_time(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

struct outcome {
    double first, middle, last; /* seconds until leechers are complete */
    double copies;              /* that the seed sent */
};

/* False: not all ever are. */
static bool kith_seconds(const struct speed_case *c, const struct options *o, struct outcome *out)
{
    static struct swarm s;
    struct sim_config world = world_of(c, o->seed);
    swarm_new(&s, &(struct swarm_config){.seed = o->seed,
                      .world = &world,
                      .memory_max = 32 * MB,
                      .known = TRACKER_ANSWER,
                      .plaintext = c->leechers > 1, /* keys and ciphers only cost the machine */
                      .no_utp = o->carrier == TCP,
                      .no_tcp = o->carrier == UTP,
                      .file_sizes = {c->size},
                      .piece_length = c->piece_length     ? c->piece_length
                                      : c->size > 64 * MB ? MB
                                      : c->size > 8 * MB  ? 256 << 10
                                                          : 64 << 10});
    struct swarm_node_config seed = {.seeder = true, .up = c->seed_up, .folder = "/d"};
    struct swarm_node_config leecher = {.up = c->up, .down = c->down, .folder = "/d"};
    swarm_add(&s, &seed);
    for (unsigned i = 0; i < c->leechers; i++)
        swarm_add(&s, &leecher);
    swarm_start(&s.nodes[0]);
    swarm_run_until(&s, SECONDS(600), givers_ready);
    usec from = sim_world_now(s.world);
    for (unsigned i = 0; i < c->leechers; i++)
        swarm_start(&s.nodes[1 + i]);
    s.script = calloc(1, sizeof(struct watch));
    if (!s.script)
        abort();
    bool ended = swarm_run_until(&s, SECONDS(36000), o->watch ? looked_at : swarm_all_complete);
    double times[SWARM_NODES_MAX];
    for (unsigned i = 0; i < c->leechers; i++)
        times[i] = (double)(s.nodes[1 + i].completed_at - from) / USEC_PER_SEC;
    qsort(times, c->leechers, sizeof *times, by_time);
    *out = (struct outcome){times[0], times[c->leechers / 2], times[c->leechers - 1],
        (double)sim_host_stats(s.nodes[0].host).bytes_sent / c->size};
    if (!ended)
        printf("%s: %s\n", c->name, s.why);
    swarm_free(&s);
    return ended;
}

/* ---- the program --------------------------------------------------------------------------- */

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], name, strlen(argv[i])) == 0)
            return true;
    return argc == 0;
}

/* Takes the options off the front of argv; how many words they were, or -1. */
static int parse(int argc, char **argv, struct options *o)
{
    int i = 1;
    *o = (struct options){.seed = 1};
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--tcp") == 0)
            o->carrier = TCP;
        else if (strcmp(argv[i], "--utp") == 0)
            o->carrier = UTP;
        else if (strcmp(argv[i], "--watch") == 0)
            o->watch = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            o->seed = strtoull(argv[++i], NULL, 10);
        else
            return -1;
    }
    return i;
}

static void print_head(bool pairs, const struct options *o)
{
    if (pairs)
        printf("| %s | MiB | bound s | one TCP stream s | kith s | kith / bound | kith / stream |\n"
               "| --- | --- | --- | --- | --- | --- | --- |\n",
            carrier_names[o->carrier]);
    else
        printf("| %s | leechers | MiB | bound s | first s | middle s | last s | last / bound | "
               "copies that the seed sent |\n"
               "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            carrier_names[o->carrier]);
}

static bool run_swarm(const struct speed_case *c, const struct options *o)
{
    double bound = bound_seconds(c);
    struct outcome t;
    if (!kith_seconds(c, o, &t))
        return false;
    printf("| %s | %u | %u | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", c->name, c->leechers,
        c->size / MB, bound, t.first, t.middle, t.last, t.last / bound, t.copies);
    return true;
}

static bool run_pair(const struct speed_case *c, const struct options *o)
{
    double bound = bound_seconds(c), kith = 0, stream = 0;
    unsigned runs = c->loss > 0 && c->size < LOSSY_BYTES ? LOSSY_BYTES / c->size : 1;
    struct options one = *o;
    for (unsigned i = 0; i < runs; i++, one.seed++) {
        struct sim_config world = world_of(c, one.seed);
        struct outcome t;
        if (!kith_seconds(c, &one, &t))
            return false;
        kith += t.last / runs;
        stream += stream_seconds(&(struct stream_config){
                      .world = &world, .up = c->seed_up, .down = c->down, .size = c->size}) /
                  runs;
    }
    printf("| %s | %u | %.2f | %.2f | %.2f | %.2f | %.2f |\n", c->name, c->size / MB, bound, stream,
        kith, kith / bound, kith / stream);
    return true;
}

static bool run_case(const struct speed_case *c, const struct options *o)
{
    bool right = c->leechers > 1 ? run_swarm(c, o) : run_pair(c, o);
    fflush(stdout);
    return right;
}

static struct speed_case pair_of(size_t number)
{
    double loss = losses[number % COUNT_OF(losses)];
    number /= COUNT_OF(losses);
    unsigned latency = latencies_ms[number % COUNT_OF(latencies_ms)];
    number /= COUNT_OF(latencies_ms);
    struct speed_case c = {.leechers = 1,
        .size = rates[number].size,
        .seed_up = rates[number].rate,
        .up = rates[number].rate,
        .down = rates[number].rate,
        .latency = MSECS(latency),
        .loss = loss};
    snprintf(c.name, sizeof c.name, "pair-%s-%ums-%g%%", rates[number].name, latency, loss * 100);
    return c;
}

int main(int argc, char **argv)
{
    struct options o;
    int used = parse(argc, argv, &o);
    size_t pairs = COUNT_OF(rates) * COUNT_OF(latencies_ms) * COUNT_OF(losses);
    bool right = used > 0;
    if (!right)
        fprintf(stderr, "usage: run-speed [--tcp|--utp] [--seed N] [--watch] [NAME...]\n");
    for (size_t i = 0, printed = 0; used > 0 && i < pairs + COUNT_OF(swarms); i++) {
        struct speed_case c = i < pairs ? pair_of(i) : swarms[i - pairs];
        if (!is_wanted(c.name, argc - used, argv + used))
            continue;
        if (printed != 1 + (size_t)(i >= pairs))
            print_head(i < pairs, &o);
        printed = 1 + (size_t)(i >= pairs);
        right &= run_case(&c, &o);
    }
    return !right;
}
