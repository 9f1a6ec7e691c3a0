/* See blame.h. */
#include "swarm/pieces/blame.h"

#include "crypto/hash.h"
#include <stdlib.h>

struct blame_block {
    struct endpoint from; /* ADDR_NONE: nothing is known of it */
    struct sha1_digest digest;
    bool has_leaf;
    struct sha256_digest leaf; /* over what v2 covers of it */
};

struct blame_piece {
    uint32_t piece, block_count;
    struct blame_block blocks[];
};

void blame_free(struct blame *b)
{
    for (unsigned i = 0; i < BLAME_PIECES_MAX; i++)
        free(b->pieces[i]);
    *b = (struct blame){0};
}

void blame_bad(
    struct blame *b, const struct piece_buffer *pb, const struct endpoint *from, uint32_t v2_size)
{
    struct blame_piece *p = calloc(1, sizeof *p + pb->block_count * sizeof *p->blocks);
    if (!p)
        return;
    p->piece = pb->piece;
    p->block_count = pb->block_count;
    for (uint32_t i = 0; i < pb->block_count; i++) {
        const uint8_t *data = piece_buffer_data(pb, i);
        if (!data || from[i].family == ADDR_NONE)
            continue;
        uint32_t size = piece_buffer_block_size(pb, i), begin = i * PIECE_BLOCK_SIZE;
        p->blocks[i] = (struct blame_block){.from = from[i], .digest = sha1(data, size)};
        if (begin >= v2_size)
            continue;
        p->blocks[i].has_leaf = true;
        p->blocks[i].leaf = sha256(data, v2_size - begin < size ? v2_size - begin : size);
    }
    free(b->pieces[b->next]);
    b->pieces[b->next] = p;
    b->next = (b->next + 1) % BLAME_PIECES_MAX;
}

static void compare(const struct blame_piece *p, const struct piece_buffer *pb,
    void (*liar)(void *user, const struct endpoint *), void *user)
{
    for (uint32_t i = 0; i < pb->block_count; i++) {
        const struct blame_block *then = &p->blocks[i];
        const uint8_t *data = piece_buffer_data(pb, i);
        if (!data || then->from.family == ADDR_NONE)
            continue;
        struct sha1_digest now = sha1(data, piece_buffer_block_size(pb, i));
        if (!sha1_equal(&now, &then->digest))
            liar(user, &then->from);
    }
}

void blame_good(struct blame *b, const struct piece_buffer *pb,
    void (*liar)(void *user, const struct endpoint *), void *user)
{
    for (unsigned i = 0; i < BLAME_PIECES_MAX; i++) {
        struct blame_piece *p = b->pieces[i];
        if (!p || p->piece != pb->piece || p->block_count != pb->block_count)
            continue;
        b->pieces[i] = NULL;
        compare(p, pb, liar, user);
        free(p);
    }
}

void blame_leaves(struct blame *b, uint32_t piece, const struct sha256_digest *leaves, size_t count,
    void (*liar)(void *user, const struct endpoint *), void *user)
{
    for (unsigned i = 0; i < BLAME_PIECES_MAX; i++) {
        struct blame_piece *p = b->pieces[i];
        if (!p || p->piece != piece)
            continue;
        for (uint32_t at = 0; at < p->block_count && at < count; at++) {
            const struct blame_block *then = &p->blocks[at];
            if (then->from.family != ADDR_NONE && then->has_leaf &&
                !sha256_equal(&leaves[at], &then->leaf))
                liar(user, &then->from);
        }
    }
}
