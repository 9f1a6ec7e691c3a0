/* One torrent of the node, from being named to being removed: what happens between the user's word
 * and the swarm. Its data is entry_data.c's. */
#include "node/block_list.h"
#include "node/lsd_io.h"
#include "node/node_internal.h"
#include "node/outside.h"

#include "base/err.h"
#include "format/magnet.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_NORMAL 4

/* ---- birth and death
 * ---------------------------------------------------------------------------------- */

static void timer_fired(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct entry_awake, timer)->entry;
    if (!k->torrent)
        return;
    torrent_tick(k->torrent, now);
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
    a->torrent_file = builder_heap(METAINFO_TORRENT_MAX);
    list_init(&a->web_fetches);
    k->awake = a;
    return true;
}

void entry_free_awake(struct kith_torrent *k)
{
    struct entry_awake *a = k->awake;
    if (!a)
        return;
    web_seeds_cancel(k);
    timer_cancel(&k->node->timers, &a->timer);
    timer_cancel(&k->node->timers, &a->save);
    timer_cancel(&k->node->timers, &a->retry);
    bitfield_free(&a->have);
    resume_free(&a->record);
    builder_free(&a->torrent_file);
    free(a->file_existed);
    free(a);
    k->awake = NULL;
}

struct kith_torrent *entry_new(struct kith_node *n, const char *folder)
{
    struct kith_torrent *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->node = n;
    k->drowsy.fire = entry_sleep_timer;
    k->folder = strdup(folder);
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
    timer_cancel(&k->node->timers, &k->drowsy);
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
    free(k->folder);
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
    if (k->removing) {
        memory_forget(k);
        node_event(k->node, KITH_EVENT_REMOVED, k, 0, k->name);
    }
    node_maybe_stopped(k->node);
}

