/* One torrent of the node, from being named to being removed: what happens between the user's word
 * and the swarm. Data that stands where the torrent's belongs is looked at and hashed in full
 * before anything is written. */
#include "node/node_internal.h"

#include "base/err.h"
#include "format/magnet.h"
#include <assert.h>
#include <fnmatch.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void prepare(struct kith_torrent *k);

/* ---- birth and death
 * ---------------------------------------------------------------------------------- */

static void timer_fired(struct timer *timer, usec now)
{
    struct kith_torrent *k = container_of(timer, struct kith_torrent, timer);
    if (!k->torrent)
        return;
    torrent_tick(k->torrent, now);
    timer_set(&k->node->timers, &k->timer, torrent_deadline(k->torrent));
}

static struct kith_torrent *entry_new(struct kith_node *n, const char *folder)
{
    struct kith_torrent *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->node = n;
    k->timer.fire = timer_fired;
    k->folder = strdup(folder);
    k->torrent_file = builder_heap(METAINFO_TORRENT_MAX);
    list_push_back(&n->torrents, &k->link);
    if (!k->folder || timer_heap_reserve(&n->timers, n->timers.count + 64) != 0) {
        entry_free(k);
        return NULL;
    }
    return k;
}

void entry_free(struct kith_torrent *k)
{
    if (!k)
        return;
    timer_cancel(&k->node->timers, &k->timer);
    list_remove(&k->link);
    torrent_free(k->torrent);
    storage_free(k->storage);
    metainfo_unref(k->metainfo);
    bitfield_free(&k->have);
    builder_free(&k->torrent_file);
    for (size_t i = 0; i < k->tracker_count; i++)
        free(k->trackers[i]);
    for (size_t i = 0; i < k->web_seed_count; i++)
        free(k->web_seeds[i]);
    free(k->file_existed);
    free(k->folder);
    free(k->root);
    free(k->name);
    free(k->link_text);
    free(k->files_wanted);
    free(k);
}

static void trouble(struct kith_torrent *k, int err, const char *text)
{
    k->error = err;
    k->state = KITH_STATE_TROUBLE;
    snprintf(k->error_text, sizeof k->error_text, "%s", text && *text ? text : err_text(err));
    node_event(k->node, KITH_EVENT_TROUBLE, k, err, k->error_text);
    if (k->node->stopping)
        entry_stop(k);
}

static void stopped(struct kith_torrent *k)
{
    if (k->stopped)
        return;
    k->stopped = true;
    if (k->removing)
        node_event(k->node, KITH_EVENT_REMOVED, k, 0, k->name);
    node_maybe_stopped(k->node);
}

void entry_stop(struct kith_torrent *k)
{
    if (k->create)
        create_cancel(k->create);
    else if (k->storage && !storage_idle(k->storage) && !k->torrent)
        storage_check_cancel(k->storage);
    else if (k->torrent)
        torrent_stop(k->torrent);
    else
        stopped(k);
    if (k->torrent && k->storage == NULL)
        torrent_stop(k->torrent);
}

void kith_remove(struct kith_torrent *k)
{
    k->removing = true;
    entry_stop(k);
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
    timer_set(&k->node->timers, &k->timer, torrent_deadline(t));
    node_arm(k->node);
}

static usec host_now(void *host)
{
    return env_now(((struct kith_torrent *)host)->node->env);
}

static void host_random(void *host, void *out, size_t size)
{
    env_random(((struct kith_torrent *)host)->node->env, out, size);
}

static void synced(void *user, int err, const struct storage_file_record *files)
{
    struct kith_torrent *k = user;
    (void)files;
    k->syncing = false;
    if (err) {
        trouble(k, err, storage_error(k->storage));
        return;
    }
    node_event(k->node, KITH_EVENT_COMPLETE, k, 0, k->name);
    if (k->node->stopping)
        entry_stop(k);
}

/* Complete means: on the disk, not only in its cache. */
static void complete(struct kith_torrent *k)
{
    k->syncing = storage_sync(k->storage, synced, k) == 0;
}

