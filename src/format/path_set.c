/* Keeps the paths of one torrent apart: a table of keyed hashes, one slot a path. See path.h.
 *
 * A path's hash is made of its folder's and its last name's, so what a path costs is the names that
 * it does not share with the path before, however deep they lie; and another number for a file
 * costs that file's name. Paths themselves are not kept: two that share a 64-bit keyed hash would
 * cost one of them a needless " (2)", which nobody will live to see. */
#include "base/err.h"
#include "base/map.h"
#include "format/path.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_SLOTS 64u
#define FIRST_NUMBER 2u
#define NUMBER_DIGITS_MAX 10u
#define FOLDED_MAX (6u * PATH_COMPONENT_MAX) /* two bytes fold to twelve at most */

/* A path that is taken, or a family of numbered names: those that differ in their number only. */
struct path_slot {
    uint64_t hash; /* 0: free */
    uint32_t next; /* a family's: no smaller number is free */
};

/* A folder of the path that came last. */
struct path_folder {
    size_t end; /* where its '/' stands */
    uint64_t hash;
    bool added;
};

struct path_set {
    enum path_rule rule;
    uint8_t seed[16];
    struct path_slot *slots; /* a power of two, open addressing */
    size_t slot_count, used;
    char last[PATH_LENGTH_MAX + 1]; /* whose folders these are */
    struct path_folder folders[PATH_DEPTH_MAX];
    unsigned depth;
};

struct path_set *path_set_new(enum path_rule rule, const unsigned char seed[16])
{
    struct path_set *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->rule = rule;
    memcpy(s->seed, seed, sizeof s->seed);
    s->slot_count = FIRST_SLOTS;
    s->slots = calloc(s->slot_count, sizeof *s->slots);
    if (s->slots == NULL) {
        path_set_free(s);
        return NULL;
    }
    return s;
}

void path_set_free(struct path_set *s)
{
    if (s == NULL)
        return;
    free(s->slots);
    free(s);
}

/* ---- the table ----------------------------------------------------------------------------- */

/* The slot with this hash, or the free one where it belongs. */
static struct path_slot *find(struct path_slot *slots, size_t slot_count, uint64_t hash)
{
    size_t at = hash & (slot_count - 1);
    while (slots[at].hash != 0 && slots[at].hash != hash)
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static int make_room(struct path_set *s)
{
    if (s->used < s->slot_count / 2)
        return 0;
    size_t slot_count = s->slot_count * 2;
    struct path_slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].hash != 0)
            *find(slots, slot_count, s->slots[i].hash) = s->slots[i];
    free(s->slots);
    s->slots = slots;
    s->slot_count = slot_count;
    return 0;
}

/* 1 if the hash was free and has its slot now, 0 if it had one already, or an error. */
static int take(struct path_set *s, uint64_t hash)
{
    int err = make_room(s);
    if (err < 0)
        return err;
    struct path_slot *slot = find(s->slots, s->slot_count, hash);
    if (slot->hash != 0)
        return 0;
    *slot = (struct path_slot){.hash = hash, .next = FIRST_NUMBER};
    s->used++;
    return 1;
}

/* ---- hashes -------------------------------------------------------------------------------- */

static void put_name(const struct path_set *s, struct bytes name, struct builder *out)
{
    if (s->rule == PATH_PORTABLE)
        path_fold(name, out);
    else
        builder_span(out, name);
}

/* Of `name` in a folder. With `behind`: of two names at once, which no single name equals. */
static uint64_t hash_name(
    const struct path_set *s, uint64_t folder, struct bytes name, const struct bytes *behind)
{
    uint8_t buffer[sizeof folder + 2 * FOLDED_MAX + 1];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    builder_u64(&b, folder);
    put_name(s, name, &b);
    if (behind != NULL) {
        builder_u8(&b, '/');
        put_name(s, *behind, &b);
    }
    assert(builder_ok(&b));
    uint64_t hash = siphash13(b.data, b.size, s->seed);
    return hash == 0 ? 1 : hash;
}

/* ---- folders ------------------------------------------------------------------------------- */

/* Forgets the folders that `path` does not share with the path before. Returns where the first name
 * begins that is not known. */
static size_t leave_folders(struct path_set *s, struct bytes path)
{
    size_t same = 0;
    unsigned depth = 0;
    while (same < path.size && path.data[same] == (uint8_t)s->last[same])
        same++;
    while (depth < s->depth && s->folders[depth].end < same)
        depth++;
    s->depth = depth;
    return depth == 0 ? 0 : s->folders[depth - 1].end + 1;
}

/* Hashes the folders of `path`, so that s->folders are its. Returns where its last name begins. */
static size_t enter_folders(struct path_set *s, struct bytes path)
{
    assert(path.size <= PATH_LENGTH_MAX);
    size_t name = leave_folders(s, path);
    for (size_t i = name; i < path.size; i++) {
        if (path.data[i] != '/')
            continue;
        assert(s->depth < PATH_DEPTH_MAX);
        uint64_t above = s->depth == 0 ? 0 : s->folders[s->depth - 1].hash;
        s->folders[s->depth++] = (struct path_folder){
            i, hash_name(s, above, bytes_of(path.data + name, i - name), NULL), false};
        name = i + 1;
    }
    memcpy(s->last, path.data, path.size);
    s->last[path.size] = '\0';
    return name;
}