/* Whatever is under way ends, and tells entry_stopped when it has. */
void entry_stop(struct kith_torrent *k)
{
    if (k->awake) {
        timer_cancel(&k->node->timers, &k->awake->save);
        timer_cancel(&k->node->timers, &k->awake->retry);
    }
    timer_cancel(&k->node->timers, &k->drowsy);
    trackers_stop(k);
    lsd_leave(k);
    dht_io_leave(k);
    web_seeds_cancel(k);
    if (k->awake && k->awake->create)
        create_cancel(k->awake->create);
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
    entry_queue(k->node);
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

/* ---- the swarm's host
 * ------------------------------------------------------------------------------------- */

static bool host_connect(void *host, struct torrent *t, const struct endpoint *to)
{
    struct kith_torrent *k = host;
    (void)t;
    return link_open(k->node, k, to);
}

static void host_pump(void *host, struct peer *p, void *link)
{
    struct kith_torrent *k = host;
    (void)p;
    link_pump_later(k->node, link);
}

static void host_hang_up(void *host, struct peer *p, void *link)
{
    (void)host;
    (void)p;
    link_hang_up(link);
}

static void host_reschedule(void *host, struct torrent *t)
{
    struct kith_torrent *k = host;
    timer_set(&k->node->timers, &k->awake->timer, torrent_deadline(t));
    node_arm(k->node);
}

static bool host_web_fetch(void *host, struct torrent *t, uint32_t seed, const char *url,
    uint64_t first, uint64_t range, uint64_t size)
{
    (void)t;
    return web_fetch_start(host, seed, url, first, range, size);
}

static usec host_now(void *host)
{
    return env_now(((struct kith_torrent *)host)->node->env);
}

static void host_random(void *host, void *out, size_t size)
{
    env_random(((struct kith_torrent *)host)->node->env, out, size);
}

static bool host_punch(void *host, struct torrent *t, const struct endpoint *to)
{
    struct kith_torrent *k = host;
    (void)t;
    return link_punch(k->node, k, to);
}

static uint16_t host_dht_port(void *host, enum addr_family family)
{
    struct kith_torrent *k = host;
    return dht_io_may_tell(k) ? dht_io_port(k->node, family) : 0;
}

/* A peer's word about its own machine: as local as the peer is. */
static void host_dht_node(void *host, const struct endpoint *at)
{
    struct kith_torrent *k = host;
    if (dht_io_may_tell(k))
        dht_io_guess(k->node, at, dht_source_of(at));
}

static void host_seen_at(void *host, const struct endpoint *voter, const struct endpoint *ours)
{
    outside_seen_at(((struct kith_torrent *)host)->node, voter, ours);
}

static void metadata_known(struct kith_torrent *k);
static int learn_hashes(struct kith_torrent *k);

static void host_event(void *host, struct torrent *t, enum torrent_event event, struct peer *p)
{
    struct kith_torrent *k = host;
    struct kith_node *n = k->node;
    char text[ENDPOINT_TEXT_MAX] = "";
    struct peer_info info;
    if (p) {
        peer_info(p, env_now(n->env), &info);
        endpoint_text(&info.address, text);
    }
    switch (event) {
    case TORRENT_METADATA_KNOWN:
        metadata_known(k);
        break;
    case TORRENT_LAYERS_KNOWN:
        memory_save_metainfo(k);
        entry_open_data(k);
        break;
    case TORRENT_READY:
        if (!k->quiet)
            node_event(n, KITH_EVENT_READY, k, 0, k->name);
        break;
    case TORRENT_COMPLETE:
        entry_complete(k);
        break;
    case TORRENT_TROUBLE:
        entry_torrent_failed(k, torrent_error(t), torrent_error_text(t));
        break;
    case TORRENT_RECOVERED:
        entry_torrent_recovered(k);
        break;
    case TORRENT_PEER_JOINED:
        node_event(n, KITH_EVENT_PEER, k, 0, text);
        break;
    case TORRENT_PEER_COMPLETE:
        node_event(n, KITH_EVENT_COPY, k, 0, text);
        break;
    case TORRENT_STOPPED:
        entry_swarm_stopped(k);
        break;
    case TORRENT_PIECE_WRITTEN:
        entry_piece_written(k);
        break;
        break;
    }
}

static bool host_refuses(void *host, const struct endpoint *e)
{
    struct kith_torrent *k = host;
    return block_list_has(k->node, e);
}

const struct swarm_host_ops entry_host_ops = {host_connect, host_pump, host_hang_up,
    host_reschedule, host_event, host_web_fetch, host_now, host_random, host_punch, host_seen_at,
    host_refuses, host_dht_port, host_dht_node};

int entry_make_torrent(struct kith_torrent *k, const struct magnet *m)
{
    struct kith_node *n = k->node;
    struct torrent_config config = {
        .host = {&entry_host_ops, k, n->log_call ? &n->log : NULL},
        .metainfo = k->metainfo ? metainfo_ref(k->metainfo) : NULL,
        .peer_id = n->peer_id,
        .listen_port = outside_port(n),
        .punches = n->utp != NULL,
        .peers_max = n->torrent_connections_max,
        .node_limits = &n->limits,
        .sequential = k->sequential,
        .super_seeding = k->super_seeding,
    };
    if (m) {
        config.has_v1 = m->has_v1;
        config.has_v2 = m->has_v2;
        config.v1 = m->v1;
        config.v2 = m->v2;
    }
    env_random(n->env, &config.seed, sizeof config.seed);
    k->torrent = torrent_new(&config);
    if (!k->torrent)
        return ERR_NOMEM;
    n->awake++;
    token_bucket_set(&torrent_limits(k->torrent)->download, k->download_max, env_now(n->env));
    token_bucket_set(&torrent_limits(k->torrent)->upload, k->upload_max, env_now(n->env));
    return learn_hashes(k);
}

/* ---- which torrent is meant?
 * ------------------------------------------------------------------------------- */

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

/* What the torrent knows of its hashes, we know. */
static int learn_hashes(struct kith_torrent *k)
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

/* ---- adding
 * ---------------------------------------------------------------------------------------------- */

static char *name_of(const struct metainfo *m)
{
    return bytes_dup_str(bytes_of_str(m->root));
}

static int reserve_priorities(struct kith_torrent *k)
{
    size_t count = k->metainfo->file_count;
    if (k->priorities)
        return 0;
    k->priorities = malloc(count ? count : 1);
    if (!k->priorities)
        return ERR_NOMEM;
    memset(k->priorities, PRIORITY_NORMAL, count);
    return 0;
}

/* By the glob of whoever added it, or as it was in an earlier run. */
void entry_choose_files(struct kith_torrent *k)
{
    const struct metainfo *m = k->metainfo;
    if (k->files_wanted && reserve_priorities(k) == 0)
        for (uint32_t f = 0; f < m->file_count; f++)
            if (fnmatch(k->files_wanted, m->files[f].path, 0) != 0)
                k->priorities[f] = 0;
    for (uint32_t f = 0; k->priorities && f < m->file_count; f++)
        torrent_set_file_priority(k->torrent, f, k->priorities[f]);
}

static void metadata_known(struct kith_torrent *k)
{
    k->metainfo = metainfo_ref((struct metainfo *)(uintptr_t)torrent_metainfo(k->torrent));
    free(k->name);
    k->name = name_of(k->metainfo);
    entry_choose_files(k);
    (void)learn_hashes(k); /* without memory it is found by the hash of its link only */
    if (k->metainfo->is_private) {
        lsd_leave(k);
        dht_io_leave(k);
    }
    memory_save_entry(k);
    memory_save_metainfo(k);
    node_event(k->node, KITH_EVENT_METADATA, k, 0, k->name);
    if (!k->metadata_only)
        entry_open_data(k);
}

static void add_peers(struct kith_torrent *k, const struct kith_add *add)
{
    struct endpoint e;
    for (size_t i = 0; k->torrent && i < add->peer_count; i++)
        if (endpoint_parse(&e, bytes_of_str(add->peers[i])) == 0) {
            torrent_add_candidate(k->torrent, &e, ADDR_FROM_USER);
            dht_io_guess(k->node, &e, ADDR_FROM_USER);
        }
}

static void add_link_peers(struct kith_torrent *k, const struct magnet *m)
{
    for (size_t i = 0; k->torrent && i < m->peer_count; i++)
        if (m->peers[i].endpoint.family != ADDR_NONE) {
            torrent_add_candidate(k->torrent, &m->peers[i].endpoint, ADDR_FROM_LINK);
            dht_io_guess(k->node, &m->peers[i].endpoint, ADDR_FROM_LINK);
        }
}

static int remember_texts(struct text_list *list, const char **texts, size_t count, size_t max)
{
    if (count > max)
        count = max;
    if (list->items || count == 0)
        return 0; /* known from an earlier time */
    list->items = calloc(count, sizeof *list->items);
    while (list->items && list->count < count) {
        char *copy = strdup(texts[list->count]);
        if (!copy)
            return ERR_NOMEM;
        list->items[list->count++] = copy;
    }
    return list->items ? 0 : ERR_NOMEM;
}

static int begin_magnet(struct kith_torrent *k, const struct magnet *m)
{
    if (!k->name)
        k->name = strdup(m->name ? m->name : "");
    int err = remember_texts(&k->trackers, m->trackers, m->tracker_count, NODE_TRACKERS_MAX);
    if (!err)
        err = remember_texts(&k->web_seeds, m->web_seeds, m->web_seed_count, NODE_WEB_SEEDS_MAX);
    if (!err)
        err = k->name ? entry_make_torrent(k, m) : ERR_NOMEM;
    if (err)
        return err;
    memory_save_entry(k);
    torrent_start_metadata(k->torrent);
    trackers_start(k);
    lsd_join(k);
    dht_io_join(k);
    add_link_peers(k, m);
    return 0;
}

static int begin_metainfo(struct kith_torrent *k)
{
    if (!k->name)
        k->name = name_of(k->metainfo);
    int err = k->name ? entry_make_torrent(k, NULL) : ERR_NOMEM;
    if (err)
        return err;
    entry_choose_files(k);
    memory_save_entry(k);
    memory_save_metainfo(k);
    entry_open_data(k);
    return 0;
}

void entry_revive(struct kith_torrent *k)
{
    struct magnet m;
    struct format_error error;
    int err = 0;
    if (k->metainfo) {
        err = begin_metainfo(k);
    } else {
        err = magnet_parse(&m, bytes_of_str(k->magnet), &error);
        if (!err) {
            err = begin_magnet(k, &m);
            magnet_free(&m);
        }
    }
    if (err)
        entry_trouble(k, err, NULL);
}

static void take_settings(struct kith_torrent *k, const struct kith_add *add)
{
    k->existing = add->existing;
    k->paused = add->paused;
    k->sequential = add->sequential;
    k->metadata_only = add->metadata_only;
    k->preallocate = !add->sparse;
    k->download_max = add->download_rate_max;
    k->upload_max = add->upload_rate_max;
    k->files_wanted = add->files_wanted ? strdup(add->files_wanted) : NULL;
}

/* One that is there already, or NULL. What the new link knows of peers is good for it, too; and the
 * wishes of who asks again count more than those of an earlier run. */
static struct kith_torrent *meet_again(
    struct kith_torrent *k, const struct kith_add *add, const struct magnet *m)
{
    if (!k)
        return NULL;
    (void)entry_wake(k); /* if it cannot be: it says so itself */
    if (m)
        add_link_peers(k, m);
    add_peers(k, add);
    if (!k->restored)
        return k;
    k->quiet = k->complete_told = false; /* he wants to be told, too */
    k->existing = add->existing;
    k->preallocate = !add->sparse;
    kith_set_sequential(k, add->sequential);
    kith_set_torrent_rates(k, add->download_rate_max, add->upload_rate_max);
    if (k->paused && !add->paused)
        kith_resume(k);
    return k;
}

static int add_magnet(struct kith_node *n, const struct kith_add *add, const struct magnet *m,
    struct kith_torrent **out)
{
    struct kith_torrent *same =
        entry_find_same(n, m->has_v1 ? &m->v1 : NULL, m->has_v2 ? &m->v2 : NULL);
    if ((*out = meet_again(same, add, m)) != NULL)
        return ERR_EXISTS;
    struct kith_torrent *k = entry_new(n, add->folder);
    if (!k)
        return ERR_NOMEM;
    take_settings(k, add);
    k->magnet = strdup(add->link);
    int err = k->magnet ? begin_magnet(k, m) : ERR_NOMEM;
    if (err) {
        entry_free(k);
        return err;
    }
    add_peers(k, add);
    *out = k;
    return 0;
}

static int add_link(struct kith_node *n, const struct kith_add *add, struct kith_torrent **out)
{
    struct magnet m;
    struct format_error error;
    int err = magnet_parse(&m, bytes_of_str(add->link), &error);
    if (err)
        return node_fail(n, err, "the link: %s", error.text);
    err = add_magnet(n, add, &m, out);
    magnet_free(&m);
    return err;
}

static int add_torrent(struct kith_node *n, const struct kith_add *add, struct kith_torrent **out)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(bytes_of(add->torrent, add->torrent_size), &m, &error);
    if (err)
        return node_fail(n, err, "the torrent: %s", error.text);
    struct kith_torrent *same =
        entry_find_same(n, m->has_v1 ? &m->v1 : NULL, m->has_v2 ? &m->v2 : NULL);
    *out = meet_again(same, add, NULL);
    struct kith_torrent *k = *out ? NULL : entry_new(n, add->folder);
    if (!k) {
        metainfo_unref(m);
        return *out ? ERR_EXISTS : ERR_NOMEM;
    }
    k->metainfo = m;
    take_settings(k, add);
    builder_bytes_put(&k->awake->torrent_file, add->torrent, add->torrent_size);
    err = begin_metainfo(k);
    if (err) {
        entry_free(k);
        return err;
    }
    add_peers(k, add);
    *out = k;
    return 0;
}

