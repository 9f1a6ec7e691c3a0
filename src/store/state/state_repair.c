/* What happens to a damaged state database: a new one is built out of the newest good copy plus
 * every intact row of the damaged one, and only when that is complete and synced is the damaged one
 * set aside and the new one put in its place. Each step can be cut off by power loss and is then
 * taken up again. See state_db_internal.h. */
#include "base/err.h"
#include "store/state/state_db_internal.h"
#include "store/state/state_rows.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Fills the new database from the newest copy that is whole. The name of the copy, or NULL. */
static const char *restore_copy(sqlite3 *to, const char *path)
{
    static const char *const suffixes[STATE_COPIES] = {".1", ".2"};
    for (int i = 0; i < STATE_COPIES; i++) {
        sqlite3 *copy;
        int64_t version;
        struct state_beside name = state_beside(path, suffixes[i]);
        if (!state_file_exists(name.text) ||
            state_db_connect(name.text, SQLITE_OPEN_READONLY, &copy) < 0)
            continue;
        bool restored =
            state_judge(copy, &version) == VERDICT_GOOD && state_copy_pages(to, copy) == 0;
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
    state_unlink(building);
    int err = state_create_private(building);
    if (err == 0)
        err = state_db_connect(building, SQLITE_OPEN_READWRITE, &db.sql);
    if (err < 0)
        return err;
    const char *copy = restore_copy(db.sql, path);
    uint64_t rows = 0;
    err = state_db_exec(db.sql, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    if (err == 0)
        err = state_db_migrate(db.sql);
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
    struct state_beside aside = state_beside(path, stamp);
    for (int n = 2; state_file_exists(aside.text) && n < 1000; n++) {
        char numbered[80];
        snprintf(numbered, sizeof numbered, "%s-%d", stamp, n);
        aside = state_beside(path, numbered);
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
    if (rename(state_beside(path, "-wal").text, state_beside(aside.text, "-wal").text) != 0 &&
        errno != ENOENT)
        return err_from_errno(errno);
    unlink(state_beside(path, "-shm").text);
    return 0;
}

/* Puts the finished new database in the place of the damaged one. */
static int replace(const char *path, int64_t now_unix, struct state_report *r)
{
    struct state_beside finished = state_beside(path, ".new");
    int err = set_aside(path, now_unix, r);
    if (err == 0 && rename(finished.text, path) != 0)
        err = err_from_errno(errno);
    return err < 0 ? err : state_sync_folder(path);
}

static int repair(const char *path, sqlite3 *damaged, int64_t now_unix, struct state_report *r)
{
    struct state_beside building = state_beside(path, ".building"),
                        finished = state_beside(path, ".new");
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
        return state_fail(
            r, err, "%s is damaged and could not be rebuilt: %s", path, err_text(err));
    return 0;
}

int state_make_whole(const char *path, int64_t now_unix, struct state_report *r)
{
    sqlite3 *sql;
    int64_t version;
    int err;
    if (state_file_exists(state_beside(path, ".new").text) && !state_file_exists(path)) {
        /* A repair was cut off after the damaged database was moved away. */
        if ((err = replace(path, now_unix, r)) < 0)
            return state_fail(r, err, "cannot finish the repair of %s: %s", path, err_text(err));
    }
    enum state_verdict v = state_look_at(path, &sql, &version, &err);
    switch (v) {
    case VERDICT_GOOD:
    case VERDICT_ABSENT:
        sqlite3_close(sql);
        return 0;
    case VERDICT_DAMAGED:
        return repair(path, sql, now_unix, r);
    case VERDICT_NEWER:
        err = state_fail(r, ERR_DATABASE,
            "%s was written by a newer kith (state version %lld, this kith knows %d): "
            "use that kith, or another state folder",
            path, (long long)version, STATE_VERSION);
        break;
    case VERDICT_FOREIGN:
        err =
            state_fail(r, ERR_DATABASE, "%s is a database, but not kith's: it is left alone", path);
        break;
    case VERDICT_FAILED:
        err = state_fail_open(r, err, path);
        break;
    }
    sqlite3_close(sql);
    return err;
}
