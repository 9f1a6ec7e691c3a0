/* The hashing of create.c: how a scan's files become pieces, how the pieces are dealt out in units
 * of a few MiB, and how one unit is read and hashed.
 *
 * Piece space is that of the torrent to come: in v1 alone the files end to end; in v2 and hybrids
 * each file begins with a piece of its own. Either way a unit is a run of whole pieces, and the
 * bytes of a unit are a run of bytes of the files end to end: so a unit is read into its buffer
 * without gaps, and each piece is a part of the buffer.
 *
 * create_plan_* belong to the loop's thread; hash_unit_run is for the inside of a job, and touches
 * nothing but its unit and the hashes of its own pieces. */
#ifndef KITH_STORE_CREATE_HASH_H
#define KITH_STORE_CREATE_HASH_H

#include "base/ids.h"
#include "crypto/hash.h"
#include "store/create/create.h"
#include "store/create/create_read.h"
#include "store/create/scan.h"
#include "store/hash_step.h"

#define CREATE_UNIT_PIECES_MAX 256u
/* SHA-1 of a hybrid's small files is mostly SHA-1 of pads: a bound on those of one unit, so that a
 * cancelled creation stops soon. */
#define CREATE_UNIT_PADDED_MAX ((uint64_t)256 << 20)
/* Of v2 alone, the buffer several times over. */
#define CREATE_UNIT_V2_MAX ((size_t)16 << 20)
#define CREATE_BLOCK_SIZE 16384u
/* Leaves of what fits the buffer: full ones, and a short one for each piece. */
#define CREATE_UNIT_LEAVES (CREATE_BUFFER_SIZE / CREATE_BLOCK_SIZE + CREATE_UNIT_PIECES_MAX)

struct unit_piece {
    uint32_t size;   /* bytes of files in it */
    uint32_t pad;    /* zeros that SHA-1 covers after them (hybrids) */
    uint32_t height; /* of the tree over its leaves (v2) */
};

struct create_place {
    uint64_t piece;
    size_t file;
    uint64_t offset; /* in that file */
};

/* Everything that is the same for all units. */
struct create_plan {
    const struct scan *scan;
    bool v1, v2;
    uint32_t piece_length;
    unsigned piece_height; /* log2(piece_length / 16 KiB) */
    uint64_t piece_count;
    struct sha1_digest *v1_pieces;   /* piece_count; NULL without v1 */
    struct sha256_digest *v2_pieces; /* piece_count: a file's layer is a run of them. A file no
                                        longer than a piece has its root there */
    bool in_step; /* too long for many to lie in the buffer: SHA-1 is hashed in step */
    const atomic_bool *cancel;

    struct create_place next; /* the next unit begins here */
};

/* One job's work and its room. */
struct hash_unit {
    const struct create_plan *plan;
    uint64_t first_piece;
    size_t piece_count;
    size_t first_file;
    uint64_t first_offset;
    uint64_t size; /* bytes of files in it */
    struct unit_piece pieces[CREATE_UNIT_PIECES_MAX];

    uint8_t *buffer;              /* hash_unit_room */
    struct sha256_digest *leaves; /* v2 */
    struct hash_group *sha1;      /* v1 */
    struct hash_step *step;       /* of those that are hashed in step, instead of the buffer */

    bool unmapped; /* its files are read, not mapped */
    bool torn;     /* what was mapped could not be read, and no file has changed */

    int err;         /* after hash_unit_run: 0, or what happened ... */
    size_t err_file; /* ... to which file */
    uint64_t files_ended;
};

/* The layout for a scan. Units point to the plan: it must not move. ERR_LIMIT: more pieces than a
 * torrent may have; ERR_NOMEM. Free with create_plan_free, also after failure. */
int create_plan_init(struct create_plan *, const struct scan *, enum create_kind,
    uint32_t piece_length, const atomic_bool *cancel);
void create_plan_free(struct create_plan *);
/* The next run of pieces; false when all have been dealt out. */
bool create_plan_next(struct create_plan *, struct hash_unit *);

/* Allocates a unit's buffers, once. ERR_NOMEM. */
int hash_unit_room(struct hash_unit *, const struct create_plan *);
void hash_unit_free(struct hash_unit *);
/* Reads and hashes; sets err. Blocking. */
void hash_unit_run(struct hash_unit *);

/* The root of file `file`, whose first piece is `first_piece`: from its layer if it has one. */
struct sha256_digest create_plan_root(
    const struct create_plan *, size_t file, uint64_t first_piece);

#endif
