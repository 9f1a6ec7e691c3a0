/* The bytes of a run of pieces, through the files under them, in order: where they are mapped if
 * they can be and it pays, else copied to the caller's room. create_hash.c's, for the inside of
 * jobs. */
#ifndef KITH_STORE_CREATE_READ_H
#define KITH_STORE_CREATE_READ_H

#include "env/env.h"
#include "store/file_window.h"
#include "store/scan.h"

struct create_reader {
    const struct scan *scan;
    size_t file;
    uint64_t offset;
    uint64_t left; /* bytes that will still be asked for */
    struct env_file *open;
    struct file_window window; /* of that file */
    uint64_t files_ended;
};

/* From `offset` in file `file`, `size` bytes in all. Must not move until create_reader_end. */
void create_reader_begin(
    struct create_reader *, const struct scan *, size_t file, uint64_t offset, uint64_t size);
/* The disk shall begin to read the next `size` bytes: only advice. Errors of opening the file. */
int create_reader_ahead(struct create_reader *, uint64_t size);
/* The next `size` bytes: in `room`, or where *out is set to; there until the next call.
 * ERR_CHANGED: a file is not the one that was scanned. Errors concern the file at r->file. */
int create_reader_next(struct create_reader *, size_t size, uint8_t *room, const uint8_t **out);
/* Lets go of everything; 0, or how the last file had changed. */
int create_reader_end(struct create_reader *);

#endif