static void metadata_known(struct kith_torrent *k);

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
    case TORRENT_READY:
        node_event(n, KITH_EVENT_READY, k, 0, k->name);
        break;
    case TORRENT_COMPLETE:
        complete(k);
        break;
    case TORRENT_TROUBLE:
        node_event(n, KITH_EVENT_TROUBLE, k, KITH_E_IO, torrent_error_text(t));
        break;
    case TORRENT_RECOVERED:
        node_event(n, KITH_EVENT_RECOVERED, k, 0, NULL);
        break;
    case TORRENT_PEER_JOINED:
        node_event(n, KITH_EVENT_PEER, k, 0, text);
        break;
    case TORRENT_PEER_COMPLETE:
        node_event(n, KITH_EVENT_COPY, k, 0, text);
        break;
    case TORRENT_STOPPED:
        stopped(k);
        break;
    case TORRENT_CONFLICT:
    case TORRENT_PIECE_WRITTEN:
        break;
    }
}

const struct swarm_host_ops entry_host_ops = {
    host_connect, host_pump, host_hang_up, host_reschedule, host_event, host_now, host_random};

static int make_torrent(struct kith_torrent *k, const struct magnet *m)
{
    struct kith_node *n = k->node;
    struct torrent_config config = {
        .host = {&entry_host_ops, k, n->log_call ? &n->log : NULL},
        .metainfo = k->metainfo ? metainfo_ref(k->metainfo) : NULL,
        .peer_id = n->peer_id,
        .listen_port = n->port,
        .node_limits = &n->limits,
        .sequential = k->sequential,
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
    token_bucket_set(&torrent_limits(k->torrent)->download, k->download_max, env_now(n->env));
    token_bucket_set(&torrent_limits(k->torrent)->upload, k->upload_max, env_now(n->env));
    return 0;
}

/* ---- incoming: which torrent is meant?
 * ------------------------------------------------------------------ */

bool entry_find(void *user, const struct handshake *theirs, struct greeting_answer *out)
{
    struct kith_node *n = user;
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        struct info_hash v1;
        struct sha256_digest v2;
        if (!k->torrent || k->removing)
            continue;
        bool has_v1 = torrent_hash_v1(k->torrent, &v1);
        bool has_v2 = torrent_hash_v2(k->torrent, &v2);
        struct info_hash short_v2 = info_hash_of_sha256(&v2);
        bool by_v1 = has_v1 && info_hash_equal(&v1, &theirs->info_hash);
        bool by_v2 = has_v2 && info_hash_equal(&short_v2, &theirs->info_hash);
        if (!by_v1 && !by_v2)
            continue;
        /* A caller by the v1 hash that speaks v2 is answered with the v2 hash (BEP 52, "upgrade
         * path"), and both speak v2 from then on. */
        bool upgrade = by_v1 && has_v2 && theirs->v2;
        *out = (struct greeting_answer){.info_hash = upgrade ? short_v2 : theirs->info_hash,
            .v2 = has_v2 && !upgrade,
            .is_v2 = by_v2 || upgrade,
            .torrent = k};
        return true;
    }
    return false;
}

/* MSE names a torrent by a hash of one of its info-hashes. */
bool entry_find_name(
    void *user, const struct sha1_digest *name, struct info_hash *skey, void **torrent)
{
    struct kith_node *n = user;
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        struct sha256_digest v2;
        struct info_hash hashes[2];
        unsigned count = 0;
        if (!k->torrent || k->removing)
            continue;
        count += torrent_hash_v1(k->torrent, &hashes[count]);
        if (torrent_hash_v2(k->torrent, &v2))
            hashes[count++] = info_hash_of_sha256(&v2);
        for (unsigned i = 0; i < count; i++) {
            struct sha1_digest its = mse_name(&hashes[i]);
            if (!sha1_equal(&its, name))
                continue;
            *skey = hashes[i];
            *torrent = k;
            return true;
        }
    }
    return false;
}

