/* Between the files that implement state_db.h.
 *
 *   state_db.c       errors, the lock, connections; opening
 *   state_files.c    names beside the database
 *   state_judge.c    what a file turned out to be
 *   state_copy.c     rotating copies
 *   state_repair.c   what happens to a damaged one
 *   state_rows.c     records in and out; state_salvage.c: out of a damaged one */
#ifndef KITH_STORE_STATE_DB_INTERNAL_H
#define KITH_STORE_STATE_DB_INTERNAL_H

#include "store/state/state_db.h"
#include "store/state/state_files.h"

/* What a database file turned out to be. */
enum state_verdict {
    VERDICT_ABSENT,  /* no file or an empty one, and no copy that says there should be more */
    VERDICT_GOOD,    /* ours, whole */
    VERDICT_DAMAGED, /* ours, or it stands where ours should, and cannot be trusted */
    VERDICT_NEWER,
    VERDICT_FOREIGN,
    VERDICT_FAILED /* could not be found out: permission, memory, disk */
};

/* Writes report->error and returns err. */
int state_fail(struct state_report *, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of a database that cannot be opened. */
int state_fail_open(struct state_report *, int err, const char *path);
/* Opens a connection with the settings that all of them have; NULL on failure. */
int state_db_connect(const char *path, int flags, sqlite3 **out);
/* Brings a database of an older version, or an empty one, to STATE_VERSION in one transaction. */
int state_db_migrate(sqlite3 *);

/* Judges an open database. `version` is set if it is ours. */
enum state_verdict state_judge(sqlite3 *, int64_t *version);
/* Opens and judges the file at `path`. *sql is open for all verdicts but ABSENT and FAILED (and may
 * be NULL when DAMAGED). */
enum state_verdict state_look_at(const char *path, sqlite3 **sql, int64_t *version, int *err);
bool state_quick_check(sqlite3 *);

/* Copies a whole database, page by page, into `to`. */
int state_copy_pages(sqlite3 *to, sqlite3 *from);

/* Looks at the file and does what has to be done until it is whole, or cannot be. Leaves no
 * connection open. */
int state_make_whole(const char *path, int64_t now_unix, struct state_report *);

#endif
