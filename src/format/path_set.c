/* Keeps the paths of one torrent apart: a table of keyed hashes, one slot a path. See path.h.
 *
 * Paths themselves are not kept: two that share a 64-bit keyed hash would cost one of them a
 * needless " (2)", which nobody will live to see. */
#include "base/err.h"
#include "base/map.h"
#include "format/path.h"
#include <stdlib.h>

#define FIRST_SLOTS 64u
/* Numbers tried in a row before a name gets a hash instead: names that were cut to the same stem
 * compete for the same numbers, and a million of them must not take a million squared tries. */
#define TRIES_MAX 64u

struct path_slot {
    uint64_t hash;        /* 0: free */
    uint32_t next_number; /* of the next file that wants this path */
};

struct path_set {
    enum path_rule rule;
    uint8_t seed[16];
    struct path_slot *slots; /* a power of two, open addressing */
    size_t slot_count, used;
    struct builder folded;          /* scratch */
    char last[PATH_LENGTH_MAX + 1]; /* whose parents were added last */
};

struct path_set *path_set_new(enum path_rule rule, const unsigned char seed[16])
{
    struct path_set *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->rule = rule;
    memcpy(s->seed, seed, sizeof s->seed);
    s->slot_count = FIRST_SLOTS;
    s->folded = builder_heap(16 * PATH_LENGTH_MAX);
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
    builder_free(&s->folded);
    free(s->slots);
    free(s);
}

static int hash_path(struct path_set *s, struct bytes path, uint64_t *out)
{
    if (s->rule == PATH_PORTABLE) {
        s->folded.size = 0;
        path_fold(path, &s->folded);
        if (!builder_ok(&s->folded))
            return ERR_NOMEM;
        path = builder_bytes(&s->folded);
    }
    uint64_t hash = siphash13(path.data, path.size, s->seed);
    *out = hash == 0 ? 1 : hash;
    return 0;
}

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

/* 1 if the path was free and is taken now, 0 if it was taken already, or an error. */
static int take(struct path_set *s, struct bytes path, uint64_t *hash)
{
    int err = make_room(s);
    if (err == 0)
        err = hash_path(s, path, hash);
    if (err < 0)
        return err;
    struct path_slot *slot = find(s->slots, s->slot_count, *hash);
    if (slot->hash != 0)
        return 0;
    *slot = (struct path_slot){.hash = *hash, .next_number = 2};
    s->used++;
    return 1;
}

/* How many bytes at the start of both are the same folders, the last '/' included. */
static size_t common_folders(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
        if (a[i] == '/')
            common = i + 1;
    return common;
}

int path_set_add_parents(struct path_set *s, const char *path)
{
    for (size_t i = common_folders(path, s->last); path[i] != '\0'; i++) {
        uint64_t hash;
        int err = path[i] == '/' ? take(s, bytes_of(path, i), &hash) : 0;
        if (err < 0)
            return err;
    }
    size_t size = strnlen(path, sizeof s->last - 1);
    memcpy(s->last, path, size);
    s->last[size] = '\0';
    return 0;
}

/* Where the name begins, and where its extension does (the end if it has none). */
static void split_name(struct bytes path, size_t *name, size_t *extension)
{
    *name = path.size;
    while (*name > 0 && path.data[*name - 1] != '/')
        --*name;
    *extension = path.size;
    for (size_t i = path.size; i > *name + 1; i--)
        if (path.data[i - 1] == '.') {
            *extension = i - 1;
            break;
        }
}

/* "folder/stem" + mark + ".ext", the stem cut so that the name stays within its bound. */
static void put_marked(struct bytes path, const char *mark, struct builder *out)
{
    size_t name, extension;
    split_name(path, &name, &extension);
    size_t extra = strlen(mark) + (path.size - extension);
    if (extra >= PATH_COMPONENT_MAX) { /* an extension as long as the name */
        extension = path.size;
        extra = strlen(mark);
    }
    size_t stem = extension - name;
    if (stem + extra > PATH_COMPONENT_MAX)
        stem = PATH_COMPONENT_MAX - extra;
    while (stem > 0 && name + stem < path.size && (path.data[name + stem] & 0xc0) == 0x80)
        stem--; /* not within a character */
    builder_bytes_put(out, path.data, name + stem);
    builder_str(out, mark);
    builder_bytes_put(out, path.data + extension, path.size - extension);
}

/* One candidate after the other until one is free. `number` is where the numbers go on. */
static int take_marked(struct path_set *s, struct bytes path, uint32_t *number, struct builder *out)
{
    size_t start = out->size;
    for (unsigned tries = 0;; tries++) {
        char digits[32];
        struct builder mark = builder_fixed(digits, sizeof digits);
        if (tries < TRIES_MAX)
            builder_format(&mark, " (%u)", (*number)++);
        else
            builder_format(&mark, " (%08x%08x)", (unsigned)siphash13(path.data, path.size, s->seed),
                (*number)++);
        out->size = start;
        put_marked(path, builder_text(&mark), out);
        if (!builder_ok(out))
            return ERR_NOMEM;
        if (out->size - start > PATH_LENGTH_MAX)
            return ERR_LIMIT;
        uint64_t hash;
        int taken = take(s, bytes_of(out->data + start, out->size - start), &hash);
        if (taken != 0)
            return taken < 0 ? taken : 0;
    }
}

int path_set_add_file(struct path_set *s, const char *path, struct builder *out)
{
    struct bytes wanted = bytes_of_str(path);
    uint64_t hash;
    int taken = take(s, wanted, &hash);
    if (taken < 0)
        return taken;
    if (taken == 1) {
        builder_span(out, wanted);
        return builder_ok(out) ? 0 : ERR_NOMEM;
    }
    uint32_t number = find(s->slots, s->slot_count, hash)->next_number;
    int err = take_marked(s, wanted, &number, out);
    find(s->slots, s->slot_count, hash)->next_number = number;
    return err;
}
