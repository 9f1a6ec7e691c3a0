/* A node's birth, events, stopping and death, in whatever world it is given. See
 * node_internal.h; real.c puts it into the real one. */
#include "node/discovery/lsd_io.h"
#include "node/discovery/tracker_call.h"
#include "node/net/block_list.h"
#include "node/net/egress.h"
#include "node/net/network.h"
#include "node/net/port_mapping.h"
#include "node/net/utp_io.h"
#include "node/node_env.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/version.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors and events --------------------------------------------------------------------- */

int node_fail(struct kith_node *n, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(n->error, sizeof n->error, format, args);
    va_end(args);
    return err;
}

void node_event(struct kith_node *n, int type, struct kith_torrent *k, int error, const char *text)
{
    event_queue_push(&n->events, type, k, error, text);
}

const struct kith_event *kith_next_event(struct kith_node *n)
{
    if (n->pulled && n->pulled->type == KITH_EVENT_REMOVED)
        entry_free(n->pulled->torrent);
    free(n->pulled);
    n->pulled = event_queue_pull(&n->events);
    return n->pulled;
}

int kith_event_type(const struct kith_event *e)
{
    return e->type;
}

struct kith_torrent *kith_event_torrent(const struct kith_event *e)
{
    return e->torrent;
}

int kith_event_error(const struct kith_event *e)
{
    return e->error;
}

const char *kith_event_text(const struct kith_event *e)
{
    return e->text;
}

