/* Trouble with a torrent's data, and going on by itself when it passes. See entry_data.h. */
#include "node/entry/entry_data.h"

#include "base/err.h"

#define RETRY_MIN SECONDS(5)
#define RETRY_MAX SECONDS(60)

/* What time may heal: a disk that is full, ill or away. */
static bool may_pass(int err)
{
    return err == ERR_NO_SPACE || err == ERR_IO || err == ERR_ABSENT || err == ERR_PERMISSION ||
           err == ERR_NOT_FOUND || err == ERR_LIMIT || err == ERR_NOMEM;
}

void entry_retry_later(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    if (n->stopping || k->removing)
        return;
    struct entry_awake *a = k->awake;
    if (!a)
        return;
    a->retry_delay = a->retry_delay ? a->retry_delay * 2 : RETRY_MIN;
    if (a->retry_delay > RETRY_MAX)
        a->retry_delay = RETRY_MAX;
    timer_set(&n->timers, &a->retry, env_now(n->env) + a->retry_delay);
    node_arm(n);
}

void entry_trouble(struct kith_torrent *k, int err, const char *text)
{
    bool news = k->error != err;
    k->error = err;
    k->state = KITH_STATE_TROUBLE;
    node_replace_text(&k->error_text, text && *text ? text : err_text(err));
    if (news)
        node_event(k->node, KITH_EVENT_TROUBLE, k, err, k->error_text);
    entry_queue(k);
    if (k->delete_when_awake && !k->removing) { /* not to be had: it is forgotten, at least */
        k->delete_when_awake = false;
        kith_remove(k);
    } else if (k->node->stopping || k->removing) {
        entry_stop(k);
    } else if (may_pass(err)) {
        entry_retry_later(k);
    }
}

void entry_recovered(struct kith_torrent *k)
{
    k->awake->retry_delay = 0;
    if (!k->error)
        return;
    k->error = 0;
    node_replace_text(&k->error_text, NULL);
    node_event(k->node, KITH_EVENT_RECOVERED, k, 0, NULL);
}

/* The swarm met a disk that fails. A file that is gone may be on a volume that is away, and what
 * has appeared where ours was to be made may be what we want: only looking again can tell. */
void entry_torrent_failed(struct kith_torrent *k, int err, const char *text)
{
    if (err == ERR_EXISTS && !k->node->stopping && !k->removing) {
        k->state = KITH_STATE_CHECKING;
        entry_reopen(k);
        return;
    }
    if (err == ERR_NOT_FOUND || err == ERR_ABSENT) {
        entry_trouble(k, ERR_ABSENT, text);
        entry_reopen(k);
        return;
    }
    entry_trouble(k, err, text);
}

void entry_torrent_recovered(struct kith_torrent *k)
{
    k->state = 0;
    entry_recovered(k);
    entry_queue(k);
}

void entry_retry(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, retry)->entry;
    (void)now;
    if (k->state != KITH_STATE_TROUBLE || k->node->stopping || k->removing)
        return;
    if (k->torrent && torrent_storage(k->torrent)) {
        if (k->sync_failed && entry_sync_again(k))
            return;
        entry_retry_later(k);
        torrent_retry(k->torrent);
    } else if (k->storage && storage_idle(k->storage)) {
        entry_open_data(k);
    }
}
