/* Rotating copies of the state database: see state_db.h. */
#include "base/err.h"
#include "store/state/state_db_internal.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

int state_copy_pages(sqlite3 *to, sqlite3 *from)
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

int state_db_copy(const char *path)
{
    struct state_beside building = state_beside(path, ".copying");
    sqlite3 *from = NULL, *to = NULL;
    state_unlink(building.text);
    int err = state_db_connect(path, SQLITE_OPEN_READWRITE, &from);
    if (err == 0)
        err = state_create_private(building.text);
    if (err == 0)
        err = state_db_connect(building.text, SQLITE_OPEN_READWRITE, &to);
    if (err == 0)
        err = state_db_exec(to, "PRAGMA synchronous = FULL");
    if (err == 0)
        err = state_copy_pages(to, from);
    /* One file that stands by itself, without a WAL beside it. */
    if (err == 0)
        err = state_db_exec(to, "PRAGMA journal_mode = DELETE");
    /* Never let a copy of something damaged push out a good one. */
    if (err == 0 && !state_quick_check(to))
        err = ERR_DATABASE;
    sqlite3_close(to);
    sqlite3_close(from);
    if (err == 0) {
        /* A crash between the two leaves ".2" alone, which recovery looks at as well. */
        rename(state_beside(path, ".1").text, state_beside(path, ".2").text);
        if (rename(building.text, state_beside(path, ".1").text) != 0)
            err = err_from_errno(errno);
        if (err == 0)
            err = state_sync_folder(path);
    }
    if (err < 0)
        state_unlink(building.text);
    return err;
}

int64_t state_db_copy_unix(const char *path)
{
    struct stat st;
    return stat(state_beside(path, ".1").text, &st) == 0 ? st.st_mtime : 0;
}
