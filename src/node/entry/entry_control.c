/* What the user may do with a torrent that is there. */
#include "node/discovery/lsd_io.h"
#include "node/node_internal.h"

#include "base/err.h"

/* ---- control ------------------------------------------------------------------------------- */

/* One that sleeps is not woken for it. */
void kith_pause(struct kith_torrent *k)
{
    k->paused = true;
    web_seeds_cancel(k);
    if (k->asleep)
        timer_cancel(&k->node->timers, &k->drowsy); /* it need not greet its trackers */
    if (k->torrent)
        torrent_pause(k->torrent);
    trackers_stop(k);
    lsd_leave(k);
    dht_io_leave(k);
    entry_queue(k);
    memory_save_entry(k);
}

/* Who sleeps and has trackers is woken to tell them. */
void kith_resume(struct kith_torrent *k)
{
    if (k->outline.has_trackers)
        (void)entry_wake(k);
    k->paused = false;
    named_peers_resume(k);
    if (k->asleep) {
        lsd_join(k);
        dht_io_join(k);
    } else if (k->metadata_only && k->metainfo && !k->storage) {
        k->metadata_only = false;
        entry_open_data(k);
    } else if (k->torrent && k->state != KITH_STATE_CHECKING) { /* else its start does all that */
        torrent_resume(k->torrent);
        trackers_free(k);
        trackers_start(k);
        lsd_join(k);
        dht_io_join(k);
        entry_queue(k);
    }
    memory_save_entry(k);
}

int kith_add_peer(struct kith_torrent *k, const char *host_port)
{
    int err = k->falling_asleep ? ERR_AGAIN : entry_wake(k);
    return err ? err : named_peers_meet(k, bytes_of_str(host_port));
}

void kith_set_torrent_rates(struct kith_torrent *k, uint64_t download_max, uint64_t upload_max)
{
    k->download_max = download_max;
    k->upload_max = upload_max;
    memory_save_entry(k);
    if (!k->torrent)
        return;
    usec now = env_now(k->node->env);
    token_bucket_set(&torrent_limits(k->torrent)->download, download_max, now);
    token_bucket_set(&torrent_limits(k->torrent)->upload, upload_max, now);
}

void kith_set_sequential(struct kith_torrent *k, int on)
{
    k->sequential = on;
    if (k->torrent)
        torrent_set_sequential(k->torrent, on);
    memory_save_entry(k);
}

void kith_set_super_seeding(struct kith_torrent *k, int on)
{
    k->super_seeding = on;
    if (k->torrent)
        torrent_set_super_seeding(k->torrent, on);
    memory_save_entry(k);
}
