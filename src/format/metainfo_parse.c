/* From bytes to a metainfo: the order in which things are read and checked. The parts are in the
 * files that metainfo_parts.h lists. */
#include "crypto/hash.h"
#include "format/metainfo_parts.h"
#include <stdlib.h>

#define META_VERSION 2

/* BEP 52: the version is checked before anything else, so that a torrent of the future is called
 * that and not broken. */
static int parse_versions(struct metainfo_parser *p)
{
    struct bencode_value version_value = bencode_get(p->info, "meta version");
    int64_t version = 0;
    if (bencode_present(version_value) &&
        (!bencode_integer(version_value, &version) || version < 1))
        return format_fail(p->error, ERR_SYNTAX, "meta version: not a version number");
    if (version > META_VERSION)
        return format_fail(p->error, ERR_UNSUPPORTED,
            "meta version %lld: later than %d, which is "
            "the latest that is understood",
            (long long)version, META_VERSION);
    p->m->has_v1 = bencode_present(bencode_get(p->info, "pieces"));
    p->m->has_v2 = version == META_VERSION;
    bool has_tree = bencode_present(bencode_get(p->info, "file tree"));
    if (p->m->has_v2 && !has_tree)
        return format_fail(p->error, ERR_SYNTAX, "meta version 2, and no file tree");
    if (!p->m->has_v2 && has_tree)
        return format_fail(p->error, ERR_SYNTAX, "a file tree, and no meta version");
    if (!p->m->has_v1 && !p->m->has_v2)
        return format_fail(p->error, ERR_SYNTAX, "neither pieces nor a file tree");
    bool v1_list = bencode_present(bencode_get(p->info, "files")) ||
                   bencode_present(bencode_get(p->info, "length"));
    if (p->m->has_v2 && !p->m->has_v1 && v1_list)
        return format_fail(p->error, ERR_MISMATCH, "v1 files beside a file tree, and no pieces");
    return 0;
}

static int parse_piece_length(struct metainfo_parser *p)
{
    int64_t length;
    struct bencode_value value = bencode_get(p->info, "piece length");
    if (bencode_type(value) != BENCODE_INTEGER)
        return format_fail(p->error, ERR_SYNTAX, "piece length: missing");
    if (!bencode_integer(value, &length) || length > METAINFO_PIECE_LENGTH_MAX)
        return format_fail(
            p->error, ERR_LIMIT, "piece length: more than %u MiB", METAINFO_PIECE_LENGTH_MAX >> 20);
    if (length <= 0)
        return format_fail(p->error, ERR_SYNTAX, "piece length: not positive");
    if (p->m->has_v2 && (length & (length - 1)) != 0)
        return format_fail(p->error, ERR_SYNTAX, "piece length: not a power of two");
    if (p->m->has_v2 && length < METAINFO_BLOCK_SIZE)
        return format_fail(p->error, ERR_SYNTAX, "piece length: less than 16 KiB");
    p->m->piece_length = (uint32_t)length;
    return 0;
}

static int parse_name(struct metainfo_parser *p)
{
    if (!bencode_get_string(p->info, "name.utf-8", &p->m->name) &&
        !bencode_get_string(p->info, "name", &p->m->name))
        return format_fail(p->error, ERR_SYNTAX, "name: missing");
    return 0;
}

/* What follows from the list of files, whichever half it came from. */
static int finish_files(struct metainfo_parser *p)
{
    struct metainfo *m = p->m;
    for (uint32_t i = 0; i < m->file_count; i++) {
        struct metainfo_file *f = &m->files[i];
        if ((f->flags & METAINFO_PAD) != 0)
            m->pad_count++;
        else
            m->content_length += f->length;
        f->first_piece = (uint32_t)(f->offset / m->piece_length);
        if (f->length > 0)
            f->piece_count =
                (uint32_t)((f->offset + f->length - 1) / m->piece_length) - f->first_piece + 1;
    }
    if (m->pad_count == m->file_count)
        return format_fail(p->error, ERR_SYNTAX, "there are no files");
    metainfo_count_layers(m);
    return metainfo_order_roots(m);
}

static int parse_files(struct metainfo_parser *p)
{
    int err = p->m->has_v1 ? metainfo_parse_v1(p) : metainfo_parse_v2(p);
    if (err == 0 && p->m->has_v1 && p->m->has_v2)
        err = metainfo_match_v2(p);
    if (err == 0)
        err = finish_files(p);
    return err;
}

static int parse_dictionary(struct metainfo_parser *p)
{
    if (bencode_type(p->info) != BENCODE_DICT)
        return format_fail(p->error, ERR_SYNTAX, "info: not a dictionary");
    int err = bencode_has_duplicate_keys(p->info);
    if (err > 0)
        err = format_fail(p->error, ERR_SYNTAX, "info: a key stands twice");
    if (err == 0)
        err = parse_versions(p);
    if (err == 0)
        err = parse_piece_length(p);
    if (err == 0)
        err = parse_name(p);
    if (err == 0)
        err = parse_files(p);
    if (err < 0)
        return err;
    int64_t is_private;
    p->m->is_private = bencode_get_integer(p->info, "private", &is_private) && is_private != 0;
    bencode_get_string(p->info, "source", &p->m->source);
    return 0;
}

