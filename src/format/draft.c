/* The info dictionary of a draft: its rules, the layout of the v1 stream, and the two lists of
 * files (BEP 3 with the pads of BEP 47, and BEP 52's tree). See metainfo_write.h. */
#include "base/err.h"
#include "format/bencode.h"
#include "format/draft_parts.h"

/* ---- piece length -------------------------------------------------------------------------- */

uint32_t metainfo_choose_piece_length(uint64_t total_size, uint64_t file_count)
{
    uint64_t average = file_count == 0 ? total_size : total_size / file_count;
    uint32_t length = CREATE_PIECE_LENGTH_MIN;
    while (length < CREATE_PIECE_LENGTH_MAX && total_size / length >= CREATE_PIECES_AIM) {
        /* In v2 a small file is a piece whatever the length: longer pieces would only pad more. */
        bool small_files = average < length && total_size / length < 4 * CREATE_PIECES_AIM;
        if (small_files)
            break;
        length *= 2;
    }
    return length;
}

/* ---- the v1 stream ------------------------------------------------------------------------- */

/* BEP 47 asks for pads only before a file. BEP 52's reference maker and libtorrent since 2.0.4 pad
 * the last file too, if there is more than one. Kith does as they do, so that the same files get
 * the same info-hash, and their sharers meet in one swarm. */
static bool is_padded(const struct torrent_draft *d)
{
    return d->v1 && d->v2 && d->file_count > 1;
}

uint64_t torrent_draft_pad_after(const struct torrent_draft *d, size_t file)
{
    uint64_t rest = d->files[file].length % d->piece_length;
    return rest == 0 || !is_padded(d) ? 0 : d->piece_length - rest;
}

uint64_t torrent_draft_stream_length(const struct torrent_draft *d)
{
    uint64_t length = 0, aligned = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        if (d->files[i].length == 0)
            continue;
        length = (d->v2 ? aligned : length) + d->files[i].length;
        aligned = draft_pieces(length, d->piece_length) * d->piece_length;
    }
    return is_padded(d) ? aligned : length;
}

uint64_t torrent_draft_v1_piece_count(const struct torrent_draft *d)
{
    return draft_pieces(torrent_draft_stream_length(d), d->piece_length);
}

/* ---- rules --------------------------------------------------------------------------------- */

/* The end of a path sorts first, then '/', then every other byte: so what is in a folder stays
 * together, in the order of the tree's keys. */
static int path_byte_rank(char c)
{
    if (c == '\0')
        return 0;
    return c == '/' ? 1 : 1 + (unsigned char)c;
}

int torrent_path_compare(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] != '\0' && a[i] == b[i])
        i++;
    return path_byte_rank(a[i]) - path_byte_rank(b[i]);
}

/* Components that are there and name something; at most PATH_DEPTH_MAX. */
static bool is_plain_path(const char *path)
{
    unsigned depth = 0;
    while (path != NULL) {
        const char *slash = strchr(path, '/');
        size_t size = slash != NULL ? (size_t)(slash - path) : strlen(path);
        bool dots =
            (size == 1 && path[0] == '.') || (size == 2 && path[0] == '.' && path[1] == '.');
        if (size == 0 || dots || ++depth > PATH_DEPTH_MAX)
            return false;
        path = slash != NULL ? slash + 1 : NULL;
    }
    return depth > 0;
}

static bool is_folder_of(const char *folder, const char *path)
{
    size_t size = strlen(folder);
    return strncmp(folder, path, size) == 0 && path[size] == '/';
}

static int check_file(const struct torrent_draft *d, size_t i, struct format_error *error)
{
    const struct torrent_draft_file *f = &d->files[i];
    bool link = (f->flags & METAINFO_SYMLINK) != 0;
    if (!d->single_file && !is_plain_path(f->path))
        return format_fail(error, ERR_INVALID, "file %zu: not a relative path", i);
    if (i > 0 &&
        (torrent_path_compare(f[-1].path, f->path) >= 0 || is_folder_of(f[-1].path, f->path)))
        return format_fail(error, ERR_INVALID, "file %zu: not sorted, or there already", i);
    if (link && (f->length != 0 || d->single_file || !is_plain_path(f->target)))
        return format_fail(error, ERR_INVALID, "file %zu: not a link within the torrent", i);
    if (f->length > METAINFO_LENGTH_MAX)
        return format_fail(error, ERR_LIMIT, "file %zu: is too large", i);
    if (d->v2 && f->length > d->piece_length && f->layer == NULL)
        return format_fail(error, ERR_INVALID, "file %zu: its piece layer is missing", i);
    return 0;
}

