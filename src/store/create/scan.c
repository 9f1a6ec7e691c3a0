/* The walk of scan.h: folders on a stack of our own, links resolved by their text once every name
 * is known, files opened once each to prove that they can be read before hours of hashing begin. */
#include "store/create/scan.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "format/metainfo_write.h"
#include "format/path.h"
#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>

#define LINK_TEXT_MAX 4096u /* a link's target; PATH_MAX of Linux */
#define ROOT_HOPS_MAX                                                                              \
    40u /* links that the shared path itself may lead through, as in the kernel                    \
         */
#define SKIPS_MAX (SCAN_NOTES_MAX / 2) /* the other half of the notes is the problems' */

static_assert(SCAN_DEPTH_MAX < PATH_DEPTH_MAX && SCAN_PATH_MAX <= PATH_LENGTH_MAX,
    "what is scanned fits a torrent");

struct folder {
    const char *path; /* "" is the root */
    unsigned depth;
};

struct walk {
    struct env *env;
    const struct scan_options *options;
    struct scan *scan;
    struct folder *folders; /* still to be listed: a stack */
    size_t folder_count, folder_capacity;
    size_t file_capacity;
    struct folder here; /* being listed */
    size_t entries;     /* seen in it */
    int err;            /* ends the walk: no memory, a bound, cancelled */
    int problem;        /* error of the first problem */
    size_t skips, problems;
};

static bool is_problem(enum scan_note_kind kind)
{
    return kind >= SCAN_UNREADABLE;
}

static bool cancelled(const struct walk *w)
{
    return w->options->cancel != NULL &&
           atomic_load_explicit(w->options->cancel, memory_order_relaxed);
}

/* Makes room for one more element; NULL without memory. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity == 0 ? 64 : *capacity * 2;
    void *moved = realloc(array, larger * size);
    if (moved != NULL)
        *capacity = larger;
    return moved;
}

static void note(struct walk *w, enum scan_note_kind kind, int err, const char *path)
{
    struct scan *s = w->scan;
    s->note_total++;
    size_t *kept = is_problem(kind) ? &w->problems : &w->skips;
    if (is_problem(kind) && w->problem == 0)
        w->problem = err;
    size_t most = is_problem(kind) ? SCAN_NOTES_MAX - SKIPS_MAX : SKIPS_MAX;
    if (*kept >= most)
        return;
    const char *copy = arena_dup(&s->arena, bytes_of_str(path));
    if (copy == NULL) {
        w->err = ERR_NOMEM;
        return;
    }
    /* Problems first: they are why a scan fails. */
    size_t at = is_problem(kind) ? w->problems : s->note_count;
    memmove(&s->notes[at + 1], &s->notes[at], (s->note_count - at) * sizeof *s->notes);
    s->notes[at] = (struct scan_note){.kind = kind, .err = err, .path = copy};
    s->note_count++;
    ++*kept;
}

static void push_folder(struct walk *w, const char *path, unsigned depth)
{
    if (depth > SCAN_DEPTH_MAX) {
        note(w, SCAN_TOO_DEEP, ERR_LIMIT, path);
        return;
    }
    struct folder *f = grown(w->folders, w->folder_count, &w->folder_capacity, sizeof *f);
    if (f == NULL) {
        w->err = ERR_NOMEM;
        return;
    }
    w->folders = f;
    w->folders[w->folder_count++] = (struct folder){path, depth};
}

/* What else there is to say of it resolve_links or probe_files find out. */
static void push_file(struct walk *w, const char *path, bool is_link)
{
    struct scan *s = w->scan;
    if (s->count >= SCAN_FILES_MAX) {
        w->err = ERR_LIMIT;
        return;
    }
    struct scan_file *f = grown(s->files, s->count, &w->file_capacity, sizeof *f);
    if (f == NULL) {
        w->err = ERR_NOMEM;
        return;
    }
    s->files = f;
    /* A link's target is put in place by resolve_links; until then "" marks it. */
    s->files[s->count++] = (struct scan_file){.path = path, .target = is_link ? "" : NULL};
}

