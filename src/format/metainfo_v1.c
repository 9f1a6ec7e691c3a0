/* The v1 half of an info dictionary (BEP 3, with the attributes of BEP 47): `length` or `files`,
 * and `pieces`. See metainfo_parts.h. */
#include "format/metainfo_parts.h"

/* BitComet marks its pads by this name alone. */
#define BITCOMET_PAD "_____padding_file_"

/* Reads `attr` and, for a link, where it leads. Unknown attributes are ignored (BEP 47). */
void metainfo_read_attr(struct bencode_value entry, struct file_facts *facts)
{
    static const struct {
        char letter;
        uint32_t flag;
    } known[] = {{'p', METAINFO_PAD}, {'x', METAINFO_EXECUTABLE}, {'h', METAINFO_HIDDEN},
        {'l', METAINFO_SYMLINK}};
    struct bytes attr;
    if (!bencode_get_string(entry, "attr", &attr))
        return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (attr.size > 0 && memchr(attr.data, known[i].letter, attr.size) != NULL)
            facts->flags |= known[i].flag;
    if ((facts->flags & METAINFO_PAD) != 0)
        facts->flags &= ~(uint32_t)METAINFO_SYMLINK;
    if ((facts->flags & METAINFO_SYMLINK) != 0)
        facts->target = bencode_get_typed(entry, "symlink path", BENCODE_LIST);
}

int metainfo_check_keys(struct metainfo_parser *p, struct bencode_value file, uint32_t index)
{
    int twice = bencode_has_duplicate_keys(file);
    if (twice > 0)
        return format_fail(p->error, ERR_SYNTAX, "file %u: a key stands twice", index);
    return twice;
}

static bool is_bitcomet_pad(const struct metainfo_parser *p, uint64_t length)
{
    struct bytes raw = builder_bytes(&p->naming.raw);
    size_t size = sizeof BITCOMET_PAD - 1;
    return length < p->m->piece_length && raw.size > size &&
           memcmp(raw.data, BITCOMET_PAD, size) == 0;
}

/* BEP 47: clients should not require the path of a pad. */
static int name_pad(struct metainfo_parser *p, uint64_t length, uint32_t index)
{
    char digits[24];
    struct builder b = builder_fixed(digits, sizeof digits);
    builder_number(&b, length);
    int err = naming_push(&p->naming, bytes_of_str(".pad"), index, p->error);
    return err < 0 ? err : naming_push(&p->naming, builder_bytes(&b), index, p->error);
}

/* path.utf-8 where there is one: `path` may be in any encoding. */
static int name_entry(struct metainfo_parser *p, struct bencode_value entry,
    const struct file_facts *facts, uint32_t index)
{
    struct bencode_value path = bencode_get_typed(entry, "path.utf-8", BENCODE_LIST);
    if (!bencode_present(path))
        path = bencode_get(entry, "path");
    naming_clear(&p->naming);
    for (struct bencode_iterator i = bencode_iterate(path); bencode_next(&i);) {
        struct bytes component;
        if (bencode_type(path) != BENCODE_LIST || !bencode_string(i.value, &component))
            return format_fail(
                p->error, ERR_SYNTAX, "file %u: path is not a list of strings", index);
        int err = naming_push(&p->naming, component, index, p->error);
        if (err < 0)
            return err;
    }
    if (p->naming.depth > 0)
        return 0;
    if ((facts->flags & METAINFO_PAD) != 0)
        return name_pad(p, facts->length, index);
    return format_fail(p->error, ERR_SYNTAX, "file %u: has no path", index);
}

static int read_length(
    struct metainfo_parser *p, struct bencode_value entry, uint32_t index, struct file_facts *facts)
{
    struct bencode_value value = bencode_get(entry, "length");
    int64_t length = 0;
    if ((facts->flags & METAINFO_SYMLINK) != 0)
        return 0; /* whatever it says: it has no bytes in the stream (BEP 47) */
    if (!bencode_integer(value, &length))
        return format_fail(p->error, ERR_SYNTAX, "file %u: has no length", index);
    if (length < 0)
        return format_fail(p->error, ERR_SYNTAX, "file %u: length is negative", index);
    facts->length = (uint64_t)length;
    return 0;
}

