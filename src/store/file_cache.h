/* Open files, at most so many a node, the longest unused closed first. Thread-safe: jobs use it.
 * Nothing is opened or closed under its lock: the loop, which looks for files that are open, never
 * waits for a disk that sleeps or a server that is away. */
#ifndef KITH_STORE_FILE_CACHE_H
#define KITH_STORE_FILE_CACHE_H

#include "env/env.h"

#define FILE_CACHE_MAX 128u /* open files of a node */

struct file_cache;

struct file_cache *file_cache_new(void); /* NULL: no memory */
void file_cache_free(struct file_cache *);
/* The file of `owner` (any pointer) with this number, opened if need be with these flags (enum
 * env_open); whoever wants it meanwhile waits, and others do not. It stays open until
 * file_cache_give. In jobs. Errors of env_file_open; ERR_LIMIT: all are in use. */
int file_cache_take(struct file_cache *, const void *owner, uint32_t number, struct env_dir *,
    const char *path, unsigned flags, struct env_file **out);
/* The same if it is open already, else NULL. Never blocks. */
struct env_file *file_cache_take_open(struct file_cache *, const void *owner, uint32_t number);
void file_cache_give(struct file_cache *, struct env_file *);
/* Closes all files of an owner; those that are in use when they are given back, and nobody else
 * gets them until then: they may be files that have moved away. */
void file_cache_forget(struct file_cache *, const void *owner);

#endif
