/* The inside of a recheck's jobs: are these pieces right as they stand on the disk? Mapped where
 * that is possible, else read. storage_check.c deals out the pieces. */
#ifndef KITH_STORE_RECHECK_H
#define KITH_STORE_RECHECK_H

#include "store/storage.h"

#define RECHECK_PIECES_MAX 64u /* of one job */

/* What a job hashes with: a few MiB, handed on from job to job. */
struct recheck_room {
    struct recheck_room *next; /* for the owner's list */
    struct hash_step *step;    /* NULL until used, as the rest */
    struct sha256_digest *leaves;
    uint8_t *buffer;
};
struct recheck_room *recheck_room_new(void); /* NULL: no memory */
void recheck_room_free(struct recheck_room *);

/* May a job that has so many pieces, and bytes of them, take one more? */
bool recheck_takes_more(const struct storage *, unsigned count, size_t bytes, uint32_t next_size);
/* Sets `right` of each; pieces of which something is missing are not right, which is no error. */
int recheck_pieces(
    struct storage *, struct recheck_room *, const uint32_t *pieces, unsigned count, bool *right);

#endif
