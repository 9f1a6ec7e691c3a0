/* See crowns.h. */
#include "swarm/torrent/crowns.h"

#include <assert.h>
#include <stdlib.h>

struct crowns {
    uint32_t file_count;
    struct sha256_digest *by_file[]; /* NULL: not made, or not needed */
};

struct crowns *crowns_new(uint32_t file_count)
{
    struct crowns *c = calloc(1, sizeof *c + file_count * sizeof *c->by_file);
    if (c)
        c->file_count = file_count;
    return c;
}

void crowns_free(struct crowns *c)
{
    for (uint32_t i = 0; c && i < c->file_count; i++)
        free(c->by_file[i]);
    free(c);
}

static struct sha256_digest *make(const struct merkle_tree *tree)
{
    size_t size = merkle_crown_size(tree);
    struct sha256_digest *crown = size > 0 ? calloc(size, sizeof *crown) : NULL;
    if (crown)
        merkle_crown(tree, crown);
    return crown;
}

struct merkle_tree crowns_tree(struct crowns *c, const struct metainfo *m, uint32_t file)
{
    const struct metainfo_file *f = &m->files[file];
    unsigned base = metainfo_piece_height(m);
    assert(f->layer);
    struct merkle_tree tree = {.layer = f->layer,
        .count = f->piece_count,
        .base_height = base,
        .height = metainfo_file_height(f) - base};
    if (!c)
        return tree;
    assert(file < c->file_count);
    if (!c->by_file[file])
        c->by_file[file] = make(&tree);
    tree.crown = c->by_file[file];
    return tree;
}
