/* See hash_group.h. Everything that is to be hashed becomes a run of whole blocks of a message: of
 * a slice, of zeros, or of the message's tail. Runs go through the lanes of a kernel, the next one
 * as soon as a lane is free; as in hash_many.c, a vector step is only taken where it beats OpenSSL.
 */
#include "crypto/hash_group.h"

#include "crypto/hash_kernel.h"

#include <assert.h>
#include <stdlib.h>

#define ZERO_BLOCKS 64u /* read at a time where there is no kernel for zeros */
static const uint8_t zero_blocks[ZERO_BLOCKS * HASH_BLOCK_SIZE];

struct message {
    uint32_t state[HASH_WORDS_MAX];
    uint64_t bytes;
    const uint8_t *run; /* its next blocks, if they are not zeros */
    size_t run_blocks;
    uint32_t zeros;                    /* that are still to come */
    uint8_t tail[2 * HASH_BLOCK_SIZE]; /* what did not fill a block, and the padding */
    size_t tail_size;
};

struct hash_group {
    enum hash_algorithm algorithm;
    struct hash_choice choice;
    unsigned count, messages_max;
    _Alignas(64) uint32_t lanes[HASH_WORDS_MAX * HASH_LANES_MAX]; /* as hash_compress wants it */
    struct message **order; /* in which they go through the lanes */
    struct message messages[];
};

struct hash_group *hash_group_new(enum hash_algorithm algorithm, unsigned messages_max)
{
    size_t size = sizeof(struct hash_group) +
                  messages_max * (sizeof(struct message) + sizeof(struct message *));
    struct hash_group *g = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!g || hash_init() != 0) {
        free(g);
        return NULL;
    }
    g->algorithm = algorithm;
    g->messages_max = messages_max;
    g->order = (struct message **)(g->messages + messages_max);
    g->count = 0;
    return g;
}

void hash_group_free(struct hash_group *g)
{
    free(g);
}

void hash_group_begin(struct hash_group *g, unsigned count)
{
    assert(count >= 1 && count <= g->messages_max);
    g->count = count;
    g->choice = hash_choice_for(g->algorithm, count);
    for (unsigned i = 0; i < count; i++) {
        struct message *m = &g->messages[i];
        memcpy(m->state, hash_initial_state(g->algorithm), sizeof m->state);
        m->bytes = 0;
        m->run_blocks = 0;
        m->tail_size = 0;
    }
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* Who is in the lanes: NULL, nobody. */
struct riders {
    struct message *lane[HASH_LANES_MAX];
    unsigned busy;
    struct message **next, **end; /* those that are still to come */
};

static void board(struct hash_group *g, struct riders *r, unsigned lane)
{
    unsigned lanes = g->choice.kernel->lanes;
    if (r->next == r->end)
        return;
    struct message *m = r->lane[lane] = *r->next++;
    r->busy++;
    for (unsigned w = 0; w < hash_word_count(g->algorithm); w++)
        g->lanes[w * lanes + lane] = m->state[w];
}

static void alight(struct hash_group *g, struct riders *r, unsigned lane)
{
    unsigned lanes = g->choice.kernel->lanes;
    for (unsigned w = 0; w < hash_word_count(g->algorithm); w++)
        r->lane[lane]->state[w] = g->lanes[w * lanes + lane];
    r->lane[lane] = NULL;
    r->busy--;
}

static void compress(struct hash_group *g, const struct riders *r, size_t blocks, bool zeros)
{
    const struct hash_kernel *kernel = g->choice.kernel;
    const uint8_t *at[HASH_LANES_MAX], *any = zero_blocks;
    if (zeros && kernel->zeros) {
        kernel->zeros(g->lanes, blocks);
        return;
    }
    for (unsigned l = 0; l < kernel->lanes && !zeros; l++)
        any = r->lane[l] ? r->lane[l]->run : any;
    for (unsigned l = 0; l < kernel->lanes; l++) /* lanes that are empty do what another does */
        at[l] = r->lane[l] && !zeros ? r->lane[l]->run : any;
    kernel->compress(g->lanes, at, blocks);
}

/* The shortest run of those that are in the lanes, to its end. */
static void step(struct hash_group *g, struct riders *r, bool zeros)
{
    const struct hash_kernel *kernel = g->choice.kernel;
    size_t blocks = zeros && !kernel->zeros ? ZERO_BLOCKS : SIZE_MAX;
    for (unsigned l = 0; l < kernel->lanes; l++)
        if (r->lane[l] && r->lane[l]->run_blocks < blocks)
            blocks = r->lane[l]->run_blocks;
    compress(g, r, blocks, zeros);
    for (unsigned l = 0; l < kernel->lanes; l++) {
        struct message *m = r->lane[l];
        if (!m)
            continue;
        m->run_blocks -= blocks;
        if (!zeros)
            m->run += blocks * HASH_BLOCK_SIZE;
        if (m->run_blocks > 0)
            continue;
        alight(g, r, l);
        board(g, r, l);
    }
}

static void run_serially(struct hash_group *g, struct message *m, bool zeros)
{
    while (m->run_blocks > 0) {
        size_t blocks = zeros && m->run_blocks > ZERO_BLOCKS ? ZERO_BLOCKS : m->run_blocks;
        hash_serial(g->algorithm, m->state, zeros ? zero_blocks : m->run, blocks);
        m->run_blocks -= blocks;
    }
}

static int by_length(const void *a, const void *b)
{
    size_t x = (*(struct message *const *)a)->run_blocks;
    size_t y = (*(struct message *const *)b)->run_blocks;
    return (x < y) - (x > y);
}

/* Those that have a run, the longest first if there are more than lanes: then the lanes end at the
 * same time, nearly. With files of random sizes, in their own order, SHA-1 costs a fifth more. */
static unsigned put_in_order(struct hash_group *g)
{
    unsigned count = 0;
    for (unsigned i = 0; i < g->count; i++)
        if (g->messages[i].run_blocks > 0)
            g->order[count++] = &g->messages[i];
    if (count > g->choice.kernel->lanes)
        qsort(g->order, count, sizeof *g->order, by_length);
    return count;
}

/* All messages' runs; with `zeros` they are of zeros, wherever `run` points. */
static void run_all(struct hash_group *g, bool zeros)
{
    if (g->choice.kernel) {
        struct riders r = {.next = g->order, .end = g->order + put_in_order(g)};
        unsigned lanes = g->choice.kernel->lanes;
        /* A step of zeros costs three fifths of another, and serially they cost what bytes do. */
        bool cheap = zeros && g->choice.kernel->zeros;
        unsigned fewest = cheap ? (g->choice.break_even + 1) / 2 : g->choice.break_even;
        for (unsigned l = 0; l < lanes; l++)
            board(g, &r, l);
        while (r.busy >= fewest)
            step(g, &r, zeros);
        for (unsigned l = 0; l < lanes; l++)
            if (r.lane[l])
                alight(g, &r, l);
    }
    for (unsigned i = 0; i < g->count; i++)
        run_serially(g, &g->messages[i], zeros);
}

/* ---- messages ------------------------------------------------------------------------------ */

void hash_group_update(struct hash_group *g, const struct bytes *slices)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct message *m = &g->messages[i];
        if (slices[i].size == 0)
            continue;
        assert(m->tail_size == 0);
        m->run = slices[i].data;
        m->run_blocks = slices[i].size / HASH_BLOCK_SIZE;
        m->bytes += slices[i].size;
        m->tail_size = slices[i].size % HASH_BLOCK_SIZE;
        memcpy(m->tail, slices[i].data + slices[i].size - m->tail_size, m->tail_size);
    }
    run_all(g, false);
}

