/* Piece layers of v2 (BEP 52): which files need one, and taking them in after checking them against
 * the files' roots. See metainfo.h. */
#include "crypto/merkle.h"
#include "format/metainfo_parts.h"
#include <assert.h>
#include <stdlib.h>

uint64_t metainfo_file_blocks(const struct metainfo_file *f)
{
    return f->length / MERKLE_BLOCK_SIZE + (f->length % MERKLE_BLOCK_SIZE != 0);
}

unsigned metainfo_file_height(const struct metainfo_file *f)
{
    return merkle_height(metainfo_file_blocks(f));
}

unsigned metainfo_piece_height(const struct metainfo *m)
{
    assert(m->has_v2);
    return merkle_height(m->piece_length / MERKLE_BLOCK_SIZE);
}

bool metainfo_needs_layer(const struct metainfo *m, uint32_t file)
{
    assert(file < m->file_count);
    return m->files[file].has_root && m->files[file].length > m->piece_length;
}

bool metainfo_has_layers(const struct metainfo *m)
{
    return m->memory->layers_missing == 0;
}

void metainfo_count_layers(struct metainfo *m)
{
    m->memory->layers_missing = 0;
    for (uint32_t i = 0; i < m->file_count; i++)
        m->memory->layers_missing += metainfo_needs_layer(m, i);
}

uint32_t metainfo_file_of_root(const struct metainfo *m, const struct sha256_digest *root)
{
    uint32_t i = 0;
    while (i < m->file_count && !(m->files[i].has_root && sha256_equal(&m->files[i].root, root)))
        i++;
    return i;
}

/* A checked copy of a file's layer. */
static int check_layer(struct metainfo *m, const struct metainfo_file *f, struct bytes hashes,
    const struct sha256_digest **out)
{
    if (hashes.size != (size_t)f->piece_count * sizeof **out)
        return ERR_SYNTAX;
    struct sha256_digest *layer = malloc(hashes.size);
    if (layer == NULL)
        return ERR_NOMEM;
    memcpy(layer, hashes.data, hashes.size);
    struct sha256_digest root =
        merkle_root(layer, f->piece_count, metainfo_piece_height(m), merkle_height(f->piece_count));
    int err = sha256_equal(&root, &f->root) ? 0 : ERR_HASH;
    if (err == 0) {
        /* Only what is right costs memory that stays. */
        struct sha256_digest *kept = arena_array(&m->memory->arena, f->piece_count, sizeof *kept);
        if (kept != NULL)
            memcpy(kept, layer, hashes.size);
        *out = kept;
        err = kept == NULL ? ERR_NOMEM : 0;
    }
    free(layer);
    return err;
}

static void give_layer(
    struct metainfo *m, struct metainfo_file *f, const struct sha256_digest *layer)
{
    assert(f->layer == NULL && m->memory->layers_missing > 0);
    f->layer = layer;
    m->memory->layers_missing--;
}

int metainfo_set_piece_layer(struct metainfo *m, uint32_t file, struct bytes hashes)
{
    assert(file < m->file_count);
    struct metainfo_file *f = &m->files[file];
    if (!metainfo_needs_layer(m, file))
        return ERR_INVALID;
    if (f->layer != NULL)
        return 0;
    const struct sha256_digest *layer = NULL;
    int err = check_layer(m, f, hashes, &layer);
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < m->file_count; i++) {
        struct metainfo_file *twin = &m->files[i];
        if (metainfo_needs_layer(m, i) && twin->layer == NULL && twin->length == f->length &&
            sha256_equal(&twin->root, &f->root))
            give_layer(m, twin, layer);
    }
    return 0;
}

/* ---- the `piece layers` of a .torrent ------------------------------------------------------ */

/* A file that wants a layer; sorted by root, so that each entry of the dictionary finds its files
 * without walking a million of them. */
struct wish {
    struct metainfo_file *file;
    uint32_t index;
};

static int compare_wishes(const void *left, const void *right)
{
    const struct wish *a = left, *b = right;
    int order = memcmp(a->file->root.b, b->file->root.b, sizeof a->file->root.b);
    if (order != 0)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct wish *sorted_wishes(struct metainfo *m, size_t *count)
{
    struct wish *wishes = malloc(((size_t)m->memory->layers_missing + 1) * sizeof *wishes);
    *count = 0;
    for (uint32_t i = 0; wishes != NULL && i < m->file_count; i++)
        if (metainfo_needs_layer(m, i))
            wishes[(*count)++] = (struct wish){&m->files[i], i};
    if (wishes != NULL)
        qsort(wishes, *count, sizeof *wishes, compare_wishes);
    return wishes;
}

static size_t first_wish(const struct wish *wishes, size_t count, const uint8_t *root)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(wishes[middle].file->root.b, root, sizeof(struct sha256_digest)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One entry of the dictionary, for all files that share its root. Roots that nobody has are left
 * alone: they are outside the info dictionary and harm nobody. */
static int take_entry(struct metainfo *m, const struct wish *wishes, size_t count,
    struct bytes root, struct bytes hashes, struct format_error *error)
{
    if (root.size != sizeof(struct sha256_digest))
        return format_fail(error, ERR_SYNTAX, "piece layers: a key is not a hash");
    const struct sha256_digest *layer = NULL;
    for (size_t i = first_wish(wishes, count, root.data); i < count; i++) {
        struct metainfo_file *f = wishes[i].file;
        if (memcmp(f->root.b, root.data, root.size) != 0 || f->layer != NULL)
            break;
        if (layer == NULL || hashes.size != (size_t)f->piece_count * sizeof *layer) {
            int err = check_layer(m, f, hashes, &layer);
            if (err == ERR_SYNTAX)
                return format_fail(error, err, "piece layers: wrong number of hashes for file %u",
                    wishes[i].index);
            if (err < 0)
                return format_fail(error, err, "piece layers: the hashes for file %u are not its",
                    wishes[i].index);
        }
        give_layer(m, f, layer);
    }
    return 0;
}

int metainfo_parse_layers(
    struct metainfo *m, struct bencode_value torrent, struct format_error *error)
{
    struct bencode_value layers = bencode_get(torrent, "piece layers");
    if (!m->has_v2 || !bencode_present(layers))
        return 0;
    if (bencode_type(layers) != BENCODE_DICT)
        return format_fail(error, ERR_SYNTAX, "piece layers: not a dictionary");
    size_t count;
    struct wish *wishes = sorted_wishes(m, &count);
    if (wishes == NULL)
        return ERR_NOMEM;
    int err = 0;
    for (struct bencode_iterator i = bencode_iterate(layers); err == 0 && bencode_next(&i);) {
        struct bytes hashes;
        if (bencode_string(i.value, &hashes))
            err = take_entry(m, wishes, count, i.key, hashes, error);
        else
            err = format_fail(error, ERR_SYNTAX, "piece layers: an entry is not a string");
    }
    free(wishes);
    return err;
}
