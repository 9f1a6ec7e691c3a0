/* What a node remembers: one SQLite database, written by one job at a time.
 *
 * Saving is asynchronous: a save is copied into a queue (a later save of the same record replaces
 * an earlier one that still waits), one job writes what waits in one transaction, and `done` is
 * called when that transaction is durable (WAL, synchronous=FULL). What was acknowledged survives
 * kill -9 and power loss. When the disk is full or fails, the queue is kept and tried again; the
 * reason shows in state_trouble. Loading sees what is durable. It blocks for a read of the file,
 * never for a write; only with ":memory:", where one connection reads and writes, it waits for the
 * transaction under way.
 *
 * Each row carries a checksum of its own, so that a flipped bit is seen even where SQLite's page
 * structure is intact: a damaged row is reported as damaged, never as empty or as 0 %. A damaged
 * database is set aside under a dated name, rebuilt from the newest rotating copy plus every intact
 * row that can still be read out of it, and reported. A database of a newer kith, or of somebody
 * else, is never touched.
 *
 * Blobs (metainfo, storage record) are opaque here. The owner is node/; create.c uses the share
 * cache. Threads: the loop's, except where a call says "any thread". */
#ifndef KITH_STORE_STATE_H
#define KITH_STORE_STATE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/log.h"
#include "env/env.h"

#define STATE_VERSION 1                 /* PRAGMA user_version */
#define STATE_APPLICATION_ID 0x6b697468 /* "kith" */
#define STATE_COPIES 2                  /* state.db.1 (newest), state.db.2 */
#define STATE_COPY_EVERY SECONDS(24 * 3600)
#define STATE_COPY_AGE_AT_START_S 3600 /* a start takes a copy if the newest is older than this */
#define STATE_RETRY_MIN SECONDS(1)     /* after a failed write; doubles up to ... */
#define STATE_RETRY_MAX SECONDS(60)
#define STATE_BLOB_MAX ((size_t)256 << 20)          /* one metainfo or record */
#define STATE_QUEUE_BYTES_MAX ((size_t)512 << 20)   /* saves that wait: more is ERR_NO_SPACE */
#define STATE_TEXT_MAX ((size_t)1 << 20)            /* name, magnet, folder */
#define STATE_PEERS_MAX 200u                        /* kept for each torrent */
#define STATE_SHARES_MAX 1000u                      /* share cache: the oldest go */
#define STATE_SHARE_BYTES_MAX ((uint64_t)256 << 20) /* and by the size of their torrents */
#define STATE_WARNINGS_MAX 100u

struct state;

struct state_config {
    const char *path; /* the database; copies and lock stand beside it. ":memory:": none of them */
    struct log *log;  /* or NULL */
    /* Or NULL. On the loop: a job's end has brought state_deadline forward. */
    void (*deadline_changed)(void *user);
    void *user;
};

/* What opening found. Zero it before; free with state_report_free. */
struct state_report {
    char error[512]; /* for people: why state_open failed, with path and what to do; or "" */
    int lock_pid;    /* with ERR_BUSY: who holds it, 0 if unknown */
    char *warnings[STATE_WARNINGS_MAX]; /* what was repaired or set aside, in English */
    size_t warning_count;
};
void state_report_free(struct state_report *);

/* Blocking: opens (making the folder and the database if they are not there), locks, checks,
 * migrates, and takes a copy.
 * ERR_BUSY: another process has it; ERR_DATABASE: newer than this kith, or not kith's;
 * ERR_PERMISSION, ERR_NO_SPACE, ERR_IO, ERR_NOMEM. report may be NULL. */
int state_open(struct env *, const struct state_config *, struct state **, struct state_report *);

/* Writes what waits, in this thread, and closes. Callbacks of saves that became durable are called
 * with 0, the others with an error, which is also returned. No job may be under way: see
 * state_idle. NULL is fine. */
int state_close(struct state *);
/* No job of this state is under way, so that it can be closed. */
bool state_idle(const struct state *);
/* Before closing: writes what waits once more, starts no job after that, and calls idle(user) on
 * the loop, never inside this call. state_close may be called from idle(). */
void state_quiesce(struct state *, void (*idle)(void *user), void *user);

/* ---- records ------------------------------------------------------------------------------- */

/* One torrent, without its blobs. Zeroed fields mean: unknown, none, no limit. Texts may be NULL
 * when saved, and are "" then when loaded. */
