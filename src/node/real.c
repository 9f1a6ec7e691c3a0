/* A node in the real world: opened on libuv, driven by its embedder, closed when its jobs have
 * ended. The only file of node/ that knows which world it is in. */
#include "node/net/block_list.h"
#include "node/node_env.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "env/uv/uv_env.h"

int kith_open(const struct kith_options *options, struct kith_node **out)
{
    struct kith_options o = {.size = sizeof o};
    if (options)
        node_take(&o, sizeof o, options, options->size);
    struct uv_env_config config = {.workers = o.worker_threads > 0 ? (unsigned)o.worker_threads : 0,
        .handle_sigbus = o.handle_sigbus != 0};
    struct env *env;
    *out = NULL;
    int err = uv_env_new(&config, &env);
    if (err)
        return err;
    /* Some are kept for servers, files and the state: a flood of callers must not take them all. */
    unsigned spare = uv_env_descriptors_max(env), most = spare - spare / 8;
    int32_t wanted = o.connections_max > 0 ? o.connections_max : (int32_t)NODE_CONNECTIONS_MAX;
    o.connections_max = wanted < (int32_t)most ? wanted : (int32_t)most;
    err = node_open_in(env, &o, out);
    if (err)
        uv_env_free(env);
    return err;
}

int kith_fd(struct kith_node *n)
{
    return uv_env_fd(n->env);
}

int64_t kith_timeout(struct kith_node *n)
{
    return uv_env_timeout_ms(n->env);
}

int kith_process(struct kith_node *n)
{
    return uv_env_process(n->env);
}

int kith_run(struct kith_node *n, int64_t milliseconds)
{
    usec end = milliseconds < 0 ? NEVER : env_now(n->env) + MSECS(milliseconds);
    for (;;) {
        if (n->events.count > 0)
            return 1;
        usec now = env_now(n->env);
        if (now >= end)
            return 0;
        /* One turn, so that a wake from another thread comes through. */
        int64_t left = end == NEVER ? -1 : (end - now) / USEC_PER_MSEC + 1;
        int err = uv_env_run(n->env, left);
        if (err)
            return err;
        if (n->events.count == 0 && n->woken) {
            n->woken = 0;
            return 0;
        }
    }
}

void kith_wake(struct kith_node *n)
{
    n->woken = 1;
    env_loop_wake(n->env);
}

/* A disk that is full may stay so: after a while, the stop's own included, what is to be saved is
 * left to state_close, which tries once more. */
static bool waits_for_saves(struct kith_node *n)
{
    return !n->state || !state_trouble(n->state) ||
           env_now(n->env) < n->stopping_since + NODE_SAVE_PATIENCE;
}

/* Jobs that are under way need their torrents: turn the loop until each has ended. */
static void finish_jobs(struct kith_node *n)
{
    kith_stop(n);
    for (;;) {
        bool saves = waits_for_saves(n);
        bool idle = (!n->state || state_idle(n->state)) && block_list_idle(n);
        list_for_each(at, &n->torrents)
        {
            struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
            idle &= !(k->awake && k->awake->create) && !(k->saving && saves) &&
                    (!k->storage || storage_idle(k->storage));
            if (k->torrent)
                torrent_tick(k->torrent, env_now(n->env));
        }
        if (idle)
            return;
        uv_env_run(n->env, 50);
    }
}

void kith_close(struct kith_node *n)
{
    if (!n)
        return;
    finish_jobs(n);
    struct env *env = n->env;
    node_free(n);
    uv_env_free(env);
}
