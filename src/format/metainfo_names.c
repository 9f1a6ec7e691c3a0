/* Names: the paths of files while they are read, made distinct when all are known, and the targets
 * of links. See metainfo_parts.h and path.h. */
#include "base/text.h"
#include "format/metainfo_parts.h"
#include <stdlib.h>

/* ---- a path that grows --------------------------------------------------------------------- */

void naming_init(struct naming *n)
{
    *n = (struct naming){0};
    n->raw = builder_heap(METAINFO_INFO_MAX + PATH_DEPTH_MAX);
    n->local = builder_heap(PATH_LENGTH_MAX + PATH_COMPONENT_MAX + 1);
    n->portable = builder_heap(PATH_LENGTH_MAX + PATH_COMPONENT_MAX + 1);
}

void naming_free(struct naming *n)
{
    builder_free(&n->raw);
    builder_free(&n->local);
    builder_free(&n->portable);
}

void naming_clear(struct naming *n)
{
    n->raw.size = n->local.size = n->portable.size = 0;
    n->depth = 0;
}

int naming_push(
    struct naming *n, struct bytes component, uint32_t index, struct format_error *error)
{
    if (n->depth == PATH_DEPTH_MAX)
        return format_fail(
            error, ERR_LIMIT, "file %u: path is deeper than %u folders", index, PATH_DEPTH_MAX);
    n->marks[n->depth] = (struct naming_mark){n->raw.size, n->local.size, n->portable.size};
    if (n->depth++ > 0) {
        builder_u8(&n->raw, '/');
        builder_u8(&n->local, '/');
        builder_u8(&n->portable, '/');
    }
    builder_span(&n->raw, component);
    path_sanitise(component, PATH_LOCAL, &n->local);
    path_sanitise(component, PATH_PORTABLE, &n->portable);
    if (!builder_ok(&n->raw) || !builder_ok(&n->local) || !builder_ok(&n->portable))
        return ERR_NOMEM;
    if (n->local.size > PATH_LENGTH_MAX || n->portable.size > PATH_LENGTH_MAX)
        return format_fail(
            error, ERR_LIMIT, "file %u: path is longer than %u bytes", index, PATH_LENGTH_MAX);
    return 0;
}

void naming_pop(struct naming *n)
{
    const struct naming_mark *mark = &n->marks[--n->depth];
    n->raw.size = mark->raw;
    n->local.size = mark->local;
    n->portable.size = mark->portable;
}

/* ---- adding a file ------------------------------------------------------------------------- */

static int make_room(struct metainfo_parser *p)
{
    struct metainfo_memory *memory = p->m->memory;
    if (p->m->file_count < memory->file_capacity)
        return 0;
    if (p->m->file_count == METAINFO_FILES_MAX)
        return format_fail(p->error, ERR_LIMIT, "more than %u files", METAINFO_FILES_MAX);
    uint32_t capacity = memory->file_capacity == 0 ? 1 : memory->file_capacity * 2;
    if (capacity > METAINFO_FILES_MAX)
        capacity = METAINFO_FILES_MAX;
    struct metainfo_file *files = realloc(memory->files, capacity * sizeof *files);
    if (files == NULL)
        return ERR_NOMEM;
    p->m->files = memory->files = files;
    memory->file_capacity = capacity;
    return 0;
}

/* Copies the three forms of the path; forms that are equal share one copy. */
static int keep_path(struct metainfo_parser *p, struct metainfo_file *f)
{
    struct arena *arena = &p->m->memory->arena;
    struct bytes raw = builder_bytes(&p->naming.raw);
    struct bytes local = builder_bytes(&p->naming.local);
    struct bytes portable = builder_bytes(&p->naming.portable);
    p->path_bytes += raw.size + local.size;
    if (p->path_bytes > METAINFO_PATHS_MAX)
        return format_fail(
            p->error, ERR_LIMIT, "paths take more than %zu MiB", METAINFO_PATHS_MAX >> 20);
    f->path = arena_dup(arena, local);
    f->portable_path = bytes_equal(local, portable) ? f->path : arena_dup(arena, portable);
    const char *raw_copy = bytes_equal(raw, local) ? f->path : arena_dup(arena, raw);
    f->raw_path = bytes_of(raw_copy, raw.size);
    return f->path == NULL || f->portable_path == NULL || raw_copy == NULL ? ERR_NOMEM : 0;
}

