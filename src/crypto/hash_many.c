/* Many messages side by side: how they get into the lanes of a vector kernel and out.
 *
 * Each lane walks one message as a sequence of runs: whole blocks where they lie, a block that is
 * put together where a part ends within it, the padding. All lanes advance by the shortest run; a
 * lane whose message ends takes the next one. When messages run out and the lanes still busy are
 * fewer than the kernel's break-even, they are finished one after the other: so a vector step is
 * only ever taken where it beats OpenSSL, however unequal the messages are. */
#include "crypto/hash_kernel.h"

#include <assert.h>

struct lane {
    const struct hash_job *job; /* NULL: idle */
    size_t next_part;
    const uint8_t *at; /* the rest of the current part */
    size_t left;
    uint64_t message_bytes;
    const uint8_t *run; /* whole blocks, contiguous */
    size_t run_blocks;
    bool run_is_last;
    uint8_t buffer[2 * HASH_BLOCK_SIZE]; /* a block across parts, or the padding */
};

struct lanes {
    enum hash_algorithm algorithm;
    const struct hash_kernel *kernel;
    const struct hash_job *next_job, *end_job;
    unsigned busy;
    struct lane lane[HASH_LANES_MAX];
    _Alignas(64) uint32_t state[HASH_WORDS_MAX * HASH_LANES_MAX]; /* as hash_compress wants it */
};

static const uint32_t initial_state[2][HASH_WORDS_MAX] = {
    [HASH_SHA1] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0},
    [HASH_SHA256] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
        0x1f83d9ab, 0x5be0cd19},
};

const uint32_t *hash_initial_state(enum hash_algorithm algorithm)
{
    return initial_state[algorithm];
}

/* Moves to the next part that is not empty; false at the end of the message. */
static bool next_part(struct lane *l)
{
    while (l->left == 0) {
        if (l->next_part == l->job->part_count)
            return false;
        struct bytes part = l->job->parts[l->next_part++];
        l->at = part.data;
        l->left = part.size;
        l->message_bytes += part.size;
    }
    return true;
}

/* Less than a block is left of the current part: gathers from it and those after it. Returns how
 * many bytes of a block there are. */
static size_t gather(struct lane *l)
{
    size_t filled = 0;
    while (filled < HASH_BLOCK_SIZE && next_part(l)) {
        size_t room = HASH_BLOCK_SIZE - filled;
        size_t size = l->left < room ? l->left : room;
        memcpy(l->buffer + filled, l->at, size);
        l->at += size;
        l->left -= size;
        filled += size;
    }
    return filled;
}

/* A one, zeros, and the message's length in bits, to the end of a block. */
static void pad(struct lane *l, size_t filled)
{
    size_t end = filled < HASH_BLOCK_SIZE - 8 ? HASH_BLOCK_SIZE : 2 * HASH_BLOCK_SIZE;
    l->buffer[filled] = 0x80;
    memset(l->buffer + filled + 1, 0, end - filled - 1);
    store_u64(l->buffer + end - 8, l->message_bytes * 8);
    l->run_blocks = end / HASH_BLOCK_SIZE;
    l->run_is_last = true;
}

static void next_run(struct lane *l)
{
    if (next_part(l) && l->left >= HASH_BLOCK_SIZE) {
        l->run = l->at;
        l->run_blocks = l->left / HASH_BLOCK_SIZE;
        l->at += l->run_blocks * HASH_BLOCK_SIZE;
        l->left %= HASH_BLOCK_SIZE;
        return;
    }
    size_t filled = gather(l);
    l->run = l->buffer;
    l->run_blocks = 1;
    if (filled < HASH_BLOCK_SIZE)
        pad(l, filled);
}

static void start_next_job(struct lanes *s, unsigned index)
{
    struct lane *l = &s->lane[index];
    l->job = NULL;
    if (s->next_job == s->end_job)
        return;
    l->job = s->next_job++;
    l->next_part = 0;
    l->left = 0;
    l->message_bytes = 0;
    l->run_is_last = false;
    for (unsigned w = 0; w < hash_word_count(s->algorithm); w++)
        s->state[w * s->kernel->lanes + index] = initial_state[s->algorithm][w];
    s->busy++;
    next_run(l);
}

static void finish_job(struct lanes *s, unsigned index)
{
    for (unsigned w = 0; w < hash_word_count(s->algorithm); w++)
        store_u32(s->lane[index].job->digest + 4 * w, s->state[w * s->kernel->lanes + index]);
    s->busy--;
}

/* After `blocks` blocks of the current run. */
static void advance(struct lanes *s, unsigned index, size_t blocks)
{
    struct lane *l = &s->lane[index];
    l->run += blocks * HASH_BLOCK_SIZE;
    l->run_blocks -= blocks;
    if (l->run_blocks)
        return;
    if (!l->run_is_last) {
        next_run(l);
    } else {
        finish_job(s, index);
        start_next_job(s, index);
    }
}

static void step(struct lanes *s)
{
    const uint8_t *blocks[HASH_LANES_MAX];
    const uint8_t *any = NULL; /* what idle lanes hash, to no end */
    size_t shortest = SIZE_MAX;
    for (unsigned i = 0; i < s->kernel->lanes; i++) {
        if (s->lane[i].job && s->lane[i].run_blocks < shortest) {
            shortest = s->lane[i].run_blocks;
            any = s->lane[i].run;
        }
    }
    for (unsigned i = 0; i < s->kernel->lanes; i++)
        blocks[i] = s->lane[i].job ? s->lane[i].run : any;
    s->kernel->compress(s->state, blocks, shortest);
    for (unsigned i = 0; i < s->kernel->lanes; i++)
        if (s->lane[i].job)
            advance(s, i, shortest);
}

/* Finishes one lane's message alone. */
static void finish_serially(struct lanes *s, unsigned index)
{
    struct lane *l = &s->lane[index];
    uint32_t state[HASH_WORDS_MAX];
    for (unsigned w = 0; w < hash_word_count(s->algorithm); w++)
        state[w] = s->state[w * s->kernel->lanes + index];
    hash_serial(s->algorithm, state, l->run, l->run_blocks);
    while (!l->run_is_last) {
        next_run(l);
        hash_serial(s->algorithm, state, l->run, l->run_blocks);
    }
    for (unsigned w = 0; w < hash_word_count(s->algorithm); w++)
        store_u32(l->job->digest + 4 * w, state[w]);
}

void hash_many_in_lanes(const struct hash_kernel *kernel, unsigned break_even,
    enum hash_algorithm algorithm, const struct hash_job *jobs, size_t count)
{
    assert(kernel->lanes <= HASH_LANES_MAX);
    assert(break_even >= 1 && break_even <= kernel->lanes);
    struct lanes s;
    s.algorithm = algorithm;
    s.kernel = kernel;
    s.next_job = jobs;
    s.end_job = jobs + count;
    s.busy = 0;
    for (unsigned i = 0; i < kernel->lanes; i++)
        start_next_job(&s, i);
    /* Lanes go idle only when no message is left, so few busy ones mean the end is near. */
    while (s.busy >= break_even)
        step(&s);
    for (unsigned i = 0; i < kernel->lanes && s.busy; i++) {
        if (s.lane[i].job) {
            finish_serially(&s, i);
            s.busy--;
        }
    }
}
