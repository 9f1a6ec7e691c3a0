/* One torrent of the node: born, found by its hashes, removed. How it comes in is entry_add.c's,
 * its data entry_data.c's. */
#include "node/discovery/lsd_io.h"
#include "node/node_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- birth and death ----------------------------------------------------------------------- */

static void timer_fired(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, timer)->entry;
    if (!k->torrent)
        return;
    torrent_tick(k->torrent, now);
    entry_look_soon(k);
    usec next = torrent_deadline(k->torrent);
    timer_set(&k->node->timers, &k->awake->timer, next);
    /* One that has everything may go on knocking at addresses where nobody is. */
    if (next == NEVER || torrent_is_complete(k->torrent))
        entry_drowse(k);
}

bool entry_make_awake(struct kith_torrent *k)
{
    struct entry_awake *a = k->awake ? k->awake : calloc(1, sizeof *a);
    if (!a)
        return false;
    if (k->awake)
        return true;
    a->entry = k;
    a->timer.fire = timer_fired;
    a->save.fire = entry_checkpoint;
    a->retry.fire = entry_retry;
    a->look.fire = entry_look;
    a->torrent_file = builder_heap(METAINFO_TORRENT_MAX);
    list_init(&a->web_fetches);
    list_init(&a->named_peers);
    list_init(&a->checkpoints);
    k->awake = a;
    return true;
}

void entry_free_awake(struct kith_torrent *k)
{
    struct entry_awake *a = k->awake;
    if (!a)
        return;
    web_seeds_cancel(k);
    named_peers_cancel(k);
    entry_leave_queue(k);
    timer_cancel(&k->node->timers, &a->timer);
    timer_cancel(&k->node->timers, &a->save);
    timer_cancel(&k->node->timers, &a->retry);
    timer_cancel(&k->node->timers, &a->look);
    memory_forget_wait(&a->remembering);
    entry_forget_checkpoints(k);
    bitfield_free(&a->have);
    resume_free(&a->record);
    builder_free(&a->torrent_file);
    free(a->found);
    free(a->suspects);
    free(a->content);
    free(a);
    k->awake = NULL;
}

struct kith_torrent *entry_new(struct kith_node *n, const char *folder)
{
    struct kith_torrent *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->node = n;
    k->number = n->added++;
    k->drowsy.fire = entry_sleep_timer;
    k->folder = text_pool_take(n->folders, folder);
    k->added_unix = env_time_unix(n->env);
    list_push_back(&n->torrents, &k->link);
    n->unstopped++;
    n->walk_at = NULL;
    if (!k->folder || !entry_make_awake(k) ||
        timer_heap_reserve(&n->timers, n->timers.count + 64) != 0) {
        entry_free(k);
        return NULL;
    }
    return k;
}

