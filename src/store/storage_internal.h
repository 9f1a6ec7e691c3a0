/* The whole of a storage, for storage*.c only.
 *   storage.c        birth, opening, preparing, syncing
 *   storage_io.c     a range of a piece as ranges of files: the inside of all jobs
 *   storage_pieces.c finish, spill and read
 *   storage_check.c  hashing what is on the disk */
#ifndef KITH_STORE_STORAGE_INTERNAL_H
#define KITH_STORE_STORAGE_INTERNAL_H

#include "store/storage.h"
#include <pthread.h>
#include <stdatomic.h>

#define STORAGE_FINISH_BATCH 16u /* pieces that one worker takes: the lanes of a hash kernel */

struct storage_file {
    char *path;        /* relative to the folder */
    atomic_bool dirty; /* written since the last sync */
    atomic_bool made;  /* it exists and has been opened for writing before */
};

struct check;
struct storage {
    struct env *env;
    struct log *log;
    struct metainfo *metainfo;
    struct chunk_pool *pool;
    struct file_cache *files;
    char *folder;
    bool preallocate;
    struct env_dir *dir;        /* NULL until the folder was opened */
    struct storage_file *file;  /* one a file of the metainfo */
    unsigned jobs;              /* under way */
    unsigned finish_jobs;       /* of them, batches of pieces */
    struct list_link finishing; /* whole pieces that wait for a worker */
    struct check *check;
    pthread_mutex_t error_lock;
    char error[STORAGE_ERROR_MAX];
};

/* ---- storage_io.c: inside jobs
 * ------------------------------------------------------------------- */
/* Remembers in words what failed where; returns err. */
int storage_note_error(struct storage *, int err, const char *doing, uint32_t file);
/* A range of a piece to or from memory; `iov` is used up. Pads read as zeros and are not written.
 * Reading what is not there is ERR_NOT_FOUND (no file) or ERR_CHANGED (too short). */
int storage_read_range(
    struct storage *, uint32_t piece, uint32_t begin, struct iovec *iov, int count);
int storage_write_range(
    struct storage *, uint32_t piece, uint32_t begin, struct iovec *iov, int count);
/* Opens the folder if it is not open yet, making it if asked to. */
int storage_open_folder(struct storage *, bool create);

#endif