static int remember_link(struct metainfo_parser *p, struct bencode_value target)
{
    if (p->link_count == p->link_capacity) {
        uint32_t capacity = p->link_capacity == 0 ? 8 : p->link_capacity * 2;
        struct pending_link *links = realloc(p->links, capacity * sizeof *links);
        if (links == NULL)
            return ERR_NOMEM;
        p->links = links;
        p->link_capacity = capacity;
    }
    p->links[p->link_count++] = (struct pending_link){p->m->file_count, target};
    return 0;
}

int metainfo_add_file(struct metainfo_parser *p, const struct file_facts *facts)
{
    int err = make_room(p);
    if (err < 0)
        return err;
    struct metainfo_file *f = &p->m->files[p->m->file_count];
    *f = (struct metainfo_file){
        .length = facts->length,
        .flags = facts->flags,
        .has_root = facts->has_root,
        .root = facts->root,
    };
    err = keep_path(p, f);
    if (err == 0 && (facts->flags & METAINFO_SYMLINK) != 0)
        err = remember_link(p, facts->target);
    if (err < 0)
        return err;
    p->m->file_count++;
    return 0;
}

/* ---- distinct paths ------------------------------------------------------------------------ */

static const char **path_under(struct metainfo_file *f, enum path_rule rule)
{
    return rule == PATH_LOCAL ? &f->path : &f->portable_path;
}

static int make_distinct_file(
    struct metainfo *m, struct path_set *set, const char **path, struct builder *scratch)
{
    scratch->size = 0;
    int err = path_set_add_file(set, *path, scratch);
    if (err < 0 || bytes_equal_str(builder_bytes(scratch), *path))
        return err;
    *path = arena_dup(&m->memory->arena, builder_bytes(scratch));
    return *path == NULL ? ERR_NOMEM : 0;
}

/* Folders first, so that no folder ever has to change its name for a file. Pads have no place on
 * disk, and need none of their own. */
static int fill_set(struct metainfo_parser *p, struct path_set *set, enum path_rule rule)
{
    struct metainfo *m = p->m;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < m->file_count; i++)
        if ((m->files[i].flags & METAINFO_PAD) == 0)
            err = path_set_add_parents(set, *path_under(&m->files[i], rule));
    struct builder scratch = builder_heap(2 * PATH_LENGTH_MAX);
    for (uint32_t i = 0; err == 0 && i < m->file_count; i++) {
        if ((m->files[i].flags & METAINFO_PAD) != 0)
            continue;
        err = make_distinct_file(m, set, path_under(&m->files[i], rule), &scratch);
        if (err == ERR_LIMIT)
            format_fail(p->error, err, "file %u: path is longer than %u bytes once it is distinct",
                i, PATH_LENGTH_MAX);
    }
    builder_free(&scratch);
    return err;
}

static int make_distinct(struct metainfo_parser *p, enum path_rule rule)
{
    const uint8_t *id = p->m->has_v1 ? p->m->v1.b : p->m->v2.b;
    struct path_set *set = path_set_new(rule, id);
    if (set == NULL)
        return ERR_NOMEM;
    int err = fill_set(p, set, rule);
    path_set_free(set);
    return err;
}

/* ---- links --------------------------------------------------------------------------------- */

static int compare_bytes_at(const void *left, const void *right)
{
    const struct metainfo_file *const *a = left, *const *b = right;
    return bytes_compare((*a)->raw_path, (*b)->raw_path);
}

/* All files but pads, in the order of their raw paths, so that targets are found by halving. */
static struct metainfo_file **sorted_by_raw_path(struct metainfo *m, uint32_t *count)
{
    struct metainfo_file **sorted = malloc(((size_t)m->file_count + 1) * sizeof(*sorted));
    *count = 0;
    for (uint32_t i = 0; sorted != NULL && i < m->file_count; i++)
        if ((m->files[i].flags & METAINFO_PAD) == 0)
            sorted[(*count)++] = &m->files[i];
    if (sorted != NULL)
        qsort(sorted, *count, sizeof(*sorted), compare_bytes_at);
    return sorted;
}

