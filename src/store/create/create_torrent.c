/* From hashes to a .torrent, see create_torrent.h. */
#include "store/create/create_torrent.h"
#include "base/text.h"
#include "format/metainfo_write.h"
#include <assert.h>
#include <stdlib.h>

#define KEY_VERSION                                                                                \
    1 /* of what torrents look like: a change of the writer makes old keys stale                   \
       */

bool create_name_is_good(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && strlen(name) <= PATH_COMPONENT_MAX &&
           utf8_valid(bytes_of_str(name));
}

/* Describes the scan's files to the writer, with the hashes that their pieces got. */
static void fill_files(const struct create_plan *p, struct torrent_draft_file *files)
{
    uint64_t piece = 0;
    for (size_t i = 0; i < p->scan->count; i++) {
        const struct scan_file *f = &p->scan->files[i];
        files[i] = (struct torrent_draft_file){.path = f->path,
            .length = f->size,
            .target = f->target,
            .flags = (f->executable ? METAINFO_EXECUTABLE : 0) |
                     (f->target != NULL ? METAINFO_SYMLINK : 0)};
        if (!p->v2 || f->size == 0)
            continue;
        files[i].root = create_plan_root(p, i, piece);
        if (f->size > p->piece_length)
            files[i].layer = &p->v2_pieces[piece];
        piece += f->size / p->piece_length + (f->size % p->piece_length != 0);
    }
    assert(!p->v2 || piece == p->piece_count);
}

int create_torrent_write(const struct create_plan *p, const struct create_options *o, uint8_t **out,
    size_t *size, struct format_error *error)
{
    struct torrent_draft_file *files = calloc(p->scan->count, sizeof *files);
    struct metainfo_tracker *trackers =
        calloc(o->tracker_count > 0 ? o->tracker_count : 1, sizeof *trackers);
    struct builder b = builder_heap(METAINFO_TORRENT_MAX);
    int err = ERR_NOMEM;
    if (files == NULL || trackers == NULL)
        goto end;
    fill_files(p, files);
    for (size_t i = 0; i < o->tracker_count; i++)
        trackers[i] = (struct metainfo_tracker){o->trackers[i].url, o->trackers[i].tier};
    struct torrent_draft draft = {.name = o->name != NULL ? o->name : p->scan->name,
        .single_file = p->scan->single_file,
        .v1 = p->v1,
        .v2 = p->v2,
        .piece_length = p->piece_length,
        .files = files,
        .file_count = p->scan->count,
        .v1_pieces = p->v1_pieces,
        .is_private = o->private_torrent,
        .source = o->source,
        .cross_seed = o->cross_seed,
        .trackers = trackers,
        .tracker_count = o->tracker_count,
        .web_seeds = o->web_seeds,
        .web_seed_count = o->web_seed_count,
        .comment = o->comment,
        .created_by = o->created_by,
        .created_unix = o->creation_unix};
    err = torrent_write(&draft, &b, error);
    if (err == 0) {
        *out = b.data;
        *size = b.size;
        b = builder_heap(0); /* the bytes are the caller's */
    }
end:
    builder_free(&b);
    free(trackers);
    free(files);
    return err;
}

int create_torrent_describe(
    struct bytes torrent, struct create_result *result, struct format_error *error)
{
    struct metainfo *m;
    int err = metainfo_parse_torrent(torrent, &m, error);
    if (err < 0)
        return err;
    result->torrent = torrent;
    result->has_v1 = m->has_v1;
    result->has_v2 = m->has_v2;
    result->v1 = m->v1;
    result->v2 = m->v2;
    result->piece_length = m->piece_length;
    metainfo_unref(m);
    return 0;
}

/* ---- the key ------------------------------------------------------------------------------- */

bool create_torrent_key(const struct scan *scan, const struct create_options *o,
    uint32_t piece_length, struct sha256_digest *out)
{
    struct sha256_digest data;
    struct hash_stream *h = hash_stream_new(HASH_SHA256);
    if (h == NULL || !scan_digest(scan, &data)) {
        hash_stream_free(h);
        return false;
    }
    hash_stream_number(h, KEY_VERSION);
    hash_stream_update(h, data.b, sizeof data.b);
    hash_stream_text(h, o->name);
    hash_stream_number(h, o->kind);
    hash_stream_number(h, piece_length);
    hash_stream_number(h, o->private_torrent);
    hash_stream_text(h, o->comment);
    hash_stream_text(h, o->source);
    hash_stream_text(h, o->cross_seed);
    hash_stream_number(h, o->tracker_count);
    for (size_t i = 0; i < o->tracker_count; i++) {
        hash_stream_text(h, o->trackers[i].url);
        hash_stream_number(h, o->trackers[i].tier);
    }
    hash_stream_number(h, o->web_seed_count);
    for (size_t i = 0; i < o->web_seed_count; i++)
        hash_stream_text(h, o->web_seeds[i]);
    hash_stream_final(h, out->b);
    hash_stream_free(h);
    return true;
}