static bool is_excluded(const struct walk *w, const char *path, const char *name)
{
    for (size_t i = 0; i < w->options->exclude_count; i++)
        if (fnmatch(w->options->exclude[i], path, FNM_PATHNAME) == 0 ||
            fnmatch(w->options->exclude[i], name, 0) == 0)
            return true;
    return false;
}

/* One entry of the folder that is being listed. */
static bool visit(void *user, const char *name, enum env_entry kind)
{
    struct walk *w = user;
    char path[SCAN_PATH_MAX + 1];
    struct builder b = builder_fixed(path, sizeof path);
    w->entries++;
    builder_str(&b, w->here.path);
    if (w->here.path[0] != '\0')
        builder_u8(&b, '/');
    builder_str(&b, name);
    builder_u8(&b, 0);
    if (builder_ok(&b) && is_excluded(w, path, name)) {
        w->scan->excluded++;
    } else if (!builder_ok(&b)) {
        note(w, SCAN_TOO_DEEP, ERR_LIMIT, w->here.path);
    } else if (!utf8_valid(bytes_of_str(name))) {
        note(w, SCAN_BAD_NAME, ERR_SYNTAX, path);
    } else if (w->options->to_share && !path_is_safe(bytes_of_str(name), PATH_LOCAL)) {
        note(w, SCAN_ODD_NAME, ERR_SYNTAX, path);
    } else if (kind != ENV_ENTRY_SPECIAL) {
        const char *kept = arena_dup(&w->scan->arena, bytes_of_str(path));
        if (kept == NULL)
            w->err = ERR_NOMEM;
        else if (kind == ENV_ENTRY_FOLDER)
            push_folder(w, kept, w->here.depth + 1);
        else
            push_file(w, kept, kind == ENV_ENTRY_SYMLINK);
    } else {
        note(w, SCAN_SPECIAL, 0, path);
    }
    if (w->err == 0 && w->entries % 256 == 0 && cancelled(w))
        w->err = ERR_CANCELLED;
    return w->err == 0;
}

static void walk_folders(struct walk *w)
{
    push_folder(w, "", 0);
    while (w->err == 0 && w->folder_count > 0) {
        if (cancelled(w)) {
            w->err = ERR_CANCELLED;
            return;
        }
        w->here = w->folders[--w->folder_count];
        w->entries = 0;
        int err = env_path_list(w->scan->dir, w->here.path, visit, w);
        const char *shown = w->here.path[0] != '\0' ? w->here.path : w->scan->name;
        if (err < 0 && w->err == 0)
            note(w, SCAN_UNREADABLE, err, shown);
        else if (w->entries == 0)
            note(w, SCAN_EMPTY_FOLDER, 0, shown);
    }
}

/* ---- links --------------------------------------------------------------------------------- */

/* Appends one component of a link's target to `path`; ".." takes one away. */
static bool step(char *path, size_t room, struct bytes component)
{
    size_t length = strlen(path);
    if (component.size == 0 || bytes_equal_str(component, "."))
        return true;
    if (bytes_equal_str(component, "..")) {
        char *slash = strrchr(path, '/');
        if (length == 0)
            return false;
        *(slash != NULL ? slash : path) = '\0';
        return true;
    }
    if (length + 1 + component.size + 1 > room)
        return false;
    if (length > 0)
        path[length++] = '/';
    memcpy(path + length, component.data, component.size);
    path[length + component.size] = '\0';
    return true;
}

/* Follows the text of a link at `from` to a path relative to the root, without following any link
 * on the way. 0, or the kind of note that says why it cannot be in a torrent. */
