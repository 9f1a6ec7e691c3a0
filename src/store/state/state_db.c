/* The state database as a file, see state_db.h.
 *
 * What opening does, in order: take the lock; finish a repair that was cut off; look at the file
 * (absent, ours, newer, foreign, damaged: state_judge.c); if damaged, repair it (state_repair.c).
 */
#include "base/err.h"
#include "store/state/state_db_internal.h"
#include "store/state/state_rows.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* For a tool that looks into the database while it is opened. Afterwards nobody can. */
#define BUSY_WAIT_MS 500

/* ---- errors and small helpers -------------------------------------------------------------- */

int state_db_err(sqlite3 *sql, int rc)
{
    int system = sql != NULL ? sqlite3_system_errno(sql) : 0;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_IOERR:
        return system == ENOSPC || system == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
    case SQLITE_FORMAT:
        return ERR_DATABASE;
    case SQLITE_CANTOPEN:
        return system != 0 ? err_from_errno(system) : ERR_IO;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ERR_PERMISSION;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    }
    return ERR_IO;
}

int state_db_exec(sqlite3 *sql, const char *script)
{
    return state_db_err(sql, sqlite3_exec(sql, script, NULL, NULL, NULL));
}

int64_t state_db_number(sqlite3 *sql, const char *query, int64_t otherwise)
{
    sqlite3_stmt *s;
    int64_t number = otherwise;
    if (sqlite3_prepare_v2(sql, query, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        number = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return number;
}

void state_report_warn(struct state_report *r, const char *format, ...)
{
    if (r == NULL || r->warning_count >= STATE_WARNINGS_MAX)
        return;
    va_list args;
    va_start(args, format);
    if (vasprintf(&r->warnings[r->warning_count], format, args) >= 0)
        r->warning_count++;
    va_end(args);
}

int state_fail(struct state_report *r, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (r != NULL)
        vsnprintf(r->error, sizeof r->error, format, args);
    va_end(args);
    return err;
}

int state_fail_open(struct state_report *r, int err, const char *path)
{
    if (err == ERR_BUSY)
        return state_fail(r, err, "%s is in use by another program", path);
    return state_fail(r, err, "cannot open %s: %s", path, err_text(err));
}

/* ---- the lock ------------------------------------------------------------------------------ */

static int take_lock(struct state_db *db, const char *path, struct state_report *r)
{
    struct state_beside name = state_beside(path, ".lock");
    char pid[32] = "";
    int fd = open(name.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int err = err_from_errno(errno);
        return state_fail(r, err, "cannot open %s: %s", name.text, err_text(err));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
        pid[size > 0 ? size : 0] = '\0';
        if (r != NULL)
            r->lock_pid = atoi(pid);
        close(fd);
        return state_fail(r, ERR_BUSY, "%s is in use by another kith (process %s)", path,
            pid[0] != '\0' ? pid : "unknown");
    }
    int size = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    /* The number is for people only; the lock itself is the kernel's and dies with us. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size)
        state_report_warn(r, "cannot write to %s", name.text);
    db->lock_fd = fd;
    return 0;
}

/* ---- connections --------------------------------------------------------------------------- */

int state_db_connect(const char *path, int flags, sqlite3 **out)
{
    sqlite3 *sql = NULL;
    int rc = sqlite3_open_v2(
        path, &sql, flags | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, STATE_VFS);
    int err = state_db_err(sql, rc);
    if (err == 0) {
        sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_limit(sql, SQLITE_LIMIT_LENGTH, (int)(STATE_BLOB_MAX + (1 << 20)));
        sqlite3_busy_timeout(sql, BUSY_WAIT_MS);
        err = state_db_exec(sql, "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON;"
                                 "PRAGMA temp_store = MEMORY;");
    }
    if (err < 0) {
        sqlite3_close(sql);
        sql = NULL;
    }
    *out = sql;
    return err;
}

int state_db_migrate(sqlite3 *sql)
{
    char stamp[96];
    int64_t version = state_db_number(sql, "PRAGMA user_version", -1);
    if (version == STATE_VERSION)
        return 0;
    if (version < 0 || version > STATE_VERSION)
        return ERR_DATABASE;
    int err = state_db_exec(sql, "BEGIN IMMEDIATE");
    for (int64_t v = version; v < STATE_VERSION && err == 0; v++)
        err = state_db_exec(sql, state_schema[v]);
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
        STATE_APPLICATION_ID, STATE_VERSION);
    if (err == 0)
        err = state_db_exec(sql, stamp);
    if (err < 0 && !sqlite3_get_autocommit(sql))
        sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* One of its own, so that the loop, which reads what a torrent needs that wakes, never waits for a
 * transaction and its fsync. */
static int open_reader(struct state_db *db, const char *path)
{
    int err = state_db_connect(path, SQLITE_OPEN_READWRITE, &db->reader);
    return err < 0 ? err
                   : state_db_exec(db->reader, "PRAGMA query_only = ON; PRAGMA cache_size = -128");
}

static int open_whole(struct state_db *db, const char *path)
{
    bool memory = db->path == NULL;
    int err = memory ? 0 : state_create_private(path);
    if (err == 0)
        err = state_db_connect(
            path, SQLITE_OPEN_READWRITE | (memory ? SQLITE_OPEN_CREATE : 0), &db->sql);
    if (err == 0)
        err = state_db_exec(db->sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                     "PRAGMA journal_size_limit = 67108864");
    if (err == 0)
        err = state_db_migrate(db->sql);
    if (err == 0 && !memory)
        err = open_reader(db, path);
    if (err == 0 && memory)
        db->reader = db->sql;
    if (err == 0)
        err = state_rows_prepare(db);
    if (err == 0 && !memory)
        err = state_sync_folder(path);
    return err;
}

int state_db_open(
    struct state_db *db, const char *path, int64_t now_unix, struct state_report *report)
{
    int err = 0;
    *db = (struct state_db){.lock_fd = -1};
    if (strcmp(path, ":memory:") != 0) {
        if (strlen(path) + STATE_SUFFIX_MAX > STATE_PATH_MAX)
            return state_fail(report, ERR_LIMIT, "the path of the state database is too long");
        if ((db->path = strdup(path)) == NULL)
            return ERR_NOMEM;
        if ((err = state_make_folders(path)) < 0)
            state_fail(report, err, "cannot make the folder of %s: %s", path, err_text(err));
        if (err == 0)
            err = take_lock(db, path, report);
        if (err == 0)
            err = state_make_whole(path, now_unix, report);
    }
    if (err == 0 && (err = open_whole(db, path)) < 0)
        state_fail_open(report, err, path);
    if (err < 0)
        state_db_close(db);
    return err;
}

void state_db_close(struct state_db *db)
{
    state_rows_finish(db);
    if (state_db_reads_apart(db))
        sqlite3_close(db->reader);
    sqlite3_close(db->sql);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    *db = (struct state_db){.lock_fd = -1};
}
