/* Writing a .torrent: what stands around the info dictionary, for drafts and for metainfos. The
 * info dictionary of a draft is written by draft.c. See metainfo_write.h. */
#include "format/metainfo_write.h"
#include "base/err.h"
#include "format/bencode.h"
#include "format/draft_parts.h"
#include <stdlib.h>

/* ---- the outer dictionary ------------------------------------------------------------------ */

/* Everything of a .torrent but the info dictionary and the piece layers. Keys are written in the
 * order of their bytes; `info` and `piece layers` stand among them, so each is a step of its own.
 */
struct outer {
    const struct metainfo_tracker *trackers;
    size_t tracker_count;
    const char *const *web_seeds;
    size_t web_seed_count;
    const char *const *http_seeds;
    size_t http_seed_count;
    const struct metainfo_node *nodes;
    size_t node_count;
    struct bytes comment, created_by;
    int64_t created_unix;
};

static void put_text(struct builder *b, const char *key, struct bytes text)
{
    if (text.size == 0)
        return;
    bencode_put_key(b, key);
    bencode_put_string(b, text);
}

static void put_trackers(struct builder *b, const struct outer *o)
{
    if (o->tracker_count == 0)
        return;
    bencode_put_key(b, "announce");
    bencode_put_str(b, o->trackers[0].url);
    if (o->tracker_count == 1)
        return;
    bencode_put_key(b, "announce-list");
    bencode_begin_list(b);
    for (size_t i = 0; i < o->tracker_count; i++) {
        bool first = i == 0 || o->trackers[i].tier != o->trackers[i - 1].tier;
        bool last = i + 1 == o->tracker_count || o->trackers[i].tier != o->trackers[i + 1].tier;
        if (first)
            bencode_begin_list(b);
        bencode_put_str(b, o->trackers[i].url);
        if (last)
            bencode_end(b);
    }
    bencode_end(b);
}

static void put_urls(struct builder *b, const char *key, const char *const *urls, size_t count)
{
    if (count == 0)
        return;
    bencode_put_key(b, key);
    bencode_begin_list(b);
    for (size_t i = 0; i < count; i++)
        bencode_put_str(b, urls[i]);
    bencode_end(b);
}

static void put_nodes(struct builder *b, const struct outer *o)
{
    if (o->node_count == 0)
        return;
    bencode_put_key(b, "nodes");
    bencode_begin_list(b);
    for (size_t i = 0; i < o->node_count; i++) {
        bencode_begin_list(b);
        bencode_put_str(b, o->nodes[i].host);
        bencode_put_integer(b, o->nodes[i].port);
        bencode_end(b);
    }
    bencode_end(b);
}

/* announce, announce-list, comment, created by, creation date, httpseeds: what sorts before info.
 */
static void put_before_info(struct builder *b, const struct outer *o)
{
    put_trackers(b, o);
    put_text(b, "comment", o->comment);
    put_text(b, "created by", o->created_by);
    if (o->created_unix > 0) {
        bencode_put_key(b, "creation date");
        bencode_put_integer(b, o->created_unix);
    }
    put_urls(b, "httpseeds", o->http_seeds, o->http_seed_count);
}

/* ---- piece layers -------------------------------------------------------------------------- */

/* Files with equal roots have equal layers: one entry serves all of them. */
static int compare_layers(const void *left, const void *right)
{
    const struct draft_layer *a = left, *b = right;
    return memcmp(a->root->b, b->root->b, sizeof a->root->b);
}

static void put_layers(struct builder *b, struct draft_layer *layers, size_t count)
{
    qsort(layers, count, sizeof *layers, compare_layers);
    bencode_put_key(b, "piece layers");
    bencode_begin_dict(b);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_layers(&layers[i - 1], &layers[i]) == 0)
            continue;
        bencode_put_string(b, bytes_of(layers[i].root->b, sizeof layers[i].root->b));
        bencode_put_string(
            b, bytes_of(layers[i].hashes, layers[i].count * sizeof *layers[i].hashes));
    }
    bencode_end(b);
}

/* ---- drafts -------------------------------------------------------------------------------- */

static struct bytes text_of(const char *text)
{
    return text == NULL ? bytes_of(NULL, 0) : bytes_of_str(text);
}

