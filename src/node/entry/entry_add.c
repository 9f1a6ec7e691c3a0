/* A torrent is added, by a link or by its metadata, or comes back from an earlier run. */
#include "node/discovery/lsd_io.h"
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include "format/magnet.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_NORMAL 4

static char *name_of(const struct metainfo *m)
{
    return bytes_dup_str(bytes_of_str(m->root));
}

int entry_reserve_priorities(struct kith_torrent *k)
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
    if (k->files_wanted && entry_reserve_priorities(k) == 0)
        for (uint32_t f = 0; f < m->file_count; f++)
            if (fnmatch(k->files_wanted, m->files[f].path, 0) != 0)
                k->priorities[f] = 0;
    for (uint32_t f = 0; k->priorities && f < m->file_count; f++)
        torrent_set_file_priority(k->torrent, f, k->priorities[f]);
}

/* BEP 53. A link that names none of the files there are is wrong, and not obeyed. */
static void select_by_link(struct kith_torrent *k, const struct magnet *link)
{
    char text[NODE_TEXT_MAX];
    uint32_t selected = 0, count = k->metainfo->file_count;
    for (uint32_t f = 0; f < count; f++)
        selected += magnet_selects(link, f);
    if (selected > 0 && entry_reserve_priorities(k) == 0)
        for (uint32_t f = 0; f < count; f++)
            if (!magnet_selects(link, f))
                k->priorities[f] = 0;
    snprintf(text, sizeof text,
        selected > 0 ? "the link asks for %u of %u files; the others are not fetched"
                     : "the link asks for %u of %u files: all are fetched",
        selected, count);
    node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
}

/* Whoever added it has the first word, his link the second. */
static void take_selection(struct kith_torrent *k)
{
    struct magnet m;
    struct format_error error;
    if (k->files_wanted || !k->magnet || magnet_parse(&m, bytes_of_str(k->magnet), &error) != 0)
        return;
    if (m.has_selection)
        select_by_link(k, &m);
    magnet_free(&m);
}

void entry_metadata_known(struct kith_torrent *k)
{
    k->metainfo = metainfo_ref((struct metainfo *)(uintptr_t)torrent_metainfo(k->torrent));
    free(k->name);
    k->name = name_of(k->metainfo);
    take_selection(k);
    entry_choose_files(k);
    (void)entry_learn_hashes(k); /* without memory it is found by the hash of its link only */
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
    if (err)
        return err;
    entry_choose_files(k);
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
    go_on_over_conflict(k, add->existing);
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
    node_take(&add, sizeof add, given, given->size);
    *out = NULL;
    if (!add.folder || !add.link == !add.torrent)
        return node_fail(n, ERR_INVALID, "kith_add wants a folder and one of link and torrent");
    int err = add.link ? add_link(n, &add, out) : add_torrent(n, &add, out);
    if (!err)
        node_event(n, KITH_EVENT_ADDED, *out, 0, (*out)->name);
    return err;
}