static struct metainfo_file *first_not_before(
    struct metainfo_file *const *sorted, uint32_t count, struct bytes path)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(sorted[middle]->raw_path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count ? sorted[low] : NULL;
}

/* The target's components into p->naming. False: not a list of plain names. */
static bool name_target(struct metainfo_parser *p, struct bencode_value target)
{
    if (bencode_type(target) != BENCODE_LIST)
        return false;
    naming_clear(&p->naming);
    for (struct bencode_iterator i = bencode_iterate(target); bencode_next(&i);) {
        struct bytes component;
        if (!bencode_string(i.value, &component) || component.size == 0 ||
            bytes_equal_str(component, ".") || bytes_equal_str(component, "..") ||
            naming_push(&p->naming, component, 0, NULL) < 0)
            return false;
    }
    return p->naming.depth > 0;
}

static bool lies_in(const char *path, struct bytes folder)
{
    return strlen(path) > folder.size && memcmp(path, folder.data, folder.size) == 0 &&
           path[folder.size] == '/';
}

/* Points a link at the file of that name, or at the folder that some file is in. */
static int resolve_link(struct metainfo_parser *p, struct metainfo_file *link,
    struct metainfo_file *const *sorted, uint32_t count)
{
    struct naming *n = &p->naming;
    struct arena *arena = &p->m->memory->arena;
    struct metainfo_file *f = first_not_before(sorted, count, builder_bytes(&n->raw));
    if (f != NULL && bytes_equal(f->raw_path, builder_bytes(&n->raw))) {
        link->target = f == link ? NULL : f->path;
        link->portable_target = f == link ? NULL : f->portable_path;
        return 0;
    }
    builder_u8(&n->raw, '/');
    f = first_not_before(sorted, count, builder_bytes(&n->raw));
    if (f == NULL || !lies_in(f->path, builder_bytes(&n->local)) ||
        !lies_in(f->portable_path, builder_bytes(&n->portable)))
        return 0;
    link->target = arena_dup(arena, builder_bytes(&n->local));
    link->portable_target = arena_dup(arena, builder_bytes(&n->portable));
    return link->target == NULL || link->portable_target == NULL ? ERR_NOMEM : 0;
}

static int resolve_links(struct metainfo_parser *p)
{
    uint32_t count;
    struct metainfo_file **sorted = sorted_by_raw_path(p->m, &count);
    if (sorted == NULL)
        return ERR_NOMEM;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < p->link_count; i++)
        if (name_target(p, p->links[i].target))
            err = resolve_link(p, &p->m->files[p->links[i].file], sorted, count);
    free(sorted);
    return err;
}

/* ---- all together -------------------------------------------------------------------------- */

/* The torrent's own name. A name that is empty becomes the info-hash, which at least is distinct.
 */
static int name_root(struct metainfo_parser *p, struct bytes name)
{
    struct metainfo *m = p->m;
    char hash[2 * sizeof(struct info_hash) + 1];
    struct info_hash id = metainfo_id(m);
    hex_encode(id.b, sizeof id.b, hash);
    naming_clear(&p->naming);
    int err = naming_push(&p->naming, name.size > 0 ? name : bytes_of_str(hash), 0, p->error);
    if (err < 0)
        return err;
    m->root = arena_dup(&m->memory->arena, builder_bytes(&p->naming.local));
    m->portable_root = arena_dup(&m->memory->arena, builder_bytes(&p->naming.portable));
    return m->root == NULL || m->portable_root == NULL ? ERR_NOMEM : 0;
}

int metainfo_name_files(struct metainfo_parser *p)
{
    struct metainfo *m = p->m;
    if (!m->multi_file) {
        /* v2 has the file's name in its tree, v1 in `name`: the file's is what counts. */
        int err = name_root(p, m->files[0].raw_path);
        m->files[0].path = m->root;
        m->files[0].portable_path = m->portable_root;
        return err;
    }
    int err = name_root(p, m->name);
    if (err == 0)
        err = make_distinct(p, PATH_LOCAL);
    if (err == 0)
        err = make_distinct(p, PATH_PORTABLE);
    if (err == 0 && p->link_count > 0)
        err = resolve_links(p);
    return err;
}