/* ---- storage: open, check, prepare, start
 * ------------------------------------------------------------------ */

static void start(struct kith_torrent *k)
{
    int err = k->torrent ? 0 : make_torrent(k, NULL);
    if (!err)
        err = torrent_start(k->torrent, k->storage, &k->have);
    if (err) {
        trouble(k, err, NULL);
        return;
    }
    k->state = 0;
    if (k->node->stopping || k->removing)
        entry_stop(k);
    else if (k->paused)
        torrent_pause(k->torrent);
}

static void prepared(void *user, int err)
{
    struct kith_torrent *k = user;
    if (err)
        trouble(k, err, storage_error(k->storage));
    else
        start(k);
}

static void prepare(struct kith_torrent *k)
{
    int err = storage_prepare(k->storage, prepared, k);
    if (err)
        trouble(k, err, NULL);
}

/* A file that stood there before us and of which no piece is right is somebody else's. */
static bool find_conflict(const struct kith_torrent *k, uint32_t *file)
{
    const struct metainfo *m = k->metainfo;
    for (uint32_t f = 0; f < m->file_count; f++) {
        const struct metainfo_file *file_info = &m->files[f];
        bool right = false;
        if (!k->file_existed[f] || file_info->length == 0)
            continue;
        if (k->file_existed[f] != STORAGE_FILE_LONGER &&
            k->file_existed[f] != STORAGE_FILE_NOT_A_FILE)
            for (uint32_t i = 0; i < file_info->piece_count && !right; i++)
                right = bitfield_get(&k->have, file_info->first_piece + i);
        *file = f;
        if (!right)
            return true;
    }
    return false;
}

static void piece_checked(void *user, uint32_t piece, bool right)
{
    struct kith_torrent *k = user;
    k->check_done += metainfo_piece_size(k->metainfo, piece);
    if (right)
        bitfield_set(&k->have, piece);
}

static void checked(void *user, int err)
{
    struct kith_torrent *k = user;
    uint32_t file;
    if (k->node->stopping || k->removing) {
        stopped(k);
        return;
    }
    if (err) {
        trouble(k, err, storage_error(k->storage));
        return;
    }
    if (k->existing == KITH_EXISTING_REFUSE && find_conflict(k, &file)) {
        char text[NODE_TEXT_MAX];
        snprintf(text, sizeof text, "%s/%s%s%s", k->folder, k->metainfo->root,
            k->metainfo->multi_file ? "/" : "",
            k->metainfo->multi_file ? k->metainfo->files[file].path : "");
        k->error = KITH_E_EXISTS;
        k->state = KITH_STATE_TROUBLE;
        snprintf(k->error_text, sizeof k->error_text, "%.200s holds something else", text);
        node_event(k->node, KITH_EVENT_CONFLICT, k, KITH_E_EXISTS, text);
        return;
    }
    prepare(k);
}

static const struct storage_check_events check_events = {piece_checked, checked};

/* Only pieces of which every file is there are worth reading. */
static int pieces_to_check(struct kith_torrent *k, struct bitfield *out)
{
    const struct metainfo *m = k->metainfo;
    int err = bitfield_init(out, m->piece_count);
    for (uint32_t f = 0; f < m->file_count && !err; f++)
        for (uint32_t i = 0; k->file_existed[f] && i < m->files[f].piece_count; i++)
            bitfield_set(out, m->files[f].first_piece + i);
    for (uint32_t f = 0; f < m->file_count && !err; f++) {
        if (k->file_existed[f] || m->files[f].flags & METAINFO_PAD)
            continue;
        for (uint32_t i = 0; i < m->files[f].piece_count; i++)
            bitfield_clear(out, m->files[f].first_piece + i);
    }
    for (uint32_t i = bitfield_next_set(out, 0); !err && i < m->piece_count;
         i = bitfield_next_set(out, i + 1))
        k->check_total += metainfo_piece_size(m, i);
    return err;
}

