/* Walks a file or folder that is to be shared, and lists what a torrent of it will hold.
 *
 * Nothing is dropped silently: hidden files and the droppings of operating systems are content like
 * everything else; what cannot be part of a torrent (sockets, links that lead out, empty folders)
 * is skipped and noted; what should be part of it and cannot be read makes the scan fail, naming
 * each such file. Links are never followed. It opens and closes files and hashes nothing.
 *
 * Blocking: meant for the inside of a job. Called by create.c and by whoever wants to know whether
 * a share is still what it was. */
#ifndef KITH_STORE_SCAN_H
#define KITH_STORE_SCAN_H

#include "base/arena.h"
#include "base/ids.h"
#include "env/env.h"
#include <stdatomic.h>

#define SCAN_FILES_MAX 1000000u /* files and links in one torrent */
#define SCAN_DEPTH_MAX 99u      /* folders within folders: paths have PATH_DEPTH_MAX components */
#define SCAN_PATH_MAX 4000u     /* bytes of one path, relative to the root */
#define SCAN_NOTES_MAX 1000u    /* notes kept; note_total goes on counting */
#define SCAN_LINK_HOPS_MAX 8u   /* links that lead to links */
#define SCAN_MEMORY_MAX ((size_t)512 << 20)

/* One file or link, in the order of the torrent: sorted by path, component by component and byte by
 * byte, which is the order of BEP 52's file tree. */
struct scan_file {
    const char *path;   /* relative to the root, '/' between components; the name if single_file */
    const char *target; /* a link's: relative to the root, '/' between components. Else NULL */
    uint64_t size;      /* 0 for links */
    int64_t mtime_ns;
    uint64_t device, inode;
    bool executable;
};

enum scan_note_kind {
    /* skipped */
    SCAN_SPECIAL,      /* a socket, pipe or device */
    SCAN_LINK_OUTSIDE, /* a link that leads out of the root, to the root itself, or is absolute */
    SCAN_LINK_BROKEN,  /* a link to nothing, or in a circle */
    SCAN_EMPTY_FOLDER, /* torrents hold files only */
    /* problems: the scan fails, unless options say skip_problems */
    SCAN_UNREADABLE, /* a file or folder that cannot be opened; err says why */
    SCAN_BAD_NAME,   /* not UTF-8, which BEP 3 requires */
    SCAN_ODD_NAME,   /* format/path.h would change it: the file would not be found again */
    SCAN_TOO_DEEP    /* SCAN_DEPTH_MAX or SCAN_PATH_MAX is passed */
};

struct scan_note {
    enum scan_note_kind kind;
    int err;          /* enum kith_err, or 0 */
    const char *path; /* as it is on disk: may be any bytes, escape it before showing */
};

struct scan_options {
    bool skip_problems; /* note problems and go on without those files */
    bool to_share;      /* by us: names that format/path.h would change are problems */
    /* Globs of paths, or of their last components: what matches one is left out, folders with all
     * that is in them. */
    const char *const *exclude;
    size_t exclude_count;
    const atomic_bool *cancel; /* looked at now and then; NULL: never cancelled */
};

struct scan {
    const char *name;    /* last component of the path: the torrent's name by default */
    bool single_file;    /* `path` named a file: files[0] is it, and dir is the folder it is in */
    struct env_dir *dir; /* what files' paths are relative to; open as long as the scan lives */
    struct scan_file *files;
    size_t count;
    uint64_t total_size;
    struct scan_note *notes; /* at most SCAN_NOTES_MAX, problems first */
    size_t note_count;
    uint64_t excluded;   /* files and folders that the options left out */
    uint64_t note_total; /* how many there would have been */
    struct arena arena;  /* the strings */
};

/* `path`: absolute, or relative to the process; may itself be a link. Its last component must be a
 * name: for "." or "/" hand in the real path, or ERR_INVALID.
 * *out is set also on failure (except ERR_NOMEM), so that notes can be shown; free with scan_free.
 * Errors: that of the first problem (ERR_PERMISSION, ERR_IO, ERR_SYNTAX for a bad name, ERR_LIMIT);
 * ERR_NOT_FOUND: no such path, or no file in it; ERR_UNSUPPORTED: not a file or folder; ERR_LIMIT:
 * more than SCAN_FILES_MAX; ERR_CANCELLED. */
int scan_run(struct env *, const char *path, const struct scan_options *, struct scan **out);
void scan_free(struct scan *);

/* What was scanned, in 32 bytes: name, paths, sizes, times, inodes, links, modes. Two scans with
 * the same digest are of unchanged data, unless somebody set the clock or the times back. */
bool scan_digest(const struct scan *, struct sha256_digest *out); /* false: no memory */
/* Is this still the file that was scanned: size, time, inode, device? */
bool scan_file_unchanged(const struct scan_file *, const struct env_stat *);

/* Was every file last written at least SCAN_SETTLED_S seconds before now_unix, or in the future?
 * Only then does a later write show in its time: clocks of file systems are as coarse as 2 s. */
#define SCAN_SETTLED_S 3
bool scan_is_settled(const struct scan *, int64_t now_unix);

/* An English clause for a kind: "is a socket, pipe or device". */
const char *scan_note_text(enum scan_note_kind);

#endif