static int link_target(struct env_dir *dir, const char *from, char out[SCAN_PATH_MAX + 1])
{
    char text[LINK_TEXT_MAX];
    if (env_path_readlink(dir, from, text, sizeof text) < 0)
        return SCAN_LINK_BROKEN;
    if (text[0] == '/')
        return SCAN_LINK_OUTSIDE;
    strcpy(out, from); /* `from` is at most SCAN_PATH_MAX long: visit saw to it */
    step(out, SCAN_PATH_MAX + 1, bytes_of_str(".."));
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, "/");
        struct env_stat st;
        if (!step(out, SCAN_PATH_MAX + 1, bytes_of(at, size)))
            return SCAN_LINK_OUTSIDE;
        at += size + strspn(at + size, "/");
        if (*at != '\0' && out[0] != '\0' && (env_path_stat(dir, out, &st) < 0 || !st.is_folder))
            return SCAN_LINK_BROKEN;
    }
    return out[0] == '\0' ? SCAN_LINK_OUTSIDE : 0;
}

/* 0 with the target in `out` if the link leads, over links at most, to a file or folder inside. */
static int judge_link(struct env_dir *dir, const char *path, char out[SCAN_PATH_MAX + 1])
{
    char at[SCAN_PATH_MAX + 1], next[SCAN_PATH_MAX + 1];
    int kind = link_target(dir, path, out);
    if (kind != 0)
        return kind;
    strcpy(at, out);
    for (unsigned hops = 0; hops < SCAN_LINK_HOPS_MAX; hops++) {
        struct env_stat st;
        if (env_path_stat(dir, at, &st) < 0)
            return SCAN_LINK_BROKEN;
        if (st.is_file || st.is_folder)
            return utf8_valid(bytes_of_str(out)) ? 0 : SCAN_BAD_NAME;
        if (!st.is_symlink)
            return SCAN_LINK_BROKEN;
        kind = link_target(dir, at, next);
        if (kind != 0)
            return kind;
        strcpy(at, next);
    }
    return SCAN_LINK_BROKEN;
}

/* 0 with its target and identity, or the kind of note that says why it cannot be in a torrent. */
static int resolve_link(struct walk *w, struct scan_file *f)
{
    char target[SCAN_PATH_MAX + 1];
    struct env_stat st;
    int kind = judge_link(w->scan->dir, f->path, target);
    if (kind == 0 && env_path_stat(w->scan->dir, f->path, &st) < 0)
        kind = SCAN_LINK_BROKEN;
    if (kind != 0)
        return kind;
    f->mtime_ns = st.mtime_ns;
    f->device = st.device;
    f->inode = st.inode;
    f->target = arena_dup(&w->scan->arena, bytes_of_str(target));
    if (f->target == NULL)
        w->err = ERR_NOMEM;
    return 0;
}

