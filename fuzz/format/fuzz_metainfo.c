/* Any bytes as a .torrent and as an info dictionary. What is accepted keeps the promises of
 * metainfo.h: safe and distinct paths, pieces that tile the files exactly, and it can be written
 * and read again to the same thing. */
#include "base/err.h"
#include "format/magnet.h"
#include "format/metainfo.h"
#include "format/metainfo_write.h"
#include <stdlib.h>

#define PIECES_CHECKED 300u /* from either end: a few bytes can describe millions */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_distinct(const char **paths, size_t count)
{
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 1; i < count; i++) {
        check(strcmp(paths[i - 1], paths[i]) != 0);
        size_t length = strlen(paths[i - 1]);
        check(strncmp(paths[i - 1], paths[i], length) != 0 || paths[i][length] != '/');
    }
}

static void check_paths(const struct metainfo *m)
{
    const char **local = malloc((m->file_count + 1) * sizeof *local);
    const char **portable = malloc((m->file_count + 1) * sizeof *portable);
    size_t count = 0;
    for (uint32_t i = 0; i < m->file_count; i++) {
        const struct metainfo_file *f = &m->files[i];
        check(path_is_safe_relative(bytes_of_str(f->path), PATH_LOCAL));
        check(path_is_safe_relative(bytes_of_str(f->portable_path), PATH_PORTABLE));
        check(f->target == NULL || path_is_safe_relative(bytes_of_str(f->target), PATH_LOCAL));
        if ((f->flags & METAINFO_PAD) != 0)
            continue;
        local[count] = f->path;
        portable[count++] = f->portable_path;
    }
    check_distinct(local, count);
    check_distinct(portable, count);
    free(local);
    free(portable);
}

static void check_piece(const struct metainfo *m, uint32_t index)
{
    struct metainfo_piece p;
    metainfo_piece(m, index, &p);
    check(p.size > 0 && p.size <= m->piece_length && p.first_file < m->file_count);
    check((p.v1 != NULL) == m->has_v1 && p.has_v2 == m->has_v2);
    check(!p.has_v2 || (p.v2_size > 0 && p.v2_size <= p.size && m->files[p.v2_file].has_root));
    uint32_t size = metainfo_request_size(m, index);
    check(size >= p.size && size <= m->piece_length);
    uint64_t covered = 0, data = 0;
    struct metainfo_slice s = metainfo_slices(m, index, 0, m->piece_length);
    while (metainfo_slice_next(m, &s)) {
        check(s.file < m->file_count && s.length > 0);
        check(s.pad || s.file_offset + s.length <= m->files[s.file].length);
        covered += s.length;
        data += s.pad ? 0 : s.length;
    }
    check(covered == size && data <= p.size && (!p.has_v2 || data == p.v2_size));
}

static void check_pieces(const struct metainfo *m)
{
    for (uint32_t i = 0; i < m->piece_count && i < PIECES_CHECKED; i++) {
        check_piece(m, i);
        check_piece(m, m->piece_count - 1 - i);
    }
}

static void check_again(const struct metainfo *m)
{
    struct builder b = builder_heap(METAINFO_TORRENT_MAX);
    struct metainfo *again;
    check(metainfo_write(m, &b) == 0);
    check(metainfo_parse_torrent(builder_bytes(&b), &again, NULL) == 0);
    check(bytes_equal(again->info, m->info) && again->file_count == m->file_count);
    check(sha1_equal(&again->v1, &m->v1) && sha256_equal(&again->v2, &m->v2));
    check(metainfo_has_layers(again) == metainfo_has_layers(m));
    check(again->tracker_count == m->tracker_count && again->node_count == m->node_count);
    check(again->web_seed_count == m->web_seed_count);
    for (size_t i = 0; i < m->tracker_count; i++)
        check(again->trackers[i].tier == m->trackers[i].tier &&
              strcmp(again->trackers[i].url, m->trackers[i].url) == 0);
    metainfo_unref(again);
    builder_free(&b);
    struct magnet link;
    check(magnet_of_metainfo(&link, m) == 0);
    magnet_free(&link);
}

static void check_metainfo(struct metainfo *m)
{
    check(m->has_v1 || m->has_v2);
    check(m->file_count > m->pad_count && m->piece_count <= METAINFO_PIECES_MAX);
    check(m->content_length <= m->stream_length);
    check_paths(m);
    check_pieces(m);
    check_again(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct metainfo *m;
    struct format_error error;
    int err = metainfo_parse_torrent(input, &m, &error);
    check((err == 0) == (m != NULL) && (err == 0 || err == ERR_NOMEM || error.text[0] != '\0'));
    if (m != NULL)
        check_metainfo(m);
    metainfo_unref(m);
    err = metainfo_parse_info(input, &m, &error);
    check((err == 0) == (m != NULL));
    if (m != NULL)
        check_metainfo(m);
    metainfo_unref(m);
    return 0;
}