static int check_piece_length(const struct torrent_draft *d, struct format_error *error)
{
    uint32_t length = d->piece_length;
    if (length > METAINFO_PIECE_LENGTH_MAX)
        return format_fail(
            error, ERR_LIMIT, "piece length: more than %u MiB", METAINFO_PIECE_LENGTH_MAX >> 20);
    if (length < 1024)
        return format_fail(error, ERR_INVALID, "piece length: less than 1 KiB");
    if (d->v2 && (length < METAINFO_BLOCK_SIZE || (length & (length - 1)) != 0))
        return format_fail(
            error, ERR_INVALID, "piece length: not a power of two of 16 KiB or more");
    return 0;
}

/* Sums are checked before anything is computed from them. */
static int check_sizes(const struct torrent_draft *d, struct format_error *error)
{
    uint64_t pieces = 0, bytes = 0;
    for (size_t i = 0; i < d->file_count; i++) {
        bytes += d->files[i].length;
        pieces += draft_pieces(d->files[i].length, d->piece_length);
        if (bytes > METAINFO_LENGTH_MAX)
            return format_fail(error, ERR_LIMIT, "the sum of lengths is too large");
    }
    if (!d->v2)
        pieces = draft_pieces(bytes, d->piece_length);
    if (pieces > METAINFO_PIECES_MAX)
        return format_fail(
            error, ERR_LIMIT, "more than %u pieces: longer pieces are needed", METAINFO_PIECES_MAX);
    if (d->v1 && pieces > 0 && d->v1_pieces == NULL)
        return format_fail(error, ERR_INVALID, "piece hashes are missing");
    return 0;
}