static void check(struct kith_torrent *k)
{
    struct bitfield pieces;
    int err = pieces_to_check(k, &pieces);
    if (!err) {
        k->state = KITH_STATE_CHECKING;
        err = storage_check(k->storage, &pieces, &check_events, k);
        bitfield_free(&pieces);
    }
    if (err)
        trouble(k, err, NULL);
}

static void opened(void *user, int err, const struct storage_opening *opening)
{
    struct kith_torrent *k = user;
    bool any = false;
    if (k->node->stopping || k->removing) {
        stopped(k);
        return;
    }
    if (err) {
        trouble(k, err, storage_error(k->storage));
        return;
    }
    for (uint32_t f = 0; f < k->metainfo->file_count; f++) {
        k->file_existed[f] = opening->states[f];
        any |= opening->states[f] != STORAGE_FILE_ABSENT;
    }
    if (any)
        check(k);
    else
        prepare(k);
}

static int open_storage(struct kith_torrent *k)
{
    struct kith_node *n = k->node;
    struct storage_config config = {.env = n->env,
        .log = n->log_call ? &n->log : NULL,
        .metainfo = k->metainfo,
        .pool = n->pool,
        .files = n->files,
        .folder = k->folder,
        .root = k->root,
        .preallocate = k->preallocate};
    k->storage = storage_new(&config);
    k->file_existed = calloc(k->metainfo->file_count ? k->metainfo->file_count : 1, 1);
    if (!k->storage || !k->file_existed || bitfield_init(&k->have, k->metainfo->piece_count) != 0)
        return ERR_NOMEM;
    return 0;
}

/* Without v1, pieces are proved by the piece layers, which stand outside the info dictionary: a
 * link alone does not bring them. */
static bool can_prove_pieces(const struct kith_torrent *k)
{
    return k->metainfo->has_v1 || metainfo_has_layers(k->metainfo);
}

static int open_and_check(struct kith_torrent *k)
{
    k->state = KITH_STATE_CHECKING;
    if (!can_prove_pieces(k)) {
        trouble(k, ERR_UNSUPPORTED,
            "this link is of BitTorrent v2 alone, whose hashes kith does not fetch from peers yet: "
            "get it by its .torrent file");
        return 0;
    }
    int err = open_storage(k);
    return err ? err : storage_open(k->storage, opened, k);
}

/* ---- adding
 * ---------------------------------------------------------------------------------------------- */

static char *name_of(const struct metainfo *m)
{
    return bytes_dup_str(bytes_of_str(m->root));
}

static void choose_files(struct kith_torrent *k)
{
    const struct metainfo *m = k->metainfo;
    for (uint32_t f = 0; k->files_wanted && f < m->file_count; f++) {
        bool wanted = fnmatch(k->files_wanted, m->files[f].path, 0) == 0;
        torrent_set_file_priority(k->torrent, f, wanted ? 4 : 0);
    }
}

static void metadata_known(struct kith_torrent *k)
{
    k->metainfo = metainfo_ref((struct metainfo *)(uintptr_t)torrent_metainfo(k->torrent));
    free(k->name);
    k->name = name_of(k->metainfo);
    choose_files(k);
    node_event(k->node, KITH_EVENT_METADATA, k, 0, k->name);
    int err = k->metadata_only ? 0 : open_and_check(k);
    if (err)
        trouble(k, err, NULL);
}

static struct kith_torrent *find_same(
    struct kith_node *n, bool has_v1, const uint8_t *v1, bool has_v2, const uint8_t *v2)
{
    list_for_each(at, &n->torrents)
    {
        struct kith_torrent *k = list_entry(at, struct kith_torrent, link);
        struct info_hash a;
        struct sha256_digest b;
        if (!k->torrent)
            continue;
        if (has_v1 && torrent_hash_v1(k->torrent, &a) && memcmp(a.b, v1, 20) == 0)
            return k;
        if (has_v2 && torrent_hash_v2(k->torrent, &b) && memcmp(b.b, v2, 32) == 0)
            return k;
    }
    return NULL;
}

