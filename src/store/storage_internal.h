/* The whole of a storage, for storage*.c only.
 *   storage.c        birth, opening, preparing, syncing
 *   storage_io.c     a range of a piece as ranges of files: the inside of all jobs
 *   storage_pieces.c finish and spill
 *   storage_read.c   reading for peers
 *   storage_held.c   whether files hold anything where pieces are wrong
 *   storage_look.c   whether somebody else has written to what is read
 *   storage_parts.c  the sidecar of files that are not wanted
 *   storage_move.c   moving and deleting
 *   storage_check.c  hashing what is on the disk; recheck.c, the inside of its jobs
 *   storage_hash.c   hashing one piece in slices */
#ifndef KITH_STORE_STORAGE_INTERNAL_H
#define KITH_STORE_STORAGE_INTERNAL_H

#include "store/file_window.h"
#include "store/storage.h"
#include <pthread.h>
#include <stdatomic.h>

#define STORAGE_FINISH_BATCH 16u /* pieces that one worker takes: the lanes of a hash kernel */

struct storage_file {
    char *path;        /* relative to the folder */
    atomic_bool dirty; /* written since the last sync */
    /* Verified by reading what an earlier run may not have synced: so far only in the cache. */
    atomic_bool doubtful;
    atomic_bool made;     /* it exists and has been opened for writing before */
    atomic_bool in_parts; /* not wanted and not there: written to the sidecar */
    atomic_bool named;    /* its name is durable */
    bool found;           /* a file, by the last opening */
    bool cuts;            /* storage_prepare: what it has more than the torrent's goes */
    bool completes;       /* storage_prepare: what the sidecar has of it comes */
    atomic_bool ours;     /* we have made it or written to it, now or in an earlier run */
    /* As the last sync or move saw it, or else the last opening; nobody of ours has written since,
     * unless it is dirty. If somebody else has, the old record is the one that tells. */
    struct storage_file_record record;
    atomic_bool known; /* there is such a record */
    /* Somebody else has written to it since the last opening, or put it where we had none. */
    atomic_bool touched;
    atomic_bool was_read; /* since the last look */
};

struct check;
struct move_job;
struct sync_job;
struct storage {
    struct env *env;
    struct log *log;
    struct metainfo *metainfo;
    struct chunk_pool *pool;
    struct file_cache *files;
    char *folder;
    bool preallocate, prepared;
    struct env_dir *_Atomic dir; /* NULL until a worker has opened the folder */
    struct storage_file *file;   /* one a file of the metainfo */
    char *parts_path;            /* of the sidecar */
    atomic_bool parts_exist;
    atomic_bool was_read;             /* some file was, since the last look */
    unsigned jobs;                    /* asked for and not answered */
    unsigned running;                 /* of them, with a worker */
    struct env_job *held, **held_end; /* that wait for a move to end */
    struct move_job *move;
    struct sync_job *syncs; /* the first is under way: two at a time would hide from one another */
    unsigned finish_jobs;   /* of them, batches of pieces */
    struct list_link finishing; /* whole pieces that wait for company or a worker ... */
    unsigned finish_waiting;    /* ... how many */
    uint64_t finish_bytes;
    bool finish_hurry; /* those that wait now wait for workers only */
    struct check *check;
    atomic_bool gives_up; /* storage_find_held: it is not waited for any more */
    pthread_mutex_t error_lock;
    char error[STORAGE_ERROR_MAX];
};

/* ---- storage.c ----------------------------------------------------------------------------- */
/* env_submit, but later while the data is being moved; each done() says when it has ended. */
void storage_submit(struct storage *, enum env_lane, struct env_job *);
void storage_job_ended(struct storage *);
void storage_release_held(struct storage *);
/* The files are not looked after any more: the next sync looks again. */
void storage_forget_records(struct storage *);
/* Makes the names that lead to a file durable. Files stand in the order of their folders: *last,
 * which is the caller's to free, is the folder that was synced last, and not synced again. */