static void free_texts(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

void entry_free(struct kith_torrent *k)
{
    if (!k)
        return;
    struct info_hash names[ENTRY_NAMES_MAX];
    links_close_greetings(k->node, k);
    timer_cancel(&k->node->timers, &k->drowsy);
    memory_forget_wait(&k->forgetting);
    trackers_free(k);
    lsd_leave(k);
    dht_io_leave(k);
    web_seeds_cancel(k);
    entry_index_remove(k->node->index, k, names, entry_names(k, names));
    list_remove(&k->link);
    k->node->unstopped -= !k->stopped;
    k->node->awake -= k->torrent != NULL;
    k->node->walk_at = NULL;
    torrent_free(k->torrent);
    storage_free(k->storage);
    metainfo_unref(k->metainfo);
    free(k->priorities);
    free(k->magnet);
    free_texts(&k->trackers);
    free_texts(&k->web_seeds);
    free(k->error_text);
    free(k->waiting_for);
    entry_free_awake(k);
    text_pool_give(k->node->folders, k->folder);
    free(k->root);
    free(k->name);
    free(k->link_text);
    free(k->files_wanted);
    free(k);
}

void trackers_said_goodbye(struct kith_torrent *k)
{
    if (k->data_stopped)
        entry_stopped(k);
}

void entry_stopped(struct kith_torrent *k)
{
    k->data_stopped = true;
    if (k->stopped || k->goodbye)
        return;
    if (k->delete_data && entry_delete_data(k))
        return;
    k->stopped = true;
    k->node->unstopped--;
    int err = k->removing ? memory_forget(k) : 0;
    if (k->removing && !k->forgetting)
        entry_forgotten(k, err);
    node_maybe_stopped(k->node);
}

/* Removed means: not to come back, whatever happens now. */
void entry_forgotten(struct kith_torrent *k, int err)
{
    if (k->stopped)
        node_event(k->node, KITH_EVENT_REMOVED, k, err, k->name);
}

/* Whatever is under way ends, and tells entry_stopped when it has. */
void entry_stop(struct kith_torrent *k)
{
    bool is_put_away_next = k->falling_asleep && timer_armed(&k->drowsy); /* it has stopped */
    met_peers_save(k); /* there may be no record to come along with */
    if (k->awake) {
        timer_cancel(&k->node->timers, &k->awake->save);
        timer_cancel(&k->node->timers, &k->awake->retry);
        timer_cancel(&k->node->timers, &k->awake->look);
    }
    timer_cancel(&k->node->timers, &k->drowsy);
    trackers_stop(k);
    lsd_leave(k);
    dht_io_leave(k);
    web_seeds_cancel(k);
    named_peers_cancel(k);
    if (k->awake && k->awake->create)
        create_cancel(k->awake->create);
    else if (is_put_away_next)
        entry_stopped(k);
    else if (k->torrent)
        torrent_stop(k->torrent);
    else if (!k->storage || storage_idle(k->storage))
        entry_stopped(k);
    if (k->storage && !storage_idle(k->storage))
        storage_check_cancel(k->storage);
}

void kith_remove(struct kith_torrent *k)
{
    if (k->removing)
        return;
    k->removing = true;
    /* At once: what is added anew meanwhile is another row of the same hashes. Not before the data
     * is gone that has to go with it. */
    if (!k->delete_data)
        (void)memory_forget(k); /* if it cannot be: once more when it has stopped */
    entry_queue(k);
    entry_stop(k);
}

void kith_remove_with_data(struct kith_torrent *k)
{
    if (k->asleep && entry_wake(k) == 0) { /* what may be deleted is known when it is awake */
        k->delete_when_awake = true;
        return;
    }
    k->delete_data = !k->removing;
    kith_remove(k);
}

/* ---- which torrent is meant? --------------------------------------------------------------- */

unsigned entry_names(const struct kith_torrent *k, struct info_hash out[ENTRY_NAMES_MAX])
{
    unsigned count = 0;
    if (k->has_v1)
        out[count++] = info_hash_of_sha1(&k->v1);
    if (k->has_v2)
        out[count++] = info_hash_of_sha256(&k->v2);
    return count;
}

int entry_make_known(struct kith_torrent *k)
{
    struct info_hash names[ENTRY_NAMES_MAX];
    return entry_index_add(k->node->index, k, names, entry_names(k, names));
}

int entry_learn_hashes(struct kith_torrent *k)
{
    struct info_hash v1;
    k->has_v1 = torrent_hash_v1(k->torrent, &v1);
    if (k->has_v1)
        memcpy(k->v1.b, v1.b, sizeof v1.b);
    k->has_v2 = torrent_hash_v2(k->torrent, &k->v2);
    return entry_make_known(k);
}

struct kith_torrent *entry_find_hash(struct kith_node *n, const struct info_hash *hash)
{
    struct kith_torrent *k = entry_index_find(n->index, hash);
    return k && !k->removing ? k : NULL;
}

struct kith_torrent *entry_find_same(
    struct kith_node *n, const struct sha1_digest *v1, const struct sha256_digest *v2)
{
    struct info_hash name;
    struct kith_torrent *k = NULL;
    if (v1) {
        name = info_hash_of_sha1(v1);
        k = entry_find_hash(n, &name);
    }
    if (k || !v2)
        return k;
    name = info_hash_of_sha256(v2);
    k = entry_find_hash(n, &name);
    return k && k->has_v2 && sha256_equal(&k->v2, v2) ? k : NULL;
}

bool entry_find(void *user, const struct handshake *theirs, struct greeting_answer *out)
{
    struct kith_torrent *k = entry_find_hash(user, &theirs->info_hash);
    if (!k)
        return false;
    bool has_v2 = k->has_v2;
    struct info_hash short_v2 = has_v2 ? info_hash_of_sha256(&k->v2) : theirs->info_hash;
    bool by_v2 = has_v2 && info_hash_equal(&short_v2, &theirs->info_hash);
    /* A caller by the v1 hash that speaks v2 is answered with the v2 hash (BEP 52, "upgrade
     * path"), and both speak v2 from then on. */
    bool upgrade = !by_v2 && has_v2 && theirs->v2;
    *out = (struct greeting_answer){.info_hash = upgrade ? short_v2 : theirs->info_hash,
        .v2 = has_v2 && !upgrade,
        .is_v2 = by_v2 || upgrade,
        .dht = dht_io_may_tell(k),
        .torrent = k};
    return true;
}

/* MSE names a torrent by a hash of one of its info-hashes. */
bool entry_find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent)
{
    struct kith_node *n = user;
    struct kith_torrent *k = entry_index_find_name(n->index, name);
    struct info_hash names[ENTRY_NAMES_MAX];
    unsigned count = k && !k->removing ? entry_names(k, names) : 0;
    for (unsigned i = 0; i < count; i++) {
        struct sha1_digest its = mse_name(&names[i]);
        if (!sha1_equal(&its, name))
            continue;
        *skey = names[i];
        *torrent = k;
        return true;
    }
    return false;
}