/* Zeros as far as the block that a message's bytes end in; returns how many. */
static uint32_t fill_tail(struct message *m, uint32_t count)
{
    uint32_t room = m->tail_size > 0 ? (uint32_t)(HASH_BLOCK_SIZE - m->tail_size) : 0;
    uint32_t fill = count < room ? count : room;
    memset(m->tail + m->tail_size, 0, fill);
    m->tail_size += fill;
    m->run = m->tail;
    m->run_blocks = m->tail_size / HASH_BLOCK_SIZE;
    m->tail_size %= HASH_BLOCK_SIZE;
    return fill;
}

void hash_group_zeros(struct hash_group *g, const uint32_t *counts)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct message *m = &g->messages[i];
        m->zeros = counts[i] - fill_tail(m, counts[i]);
        m->bytes += counts[i];
    }
    run_all(g, false);
    for (unsigned i = 0; i < g->count; i++) {
        struct message *m = &g->messages[i];
        if (m->zeros == 0) /* its tail is not a block yet */
            continue;
        m->run_blocks = m->zeros / HASH_BLOCK_SIZE;
        m->tail_size = m->zeros % HASH_BLOCK_SIZE;
        memset(m->tail, 0, m->tail_size);
    }
    run_all(g, true);
}

/* A one, zeros, and the message's length in bits, to the end of a block. */
static void pad(struct message *m)
{
    size_t end = m->tail_size < HASH_BLOCK_SIZE - 8 ? HASH_BLOCK_SIZE : 2 * HASH_BLOCK_SIZE;
    m->tail[m->tail_size] = 0x80;
    memset(m->tail + m->tail_size + 1, 0, end - m->tail_size - 1);
    store_u64(m->tail + end - 8, m->bytes * 8);
    m->run = m->tail;
    m->run_blocks = end / HASH_BLOCK_SIZE;
}

void hash_group_final(struct hash_group *g, uint8_t *const *digests)
{
    for (unsigned i = 0; i < g->count; i++)
        if (digests[i])
            pad(&g->messages[i]);
    run_all(g, false);
    for (unsigned i = 0; i < g->count; i++)
        for (unsigned w = 0; digests[i] && w < hash_word_count(g->algorithm); w++)
            store_u32(digests[i] + 4 * w, g->messages[i].state[w]);
}
