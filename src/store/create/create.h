/* Makes a torrent of a file or folder: scans it, hashes it on all cores, writes the .torrent.
 *
 * Each byte is read once, also for hybrids: SHA-1 of the pieces and SHA-256 of the 16 KiB blocks
 * are taken from the same buffer while it is hot. Memory is bounded: one buffer of
 * CREATE_BUFFER_SIZE for each job in flight, whatever the size of files and pieces. A file whose
 * size, time or inode is not what the scan saw ends it with ERR_CHANGED. The same input gives the
 * same bytes.
 *
 * Called on the loop's thread by the CLI and node/. Reads through env only, writes no file: what to
 * do with the bytes is the caller's business. */
#ifndef KITH_STORE_CREATE_H
#define KITH_STORE_CREATE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "env/env.h"
#include "store/create/scan.h"

#define CREATE_BUFFER_SIZE ((size_t)4 << 20) /* bytes one job reads before it hashes them */
#define CREATE_JOBS_MAX 64u                  /* in flight, however many workers there are */
#define CREATE_TRACKERS_MAX 500u             /* more is refused; a link holds as many */

struct state;

enum create_kind { CREATE_HYBRID, CREATE_V1, CREATE_V2 };

struct create_tracker {
    const char *url;
    unsigned tier; /* trackers of one tier stand together, tiers in ascending order */
};

/* Reads trackers as people write them: each text is a tier, "URL" or "URL,URL". The list and its
 * texts live as long as the arena. ERR_SYNTAX (not
 * a URL), ERR_LIMIT (more than CREATE_TRACKERS_MAX), ERR_NOMEM. */
int create_read_tiers(struct arena *, const char *const *texts, size_t text_count,
    struct create_tracker **out, size_t *count_out);

/* A name that can be a torrent's: UTF-8, one component, no "." or "..". */
bool create_name_is_good(const char *name);

/* Zeroed (with `path`): a hybrid, everything chosen, no trackers, no date. Copied by create_start.
 */
struct create_options {
    const char *path; /* what scan_run takes */
    const char *name; /* NULL: the last component of the path */
    enum create_kind kind;
    uint32_t piece_length; /* a power of two from 16 KiB; 0: chosen by size */
    bool private_torrent;  /* BEP 27 */
    const struct create_tracker *trackers;
    size_t tracker_count;
    const char *const *web_seeds; /* BEP 19 */
    size_t web_seed_count;
    const char *comment, *created_by, *source; /* NULL: left out */
    int64_t creation_unix;                     /* 0: left out */
    /* Random text that makes the info-hash another than that of the same data elsewhere; NULL. */
    const char *cross_seed;
    const char *const *exclude; /* as scan_options has it */
    size_t exclude_count;
    bool skip_problems;  /* leave out what cannot be read; noted in the scan */
    bool to_share;       /* as scan_options has it */
    bool scan_only;      /* a dry run: ends after the scan; the result has no torrent */
    struct state *cache; /* where the torrent of unchanged data is looked up and kept, or NULL */
};

struct create_progress {
    bool scanning; /* totals are not known yet */
    uint64_t bytes_total, bytes_hashed;
    uint64_t files_total, files_hashed;
    uint32_t piece_length;
};

struct create_result {
    struct bytes torrent; /* the .torrent, bencoded */
    bool has_v1, has_v2;
    struct sha1_digest v1;
    struct sha256_digest v2;
    uint32_t piece_length;
    bool cached; /* nothing was hashed: the data is unchanged since last time */
    /* The files as they were when they were hashed: size, mtime_ns, inode, device, so that a sharer
     * who finds them like this need not recheck. In torrent order, without pads. */
    const struct scan *scan;
};

struct create_events {
    /* Now and then, at most about ten times a second. May be NULL. */
    void (*progress)(void *user, const struct create_progress *);
    /* The end, once. 0 and the result, which is valid during the call (create_take_scan and
     * create_take_torrent keep parts of it); or an error, and in `detail` a clause for people that
     * names the file, "" if there is none. result->scan is set (for its notes) whenever a scan was
     * begun. The handle is gone afterwards. */
    void (*done)(void *user, int err, const struct create_result *, const char *detail);
};

struct create;

/* Errors from here: ERR_INVALID (piece length, path), ERR_NOMEM. By done(): those of scan_run,
 * ERR_CHANGED, ERR_PERMISSION, ERR_NOT_FOUND, ERR_IO, ERR_NOMEM, ERR_LIMIT (too many pieces for
 * that piece length), ERR_CANCELLED. */
int create_start(struct env *, const struct create_options *, const struct create_events *,
    void *user, struct create **out);
/* Stops soon; done(ERR_CANCELLED) follows once the jobs in flight have ended. */
void create_cancel(struct create *);

/* Inside done(): the scan, or the malloc'd bytes, become the caller's (scan_free, free). */
struct scan *create_take_scan(struct create *);
uint8_t *create_take_torrent(struct create *, size_t *size);

#endif
