/* See hash_step.h. */
#include "store/hash_step.h"

#include "format/metainfo.h"
#include <stdlib.h>

#define SLICE_BLOCKS (HASH_STEP_SLICE / METAINFO_BLOCK_SIZE)

struct hash_step {
    struct hash_group *sha1;
    uint8_t *slices; /* one a piece */
    struct bytes blocks[HASH_STEP_PIECES * SLICE_BLOCKS];
    struct hash_job jobs[HASH_STEP_PIECES * SLICE_BLOCKS];
    size_t job_count;
};

struct hash_step *hash_step_new(void)
{
    struct hash_step *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->sha1 = hash_group_new(HASH_SHA1, HASH_STEP_PIECES);
    s->slices = aligned_alloc(4096, HASH_STEP_PIECES * HASH_STEP_SLICE);
    if (s->sha1 && s->slices)
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
    free(s);
}

static uint32_t part(uint32_t total, uint32_t at)
{
    uint32_t left = at < total ? total - at : 0;
    return left < HASH_STEP_SLICE ? left : HASH_STEP_SLICE;
}

static void add_blocks(
    struct hash_step *s, const struct step_piece *p, const uint8_t *slice, uint32_t at)
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

static uint32_t longest(const struct step_piece *p, unsigned count)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < count; i++)
        most = p[i].size > most ? p[i].size : most;
    return most;
}

/* The slices at `at` of all pieces. */
static int run_slices(struct hash_step *s, struct step_piece *pieces, unsigned count, uint32_t at,
    step_fetch *fetch, void *user)
{
    struct bytes of_sha1[HASH_STEP_PIECES] = {{0}};
    s->job_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct step_piece *p = &pieces[i];
        uint32_t size = part(p->size, at);
        if (size == 0 || p->missing)
            continue;
        uint8_t *room = s->slices + (size_t)i * HASH_STEP_SLICE;
        const uint8_t *slice = room;
        int err = fetch(user, i, at, size, room, &slice);
        if (err < 0)
            return err;
        p->missing = err == STEP_MISSING;
        if (p->missing)
            continue;
        add_blocks(s, p, slice, at);
        if (p->v1)
            of_sha1[i] = bytes_of(slice, size);
    }
    hash_many(HASH_SHA256, s->jobs, s->job_count);
    hash_group_update(s->sha1, of_sha1);
    return 0;
}

int hash_step_run(
    struct hash_step *s, struct step_piece *pieces, unsigned count, step_fetch *fetch, void *user)
{
    uint32_t zeros[HASH_STEP_PIECES], end = longest(pieces, count);
    uint8_t *digests[HASH_STEP_PIECES];
    hash_group_begin(s->sha1, count);
    for (uint32_t at = 0; at < end; at += HASH_STEP_SLICE) {
        int err = run_slices(s, pieces, count, at, fetch, user);
        if (err < 0)
            return err;
    }
    for (unsigned i = 0; i < count; i++) {
        zeros[i] = pieces[i].missing || !pieces[i].v1 ? 0 : pieces[i].pad;
        digests[i] = pieces[i].missing ? NULL : pieces[i].v1;
    }
    hash_group_zeros(s->sha1, zeros);
    hash_group_final(s->sha1, digests);
    return 0;
}
