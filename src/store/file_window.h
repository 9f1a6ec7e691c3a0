/* A part of a file that is mapped while it is hashed (env_file_view), for the inside of jobs.
 * Zeroed: closed. Must not move while it is open. */
#ifndef KITH_STORE_FILE_WINDOW_H
#define KITH_STORE_FILE_WINDOW_H

#include "env/env.h"

/* Long, because each costs five system calls, two of which keep all other threads from the table of
 * mappings, and a flush of all cores' address caches. */
#define FILE_WINDOW_MAX ((size_t)64 << 20)
/* Of each where a job has one for every piece. */
#define FILE_WINDOW_OF_MANY ((size_t)4 << 20)

struct file_window {
    struct env_view view;
    uint64_t begin, end; /* in the file */
    bool open;
};

/* `size` bytes of the file from `offset` on, or NULL: they are not in the window. */
const uint8_t *file_window_at(const struct file_window *, uint64_t offset, size_t size);
/* Opens a closed window over `length` bytes from `offset` on, all of which the file has. False: it
 * cannot be, or is not worth it, and reading the file tells whether something is wrong. */
bool file_window_open(struct file_window *, struct env_file *, uint64_t offset, size_t length);
/* 0 (also of a closed one), or ERR_CHANGED: some of what was there was not the file's, because it
 * was cut or its disk failed. */
int file_window_close(struct file_window *);

#endif