int kith_add(struct kith_node *n, const struct kith_add *given, struct kith_torrent **out)
{
    struct kith_add add = {.size = sizeof add};
    memcpy(&add, given, given->size < sizeof add ? given->size : sizeof add);
    *out = NULL;
    if (!add.folder || !add.link == !add.torrent)
        return node_fail(n, ERR_INVALID, "kith_add wants a folder and one of link and torrent");
    int err = add.link ? add_link(n, &add, out) : add_torrent(n, &add, out);
    if (!err)
        node_event(n, KITH_EVENT_ADDED, *out, 0, (*out)->name);
    return err;
}

/* ---- queueing
 * -----------------------------------------------------------------------------------------------------
 */

static bool wants_a_turn(const struct kith_torrent *k)
{
    struct torrent_stats s;
    if (!k->torrent || k->paused || k->removing || k->reopening || k->state != 0 ||
        !torrent_storage(k->torrent))
        return false;
    torrent_stats(k->torrent, env_now(k->node->env), &s);
    return !s.complete;
}

/* Those who came first download first. Who is complete seeds without a place in the queue. */
void entry_queue(struct kith_node *n)
{
    unsigned running = 0;
    if (n->downloads_max == 0)
        return; /* nobody ever waits */
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        bool wants = wants_a_turn(k);
        bool turn = !wants || running < n->downloads_max;
        running += wants && turn;
        if (turn == !k->queued)
            continue;
        k->queued = !turn;
        if (!turn) {
            web_seeds_cancel(k);
            torrent_pause(k->torrent);
        } else if (k->torrent && !k->paused)
            torrent_resume(k->torrent);
    }
}

