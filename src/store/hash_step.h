/* Hashes pieces that lie in files, side by side and in step: a slice of each is fetched, to where
 * it fits the cache or where the file is mapped, and hashed at once, with SHA-1 in the lanes of a
 * vector and SHA-256 by blocks. The memory is that of the slices, however long the pieces. For the
 * inside of jobs. */
#ifndef KITH_STORE_HASH_STEP_H
#define KITH_STORE_HASH_STEP_H

#include "base/ids.h"
#include "crypto/hash_group.h"

#define HASH_STEP_PIECES 16u /* the lanes of a vector */
#define HASH_STEP_SLICE 65536u

struct step_piece {
    uint32_t size;                /* bytes to fetch */
    uint32_t pad;                 /* zeros that SHA-1 covers behind them */
    uint8_t *v1;                  /* out: SHA-1; NULL: not wanted */
    uint32_t v2_size;             /* bytes that SHA-256 covers; 0: none */
    struct sha256_digest *leaves; /* out: of each 16 KiB of them */
    bool missing;                 /* out: fetch() said so, and there is no hash */
};

enum step_fetch { STEP_FETCHED = 0, STEP_MISSING = 1 }; /* or a negative error: it ends it all */

/* [begin, begin + size) of piece `i`, asked for in order for each piece: put into `room`, or where
 * *out is set to; there until the next call for that piece, or the end. */
typedef int step_fetch(
    void *user, unsigned i, uint32_t begin, uint32_t size, uint8_t *room, const uint8_t **out);

struct hash_step;
struct hash_step *hash_step_new(void); /* NULL: no memory */
void hash_step_free(struct hash_step *);
/* 1 to HASH_STEP_PIECES pieces. 0 or fetch's error. */
int hash_step_run(
    struct hash_step *, struct step_piece *, unsigned count, step_fetch *fetch, void *user);

#endif
