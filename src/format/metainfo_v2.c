/* The v2 half of an info dictionary (BEP 52): the file tree, walked in its order without recursion.
 * In a v2 torrent each leaf becomes a file; in a hybrid each leaf must be the next v1 file, at the
 * same place in piece space. See metainfo_parts.h. */
#include "format/metainfo_parts.h"

/* What to do with a leaf, whose path is in p->naming. */
typedef int leaf_visitor(struct metainfo_parser *p, const struct file_facts *leaf, uint32_t index);

/* A folder that is being walked: its entries, and the key before, which must be smaller. */
struct walk_level {
    struct bencode_iterator entries;
    struct bytes last_name;
    bool any;
};

struct walk {
    struct metainfo_parser *p;
    leaf_visitor *visit;
    uint32_t leaf_count;
    unsigned depth;
    struct walk_level levels[PATH_DEPTH_MAX + 1];
};

static int read_leaf(struct metainfo_parser *p, struct bencode_value properties, uint32_t index,
    struct file_facts *leaf)
{
    metainfo_read_attr(properties, leaf);
    if ((leaf->flags & METAINFO_PAD) != 0)
        return format_fail(p->error, ERR_SYNTAX, "file %u: a pad in the file tree", index);
    if ((leaf->flags & METAINFO_SYMLINK) != 0)
        return 0; /* it has no bytes, whatever its length says (BEP 47) */
    int64_t length = 0;
    if (!bencode_get_integer(properties, "length", &length))
        return format_fail(p->error, ERR_SYNTAX, "file %u: has no length", index);
    if (length < 0)
        return format_fail(p->error, ERR_SYNTAX, "file %u: length is negative", index);
    leaf->length = (uint64_t)length;
    if (leaf->length > METAINFO_LENGTH_MAX)
        return format_fail(p->error, ERR_LIMIT, "file %u: length is too large", index);
    struct bytes root;
    leaf->has_root = leaf->length > 0; /* an empty file has none, whatever the torrent says */
    if (!leaf->has_root)
        return 0;
    if (!bencode_get_string(properties, "pieces root", &root) || root.size != sizeof leaf->root)
        return format_fail(p->error, ERR_SYNTAX, "file %u: has no pieces root", index);
    memcpy(&leaf->root, root.data, root.size);
    return 0;
}

/* A dictionary with an empty key is a file if that key's value says so; then it holds nothing else.
 * Anything else under the empty key is a folder's property that nobody has defined yet. */
static bool is_leaf(struct bencode_value dict, struct bencode_value *properties)
{
    *properties = bencode_get_typed(dict, "", BENCODE_DICT);
    struct bytes attr;
    return bencode_present(bencode_get(*properties, "length")) ||
           (bencode_get_string(*properties, "attr", &attr) && attr.size > 0 &&
               memchr(attr.data, 'l', attr.size) != NULL);
}

static int visit_leaf(struct walk *w, struct bencode_value dict, struct bencode_value properties)
{
    uint32_t index = w->leaf_count++;
    struct format_error *error = w->p->error;
    struct file_facts leaf = {0};
    if (index == METAINFO_FILES_MAX)
        return format_fail(error, ERR_LIMIT, "more than %u files", METAINFO_FILES_MAX);
    if (bencode_count(dict) != 1)
        return format_fail(error, ERR_SYNTAX, "file %u: is a file and a folder at once", index);
    int err = metainfo_check_keys(w->p, properties, index);
    if (err == 0)
        err = read_leaf(w->p, properties, index, &leaf);
    return err < 0 ? err : w->visit(w->p, &leaf, index);
}

static void enter(struct walk *w, struct bencode_value folder)
{
    w->levels[w->depth++] = (struct walk_level){.entries = bencode_iterate(folder)};
}

/* One entry of the innermost folder. */
static int walk_entry(struct walk *w, struct walk_level *level)
{
    struct bytes name = level->entries.key;
    struct bencode_value value = level->entries.value;
    if (level->any && bytes_compare(level->last_name, name) >= 0)
        return format_fail(w->p->error, ERR_SYNTAX,
            "file tree: names are not sorted, or one stands twice, before file %u", w->leaf_count);
    level->any = true;
    level->last_name = name;
    if (name.size == 0)
        return 0;
    if (bencode_type(value) != BENCODE_DICT)
        return format_fail(
            w->p->error, ERR_SYNTAX, "file tree: not a dictionary at file %u", w->leaf_count);
    int err = naming_push(&w->p->naming, name, w->leaf_count, w->p->error);
    if (err < 0)
        return err;
    struct bencode_value properties;
    if (!is_leaf(value, &properties)) {
        enter(w, value);
        return 0;
    }
    err = visit_leaf(w, value, properties);
    naming_pop(&w->p->naming);
    return err;
}

static int walk_tree(struct walk *w, struct bencode_value tree)
{
    struct bencode_value properties;
    struct metainfo_parser *p = w->p;
    if (bencode_type(tree) != BENCODE_DICT)
        return format_fail(p->error, ERR_SYNTAX, "file tree: not a dictionary");
    if (is_leaf(tree, &properties))
        return format_fail(p->error, ERR_SYNTAX, "file tree: its root is a file");
    naming_clear(&p->naming);
    enter(w, tree);
    while (w->depth > 0) {
        struct walk_level *level = &w->levels[w->depth - 1];
        if (!bencode_next(&level->entries)) {
            if (--w->depth > 0)
                naming_pop(&p->naming);
            continue;
        }
        int err = walk_entry(w, level);
        if (err < 0)
            return err;
    }
    if (w->leaf_count == 0)
        return format_fail(p->error, ERR_SYNTAX, "file tree: there are no files");
    return 0;
}

