/* One torrent's data on disk.
 *
 * Owned by the loop's thread; the work is done in jobs, and each call's callback comes on the loop,
 * never inside the call. Nothing is written before storage_open and, where files exist already,
 * storage_check have said what is there; nothing is ever truncated or replaced that is not ours.
 * Only verified data is written, save for blocks that are spilled to files of our own. */
#ifndef KITH_STORE_STORAGE_H
#define KITH_STORE_STORAGE_H

#include "base/bitfield.h"
#include "base/list.h"
#include "base/log.h"
#include "env/env.h"
#include "format/metainfo.h"
#include "store/chunk.h"
#include "store/file_cache.h"
#include "store/piece_buffer.h"

#define STORAGE_READ_MAX (512u << 10)  /* bytes of one read */
#define STORAGE_READ_BLOCKS 32u        /* blocks of one read */
#define STORAGE_READ_MAPS 8u           /* runs that a lent read is made of */
#define STORAGE_BLOCK_MAX (128u << 10) /* bytes of one block */
#define STORAGE_BLOCK_RUNS_MAX 4       /* runs of memory that one block is made of */
/* Bytes that a check job reads before it hashes; a longer piece is hashed in slices. */
#define STORAGE_CHECK_BATCH (4u << 20)
#define STORAGE_ERROR_MAX 256u

struct storage;

struct storage_config {
    struct env *env;
    struct log *log;
    struct metainfo *metainfo; /* a reference is taken */
    struct chunk_pool *pool;   /* shared; outlives it */
    struct file_cache *files;  /* shared; outlives it */
    const char *folder;        /* where the torrent's root stands or will */
    const char *root;          /* its name there; NULL: the torrent's own */
    bool preallocate;
};

/* NULL: no memory. */
struct storage *storage_new(const struct storage_config *);
/* Nothing of it may be under way (storage_idle). */
void storage_free(struct storage *);
bool storage_idle(const struct storage *);
struct chunk_pool *storage_pool(const struct storage *);
const char *storage_folder(const struct storage *);
/* What went wrong last, in words, with the path; "" if nothing did. */
const char *storage_error(const struct storage *);

/* How a file stands on disk against what the torrent says. */
enum storage_file_state {
    STORAGE_FILE_ABSENT,
    STORAGE_FILE_SAME_SIZE,
    STORAGE_FILE_SHORTER,
    STORAGE_FILE_LONGER,
    STORAGE_FILE_NOT_A_FILE
};

/* What is known of a file from an earlier session: proof that it was not touched since. */
struct storage_file_record {
    uint64_t size;
    int64_t mtime_ns; /* 0: the file was not there */
    uint64_t inode;
    /* Kith has written to it, or its user gave it over. Of one that was not there: it is wanted,
     * and kith may make it. */
    bool ours;
};
/* Somebody else has written to the file: no record vouches for what it holds. No file is as large,
 * and none that was larger is believed (resume.c). */
static inline void storage_distrust(struct storage_file_record *r)
{
    r->size = UINT64_MAX;
}

/* What opening found. Valid during the callback; `states` and `now` have one entry a file. */
struct storage_opening {
    const uint8_t *states; /* enum storage_file_state */
    const struct storage_file_record *now;
    bool folder_exists;
    bool parts_exist; /* the sidecar of files that were not wanted */
};
/* Looks at the folder and its files; creates nothing. ERR_ABSENT is not an error here: everything
 * is absent then. */
int storage_open(struct storage *,
    void (*done)(void *user, int err, const struct storage_opening *), void *user);

/* Hashes these pieces, all cores, in the background lane. progress() is called with each batch's
 * pieces: `right` tells which. done(): 0, ERR_CANCELLED, or the first error that was not simply
 * missing data. */
struct storage_check_events {
    void (*piece)(void *user, uint32_t piece, bool right);
    void (*done)(void *user, int err);
};
int storage_check(struct storage *, const struct bitfield *pieces,
    const struct storage_check_events *, void *user);
/* That, and storage_find_held. */
void storage_check_cancel(struct storage *);

/* The v2 hashes of the blocks of these pieces of one file, read and hashed in the background lane.
 * done() owns `leaves` (free); ERR_HASH: the disk does not hold what it should. Pieces that we have
 * verified, of a torrent with v2, no padding among them. */
int storage_leaves(struct storage *, uint32_t first_piece, uint32_t pieces,
    void (*done)(void *user, int err, struct sha256_digest *leaves, size_t count), void *user);

/* Do files hold anything where pieces are not the torrent's? `first`: the first of the parts that
 * is there and not only zeros, which is room that was reserved; `count`: none is. `parts` stand
 * until then. Errors as of reading, and ERR_CANCELLED. */
struct storage_part {
    uint32_t file, piece;
};
int storage_find_held(struct storage *, const struct storage_part *parts, size_t count,
    void (*done)(void *user, int err, size_t first), void *user);

/* Is this file ours to write to, whoever made it? Records say so from now on. One that was not
 * there at the last opening becomes ours when we make it. */
void storage_set_ours(struct storage *, uint32_t file, bool ours);
bool storage_is_ours(const struct storage *, uint32_t file);
/* Since the last opening, has somebody else written to it, or put it where ours was to be made?
 * Then writing there fails with ERR_EXISTS, and no record vouches for it. */
bool storage_is_touched(const struct storage *, uint32_t file);
/* And storage_prepare cuts off what it has more than the torrent's. */
void storage_cut_file(struct storage *, uint32_t file);