const char *kith_last_error(struct kith_node *n)
{
    return n->error;
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void wake(void *user, usec now)
{
    struct kith_node *n = user;
    timer_heap_run(&n->timers, now);
    links_pump(n);
    links_bury(n);
    node_arm(n);
}

void node_arm(struct kith_node *n)
{
    usec deadline = timer_heap_deadline(&n->timers);
    if (!list_empty(&n->to_pump) || !list_empty(&n->dead_links))
        deadline = env_now(n->env);
    env_wake_at(n->env, deadline, wake, n);
}

/* ---- birth --------------------------------------------------------------------------------- */

static void write_log(
    struct log *log, enum log_level level, const char *subsystem, const char *text)
{
    struct kith_node *n = container_of(log, struct kith_node, log);
    n->log_call(log->user, (int)level, subsystem, text);
}

static int make_parts(struct kith_node *n, const struct kith_options *o)
{
    uint8_t seed[16];
    env_random(n->env, seed, sizeof seed);
    n->index = entry_index_new(seed);
    n->folders = text_pool_new(seed);
    n->pool = chunk_pool_new(o->memory_max ? (size_t)o->memory_max : CHUNK_POOL_DEFAULT);
    n->files = file_cache_new();
    n->scratch = malloc(sizeof *n->scratch);
    n->user_agent = strdup(o->user_agent ? o->user_agent : "kith/" VERSION_TEXT);
    if (!n->index || !n->folders || !n->pool || !n->files || !n->scratch || !n->user_agent)
        return ERR_NOMEM;
    memcpy(n->peer_id.b, VERSION_PEER_ID, 8);
    env_random(n->env, n->peer_id.b + 8, sizeof n->peer_id.b - 8);
    env_random(n->env, &n->tracker_key, sizeof n->tracker_key);
    n->encryption = o->encryption == KITH_ENCRYPTION_REQUIRE ? GREETING_REQUIRE
                    : o->encryption == KITH_ENCRYPTION_OFF   ? GREETING_OFF
                                                             : GREETING_PREFER;
    n->connections_max =
        o->connections_max > 0 ? (unsigned)o->connections_max : NODE_CONNECTIONS_MAX;
    n->torrent_connections_max =
        o->torrent_connections_max > 0 ? (unsigned)o->torrent_connections_max : 0;
    n->downloads_max = o->downloads_max > 0 ? (unsigned)o->downloads_max : 0;
    kith_set_rates(n, o->download_rate_max, o->upload_rate_max);
    if (o->no_tcp && o->no_utp)
        return ERR_INVALID;
    n->no_tcp = o->no_tcp;
    env_random(n->env, n->race_memory.key, sizeof n->race_memory.key);
    int err = tracker_call_start(n);
    if (!err)
        err = egress_start(n, o);
    if (!err)
        err = block_list_start(n, o->block_list);
    if (!err)
        err = ports_open(n, o);
    if (!err && !o->no_utp)
        err = utp_io_start(n);
    if (!err)
        err = network_start(n);
    if (!err && !o->no_lsd)
        err = lsd_start(n);
    if (!err && !o->no_port_mapping)
        err = port_mapping_start(n);
    if (!err && o->state_file)
        err = memory_open(n, o->state_file);
    if (!err)
        err = dht_io_start(n, o);
    /* Last: torrents that come back begin jobs, which no failure after them could wait for; and
     * they join what has to be there by then. */
    return err ? err : memory_restore(n);
}

static void stop_late(struct timer *timer, usec now);

int node_open_in(struct env *env, const struct kith_options *o, struct kith_node **out)
{
    *out = NULL;
    struct kith_node *n = calloc(1, sizeof *n);
    if (!n)
        return ERR_NOMEM;
    uint8_t seed[16];
    n->env = env;
    env_random(env, seed, sizeof seed);
    event_queue_init(&n->events, seed);
    list_init(&n->links);
    list_init(&n->dead_links);
    list_init(&n->to_pump);
    scrapes_init(n);
    list_init(&n->torrents);
    list_init(&n->dht_searches);
    n->stop_timer.fire = stop_late;
    n->log_call = o->log;
    if (o->log)
        n->log = (struct log){(enum log_level)o->log_level, write_log, o->log_user};
    timer_heap_init(&n->timers);
    timer_heap_init(&n->downloading);
    timer_heap_init(&n->waiting);
    int err = timer_heap_reserve(&n->timers, 64);
    if (!err)
        err = make_parts(n, o);
    if (err) {
        node_free(n);
        return err;
    }
    *out = n;
    return 0;
}

uint16_t kith_listen_port(struct kith_node *n)
{
    return n->port;
}

void kith_set_rates(struct kith_node *n, uint64_t download_max, uint64_t upload_max)
{
    token_bucket_set(&n->limits.download, download_max, env_now(n->env));
    token_bucket_set(&n->limits.upload, upload_max, env_now(n->env));
}

/* ---- stopping and death -------------------------------------------------------------------- */

void node_maybe_stopped(struct kith_node *n)
{
    if (!n->stopping || n->stopped)
        return;
    if (n->unstopped > 0 || !memory_is_quiet(n) || !port_mapping_is_quiet(n))
        return;
    n->stopped = true;
    timer_cancel(&n->timers, &n->stop_timer);
    node_event(n, KITH_EVENT_STOPPED, NULL, 0, NULL);
}

static void stop_late(struct timer *timer, usec now)
{
    struct kith_node *n = container_of(timer, struct kith_node, stop_timer);
    (void)now;
    n->stopped = true;
    node_event(n, KITH_EVENT_STOPPED, NULL, ERR_TIMEOUT, "not everything was saved in time");
}

void kith_stop(struct kith_node *n)
{
    if (n->stopping)
        return;
    n->stopping = true;
    n->stopping_since = env_now(n->env);
    fetch_free(n);
    ports_stop_accepting(n);
    lsd_stop(n);
    dht_io_stop(n);
    network_stop(n);
    links_close_greetings(n, NULL);
    list_for_each_safe(at, &n->torrents) entry_stop(list_entry(at, struct kith_torrent, link));
    if (timer_heap_reserve(&n->timers, n->timers.count + 8) == 0)
        timer_set(&n->timers, &n->stop_timer, env_now(n->env) + NODE_STOP_PATIENCE);
    port_mapping_release(n);
    node_arm(n);
    node_maybe_stopped(n);
}

void node_free(struct kith_node *n)
{
    list_for_each_safe(at, &n->torrents) entry_free(list_entry(at, struct kith_torrent, link));
    fetch_free(n);
    lsd_stop(n);
    port_mapping_free(n);
    dht_io_free(n);
    network_stop(n);
    links_close_greetings(n, NULL);
    links_bury(n);
    scrapes_close(n);
    utp_io_free(n);
    ports_close(n);
    block_list_stop(n);
    egress_stop(n);
    if (n->state)
        state_close(n->state);
    free(n->pulled);
    event_queue_free(&n->events);
    tracker_calls_free(&n->calls);
    entry_index_free(n->index);
    text_pool_free(n->folders);
    file_cache_free(n->files);
    chunk_pool_free(n->pool);
    timer_heap_free(&n->timers);
    timer_heap_free(&n->downloading);
    timer_heap_free(&n->waiting);
    free(n->scratch);
    free(n->datagrams);
    free(n->user_agent);
    free(n);
}

const char *kith_version(void)
{
    return VERSION_TEXT;
}

const char *kith_strerror(int error)
{
    return err_text(error);
}