static void add_peers(struct kith_torrent *k, const struct kith_add *add, const struct magnet *m)
{
    struct endpoint e;
    for (size_t i = 0; i < add->peer_count; i++)
        if (endpoint_parse(&e, bytes_of_str(add->peers[i])) == 0)
            torrent_add_candidate(k->torrent, &e, ADDR_FROM_USER);
    for (size_t i = 0; m && i < m->peer_count; i++)
        if (m->peers[i].endpoint.family != ADDR_NONE)
            torrent_add_candidate(k->torrent, &m->peers[i].endpoint, ADDR_FROM_LINK);
}

static void remember_text(char **list, size_t *count, size_t max, const char *text)
{
    char *copy = *count < max ? strdup(text) : NULL;
    if (copy)
        list[(*count)++] = copy;
}

static int add_magnet(struct kith_torrent *k, const struct kith_add *add, const struct magnet *m)
{
    k->name = strdup(m->name ? m->name : "");
    for (size_t i = 0; i < m->tracker_count; i++)
        remember_text(k->trackers, &k->tracker_count, 64, m->trackers[i]);
    for (size_t i = 0; i < m->web_seed_count; i++)
        remember_text(k->web_seeds, &k->web_seed_count, 64, m->web_seeds[i]);
    int err = k->name ? make_torrent(k, m) : ERR_NOMEM;
    if (err)
        return err;
    torrent_start_metadata(k->torrent);
    add_peers(k, add, m);
    return 0;
}

