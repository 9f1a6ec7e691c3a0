/* A line between two network namespaces, for kernels without netem: two TUN devices and between
 * them, each way, a bottleneck with a queue, a delay, loss and reordering.
 *
 *   link NETNS NETNS [--rate BYTES-A-SECOND] [--queue BYTES] [--delay MS] [--loss PERCENT]
 *                    [--reorder PERCENT] [--reorder-delay MS] [--seed N]
 *
 * Makes a device "line0" in each namespace, prints "ready", and carries packets until it is told to
 * stop; then prints one line of JSON for each direction. The queue is accounted for, not measured:
 * a packet waits until those before it have left at the line's rate, however late this process is
 * scheduled. Root only. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FLIGHT_MAX 65536
#define PACKET_MAX 2048
#define WAITS_BUCKETS 10000 /* of a millisecond each */

struct settings {
    uint64_t rate, queue;         /* bytes a second; bytes. 0: no bound */
    int64_t delay, reorder_delay; /* microseconds */
    double loss, reorder;         /* 0 to 1 */
    uint64_t seed;
};

struct packet {
    int64_t at; /* when it arrives */
    uint64_t number;
    size_t size;
    uint8_t *data;
};

/* One direction. */
struct way {
    int in, out;           /* TUN descriptors */
    int64_t free_at;       /* when the bottleneck has sent all that it has */
    struct packet *flight; /* a heap by arrival */
    unsigned count;
    uint64_t numbered;
    uint64_t packets, bytes, lost, dropped, late;
    uint64_t waits[WAITS_BUCKETS]; /* packets by how long they waited, in milliseconds */
    double waited;                 /* their sum */
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double chance(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) / (double)(1ull << 53);
}

/* ---- devices ------------------------------------------------------------------------------- */

