/* Sharing: data that stands where it is becomes a torrent that is seeded. See node_internal.h. */
#include "node/node_internal.h"

#include "base/err.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEFT_OUT_TOLD 20u                /* of what is not shared; the rest is a number */
#define SHARE_TEXT_MAX ((size_t)1 << 20) /* bytes of tracker URLs */

static void share_progress(void *user, const struct create_progress *progress)
{
    struct kith_torrent *k = user;
    k->awake->create_progress = *progress;
}

/* The same data was shared, or is remembered, under this hash: the new one takes its place. */
static void replace_same(struct kith_torrent *k)
{
    const struct metainfo *m = k->metainfo;
    struct kith_torrent *same =
        entry_find_same(k->node, m->has_v1 ? &m->v1 : NULL, m->has_v2 ? &m->v2 : NULL);
    if (same)
        kith_remove(same);
}

/* What a torrent cannot hold was skipped (a scan with problems does not come so far): people who
 * share a folder believe that all of it is shared. */
static void tell_left_out(struct kith_torrent *k, const struct scan *scan)
{
    char text[NODE_TEXT_MAX];
    for (size_t i = 0; i < scan->note_count && i < LEFT_OUT_TOLD; i++) {
        struct builder b = builder_heap(SCAN_PATH_MAX * 8u);
        builder_format(&b, "not shared, it %s: ", scan_note_text(scan->notes[i].kind));
        text_escape(bytes_of_str(scan->notes[i].path), &b);
        node_event(k->node, KITH_EVENT_WARNING, k, 0, builder_text(&b));
        builder_free(&b);
    }
    if (scan->note_total > LEFT_OUT_TOLD) {
        snprintf(text, sizeof text, "and %llu more are not shared",
            (unsigned long long)(scan->note_total - LEFT_OUT_TOLD));
        node_event(k->node, KITH_EVENT_WARNING, k, 0, text);
    }
}

static void share_start(struct kith_torrent *k, const struct create_result *result)
{
    struct format_error error;
    int err = metainfo_parse_torrent(result->torrent, &k->metainfo, &error);
    if (err) {
        entry_trouble(k, err, error.text);
        return;
    }
    tell_left_out(k, result->scan);
    builder_span(&k->awake->torrent_file, result->torrent);
    replace_same(k);
    err = entry_make_torrent(k, NULL);
    if (err) {
        entry_trouble(k, err, NULL);
        return;
    }
    memory_save_new(k);
    entry_open_hashed(k);
}

static void share_done(void *user, int err, const struct create_result *result, const char *detail)
{
    struct kith_torrent *k = user;
    k->awake->create = NULL;
    if (k->node->stopping || k->removing)
        entry_stopped(k);
    else if (err)
        entry_trouble(k, err, detail);
    else
        share_start(k, result);
}

static const struct create_events share_events = {share_progress, share_done};

/* "/a/b" is the folder /a and the name b. */
static int split_path(const char *full, char **folder, char **root)
{
    const char *slash = strrchr(full, '/');
    if (!slash || !slash[1])
        return ERR_INVALID;
    *root = strdup(slash + 1);
    *folder = slash == full ? strdup("/") : strndup(full, (size_t)(slash - full));
    return *root && *folder ? 0 : ERR_NOMEM;
}

/* A tracker that is never asked would be a promise that nobody keeps: too many are refused. */
static int read_trackers(struct arena *a, const struct kith_share *s, struct create_options *o)
{
    struct create_tracker *trackers;
    int err = create_read_tiers(a, s->trackers, s->tracker_count, &trackers, &o->tracker_count);
    o->trackers = trackers;
    return !err && o->tracker_count > ANNOUNCER_TRACKERS_MAX ? ERR_LIMIT : err;
}

static int start_create(struct kith_torrent *k, const struct kith_share *s, const char *path)
{
    struct arena arena;
    struct create_options options = {.path = path,
        .name = k->root,
        .to_share = true,
        .kind = s->format == KITH_FORMAT_V1   ? CREATE_V1
                : s->format == KITH_FORMAT_V2 ? CREATE_V2
                                              : CREATE_HYBRID,
        .piece_length = s->piece_length,
        .private_torrent = s->is_private,
        .web_seeds = s->web_seeds,
        .web_seed_count = s->web_seed_count,
        .comment = s->comment,
        .source = s->source,
        .cache = k->node->state};
    arena_init(&arena, SHARE_TEXT_MAX);
    int err = read_trackers(&arena, s, &options);
    if (!err)
        err = create_start(k->node->env, &options, &share_events, k, &k->awake->create);
    arena_free(&arena);
    return err;
}

int kith_share(struct kith_node *n, const struct kith_share *given, struct kith_torrent **out)
{
    struct kith_share s = {.size = sizeof s};
    node_take(&s, sizeof s, given, given->size);
    char *folder = NULL, *root = NULL, *path = NULL;
    *out = NULL;
    int err = s.path ? env_real_path(n->env, s.path, &path) : ERR_INVALID;
    if (!err)
        err = split_path(path, &folder, &root);
    struct kith_torrent *k = err ? NULL : entry_new(n, folder);
    free(folder);
    if (!k) {
        free(path);
        free(root);
        return node_fail(n, err ? err : ERR_NOMEM, "%s", s.path ? s.path : "no path");
    }
    k->root = root;
    k->name = strdup(root);
    k->state = KITH_STATE_HASHING;
    err = k->name ? start_create(k, &s, path) : ERR_NOMEM;
    free(path);
    if (err) {
        entry_free(k);
        return err == ERR_LIMIT ? node_fail(n, err, "more than %u trackers", ANNOUNCER_TRACKERS_MAX)
               : err == ERR_SYNTAX ? node_fail(n, err, "a tracker is a URL")
                                   : node_fail(n, err, "%s", s.path);
    }
    node_event(n, KITH_EVENT_ADDED, k, 0, k->name);
    *out = k;
    return 0;
}