struct state_torrent {
    int64_t id; /* from state_torrent_new_id; never used again after removal */
    bool has_v1, has_v2;
    bool paused, sequential, super_seeding, stop_when_done;
    bool metadata_missing; /* `magnet` is all that we have */
    bool complete;         /* the storage record claims every piece */
    bool is_private, has_trackers;
    struct sha1_digest v1;
    struct sha256_digest v2;
    const char *name;
    const char *magnet;
    const char *folder; /* where it is saved, absolute */
    const char *root;   /* name of its file or folder there, if it differs from the torrent's */
    int64_t added_unix, completed_unix;
    uint64_t uploaded, downloaded; /* payload bytes, all sessions */
    uint64_t seeding_seconds;
    uint64_t limit_up, limit_down; /* bytes a second */
    double ratio_stop;             /* stop seeding at; <= 0: never */
    uint64_t seed_seconds_stop;    /* 0: never */
    struct bytes priorities;       /* a byte a file; empty: all normal */
    int32_t queue_position;
    uint64_t
        bytes_total; /* of the metainfo, so that it need not be read: all 0 until it is known */
    uint32_t piece_length, piece_count, file_count;
};

/* A blob that belongs to a torrent. */
enum state_blob {
    STATE_METAINFO, /* the raw .torrent */
    STATE_STORAGE,  /* storage's resume record */
    STATE_TRACKERS, /* whatever node/ keeps of trackers */
    STATE_WANTED,   /* the glob of files that are, until there are any to be numbered */
    STATE_BLOB_COUNT
};

struct state_peer {
    struct endpoint endpoint;
    int64_t seen_unix;
    enum addr_source source; /* who named it */
};

/* ---- saving (the loop's thread) ------------------------------------------------------------ */

/* Called once on the loop, never inside the call that saves: 0 when durable; ERR_CLOSED if the
 * state was closed before it could be written; ERR_EXISTS: another torrent has this id or
 * info-hash. A save that a later one replaced is acknowledged with it. */
typedef void state_done(void *user, int err);

int64_t state_torrent_new_id(struct state *);
/* The whole row; blobs are not touched. `done` may be NULL, here and below.
 * ERR_LIMIT, ERR_NOMEM, ERR_NO_SPACE (queue full), ERR_CLOSED (after state_quiesce): nothing was
 * queued and done is not called. */
int state_save_torrent(struct state *, const struct state_torrent *, state_done *, void *user);
int state_save_blob(
    struct state *, int64_t torrent, enum state_blob, struct bytes, state_done *, void *user);
/* Replaces the peers kept for this torrent; those past STATE_PEERS_MAX are left out. */
int state_save_peers(struct state *, int64_t torrent, const struct state_peer *, size_t count,
    state_done *, void *user);
/* The row and everything that belongs to it. */
int state_remove_torrent(struct state *, int64_t torrent, state_done *, void *user);
/* A setting or any small thing that is kept by name; empty removes it. */
int state_save_setting(
    struct state *, const char *key, struct bytes value, state_done *, void *user);
/* Remembers that data whose scan and options have this digest make this torrent. */
int state_save_share(struct state *, const struct sha256_digest *key, const char *path,
    struct bytes torrent, state_done *, void *user);

/* How many saves wait, and why they do: 0, or the error of the last attempt. */
size_t state_waiting(const struct state *);
int state_trouble(const struct state *);
/* When state_tick wants to be called: a retry, the daily copy. NEVER if not. */
usec state_deadline(const struct state *);
void state_tick(struct state *, usec now);

/* ---- loading (blocking; any thread) -------------------------------------------------------- */

/* Calls each() for every torrent, in the order of their ids, until it returns false. Pointers in
 * the record are valid during the call. A damaged row comes with `damaged` true and only what can
 * be trusted (at least id; the info-hashes if its metainfo is intact is the caller's to find out):
 * it must be listed and rechecked, not taken as it is. */
int state_each_torrent(struct state *,
    bool (*each)(void *user, const struct state_torrent *, bool damaged), void *user);
/* *out is malloc'd; free with free(). ERR_NOT_FOUND; ERR_DATABASE if its checksum is wrong. */
int state_load_blob(struct state *, int64_t torrent, enum state_blob, uint8_t **out, size_t *size);
/* At most `max`; how many, or an error. */
int state_load_peers(struct state *, int64_t torrent, struct state_peer *out, size_t max);
int state_load_setting(struct state *, const char *key, uint8_t **out, size_t *size);
/* Calls each() for every setting whose key begins so, in the order of the keys, until it returns
 * false. Key and value are valid during the call. */
int state_each_setting(struct state *, const char *prefix,
    bool (*each)(void *user, const char *key, struct bytes value, bool damaged), void *user);
/* The torrent that was saved under this key. ERR_NOT_FOUND. */
int state_load_share(struct state *, const struct sha256_digest *key, uint8_t **out, size_t *size);

/* What was read is not kept in memory any more. */
void state_release_memory(struct state *);

#endif
