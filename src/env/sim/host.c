/* A host: its lives (one env each), its clock, its crash and restart. The network side is in net.c,
 * the disk in disk.c, the workers in jobs.c. */
#include "env/sim/host.h"
#include "env/sim/disk.h"
#include "env/sim/net.h"
#include <assert.h>
#include <stdlib.h>

#define DISK_BYTES ((uint64_t)1 << 40) /* if the scenario does not say */
#define WORKERS 2
#define PORT_FIRST 32768 /* of the ephemeral ones, as on Linux */

/* ---- handles ------------------------------------------------------------------------------- */

void sim_handle_open(struct sim_handle *h, const struct sim_handle_kind *kind, struct sim_env *env)
{
    h->ops = &sim_ops;
    h->kind = kind;
    h->env = env;
    list_push_back(&env->handles, &h->link);
}

void sim_handle_close(struct sim_handle *h)
{
    assert(!h->closed);
    h->closed = true;
    list_remove(&h->link);
    if (!h->busy)
        h->kind->destroy(h);
}

bool sim_handle_leave(struct sim_handle *h)
{
    h->busy = false;
    if (!h->closed)
        return true;
    h->kind->destroy(h);
    return false;
}

/* ---- the env's small calls ----------------------------------------------------------------- */

usec sim_now(struct env *face)
{
    const struct sim_host *host = sim_env_of(face)->host;
    usec now = sim_asleep(host) ? host->wakes_at : host->world->now;
    return now - sim_clock_behind(host);
}

int64_t sim_time_unix(struct env *face)
{
    const struct sim_host *host = sim_env_of(face)->host;
    const struct sim_world *w = host->world;
    return w->config.start_unix + w->now / USEC_PER_SEC + host->wall_clock_ahead;
}

void sim_random(struct env *face, void *out, size_t size)
{
    struct sim_env *env = sim_env_of(face);
    for (uint8_t *p = out; size > 0;) {
        uint64_t word = sim_rng_next(&env->random);
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(p, &word, part);
        p += part;
        size -= part;
    }
}

static void wake_fires(struct sim_event *event)
{
    struct sim_env *env = container_of(event, struct sim_env, wake);
    env->wake_call(env->wake_user, sim_now(sim_env_face(env)));
}

void sim_wake_at(struct env *face, usec deadline, void (*wake)(void *user, usec now), void *user)
{
    struct sim_env *env = sim_env_of(face);
    struct sim_world *w = env->host->world;
    if (!env->alive || deadline == NEVER) {
        sim_unschedule(w, &env->wake);
        return;
    }
    env->wake_call = wake;
    env->wake_user = user;
    usec at = deadline + sim_clock_behind(env->host);
    if (at < w->now)
        at = w->now;
    sim_schedule(
        w, &env->wake, at + sim_rng_between(&env->host->loop_rng, 0, w->config.wake_late_max));
}

static void loop_wake_fires(struct sim_event *event)
{
    (void)event; /* the turn itself is all that is asked for */
}

void sim_loop_wake(struct env *face)
{
    struct sim_env *env = sim_env_of(face);
    if (env->alive)
        sim_schedule(env->host->world, &env->loop_wake, env->host->world->now);
}

size_t sim_local_addresses(struct env *face, struct endpoint *out, size_t max)
{
    struct sim_host *host = sim_env_of(face)->host;
    static const uint8_t loop4[4] = {127, 0, 0, 1};
    static const uint8_t loop6[16] = {[15] = 1};
    size_t count = 0;
    if (count < max)
        out[count++] = endpoint_from_ip4(loop4, 0);
    if (count < max)
        out[count++] = endpoint_from_ip6(loop6, 0);
    for (size_t i = 0; i < host->address_count && count < max; i++)
        out[count++] = host->addresses[i].ip;
    return count;
}

/* ---- lives --------------------------------------------------------------------------------- */

static struct sim_env *new_life(struct sim_host *host)
{
    struct sim_world *w = host->world;
    struct sim_env *env = sim_alloc(sizeof *env);
    env->ops = &sim_ops;
    env->host = host;
    env->alive = true;
    host->powered = true;
    list_init(&env->handles);
    env->random = sim_rng_of(
        w->config.seed, SIM_STREAM_RANDOM, (uint64_t)host->number << 32 | host->life_count);
    sim_node_event_init(&env->wake, "wake", host, wake_fires);
    sim_node_event_init(&env->loop_wake, "turn", host, loop_wake_fires);
    sim_jobs_init(env);
    host->lives = sim_realloc(host->lives, (host->life_count + 1) * sizeof *host->lives);
    host->lives[host->life_count++] = env;
    host->env = env;
    return env;
}