/* Makes folders, empty files and links, and reserves room. Idempotent. */
int storage_prepare(struct storage *, void (*done)(void *user, int err), void *user);

/* Verifies a whole piece and writes it if it is right. done(): 0: verified and written; ERR_HASH:
 * not the piece; other errors: the disk's (the blocks in memory are still there). The buffer is the
 * caller's again. */
int storage_finish(struct storage *, struct piece_buffer *,
    void (*done)(void *user, struct piece_buffer *, int err), void *user);

/* Pieces wait for one another, so that they are hashed side by side: those that wait now shall
 * not. The caller sees to it soon after the first of them. */
void storage_finish_now(struct storage *);
unsigned storage_finish_waiting(const struct storage *); /* pieces that wait for company */
uint64_t storage_finish_bytes(const struct storage *);   /* of them */
bool storage_finish_running(const struct storage *);     /* others are being verified and written */

/* Writes the blocks that are in memory to their place, unverified, and frees their chunks. */
int storage_spill(struct storage *, struct piece_buffer *,
    void (*done)(void *user, struct piece_buffer *, int err), void *user);

/* Blocks for a peer, several at a time. Either lent: all of one file, mapped, for links that give
 * their bytes to env_tcp_writev; or copied into chunks, one after the other. Each holder of a block
 * gives its share back; the mappings or chunks go with the last. */
struct storage_block {
    uint32_t piece, begin, length;
    int err; /* of reading it into memory; a lent read succeeds or fails as a whole */
};
struct storage_read {
    struct storage *storage; /* until it is at hand; the rest may outlive it */
    struct chunk_pool *pool;
    struct storage_block blocks[STORAGE_READ_BLOCKS];
    unsigned block_count;
    uint32_t length; /* of all blocks */
    bool lent;
    uint32_t file_number;                  /* lent: the blocks lie in this file ... */
    uint64_t offsets[STORAGE_READ_BLOCKS]; /* ... there, in so many runs */
    unsigned run_count, map_count;
    struct env_mapping maps[STORAGE_READ_MAPS]; /* of the runs */
    const uint8_t *lent_data[STORAGE_READ_BLOCKS];
    struct chunk *chunks[STORAGE_READ_MAX / CHUNK_SIZE]; /* not lent */
    unsigned chunk_count, holders;
};
enum storage_way {
    STORAGE_COPY,
    STORAGE_LEND /* lent where that pays: the bytes are for env_tcp_writev only */
};
/* An empty read with one holder; NULL: no memory. */
struct storage_read *storage_read_new(struct storage *);
/* Adds a block; false: there is no room, no buffer memory, or it has to go another way than the
 * blocks before it. */
bool storage_read_add(
    struct storage_read *, enum storage_way, uint32_t piece, uint32_t begin, uint32_t length);
/* True: all of it is at hand. False: done() follows; err is that of a lent read (ERR_LIMIT: copy
 * instead). `done` and `user` are for the caller's use only until then. */
bool storage_read_start(
    struct storage_read *, void (*done)(void *user, struct storage_read *, int err), void *user);
/* The bytes of block `i`, which is at hand; how many runs (at most STORAGE_BLOCK_RUNS_MAX). */
int storage_read_runs(const struct storage_read *, unsigned i, struct bytes *runs);
static inline void storage_read_hold(struct storage_read *r)
{
    r->holders++;
}
void storage_read_release(struct storage_read *);
/* A lent block could not be sent: remembers it in words. */
void storage_read_failed(struct storage *, uint32_t piece, int err);

/* Closes the folder and its files, so that the next storage_open looks at what stands at that path
 * by then: a volume that came back. Only while idle. */
void storage_let_go(struct storage *);

/* A file that is not wanted is not made: what its neighbours' pieces hold of it goes into a
 * sidecar, ".<name>.kith-parts" in the folder. Files that stand there already are written in place.
 * Before storage_prepare, which sees to all that; or later: then a file that becomes wanted gets
 * its share out of the sidecar, and done() is called (not before; never for what needs no work:
 * returns 1). */
int storage_set_wanted(
    struct storage *, uint32_t file, bool wanted, void (*done)(void *user, int err), void *user);

/* Moves all files that are there to another folder: renames, or across volumes copies, syncs, and
 * only then deletes. Nothing that stands there is replaced: ERR_EXISTS, and nothing was moved. On
 * any error the data is whole where it was. Other calls may go on meanwhile; they wait. done() is
 * told which of the files somebody else has written to by then, as storage_look tells it. */
int storage_move(struct storage *, const char *folder,
    void (*done)(void *user, int err, const uint32_t *files, size_t count), void *user);

/* Deletes the files marked in `which` (one byte a file), the sidecar, and folders that are empty
 * then. Files that are gone already are fine. */
int storage_delete(
    struct storage *, const uint8_t *which, void (*done)(void *user, int err), void *user);

/* Was anything read for peers, or to be checked, since the last look? */
bool storage_was_read(const struct storage *);
/* Looks at the files that were: done() is told which of them somebody else has written to since
 * they were opened or synced (valid during the callback; count 0: none). No record of a sync
 * vouches for these until the next storage_open. By size and time: who sets the time back is not
 * found out. ERR_AGAIN: not now. */
int storage_look(
    struct storage *, void (*done)(void *user, const uint32_t *files, size_t count), void *user);

/* Makes all that was written durable; done() afterwards may claim what was verified before the
 * call, with the files as they stand now. */
int storage_sync(struct storage *,
    void (*done)(void *user, int err, const struct storage_file_record *files), void *user);

#endif
