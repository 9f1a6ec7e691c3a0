/* The state database as a file, see state_db.h.
 *
 * What opening does, in order: take the lock; finish a repair that was cut off; look at the file
 * (absent, ours, newer, foreign, damaged); if damaged, repair: build a new database out of the
 * newest good copy plus every intact row of the damaged one, and only when that is complete and
 * synced, set the damaged one aside and put the new one in its place. Each step can be cut off by
 * power loss and is then taken up again. */
#include "store/state_db.h"
#include "store/state_rows.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUSY_WAIT_MS 5000 /* for people who look into the database with other tools */
#define PATH_TEXT_MAX 4096

/* What a database file turned out to be. */
enum verdict {
    VERDICT_ABSENT,  /* no file or an empty one, and no copy that says there should be more */
    VERDICT_GOOD,    /* ours, whole */
    VERDICT_DAMAGED, /* ours, or it stands where ours should, and cannot be trusted */
    VERDICT_NEWER,
    VERDICT_FOREIGN,
    VERDICT_FAILED /* could not be found out: permission, memory, disk */
};

/* ---- errors and small helpers ---------------------------------------------------------------- */

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

static int fail(struct state_report *r, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct state_report *r, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (r != NULL)
        vsnprintf(r->error, sizeof r->error, format, args);
    va_end(args);
    return err;
}