int path_set_add_parents(struct path_set *s, const char *path)
{
    enter_folders(s, bytes_of_str(path));
    unsigned first = s->depth;
    while (first > 0 && !s->folders[first - 1].added)
        first--;
    for (unsigned i = first; i < s->depth; i++) {
        int err = take(s, s->folders[i].hash);
        if (err < 0)
            return err;
        s->folders[i].added = true;
    }
    return 0;
}

/* ---- numbered names ------------------------------------------------------------------------ */

/* A file's name, and where its extension begins (the name's end if it has none). */
struct name {
    uint64_t folder;
    struct bytes text;
    size_t extension;
};

static struct name name_of(struct path_set *s, struct bytes path)
{
    size_t start = enter_folders(s, path);
    struct name n = {.folder = s->depth == 0 ? 0 : s->folders[s->depth - 1].hash,
        .text = bytes_of(path.data + start, path.size - start)};
    n.extension = n.text.size;
    for (size_t i = n.text.size; i > 1; i--)
        if (n.text.data[i - 1] == '.') {
            n.extension = i - 1;
            break;
        }
    if (n.text.size - n.extension + sizeof " ()" + NUMBER_DIGITS_MAX > PATH_COMPONENT_MAX)
        n.extension = n.text.size; /* an extension as long as the name */
    return n;
}

/* "stem" + mark + ".ext" is the name, and what of the stem there is room for. */
static struct bytes stem_beside(const struct name *n, size_t mark_size)
{
    size_t stem = n->extension;
    size_t extra = mark_size + (n->text.size - n->extension);
    if (stem + extra > PATH_COMPONENT_MAX)
        stem = PATH_COMPONENT_MAX - extra;
    while (stem > 0 && stem < n->text.size && (n->text.data[stem] & 0xc0) == 0x80)
        stem--; /* not within a character */
    return bytes_of(n->text.data, stem);
}

static struct bytes extension_of(const struct name *n)
{
    return bytes_of(n->text.data + n->extension, n->text.size - n->extension);
}

static size_t mark_size(uint32_t number)
{
    return (size_t)snprintf(NULL, 0, " (%u)", number);
}

/* Names that are cut to the same stem compete for the same numbers: for each number of digits they
 * are one family, and its slot remembers where its numbers go on, so that none is tried twice. */
static int take_family(struct path_set *s, const struct name *n, uint32_t number, uint64_t *hash)
{
    struct bytes extension = extension_of(n);
    *hash = hash_name(s, n->folder, stem_beside(n, mark_size(number)), &extension);
    int taken = take(s, *hash);
    return taken < 0 ? taken : 0;
}

static uint32_t *next_of(struct path_set *s, uint64_t family)
{
    return &find(s->slots, s->slot_count, family)->next;
}

static void put_numbered(const struct name *n, uint32_t number, struct builder *out)
{
    builder_span(out, stem_beside(n, mark_size(number)));
    builder_format(out, " (%u)", number);
    builder_span(out, extension_of(n));
}

/* 1 if "name (number)" was free and is taken now, 0 if not, or an error. */
static int take_numbered(struct path_set *s, const struct name *n, uint32_t number)
{
    uint8_t buffer[PATH_COMPONENT_MAX];
    struct builder b = builder_fixed(buffer, sizeof buffer);
    put_numbered(n, number, &b);
    assert(builder_ok(&b));
    return take(s, hash_name(s, n->folder, builder_bytes(&b), NULL));
}

static int take_number(struct path_set *s, const struct name *n, uint32_t *number)
{
    *number = FIRST_NUMBER;
    for (;;) {
        uint64_t family;
        int err = take_family(s, n, *number, &family);
        if (err < 0)
            return err;
        uint32_t next = *next_of(s, family);
        if (next > *number) { /* it may have more digits, and so be another family's */
            *number = next;
            continue;
        }
        int taken = take_numbered(s, n, *number);
        *next_of(s, family) = *number + 1;
        if (taken != 0)
            return taken < 0 ? taken : 0;
        ++*number;
    }
}

int path_set_add_file(struct path_set *s, const char *path, struct builder *out)
{
    struct bytes wanted = bytes_of_str(path);
    struct name n = name_of(s, wanted);
    int taken = take(s, hash_name(s, n.folder, n.text, NULL));
    if (taken < 0)
        return taken;
    size_t start = out->size;
    if (taken == 1) {
        builder_span(out, wanted);
        return builder_ok(out) ? 0 : ERR_NOMEM;
    }
    uint32_t number;
    int err = take_number(s, &n, &number);
    if (err < 0)
        return err;
    builder_bytes_put(out, wanted.data, wanted.size - n.text.size);
    put_numbered(&n, number, out);
    if (!builder_ok(out))
        return ERR_NOMEM;
    return out->size - start > PATH_LENGTH_MAX ? ERR_LIMIT : 0;
}
