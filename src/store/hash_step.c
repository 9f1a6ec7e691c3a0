/* See hash_step.h. */
#include "store/hash_step.h"

#include "format/metainfo.h"
#include <stdlib.h>

#define SLICE_BLOCKS (HASH_STEP_SLICE / METAINFO_BLOCK_SIZE)

struct hash_step {
    struct hash_group *sha1;
    uint8_t *slices; /* one a piece */
    uint8_t *zeros;  /* a slice of them */
    struct bytes blocks[HASH_STEP_PIECES * SLICE_BLOCKS];
    struct hash_job jobs[HASH_STEP_PIECES * SLICE_BLOCKS];
    size_t job_count;
};

struct hash_step *hash_step_new(void)
{
    struct hash_step *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->sha1 = hash_group_new(HASH_SHA1);
    s->slices = aligned_alloc(4096, HASH_STEP_PIECES * HASH_STEP_SLICE);
    s->zeros = calloc(1, HASH_STEP_SLICE);
    if (s->sha1 && s->slices && s->zeros)
        return s;
    hash_step_free(s);
    return NULL;
}

void hash_step_free(struct hash_step *s)
{
    if (!s)
        return;
    hash_group_free(s->sha1);
    free(s->slices);
    free(s->zeros);
    free(s);
}

static uint32_t part(uint64_t total, uint64_t at)
{
    uint64_t left = at < total ? total - at : 0;
    return left < HASH_STEP_SLICE ? (uint32_t)left : HASH_STEP_SLICE;
}

static void add_blocks(struct hash_step *s, const struct step_piece *p, uint8_t *slice, uint64_t at)
{
    uint32_t size = part(p->v2_size, at);
    for (uint32_t b = 0; b < size; b += METAINFO_BLOCK_SIZE) {
        uint32_t n = size - b < METAINFO_BLOCK_SIZE ? size - b : METAINFO_BLOCK_SIZE;
        s->blocks[s->job_count] = bytes_of(slice + b, n);
        s->jobs[s->job_count] = (struct hash_job){
            &s->blocks[s->job_count], 1, p->leaves[(at + b) / METAINFO_BLOCK_SIZE].b};
        s->job_count++;
    }
}

/* What SHA-1 sees of this slice: bytes that were read, and the zeros behind them. */
static struct bytes padded(
    struct hash_step *s, const struct step_piece *p, uint8_t *slice, uint32_t got, uint64_t at)
{
    uint32_t size = part((uint64_t)p->size + p->pad, at);
    if (!p->v1)
        return bytes_of(NULL, 0);
    if (got == 0)
        return bytes_of(s->zeros, size);
    memset(slice + got, 0, size - got);
    return bytes_of(slice, size);
}

static uint64_t longest(const struct step_piece *p, unsigned count)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < count; i++)
        if ((uint64_t)p[i].size + p[i].pad > most)
            most = (uint64_t)p[i].size + p[i].pad;
    return most;
}

int hash_step_run(struct hash_step *s, struct step_piece *pieces, unsigned count,
    int (*read)(void *user, unsigned i, uint32_t begin, uint8_t *out, uint32_t size), void *user)
{
    uint64_t end = longest(pieces, count);
    hash_group_begin(s->sha1, count);
    for (uint64_t at = 0; at < end; at += HASH_STEP_SLICE) {
        struct bytes of_sha1[HASH_STEP_PIECES] = {{0}};
        s->job_count = 0;
        for (unsigned i = 0; i < count; i++) {
            struct step_piece *p = &pieces[i];
            uint8_t *slice = s->slices + (size_t)i * HASH_STEP_SLICE;
            uint32_t size = part(p->size, at);
            int err = size > 0 && !p->missing ? read(user, i, (uint32_t)at, slice, size) : 0;
            if (err < 0)
                return err;
            p->missing |= err == STEP_MISSING;
            if (p->missing)
                continue;
            add_blocks(s, p, slice, at);
            of_sha1[i] = padded(s, p, slice, size, at);
        }
        hash_many(HASH_SHA256, s->jobs, s->job_count);
        hash_group_update(s->sha1, of_sha1);
    }
    uint8_t *digests[HASH_STEP_PIECES];
    for (unsigned i = 0; i < count; i++)
        digests[i] = pieces[i].missing ? NULL : pieces[i].v1;
    hash_group_final(s->sha1, digests);
    return 0;
}
