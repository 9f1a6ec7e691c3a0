/* See blame.h. */
#include "swarm/blame.h"

#include "crypto/hash.h"
#include <stdlib.h>

struct blame_block {
    struct endpoint from; /* ADDR_NONE: nothing is known of it */
    struct sha1_digest digest;
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

void blame_bad(struct blame *b, const struct piece_buffer *pb, const struct endpoint *from)
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
        p->blocks[i] = (struct blame_block){from[i], sha1(data, piece_buffer_block_size(pb, i))};
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
