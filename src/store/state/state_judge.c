/* What a database file is: see state_db_internal.h. */
#include "base/err.h"
#include "store/state/state_db_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool state_quick_check(sqlite3 *sql)
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
    if (state_db_connect(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &model) < 0)
        return true; /* no memory: not the database's fault */
    struct builder ours = builder_heap(1 << 20), theirs = builder_heap(1 << 20);
    if (state_db_migrate(model) < 0 || !schema_text(model, &ours))
        same = true;
    else if (schema_text(sql, &theirs))
        same = bytes_equal(builder_bytes(&ours), builder_bytes(&theirs));
    builder_free(&ours);
    builder_free(&theirs);
    sqlite3_close(model);
    return same;
}

enum state_verdict state_judge(sqlite3 *sql, int64_t *version)
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
    if (*version < 1 || !state_quick_check(sql))
        return VERDICT_DAMAGED;
    return *version == STATE_VERSION && !schema_is_ours(sql) ? VERDICT_DAMAGED : VERDICT_GOOD;
}

static bool has_copy(const char *path)
{
    return state_file_exists(state_beside(path, ".1").text) ||
           state_file_exists(state_beside(path, ".2").text);
}

enum state_verdict state_look_at(const char *path, sqlite3 **sql, int64_t *version, int *err)
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
    *err = state_db_connect(path, SQLITE_OPEN_READWRITE, sql);
    if (*err < 0)
        return *err == ERR_DATABASE ? VERDICT_DAMAGED : VERDICT_FAILED;
    enum state_verdict v = state_judge(*sql, version);
    if (v == VERDICT_FAILED) {
        *err = state_db_err(*sql, sqlite3_extended_errcode(*sql));
        sqlite3_close(*sql);
        *sql = NULL;
    }
    /* Foreign or empty where we have copies of our own: the header is damaged. */
    bool other = v == VERDICT_FOREIGN || v == VERDICT_ABSENT;
    return other && has_copy(path) ? VERDICT_DAMAGED : v;
}