static struct outer outer_of_draft(const struct torrent_draft *d)
{
    return (struct outer){
        .trackers = d->trackers,
        .tracker_count = d->tracker_count,
        .web_seeds = d->web_seeds,
        .web_seed_count = d->web_seed_count,
        .http_seeds = d->http_seeds,
        .http_seed_count = d->http_seed_count,
        .nodes = d->nodes,
        .node_count = d->node_count,
        .comment = text_of(d->comment),
        .created_by = text_of(d->created_by),
        .created_unix = d->created_unix,
    };
}

static int put_draft_layers(struct builder *b, const struct torrent_draft *d)
{
    struct draft_layer *layers = malloc((d->file_count + 1) * sizeof *layers);
    if (layers == NULL)
        return ERR_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        const struct torrent_draft_file *f = &d->files[i];
        if (f->length > d->piece_length)
            layers[count++] = (struct draft_layer){
                &f->root, f->layer, (size_t)draft_pieces(f->length, d->piece_length)};
    }
    put_layers(b, layers, count);
    free(layers);
    return 0;
}

int torrent_write(const struct torrent_draft *d, struct builder *out, struct format_error *error)
{
    format_fail(error, 0, "%s", "");
    int err = draft_check(d, error);
    if (err < 0)
        return err;
    struct outer o = outer_of_draft(d);
    bencode_begin_dict(out);
    put_before_info(out, &o);
    bencode_put_key(out, "info");
    draft_put_info(d, out);
    put_nodes(out, &o);
    if (d->v2)
        err = put_draft_layers(out, d);
    put_urls(out, "url-list", o.web_seeds, o.web_seed_count);
    bencode_end(out);
    if (err < 0)
        return err;
    return builder_ok(out) ? 0 : format_fail(error, ERR_LIMIT, "the torrent is too large");
}

/* ---- metainfos ----------------------------------------------------------------------------- */

static int put_known_layers(struct builder *b, const struct metainfo *m)
{
    struct draft_layer *layers = malloc(((size_t)m->file_count + 1) * sizeof *layers);
    if (layers == NULL)
        return ERR_NOMEM;
    size_t count = 0;
    for (uint32_t i = 0; i < m->file_count; i++)
        if (m->files[i].layer != NULL)
            layers[count++] =
                (struct draft_layer){&m->files[i].root, m->files[i].layer, m->files[i].piece_count};
    put_layers(b, layers, count);
    free(layers);
    return 0;
}

static int write_metainfo(const struct metainfo *m, const struct outer *o, struct builder *out)
{
    int err = 0;
    bencode_begin_dict(out);
    put_before_info(out, o);
    bencode_put_key(out, "info");
    builder_span(out, m->info);
    put_nodes(out, o);
    if (m->has_v2 && metainfo_has_layers(m)) /* in part they would claim to be all */
        err = put_known_layers(out, m);
    put_urls(out, "url-list", o->web_seeds, o->web_seed_count);
    bencode_end(out);
    if (err < 0)
        return err;
    return builder_ok(out) ? 0 : ERR_LIMIT;
}

static struct outer outer_of_metainfo(const struct metainfo *m)
{
    return (struct outer){
        .trackers = m->trackers,
        .tracker_count = m->tracker_count,
        .web_seeds = m->web_seeds,
        .web_seed_count = m->web_seed_count,
        .http_seeds = m->http_seeds,
        .http_seed_count = m->http_seed_count,
        .nodes = m->nodes,
        .node_count = m->node_count,
        .comment = m->comment,
        .created_by = m->created_by,
        .created_unix = m->created_unix,
    };
}

int metainfo_write(const struct metainfo *m, struct builder *out)
{
    struct outer o = outer_of_metainfo(m);
    return write_metainfo(m, &o, out);
}

int metainfo_write_with(
    const struct metainfo *m, const struct torrent_outer *outer, struct builder *out)
{
    struct outer o = outer_of_metainfo(m);
    o.trackers = outer->trackers;
    o.tracker_count = outer->tracker_count;
    o.web_seeds = outer->web_seeds;
    o.web_seed_count = outer->web_seed_count;
    return write_metainfo(m, &o, out);
}