int draft_check(const struct torrent_draft *d, struct format_error *error)
{
    if (!d->v1 && !d->v2)
        return format_fail(error, ERR_INVALID, "neither v1 nor v2");
    if (d->name == NULL || strlen(d->name) == 0)
        return format_fail(error, ERR_INVALID, "name: missing");
    if (d->file_count == 0 || (d->single_file && d->file_count != 1))
        return format_fail(error, ERR_INVALID, "there are no files, or too many");
    if (d->file_count > METAINFO_FILES_MAX)
        return format_fail(error, ERR_LIMIT, "more than %u files", METAINFO_FILES_MAX);
    int err = check_piece_length(d, error);
    for (size_t i = 0; err == 0 && i < d->file_count; i++)
        err = check_file(d, i, error);
    return err < 0 ? err : check_sizes(d, error);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* "l" last, as libtorrent writes them; the order means nothing (BEP 47). */
static void put_attr(struct builder *b, uint32_t flags)
{
    char attr[4];
    size_t size = 0;
    if ((flags & METAINFO_EXECUTABLE) != 0)
        attr[size++] = 'x';
    if ((flags & METAINFO_HIDDEN) != 0)
        attr[size++] = 'h';
    if ((flags & METAINFO_SYMLINK) != 0)
        attr[size++] = 'l';
    if (size == 0)
        return;
    bencode_put_key(b, "attr");
    bencode_put_string(b, bytes_of(attr, size));
}

static void put_length(struct builder *b, uint64_t length)
{
    bencode_put_key(b, "length");
    bencode_put_integer(b, (int64_t)length);
}

static void put_components(struct builder *b, const char *key, const char *path)
{
    bencode_put_key(b, key);
    bencode_begin_list(b);
    while (path != NULL) {
        const char *slash = strchr(path, '/');
        bencode_put_string(
            b, bytes_of(path, slash != NULL ? (size_t)(slash - path) : strlen(path)));
        path = slash != NULL ? slash + 1 : NULL;
    }
    bencode_end(b);
}

static void put_pad(struct builder *b, uint64_t length)
{
    char path[32];
    struct builder text = builder_fixed(path, sizeof path);
    builder_str(&text, ".pad/");
    builder_number(&text, length);
    bencode_begin_dict(b);
    bencode_put_key(b, "attr");
    bencode_put_str(b, "p");
    put_length(b, length);
    put_components(b, "path", builder_text(&text));
    bencode_end(b);
}

static void put_v1_file(struct builder *b, const struct torrent_draft_file *f)
{
    bencode_begin_dict(b);
    put_attr(b, f->flags);
    put_length(b, f->length);
    put_components(b, "path", f->path);
    if ((f->flags & METAINFO_SYMLINK) != 0)
        put_components(b, "symlink path", f->target);
    bencode_end(b);
}

static void put_v1_files(struct builder *b, const struct torrent_draft *d)
{
    bencode_put_key(b, "files");
    bencode_begin_list(b);
    for (size_t i = 0; i < d->file_count; i++) {
        put_v1_file(b, &d->files[i]);
        uint64_t pad = torrent_draft_pad_after(d, i);
        if (pad > 0)
            put_pad(b, pad);
    }
    bencode_end(b);
}

/* {"": {attr, length, pieces root, symlink path}} */
static void put_leaf(struct builder *b, const struct torrent_draft_file *f)
{
    bencode_begin_dict(b);
    bencode_put_key(b, "");
    bencode_begin_dict(b);
    put_attr(b, f->flags);
    put_length(b, f->length);
    if (f->length > 0) {
        bencode_put_key(b, "pieces root");
        bencode_put_string(b, bytes_of(f->root.b, sizeof f->root.b));
    }
    if ((f->flags & METAINFO_SYMLINK) != 0)
        put_components(b, "symlink path", f->target);
    bencode_end(b);
    bencode_end(b);
}

/* Where the folders that both paths are in end, and how many they are. */
static size_t shared_folders(const char *a, const char *b, unsigned *depth)
{
    size_t shared = 0;
    *depth = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
        if (a[i] == '/') {
            shared = i + 1;
            ++*depth;
        }
    return shared;
}

static unsigned folders_in(const char *path)
{
    unsigned count = 0;
    for (; *path != '\0'; path++)
        count += *path == '/';
    return count;
}

static void close_folders(struct builder *b, unsigned count)
{
    while (count-- > 0)
        bencode_end(b);
}

/* Files are sorted, so the tree is written straight from the list: close the folders that the next
 * path is not in, open those that it is in, write the leaf. */
static void put_tree(struct builder *b, const struct torrent_draft *d)
{
    const char *before = "";
    bencode_put_key(b, "file tree");
    bencode_begin_dict(b);
    for (size_t i = 0; i < d->file_count; i++) {
        const char *path = d->single_file ? d->name : d->files[i].path;
        unsigned depth = 0;
        size_t at = d->single_file ? 0 : shared_folders(before, path, &depth);
        close_folders(b, folders_in(before) - depth);
        const char *name = path + at;
        for (const char *slash = d->single_file ? NULL : strchr(name, '/'); slash != NULL;
             name = slash + 1, slash = strchr(name, '/')) {
            bencode_put_string(b, bytes_of(name, (size_t)(slash - name)));
            bencode_begin_dict(b);
        }
        bencode_put_str(b, name);
        put_leaf(b, &d->files[i]);
        before = d->single_file ? "" : path;
    }
    close_folders(b, folders_in(before));
    bencode_end(b);
}

static void put_v1_pieces(struct builder *b, const struct torrent_draft *d)
{
    size_t count = (size_t)torrent_draft_v1_piece_count(d);
    bencode_put_key(b, "pieces");
    bencode_put_string(b, bytes_of(d->v1_pieces, count * sizeof *d->v1_pieces));
}

/* Keys in the order of their bytes. */
void draft_put_info(const struct torrent_draft *d, struct builder *b)
{
    bencode_begin_dict(b);
    if (d->v1 && d->single_file)
        put_attr(b, d->files[0].flags);
    if (d->v2)
        put_tree(b, d);
    if (d->v1 && !d->single_file)
        put_v1_files(b, d);
    if (d->v1 && d->single_file)
        put_length(b, d->files[0].length);
    if (d->v2) {
        bencode_put_key(b, "meta version");
        bencode_put_integer(b, 2);
    }
    bencode_put_key(b, "name");
    bencode_put_str(b, d->name);
    bencode_put_key(b, "piece length");
    bencode_put_integer(b, d->piece_length);
    if (d->v1)
        put_v1_pieces(b, d);
    if (d->is_private) {
        bencode_put_key(b, "private");
        bencode_put_integer(b, 1);
    }
    if (d->source != NULL && d->source[0] != '\0') {
        bencode_put_key(b, "source");
        bencode_put_str(b, d->source);
    }
    if (d->cross_seed != NULL && d->cross_seed[0] != '\0') {
        bencode_put_key(b, "x_cross_seed");
        bencode_put_str(b, d->cross_seed);
    }
    bencode_end(b);
}