int storage_sync_names(struct env_dir *, const char *path, char **last);
/* What we wrote ourselves and have not synced yet says nothing about others. */
static inline bool storage_is_comparable(struct storage_file *f)
{
    return atomic_load(&f->known) && !atomic_load(&f->dirty) && !atomic_load(&f->in_parts);
}
/* Not by the inode's number: on FAT, and on much that comes by FUSE, it is another one whenever the
 * system has forgotten the file. */
static inline bool storage_is_other(
    const struct storage_file_record *then, uint64_t size, int64_t mtime_ns)
{
    return then->size != size || then->mtime_ns != mtime_ns;
}

/* ---- storage_move.c ------------------------------------------------------------------------ */
/* The last job that was running when a move was asked for has ended. */
void storage_move_begin(struct storage *);

/* ---- storage_parts.c: inside jobs ---------------------------------------------------------- */
/* As read_file and write_file of storage_io.c, in the sidecar. */
int storage_parts_read(
    struct storage *, uint32_t file, uint64_t offset, const struct iovec *iov, int n);
int storage_parts_write(
    struct storage *, uint32_t file, uint64_t offset, const struct iovec *iov, int n);
int storage_parts_sync(struct storage *);
/* What it holds of a file goes to its place. */
int storage_parts_complete(struct storage *, uint32_t file);
#define STORAGE_PARTS_FILE UINT32_MAX /* its number in the file cache */

/* ---- storage_hash.c: inside jobs ----------------------------------------------------------- */
/* Is the piece right? Its bytes are taken from the disk, those that `pb` (may be NULL) has in
 * memory from there. Needs memory for a slice, not for the piece. Errors as of storage_read_range,
 * and ERR_NOMEM. */
int storage_hash_piece(
    struct storage *, uint32_t piece, const struct piece_buffer *pb, bool *right);

/* ---- storage_io.c: inside jobs ------------------------------------------------------------- */
/* Remembers in words what failed where; returns err. */
int storage_note_error(struct storage *, int err, const char *doing, uint32_t file);
/* A range of a piece to or from memory; `iov` is used up. Pads read as zeros and are not written.
 * Reading what is not there is ERR_NOT_FOUND (no file) or ERR_CHANGED (too short). */
int storage_read_range(
    struct storage *, uint32_t piece, uint32_t begin, struct iovec *iov, int count);
/* The same on the loop, if the files are open and the range in the page cache. */
bool storage_read_range_now(
    struct storage *, uint32_t piece, uint32_t begin, struct iovec *iov, int count);
/* A window that knows its file. Zeroed: closed. */
struct storage_window {
    uint32_t file;
    struct file_window in_file;
};
/* A range of a piece where the window has it mapped, or NULL. */
const uint8_t *storage_mapped(const struct storage *, const struct storage_window *, uint32_t piece,
    uint32_t begin, uint32_t size);
/* The same after opening the (closed) window there, over `length` bytes if the file has them. NULL:
 * it cannot be, or not all of the range is in one file; read it. */
const uint8_t *storage_map(struct storage *, struct storage_window *, uint32_t piece,
    uint32_t begin, uint32_t size, uint64_t length);
/* The file, to be written to and given back to the cache; made if nothing stood there at the last
 * opening. ERR_EXISTS: something stands there now, and is not touched. */
int storage_take_to_write(struct storage *, uint32_t file, struct env_file **);
int storage_write_range(
    struct storage *, uint32_t piece, uint32_t begin, struct iovec *iov, int count);
/* The disk shall begin to read a piece, if its file is open already: only advice. */
void storage_read_ahead(struct storage *, uint32_t piece);
/* The files of a piece that was found right on the disk. */
void storage_doubt(struct storage *, uint32_t piece);
/* A file is read: the next look is at it, too. */
static inline void storage_note_read(struct storage *s, uint32_t file)
{
    atomic_store_explicit(&s->file[file].was_read, true, memory_order_relaxed);
    atomic_store_explicit(&s->was_read, true, memory_order_relaxed);
}
/* Opens the folder if it is not open yet, making it if asked to. */
int storage_open_folder(struct storage *, bool create);

#endif
