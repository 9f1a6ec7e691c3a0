/* The database file under state.h: lock, opening, checks, migration, copies, and what happens to a
 * damaged one. Knows SQLite and the files around it; knows nothing of queues and jobs.
 *
 * Blocking. Called by state.c only. */
#ifndef KITH_STORE_STATE_DB_H
#define KITH_STORE_STATE_DB_H

#include "store/state/state.h"
#include <sqlite3.h>

/* SQLite's way to files by which the first connection of this process locks every other process
 * out: nobody else's lock can keep a node from saving, and none can read what is half written. */
#define STATE_VFS "unix-excl"

/* The statements of state_rows.c, prepared once. */
enum state_sql {
    SQL_PUT_TORRENT,
    SQL_DELETE_TORRENT,
    SQL_PUT_BLOB,
    SQL_DELETE_BLOB,
    SQL_GET_BLOB,
    SQL_PUT_SETTING,
    SQL_DELETE_SETTING,
    SQL_GET_SETTING,
    SQL_PUT_SHARE,
    SQL_TRIM_SHARES,
    SQL_GET_SHARE,
    SQL_COUNT
};

struct state_db {
    sqlite3 *sql;
    sqlite3 *reader; /* sees what is committed, and waits for no writer; `sql` if in memory */
    char *path;      /* NULL: in memory */
    int lock_fd;     /* -1: in memory */
    sqlite3_stmt *statements[SQL_COUNT];
};

/* Opens, locks, checks, repairs and migrates; see state_open for errors. `now_unix` dates the names
 * of files that are set aside. */
int state_db_open(
    struct state_db *, const char *path, int64_t now_unix, struct state_report *report);
void state_db_close(struct state_db *);

/* Readers and the writer may be at work at the same time. */
static inline bool state_db_reads_apart(const struct state_db *db)
{
    return db->reader != db->sql;
}

/* The enum kith_err for the last failure of this connection. */
int state_db_err(sqlite3 *, int rc);
int state_db_exec(sqlite3 *, const char *script);
/* The first column of a query's first row, or `otherwise`. */
int64_t state_db_number(sqlite3 *, const char *query, int64_t otherwise);

/* Replaces the newest rotating copy by one of the database as it is now; the former newest becomes
 * the second. Through a connection of its own: any thread, beside a writer. */
int state_db_copy(const char *path);
/* When the newest copy was made; 0 if there is none. */
int64_t state_db_copy_unix(const char *path);

void state_report_warn(struct state_report *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