struct sim_host *sim_host_new(struct sim_world *w, const struct sim_host_config *config)
{
    struct sim_host *host = sim_alloc(sizeof *host);
    host->world = w;
    host->number = w->host_count;
    host->name = sim_dup(config->name == NULL ? "host" : config->name);
    host->config = *config;
    host->config.workers = config->workers == 0 ? WORKERS : config->workers;
    host->config.mtu = config->mtu == 0 ? SIM_MTU : config->mtu;
    host->next_port = PORT_FIRST;
    w->hosts = sim_realloc(w->hosts, (w->host_count + 1) * sizeof *w->hosts);
    w->hosts[w->host_count++] = host;
    sim_link_init(&host->up, w, host, config->up_bytes_per_second, config->queue_bytes);
    sim_link_init(&host->down, w, host, config->down_bytes_per_second, config->queue_bytes);
    sim_link_init(&host->loop, w, host, 0, 0);
    list_init(&host->listeners);
    list_init(&host->udps);
    host->loop_rng = sim_rng_of(w->config.seed, SIM_STREAM_LOOP, host->number);
    host->tcp_rng = sim_rng_of(w->config.seed, SIM_STREAM_TCP, host->number);
    host->disk = sim_disk_new(host, config->disk_bytes == 0 ? DISK_BYTES : config->disk_bytes);
    for (size_t i = 0; i < SIM_HOST_ADDRESSES_MAX && config->addresses[i] != NULL; i++)
        sim_host_add_address(host, config->addresses[i], "eth0");
    new_life(host);
    return host;
}

void sim_host_free_handles(struct sim_host *host)
{
    struct sim_world *w = host->world;
    if (host->env != NULL)
        sim_crash_now(host, SIM_KILLED);
    for (uint32_t i = 0; i < host->life_count; i++) {
        list_for_each_safe(link, &host->lives[i]->handles)
            sim_handle_close(list_entry(link, struct sim_handle, link));
        sim_unschedule(w, &host->lives[i]->wake);
    }
}

void sim_host_free(struct sim_host *host)
{
    sim_disk_free(host->disk);
    for (uint32_t i = 0; i < host->life_count; i++)
        free(host->lives[i]);
    free(host->lives);
    free(host->name);
    free(host);
}

struct env *sim_host_env(struct sim_host *host)
{
    return host->env == NULL ? NULL : sim_env_face(host->env);
}

const char *sim_host_name(const struct sim_host *host)
{
    return host->name;
}

void *sim_host_user(const struct sim_host *host)
{
    return host->config.user;
}

struct sim_host_stats sim_host_stats(const struct sim_host *host)
{
    return host->stats;
}

void sim_crash_now(struct sim_host *host, enum sim_crash kind)
{
    struct sim_env *env = host->env;
    host->crash_pending = false;
    if (env == NULL)
        return;
    sim_record(host->world, host, kind == SIM_KILLED ? "killed" : "power loss", 0, 0);
    if (kind == SIM_POWER_LOSS) {
        host->powered = false;
        sim_conns_lose_power(env); /* first, so that no handle can say goodbye */
    }
    list_for_each_safe(link, &env->handles)
    {
        struct sim_handle *h = list_entry(link, struct sim_handle, link);
        h->kind->crash(h, kind);
    }
    sim_jobs_crash(env);
    sim_unschedule(host->world, &env->wake);
    sim_unschedule(host->world, &env->loop_wake);
    env->alive = false;
    host->env = NULL;
    host->stats.sockets = host->stats.files = 0;
    sim_disk_crash(host->disk, kind);
}

void sim_host_crash(struct sim_host *host, enum sim_crash kind)
{
    if (host->world->firing == host) {
        host->crash_pending = true;
        host->crash_kind = kind;
    } else {
        sim_crash_now(host, kind);
    }
}

void sim_host_suspend(struct sim_host *host, usec duration)
{
    struct sim_world *w = host->world;
    assert(!sim_asleep(host));
    sim_record(w, host, "suspended", (uint64_t)duration, 0);
    host->slept += host->wakes_at - host->sleep_began;
    host->sleep_began = w->now;
    host->wakes_at = w->now + duration;
    if (host->env != NULL && host->env->wake.slot != 0) /* its deadline is on the resting clock */
        sim_schedule(w, &host->env->wake, host->env->wake.at + duration);
}

void sim_host_turn_wall_clock(struct sim_host *host, int64_t seconds)
{
    sim_record(host->world, host, "wall clock", (uint64_t)seconds, 0);
    host->wall_clock_ahead += seconds;
}

struct env *sim_host_restart(struct sim_host *host)
{
    assert(host->env == NULL);
    sim_record(host->world, host, "restart", host->life_count, 0);
    return sim_env_face(new_life(host));
}