/* Puts the newest file behind those before it. */
static int place_file(struct metainfo_parser *p, uint32_t index)
{
    struct metainfo *m = p->m;
    struct metainfo_file *f = &m->files[index];
    f->offset = m->stream_length;
    if (f->length > METAINFO_LENGTH_MAX - m->stream_length)
        return format_fail(p->error, ERR_LIMIT, "file %u: the sum of lengths is too large", index);
    m->stream_length += f->length;
    return 0;
}

static int parse_entry(struct metainfo_parser *p, struct bencode_value entry)
{
    uint32_t index = p->m->file_count;
    struct file_facts facts = {0};
    if (bencode_type(entry) != BENCODE_DICT)
        return format_fail(p->error, ERR_SYNTAX, "file %u: not a dictionary", index);
    int err = metainfo_check_keys(p, entry, index);
    if (err < 0)
        return err;
    metainfo_read_attr(entry, &facts);
    err = read_length(p, entry, index, &facts);
    if (err == 0)
        err = name_entry(p, entry, &facts, index);
    if (err == 0 && is_bitcomet_pad(p, facts.length))
        facts.flags |= METAINFO_PAD;
    if (err == 0)
        err = metainfo_add_file(p, &facts);
    return err < 0 ? err : place_file(p, index);
}

static int parse_list(struct metainfo_parser *p, struct bencode_value files)
{
    int err = 0;
    if (bencode_type(files) != BENCODE_LIST)
        return format_fail(p->error, ERR_SYNTAX, "files: not a list");
    p->m->multi_file = true;
    for (struct bencode_iterator i = bencode_iterate(files); err == 0 && bencode_next(&i);)
        err = parse_entry(p, i.value);
    return err;
}

/* A torrent of one file: a link or pad alone would be nothing. */
static int parse_single(struct metainfo_parser *p)
{
    struct file_facts facts = {0};
    metainfo_read_attr(p->info, &facts);
    facts.flags &= METAINFO_EXECUTABLE | METAINFO_HIDDEN;
    int err = read_length(p, p->info, 0, &facts);
    naming_clear(&p->naming);
    if (err == 0)
        err = naming_push(&p->naming, p->m->name, 0, p->error);
    if (err == 0)
        err = metainfo_add_file(p, &facts);
    return err < 0 ? err : place_file(p, 0);
}

/* The piece hashes must be exactly as many as the stream has pieces. */
static int parse_pieces(struct metainfo_parser *p)
{
    struct metainfo *m = p->m;
    struct bytes pieces;
    if (!bencode_get_string(p->info, "pieces", &pieces))
        return format_fail(p->error, ERR_SYNTAX, "pieces: not a string");
    if (pieces.size % sizeof(struct sha1_digest) != 0)
        return format_fail(p->error, ERR_SYNTAX, "pieces: length is not a multiple of 20");
    uint64_t want = m->stream_length / m->piece_length + (m->stream_length % m->piece_length != 0);
    size_t have = pieces.size / sizeof(struct sha1_digest);
    if (want > METAINFO_PIECES_MAX)
        return format_fail(p->error, ERR_LIMIT, "more than %u pieces", METAINFO_PIECES_MAX);
    if (want != have)
        return format_fail(p->error, ERR_SYNTAX, "pieces: %llu hashes needed, there are %zu",
            (unsigned long long)want, have);
    m->v1_pieces = pieces.data;
    m->piece_count = (uint32_t)have;
    return 0;
}

int metainfo_parse_v1(struct metainfo_parser *p)
{
    struct bencode_value files = bencode_get(p->info, "files");
    /* BEP 3 allows one of them; where both stand, others take the list. */
    int err = bencode_present(files) ? parse_list(p, files) : parse_single(p);
    return err < 0 ? err : parse_pieces(p);
}
