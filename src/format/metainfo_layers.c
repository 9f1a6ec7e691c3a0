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

/* ---- files by their roots ------------------------------------------------------------------ */

/* By root; of one root the longest first, so that those that need a layer stand before those that
 * do not; then as they stand in the torrent. (Files of one root are copies of one another, unless
 * the torrent lies.) */
struct rooted {
    const struct metainfo_file *file;
    uint32_t index;
};

static int compare_rooted(const void *left, const void *right)
{
    const struct rooted *a = left, *b = right;
    int order = memcmp(a->file->root.b, b->file->root.b, sizeof a->file->root.b);
    if (order != 0)
        return order;
    if (a->file->length != b->file->length)
        return a->file->length > b->file->length ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

int metainfo_order_roots(struct metainfo *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->file_count; i++)
        count += m->files[i].has_root;
    if (count == 0)
        return 0;
    struct rooted *rooted = malloc(count * sizeof *rooted);
    uint32_t *order = arena_array(&m->memory->arena, count, sizeof *order);
    if (rooted == NULL || order == NULL) {
        free(rooted);
        return ERR_NOMEM;
    }
    count = 0;
    for (uint32_t i = 0; i < m->file_count; i++)
        if (m->files[i].has_root)
            rooted[count++] = (struct rooted){&m->files[i], i};
    qsort(rooted, count, sizeof *rooted, compare_rooted);
    for (uint32_t i = 0; i < count; i++)
        order[i] = rooted[i].index;
    free(rooted);
    m->memory->by_root = order;
    m->memory->rooted_count = count;
    return 0;
}

/* Where in memory->by_root the files of this root begin that are no longer than `length`. */
static uint32_t first_rooted(const struct metainfo *m, const uint8_t *root, uint64_t length)
{
    uint32_t low = 0, high = m->memory->rooted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct metainfo_file *f = &m->files[m->memory->by_root[middle]];
        int order = memcmp(f->root.b, root, sizeof f->root.b);
        if (order < 0 || (order == 0 && f->length > length))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The file at this place of the order, if it has this root; file_count if not. */
static uint32_t rooted_at(const struct metainfo *m, uint32_t place, const uint8_t *root)
{
    if (place >= m->memory->rooted_count)
        return m->file_count;
    uint32_t file = m->memory->by_root[place];
    return memcmp(m->files[file].root.b, root, sizeof m->files[file].root.b) == 0 ? file
                                                                                  : m->file_count;
}

uint32_t metainfo_file_of_root(const struct metainfo *m, const struct sha256_digest *root)
{
    return rooted_at(m, first_rooted(m, root->b, UINT64_MAX), root->b);
}

uint32_t metainfo_first_twin(const struct metainfo *m, uint32_t file)
{
    const struct metainfo_file *f = &m->files[file];
    assert(f->has_root);
    return rooted_at(m, first_rooted(m, f->root.b, f->length), f->root.b);
}

/* ---- one layer ----------------------------------------------------------------------------- */

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
    uint32_t place = first_rooted(m, f->root.b, f->length);
    for (uint32_t i = rooted_at(m, place, f->root.b);
         i < m->file_count && m->files[i].length == f->length; i = rooted_at(m, ++place, f->root.b))
        give_layer(m, &m->files[i], layer);
    return 0;
}

/* ---- the `piece layers` of a .torrent ------------------------------------------------------ */

/* One entry of the dictionary, for all files that share its root. Roots that nobody has are left
 * alone: they are outside the info dictionary and harm nobody. */
static int take_entry(
    struct metainfo *m, struct bytes root, struct bytes hashes, struct format_error *error)
{
    if (root.size != sizeof(struct sha256_digest))
        return format_fail(error, ERR_SYNTAX, "piece layers: a key is not a hash");
    const struct sha256_digest *layer = NULL;
    uint32_t place = first_rooted(m, root.data, UINT64_MAX);
    for (uint32_t i = rooted_at(m, place, root.data); i < m->file_count;
         i = rooted_at(m, ++place, root.data)) {
        struct metainfo_file *f = &m->files[i];
        if (!metainfo_needs_layer(m, i) || f->layer != NULL)
            break;
        if (layer == NULL || hashes.size != (size_t)f->piece_count * sizeof *layer) {
            int err = check_layer(m, f, hashes, &layer);
            if (err == ERR_SYNTAX)
                return format_fail(
                    error, err, "piece layers: wrong number of hashes for file %u", i);
            if (err < 0)
                return format_fail(
                    error, err, "piece layers: the hashes for file %u are not its", i);
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
    int err = 0;
    for (struct bencode_iterator i = bencode_iterate(layers); err == 0 && bencode_next(&i);) {
        struct bytes hashes;
        if (bencode_string(i.value, &hashes))
            err = take_entry(m, i.key, hashes, error);
        else
            err = format_fail(error, ERR_SYNTAX, "piece layers: an entry is not a string");
    }
    return err;
}
