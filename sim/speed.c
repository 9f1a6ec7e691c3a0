/* How fast swarms are, against what cannot be beaten: `run-speed [--tcp|--utp] [NAME...]`. For each
 * case the time until the last leecher is complete, the lower bound (the data has to leave its
 * source once, enter each leecher once, and all copies have to leave somebody), and, for pairs,
 * what one plain TCP stream takes over the same path in the same model. */
#include "swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MB (1u << 20)
#define MBIT 125000u /* bytes a second */

struct speed_case {
    const char *name;
    unsigned leechers;
    uint32_t size;
    uint64_t seed_up, up, down; /* bytes a second */
    usec latency;               /* one way */
    double loss;
};

static const struct speed_case cases[] = {
    {"pair-1M-1ms", 1, 2 * MB, 1 * MBIT, 1 * MBIT, 1 * MBIT, MSECS(1), 0},
    {"pair-1M-50ms", 1, 2 * MB, 1 * MBIT, 1 * MBIT, 1 * MBIT, MSECS(50), 0},
    {"pair-1M-300ms", 1, 2 * MB, 1 * MBIT, 1 * MBIT, 1 * MBIT, MSECS(300), 0},
    {"pair-1M-50ms-2%", 1, 2 * MB, 1 * MBIT, 1 * MBIT, 1 * MBIT, MSECS(50), 0.02},
    {"pair-20M-1ms", 1, 32 * MB, 20 * MBIT, 20 * MBIT, 20 * MBIT, MSECS(1), 0},
    {"pair-20M-50ms", 1, 32 * MB, 20 * MBIT, 20 * MBIT, 20 * MBIT, MSECS(50), 0},
    {"pair-20M-300ms", 1, 32 * MB, 20 * MBIT, 20 * MBIT, 20 * MBIT, MSECS(300), 0},
    {"pair-20M-50ms-0.5%", 1, 16 * MB, 20 * MBIT, 20 * MBIT, 20 * MBIT, MSECS(50), 0.005},
    {"pair-20M-50ms-2%", 1, 16 * MB, 20 * MBIT, 20 * MBIT, 20 * MBIT, MSECS(50), 0.02},
    {"pair-1G-1ms", 1, 256 * MB, 1000 * MBIT, 1000 * MBIT, 1000 * MBIT, MSECS(1), 0},
    {"pair-1G-20ms", 1, 256 * MB, 1000 * MBIT, 1000 * MBIT, 1000 * MBIT, MSECS(20), 0},
    {"pair-1G-150ms", 1, 256 * MB, 1000 * MBIT, 1000 * MBIT, 1000 * MBIT, MSECS(150), 0},
    {"pair-10G-1ms", 1, 256 * MB, 10000 * MBIT, 10000 * MBIT, 10000 * MBIT, MSECS(1), 0},
    {"swarm-2", 2, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-8", 8, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-8-lossy", 8, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(50), 0.005},
    {"swarm-32", 32, 16 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-32-poor-seed", 32, 8 * MB, 4 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-32-poor-64", 32, 64 * MB, 4 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-128", 128, 8 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
    {"swarm-500", 500, 4 * MB, 20 * MBIT, 10 * MBIT, 100 * MBIT, MSECS(20), 0},
};
#define CASE_COUNT (sizeof cases / sizeof *cases)

static double bound_seconds(const struct speed_case *c)
{
    double size = c->size, n = c->leechers;
    double leave = size / (double)c->seed_up, enter = size / (double)c->down;
    double copies = n * size / ((double)c->seed_up + (n == 1 ? 0 : n * (double)c->up));
    double most = leave > enter ? leave : enter;
    return most > copies ? most : copies;
}

static struct sim_config world_of(const struct speed_case *c)
{
    struct sim_config w = sim_config_calm(1);
    w.latency_min = w.latency_max = c->latency;
    w.packet_loss = c->loss;
    w.send_buffer_bytes = 4 * MB; /* as far as Linux tunes them by itself */
    w.receive_buffer_bytes = 6 * MB;
    w.events_per_second_max = 10000000;
    w.disk_latency_max = 200;
    w.disk_sync_max = MSECS(1);
    w.disk_bytes_per_second = 0;
    return w;
}

/* ---- kith */

static bool givers_ready(struct swarm *s)
{
    return s->nodes[0].complete;
}

/* Seconds until the first, the middle and the last leecher are complete; false: never. */
static bool kith_seconds(const struct speed_case *c, const char *only, double out[4])
{
    static struct swarm s;
    struct sim_config world = world_of(c);
    swarm_new(&s, &(struct swarm_config){.seed = 1,
                      .world = &world,
                      .memory_max = 32 * MB,
                      .no_utp = strcmp(only, "--tcp") == 0,
                      .no_tcp = strcmp(only, "--utp") == 0,
                      .file_sizes = {c->size},
                      .piece_length = c->size > 64 * MB  ? MB
                                      : c->size > 8 * MB ? 256 << 10
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
    bool ended = swarm_run_until(&s, SECONDS(36000), swarm_all_complete);
    double times[SWARM_NODES_MAX];
    for (unsigned i = 0; i < c->leechers; i++) {
        double t = (double)(s.nodes[1 + i].completed_at - from) / USEC_PER_SEC;
        unsigned at = i;
        for (; at > 0 && times[at - 1] > t; at--)
            times[at] = times[at - 1];
        times[at] = t;
    }
    out[0] = times[0];
    out[1] = times[c->leechers / 2];
    out[2] = times[c->leechers - 1];
    out[3] = (double)sim_host_stats(s.nodes[0].host).bytes_sent / c->size;
    if (!ended)
        printf("%s: %s\n", c->name, s.why);
    swarm_free(&s);
    return ended;
}

/* ---- a plain stream */

struct stream {
    struct env_tcp *from, *to;
    struct env_listener *listener;
    uint64_t left, got;
    uint8_t *room;
};

static void takes(void *user)
{
    struct stream *s = user;
    struct iovec iov = {s->room, MB};
    ssize_t n;
    while ((n = env_tcp_readv(s->to, &iov, 1)) > 0)
        s->got += (uint64_t)n;
}

static void gives(void *user)
{
    struct stream *s = user;
    ssize_t n = 1;
    while (s->left > 0 && n > 0) {
        struct iovec iov = {s->room, s->left < MB ? s->left : MB};
        n = env_tcp_writev(s->from, &iov, 1, false);
        s->left -= n > 0 ? (uint64_t)n : 0;
    }
    if (s->left == 0)
        env_tcp_want(s->from, false, false);
}

static void connected(void *user, int err)
{
    struct stream *s = user;
    if (err == 0)
        env_tcp_want(s->from, false, true);
}

static const struct env_tcp_events giver = {connected, NULL, gives}, taker = {NULL, takes, NULL};

static void accepted(void *user, struct env_tcp *tcp, const struct endpoint *from)
{
    struct stream *s = user;
    (void)from;
    s->to = tcp;
    env_tcp_set_events(tcp, &taker, s);
    env_tcp_want(tcp, true, false);
}

static bool all_got(void *user)
{
    const struct stream *s = user;
    return s->left == 0 && s->got == *(const uint64_t *)(const void *)s->room;
}

static double stream_seconds(const struct speed_case *c)
{
    struct sim_config config = world_of(c);
    struct sim_world *w = sim_world_new(&config);
    struct sim_host *a = sim_host_new(
        w, &(struct sim_host_config){
               .name = "a", .addresses = {"20.0.0.1"}, .up_bytes_per_second = c->seed_up});
    struct sim_host *b = sim_host_new(
        w, &(struct sim_host_config){
               .name = "b", .addresses = {"20.0.0.2"}, .down_bytes_per_second = c->down});
    struct stream s = {.left = c->size, .room = calloc(1, MB)};
    struct endpoint at = endpoint_v4(0, 80), to = sim_host_endpoint(b, ADDR_V4, 80);
    uint64_t size = c->size;
    if (!s.room)
        abort();
    memcpy(s.room, &size, sizeof size);
    env_tcp_listen(sim_host_env(b), &at, NULL, accepted, &s, &s.listener);
    env_tcp_connect(sim_host_env(a), &to, NULL, &giver, &s, &s.from);
    /* What is read overwrites the room with what was written from it: the same bytes. */
    sim_world_run_until(w, SECONDS(36000), all_got, &s);
    double seconds = (double)sim_world_now(w) / USEC_PER_SEC;
    env_tcp_close(s.from);
    if (s.to)
        env_tcp_close(s.to);
    env_listener_close(s.listener);
    sim_world_free(w);
    free(s.room);
    return seconds;
}

/* ---- the program */

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, strlen(argv[i])) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    bool right = true;
    const char *only = argc > 1 && argv[1][0] == '-' ? argv[1] : "";
    argc -= only[0] != 0;
    argv += only[0] != 0;
    printf("| case | leechers | MiB | bound s | one TCP stream s | first s | middle s | last s | "
           "last / bound | copies that the seed sent |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < CASE_COUNT; i++) {
        const struct speed_case *c = &cases[i];
        double bound = bound_seconds(c), t[4];
        char stream[32] = "";
        if (!is_wanted(c->name, argc, argv))
            continue;
        if (c->leechers == 1)
            snprintf(stream, sizeof stream, "%.2f", stream_seconds(c));
        if (!kith_seconds(c, only, t)) {
            right = false;
            continue;
        }
        printf("| %s | %u | %u | %.2f | %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", c->name,
            c->leechers, c->size / MB, bound, stream, t[0], t[1], t[2], t[2] / bound, t[3]);
        fflush(stdout);
    }
    return !right;
}