static int add_metainfo(struct kith_torrent *k, const struct kith_add *add)
{
    k->name = name_of(k->metainfo);
    int err = k->name ? make_torrent(k, NULL) : ERR_NOMEM;
    if (!err)
        choose_files(k);
    if (!err)
        err = open_and_check(k);
    if (!err)
        add_peers(k, add, NULL);
    return err;
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

static int add_link(struct kith_node *n, const struct kith_add *add, struct kith_torrent **out)
{
    struct magnet m;
    struct format_error error;
    int err = magnet_parse(&m, bytes_of_str(add->link), &error);
    if (err)
        return node_fail(n, err, "the link: %s", error.text);
    struct kith_torrent *k = find_same(n, m.has_v1, m.v1.b, m.has_v2, m.v2.b);
    if (k) {
        err = ERR_EXISTS;
    } else {
        k = entry_new(n, add->folder);
        err = k ? 0 : ERR_NOMEM;
        if (k) {
            take_settings(k, add);
            err = add_magnet(k, add, &m);
        }
        if (err)
            entry_free(k);
    }
    magnet_free(&m);
    if (!err || err == ERR_EXISTS)
        *out = k;
    return err;
}

static int add_torrent(struct kith_node *n, const struct kith_add *add, struct kith_torrent **out)
{
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(bytes_of(add->torrent, add->torrent_size), &m, &error);
    if (err)
        return node_fail(n, err, "the torrent: %s", error.text);
    *out = find_same(n, m->has_v1, m->v1.b, m->has_v2, m->v2.b);
    struct kith_torrent *k = *out ? NULL : entry_new(n, add->folder);
    if (!k) {
        metainfo_unref(m);
        return *out ? ERR_EXISTS : ERR_NOMEM;
    }
    k->metainfo = m;
    take_settings(k, add);
    builder_bytes_put(&k->torrent_file, add->torrent, add->torrent_size);
    err = add_metainfo(k, add);
    if (err) {
        entry_free(k);
        return err;
    }
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

/* ---- sharing
 * ----------------------------------------------------------------------------------------------------
 */

static void share_progress(void *user, const struct create_progress *progress)
{
    struct kith_torrent *k = user;
    k->create_progress = *progress;
}

static void share_start(struct kith_torrent *k, const struct create_result *result)
{
    struct format_error error;
    int err = metainfo_parse_torrent(result->torrent, &k->metainfo, &error);
    if (err) {
        trouble(k, err, error.text);
        return;
    }
    builder_span(&k->torrent_file, result->torrent);
    err = open_storage(k);
    if (err) {
        trouble(k, err, NULL);
        return;
    }
    bitfield_set_all(&k->have); /* hashed a moment ago, by ourselves */
    start(k);
}

static void share_done(void *user, int err, const struct create_result *result, const char *detail)
{
    struct kith_torrent *k = user;
    k->create = NULL;
    if (k->node->stopping || k->removing)
        stopped(k);
    else if (err)
        trouble(k, err, detail);
    else
        share_start(k, result);
}

static const struct create_events share_events = {share_progress, share_done};

/* "/a/b/" is the folder /a and the name b. */
static int split_path(const char *path, char **folder, char **root)
{
    char *full = realpath(path, NULL);
    if (!full)
        return ERR_NOT_FOUND;
    char *slash = strrchr(full, '/');
    *root = strdup(slash + 1);
    *folder = strdup(slash == full ? "/" : full);
    if (*folder && slash != full)
        (*folder)[slash - full] = 0;
    free(full);
    return *root && *folder && **root ? 0 : ERR_INVALID;
}

static int start_create(struct kith_torrent *k, const struct kith_share *s)
{
    struct create_tracker trackers[64];
    size_t count = s->tracker_count < 64 ? s->tracker_count : 64;
    for (size_t i = 0; i < count; i++)
        trackers[i] = (struct create_tracker){s->trackers[i], (unsigned)i};
    struct create_options options = {.path = s->path,
        .name = k->root,
        .kind = s->format == KITH_FORMAT_V1   ? CREATE_V1
                : s->format == KITH_FORMAT_V2 ? CREATE_V2
                                              : CREATE_HYBRID,
        .piece_length = s->piece_length,
        .private_torrent = s->is_private,
        .trackers = trackers,
        .tracker_count = count,
        .web_seeds = s->web_seeds,
        .web_seed_count = s->web_seed_count,
        .comment = s->comment};
    return create_start(k->node->env, &options, &share_events, k, &k->create);
}

int kith_share(struct kith_node *n, const struct kith_share *given, struct kith_torrent **out)
{
    struct kith_share s = {.size = sizeof s};
    memcpy(&s, given, given->size < sizeof s ? given->size : sizeof s);
    char *folder = NULL, *root = NULL;
    *out = NULL;
    int err = s.path ? split_path(s.path, &folder, &root) : ERR_INVALID;
    struct kith_torrent *k = err ? NULL : entry_new(n, folder);
    free(folder);
    if (!k) {
        free(root);
        return node_fail(n, err ? err : ERR_NOMEM, "%s", s.path ? s.path : "no path");
    }
    k->root = root;
    k->name = strdup(root);
    k->state = KITH_STATE_HASHING;
    err = k->name ? start_create(k, &s) : ERR_NOMEM;
    if (err) {
        entry_free(k);
        return node_fail(n, err, "%s", s.path);
    }
    node_event(n, KITH_EVENT_ADDED, k, 0, k->name);
    *out = k;
    return 0;
}

/* ---- control
 * ------------------------------------------------------------------------------------------------------
 */

void kith_pause(struct kith_torrent *k)
{
    k->paused = true;
    if (k->torrent)
        torrent_pause(k->torrent);
}

void kith_resume(struct kith_torrent *k)
{
    k->paused = false;
    if (k->metadata_only && k->metainfo && !k->storage) {
        k->metadata_only = false;
        int err = open_and_check(k);
        if (err)
            trouble(k, err, NULL);
    } else if (k->torrent) {
        torrent_resume(k->torrent);
    }
}

int kith_add_peer(struct kith_torrent *k, const char *host_port)
{
    struct endpoint e;
    int err = endpoint_parse(&e, bytes_of_str(host_port));
    if (err || !k->torrent)
        return err ? err : ERR_AGAIN;
    torrent_add_candidate(k->torrent, &e, ADDR_FROM_USER);
    return 0;
}

int kith_set_file_priority(struct kith_torrent *k, uint32_t file, int priority)
{
    return k->torrent ? torrent_set_file_priority(k->torrent, file, priority) : ERR_AGAIN;
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
