/* See verify.h. */
#include "store/verify.h"

#include "base/err.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include <stdlib.h>

bool verify_hashes(
    const struct metainfo_piece *info, const uint8_t *v1, const struct sha256_digest *leaves)
{
    if (v1 && memcmp(v1, info->v1, sizeof(struct sha1_digest)) != 0)
        return false;
    if (!leaves)
        return v1 != NULL;
    struct sha256_digest root = merkle_root(leaves, info->v2_block_count, 0, info->v2_height);
    return sha256_equal(&root, &info->v2_root);
}

/* SHA-1 of all pieces that have one, side by side. */
static int verify_v1(struct verify_piece *pieces, size_t count)
{
    struct hash_job *jobs = calloc(count, sizeof *jobs);
    struct sha1_digest *digests = calloc(count, sizeof *digests);
    int err = jobs && digests ? 0 : ERR_NOMEM;
    size_t used = 0;
    for (size_t i = 0; !err && i < count; i++)
        if (pieces[i].info.v1)
            jobs[used++] = (struct hash_job){pieces[i].parts, pieces[i].part_count, digests[i].b};
    if (!err && used)
        hash_many(HASH_SHA1, jobs, used);
    for (size_t i = 0; !err && i < count; i++)
        if (pieces[i].info.v1 && memcmp(digests[i].b, pieces[i].info.v1, sizeof digests[i].b) != 0)
            pieces[i].right = false;
    free(jobs);
    free(digests);
    return err;
}

/* The piece's 16 KiB blocks, as views; stops at v2_size (a hybrid's padding is not covered). */
static size_t split_blocks(const struct verify_piece *p, struct bytes *out)
{
    size_t count = 0;
    uint32_t left = p->info.v2_size;
    for (size_t i = 0; i < p->part_count && left > 0; i++) {
        for (size_t at = 0; at < p->parts[i].size && left > 0;) {
            size_t n = p->parts[i].size - at;
            n = n < METAINFO_BLOCK_SIZE ? n : METAINFO_BLOCK_SIZE;
            n = n < left ? n : left;
            out[count++] = bytes_of(p->parts[i].data + at, n);
            at += n;
            left -= (uint32_t)n;
        }
    }
    return count;
}

static int verify_v2(struct verify_piece *p)
{
    size_t count = p->info.v2_block_count;
    struct bytes *blocks = calloc(count, sizeof *blocks);
    struct hash_job *jobs = calloc(count, sizeof *jobs);
    struct sha256_digest *leaves = calloc(count, sizeof *leaves);
    int err = blocks && jobs && leaves ? 0 : ERR_NOMEM;
    if (!err && split_blocks(p, blocks) == count) {
        for (size_t i = 0; i < count; i++)
            jobs[i] = (struct hash_job){&blocks[i], 1, leaves[i].b};
        hash_many(HASH_SHA256, jobs, count);
        p->right &= verify_hashes(&p->info, NULL, leaves);
    } else {
        p->right = false;
    }
    free(blocks);
    free(jobs);
    free(leaves);
    return err;
}

int verify_pieces(struct verify_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pieces[i].right = pieces[i].info.v1 != NULL || pieces[i].info.v2_known;
    int err = verify_v1(pieces, count);
    for (size_t i = 0; i < count && !err; i++)
        if (pieces[i].info.has_v2 && pieces[i].info.v2_known && pieces[i].right)
            err = verify_v2(&pieces[i]);
    return err;
}
