/* The world's clock: takes the next event, moves time to it, fires it, until the caller's predicate
 * holds; notices when nothing can happen any more, or too much happens at once. */
#include "env/sim/world.h"
#include "base/err.h"
#include "env/sim/host.h"
#include "env/sim/net.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct script {
    struct sim_event event;
    struct list_link link;
    struct sim_world *world;
    void (*act)(void *user);
    void *user;
};

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        abort();
    return p;
}

void *sim_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL)
        abort();
    return p;
}

char *sim_dup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(sim_alloc(size), text, size);
}

struct sim_config sim_config_calm(uint64_t seed)
{
    return (struct sim_config){
        .seed = seed,
        .start_unix = 1767225600, /* 2026-01-01 */
        .latency_min = MSECS(10),
        .latency_max = MSECS(40),
        .udp_reorder_max = MSECS(50),
        .connect_timeout = SECONDS(127), /* Linux: six SYN retries */
        .stall_timeout = SECONDS(924),   /* Linux: tcp_retries2 = 15 */
        .send_buffer_bytes = 256 << 10,
        .receive_buffer_bytes = 1 << 20,
        .queue_max = MSECS(100),
        .udp_buffer_bytes = 212992,
        .udp_size_max = 65507,
        .resolve_max = MSECS(30),
        .http_latency = MSECS(60),
        .turn = 5,
        .events_per_second_max = 150000,
        .job_time_max = 50,
        .disk_latency_min = 50,
        .disk_latency_max = MSECS(2),
        .disk_sync_max = MSECS(15),
        .disk_bytes_per_second = 400u << 20,
    };
}

struct sim_config sim_config_rough(uint64_t seed)
{
    struct sim_config c = sim_config_calm(seed);
    c.latency_min = MSECS(2);
    c.latency_max = MSECS(150);
    c.jitter_max = MSECS(15);
    c.packet_loss = 0.01;
    c.udp_duplicate = 0.005;
    c.udp_reorder = 0.02;
    c.connect_refuse = 0.02;
    c.connect_silence = 0.02;
    c.read_split = 0.3;
    c.write_split = 0.1;
    c.wake_late_max = MSECS(3);
    c.shuffle_jobs = true;
    c.disk_latency_max = MSECS(20);
    return c;
}

struct sim_world *sim_world_new(const struct sim_config *config)
{
    struct sim_world *w = sim_alloc(sizeof *w);
    w->config = *config;
    w->net_rng = sim_rng_of(config->seed, SIM_STREAM_NET, 0);
    w->script_rng = sim_rng_of(config->seed, SIM_STREAM_SCRIPT, 0);
    w->digest = sim_mix(config->seed);
    struct sim_rng keys = sim_rng_of(config->seed, SIM_STREAM_MAP, 0);
    uint64_t key[2] = {sim_rng_next(&keys), sim_rng_next(&keys)};
    w->routes = map_new(21, (const uint8_t *)key);
    w->paths = map_new(8, (const uint8_t *)key);
    if (w->routes == NULL || w->paths == NULL)
        abort();
    list_init(&w->conns);
    list_init(&w->datagrams);
    list_init(&w->scripts);
    return w;
}

void sim_world_free(struct sim_world *w)
{
    if (w == NULL)
        return;
    for (uint32_t i = 0; i < w->host_count; i++)
        sim_host_free_handles(w->hosts[i]);
    sim_conns_free(w);
    sim_datagrams_free(w);
    for (uint32_t i = 0; i < w->host_count; i++)
        sim_host_free(w->hosts[i]);
    free(w->hosts);
    list_for_each_safe(link, &w->scripts) free(list_entry(link, struct script, link));
    for (uint32_t i = 0; i < w->nat_count; i++)
        sim_nat_free(w->nats[i]);
    free(w->nats);
    sim_net_free(w);
    sim_names_free(w);
    sim_http_free(w);
    sim_queue_free(&w->queue);
    free(w);
}

usec sim_world_now(const struct sim_world *w)
{
    return w->now;
}

uint64_t sim_world_digest(const struct sim_world *w)
{
    return w->digest;
}

uint64_t sim_world_event_count(const struct sim_world *w)
{
    return w->event_count;
}

struct sim_host *sim_world_last(const struct sim_world *w)
{
    return w->fired;
}

uint64_t sim_world_draw(struct sim_world *w, uint64_t below)
{
    return sim_rng_below(&w->script_rng, below);
}

void sim_schedule(struct sim_world *w, struct sim_event *event, usec at)
{
    sim_queue_put(&w->queue, event, at < w->now ? w->now : at);
}

void sim_unschedule(struct sim_world *w, struct sim_event *event)
{
    sim_queue_remove(&w->queue, event);
}

