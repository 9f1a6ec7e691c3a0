/* The bytes of a run of pieces, through the files under them, in order: where they are mapped if
 * they can be and it pays, else copied to the caller's room. create_hash.c's, for the inside of
 * jobs. */
#ifndef KITH_STORE_CREATE_READ_H
#define KITH_STORE_CREATE_READ_H

#include "env/env.h"
#include "store/create/scan.h"
#include "store/file_window.h"

struct create_reader {
    const struct scan *scan;
    size_t file;
    uint64_t offset;
    uint64_t left; /* bytes that will still be asked for */
    struct env_file *open;
    struct file_window window; /* of that file */
    uint64_t files_ended;
    const struct create_share *share; /* NULL: it is the only reader */
    bool unmapped;                    /* it maps nothing */
    bool torn; /* out: something that it had mapped could not be read, of a file that is the same */
};

/* A window that readers of one thread share, so that the neighbours among them need none of their
 * own. Zeroed: there is none. Must not move. */
struct create_share {
    struct file_window window;
    size_t file;
};

/* From `offset` in file `file`, `size` bytes in all. Must not move until create_reader_end. */
void create_reader_begin(
    struct create_reader *, const struct scan *, size_t file, uint64_t offset, uint64_t size);
/* Opens a window over the next `size` bytes, as far as they lie in one file, for this reader and
 * all others that have it as their `share`; if it cannot, they do without. Closed by
 * create_share_end, before the readers are. */
void create_reader_share(struct create_reader *, uint64_t size, struct create_share *);
/* As file_window_close. If the readers find nothing changed after this says so, it was the disk. */
int create_share_end(struct create_share *);
/* The disk shall begin to read the next `size` bytes: only advice. Errors of opening the file. */
int create_reader_ahead(struct create_reader *, uint64_t size);
/* The next `size` bytes: in `room`, or where *out is set to; there until the next call.
 * ERR_CHANGED: a file is not the one that was scanned; ERR_IO: what was mapped before could not be
 * read. Errors concern the file at r->file. */
int create_reader_next(struct create_reader *, size_t size, uint8_t *room, const uint8_t **out);
/* Lets go of everything; 0, or how the last file had changed. */
int create_reader_end(struct create_reader *);

#endif
