/* See piece_buffer.h. */
#include "store/piece_buffer.h"

#include <assert.h>
#include <stdlib.h>

struct piece_buffer *piece_buffer_new(struct chunk_pool *pool, uint32_t piece, uint32_t size)
{
    uint32_t blocks = (size + PIECE_BLOCK_SIZE - 1) / PIECE_BLOCK_SIZE;
    struct piece_buffer *pb = calloc(1, sizeof *pb + blocks);
    if (!pb)
        return NULL;
    pb->pool = pool;
    pb->piece = piece;
    pb->size = size;
    pb->block_count = blocks;
    pb->chunk_count = (blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
    pb->chunks = calloc(pb->chunk_count, sizeof *pb->chunks);
    pb->givers = calloc(blocks, sizeof *pb->givers);
    if (!pb->chunks || !pb->givers) {
        free(pb->chunks);
        free(pb->givers);
        free(pb);
        return NULL;
    }
    return pb;
}

void piece_buffer_free(struct piece_buffer *pb)
{
    if (!pb)
        return;
    for (uint32_t i = 0; i < pb->chunk_count; i++)
        if (pb->chunks[i])
            chunk_unref(pb->pool, pb->chunks[i]);
    free(pb->chunks);
    free(pb->givers);
    free(pb);
}

uint8_t *piece_buffer_place(struct piece_buffer *pb, uint32_t block)
{
    if (pb->busy || block >= pb->block_count || pb->states[block] != BLOCK_MISSING)
        return NULL;
    struct chunk **chunk = &pb->chunks[block / CHUNK_BLOCKS];
    if (!*chunk)
        *chunk = chunk_take(pb->pool);
    return *chunk ? (*chunk)->data + block % CHUNK_BLOCKS * PIECE_BLOCK_SIZE : NULL;
}

void piece_buffer_begin(struct piece_buffer *pb, uint32_t block)
{
    assert(pb->states[block] == BLOCK_MISSING);
    pb->states[block] = BLOCK_ARRIVING;
    pb->arriving++;
}

void piece_buffer_unbegin(struct piece_buffer *pb, uint32_t block)
{
    if (pb->states[block] != BLOCK_ARRIVING)
        return;
    pb->states[block] = BLOCK_MISSING;
    pb->arriving--;
}

void piece_buffer_mark(struct piece_buffer *pb, uint32_t block, uint32_t giver)
{
    if (pb->states[block] == BLOCK_ARRIVING)
        pb->arriving--;
    assert(pb->states[block] <= BLOCK_ARRIVING);
    pb->states[block] = BLOCK_IN_MEMORY;
    pb->in_memory++;
    pb->givers[block] = giver;
}

void piece_buffer_forget(struct piece_buffer *pb, uint32_t block)
{
    assert(!pb->busy);
    pb->in_memory -= pb->states[block] == BLOCK_IN_MEMORY;
    pb->on_disk -= pb->states[block] == BLOCK_ON_DISK;
    if (pb->states[block] >= BLOCK_IN_MEMORY)
        pb->states[block] = BLOCK_MISSING;
}

const uint8_t *piece_buffer_data(const struct piece_buffer *pb, uint32_t block)
{
    if (pb->states[block] != BLOCK_IN_MEMORY)
        return NULL;
    return pb->chunks[block / CHUNK_BLOCKS]->data + block % CHUNK_BLOCKS * PIECE_BLOCK_SIZE;
}

uint32_t piece_buffer_block_size(const struct piece_buffer *pb, uint32_t block)
{
    uint32_t begin = block * PIECE_BLOCK_SIZE;
    return pb->size - begin < PIECE_BLOCK_SIZE ? pb->size - begin : PIECE_BLOCK_SIZE;
}

void piece_buffer_trim(struct piece_buffer *pb)
{
    for (uint32_t i = 0; i < pb->chunk_count; i++) {
        bool used = false;
        for (uint32_t b = i * CHUNK_BLOCKS; b < (i + 1) * CHUNK_BLOCKS && b < pb->block_count; b++)
            used |= pb->states[b] == BLOCK_ARRIVING || pb->states[b] == BLOCK_IN_MEMORY;
        if (used || !pb->chunks[i])
            continue;
        chunk_unref(pb->pool, pb->chunks[i]);
        pb->chunks[i] = NULL;
    }
}