static uint64_t stir(uint64_t sum, const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    sum = (sum ^ word) * 0xff51afd7ed558ccdu;
    return sum ^ sum >> 32;
}

/* All bytes that pass over the network go through here: four chains side by side, because each
 * multiplication waits for the one before it in its chain. */
uint64_t sim_fingerprint(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t sums[4] = {size * 0x9e3779b97f4a7c15u, 1, 2, 3};
    for (; size >= 32; size -= 32, p += 32)
        for (size_t i = 0; i < 4; i++)
            sums[i] = stir(sums[i], p + 8 * i);
    for (size_t i = 0; size >= 8; size -= 8, p += 8, i++)
        sums[i] = stir(sums[i], p);
    uint64_t tail = 0;
    if (size > 0)
        memcpy(&tail, p, size);
    return sim_mix(
        sim_mix(sim_mix(sums[0] ^ tail) ^ sums[1]) ^ sim_mix(sums[2] ^ sim_mix(sums[3])));
}

void sim_record(
    struct sim_world *w, struct sim_host *host, const char *what, uint64_t a, uint64_t b)
{
    uint64_t d = sim_mix(w->digest ^ (uint64_t)w->now);
    d = sim_mix(d ^ sim_fingerprint(what, strlen(what)));
    d = sim_mix(d + (host == NULL ? 0 : host->number + 1));
    w->digest = sim_mix(sim_mix(d ^ a) + b);
    if (w->config.trace != NULL)
        w->config.trace(
            w->config.trace_user, w->now, host == NULL ? "world" : host->name, what, a, b);
}

static void script_fires(struct sim_event *event)
{
    struct script *s = container_of(event, struct script, event);
    void (*act)(void *) = s->act;
    void *user = s->user;
    list_remove(&s->link);
    s->world->script_count--;
    free(s);
    act(user);
}

void sim_world_at(struct sim_world *w, usec when, void (*act)(void *user), void *user)
{
    if (w->script_count++ == SIM_SCRIPT_MAX)
        abort();
    struct script *s = sim_alloc(sizeof *s);
    s->world = w;
    s->act = act;
    s->user = user;
    list_push_back(&w->scripts, &s->link);
    sim_event_init(&s->event, "script", NULL, script_fires);
    sim_schedule(w, &s->event, when);
}

/* Counts the event against its host's second; false if that was one too many. */
static bool within_bound(struct sim_world *w, struct sim_host *host)
{
    uint64_t *second = host == NULL ? &w->second : &host->second;
    uint64_t *events = host == NULL ? &w->second_events : &host->second_events;
    uint64_t this_second = (uint64_t)(w->now / USEC_PER_SEC);
    if (*second != this_second) {
        *second = this_second;
        *events = 0;
    }
    return ++*events <= w->config.events_per_second_max;
}

static void fire(struct sim_world *w, struct sim_event *event)
{
    struct sim_host *host = event->host;
    if (event->of_node && sim_asleep(host)) {
        sim_schedule(w, event, host->wakes_at);
        return;
    }
    sim_record(w, host, event->what, 0, 0);
    w->event_count++;
    w->firing = w->fired = host;
    if (host != NULL)
        host->stats.events++;
    event->fire(event);
    w->firing = NULL;
    if (host != NULL && host->crash_pending)
        sim_crash_now(host, host->crash_kind);
}

static enum sim_end complain(
    struct sim_world *w, enum sim_end end, const char *why, struct sim_event *event)
{
    snprintf(w->complaint, sizeof w->complaint, "%s at %" PRId64 ".%06" PRId64 " s%s%s%s%s%s", why,
        w->now / USEC_PER_SEC, w->now % USEC_PER_SEC, event == NULL ? "" : ", event \"",
        event == NULL ? "" : event->what, event == NULL ? "" : "\"",
        event == NULL || event->host == NULL ? "" : " of host ",
        event == NULL || event->host == NULL ? "" : event->host->name);
    return end;
}

enum sim_end sim_world_run_until(
    struct sim_world *w, usec until, bool (*reached)(void *user), void *user)
{
    for (;;) {
        if (reached != NULL && reached(user))
            return SIM_REACHED;
        struct sim_event *event = sim_queue_first(&w->queue);
        if (event == NULL && (until == NEVER || reached != NULL))
            return complain(w, SIM_STUCK, "stuck: no event is left", NULL);
        if (event == NULL || event->at > until) {
            w->now = until > w->now ? until : w->now;
            return complain(w, SIM_TIME_UP, "time is up", event);
        }
        w->now = event->at;
        if (!within_bound(w, event->host))
            return complain(w, SIM_LIVELOCK, "livelock: too many events in one second", event);
        sim_queue_remove(&w->queue, event);
        fire(w, event);
    }
}

const char *sim_world_complaint(const struct sim_world *w)
{
    return w->complaint;
}
