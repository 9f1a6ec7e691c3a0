/* A torrent is added, by a link or by its metadata, or comes back from an earlier run. */
#include "node/discovery/lsd_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include "format/magnet.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *name_of(const struct metainfo *m)
{
    return bytes_dup_str(bytes_of_str(m->root));
}

void entry_metadata_known(struct kith_torrent *k)
{
    k->metainfo = metainfo_ref((struct metainfo *)(uintptr_t)torrent_metainfo(k->torrent));
    free(k->name);
    k->name = name_of(k->metainfo);
    int err = entry_select_files(k);
    entry_apply_files(k);
    (void)entry_learn_hashes(k); /* without memory it is found by the hash of its link only */
    if (k->metainfo->is_private) {
        lsd_leave(k);
        dht_io_leave(k);
    }
    memory_save_entry(k);
    memory_save_metainfo(k);
    if (err == ERR_NOT_FOUND)
        entry_nothing_selected(k);
    node_event(k->node, KITH_EVENT_METADATA, k, 0, k->name);
    if (!k->metadata_only && err != ERR_NOT_FOUND)
        entry_open_data(k);
}

static void tell_not_met(struct kith_torrent *k, int err, const char *peer)
{
    char text[NODE_TEXT_MAX];
    struct builder b = builder_fixed(text, sizeof text);
    builder_str(&b, err == ERR_LIMIT    ? "too many peers by name, not looked up: "
                    : err == ERR_SYNTAX ? "not a peer, HOST:PORT: "
                                        : "the peer ");
    text_escape(bytes_of_str(peer), &b);
    if (err != ERR_LIMIT && err != ERR_SYNTAX) {
        builder_str(&b, ": ");
        builder_str(&b, err_text(err));
    }
    node_event(k->node, KITH_EVENT_WARNING, k, err, builder_text(&b));
}

static void add_peers(struct kith_torrent *k, const struct kith_add *add)
{
    for (size_t i = 0; i < add->peer_count; i++) {
        int err = named_peers_meet(k, bytes_of_str(add->peers[i]));
        if (err)
            tell_not_met(k, err, add->peers[i]);
    }
}

/* All at once: a link may name hundreds. */
static void tell_beyond(struct kith_torrent *k, size_t count)
{
    char text[NODE_TEXT_MAX];
    if (count == 0)
        return;
    snprintf(text, sizeof text,
        "the link names too many peers by name: %u at a time are looked up, %zu others are not",
        NODE_NAMED_PEERS_MAX, count);
    node_event(k->node, KITH_EVENT_WARNING, k, ERR_LIMIT, text);
}

static void tell_unread(struct kith_torrent *k, size_t count)
{
    char text[NODE_TEXT_MAX];
    if (count == 0)
        return;
    snprintf(text, sizeof text,
        "%zu of the link's peers and ranges of files (x.pe, so) cannot be read, and count for "
        "nothing",
        count);
    node_event(k->node, KITH_EVENT_WARNING, k, ERR_SYNTAX, text);
}

static void add_link_peers(struct kith_torrent *k, const struct magnet *m)
{
    size_t beyond = 0;
    for (size_t i = 0; k->torrent && i < m->peer_count; i++) {
        const struct magnet_peer *p = &m->peers[i];
        if (p->endpoint.family == ADDR_NONE) {
            int err = named_peers_add(k, bytes_of_str(p->host), p->endpoint.port, ADDR_FROM_LINK);
            if (err == ERR_LIMIT)
                beyond++;
            else if (err)
                tell_not_met(k, err, p->host);
            continue;
        }
        named_peers_found(k, &p->endpoint, ADDR_FROM_LINK);
    }
    tell_beyond(k, beyond);
    tell_unread(k, m->hints_unread);
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

/* Its metainfo was read from where it would be written. */
static void save(struct kith_torrent *k)
{
    if (k->restored)
        memory_save_entry(k);
    else
        memory_save_new(k);
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
    save(k);
    torrent_start_metadata(k->torrent);
    met_peers_recall(k);
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
    if (!err && !k->restored)
        err = entry_select_files(k);
    if (err)
        return err;
    entry_apply_files(k);
    save(k);
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

/* Its user has seen what stands in the way, and says what to do with it. */
static void go_on_over_conflict(struct kith_torrent *k, int existing)
{
    bool rests = k->error == ERR_EXISTS && k->storage && storage_idle(k->storage);
    if (!rests || existing == KITH_EXISTING_REFUSE)
        return;
    k->existing = existing;
    entry_open_data(k);
}

static int take_settings_again(
    struct kith_torrent *k, const struct kith_add *add, const struct magnet *m)
{
    k->quiet = k->complete_told = false; /* he wants to be told, too */
    int err = entry_select_again(k, add->files_wanted, m);
    if (err)
        return err;
    k->asked_again = true;
    if (!k->torrent || !torrent_storage(k->torrent) || k->reopening)
        k->existing = add->existing; /* else all that it has is its own */
    k->preallocate = !add->sparse;
    kith_set_sequential(k, add->sequential);
    kith_set_torrent_rates(k, add->download_rate_max, add->upload_rate_max);
    if (k->paused && !add->paused)
        kith_resume(k);
    if (k->torrent && torrent_storage(k->torrent) && torrent_is_complete(k->torrent))
        entry_complete(k);
    return 0;
}

/* One that is there already. What the new link knows of peers is good for it, too; and the wishes
 * of who asks again count more than those of an earlier run. ERR_EXISTS; ERR_NOT_FOUND: no file is
 * as he wishes. */
static int meet_again(struct kith_torrent *k, const struct kith_add *add, const struct magnet *m)
{
    (void)entry_wake(k); /* if it cannot be: it says so itself */
    if (m)
        add_link_peers(k, m);
    add_peers(k, add);
    go_on_over_conflict(k, add->existing);
    int err = k->restored && !k->asked_again ? take_settings_again(k, add, m) : 0;
    if (err)
        return node_fail(k->node, err, "no file in it matches '%s'", add->files_wanted);
    return ERR_EXISTS;
}

static int add_magnet(struct kith_node *n, const struct kith_add *add, const struct magnet *m,
    struct kith_torrent **out)
{
    struct kith_torrent *same =
        entry_find_same(n, m->has_v1 ? &m->v1 : NULL, m->has_v2 ? &m->v2 : NULL);
    if ((*out = same) != NULL)
        return meet_again(same, add, m);
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
    struct kith_torrent *k = same ? NULL : entry_new(n, add->folder);
    if (!k) {
        metainfo_unref(m);
        *out = same;
        return same ? meet_again(same, add, NULL) : ERR_NOMEM;
    }
    k->metainfo = m;
    take_settings(k, add);
    builder_bytes_put(&k->awake->torrent_file, add->torrent, add->torrent_size);
    err = begin_metainfo(k);
    if (err) {
        entry_free(k);
        return err == ERR_NOT_FOUND
                   ? node_fail(n, err, "no file in it matches '%s'", add->files_wanted)
                   : err;
    }
    add_peers(k, add);
    *out = k;
    return 0;
}

int kith_add(struct kith_node *n, const struct kith_add *given, struct kith_torrent **out)
{
    struct kith_add add = {.size = sizeof add};
    node_take(&add, sizeof add, given, given->size);
    *out = NULL;
    if (!add.folder || !add.link == !add.torrent)
        return node_fail(n, ERR_INVALID, "kith_add wants a folder and one of link and torrent");
    int err = add.link ? add_link(n, &add, out) : add_torrent(n, &add, out);
    if (!err)
        node_event(n, KITH_EVENT_ADDED, *out, 0, (*out)->name);
    return err;
}