/* One entry at the top that is a file: a torrent of one file (BEP 52, "Interpreting paths"). */
static bool is_single_file(struct bencode_value tree)
{
    struct bencode_value properties;
    struct bencode_iterator i = bencode_iterate(tree);
    return bencode_count(tree) == 1 && bencode_next(&i) && is_leaf(i.value, &properties);
}

/* ---- v2 alone ------------------------------------------------------------------------------ */

/* Each file that is not empty begins at a piece of its own. */
static int place_file(struct metainfo_parser *p, struct metainfo_file *f, uint32_t index)
{
    struct metainfo *m = p->m;
    f->offset = (uint64_t)m->piece_count * m->piece_length;
    if (f->length == 0)
        return 0;
    uint64_t pieces = f->length / m->piece_length + (f->length % m->piece_length != 0);
    if (pieces > METAINFO_PIECES_MAX - m->piece_count)
        return format_fail(
            p->error, ERR_LIMIT, "file %u: more than %u pieces", index, METAINFO_PIECES_MAX);
    m->piece_count += (uint32_t)pieces;
    m->stream_length = f->offset + f->length;
    return 0;
}

static int add_leaf(struct metainfo_parser *p, const struct file_facts *leaf, uint32_t index)
{
    int err = metainfo_add_file(p, leaf);
    return err < 0 ? err : place_file(p, &p->m->files[index], index);
}

int metainfo_parse_v2(struct metainfo_parser *p)
{
    struct walk w = {.p = p, .visit = add_leaf};
    struct bencode_value tree = bencode_get(p->info, "file tree");
    int err = walk_tree(&w, tree);
    if (err < 0)
        return err;
    p->m->multi_file = !is_single_file(tree);
    if (!p->m->multi_file && (p->m->files[0].flags & METAINFO_SYMLINK) != 0)
        return format_fail(p->error, ERR_SYNTAX, "file tree: its only file is a link");
    return 0;
}

/* ---- hybrids ------------------------------------------------------------------------------- */

/* The next v1 file from `from` on that is not a pad. */
static uint32_t skip_pads(const struct metainfo *m, uint32_t from)
{
    while (from < m->file_count && (m->files[from].flags & METAINFO_PAD) != 0)
        from++;
    return from;
}

/* Links come in the order of files, in both halves. */
static bool same_target(struct metainfo_parser *p, uint32_t file, struct bencode_value target)
{
    while (p->next_link < p->link_count && p->links[p->next_link].file < file)
        p->next_link++;
    if (p->next_link == p->link_count || p->links[p->next_link].file != file)
        return false;
    return bytes_equal(bencode_raw(p->links[p->next_link].target), bencode_raw(target));
}

/* The next v1 file must be this leaf: same name, same length, same place, and both links or none.
 */
static int match_leaf(struct metainfo_parser *p, const struct file_facts *leaf, uint32_t index)
{
    struct metainfo *m = p->m;
    uint32_t at = skip_pads(m, p->next_v1);
    p->next_v1 = at + 1;
    if (at >= m->file_count)
        return format_fail(p->error, ERR_MISMATCH, "file %u is in v2's tree only", index);
    struct metainfo_file *f = &m->files[at];
    if (!bytes_equal(f->raw_path, builder_bytes(&p->naming.raw)) ||
        !bytes_equal_str(builder_bytes(&p->naming.local), f->path))
        return format_fail(p->error, ERR_MISMATCH, "file %u: v1 and v2 name it differently", at);
    if (f->length != leaf->length)
        return format_fail(p->error, ERR_MISMATCH, "file %u: %llu bytes in v1, %llu in v2", at,
            (unsigned long long)f->length, (unsigned long long)leaf->length);
    if (leaf->length > 0 && f->offset != (uint64_t)p->v2_pieces * m->piece_length)
        return format_fail(
            p->error, ERR_MISMATCH, "file %u: does not begin at the same place in v1 and v2", at);
    if (((f->flags ^ leaf->flags) & METAINFO_SYMLINK) != 0 ||
        ((f->flags & METAINFO_SYMLINK) != 0 && !same_target(p, at, leaf->target)))
        return format_fail(p->error, ERR_MISMATCH, "file %u: v1 and v2 link it differently", at);
    f->has_root = leaf->has_root;
    f->root = leaf->root;
    f->flags |= leaf->flags;
    p->v2_pieces += leaf->length / m->piece_length + (leaf->length % m->piece_length != 0);
    return 0;
}

int metainfo_match_v2(struct metainfo_parser *p)
{
    struct metainfo *m = p->m;
    struct walk w = {.p = p, .visit = match_leaf};
    struct bencode_value tree = bencode_get(p->info, "file tree");
    int err = walk_tree(&w, tree);
    if (err < 0)
        return err;
    uint32_t rest = skip_pads(m, p->next_v1);
    if (rest < m->file_count)
        return format_fail(p->error, ERR_MISMATCH, "file %u is in v1's list only", rest);
    if (p->v2_pieces != m->piece_count)
        return format_fail(p->error, ERR_MISMATCH, "%u pieces in v1, %llu in v2", m->piece_count,
            (unsigned long long)p->v2_pieces);
    if (!m->multi_file && !is_single_file(tree))
        return format_fail(p->error, ERR_MISMATCH, "one file in v1, a folder in v2");
    return 0;
}