/* A descriptor of a TUN device that stands in the named namespace. */
static int tun_in(const char *name)
{
    char path[256];
    struct ifreq request = {.ifr_name = "line0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(path, sizeof path, "/var/run/netns/%s", name);
    int place = open(path, O_RDONLY | O_CLOEXEC);
    if (place < 0 || setns(place, CLONE_NEWNET) != 0)
        fail(path);
    close(place);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        fail("/dev/net/tun");
    return fd;
}

/* ---- packets on their way ------------------------------------------------------------------ */

static bool is_sooner(const struct packet *a, const struct packet *b)
{
    return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(struct packet *a, struct packet *b)
{
    struct packet t = *a;
    *a = *b;
    *b = t;
}

static void push(struct way *w, const uint8_t *data, size_t size, int64_t at)
{
    unsigned i = w->count;
    if (i == FLIGHT_MAX)
        return;
    w->count++;
    w->flight[i] = (struct packet){at, w->numbered++, size, malloc(size)};
    memcpy(w->flight[i].data, data, size);
    for (; i > 0 && is_sooner(&w->flight[i], &w->flight[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->flight[i], &w->flight[(i - 1) / 2]);
}

static struct packet pop(struct way *w)
{
    struct packet first = w->flight[0];
    w->flight[0] = w->flight[--w->count];
    for (unsigned i = 0, child; (child = 2 * i + 1) < w->count; i = child) {
        if (child + 1 < w->count && is_sooner(&w->flight[child + 1], &w->flight[child]))
            child++;
        if (!is_sooner(&w->flight[child], &w->flight[i]))
            break;
        swap(&w->flight[child], &w->flight[i]);
    }
    return first;
}

/* ---- the line ------------------------------------------------------------------------------ */

static void take(struct way *w, struct settings *s, const uint8_t *data, size_t size, int64_t now)
{
    int64_t wait = w->free_at > now ? w->free_at - now : 0;
    w->packets++;
    if (chance(&s->seed) < s->loss) {
        w->lost++;
        return;
    }
    if (s->queue > 0 && s->rate > 0 && (double)wait * (double)s->rate / 1e6 > (double)s->queue) {
        w->dropped++;
        return;
    }
    w->bytes += size;
    w->waited += (double)wait;
    w->waits[wait / 1000 < WAITS_BUCKETS ? wait / 1000 : WAITS_BUCKETS - 1]++;
    int64_t at = now + wait;
    if (s->rate > 0)
        at += (int64_t)((double)size * 1e6 / (double)s->rate);
    w->free_at = at;
    at += s->delay;
    if (chance(&s->seed) < s->reorder) {
        w->late++;
        at += (int64_t)(chance(&s->seed) * (double)s->reorder_delay);
    }
    push(w, data, size, at);
}

static void take_all(struct way *w, struct settings *s)
{
    uint8_t data[PACKET_MAX];
    ssize_t size;
    for (int i = 0; i < 256 && (size = read(w->in, data, sizeof data)) > 0; i++)
        take(w, s, data, (size_t)size, now_us());
}

static void deliver(struct way *w, int64_t now)
{
    while (w->count > 0 && w->flight[0].at <= now) {
        struct packet p = pop(w);
        if (write(w->out, p.data, p.size) < 0 && errno != EIO && errno != EAGAIN)
            perror("write"); /* EIO: the device is down */
        free(p.data);
    }
}

static void wait_for_news(struct way ways[2], int64_t now)
{
    struct pollfd fds[2] = {{ways[0].in, POLLIN, 0}, {ways[1].in, POLLIN, 0}};
    int64_t next = now + 1000000;
    for (int i = 0; i < 2; i++)
        if (ways[i].count > 0 && ways[i].flight[0].at < next)
            next = ways[i].flight[0].at;
    int64_t pause = next > now ? next - now : 0;
    struct timespec t = {pause / 1000000, pause % 1000000 * 1000};
    ppoll(fds, 2, &t, NULL);
}

/* ---- what happened ------------------------------------------------------------------------- */

/* The wait, in milliseconds, that `share` of the packets did not exceed. */
static unsigned quantile(const struct way *w, double share)
{
    uint64_t all = w->packets - w->lost - w->dropped, seen = 0;
    for (unsigned i = 0; i < WAITS_BUCKETS; i++) {
        seen += w->waits[i];
        if ((double)seen >= share * (double)all)
            return i;
    }
    return WAITS_BUCKETS;
}

static void report(const struct way *w)
{
    uint64_t all = w->packets - w->lost - w->dropped;
    printf("{\"packets\": %llu, \"bytes\": %llu, \"lost\": %llu, \"dropped\": %llu, "
           "\"late\": %llu, \"wait_mean_ms\": %.1f, \"wait_median_ms\": %u, \"wait_p95_ms\": %u, "
           "\"wait_max_ms\": %u}\n",
        (unsigned long long)w->packets, (unsigned long long)w->bytes, (unsigned long long)w->lost,
        (unsigned long long)w->dropped, (unsigned long long)w->late,
        all ? w->waited / (double)all / 1000 : 0.0, quantile(w, 0.5), quantile(w, 0.95),
        quantile(w, 1));
}

static bool set(struct settings *s, const char *name, const char *value)
{
    double v = atof(value);
    if (strcmp(name, "--rate") == 0)
        s->rate = (uint64_t)v;
    else if (strcmp(name, "--queue") == 0)
        s->queue = (uint64_t)v;
    else if (strcmp(name, "--delay") == 0)
        s->delay = (int64_t)(v * 1000);
    else if (strcmp(name, "--loss") == 0)
        s->loss = v / 100;
    else if (strcmp(name, "--reorder") == 0)
        s->reorder = v / 100;
    else if (strcmp(name, "--reorder-delay") == 0)
        s->reorder_delay = (int64_t)(v * 1000);
    else if (strcmp(name, "--seed") == 0)
        s->seed = (uint64_t)v;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct way ways[2];
    struct settings s = {.seed = 1};
    for (int i = 3; i + 1 < argc; i += 2)
        if (!set(&s, argv[i], argv[i + 1]))
            argc = 0;
    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: link NETNS NETNS [--rate ...]: see the head of link.c\n");
        return 2;
    }
    int ends[2] = {tun_in(argv[1]), tun_in(argv[2])};
    for (int i = 0; i < 2; i++)
        ways[i] = (struct way){.in = ends[i],
            .out = ends[1 - i],
            .flight = malloc(sizeof(struct packet) * FLIGHT_MAX)};
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    puts("ready");
    fflush(stdout);
    while (!stop) {
        int64_t now = now_us();
        deliver(&ways[0], now);
        deliver(&ways[1], now);
        wait_for_news(ways, now);
        take_all(&ways[0], &s);
        take_all(&ways[1], &s);
    }
    report(&ways[0]);
    report(&ways[1]);
    return 0;
}