struct beside {
    char text[PATH_TEXT_MAX];
};
/* The name of a file that stands beside the database: "state.db" + suffix. */
static struct beside beside(const char *path, const char *suffix)
{
    struct beside b;
    /* Never too long: state_db_open leaves room for every suffix that there is. */
    struct builder out = builder_fixed(b.text, sizeof b.text);
    builder_str(&out, path);
    builder_str(&out, suffix);
    builder_text(&out);
    return b;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* Makes the names in the database's folder durable. */
static void sync_folder(const char *path)
{
    struct beside folder = beside(path, "");
    char *slash = strrchr(folder.text, '/');
    if (slash != NULL)
        slash[slash == folder.text] = '\0';
    int fd = open(slash != NULL ? folder.text : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static int make_folders(const char *path)
{
    struct beside folder = beside(path, "");
    for (char *at = folder.text + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(folder.text, 0700) != 0 && errno != EEXIST)
            return err_from_errno(errno);
        *at = '/';
    }
    return 0;
}

static void unlink_database(const char *path)
{
    unlink(beside(path, "-wal").text);
    unlink(beside(path, "-shm").text);
    unlink(beside(path, "-journal").text);
    unlink(path);
}

/* ---- the lock -------------------------------------------------------------------------------- */

static int take_lock(struct state_db *db, const char *path, struct state_report *r)
{
    struct beside name = beside(path, ".lock");
    char pid[32] = "";
    int fd = open(name.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int err = err_from_errno(errno);
        return fail(r, err, "cannot open %s: %s", name.text, err_text(err));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
        pid[size > 0 ? size : 0] = '\0';
        if (r != NULL)
            r->lock_pid = atoi(pid);
        close(fd);
        return fail(r, ERR_BUSY, "%s is in use by another kith (process %s)", path,
            pid[0] != '\0' ? pid : "unknown");
    }
    int size = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    /* The number is for people only; the lock itself is the kernel's and dies with us. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size)
        state_report_warn(r, "cannot write to %s", name.text);
    db->lock_fd = fd;
    return 0;
}

/* ---- connections ----------------------------------------------------------------------------- */

/* Opens a connection with the settings that all of them have. */
static int connect_to(const char *path, int flags, sqlite3 **out)
{
    sqlite3 *sql = NULL;
    int rc =
        sqlite3_open_v2(path, &sql, flags | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
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

/* Brings a database of an older version, or an empty one, to STATE_VERSION in one transaction. */
static int migrate(sqlite3 *sql)
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

/* ---- checks ---------------------------------------------------------------------------------- */

static bool quick_check(sqlite3 *sql)
{
    sqlite3_stmt *s;
    bool good = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &s, NULL) == SQLITE_OK &&
                sqlite3_step(s) == SQLITE_ROW &&
                strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
    sqlite3_finalize(s);
    return good;
}

/* The text of everything in the schema, hashed by SQLite's own ordering of it; 0 on failure. */
static bool schema_text(sqlite3 *sql, struct builder *out)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(sql,
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '')"
        " FROM sqlite_master ORDER BY type, name",
        -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        builder_str(out, text != NULL ? text : "?");
        builder_str(out, "\n");
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE && builder_ok(out);
}

/* Is the schema, letter by letter, the one that this version makes? A flipped bit in it would not
 * be found by quick_check. */
static bool schema_is_ours(sqlite3 *sql)
{
    sqlite3 *model;
    bool same = false;
    if (connect_to(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &model) < 0)
        return true; /* no memory: not the database's fault */
    struct builder ours = builder_heap(1 << 20), theirs = builder_heap(1 << 20);
    if (migrate(model) < 0 || !schema_text(model, &ours))
        same = true;
    else if (schema_text(sql, &theirs))
        same = bytes_equal(builder_bytes(&ours), builder_bytes(&theirs));
    builder_free(&ours);
    builder_free(&theirs);
    sqlite3_close(model);
    return same;
}

/* Judges an open database. `version` is set if it is ours. */
static enum verdict judge(sqlite3 *sql, int64_t *version)
{
    int err = state_db_exec(sql, "SELECT count(*) FROM sqlite_master");
    if (err == ERR_DATABASE)
        return VERDICT_DAMAGED;
    if (err < 0)
        return VERDICT_FAILED;
    int64_t application = state_db_number(sql, "PRAGMA application_id", -1);
    *version = state_db_number(sql, "PRAGMA user_version", -1);
    /* Creation was cut off before its one transaction. */
    if (application == 0 && state_db_number(sql, "SELECT count(*) FROM sqlite_master", -1) == 0)
        return VERDICT_ABSENT;
    if (application != STATE_APPLICATION_ID)
        return VERDICT_FOREIGN;
    if (*version > STATE_VERSION)
        return VERDICT_NEWER;
    /* Both numbers are set by the transaction that makes the tables. */
    if (*version < 1 || !quick_check(sql))
        return VERDICT_DAMAGED;
    return *version == STATE_VERSION && !schema_is_ours(sql) ? VERDICT_DAMAGED : VERDICT_GOOD;
}

static bool has_copy(const char *path)
{
    return exists(beside(path, ".1").text) || exists(beside(path, ".2").text);
}

/* Opens and judges the file at `path`. *sql is open for all verdicts but ABSENT and FAILED (and may
 * be NULL when DAMAGED). */
static enum verdict look_at(const char *path, sqlite3 **sql, int64_t *version, int *err)
{
    struct stat st;
    *sql = NULL;
    *version = 0;
    *err = 0;
    if (stat(path, &st) != 0) {
        *err = err_from_errno(errno);
        return errno != ENOENT ? VERDICT_FAILED : has_copy(path) ? VERDICT_DAMAGED : VERDICT_ABSENT;
    }
    /* To SQLite an empty file is an empty database: so ends what a full disk or a crashed file
     * system leaves behind. Only without a copy is it a new one (ours is never empty). */
    if (st.st_size == 0)
        return has_copy(path) ? VERDICT_DAMAGED : VERDICT_ABSENT;
    *err = connect_to(path, SQLITE_OPEN_READWRITE, sql);
    if (*err < 0)
        return *err == ERR_DATABASE ? VERDICT_DAMAGED : VERDICT_FAILED;
    enum verdict v = judge(*sql, version);
    if (v == VERDICT_FAILED) {
        *err = state_db_err(*sql, sqlite3_extended_errcode(*sql));
        sqlite3_close(*sql);
        *sql = NULL;
    }
    /* Foreign or empty where we have copies of our own: the header is damaged. */
    bool other = v == VERDICT_FOREIGN || v == VERDICT_ABSENT;
    return other && has_copy(path) ? VERDICT_DAMAGED : v;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Copies a whole database, page by page, into `to`. */
static int copy_pages(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (b == NULL)
        return state_db_err(to, sqlite3_errcode(to));
    int rc;
    do {
        rc = sqlite3_backup_step(b, -1);
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
            sqlite3_sleep(10);
    } while (rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
    int err = rc == SQLITE_DONE ? 0 : state_db_err(to, rc);
    sqlite3_backup_finish(b);
    return err;
}

/* An empty file that only we may read: states hold links, and links are secrets. */
static int create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_from_errno(errno);
    close(fd);
    return 0;
}

int state_db_copy(const char *path)
{
    struct beside building = beside(path, ".copying");
    sqlite3 *from = NULL, *to = NULL;
    unlink_database(building.text);
    int err = connect_to(path, SQLITE_OPEN_READWRITE, &from);
    if (err == 0)
        err = create_private(building.text);
    if (err == 0)
        err = connect_to(building.text, SQLITE_OPEN_READWRITE, &to);
    if (err == 0)
        err = state_db_exec(to, "PRAGMA synchronous = FULL");
    if (err == 0)
        err = copy_pages(to, from);
    /* One file that stands by itself, without a WAL beside it. */
    if (err == 0)
        err = state_db_exec(to, "PRAGMA journal_mode = DELETE");
    /* Never let a copy of something damaged push out a good one. */
    if (err == 0 && !quick_check(to))
        err = ERR_DATABASE;
    sqlite3_close(to);
    sqlite3_close(from);
    if (err == 0) {
        /* A crash between the two leaves ".2" alone, which recovery looks at as well. */
        rename(beside(path, ".1").text, beside(path, ".2").text);
        if (rename(building.text, beside(path, ".1").text) != 0)
            err = err_from_errno(errno);
        sync_folder(path);
    }
    if (err < 0)
        unlink_database(building.text);
    return err;
}

int64_t state_db_copy_unix(const char *path)
{
    struct stat st;
    return stat(beside(path, ".1").text, &st) == 0 ? st.st_mtime : 0;
}

/* ---- repair ---------------------------------------------------------------------------------- */

/* Fills the new database from the newest copy that is whole. The name of the copy, or NULL. */
static const char *restore_copy(sqlite3 *to, const char *path)
{
    static const char *const suffixes[STATE_COPIES] = {".1", ".2"};
    for (int i = 0; i < STATE_COPIES; i++) {
        sqlite3 *copy;
        int64_t version;
        struct beside name = beside(path, suffixes[i]);
        if (!exists(name.text) || connect_to(name.text, SQLITE_OPEN_READONLY, &copy) < 0)
            continue;
        bool restored = judge(copy, &version) == VERDICT_GOOD && copy_pages(to, copy) == 0;
        sqlite3_close(copy);
        if (restored)
            return suffixes[i];
    }
    return NULL;
}

/* Builds the new database at `building`; reports what it is made of. */
static int rebuild(const char *path, const char *building, sqlite3 *damaged, struct state_report *r)
{
    struct state_db db = {.lock_fd = -1};
    unlink_database(building);
    int err = create_private(building);
    if (err == 0)
        err = connect_to(building, SQLITE_OPEN_READWRITE, &db.sql);
    if (err < 0)
        return err;
    const char *copy = restore_copy(db.sql, path);
    uint64_t rows = 0;
    err = state_db_exec(db.sql, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    if (err == 0)
        err = migrate(db.sql);
    if (err == 0)
        err = state_rows_prepare(&db);
    if (err == 0)
        err = state_db_exec(db.sql, "BEGIN IMMEDIATE");
    if (err == 0 && damaged != NULL)
        rows = state_rows_salvage(&db, damaged);
    if (err == 0)
        err = state_db_exec(db.sql, "COMMIT");
    state_rows_finish(&db);
    sqlite3_close(db.sql);
    if (err < 0)
        return err;
    if (copy != NULL)
        state_report_warn(r,
            "state was rebuilt from the copy %s%s and %llu records that could "
            "still be read; torrents removed since may be back",
            path, copy, (unsigned long long)rows);
    else
        state_report_warn(r,
            "there was no copy of the state: %llu records could be read out of "
            "the damaged database, everything else is lost",
            (unsigned long long)rows);
    return 0;
}

/* Moves the damaged database, its WAL included, to a dated name that is free. */
static int set_aside(const char *path, int64_t now_unix, struct state_report *r)
{
    char stamp[64];
    struct tm tm;
    time_t now = (time_t)now_unix;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, ".damaged-%Y%m%d-%H%M%S", &tm);
    struct beside aside = beside(path, stamp);
    for (int n = 2; exists(aside.text) && n < 1000; n++) {
        char numbered[80];
        snprintf(numbered, sizeof numbered, "%s-%d", stamp, n);
        aside = beside(path, numbered);
    }
    /* The database first: as long as it stands, its WAL has to. */
    if (rename(path, aside.text) == 0)
        state_report_warn(
            r, "the state database was damaged and has been set aside as %s", aside.text);
    else if (errno == ENOENT)
        state_report_warn(r, "the state database %s was gone", path);
    else
        return err_from_errno(errno);
    /* And its WAL before anything new stands under its name, to which it would be applied. */
    if (rename(beside(path, "-wal").text, beside(aside.text, "-wal").text) != 0 && errno != ENOENT)
        return err_from_errno(errno);
    unlink(beside(path, "-shm").text);
    return 0;
}

/* Puts the finished new database in the place of the damaged one. */
static int replace(const char *path, int64_t now_unix, struct state_report *r)
{
    struct beside finished = beside(path, ".new");
    int err = set_aside(path, now_unix, r);
    if (err == 0 && rename(finished.text, path) != 0)
        err = err_from_errno(errno);
    sync_folder(path);
    return err;
}

static int repair(const char *path, sqlite3 *damaged, int64_t now_unix, struct state_report *r)
{
    struct beside building = beside(path, ".building"), finished = beside(path, ".new");
    int err = rebuild(path, building.text, damaged, r);
    if (damaged != NULL) {
        /* What is set aside stays as it was found. */
        sqlite3_db_config(damaged, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_close(damaged);
    }
    if (err == 0 && rename(building.text, finished.text) != 0)
        err = err_from_errno(errno);
    if (err == 0)
        err = replace(path, now_unix, r);
    if (err < 0)
        return fail(r, err, "%s is damaged and could not be rebuilt: %s", path, err_text(err));
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Looks at the file and does what has to be done until it is whole, or cannot be. Leaves no
 * connection open. */
static int make_whole(const char *path, int64_t now_unix, struct state_report *r)
{
    sqlite3 *sql;
    int64_t version;
    int err;
    if (exists(beside(path, ".new").text) && !exists(path)) {
        /* A repair was cut off after the damaged database was moved away. */
        if ((err = replace(path, now_unix, r)) < 0)
            return fail(r, err, "cannot finish the repair of %s: %s", path, err_text(err));
    }
    enum verdict v = look_at(path, &sql, &version, &err);
    switch (v) {
    case VERDICT_GOOD:
    case VERDICT_ABSENT:
        sqlite3_close(sql);
        return 0;
    case VERDICT_DAMAGED:
        return repair(path, sql, now_unix, r);
    case VERDICT_NEWER:
        err = fail(r, ERR_DATABASE,
            "%s was written by a newer kith (state version %lld, this kith knows %d): "
            "use that kith, or another state folder",
            path, (long long)version, STATE_VERSION);
        break;
    case VERDICT_FOREIGN:
        err = fail(r, ERR_DATABASE, "%s is a database, but not kith's: it is left alone", path);
        break;
    case VERDICT_FAILED:
        err = fail(r, err, "cannot open %s: %s", path, err_text(err));
        break;
    }
    sqlite3_close(sql);
    return err;
}

static int open_whole(struct state_db *db, const char *path)
{
    bool memory = db->path == NULL;
    int err = memory ? 0 : create_private(path);
    if (err == 0)
        err = connect_to(path, SQLITE_OPEN_READWRITE | (memory ? SQLITE_OPEN_CREATE : 0), &db->sql);
    if (err == 0)
        err = state_db_exec(db->sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                     "PRAGMA journal_size_limit = 67108864");
    if (err == 0)
        err = migrate(db->sql);
    if (err == 0)
        err = state_rows_prepare(db);
    if (err == 0 && !memory)
        sync_folder(path);
    return err;
}

int state_db_open(
    struct state_db *db, const char *path, int64_t now_unix, struct state_report *report)
{
    int err = 0;
    *db = (struct state_db){.lock_fd = -1};
    if (strcmp(path, ":memory:") != 0) {
        /* Room for the longest suffix. */
        if (strlen(path) + 128 > PATH_TEXT_MAX)
            return fail(report, ERR_LIMIT, "the path of the state database is too long");
        if ((db->path = strdup(path)) == NULL)
            return ERR_NOMEM;
        if ((err = make_folders(path)) < 0)
            fail(report, err, "cannot make the folder of %s: %s", path, err_text(err));
        if (err == 0)
            err = take_lock(db, path, report);
        if (err == 0)
            err = make_whole(path, now_unix, report);
    }
    if (err == 0 && (err = open_whole(db, path)) < 0)
        fail(report, err, "cannot open %s: %s", path, err_text(err));
    if (err < 0)
        state_db_close(db);
    return err;
}

void state_db_close(struct state_db *db)
{
    state_rows_finish(db);
    sqlite3_close(db->sql);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    *db = (struct state_db){.lock_fd = -1};
}