/* Gives each link its target; takes out of the list those that cannot be in a torrent. */
static void resolve_links(struct walk *w)
{
    struct scan *s = w->scan;
    size_t kept = 0;
    for (size_t i = 0; i < s->count && w->err == 0; i++) {
        struct scan_file *f = &s->files[i];
        int kind = f->target != NULL ? resolve_link(w, f) : 0;
        if (kind != 0)
            note(w, kind, kind == SCAN_BAD_NAME ? ERR_SYNTAX : 0, f->path);
        else
            s->files[kept++] = *f;
    }
    s->count = kept;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Opens a file to see that it can be read; what the descriptor says replaces what the name said. */
static int probe(struct env_dir *dir, struct scan_file *f)
{
    struct env_file *file;
    struct env_stat st;
    int err = env_file_open(dir, f->path, ENV_OPEN_READ, &file);
    if (err < 0)
        return err;
    err = env_file_stat(file, &st);
    env_file_close(file);
    if (err < 0)
        return err;
    if (!st.is_file)
        return ERR_CHANGED;
    f->size = st.size;
    f->mtime_ns = st.mtime_ns;
    f->device = st.device;
    f->inode = st.inode;
    f->executable = st.executable;
    return 0;
}

static void probe_files(struct walk *w)
{
    struct scan *s = w->scan;
    size_t kept = 0;
    for (size_t i = 0; i < s->count && w->err == 0; i++) {
        struct scan_file *f = &s->files[i];
        int err = f->target == NULL ? probe(s->dir, f) : 0;
        if (i % 256 == 0 && cancelled(w))
            w->err = ERR_CANCELLED;
        if (err < 0) {
            note(w, SCAN_UNREADABLE, err, f->path);
            continue;
        }
        if (__builtin_add_overflow(s->total_size, f->size, &s->total_size) ||
            s->total_size > METAINFO_LENGTH_MAX)
            w->err = ERR_LIMIT;
        s->files[kept++] = *f;
    }
    s->count = kept;
}

static int by_path(const void *a, const void *b)
{
    return torrent_path_compare(
        ((const struct scan_file *)a)->path, ((const struct scan_file *)b)->path);
}

/* ---- the root ------------------------------------------------------------------------------ */

/* Splits a path (whose last byte is not '/') before its last component. The folder is "." or "/"
 * where the path has none. */
static int split(struct arena *a, const char *path, const char **folder, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (**name == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return ERR_INVALID;
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    *folder = slash == NULL ? "." : size == 0 ? "/" : arena_dup(a, bytes_of(path, size));
    return *folder != NULL ? 0 : ERR_NOMEM;
}

static char *without_trailing_slashes(struct arena *a, const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return arena_dup(a, bytes_of(path, size));
}

/* `path` is a link to what is no folder: where does it lead? */
static int follow_root(
    struct scan *s, struct env_dir *parent, const char *folder, const char *name, const char **path)
{
    char text[LINK_TEXT_MAX], joined[2 * LINK_TEXT_MAX];
    int err = env_path_readlink(parent, name, text, sizeof text);
    if (err < 0)
        return err;
    struct builder b = builder_fixed(joined, sizeof joined);
    if (text[0] != '/')
        builder_format(&b, "%s/", folder);
    builder_str(&b, text);
    builder_text(&b);
    if (!builder_ok(&b))
        return ERR_LIMIT;
    *path = without_trailing_slashes(&s->arena, joined);
    return *path != NULL ? 0 : ERR_NOMEM;
}

static int open_single_file(struct walk *w, struct env_dir *parent, const char *name)
{
    struct scan *s = w->scan;
    const char *kept = arena_dup(&s->arena, bytes_of_str(name));
    if (kept == NULL)
        return ERR_NOMEM;
    if (!utf8_valid(bytes_of_str(s->name))) {
        note(w, SCAN_BAD_NAME, ERR_SYNTAX, s->name);
        return ERR_SYNTAX; /* there is nothing else to go on with */
    }
    push_file(w, kept, false);
    if (w->err == 0) {
        s->single_file = true;
        s->dir = parent;
    }
    return w->err;
}

/* Opens what the path names: s->dir, and files[0] if it is a file. */
static int open_root(struct walk *w, const char *path)
{
    struct scan *s = w->scan;
    path = without_trailing_slashes(&s->arena, path);
    if (path == NULL)
        return ERR_NOMEM;
    for (unsigned hops = 0; hops < ROOT_HOPS_MAX; hops++) {
        const char *folder, *name;
        struct env_dir *parent;
        struct env_stat st;
        int err = split(&s->arena, path, &folder, &name);
        if (err < 0)
            return err;
        if (s->name == NULL)
            s->name = name;
        if ((err = env_dir_open(w->env, folder, false, &parent)) < 0)
            return err == ERR_ABSENT ? ERR_NOT_FOUND : err;
        err = env_path_stat(parent, name, &st);
        if (err == 0 && st.is_file && open_single_file(w, parent, name) == 0)
            return 0;
        if (err == 0 && w->problem != 0)
            err = w->problem;
        /* A link to a folder opens as the folder: only below the root are links not followed. */
        if (err == 0 && (st.is_folder || st.is_symlink)) {
            err = env_dir_open(w->env, path, false, &s->dir);
            if (err == 0 || st.is_folder) {
                env_dir_close(parent);
                return err;
            }
            err = follow_root(s, parent, folder, name, &path);
        } else if (err == 0) {
            err = w->err != 0 ? w->err : ERR_UNSUPPORTED;
        }
        env_dir_close(parent);
        if (err < 0)
            return err == ERR_ABSENT ? ERR_NOT_FOUND : err;
    }
    return ERR_LIMIT;
}

static int scan_walk(struct walk *w, const char *path)
{
    struct scan *s = w->scan;
    int err = open_root(w, path);
    if (err < 0)
        return err;
    if (!utf8_valid(bytes_of_str(s->name)))
        note(w, SCAN_BAD_NAME, ERR_SYNTAX, s->name);
    if (!s->single_file)
        walk_folders(w);
    if (w->err == 0)
        resolve_links(w);
    if (w->err == 0)
        probe_files(w);
    if (w->err != 0)
        return w->err;
    if (s->count > 0)
        qsort(s->files, s->count, sizeof *s->files, by_path);
    if (w->problem != 0 && (!w->options->skip_problems || s->single_file))
        return w->problem;
    return s->count == 0 ? ERR_NOT_FOUND : 0;
}

int scan_run(
    struct env *env, const char *path, const struct scan_options *options, struct scan **out)
{
    static const struct scan_options defaults = {0};
    *out = NULL;
    struct scan *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    arena_init(&s->arena, SCAN_MEMORY_MAX);
    s->notes = calloc(SCAN_NOTES_MAX, sizeof *s->notes);
    if (s->notes == NULL) {
        scan_free(s);
        return ERR_NOMEM;
    }
    struct walk w = {.env = env, .options = options != NULL ? options : &defaults, .scan = s};
    int err = scan_walk(&w, path);
    free(w.folders);
    *out = s;
    return err;
}

void scan_free(struct scan *s)
{
    if (s == NULL)
        return;
    if (s->dir != NULL)
        env_dir_close(s->dir);
    free(s->files);
    free(s->notes);
    arena_free(&s->arena);
    free(s);
}

/* ---- identity ------------------------------------------------------------------------------ */

bool scan_digest(const struct scan *s, struct sha256_digest *out)
{
    struct hash_stream *h = hash_stream_new(HASH_SHA256);
    if (h == NULL)
        return false;
    hash_stream_text(h, s->name);
    hash_stream_number(h, s->single_file);
    for (size_t i = 0; i < s->count; i++) {
        const struct scan_file *f = &s->files[i];
        hash_stream_text(h, f->path);
        hash_stream_text(h, f->target);
        hash_stream_number(h, f->size);
        hash_stream_number(h, (uint64_t)f->mtime_ns);
        /* Not the device: its number changes from one mount to the next. */
        hash_stream_number(h, f->inode);
        hash_stream_number(h, f->executable);
    }
    hash_stream_final(h, out->b);
    hash_stream_free(h);
    return true;
}

bool scan_file_unchanged(const struct scan_file *f, const struct env_stat *st)
{
    return st->is_file && st->size == f->size && st->mtime_ns == f->mtime_ns &&
           st->inode == f->inode && st->device == f->device;
}

bool scan_is_settled(const struct scan *s, int64_t now_unix)
{
    for (size_t i = 0; i < s->count; i++) {
        int64_t age_s = now_unix - s->files[i].mtime_ns / 1000000000;
        if (age_s < SCAN_SETTLED_S && age_s > -SCAN_SETTLED_S)
            return false;
    }
    return true;
}

const char *scan_note_text(enum scan_note_kind kind)
{
    switch (kind) {
    case SCAN_SPECIAL:
        return "is a socket, pipe or device";
    case SCAN_LINK_OUTSIDE:
        return "is a link that leads out of the shared folder";
    case SCAN_LINK_BROKEN:
        return "is a link to nothing, in a circle, or through another link";
    case SCAN_EMPTY_FOLDER:
        return "is an empty folder";
    case SCAN_UNREADABLE:
        return "cannot be read";
    case SCAN_BAD_NAME:
        return "has a name that is not UTF-8";
    case SCAN_ODD_NAME:
        return "has a line break, a control or invisible character or a backslash in its name, "
               "which other systems cannot have: rename it";
    case SCAN_TOO_DEEP:
        return "lies too deep";
    }
    return "";
}
