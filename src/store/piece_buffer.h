/* A piece that is being assembled out of blocks in chunks.
 *
 * The swarm asks where a block belongs, the receiver puts it there, and the store verifies and
 * writes the whole. Under memory pressure the blocks that are here are *spilled* to their place on
 * disk, unverified, and read back when the piece is complete. Loop thread only. */
#ifndef KITH_STORE_PIECE_BUFFER_H
#define KITH_STORE_PIECE_BUFFER_H

#include "store/chunk.h"
#include <stdbool.h>

#define PIECE_BLOCK_SIZE 16384u
#define CHUNK_BLOCKS (CHUNK_SIZE / PIECE_BLOCK_SIZE)

enum block_state {
    BLOCK_MISSING,
    BLOCK_ARRIVING, /* a peer is in the middle of it: its chunk stays where it is */
    BLOCK_IN_MEMORY,
    BLOCK_ON_DISK /* spilled */
};

struct piece_buffer {
    struct chunk_pool *pool;
    uint32_t piece, size;
    uint32_t block_count, chunk_count;
    uint32_t arriving, in_memory, on_disk; /* blocks in each state */
    bool busy;                             /* a job works on it: no block may begin */
    struct chunk **chunks;                 /* NULL: nothing of it is in memory */
    uint32_t *givers;                      /* by block: the id of the peer it came from */
    uint8_t states[];                      /* enum block_state, one a block */
};

/* NULL: no memory. */
struct piece_buffer *piece_buffer_new(struct chunk_pool *, uint32_t piece, uint32_t size);
void piece_buffer_free(struct piece_buffer *); /* gives its chunks back */
/* Where a missing block goes. NULL: it is not missing, the pool is empty, or a job is at work. */
uint8_t *piece_buffer_place(struct piece_buffer *, uint32_t block);
void piece_buffer_begin(struct piece_buffer *, uint32_t block);
void piece_buffer_unbegin(struct piece_buffer *, uint32_t block);
/* All of it has arrived, from this peer. */
void piece_buffer_mark(struct piece_buffer *, uint32_t block, uint32_t giver);
/* What has arrived of it is worth nothing: it is missing again. Not while a job works. */
void piece_buffer_forget(struct piece_buffer *, uint32_t block);
/* The bytes of a block that is in memory; else NULL. */
const uint8_t *piece_buffer_data(const struct piece_buffer *, uint32_t block);
static inline bool piece_buffer_whole(const struct piece_buffer *pb)
{
    return pb->in_memory + pb->on_disk == pb->block_count;
}
uint32_t piece_buffer_block_size(const struct piece_buffer *, uint32_t block);
/* Gives back the chunks in which no block is arriving or in memory. */
void piece_buffer_trim(struct piece_buffer *);

#endif