/* ---- control
 * ------------------------------------------------------------------------------------------------------
 */

void kith_pause(struct kith_torrent *k)
{
    (void)entry_wake(k);
    k->paused = true;
    web_seeds_cancel(k);
    if (k->torrent)
        torrent_pause(k->torrent);
    trackers_stop(k);
    lsd_leave(k);
    dht_io_leave(k);
    entry_queue(k->node);
    memory_save_entry(k);
}

void kith_resume(struct kith_torrent *k)
{
    (void)entry_wake(k);
    k->paused = false;
    if (k->metadata_only && k->metainfo && !k->storage) {
        k->metadata_only = false;
        entry_open_data(k);
    } else if (k->torrent) {
        torrent_resume(k->torrent);
        trackers_free(k);
        trackers_start(k);
        lsd_join(k);
        dht_io_join(k);
        entry_queue(k->node);
    }
    memory_save_entry(k);
}

int kith_add_peer(struct kith_torrent *k, const char *host_port)
{
    struct endpoint e;
    int err = endpoint_parse(&e, bytes_of_str(host_port));
    if (!err)
        err = entry_wake(k);
    if (err || !k->torrent)
        return err ? err : ERR_AGAIN;
    torrent_add_candidate(k->torrent, &e, ADDR_FROM_USER);
    return 0;
}

/* What the sidecar held of a file that became wanted is in its place now. */
static void file_completed(void *user, int err)
{
    struct kith_torrent *k = user;
    if (err)
        entry_trouble(k, err, storage_error(k->storage));
}

int kith_set_file_priority(struct kith_torrent *k, uint32_t file, int priority)
{
    int err = entry_wake(k);
    if (err || !k->torrent || !k->metainfo)
        return err ? err : ERR_AGAIN;
    err = torrent_set_file_priority(k->torrent, file, priority);
    if (!err)
        err = reserve_priorities(k);
    if (err)
        return err;
    k->priorities[file] = (uint8_t)priority;
    if (k->storage)
        err = storage_set_wanted(k->storage, file, priority > 0, file_completed, k);
    memory_save_entry(k);
    return err < 0 ? err : 0;
}

void kith_set_torrent_rates(struct kith_torrent *k, uint64_t download_max, uint64_t upload_max)
{
    k->download_max = download_max;
    k->upload_max = upload_max;
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
}

void kith_set_super_seeding(struct kith_torrent *k, int on)
{
    k->super_seeding = on;
    if (k->torrent)
        torrent_set_super_seeding(k->torrent, on);
    memory_save_entry(k);
}
