/* See tidy.h. */
#include "cli/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEM 32u /* hex digits: session_name */
#define LOOKED_AT_MAX 8192u

/* All files of one record: the database and what stands beside it. */
struct record {
    char stem[STEM + 1];
    time_t used; /* the newest of them */
};

static bool is_ours(const char *name)
{
    return strspn(name, "0123456789abcdef") == STEM && strncmp(name + STEM, ".db", 3) == 0;
}

static struct record *find(struct record *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(list[i].stem, name, STEM) == 0)
            return &list[i];
    return NULL;
}

static size_t collect(DIR *dir, struct record *list)
{
    size_t count = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (!is_ours(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        struct record *r = find(list, count, e->d_name);
        if (!r && count < LOOKED_AT_MAX) {
            r = &list[count++];
            snprintf(r->stem, sizeof r->stem, "%.32s", e->d_name);
        }
        if (r && st.st_mtime > r->used)
            r->used = st.st_mtime;
    }
    return count;
}

/* The lock is the state's own (store/state/state_db.c): who holds it is at work. It goes last. */
static void remove_record(int dir, const char *stem)
{
    static const char *const suffixes[] = {
        "", "-wal", "-shm", "-journal", ".copying", ".building", ".new", ".1", ".2", ".lock"};
    char name[STEM + 16];
    snprintf(name, sizeof name, "%s.db.lock", stem);
    int lock = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return;
    bool free_now = flock(lock, LOCK_EX | LOCK_NB) == 0;
    for (size_t i = 0; free_now && i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(name, sizeof name, "%s.db%s", stem, suffixes[i]);
        unlinkat(dir, name, 0);
    }
    close(lock);
}

static int by_use(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return (x->used < y->used) - (x->used > y->used);
}

void tidy_records(const char *folder)
{
    DIR *dir = opendir(folder);
    struct record *list = dir ? calloc(LOOKED_AT_MAX, sizeof *list) : NULL;
    size_t count = list ? collect(dir, list) : 0;
    time_t oldest = time(NULL) - (time_t)TIDY_AGE_DAYS * 86400;
    if (count > 1)
        qsort(list, count, sizeof *list, by_use);
    for (size_t i = 0; i < count; i++)
        if (i >= TIDY_RECORDS_MAX || list[i].used < oldest)
            remove_record(dirfd(dir), list[i].stem);
    free(list);
    if (dir)
        closedir(dir);
}

/* ---- the cache ----------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    remove(path);
    return 0;
}

static void remove_if_left(const char *path)
{
    struct stat st;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return;
    bool old = fstat(folder, &st) == 0 && st.st_mtime < time(NULL) - TIDY_CACHE_HOURS * 3600;
    if (old && flock(folder, LOCK_EX | LOCK_NB) == 0)
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    close(folder);
}

void tidy_cache(const char *folder)
{
    char path[PATH_MAX];
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (strlen(e->d_name) != STEM || strspn(e->d_name, "0123456789abcdef") != STEM)
            continue;
        snprintf(path, sizeof path, "%.3000s/%.32s", folder, e->d_name);
        remove_if_left(path);
    }
    if (dir)
        closedir(dir);
}
