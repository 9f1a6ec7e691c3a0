/* See hash_group.h. As in hash_many.c, a vector step is only taken where it beats OpenSSL. */
#include "crypto/hash_group.h"

#include "crypto/hash_kernel.h"

#include <assert.h>
#include <stdlib.h>

struct message {
    uint32_t state[HASH_WORDS_MAX];
    uint64_t bytes;
    uint8_t tail[2 * HASH_BLOCK_SIZE]; /* of the last slice, and the padding */
    size_t tail_size;
};

struct hash_group {
    enum hash_algorithm algorithm;
    struct hash_choice choice;
    unsigned count;
    struct message messages[HASH_GROUP_MAX];
    _Alignas(64) uint32_t lanes[HASH_WORDS_MAX * HASH_LANES_MAX]; /* as hash_compress wants it */
};

struct hash_group *hash_group_new(enum hash_algorithm algorithm)
{
    struct hash_group *g = aligned_alloc(64, (sizeof *g + 63) / 64 * 64);
    if (!g || hash_init() != 0) {
        free(g);
        return NULL;
    }
    g->algorithm = algorithm;
    g->count = 0;
    return g;
}

void hash_group_free(struct hash_group *g)
{
    free(g);
}

void hash_group_begin(struct hash_group *g, unsigned count)
{
    assert(count >= 1 && count <= HASH_GROUP_MAX);
    g->count = count;
    g->choice = hash_choice_for(g->algorithm, count);
    for (unsigned i = 0; i < count; i++) {
        struct message *m = &g->messages[i];
        memcpy(m->state, hash_initial_state(g->algorithm), sizeof m->state);
        m->bytes = 0;
        m->tail_size = 0;
    }
}

/* The slices' whole blocks, as they are used up. */
struct step {
    const uint8_t *at[HASH_GROUP_MAX];
    size_t blocks[HASH_GROUP_MAX];
    unsigned members[HASH_LANES_MAX]; /* those in the lanes of a vector step */
    unsigned member_count;
};

/* The messages with blocks left, as many as there are lanes; the fewest blocks that one has. */
static size_t choose(const struct hash_group *g, struct step *s)
{
    size_t fewest = SIZE_MAX;
    s->member_count = 0;
    for (unsigned i = 0; i < g->count && s->member_count < g->choice.kernel->lanes; i++) {
        if (s->blocks[i] == 0)
            continue;
        s->members[s->member_count++] = i;
        if (s->blocks[i] < fewest)
            fewest = s->blocks[i];
    }
    return fewest;
}

static void vector_step(struct hash_group *g, struct step *s, size_t blocks)
{
    const struct hash_kernel *kernel = g->choice.kernel;
    unsigned words = hash_word_count(g->algorithm);
    const uint8_t *at[HASH_LANES_MAX];
    for (unsigned l = 0; l < kernel->lanes; l++) {
        /* Lanes that are left over do what the first does. */
        unsigned i = s->members[l < s->member_count ? l : 0];
        at[l] = s->at[i];
        for (unsigned w = 0; w < words; w++)
            g->lanes[w * kernel->lanes + l] = g->messages[i].state[w];
    }
    kernel->compress(g->lanes, at, blocks);
    for (unsigned l = 0; l < s->member_count; l++) {
        unsigned i = s->members[l];
        for (unsigned w = 0; w < words; w++)
            g->messages[i].state[w] = g->lanes[w * kernel->lanes + l];
        s->at[i] += blocks * HASH_BLOCK_SIZE;
        s->blocks[i] -= blocks;
    }
}

void hash_group_update(struct hash_group *g, const struct bytes *slices)
{
    struct step s;
    for (unsigned i = 0; i < g->count; i++) {
        struct message *m = &g->messages[i];
        assert(m->tail_size == 0 || slices[i].size == 0);
        s.at[i] = slices[i].data;
        s.blocks[i] = slices[i].size / HASH_BLOCK_SIZE;
        m->bytes += slices[i].size;
        size_t rest = slices[i].size % HASH_BLOCK_SIZE;
        if (rest > 0)
            memcpy(m->tail, slices[i].data + slices[i].size - rest, rest);
        if (slices[i].size > 0)
            m->tail_size = rest;
    }
    if (g->choice.kernel) {
        size_t blocks = choose(g, &s);
        while (s.member_count >= g->choice.break_even) {
            vector_step(g, &s, blocks);
            blocks = choose(g, &s);
        }
    }
    for (unsigned i = 0; i < g->count; i++)
        if (s.blocks[i] > 0)
            hash_serial(g->algorithm, g->messages[i].state, s.at[i], s.blocks[i]);
}

void hash_group_final(struct hash_group *g, uint8_t *const *digests)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct message *m = &g->messages[i];
        size_t end = m->tail_size < HASH_BLOCK_SIZE - 8 ? HASH_BLOCK_SIZE : 2 * HASH_BLOCK_SIZE;
        if (!digests[i])
            continue;
        m->tail[m->tail_size] = 0x80;
        memset(m->tail + m->tail_size + 1, 0, end - m->tail_size - 1);
        store_u64(m->tail + end - 8, m->bytes * 8);
        hash_serial(g->algorithm, m->state, m->tail, end / HASH_BLOCK_SIZE);
        for (unsigned w = 0; w < hash_word_count(g->algorithm); w++)
            store_u32(digests[i] + 4 * w, m->state[w]);
    }
}
