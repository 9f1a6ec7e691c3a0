/* Descriptors of open folders: one for all who opened the same, and at most so many. Thousands of
 * torrents lie in few folders; and where they lie in many, those that nobody is using right now are
 * closed, the longest unused first, and opened again by their path when they are needed. What
 * stands there then must have the inode that it had, else it is absent: nothing is looked for, or
 * written, in another folder. Where inodes change their numbers (FAT, FUSE) none is closed.
 * Thread-safe. */
#ifndef KITH_ENV_UV_FOLDERS_H
#define KITH_ENV_UV_FOLDERS_H

#include "base/list.h"
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define REAL_FOLDERS_OPEN_MAX 64u /* more only while more are in use */

struct map;
struct real_folder;

struct real_folders {
    pthread_mutex_t lock;
    struct map *by_path;   /* the newest under each path; NULL: none is shared */
    struct list_link idle; /* open and not in use, the longest unused first */
    unsigned open;
};

void real_folders_init(struct real_folders *);
/* Nobody has one open. */
void real_folders_free(struct real_folders *);
/* 0 or errno. */
int real_folder_open(struct real_folders *, const char *path, struct real_folder **out);
void real_folder_close(struct real_folders *, struct real_folder *);
/* Its descriptor, until it is given back; or -errno (-ENOENT: it is not there, or another one). */
int real_folder_take(struct real_folders *, struct real_folder *);
void real_folder_give(struct real_folders *, struct real_folder *);

#endif