static int describe_bencode_error(int err, size_t at, struct format_error *error)
{
    if (err == ERR_TRUNCATED)
        return format_fail(error, err, "not bencode: it ends too early, at byte %zu", at);
    if (err == ERR_LIMIT)
        return format_fail(error, err, "too deep, or too many values, at byte %zu", at);
    if (err == ERR_SYNTAX)
        return format_fail(error, err, "not bencode at byte %zu", at);
    return err;
}

static int check_info_size(struct bytes info, struct format_error *error)
{
    if (info.size > METAINFO_INFO_MAX)
        return format_fail(error, ERR_LIMIT, "info: more than %zu MiB", METAINFO_INFO_MAX >> 20);
    return 0;
}

/* A copy of the info dictionary's bytes, and their hashes. */
static int keep_info(struct metainfo *m, struct bytes info)
{
    m->memory->info = malloc(info.size + 1);
    if (m->memory->info == NULL)
        return ERR_NOMEM;
    if (info.size > 0)
        memcpy(m->memory->info, info.data, info.size);
    m->info = bytes_of(m->memory->info, info.size);
    m->v1 = sha1(m->info.data, m->info.size);
    m->v2 = sha256(m->info.data, m->info.size);
    return 0;
}

/* Everything points into the copy; the tokens are those of the document that `info` stands in. */
static int parse_kept(struct metainfo *m, struct bencode_value info, struct format_error *error)
{
    struct bencode doc;
    struct metainfo_parser p = {
        .m = m, .info = bencode_rebind(info, m->info, &doc), .error = error};
    naming_init(&p.naming);
    int err = parse_dictionary(&p);
    if (err == 0)
        err = metainfo_name_files(&p);
    naming_free(&p.naming);
    free(p.links);
    return err;
}

/* Hashes that the torrent does not have must not be taken for names. */
static void drop_unused_hashes(struct metainfo *m)
{
    if (!m->has_v1)
        m->v1 = (struct sha1_digest){0};
    if (!m->has_v2)
        m->v2 = (struct sha256_digest){0};
}

/* It lives long, and no file is added to it any more. */
static void trim(struct metainfo *m)
{
    struct metainfo_memory *memory = m->memory;
    struct metainfo_file *files = realloc(memory->files, m->file_count * sizeof *files);
    if (!files)
        return;
    m->files = memory->files = files;
    memory->file_capacity = m->file_count;
}

static int parse_info(struct bencode_value info, struct metainfo **out, struct format_error *error)
{
    struct metainfo *m = metainfo_new();
    if (m == NULL)
        return ERR_NOMEM;
    int err = keep_info(m, bencode_raw(info));
    if (err == 0)
        err = parse_kept(m, info, error);
    if (err < 0) {
        metainfo_unref(m);
        return err;
    }
    drop_unused_hashes(m);
    if (m->file_count > 0)
        trim(m);
    *out = m;
    return 0;
}

int metainfo_parse_info(struct bytes info, struct metainfo **out, struct format_error *error)
{
    *out = NULL;
    format_fail(error, 0, "%s", "");
    int err = check_info_size(info, error);
    if (err < 0)
        return err;
    struct bencode doc;
    err = bencode_parse(&doc, info, BENCODE_TOLERANT, 0);
    if (err < 0)
        return describe_bencode_error(err, doc.bad_at, error);
    if (doc.consumed == info.size)
        err = parse_info(bencode_root(&doc), out, error);
    else
        err = format_fail(
            error, ERR_SYNTAX, "info: %zu bytes behind its end", info.size - doc.consumed);
    bencode_free(&doc);
    return err;
}

static int parse_torrent(
    struct bencode_value torrent, struct metainfo **out, struct format_error *error)
{
    struct bencode_value info = bencode_get(torrent, "info");
    if (bencode_type(torrent) != BENCODE_DICT)
        return format_fail(error, ERR_SYNTAX, "not a torrent: not a dictionary");
    if (bencode_type(info) != BENCODE_DICT)
        return format_fail(error, ERR_SYNTAX, "not a torrent: no info dictionary");
    int err = check_info_size(bencode_raw(info), error);
    if (err == 0)
        err = parse_info(info, out, error);
    if (err < 0)
        return err;
    err = metainfo_parse_outer(*out, torrent);
    if (err == 0)
        err = metainfo_parse_layers(*out, torrent, error);
    if (err < 0) {
        metainfo_unref(*out);
        *out = NULL;
    }
    return err;
}

int metainfo_parse_torrent(struct bytes torrent, struct metainfo **out, struct format_error *error)
{
    *out = NULL;
    format_fail(error, 0, "%s", "");
    if (torrent.size > METAINFO_TORRENT_MAX)
        return format_fail(error, ERR_LIMIT, "more than %zu MiB", METAINFO_TORRENT_MAX >> 20);
    struct bencode doc;
    int err = bencode_parse(&doc, torrent, BENCODE_TOLERANT, 0);
    if (err < 0)
        return describe_bencode_error(err, doc.bad_at, error);
    err = parse_torrent(bencode_root(&doc), out, error);
    bencode_free(&doc);
    return err;
}
